from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "earthcode.ledger"
    label = "ledger"
