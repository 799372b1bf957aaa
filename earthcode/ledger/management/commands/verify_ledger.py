"""Says for each rule of the ledger whether it holds and over how many rows; exits with 1 where one does not."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from earthcode.ledger import verify


class Command(BaseCommand):
    help = __doc__ or ""

    def handle(self, *_: Any, **__: Any) -> None:
        broken = 0
        for finding in verify.findings():
            looked_at = f"{finding.rows} row{'' if finding.rows == 1 else 's'} of {finding.over}"
            self.stdout.write(f"{'holds ' if finding.holds else 'BROKEN'}  {finding.rule} ({looked_at})")
            for one in finding.breaks:
                self.stdout.write(f"        {one}")
            if finding.unnamed:
                self.stdout.write(f"        … and {finding.unnamed} more")
            broken += not finding.holds
        if broken:
            raise CommandError(f"{broken} rule{'s' if broken > 1 else ''} of the ledger broken")
