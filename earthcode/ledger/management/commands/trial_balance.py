"""Prints what all accounts have come to, by kind; exits with 1 if debits and credits differ."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from earthcode.ledger import queries
from earthcode.ledger.management.commands.ledger_statement import moment
from earthcode.lib.money import as_text


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--at", type=moment, help="by all that counted at this moment (reads the whole books)")

    def handle(self, *_: Any, **options: Any) -> None:
        trial = queries.trial_balance(at=options["at"])
        self._write("kind", "accounts", "debits", "credits", "balance")
        for line in trial.lines:
            self._write(line.kind, line.accounts, *map(as_text, (line.debits, line.credits, line.balance)))
        for total in trial.totals:
            self._write(f"all {total.unit.label}s", total.accounts, as_text(total.debits), as_text(total.credits), "")
        if not trial.balances:
            raise CommandError("debits and credits differ")

    def _write(self, name: str, accounts: object, *amounts: str) -> None:
        self.stdout.write(f"{name:<20}{accounts:>9}" + "".join(f"{amount:>24}" for amount in amounts))
