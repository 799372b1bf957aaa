"""What usage costs, by the terms stored with its allocation. Knows no tables and no clock.

The cost of a component is a function of how much was used in which month, and of nothing else: a line costs what the whole
costs with it less what it cost without. So the sum over any split of the same usage, in any order, *is* what the whole
costs, rounded once, to a whole micro-credit, half up; each line differs from its own exact cost by less than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from earthcode.catalogue.terms import Term
from earthcode.lib.money import from_decimal


@dataclass(frozen=True, slots=True)
class Rated:
    """What a line adds: the quantity that is charged, beyond what is free and in whole blocks, and its micro-credits.

    Both are below zero where usage is taken back.
    """

    charged: Decimal
    amount: int


@dataclass
class Meter:
    """How much of one component an allocation has used in each of its months, counted from zero, and what it costs."""

    term: Term
    by_month: dict[int, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._charged = self.term.charged(self.by_month)
        self._amount = self._cost(self._charged)

    @property
    def amount(self) -> int:
        """What everything so far costs, in micro-credits."""
        return self._amount

    def add(self, month: int, quantity: Decimal) -> Rated:
        """Use more, or with a negative quantity less; never less than nothing."""
        used = self.by_month.get(month, Decimal(0)) + quantity
        if used < 0:
            raise ValueError(f"{self.term.label}: more would be taken back than was used in month {month}")
        self.by_month[month] = used
        charged = self.term.charged(self.by_month)
        amount = self._cost(charged)
        rated = Rated(charged - self._charged, amount - self._amount)
        self._charged, self._amount = charged, amount
        return rated

    def _cost(self, charged: Decimal) -> int:
        if self.term.micro_per_unit is None:
            raise ValueError(f"{self.term.label} has no price")
        return from_decimal(charged * self.term.micro_per_unit)


def month_of(day: date, *, starts_on: date, months: int) -> int:
    """Which month of an allocation a day is in, counted from zero; before the first and after the last count with these.

    The months are the allocation's own, as in its quote: one that starts on the 15th has months from the 15th.
    """
    passed = (day.year - starts_on.year) * 12 + day.month - starts_on.month - (day.day < starts_on.day)
    return max(0, min(passed, months - 1))


def find_term(terms: Sequence[Term], name: str) -> Term | None:
    """The component of this name or metric; None where there is none, or more than one that it could be."""
    word = name.strip().lower()
    named = [term for term in terms if term.label.lower() == word]
    if len(named) == 1:
        return named[0]
    counted = [term for term in terms if term.metric == word]
    return counted[0] if len(counted) == 1 else None
