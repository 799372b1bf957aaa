"""Statements as CSV, line by line, so that a file of any length takes as little memory as a short one."""

import csv
from collections.abc import Iterable, Iterator

from earthcode.ledger.queries import StatementLine
from earthcode.lib.money import MICRO

_COLUMNS = (
    "entry",
    "kind",
    "effective_at",
    "recorded_at",
    "counterpart",
    "reason",
    "actor",
    "change_credits",
    "balance_credits",
    "hold",
    "reverses_entry",
)


class _Echo:
    """A file for ``csv.writer`` that gives each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def as_csv(lines: Iterable[StatementLine]) -> Iterator[str]:
    """The lines of a file, each made when it is asked for. Amounts are exact, in credits."""
    writer = csv.writer(_Echo())
    yield writer.writerow(_COLUMNS)
    for line in lines:
        yield writer.writerow(
            (
                line.entry_id,
                line.kind.value,
                line.effective_at.isoformat(),
                line.recorded_at.isoformat(),
                as_cell(line.counterpart),
                as_cell(line.reason),
                as_cell(line.actor),
                _decimal(line.change),
                _decimal(line.balance),
                "" if line.hold_id is None else line.hold_id,
                "" if line.reverses_id is None else line.reverses_id,
            )
        )


def _decimal(amount: int) -> str:
    """Credits, exact, as programs read them."""
    sign = "-" if amount < 0 else ""
    return f"{sign}{abs(amount) // MICRO}.{abs(amount) % MICRO:06d}"


def as_cell(words: str) -> str:
    """What people typed, so that a spreadsheet does not take it for a formula."""
    return f"'{words}" if words[:1] in ("=", "+", "-", "@", "\t", "\r") else words
