"""The terms of what a plan meters, and of its rates: one table each, and the one arithmetic that prices are made with.

A column of ``Component`` or ``Rate`` that changes what is charged, or that readers are shown, is a line here. What reads
them (prices, the list in memory), writes them (files, drafts) or shows them (versions, differences, the API) derives from
these tables. A test walks the columns of both models and asks each of those readers and writers for each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TypeVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from earthcode.lib.numbers import plain

Conversion = tuple[tuple[str, Decimal], ...]


class Kind(Enum):
    """How a term is stored and written."""

    #: An exact number of at least 0; text where JSON carries it.
    AMOUNT = "amount"
    #: A whole number of months.
    MONTHS = "months"
    #: Metric → how many units for one of it, as text.
    UNITS = "units"
    TEXT = "text"


@dataclass(frozen=True, kw_only=True)
class ComponentTerm:
    """One term of a component: its column, what people call it, and what the column says where there is no such rule.

    ``decides_price``: pricing is given it. ``is_unsaid``: a draft leaves it out where there is no such rule.
    """

    name: str
    kind: Kind
    label: str | Promise
    help_text: str
    absent: Any
    decides_price: bool = True
    is_unsaid: bool = False

    def for_pricing(self, stored: Any) -> Any:
        """From the column, or from JSON that carries it; what is not there is as if there were no such rule."""
        if stored is None or stored == "":
            stored = self.absent
        match self.kind:
            case Kind.AMOUNT:
                return None if stored is None else Decimal(stored)
            case Kind.UNITS:
                return tuple((name, Decimal(units)) for name, units in sorted(stored.items()))
            case _:
                return stored

    def for_json(self, stored: Any) -> Any:
        """What JSON carries: exact numbers as text."""
        return plain(stored) if self.kind is Kind.AMOUNT and stored is not None else stored

    def for_draft(self, stored: Any) -> Any:
        """As ``for_json``; None where a draft says nothing of it."""
        return None if self.is_unsaid and stored == self.absent else self.for_json(stored)


#: What is agreed on each thing that a plan meters, in the order in which people read it.
TERMS: Final[Mapping[str, ComponentTerm]] = {
    term.name: term
    for term in (
        ComponentTerm(
            name="included",
            kind=Kind.AMOUNT,
            label=_("Included each month"),
            help_text="Free amount in each month",
            absent=Decimal(0),
        ),
        ComponentTerm(
            name="limit",
            kind=Kind.AMOUNT,
            label=_("Most each month"),
            help_text="The most the plan gives in each month",
            absent=None,
        ),
        ComponentTerm(
            name="step",
            kind=Kind.AMOUNT,
            label=_("Sold in blocks of"),
            help_text="Size of the blocks it is sold in; 0: any amount",
            absent=Decimal(0),
        ),
        ComponentTerm(
            name="block_months",
            kind=Kind.MONTHS,
            label=_("Months to use a block"),
            help_text="Months within which a block must be used; 0: not stated",
            absent=0,
            is_unsaid=True,
        ),
        ComponentTerm(
            name="free_months",
            kind=Kind.MONTHS,
            label=_("Free months at the start"),
            help_text="Months at the start that cost nothing",
            absent=0,
        ),
        ComponentTerm(
            name="conversion",
            kind=Kind.UNITS,
            label=_("Conversion"),
            help_text="Metric → how many of this unit one of it takes at most, for units of a platform's own",
            absent={},
        ),
        ComponentTerm(
            name="conversion_low",
            kind=Kind.UNITS,
            label=_("Conversion at least"),
            help_text="The same, at least; empty where the conversion is known exactly",
            absent={},
        ),
        ComponentTerm(
            name="conversion_source",
            kind=Kind.TEXT,
            label=_("Source of the conversion"),
            help_text="Where the conversion comes from",
            absent="",
            decides_price=False,
        ),
    )
}
#: Those that pricing is given.
PRICE_TERMS: Final = tuple(term for term in TERMS.values() if term.decides_price)

#: What a rate says besides its period; the same in a file's record and in the database.
RATE_TERMS: Final = ("audience", "reason", "micro_per_unit", "micro_low", "evidence", "source", "source_date")
#: What pricing is given of a rate.
RATE_PRICE_TERMS: Final = ("audience", "reason", "micro_per_unit", "micro_low", "evidence")


def for_pricing(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The terms of a component for ``PricedComponent``, from its columns or from JSON that carries them."""
    return {term.name: term.for_pricing(stored.get(term.name)) for term in PRICE_TERMS}


def columns(of: str, names: Iterable[str]) -> str:
    """SQL: pairs of name and column, for ``json_build_object``."""
    return ", ".join(f"'{name}', {of}.{name}" for name in names)


# --- the arithmetic --------------------------------------------------------------------------------------------------

#: Exact numbers, or whole numbers of some small part of one (``price_table``).
N = TypeVar("N", int, Decimal)


def charged(needed: N, months: int, *, included: N, step: N, free_months: int, block_months: int, is_once: bool) -> N:
    """What is charged where this much is needed in each of so many months (or once): beyond what is included, in blocks.

    A block that must be used within some months is bought anew after them, and when it is used up.
    """
    beyond = max(needed - needed, needed - included)
    if is_once:
        return in_blocks(beyond, step)
    months = max(0, months - free_months)
    if not block_months or not step:
        return in_blocks(beyond * months, step)
    whole, rest = divmod(months, block_months)
    return whole * in_blocks(beyond * block_months, step) + in_blocks(beyond * rest, step)


def in_blocks(quantity: N, step: N) -> N:
    """Up to the next whole number of blocks of this size; 0: any amount."""
    if not step:
        return quantity
    over = quantity % step
    return quantity - over + step if over else quantity
