"""Says for each rule between charges and the ledger whether it holds; exits with 1 where one does not."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from earthcode.settlement import verify


class Command(BaseCommand):
    help = __doc__ or ""

    def handle(self, *_: Any, **__: Any) -> None:
        broken = 0
        for finding in verify.findings():
            self.stdout.write(f"{'holds ' if finding.holds else 'BROKEN'}  {finding.rule} ({finding.rows} rows)")
            for one in finding.breaks:
                self.stdout.write(f"        {one}")
            broken += not finding.holds
        if broken:
            raise CommandError(f"{broken} rule{'s' if broken > 1 else ''} broken")
