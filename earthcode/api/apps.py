from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "earthcode.api"
    label = "api"
