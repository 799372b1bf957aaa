"""Prices in words: how cards and the offering page say what is known, and what is not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from earthcode.catalogue.metrics import Audience, Evidence, Metric
from earthcode.catalogue.models import PlanKind
from earthcode.catalogue.offering_price import Completed
from earthcode.catalogue.pricing import UNSAYABLE, PricedComponent, Quote, number_text
from earthcode.catalogue.search import OfferingPrice, PriceKind, UnitPrice
from earthcode.lib import money


@dataclass(frozen=True)
class Note:
    """A line under a price; ``tone`` is a class of it (``warn``, ``whole``) where it must be read with the price, or empty."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class Headline:
    """An offering's price as its card says it: ``big`` with its small ``unit``, and notes below.

    ``total`` is there only where the workload is priced, and what the strip and the reader's credits are compared with.
    """

    big: str
    unit: str = ""
    notes: tuple[Note, ...] = ()
    total: int | None = None
    is_number: bool = False


def amount_text(micro: int) -> str:
    """Credits at a glance: whole from a hundred on, else as many decimals as there are. The exact amount is a click away."""
    return money.as_text(micro, decimals=0 if abs(micro) >= 100 * money.MICRO else None)


def rate_text(micro_per_unit: Decimal) -> str:
    """A rate in credits, exact: rates are finer than a micro-credit where a unit is small."""
    text = f"{micro_per_unit / money.MICRO:,.12f}".rstrip("0").rstrip(".")
    return text.replace(",", money.GROUP_SEPARATOR)


def range_text(micro_low: Decimal | None, micro_per_unit: Decimal) -> str:
    """A rate, or both ends of a stated range."""
    high = rate_text(micro_per_unit)
    return high if micro_low is None else _("%(low)s to %(high)s") % {"low": rate_text(micro_low), "high": high}


def headline(price: OfferingPrice, whole: Completed | None = None) -> Headline:
    """What the card of an offering says about its price; ``whole`` is what the rest of the workload would come to."""
    match price.kind:
        case PriceKind.QUOTED_PART if price.quote and price.plan:
            notes = [*quote_notes(price.quote), *_plan_note(price), *_whole_notes(whole)]
            return Headline(amount_text(price.quote.total), _("cr for a part"), tuple(notes))
        case PriceKind.QUOTED if price.quote and price.plan:
            notes = [
                Note(_("%(amount)s cr a month") % {"amount": amount_text(price.quote.per_month)}),
                *_plan_note(price),
                *quote_notes(price.quote),
            ]
            return Headline(amount_text(price.quote.total), "cr", tuple(notes), price.quote.total, is_number=True)
        case PriceKind.FREE | PriceKind.FREE_PART if price.quote and price.plan:
            is_whole = price.kind == PriceKind.FREE
            covers = _("Covers your workload") if is_whole else _("Covers a part of your workload")
            notes = [*_limit_notes(price.plan.components), Note(covers)]
            if price.beyond:
                notes.append(Note(_("Beyond it: %(amount)s") % {"amount": total_text(price.beyond)}))
            return Headline(str(price.kind.label), notes=(*notes, *quote_notes(price.quote), *_whole_notes(whole)))
        case PriceKind.FREE_TIER if price.plan:
            notes = _limit_notes(price.plan.components) or [Note(_("Its limits are not stated"))]
            if price.plan.audience:
                notes.append(Note(_("For: %(audience)s") % {"audience": price.plan.audience}))
            return Headline(str(price.kind.label), notes=tuple(notes))
        case PriceKind.UNIT if price.unit:
            return _unit_headline(price.unit)
        case _:
            return Headline(str(PriceKind.UNKNOWN.label))


def total_text(quote: Quote) -> str:
    """A total where there is no room for notes: what it leaves out is said with it."""
    amount = _("%(amount)s cr") % {"amount": amount_text(quote.total)}
    if not quote.not_covered:
        return amount
    return _("%(amount)s without %(parts)s") % {"amount": amount, "parts": ", ".join(quote.not_covered)}


def _whole_notes(whole: Completed | None) -> list[Note]:
    if whole is None:
        return []
    words = {"amount": amount_text(whole.total), "offering": whole.entry.name}
    return [Note(_("All of it: %(amount)s cr with %(offering)s") % words, "whole")]


def quote_notes(quote: Quote) -> list[Note]:
    """What the reader has to know before comparing a price with another."""
    notes = [Note(_("Without %(part)s") % {"part": part}, "warn") for part in quote.not_covered]
    if quote.is_range:
        words = {"low": amount_text(quote.total_low), "high": amount_text(quote.total)}
        notes.append(Note(_("At most; between %(low)s and %(high)s cr") % words, "warn"))
    if quote.saved:
        words = {"list": amount_text(quote.list_total), "reasons": discount_words(quote)}
        notes.append(Note(_("List price %(list)s cr; %(reasons)s") % words))
    if quote.evidence == Evidence.DERIVED:
        notes.append(Note(_("Worked out from published figures")))
    elif quote.evidence == Evidence.DEMONSTRATION:
        notes.append(Note(_("A made-up price")))
    return notes


def discount_words(quote: Quote) -> str:
    """Why a price is lower than the list price, and who may have it."""
    reasons = dict.fromkeys(
        f"{line.discount} ({line.audience_label.lower() if line.audience == Audience.ANYBODY else line.audience_label})"
        for line in quote.discounts
    )
    return "; ".join(reasons)


def component_limits(components: Iterable[PricedComponent]) -> list[str]:
    """The most that a plan gives, for people."""
    limits = []
    for component in components:
        if component.limit is not None:
            words = {"limit": number_text(component.limit), "units": component.label or component.units}
            limits.append(_("Up to %(limit)s %(units)s a month") % words)
    return limits


def unit_words(metric: str, label: str = "") -> str:
    """What a rate is for: "for each km²"."""
    match metric:
        case Metric.ONE_TIME:
            return label.lower() or _("once")
        case Metric.SUBSCRIPTION_MONTH:
            return _("a month")
        case _:
            return _("for each %(unit)s") % {"unit": label or Metric(metric).label}


def plain_units(metric: str) -> str:
    """What a component counts, where it has no name of its own."""
    return Metric(metric).plural


def _limit_notes(components: Sequence[PricedComponent]) -> list[Note]:
    return [Note(text) for text in component_limits(components)]


def _plan_note(price: OfferingPrice) -> list[Note]:
    if price.plan is not None and price.plan.kind == PlanKind.SERVICE:
        return [Note(_("Service: %(name)s") % {"name": price.plan.name})]
    return []


def _unit_headline(unit: UnitPrice) -> Headline:
    if unit.low == unit.high:
        big = money.as_text(unit.low)
    else:
        words = {"low": money.as_text(unit.low), "high": money.as_text(unit.high)}
        big = _("%(low)s to %(high)s") % words
    notes = [Note(unit_words(unit.metric, unit.label))]
    if unit.metric in (Metric.ONE_TIME, Metric.SUBSCRIPTION_MONTH):
        notes.append(Note(_("What it includes cannot be compared with your workload")))
    elif unit.metric not in UNSAYABLE:
        notes.append(Note(_("Say in your workload how much you need")))
    return Headline(big, "cr", tuple(notes))


def count_text(count: int, made_up: int = 0) -> str:
    """How many offerings there are; those that are made up are counted apart."""
    words = ngettext("%(count)s offering", "%(count)s offerings", count) % {"count": number_text(Decimal(count))}
    if not made_up:
        return words
    more = ngettext("%(count)d demonstration", "%(count)d demonstrations", made_up) % {"count": made_up}
    return _("%(offerings)s and %(more)s") % {"offerings": words, "more": more}
