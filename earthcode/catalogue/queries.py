"""Reads worth a name: the rates of a day, and quotes from them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from django.db.models import FilteredRelation, Q, QuerySet

from earthcode.catalogue.metrics import Evidence
from earthcode.catalogue.models import Component, Plan
from earthcode.catalogue.pricing import CannotPrice, PricedComponent, Quote, Workload, quote


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
        .order_by("plan_id", "pk")
        .values_list(
            "plan_id",
            "pk",
            "metric",
            "label",
            "included",
            "limit",
            "step",
            "free_months",
            "conversion",
            "rate__pk",
            "rate__micro_per_unit",
            "rate__evidence",
        )
    )
    found: dict[int, list[PricedComponent]] = {}
    for plan, pk, metric, label, included, limit, step, free_months, conversion, rate, micro, evidence in rows:
        found.setdefault(plan, []).append(
            PricedComponent(
                component_id=pk,
                rate_id=rate,
                metric=metric,
                label=label,
                included=included,
                micro_per_unit=micro,
                evidence=evidence or Evidence.SOURCED,
                limit=limit,
                step=step,
                free_months=free_months,
                conversion=tuple((name, Decimal(units)) for name, units in sorted(conversion.items())),
            )
        )
    return {plan: tuple(components) for plan, components in found.items()}
