"""What usage is rated by: the terms of each component of a plan, resolved for one workload and kept with what was placed.

A quote says what a workload costs; terms say how that price comes about, so that whatever is really used is rated by the
same rules and usage equal to the workload costs what was quoted. They are a promise: stored, and never looked up again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from earthcode.catalogue.component_terms import in_blocks
from earthcode.catalogue.metrics import ONCE, Metric
from earthcode.catalogue.models import Plan
from earthcode.catalogue.pricing import PricedComponent
from earthcode.catalogue.queries import components_on
from earthcode.catalogue.workload import Workload


@dataclass(frozen=True)
class Term:
    """One component: ``included`` is free in each month (or once), ``micro_per_unit`` None where no price was stated.

    Where the price was a range it is the upper end, as in the quote; a discount that the workload was quoted with is in it.
    """

    metric: str
    label: str
    micro_per_unit: Decimal | None
    rate_id: int | None = None
    included: Decimal = Decimal(0)
    step: Decimal = Decimal(0)
    free_months: int = 0
    block_months: int = 0

    @property
    def counts_once(self) -> bool:
        """Whether what is included, and blocks, are for the whole duration and not for each month."""
        return self.metric in ONCE

    @property
    def units(self) -> str:
        return Metric(self.metric).plural

    def as_json(self) -> dict[str, Any]:
        return {
            "metric": str(self.metric),
            "label": self.label,
            "rate_id": self.rate_id,
            "micro_per_unit": None if self.micro_per_unit is None else f"{self.micro_per_unit:f}",
            "included": f"{self.included:f}",
            "step": f"{self.step:f}",
            "free_months": self.free_months,
            "block_months": self.block_months,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Term:
        micro = data["micro_per_unit"]
        numbers = {name: Decimal(data[name]) for name in ("included", "step")}
        return cls(**{**data, **numbers, "micro_per_unit": None if micro is None else Decimal(micro)})

    def charged(self, by_month: Mapping[int, Decimal]) -> Decimal:
        """How much is charged of what was used in each month, counted from zero: beyond what is free, in whole blocks.

        Depends only on how much was used in which month, never on the order or the pieces it was reported in, and never
        falls when more is used. The same rule as ``PricedComponent.charged``.
        """
        if self.counts_once:
            return in_blocks(max(Decimal(0), sum(by_month.values(), Decimal(0)) - self.included), self.step)
        beyond: dict[int, Decimal] = {}
        for month, used in by_month.items():
            window = (month - self.free_months) // self.block_months if self.block_months and self.step else 0
            if month >= self.free_months:
                beyond[window] = beyond.get(window, Decimal(0)) + max(Decimal(0), used - self.included)
        return sum((in_blocks(amount, self.step) for amount in beyond.values()), Decimal(0))


def terms_of(plan: Plan, workload: Workload, *, on: date) -> tuple[Term, ...]:
    """The terms of the plan on that day for those who run the workload: with the discounts that are theirs."""
    return tuple(_term(component, workload) for component in components_on([plan.pk], on).get(plan.pk, ()))


def _term(component: PricedComponent, workload: Workload) -> Term:
    price = component.discount_for(workload.audiences) or component
    return Term(
        metric=component.metric,
        label=component.name,
        micro_per_unit=price.micro_per_unit,
        rate_id=price.rate_id,
        included=component.included,
        step=component.step,
        free_months=component.free_months,
        block_months=component.block_months,
    )


def terms_as_json(terms: Iterable[Term]) -> list[dict[str, Any]]:
    return [term.as_json() for term in terms]


def terms_from_json(data: Sequence[Mapping[str, Any]]) -> tuple[Term, ...]:
    return tuple(Term.from_json(each) for each in data)
