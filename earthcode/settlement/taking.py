"""From charges to the ledger: one capture for each hold and report, or what is given back of earlier ones."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime

from django.db.models import F

from earthcode.audit.actors import Actor
from earthcode.ledger import actions as ledger
from earthcode.ledger import queries as books
from earthcode.provisioning.models import Allocation
from earthcode.settlement.models import Taken, UsageReport

_KEYS = uuid.UUID("5a1d5d0e-76d5-4f35-9a8f-4a3d5b6b8f77")


def take(
    totals: Mapping[int, int], allocations: Mapping[int, Allocation], *, report: UsageReport, by: Actor, at: datetime
) -> None:
    """Take each allocation's total from its hold, beyond it where it must be; give back where the total is below zero."""
    more = [allocations[pk] for pk, amount in sorted(totals.items()) if amount > 0]
    holds = books.holds(each.hold_id for each in more)
    within = [
        each
        for each in more
        if holds[each.hold_id].remaining >= totals[each.pk] and holds[each.hold_id].expires_at > at
    ]
    drafts = [ledger.CaptureDraft(each.hold_id, totals[each.pk], key=_key(report, each), at=at) for each in within]
    posted = dict(zip((each.pk for each in within), ledger.post_each(drafts, by=by), strict=True))
    taken = []
    for each in more:
        result = posted.get(each.pk)
        if not isinstance(result, ledger.Posted):  # nothing is written of a capture that the hold does not cover
            result = ledger.capture(each.hold_id, totals[each.pk], key=_key(report, each), by=by, at=at, beyond=True)
        taken.append(Taken(allocation=each, report=report, entry_id=result.entry_id, amount=totals[each.pk], at=at))
    Taken.objects.bulk_create(taken)
    for pk, amount in sorted(totals.items()):
        if amount < 0:
            give_back(
                allocations[pk],
                -amount,
                report=report,
                by=by,
                at=at,
                reason="Usage was corrected.",
                name=f"report:{report.pk}",
            )


def give_back(
    allocation: Allocation,
    amount: int,
    *,
    by: Actor,
    at: datetime,
    reason: str,
    name: str,
    report: UsageReport | None = None,
) -> None:
    """Give micro-credits back, of what was taken last first. ``name`` is what it is given back for, once.

    Raises the ledger's ``OverRefund`` if less was taken.
    """
    rest = amount
    taken = Taken.objects.filter(allocation=allocation, amount__gt=0).order_by("-pk")
    for row in taken.exclude(amount=F("given_back")).select_for_update(no_key=True).iterator():
        part = min(rest, row.amount - row.given_back)
        posted = ledger.refund(
            row.entry_id, part, key=uuid.uuid5(_KEYS, f"back:{name}:{row.pk}"), by=by, at=at, reason=reason
        )
        row.given_back += part
        row.save(update_fields=["given_back"])
        Taken.objects.create(
            allocation=allocation, report=report, entry_id=posted.entry_id, amount=-part, of=row, at=at
        )
        rest -= part
        if not rest:
            return
    raise ledger.OverRefund("This is more than was taken.")


def _key(report: UsageReport, allocation: Allocation) -> uuid.UUID:
    return uuid.uuid5(_KEYS, f"report:{report.pk}:{allocation.pk}")
