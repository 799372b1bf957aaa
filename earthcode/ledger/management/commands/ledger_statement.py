"""Prints everything that came to and went from an account, oldest first; of any length, in constant memory."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from earthcode.ledger import queries
from earthcode.ledger.statement_files import as_csv
from earthcode.lib.money import as_text


def moment(text: str) -> datetime:
    """A day or a moment, in UTC unless it says otherwise."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", help="the code of the account, for example award:NOR-7:available")
        parser.add_argument("--since", type=moment, help="only what counts from this moment on (2026-11-02)")
        parser.add_argument("--until", type=moment, help="only what counts before this moment")
        parser.add_argument("--newest-first", action="store_true")
        parser.add_argument("--csv", action="store_true", help="as CSV, every column")

    def handle(self, *_: Any, **options: Any) -> None:
        if queries.account(options["account"]) is None:
            raise CommandError(f"there is no account {options['account']}")
        lines = queries.statement_lines(
            options["account"], options["since"], options["until"], oldest_first=not options["newest_first"]
        )
        if options["csv"]:
            for row in as_csv(lines):
                self.stdout.write(row, ending="")
            return
        for line in lines:
            self.stdout.write(
                f"{line.effective_at:%Y-%m-%d %H:%M}  {line.entry_id:>9}  {line.kind:<9}"
                f"{as_text(line.change, decimals=6):>22}{as_text(line.balance, decimals=6):>22}  {line.counterpart}"
            )
