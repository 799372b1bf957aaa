from django.apps import AppConfig


class PublishingConfig(AppConfig):
    name = "earthcode.publishing"
    label = "publishing"
