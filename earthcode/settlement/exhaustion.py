"""What happens when the credits of an allocation are used up, stage by stage, by the clock.

1. The platform is asked to let nothing new start, as far as it can: the mildest step that it declares. One that declares
   none is asked for nothing, and the allocation goes on, at the award's debt, to its last day.
2. For the days of grace of the call that the request was sent under (``Rules.grace_days``), what is stored can be read.
3. Then the allocation ends.

Credits that come back (a refund, a corrected report) undo it at once, until the end. All of it follows from what the ledger
has taken, so what was not reported takes nothing away from anybody.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q

from earthcode.audit import actions as audit
from earthcode.audit.actors import CLOCK
from earthcode.connectors.base import SuspendStep
from earthcode.ledger import queries as books
from earthcode.ledger.actions import Hold
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning.models import Allocation, AllocationStatus
from earthcode.settlement.events import ExhaustionEvent
from earthcode.settlement.models import Alert, AlertKind, Exhaustion
from earthcode.sponsorship import actions as sponsorship

#: The code of these suspensions (``Allocation.suspend_reason``).
EXHAUSTED: Final = "exhausted"
#: The code of what undoes them.
CREDITS_BACK: Final = "credits_back"

_MILDEST_FIRST: Final = (SuspendStep.NO_NEW_WORK, SuspendStep.READ_ONLY, SuspendStep.STOP_RUNNING)
_IN_USE: Final = (AllocationStatus.ACTIVE, AllocationStatus.SUSPENDED)
_AT_ONCE: Final = 500


def limit_of(allocation: Allocation, hold: Hold) -> int:
    """Micro-credits that may be used: what was set aside, and beyond it what the call allows."""
    return hold.authorised * (100 + allocation.award.rules.overdraft_percent) // 100


def keep_due(*, at: datetime) -> int:
    """Bring every allocation in use to its stage, each in a transaction of its own; returns how many changed theirs."""
    in_use = Allocation.objects.filter(status__in=_IN_USE).order_by("pk")
    changed = 0
    rows = in_use.values_list("pk", "hold_id", "exhaustion").iterator(chunk_size=_AT_ONCE)
    batch: list[tuple[int, int, int | None]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _AT_ONCE:
            changed, batch = changed + _keep(batch, at=at), []
    return changed + _keep(batch, at=at)


def _keep(rows: Iterable[tuple[int, int, int | None]], *, at: datetime) -> int:
    """Looks without a lock at first: most have credits left."""
    rows = list(rows)
    holds = books.holds(hold for _, hold, _ in rows)
    due = [pk for pk, hold, known in rows if known is not None or holds[hold].used >= holds[hold].authorised]
    return sum(_keep_one(pk, at=at) for pk in due)


@transaction.atomic
def _keep_one(pk: int, *, at: datetime) -> bool:
    """One allocation, under its lock, as it is now; whether its stage changed."""
    Allocation.objects.select_for_update(no_key=True, of=("self",)).get(pk=pk)
    allocation = Allocation.objects.select_related(
        "platform__provider", "plan__offering", "award__project", "award__resource_request__call"
    ).get(pk=pk)
    if allocation.status not in _IN_USE:
        return False
    known = Exhaustion.objects.filter(allocation=allocation).first()
    hold = books.holds([allocation.hold_id])[allocation.hold_id]
    used_up = hold.used >= limit_of(allocation, hold)
    if known is None:
        return used_up and _begin(allocation, hold, at=at)
    if not used_up:
        return _undo(allocation, known, at=at)
    if not known.step:
        # A platform that could not suspend may have learnt to.
        return _suspend(allocation, known, at=at)
    if known.ends_at is not None and known.ends_at <= at and known.ended_at is None:
        return _end(allocation, known, at=at)
    return False


def _begin(allocation: Allocation, hold: Hold, *, at: datetime) -> bool:
    known = Exhaustion.objects.create(allocation=allocation, used_up_at=at)
    audit.record(
        ExhaustionEvent.BEGIN, by=CLOCK, about=allocation, at=at, data={"used": hold.used, "set_aside": hold.authorised}
    )
    _suspend(allocation, known, at=at)
    return True


def _suspend(allocation: Allocation, known: Exhaustion, *, at: datetime) -> bool:
    declared = provisioning.suspend_steps(allocation)
    step = next((each for each in _MILDEST_FIRST if each in declared), None)
    if step is None:
        return False
    if not allocation.suspend_step:
        provisioning.suspend(allocation, step, reason=EXHAUSTED, by=CLOCK, at=at)
    # Suspended for another reason already: nothing starts either way, and the days of grace count.
    known.step = step.value
    # To the end of the day that people are told.
    last_day = at.astimezone(UTC).date() + timedelta(days=allocation.award.rules.grace_days)
    known.ends_at = sponsorship.end_of(last_day)
    known.save(update_fields=["step", "ends_at"])
    return True


def _undo(allocation: Allocation, known: Exhaustion, *, at: datetime) -> bool:
    """Credits are back. What is told of a later time is told anew then."""
    audit.record(ExhaustionEvent.UNDO, by=CLOCK, about=allocation, at=at)
    Alert.objects.filter(
        Q(kind=AlertKind.USED, level=100) | Q(kind=AlertKind.ENDS, at__gte=known.used_up_at), allocation=allocation
    ).delete()
    known.delete()
    if allocation.suspend_reason == EXHAUSTED:
        provisioning.resume(allocation, reason=CREDITS_BACK, by=CLOCK, at=at)
    return True


def _end(allocation: Allocation, known: Exhaustion, *, at: datetime) -> bool:
    known.ended_at = at
    known.save(update_fields=["ended_at"])
    audit.record(ExhaustionEvent.END, by=CLOCK, about=allocation, at=at)
    used_up = known.used_up_at.astimezone(UTC).date()
    reason = f"All credits were used on {used_up:%-d %B %Y}, and none came back in the days of grace."
    provisioning.end(allocation, reason=reason, by=CLOCK, at=at)
    return True


def last_day_of(allocation: Allocation, known: Exhaustion | None) -> date:
    """The last day with access, as it is known now."""
    if known is None or known.ends_at is None:
        return allocation.ends_on
    return min(allocation.ends_on, known.ends_at.astimezone(UTC).date() - timedelta(days=1))
