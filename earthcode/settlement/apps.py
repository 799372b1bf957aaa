from django.apps import AppConfig


class SettlementConfig(AppConfig):
    name = "earthcode.settlement"
    label = "settlement"
