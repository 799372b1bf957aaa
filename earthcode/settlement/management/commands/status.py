"""How the site is doing: the database, the broker, what waits, the books. Exits with 1 when something is not as it should be."""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from earthcode.settlement import status


class Command(BaseCommand):
    help = __doc__ or ""
    # What is wrong with the settings does not keep this from saying how the rest is doing.
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        bad = 0
        for line in status.lines(at=timezone.now()):
            bad += not line.holds
            mark = "   " if line.holds else "!! "
            self.stdout.write(f"{mark}{line.what}: {line.words}")
        if bad:
            sys.exit(1)
