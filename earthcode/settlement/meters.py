"""The desk at which records are rated: allocations, their terms and their meters, each read once for a report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from django.db.models import Sum

from earthcode.catalogue.models import Platform
from earthcode.catalogue.pricing import Workload
from earthcode.catalogue.terms import Term, terms_from_json, terms_of
from earthcode.provisioning.models import Allocation
from earthcode.settlement import models
from earthcode.settlement.models import Charge, ChargeKind, UsageRecord, UsageReport, Waiting
from earthcode.settlement.rating import Meter, find_term, month_of
from earthcode.settlement.units import in_units_of
from earthcode.settlement.usage_lines import Refusal

MeterKey = tuple[int, str, str]


def terms_for(allocation: Allocation) -> tuple[Term, ...]:
    """What usage of the allocation is rated by: what was stored with it or, where that is older, the plan on that day."""
    if allocation.terms:
        return terms_from_json(allocation.terms)
    workload = Workload.from_json(allocation.workload)
    return terms_of(allocation.plan, workload, on=allocation.quoted_at.date())


class Desk:
    """Call :meth:`fetch` with the allocations of the next lines, :meth:`rate` for each, and :meth:`save` at the end."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.by_name: dict[str, Allocation | None] = {}
        self.by_pk: dict[int, Allocation] = {}
        #: Allocation → micro-credits of this report, for those that were touched.
        self.totals: dict[int, int] = {}
        self._terms: dict[int, tuple[Term, ...]] = {}
        self._meters: dict[MeterKey, Meter] = {}
        self._rows: dict[MeterKey, models.Meter] = {}
        #: Allocation → what all its charges come to, refunds too; never below zero.
        self._charged: dict[int, int] = {}
        self._touched: set[MeterKey] = set()

    def fetch(self, names: Iterable[str]) -> None:
        """Read those allocations of the platform, by their references or by the platform's own names for them."""
        unknown = sorted(set(names) - self.by_name.keys())
        if not unknown:
            return
        self.by_name |= dict.fromkeys(unknown)
        of_platform = Allocation.objects.filter(platform=self.platform).select_related("plan", "award")
        external = of_platform.filter(external_id__in=unknown).order_by("pk")
        # Our reference is the better name where both are somebody's.
        for allocation in [*external, *of_platform.filter(reference__in=unknown)]:
            kept = self.by_pk.setdefault(allocation.pk, allocation)
            name = allocation.reference if allocation.reference in self.by_name else allocation.external_id
            self.by_name[name] = kept
            if allocation.external_id in self.by_name:
                self.by_name[allocation.external_id] = kept
        fresh = [pk for pk in self.by_pk if pk not in self._terms]
        for pk in fresh:
            self._terms[pk] = terms_for(self.by_pk[pk])
            self._charged[pk] = 0
        for row in models.Meter.objects.filter(allocation__in=fresh):
            key = (row.allocation_id, row.metric, row.label)
            self._rows[key] = row
        for row_pk, amount in _charged_so_far(fresh):
            self._charged[row_pk] = amount

    def rate(
        self,
        record: UsageRecord,
        *,
        earlier: UsageRecord | None,
        replaced: UsageRecord | None,
        report: UsageReport,
        at: datetime,
    ) -> list[Charge] | Refusal:
        """The charges of the record, or none and ``waiting_for`` says why; a refusal where more would be given back than
        was taken. What ``replaced`` was charged is given back; of what ``earlier`` was charged, only the rest is added.
        """
        found = self._find(record)
        changes: list[tuple[ChargeKind, Allocation, Term, datetime, Decimal]] = []
        if replaced is not None:
            changes += self._back(replaced)
        if isinstance(found, Waiting):
            record.waiting_for = found
        else:
            allocation, term, quantity = found
            record.allocation = allocation
            if earlier is not None and not earlier.waiting_for:
                quantity -= self._in_own_units(earlier, term)
            changes.append((ChargeKind.USAGE, allocation, term, record.used_from, quantity))
        return self._apply(changes, record, report=report, at=at)

    def _find(self, record: UsageRecord) -> Waiting | tuple[Allocation, Term, Decimal]:
        allocation = self.by_name.get(record.allocation_name)
        if allocation is None:
            return Waiting.UNKNOWN_ALLOCATION
        if allocation.active_from is None or record.used_until <= allocation.active_from:
            return Waiting.NOT_ACTIVE
        if allocation.usage_closed_at is not None:
            return Waiting.USAGE_CLOSED
        term = find_term(self._terms[allocation.pk], record.component)
        if term is None:
            return Waiting.UNKNOWN_COMPONENT
        if term.micro_per_unit is None:
            return Waiting.NO_RATE
        quantity = in_units_of(term.metric, record.quantity, record.unit, at=record.used_from)
        if quantity is None:
            return Waiting.UNKNOWN_UNIT
        return allocation, term, _stored(quantity)

    def _back(self, replaced: UsageRecord) -> list[tuple[ChargeKind, Allocation, Term, datetime, Decimal]]:
        if replaced.waiting_for or replaced.allocation is None:
            return []
        self.fetch({replaced.allocation.reference})
        allocation = self.by_pk[replaced.allocation.pk]
        term = find_term(self._terms[allocation.pk], replaced.component)
        assert term is not None, "it was rated by one of these terms"
        quantity = self._in_own_units(replaced, term)
        return [(ChargeKind.CORRECTION, allocation, term, replaced.used_from, -quantity)]

    def _in_own_units(self, record: UsageRecord, term: Term) -> Decimal:
        quantity = in_units_of(term.metric, record.quantity, record.unit, at=record.used_from)
        assert quantity is not None, "it was rated in this unit before"
        return _stored(quantity)

    def _apply(
        self,
        changes: Sequence[tuple[ChargeKind, Allocation, Term, datetime, Decimal]],
        record: UsageRecord,
        *,
        report: UsageReport,
        at: datetime,
    ) -> list[Charge] | Refusal:
        charges: list[Charge] = []
        done: list[tuple[Meter, int, Decimal]] = []
        sums: dict[int, int] = {}
        for kind, allocation, term, used_from, quantity in changes:
            meter = self._meter(allocation, term)
            month = month_of(used_from.date(), starts_on=allocation.starts_on, months=allocation.quote["months"])
            rated = meter.add(month, quantity)
            done.append((meter, month, quantity))
            sums[allocation.pk] = sums.get(allocation.pk, 0) + rated.amount
            assert term.micro_per_unit is not None
            charges.append(
                Charge(
                    allocation=allocation,
                    record=record,
                    report=report,
                    kind=kind,
                    metric=term.metric,
                    label=term.label,
                    month=used_from.date().replace(day=1),
                    quantity=quantity,
                    charged=rated.charged,
                    micro_per_unit=term.micro_per_unit,
                    amount=rated.amount,
                    at=at,
                )
            )
        if any(self._charged[pk] + amount < 0 for pk, amount in sums.items()):
            for meter, month, quantity in reversed(done):
                meter.add(month, -quantity)
            return Refusal(
                record.line,
                record.record_id,
                "replaces",
                "refunded",
                "What this gives back was refunded already. Ask ESA to settle it with you.",
            )
        for pk, amount in sums.items():
            self._charged[pk] += amount
        return charges

    def _meter(self, allocation: Allocation, term: Term) -> Meter:
        key = (allocation.pk, term.metric, term.label)
        if key not in self._meters:
            row = self._rows.get(key)
            by_month = {} if row is None else {int(month): Decimal(used) for month, used in row.by_month.items()}
            self._meters[key] = Meter(term, by_month)
        self._touched.add(key)
        return self._meters[key]

    def add_to_total(self, charge: Charge) -> None:
        self.totals[charge.allocation_id] = self.totals.get(charge.allocation_id, 0) + charge.amount

    def save(self) -> None:
        """Write the meters back."""
        rows = []
        for key in sorted(self._touched):
            meter = self._meters[key]
            pk, metric, label = key
            row = self._rows.get(key) or models.Meter(allocation_id=pk, metric=metric, label=label)
            row.by_month = {str(month): f"{used:f}" for month, used in sorted(meter.by_month.items())}
            row.quantity = sum(meter.by_month.values(), Decimal(0))
            row.amount = meter.amount
            rows.append(row)
        models.Meter.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["allocation", "metric", "label"],
            update_fields=["by_month", "quantity", "amount"],
        )


_STORED = Decimal(1).scaleb(-18)


def _stored(quantity: Decimal) -> Decimal:
    """With the digits that are stored, so that what is added up is what can be read."""
    return quantity.quantize(_STORED)


def _charged_so_far(allocations: Sequence[int]) -> Iterable[tuple[int, int]]:
    sums = Charge.objects.filter(allocation__in=allocations).order_by().values("allocation")
    return sums.annotate(total=Sum("amount")).values_list("allocation", "total")
