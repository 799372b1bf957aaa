from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "earthcode.identity"
    label = "identity"

    def ready(self) -> None:
        from earthcode.identity import checks  # noqa: F401  importing registers them
