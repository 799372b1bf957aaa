"""Writes the migrations that apply what was changed in the files of functions and triggers (``<app>/sql/``), and lists the
functions and triggers that a new database then has. ``make sql`` runs it with a database server of its own."""

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from earthcode.lib import objects, sqlfiles


class Command(BaseCommand):
    help = __doc__ or ""
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("app", nargs="*", help="only these apps; without it, all")
        parser.add_argument(
            "--check",
            action="store_true",
            help="write nothing and exit with 1 if something is to be written; needs no database",
        )
        parser.add_argument("--no-list", action="store_true", help="write migrations only; needs no database")

    def handle(self, *_: Any, app: list[str], check: bool, no_list: bool, **__: Any) -> None:
        chosen = [config for config in sqlfiles.apps_with_sql() if not app or config.label in app]
        if unknown := set(app) - {config.label for config in chosen}:
            raise CommandError(f"no app with a folder sql/ is called {', '.join(sorted(unknown))}")
        if check:
            self._check(chosen)
            return
        for config in chosen:
            migration = sqlfiles.write_migration(config)
            if migration is not None:
                self.stdout.write(f"{config.label}: wrote migrations/{migration.name}")
        if not no_list:
            self._list()

    def _check(self, chosen: list[Any]) -> None:
        changed = [f"{config.label}/sql/{change.file}" for config in chosen for change in sqlfiles.changes(config)]
        if changed:
            raise CommandError(
                f"{', '.join(changed)}: no migration applies this text. Run `make sql`, which writes one for each app."
            )
        self.stdout.write("Every function and trigger is in a migration as its file says.")

    def _list(self) -> None:
        name = connection.settings_dict["NAME"]
        scratch = connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        try:
            found = objects.found()
        finally:
            connection.creation.destroy_test_db(name, verbosity=0)
        if "" in found:
            raise CommandError(f"these belong to no app, by their names: {', '.join(found[''])}")
        for config in apps.get_app_configs():
            has = found.get(config.label, {})
            if (has or objects.listed(config)) and objects.write_list(config, has):
                self.stdout.write(
                    f"{config.label}: wrote sql/{objects.LIST} ({len(has)} functions and triggers of {scratch})"
                )
