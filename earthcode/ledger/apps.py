from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "earthcode.ledger"
    label = "ledger"
    #: Credits move by functions, which run with the rights of their owner. What a verification found the site writes itself: it
    #: is about the books and none of them.
    site_rights = {
        "ledger_*": frozenset({"SELECT"}),
        "ledger_verification": frozenset({"SELECT", "INSERT"}),
        "ledger_broken_row": frozenset({"SELECT", "INSERT", "UPDATE"}),
    }
