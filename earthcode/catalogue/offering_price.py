"""The one price that stands for an offering, and what may be said of it beside others.

A total that leaves out a part of the workload is not compared with totals that do not: it has no place among them, however
it is sorted, and says what it leaves out. Made-up prices of a demonstration have no place either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from earthcode.catalogue.entries import OfferingEntry, PlanEntry
from earthcode.catalogue.metrics import Metric
from earthcode.catalogue.models import PlanKind
from earthcode.catalogue.pricing import Quote, quote
from earthcode.catalogue.workload import Workload

#: Fewer whole prices than this say nothing about where one of them stands: no place, no strip, no "lowest".
PRICES_TO_COMPARE: Final = 4


class PriceKind(models.TextChoices):
    """What can be said about an offering's price for a workload."""

    QUOTED = "quoted", _("Priced")
    #: There is a price for a part of the workload, and none for the rest.
    QUOTED_PART = "quoted_part", _("Priced in part")
    #: A stated free tier covers the workload.
    FREE = "free", _("Free tier")
    #: A stated free tier covers a part of the workload, and has no price for the rest.
    FREE_PART = "free_part", _("Free tier")
    #: A free tier is stated, but not whether this workload fits into it.
    FREE_TIER = "free_tier", _("Free tier")
    UNIT = "unit", _("Unit price")
    UNKNOWN = "unknown", _("Price on request")


@dataclass(frozen=True, slots=True)
class UnitPrice:
    """The published price of one unit; ``low`` and ``high`` differ where an offering has several services."""

    metric: str
    label: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class OfferingPrice:
    """An offering's price for a workload: that of the cheapest plan anybody may have which covers all of it.

    Where none does, it is the cheapest that covers a part, and there is no ``total``. ``plan`` is the one that ``quote`` is
    for. Where that is free, ``beyond`` is the price of ``plan_beyond``, the cheapest one that is not.
    """

    kind: PriceKind
    plan: PlanEntry | None = None
    quote: Quote | None = None
    plan_beyond: PlanEntry | None = None
    beyond: Quote | None = None
    unit: UnitPrice | None = None

    @property
    def plan_to_request(self) -> PlanEntry | None:
        """The plan that a request would be for: there is nothing to ask for where the price is nothing."""
        if self.quote is not None and not self.quote.is_free:
            return self.plan
        return self.plan_beyond

    @property
    def total(self) -> int | None:
        """What all of the workload costs at most; None where that is not known, also where a part of it is."""
        return self.quote.total if self.quote is not None and self.kind in _WHOLE else None

    @property
    def not_covered(self) -> tuple[str, ...]:
        """What ``quote`` leaves out, for people."""
        return self.quote.not_covered if self.quote is not None else ()

    @property
    def sort_key(self) -> tuple[int, int]:
        """Whole totals first, the lowest at the top; then what is free in part or within limits, what is priced in part, unit
        prices, the unknown.

        Where a figure is a range, its upper end counts: an uncertain price is not put before a certain one it may exceed.
        """
        if self.total is not None:
            return (0, self.total)
        return (1 + ORDER_WITHOUT_TOTAL.index(self.kind), 0)


_WHOLE: Final = (PriceKind.QUOTED, PriceKind.FREE)
#: Those without a total, as they follow those with one.
ORDER_WITHOUT_TOTAL: Final = (
    PriceKind.FREE_PART,
    PriceKind.FREE_TIER,
    PriceKind.QUOTED_PART,
    PriceKind.UNIT,
    PriceKind.UNKNOWN,
)


class Known(models.TextChoices):
    """How much is known of an offering's price: what lists are grouped and counted by, in this order."""

    WHOLE = "whole", _("Priced for all of your workload")
    FREE = "free", _("Free to start")
    PART = "part", _("Priced in part")
    UNIT = "unit", _("Priced by unit")
    ON_REQUEST = "on-request", _("Price on request")


KNOWN: Final = {
    PriceKind.QUOTED: Known.WHOLE,
    PriceKind.FREE: Known.WHOLE,
    PriceKind.FREE_PART: Known.FREE,
    PriceKind.FREE_TIER: Known.FREE,
    PriceKind.QUOTED_PART: Known.PART,
    PriceKind.UNIT: Known.UNIT,
    PriceKind.UNKNOWN: Known.ON_REQUEST,
}


def price_of(plans: Sequence[PlanEntry], workload: Workload) -> OfferingPrice:
    """The headline of an offering with these plans. ``search.Index`` knows kind and total without making it."""
    general, services = for_headline(plans)
    quoted = _quotes(general, workload) or _quotes(services, workload)
    if not quoted:
        return without_total(general, services)
    plan, cheapest = quoted[0]
    if not cheapest.is_free:
        kind = PriceKind.QUOTED_PART if cheapest.not_covered else PriceKind.QUOTED
        return OfferingPrice(kind, plan, cheapest)
    plan_beyond, beyond = next((each for each in quoted if not each[1].is_free), (None, None))
    # What costs nothing and leaves out a part of the workload must not look cheaper than what covers all of it.
    kind = PriceKind.FREE_PART if cheapest.not_covered else PriceKind.FREE
    return OfferingPrice(kind, plan, cheapest, plan_beyond, beyond)


def for_headline(plans: Sequence[PlanEntry]) -> tuple[list[PlanEntry], list[PlanEntry]]:
    """Those that speak for an offering, and those that do where none of the first can be priced."""
    general = [plan for plan in plans if plan.kind == PlanKind.GENERAL]
    services = [plan for plan in plans if plan.kind == PlanKind.SERVICE]
    # What only some people may have is nobody's headline, unless there is nothing else.
    return [plan for plan in general if not plan.audience] or general, services


def without_total(general: Sequence[PlanEntry], services: Sequence[PlanEntry]) -> OfferingPrice:
    if free := next((plan for plan in general if plan.is_stated_free), None):
        return OfferingPrice(PriceKind.FREE_TIER, free)
    if unit := _unit_price(general) or _unit_price(services):
        return OfferingPrice(PriceKind.UNIT, unit=unit)
    return OfferingPrice(PriceKind.UNKNOWN)


def _quotes(plans: Sequence[PlanEntry], workload: Workload) -> list[tuple[PlanEntry, Quote]]:
    """The plans that can be priced: those that cover all of the workload before those that do not, then the cheapest."""
    found = []
    for plan in plans:
        answer = quote(plan.components, workload, months_max=plan.months_max)
        if isinstance(answer, Quote):
            found.append((plan, answer))
    return sorted(found, key=lambda each: (bool(each[1].not_covered), each[1].total))


def _unit_price(plans: Sequence[PlanEntry]) -> UnitPrice | None:
    """The range of published prices of the unit that most of the plans count in."""
    rates: dict[tuple[str, str], list[int]] = {}
    for plan in plans:
        for component in plan.components:
            # A fraction of a micro-credit shows nowhere; the exact rate is on the offering's page.
            if component.micro_per_unit:
                name = component.label or str(Metric(component.metric).label)
                amounts = rates.setdefault((component.metric, name), [])
                amounts.append(round(component.micro_per_unit))
                if component.micro_low is not None:
                    amounts.append(round(component.micro_low))
    if not rates:
        return None
    (metric, label), found = max(rates.items(), key=lambda each: len(each[1]))
    return UnitPrice(metric, label, min(found), max(found))


# --- what would make it whole -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Completed:
    """What all of the workload would cost with another plan of the reader's choice, or of the same platform."""

    entry: OfferingEntry
    plan: PlanEntry
    rest: int
    total: int


def completed(price: OfferingPrice, others: Sequence[OfferingEntry], workload: Workload) -> Completed | None:
    """The cheapest whole price with what is left out taken from one of these offerings; None where none of them prices it.

    The rest is a workload that runs nothing and stores what the reader stores: all that such a plan charges for it counts.
    """
    if price.quote is None or not price.not_covered:
        return None
    rest = replace(Workload(), hours=Decimal(0), storage_gb=workload.storage_gb, months=workload.months)
    rest = replace(rest, egress_gb=workload.egress_gb, audiences=workload.audiences)
    best: Completed | None = None
    for entry in others:
        for plan in for_headline(entry.plans)[0]:
            answer = quote(plan.components, rest, months_max=plan.months_max)
            if isinstance(answer, Quote) and not answer.not_covered and (best is None or answer.total < best.rest):
                best = Completed(entry, plan, answer.total, price.quote.total + answer.total)
    return best
