from django.apps import AppConfig


class CatalogueConfig(AppConfig):
    name = "earthcode.catalogue"
    label = "catalogue"
