"""Says for each rule of the ledger whether it holds and over how many rows; exits with 1 where one does not."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from earthcode.ledger import seals, verify


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--head", help="the hash of a seal, kept outside: it must be one of the chain")

    def handle(self, *_: Any, head: str | None = None, **__: Any) -> None:
        broken = 0
        for finding in verify.findings():
            looked_at = f"{finding.rows} row{'' if finding.rows == 1 else 's'} of {finding.over}"
            self.stdout.write(f"{'holds ' if finding.holds else 'BROKEN'}  {finding.rule} ({looked_at})")
            for one in finding.breaks:
                self.stdout.write(f"        {one}")
            if finding.unnamed:
                self.stdout.write(f"        … and {finding.unnamed} more")
            broken += not finding.holds
        if head is not None:
            broken += not self._knows(head)
        self._show_head()
        if broken:
            raise CommandError(f"{broken} rule{'s' if broken > 1 else ''} of the ledger broken")

    def _knows(self, head: str) -> bool:
        kept = seals.with_hash(head)
        self.stdout.write(f"{'BROKEN' if kept is None else 'holds '}  the head kept outside is in the chain of seals")
        self.stdout.write(f"        no seal has the hash {head}" if kept is None else f"        as seal {kept.seal}")
        return kept is not None

    def _show_head(self) -> None:
        head, unsealed = seals.head(), seals.unsealed_entries()
        sealed = "nothing is sealed" if head is None else f"sealed up to number {head.upto} by seal {head.seal}"
        self.stdout.write(f"{sealed}; {unsealed} entries are not sealed yet")
        if head is not None:
            self.stdout.write(f"head {head.hash}")
