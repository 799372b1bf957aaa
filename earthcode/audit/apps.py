from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "earthcode.audit"
    label = "audit"
    #: Links are added by a function, which runs with the rights of its owner.
    site_rights = {
        "audit_*": frozenset({"SELECT"}),
        "audit_event": frozenset({"SELECT", "INSERT"}),
    }
