"""Django's ``migrate``, which also makes the roles before the first table and gives the site its rights after the last."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate

from earthcode.lib import checks, rights


class Command(migrate.Command):
    def check(self, *args: Any, **kwargs: Any) -> None:
        with checks.put_off():
            super().check(*args, **kwargs)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check_unapplied"] or options["plan"]:
            super().handle(*args, **options)
            return
        try:
            rights.require_roles()
            super().handle(*args, **options)
            for statement in rights.give():
                if options["verbosity"] >= 2:
                    self.stdout.write(statement)
        except rights.RightsMissing as problem:
            raise CommandError(str(problem)) from problem
