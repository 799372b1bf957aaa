from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "earthcode.demo"
    label = "demo"
