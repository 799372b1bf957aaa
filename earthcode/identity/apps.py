from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "earthcode.identity"
    label = "identity"
