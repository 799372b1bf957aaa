from django.apps import AppConfig


class OnboardingConfig(AppConfig):
    name = "earthcode.onboarding"
    label = "onboarding"
