from django.apps import AppConfig


class ScienceConfig(AppConfig):
    name = "earthcode.science"
    label = "science"
