from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "earthcode.notifications"
    label = "notifications"
