"""What an allocation has used: by day, component and person; how old that is; and how long the rest lasts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.db.models import Count, Max, Sum
from django.db.models.functions import TruncDate

from earthcode.ledger import queries as books
from earthcode.ledger.actions import Hold
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
    """Amounts in micro-credits. ``set_aside`` is what the hold had at most, ``left`` what of it can still be used.

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


def spending_of(allocation: Allocation, *, hold: Hold | None = None) -> Spending:
    """All that the allocation's page shows of its usage, in five queries however much was used."""
    hold = hold or books.holds([allocation.hold_id])[allocation.hold_id]
    charges = Charge.objects.filter(allocation=allocation).order_by()
    by_day = dict(
        charges.annotate(day=TruncDate("record__used_from", tzinfo=UTC))
        .values("day")
        .annotate(total=Sum("amount"))
        .values_list("day", "total")
    )
    by_day = {day: amount for day, amount in sorted(by_day.items()) if amount}
    known = charges.aggregate(reports=Count("report", distinct=True), until=Max("record__used_until"), at=Max("at"))
    by_component = charges.values("label", "metric").annotate(total=Sum("amount"), quantity=Sum("quantity"))
    by_person = charges.values("record__person").annotate(total=Sum("amount"))
    until = known["until"]
    return Spending(
        set_aside=hold.authorised,
        used=hold.used,
        left=hold.remaining,
        owed=hold.owed,
        by_day=by_day,
        by_component=[
            Part(label, total, quantity, metric)
            for label, metric, total, quantity in by_component.order_by("-total", "label").values_list(
                "label", "metric", "total", "quantity"
            )
        ],
        by_person=[
            Part(person, total)
            for person, total in by_person.order_by("-total", "record__person").values_list("record__person", "total")
        ],
        reports=known["reports"],
        used_until=until,
        received_at=known["at"],
        forecast=(
            forecast(by_day, left=hold.remaining, until=until.astimezone(UTC).date(), reports=known["reports"])
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
