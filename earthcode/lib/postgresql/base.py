"""Django's PostgreSQL, which refuses a server that is too old on the first connection, before anything is made in it."""

from django.db.backends.postgresql import base, features


class DatabaseFeatures(features.DatabaseFeatures):
    # ``docs/settings.md`` says the same. Rights are handed on WITH INHERIT and SET (16), and MAINTAIN is looked at (17).
    minimum_database_version = (17,)


class DatabaseWrapper(base.DatabaseWrapper):
    features_class = DatabaseFeatures
