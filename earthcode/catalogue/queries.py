"""Reads worth a name: the rates of a day, and quotes from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import FilteredRelation, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast, JSONObject

from earthcode.catalogue.component_terms import PRICE_TERMS, RATE_PRICE_TERMS, for_pricing
from earthcode.catalogue.metrics import Audience, Evidence
from earthcode.catalogue.models import Component, Plan, Rate
from earthcode.catalogue.pricing import CannotPrice, Discount, PricedComponent, Quote, quote
from earthcode.catalogue.workload import Workload


def quote_plan(plan: Plan, workload: Workload, on: date) -> Quote | CannotPrice:
    """What the workload costs under the plan's rates of that day, or why it cannot be said."""
    return quotes_for([plan], workload, on)[plan.pk]


def quotes_for(plans: Iterable[Plan], workload: Workload, on: date) -> dict[int, Quote | CannotPrice]:
    """A quote for each plan, by its primary key; one query for any number of plans."""
    listed = {plan.pk: plan for plan in plans}
    components = components_on(listed, on)
    return {pk: quote(components.get(pk, ()), workload, months_max=plan.months_max) for pk, plan in listed.items()}


def components_on(plans: Iterable[int] | QuerySet[Plan], on: date) -> dict[int, tuple[PricedComponent, ...]]:
    """What each plan meters, with the rates of that day; one query. A plan that meters nothing is not among the keys."""
    rows = (
        Component.objects.filter(plan__in=plans if isinstance(plans, QuerySet) else list(plans), in_use=True)
        .annotate(rate=FilteredRelation("rates", condition=Q(rates__valid__contains=on)))
        .order_by("plan_id", "pk", "rate__audience")
        .values(
            "plan_id", "pk", "metric", "label", *_TERMS, "rate__pk", *(f"rate__{name}" for name in RATE_PRICE_TERMS)
        )
    )
    found: dict[int, list[PricedComponent]] = {}
    # A component has a row for its list price and one for each discount, next to one another.
    for (plan, pk), of_component in groupby(rows, key=lambda row: (row["plan_id"], row["pk"])):
        of_it = list(of_component)
        rates = [
            {"id": row["rate__pk"], **{name: row[f"rate__{name}"] for name in RATE_PRICE_TERMS}}
            for row in of_it
            if row["rate__pk"] is not None
        ]
        found.setdefault(plan, []).append(priced_component({"id": pk, **of_it[0]}, rates))
    return {plan: tuple(components) for plan, components in found.items()}


_TERMS: Final = tuple(term.name for term in PRICE_TERMS)


def priced_component(stored: Mapping[str, Any], rates: Iterable[Mapping[str, Any]]) -> PricedComponent:
    """From the columns of a component (``id``, ``metric``, ``label`` and its terms) and of its rates of a day."""
    offers = {
        rate["audience"]: Discount(
            rate_id=rate["id"],
            audience=rate["audience"],
            reason=rate["reason"],
            micro_per_unit=rate["micro_per_unit"],
            evidence=rate["evidence"],
            micro_low=rate["micro_low"],
        )
        for rate in rates
    }
    listed = offers.pop(Audience.LIST, None)
    return PricedComponent(
        component_id=stored["id"],
        rate_id=listed.rate_id if listed else None,
        metric=stored["metric"],
        label=stored["label"],
        micro_per_unit=listed.micro_per_unit if listed else None,
        micro_low=listed.micro_low if listed else None,
        evidence=listed.evidence if listed else Evidence.SOURCED,
        discounts=tuple(offers.values()),
        **for_pricing(stored),
    )


@dataclass(frozen=True)
class PublishedRate:
    """A rate of a component, of today or of another day, with where it comes from; ``until`` is the day after its last."""

    component_id: int
    conversion_source: str
    audience: str
    reason: str
    since: date | None
    until: date | None
    micro_per_unit: Decimal
    micro_low: Decimal | None
    evidence: str
    source: str
    source_date: str

    def applies_on(self, day: date) -> bool:
        return (self.since is None or self.since <= day) and (self.until is None or day < self.until)


def with_rates(plans: QuerySet[Plan]) -> QuerySet[Plan]:
    """The plans with all rates of what they meter, for ``rates_of``, in the same query."""
    rates = Rate.objects.filter(component__plan=OuterRef("pk"), component__in_use=True)
    rows = rates.order_by("component", "valid", "pk").values(
        row=JSONObject(
            component_id="component",
            conversion_source="component__conversion_source",
            audience="audience",
            reason="reason",
            since="valid__startswith",
            until="valid__endswith",
            # As text, because numbers in JSON are read as floats, which rates are not.
            micro_per_unit=Cast("micro_per_unit", TextField()),
            micro_low=Cast("micro_low", TextField()),
            evidence="evidence",
            source="source",
            source_date="source_date",
        )
    )
    return plans.annotate(rate_rows=ArraySubquery(rows))


def rates_of(plan: Plan) -> dict[int, list[PublishedRate]]:
    """Component → its rates, the earliest first; for a plan of ``with_rates``."""
    found: dict[int, list[PublishedRate]] = {}
    for row in plan.rate_rows:  # type: ignore[attr-defined]  # made by the annotation
        rate = PublishedRate(
            **row
            | {
                "since": row["since"] and date.fromisoformat(row["since"]),
                "until": row["until"] and date.fromisoformat(row["until"]),
                "micro_per_unit": Decimal(row["micro_per_unit"]),
                "micro_low": row["micro_low"] and Decimal(row["micro_low"]),
            }
        )
        found.setdefault(rate.component_id, []).append(rate)
    return found
