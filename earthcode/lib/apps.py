from django.apps import AppConfig


class LibConfig(AppConfig):
    name = "earthcode.lib"
    label = "lib"

    def ready(self) -> None:
        from earthcode.lib import checks  # noqa: F401  # registers them
