from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "earthcode.audit"
    label = "audit"
