"""What a project is told before its credits or its time run out: each level once, with what can be done."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from django.db import transaction

from earthcode.identity.models import User
from earthcode.identity.roles import ProjectRole
from earthcode.ledger import queries as books
from earthcode.ledger.actions import Hold
from earthcode.lib.money import amount_text
from earthcode.notifications import actions as notifications
from earthcode.notifications.actions import Recipient
from earthcode.provisioning.models import Allocation, AllocationStatus
from earthcode.settlement.exhaustion import last_day_of, limit_of
from earthcode.settlement.models import Alert, AlertKind, Exhaustion

#: Percent of what was set aside, and days before the end, that the project hears of.
USED_LEVELS: Final = (50, 75, 90, 100)
DAYS_LEVELS: Final = (30, 7, 1)


def tell_due(*, at: datetime) -> int:
    """Tell those concerned of every level that was reached since the last time; returns how many alerts were written.

    Where several levels of one kind were passed at once, people hear of the last one only.
    """
    active = (
        Allocation.objects.filter(status__in=(AllocationStatus.ACTIVE, AllocationStatus.SUSPENDED))
        .select_related("plan__offering", "award__project", "award__resource_request__call", "platform", "exhaustion")
        .order_by("pk")
    )
    told = 0
    batch: list[Allocation] = []
    for allocation in active.iterator(chunk_size=500):
        batch.append(allocation)
        if len(batch) == 500:
            told, batch = told + _tell(batch, at=at), []
    return told + _tell(batch, at=at)


def _tell(allocations: list[Allocation], *, at: datetime) -> int:
    holds = books.holds(each.hold_id for each in allocations)
    known: dict[tuple[int, str], set[int]] = {}
    for pk, kind, level in Alert.objects.filter(allocation__in=allocations).values_list("allocation", "kind", "level"):
        known.setdefault((pk, kind), set()).add(level)
    told = 0
    for each in allocations:
        hold = holds[each.hold_id]
        percent = hold.used * 100 // hold.authorised
        used_up = _exhaustion_of(each)
        first = each.starts_on if used_up is None else used_up.used_up_at.astimezone(UTC).date()
        last = last_day_of(each, used_up)
        days = (last - at.astimezone(UTC).date()).days
        for kind, reached in (
            (AlertKind.USED, [level for level in USED_LEVELS if percent >= level]),
            # The nearer the end, the later the level comes in the list. A short allocation hears of no days it never had.
            (AlertKind.ENDS, [level for level in DAYS_LEVELS if days <= level < (last - first).days]),
        ):
            new = [level for level in reached if level not in known.get((each.pk, kind), set())]
            if new:
                _write(each, kind, new, hold=hold, known=used_up, at=at)
                told += 1
    return told


@transaction.atomic
def _write(
    allocation: Allocation, kind: AlertKind, levels: list[int], *, hold: Hold, known: Exhaustion | None, at: datetime
) -> None:
    Alert.objects.bulk_create(
        (Alert(allocation=allocation, kind=kind, level=level, at=at) for level in levels), ignore_conflicts=True
    )
    level = levels[-1]
    offering = allocation.plan.offering
    left = hold.remaining
    last_day = last_day_of(allocation, known)
    if kind == AlertKind.USED and level == 100:
        subject = f"All credits for {offering} are used"
        body = f"Nothing is left of what was set aside for {allocation.plan}. {_consequence(allocation, hold, known)}"
    elif kind == AlertKind.USED:
        subject = f"{level}% of the credits for {offering} are used"
        body = (
            f"{amount_text(left)} credits are left until {allocation.ends_on:%-d %B %Y}. The page of the allocation says "
            "how long they last at this pace. If they will not do: use less, or ask for more in a new request in good time."
        )
    else:
        ahead = "1 day" if level == 1 else f"{level} days"
        subject = f"{offering} ends in {ahead} or less"
        body = (
            f"Access ends after {last_day:%-d %B %Y}. Save what you need from the platform before: its provider "
            f"decides how long files are kept. {amount_text(left)} credits are left; what is not used goes back to your award."
        )
    for person in _told_of(allocation, everybody=level in (1, 100)):
        notifications.send(
            # Credits that come back and are used up again are news again.
            key=f"{allocation.reference}:{kind}-{level}:{f'{known.pk}:' if known else ''}{person.public_id}",
            to=Recipient(person.public_id, person.email),
            subject=f"{allocation.reference}: {subject}",
            body=body,
            link=allocation.get_absolute_url(),
            at=at,
        )


def _exhaustion_of(allocation: Allocation) -> Exhaustion | None:
    return getattr(allocation, "exhaustion", None)


def _consequence(allocation: Allocation, hold: Hold, known: Exhaustion | None) -> str:
    """What happens when all is used: only what really will."""
    owed = "What is used from now on is owed by your award, and while it owes, nothing new can be placed."
    advice = "Stop what runs, end the allocation, or ask for more credits in a new request."
    if known is None:
        beyond = max(0, limit_of(allocation, hold) - hold.used)
        when = f"When {amount_text(beyond)} credits more are used" if beyond else "Now"
        return f"{owed} {when} the platform is asked to let nothing new start. {advice}"
    if not known.step:
        return (
            f"{owed} This platform cannot suspend access, so it goes on until {allocation.ends_on:%-d %B %Y}. {advice}"
        )
    return (
        f"The platform has been asked to let nothing new start. Save what you need: access ends after "
        f"{last_day_of(allocation, known):%-d %B %Y}, unless credits come back before. {owed}"
    )


def _told_of(allocation: Allocation, *, everybody: bool) -> list[User]:
    """The principal investigator and, of what stops their work, everybody in the project."""
    people = User.objects.filter(memberships__project=allocation.award.project, is_active=True)
    if not everybody:
        people = people.filter(memberships__role=ProjectRole.PI, memberships__project=allocation.award.project)
    return list(people.distinct().order_by("pk"))
