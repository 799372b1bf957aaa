"""What an allocation has used: by day, component and person; how old that is; and how long the rest lasts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db import connection

from earthcode.ledger import queries as books
from earthcode.provisioning.models import Allocation
from earthcode.settlement.forecast import Forecast, forecast
from earthcode.settlement.models import Charge


@dataclass(frozen=True)
class Part:
    """A share of what was used. ``quantity`` is in ``unit``; None where several units are in it."""

    label: str
    amount: int
    quantity: Decimal | None = None
    metric: str = ""


@dataclass(frozen=True)
class Week:
    """A week from Monday on."""

    monday: date
    amount: int


@dataclass(frozen=True)
class Spending:
    """Amounts in micro-credits. ``set_aside`` is what the hold had at most, ``left`` what of it can still be used, ``owed``
    what was used beyond it.

    ``used_until`` is the end of the latest usage that is known, ``received_at`` when the last report with a charge came.
    """

    set_aside: int
    used: int
    left: int
    owed: int
    by_day: dict[date, int]
    by_component: Sequence[Part]
    by_person: Sequence[Part]
    reports: int
    used_until: datetime | None
    received_at: datetime | None
    forecast: Forecast | None

    @property
    def percent(self) -> int:
        """Of what was set aside, rounded down, so that it says 100 only when nothing is left."""
        return self.used * 100 // self.set_aside if self.set_aside else 0

    @property
    def by_week(self) -> list[Week]:
        """Every week from the first usage to the last, also those without any."""
        if not self.by_day:
            return []
        first, last = (_monday(day) for day in (min(self.by_day), max(self.by_day)))
        weeks = {first + timedelta(weeks=number): 0 for number in range((last - first).days // 7 + 1)}
        for day, amount in self.by_day.items():
            weeks[_monday(day)] += amount
        return [Week(monday, amount) for monday, amount in weeks.items()]


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


#: Everything in one reading of the charges: what is grouped by nothing is the total.
_USED: Final = """
    SELECT grouping(used.day), grouping(used.label), grouping(used.person), used.day, used.label, used.metric, used.person,
           sum(used.amount)::bigint, sum(used.quantity), count(DISTINCT used.report_id), max(used.used_until), max(used.at)
    FROM (
        SELECT (record.used_from AT TIME ZONE 'UTC')::date AS day, charge.label, charge.metric, record.person, charge.amount,
               charge.quantity, charge.report_id, record.used_until, charge.at
        FROM settlement_charge charge JOIN settlement_usagerecord record ON record.id = charge.record_id
        WHERE charge.allocation_id = %s
    ) used
    GROUP BY GROUPING SETS ((used.day), (used.label, used.metric), (used.person), ())
    ORDER BY sum(used.amount) DESC, used.label, used.person
"""


def spending_of(allocation: Allocation, *, used: int | None = None, left: int | None = None) -> Spending:
    """All that the allocation's page shows of its usage, in one query however much was used.

    Whoever knows what the hold has captured and what it has left gives both; otherwise they are read.
    """
    if used is None or left is None:
        hold = books.holds([allocation.hold_id])[allocation.hold_id]
        used, left = hold.used, hold.remaining
    by_day: dict[date, int] = {}
    by_component, by_person = [], []
    reports, until, received = 0, None, None
    with connection.cursor() as cursor:
        cursor.execute(_USED, [allocation.pk])
        for (
            no_day,
            no_label,
            no_person,
            day,
            label,
            metric,
            person,
            amount,
            quantity,
            count,
            last,
            at,
        ) in cursor.fetchall():
            if not no_day:
                by_day[day] = amount
            elif not no_label:
                by_component.append(Part(label, amount, quantity, metric))
            elif not no_person:
                by_person.append(Part(person, amount))
            else:
                reports, until, received = count, last, at
    by_day = {day: amount for day, amount in sorted(by_day.items()) if amount}
    return Spending(
        set_aside=allocation.amount,
        used=used,
        left=left,
        owed=max(0, used - allocation.amount),
        by_day=by_day,
        by_component=by_component,
        by_person=by_person,
        reports=reports,
        used_until=until,
        received_at=received,
        forecast=(
            forecast(by_day, left=left, until=until.astimezone(UTC).date(), reports=reports)
            if until is not None
            else None
        ),
    )


#: Columns of the file that is downloaded.
COLUMNS = (
    "record",
    "version",
    "kind",
    "component",
    "metric",
    "quantity",
    "charged_quantity",
    "credits_per_unit",
    "credits",
    "used_from",
    "used_until",
    "person",
    "job",
    "charged_at",
    "reason",
)


def charges_for_download(allocation: Allocation) -> Iterator[tuple[object, ...]]:
    """Every charge, oldest first, in rows of ``COLUMNS``; read as they are sent."""
    charges = Charge.objects.filter(allocation=allocation).select_related("record").order_by("pk")
    for charge in charges.iterator(chunk_size=2_000):
        record = charge.record
        yield (
            record.record_id,
            record.version,
            charge.kind,
            charge.label,
            charge.metric,
            f"{charge.quantity.normalize():f}",
            f"{charge.charged.normalize():f}",
            f"{(charge.micro_per_unit / 10**6).normalize():f}",
            f"{(Decimal(charge.amount) / 10**6).normalize():f}",
            record.used_from.isoformat(),
            record.used_until.isoformat(),
            record.person,
            record.job,
            charge.at.isoformat(),
            charge.reason,
        )
