"""The verification that the clock runs: what it found is kept, audited and logged, and each broken row is told once."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from earthcode.audit import actions as audit
from earthcode.audit.actors import CLOCK
from earthcode.ledger import seals, verify
from earthcode.ledger.events import LedgerEvent
from earthcode.ledger.models import BrokenRow, Entry, Verification
from earthcode.ledger.verify import Finding

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """What a verification found, not written down yet."""

    started_at: datetime
    ended_at: datetime
    findings: tuple[Finding, ...]

    @property
    def broken(self) -> list[Finding]:
        return [finding for finding in self.findings if not finding.holds]


def verify_books(*, clock: Callable[[], datetime]) -> Result:
    """Check every rule over the whole books; takes minutes where there are millions of entries, and writes nothing."""
    started_at = clock()
    findings = tuple(verify.findings())
    return Result(started_at, clock(), findings)


@transaction.atomic
def note(result: Result) -> tuple[Verification, list[BrokenRow]]:
    """Write down what was found, in the caller's transaction; returns the broken rows that were not known before.

    A row is new again if a verification in between found it whole.
    """
    with connection.cursor() as cursor:  # two verifications at once would both call a row new
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('ledger_verification'))")
    head = seals.head()
    verification = Verification.objects.create(
        started_at=result.started_at,
        ended_at=result.ended_at,
        rules=len(result.findings),
        rules_broken=len(result.broken),
        entries=Entry.objects.count(),
        head="" if head is None else head.hash,
    )
    _end_what_was_mended(result)
    new = [row for finding in result.broken for row in _not_known(finding, at=result.ended_at)]
    if new:
        _audit(verification, new)
    if result.broken:
        logger.critical("the books are broken: %s", "; ".join(finding.rule for finding in result.broken))
    for row in new:
        logger.critical("not so: %s: %s", row.rule, row)
    return verification, new


def _end_what_was_mended(result: Result) -> None:
    for finding in result.findings:
        if finding.unnamed:  # a row that is not named may still be broken
            continue
        mended = BrokenRow.objects.filter(rule=finding.rule, ended_at=None)
        mended.exclude(row__in=[one.row for one in finding.breaks]).update(ended_at=result.ended_at)


def _not_known(finding: Finding, *, at: datetime) -> list[BrokenRow]:
    known = set(BrokenRow.objects.filter(rule=finding.rule, ended_at=None).values_list("row", flat=True))
    # Two things may be wrong with one row; it is one broken row.
    new = {one.row: one.what for one in finding.breaks if one.row not in known}
    return [BrokenRow.objects.create(rule=finding.rule, row=row, what=what, found_at=at) for row, what in new.items()]


def _audit(verification: Verification, new: Sequence[BrokenRow]) -> None:
    rows = [{"rule": row.rule, "row": row.row, "what": row.what} for row in new]
    audit.record(LedgerEvent.BREAK, by=CLOCK, about=verification, at=verification.ended_at, data={"rows": rows})
