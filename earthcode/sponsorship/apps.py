from django.apps import AppConfig


class SponsorshipConfig(AppConfig):
    name = "earthcode.sponsorship"
    label = "sponsorship"
