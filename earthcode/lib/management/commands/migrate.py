"""Django's ``migrate``, which also makes the roles before the first table and gives the site its rights after the last."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate

from earthcode.lib import checks, rights


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        if options["check_unapplied"] or options["plan"]:
            with checks.put_off():
                super().handle(*args, **options)
            return
        try:
            rights.require_roles()
            with checks.put_off():
                super().handle(*args, **options)
            for statement in rights.give():
                if options["verbosity"] >= 2:
                    self.stdout.write(statement)
        except rights.RightsMissing as problem:
            raise CommandError(str(problem)) from problem
