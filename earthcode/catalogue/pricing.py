"""What a workload costs under a plan's rates: pure, exact until the one rounding of each line.

Where a figure is stated as a range, the price is what it comes to at most: every amount, total and order uses the upper end,
and the lower end is kept beside it. A discount is a rate of its own, for those who say that they are meant; the list price
is kept beside it as well.

A price is never guessed. A figure that nobody stated, a quantity that the workload does not say, or an amount that the plan
does not give leads to :class:`CannotPrice` with the reasons, and a quote is zero only where a stated free tier or discount
covers it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from earthcode.catalogue.component_terms import charged
from earthcode.catalogue.metrics import ONCE, PROCESSING, TIMED, Audience, Evidence, Metric, weakest
from earthcode.catalogue.workload import GPUS as GPUS
from earthcode.catalogue.workload import UNSAYABLE as UNSAYABLE
from earthcode.catalogue.workload import Workload as Workload
from earthcode.lib.money import from_decimal
from earthcode.lib.numbers import number_text as number_text
from earthcode.lib.numbers import plain


@dataclass(frozen=True)
class Needed:
    """How much a workload needs of something: at most, and at least where a conversion is not known better."""

    amount: Decimal
    low: Decimal
    is_converted: bool = False


def _converted(conversion: Sequence[tuple[str, Decimal]], workload: Workload) -> Decimal | None:
    """How many of a platform's own units the workload takes; None where it, or the platform, does not say."""
    if not conversion:
        return None
    total = Decimal(0)
    for metric, units in conversion:
        amount = workload.in_a_month(metric)
        if amount is None:
            return None
        total += amount * units
    return total


@dataclass(frozen=True)
class Discount:
    """A lower price for some people, or for anybody, with the reason that was stated."""

    rate_id: int | None
    audience: str
    reason: str
    micro_per_unit: Decimal
    evidence: str
    micro_low: Decimal | None = None


@dataclass(frozen=True)
class PricedComponent:
    """One thing a plan meters, with the rate of the day.

    ``included`` is free and ``limit`` the most that the plan gives, both in each month (or once, for what counts once).
    ``micro_per_unit`` is None where nobody stated the price; where a range was stated it is the upper end, and ``micro_low``
    the lower. ``step`` is the size of the blocks it is sold in,
    ``free_months`` how many months at the start cost nothing. ``conversion`` says how many of this unit one of another
    metric takes, for platforms that count in units of their own, at most; ``conversion_low`` how many at least, where it is
    not known better. What is bought in blocks must be used within ``block_months``, where that is not 0.
    """

    component_id: int
    rate_id: int | None
    metric: str
    label: str
    included: Decimal
    micro_per_unit: Decimal | None
    evidence: str
    limit: Decimal | None = None
    step: Decimal = Decimal(0)
    free_months: int = 0
    conversion: tuple[tuple[str, Decimal], ...] = ()
    conversion_low: tuple[tuple[str, Decimal], ...] = ()
    micro_low: Decimal | None = None
    block_months: int = 0
    discounts: tuple[Discount, ...] = ()

    @property
    def name(self) -> str:
        return self.label or self.units

    @property
    def units(self) -> str:
        return Metric(self.metric).plural

    def needed(self, workload: Workload) -> Needed | None:
        """What the workload needs of it in each month (or once); None: it does not say."""
        if self.metric == Metric.GPU_HOUR and not self.serves_gpu(workload.gpu):
            return Needed(Decimal(0), Decimal(0))
        amount = workload.in_a_month(self.metric)
        if amount is not None:
            return Needed(amount, amount)
        most = _converted(self.conversion, workload)
        if most is None:
            return None
        low = _converted(self.conversion_low, workload)
        return Needed(most, most if low is None else min(low, most), is_converted=True)

    def discount_for(self, audiences: Sequence[str]) -> Discount | None:
        """The lowest price that those who say this of themselves may have, where it is below the list price."""
        if self.micro_per_unit is None or not self.discounts:
            return None
        open_to_them = [each for each in self.discounts if each.audience in (Audience.ANYBODY, *audiences)]
        best = min(open_to_them, key=lambda each: each.micro_per_unit, default=None)
        return best if best is not None and best.micro_per_unit < self.micro_per_unit else None

    def charged(self, needed: Decimal, months: int) -> Decimal:
        """See ``component_terms.charged``."""
        return charged(
            needed,
            months,
            included=self.included,
            step=self.step,
            free_months=self.free_months,
            block_months=self.block_months,
            is_once=self.metric in ONCE,
        )

    def serves_gpu(self, gpu: str) -> bool:
        """Whether this component pays for the kind of GPU the workload names."""
        return self.metric == Metric.GPU_HOUR and bool(gpu) and GPUS[gpu].lower() in self.label.lower()

    @property
    def is_timed(self) -> bool:
        """Whether it pays for the time that machines work, directly or converted."""
        return self.metric in TIMED or any(metric in TIMED for metric, _units in self.conversion)


@dataclass(frozen=True)
class QuoteLine:
    """One component's share of the price. ``quantity`` is what is charged; ``detail`` says how it came about.

    ``amount`` is what it comes to at most, and ``low`` at least; None: it is exact. ``discount`` is the reason for a lower
    price than ``list_amount``, and ``audience`` who may have it.
    """

    rate_id: int | None
    label: str
    metric: str
    quantity: Decimal
    micro_per_unit: Decimal
    amount: int
    evidence: str = Evidence.SOURCED
    detail: str = ""
    low: int | None = None
    list_amount: int | None = None
    discount: str = ""
    audience: str = ""

    @property
    def audience_label(self) -> str:
        """Who may have the discount, for people."""
        return str(Audience(self.audience).label) if self.audience else ""


@dataclass(frozen=True)
class Quote:
    """The price of a workload under a plan, in micro-credits. ``total`` is the sum of the lines, or it cannot be made.

    Where figures are stated as ranges, ``total`` is what it comes to at most: what people compare, ask for and are granted.

    ``not_covered`` names the parts of the workload that the plan has no price for, so that an incomplete price is never
    mistaken for a low one.
    """

    lines: tuple[QuoteLine, ...]
    total: int
    months: int
    evidence: str
    not_covered: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.total != sum(line.amount for line in self.lines):
            raise ValueError("the total of a quote is the sum of its lines")
        if any(line.low is not None and line.low > line.amount for line in self.lines):
            raise ValueError("what a line comes to at least is no more than what it comes to at most")

    @property
    def total_low(self) -> int:
        """What it comes to at least; the same as ``total`` where every figure is exact."""
        return sum(line.amount if line.low is None else line.low for line in self.lines)

    @property
    def is_range(self) -> bool:
        return self.total_low < self.total

    @property
    def list_total(self) -> int:
        """What it would come to without any discount."""
        return sum(line.amount if line.list_amount is None else line.list_amount for line in self.lines)

    @property
    def saved(self) -> int:
        """What the discounts take off the list price."""
        return self.list_total - self.total

    @property
    def discounts(self) -> list[QuoteLine]:
        """The lines with a discount."""
        return [line for line in self.lines if line.discount]

    @property
    def per_month(self) -> int:
        """The total spread over the months, for people; never charged."""
        return from_decimal(Decimal(self.total) / self.months)

    @property
    def is_free(self) -> bool:
        return self.total == 0

    def as_json(self) -> dict[str, Any]:
        return {
            "lines": [
                {
                    "rate_id": line.rate_id,
                    "label": line.label,
                    "metric": line.metric,
                    "quantity": plain(line.quantity),
                    "micro_per_unit": plain(line.micro_per_unit),
                    "amount": line.amount,
                    "evidence": str(line.evidence),
                    "detail": line.detail,
                    # Only where there is something to say, so that quotes stored before these words read the same.
                    **({} if line.low is None else {"low": line.low}),
                    **({} if line.list_amount is None else {"list_amount": line.list_amount}),
                    **({"discount": line.discount, "audience": line.audience} if line.discount else {}),
                }
                for line in self.lines
            ],
            "total": self.total,
            "months": self.months,
            "evidence": str(self.evidence),
            "not_covered": list(self.not_covered),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Quote:
        """The stored quote; raises ``ValueError`` when its total is not the sum of its lines."""
        lines = tuple(
            QuoteLine(
                **{
                    **line,
                    "quantity": Decimal(line["quantity"]),
                    "micro_per_unit": Decimal(line["micro_per_unit"]),
                }
            )
            for line in data["lines"]
        )
        return cls(lines, data["total"], data["months"], data["evidence"], tuple(data.get("not_covered", ())))


@dataclass(frozen=True)
class CannotPrice:
    """Why there is no price: sentences fit for people."""

    reasons: tuple[str, ...]


def quote(
    components: Sequence[PricedComponent], workload: Workload, *, months_max: int | None = None
) -> Quote | CannotPrice:
    """The price of the workload under these components, or why there is none.

    Each line is rounded once, half up, to a whole micro-credit (``lib.money.from_decimal``). The price never falls when a
    quantity rises. ``months_max`` is the longest the plan can be had for.
    """
    if not components:
        return CannotPrice((_("The provider has not published a price."),))
    reasons: list[str] = []
    lines: list[QuoteLine] = []
    if months_max is not None and workload.months > months_max:
        reasons.append(
            ngettext(
                "This plan runs for at most %(count)d month.",
                "This plan runs for at most %(count)d months.",
                months_max,
            )
            % {"count": months_max}
        )
    for component in components:
        line = _line(component, workload)
        if isinstance(line, str):
            reasons.append(line)
        elif line is not None:
            lines.append(line)
    reasons += _unserved(components, workload)
    if not reasons and not lines:
        reasons.append(_("Nothing in your workload is what this plan counts."))
    if reasons:
        return CannotPrice(tuple(dict.fromkeys(reasons)))
    return Quote(
        lines=tuple(lines),
        total=sum(line.amount for line in lines),
        months=workload.months,
        evidence=weakest([line.evidence for line in lines]),
        not_covered=_not_covered(components, workload),
    )


def _line(component: PricedComponent, workload: Workload) -> QuoteLine | str | None:
    """The component's line, the reason why there is none, or None where the workload needs nothing of it."""
    if component.micro_per_unit is None:
        return _("The price of %(name)s is not published.") % {"name": component.name}
    found = component.needed(workload)
    if found is None and component.metric in UNSAYABLE:
        return _("Counted in %(units)s, which a workload does not say.") % {"units": component.units}
    if found is None:
        return _("Counted in %(units)s: say how many you need.") % {"units": component.units}
    if component.limit is not None and found.amount > component.limit:
        words = {
            "limit": number_text(component.limit),
            "units": component.units,
            "needed": number_text(found.amount),
        }
        if component.metric in ONCE:
            return _("Gives at most %(limit)s %(units)s; your workload needs %(needed)s.") % words
        return _("Gives at most %(limit)s %(units)s a month; your workload needs about %(needed)s.") % words
    if found.amount == 0:
        return None
    return _priced_line(component, workload, found)


def _priced_line(component: PricedComponent, workload: Workload, needed: Needed) -> QuoteLine:
    assert component.micro_per_unit is not None
    discount = component.discount_for(workload.audiences)
    price = discount or component
    assert price.micro_per_unit is not None
    quantity = component.charged(needed.amount, workload.months)
    quantity_low = component.charged(needed.low, workload.months)
    amount = from_decimal(quantity * price.micro_per_unit)
    low = from_decimal(quantity_low * (price.micro_per_unit if price.micro_low is None else price.micro_low))
    return QuoteLine(
        rate_id=price.rate_id,
        label=component.name,
        metric=component.metric,
        quantity=quantity,
        micro_per_unit=price.micro_per_unit,
        amount=amount,
        evidence=weakest([price.evidence, Evidence.DERIVED]) if needed.is_converted else price.evidence,
        detail=_detail(component, workload, needed),
        low=low if low < amount else None,
        list_amount=from_decimal(quantity * component.micro_per_unit) if discount else None,
        discount=discount.reason if discount else "",
        audience=discount.audience if discount else "",
    )


def _unserved(components: Sequence[PricedComponent], workload: Workload) -> list[str]:
    """What the workload must have and the plan does not sell."""
    if not workload.hours:
        return []
    if not any(component.metric in PROCESSING for component in components):
        return [_("This plan states no price for processing, so it cannot be set against your workload.")]
    is_timed = any(component.is_timed for component in components)
    if workload.gpu and is_timed and not any(component.serves_gpu(workload.gpu) for component in components):
        return [_("This plan has no price for a GPU of the kind %(gpu)s.") % {"gpu": GPUS[workload.gpu]}]
    return []


def _not_covered(components: Sequence[PricedComponent], workload: Workload) -> tuple[str, ...]:
    """What the workload asks for besides processing and the plan does not sell."""
    sold = {component.metric for component in components}
    return tuple(words for metric, words in workload.besides if metric not in sold)


def _detail(component: PricedComponent, workload: Workload, needed: Needed) -> str:
    """How the charged quantity came about, for people."""
    parts = []
    amount = number_text(needed.amount)
    if needed.low < needed.amount:
        amount = _("%(low)s to %(most)s") % {"low": number_text(needed.low), "most": amount}
    elif needed.is_converted:
        amount = f"{_('about')} {amount}"
    if component.metric == Metric.ONE_TIME:
        parts.append(_("once"))
    elif component.metric in ONCE:
        parts.append(f"{amount} {component.units}")
    elif component.metric == Metric.SUBSCRIPTION_MONTH:
        parts.append(ngettext("%(count)d month", "%(count)d months", workload.months) % {"count": workload.months})
    else:
        parts.append(
            ngettext(
                "%(amount)s %(units)s in %(count)d month",
                "%(amount)s %(units)s in each of %(count)d months",
                workload.months,
            )
            % {"amount": amount, "units": component.units, "count": workload.months}
        )
    if component.included:
        each = "" if component.metric in ONCE else _(" a month")
        parts.append(_("%(amount)s%(each)s included") % {"amount": number_text(component.included), "each": each})
    if component.free_months:
        parts.append(
            ngettext("first month free", "first %(count)d months free", component.free_months)
            % {"count": component.free_months}
        )
    if component.step:
        parts.append(_("sold in blocks of %(step)s") % {"step": number_text(component.step)})
    if component.step and component.block_months and component.metric not in ONCE:
        parts.append(
            ngettext(
                "each to be used within %(count)d month",
                "each to be used within %(count)d months",
                component.block_months,
            )
            % {"count": component.block_months}
        )
    return ", ".join(parts)


#: Nobody doubts an estimate by more than all of it.
MARGIN_PERCENT_MAX: Final = 100


def margin_on(amount: int, percent: int) -> int:
    """What a margin adds to an amount of micro-credits, rounded half up."""
    return from_decimal(Decimal(amount) * percent / 100)
