from django.apps import AppConfig


class ProvisioningConfig(AppConfig):
    name = "earthcode.provisioning"
    label = "provisioning"
