from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "earthcode.web"
    label = "web"

    def ready(self) -> None:
        from earthcode.web import checks  # noqa: F401  importing registers them
