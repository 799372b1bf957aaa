"""An offering's own page: what it is, who runs it, where, what it costs; each figure with its source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, cast
from urllib.parse import urlencode

from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dateformat import format as date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from earthcode.catalogue import linked_data, search
from earthcode.catalogue.countries import country_name
from earthcode.catalogue.entries import PlanEntry
from earthcode.catalogue.metrics import Audience, Evidence, Metric
from earthcode.catalogue.models import Offering, Plan, PlanKind
from earthcode.catalogue.pricing import (
    CannotPrice,
    PricedComponent,
    Quote,
    Workload,
    number_text,
    quote,
)
from earthcode.catalogue.queries import PublishedRate, components_on, rates_of, with_rates
from earthcode.science import queries as science
from earthcode.web.catalogue import price_rank, price_words, science_rows
from earthcode.web.catalogue.listing import View, estimate_url, offering_url
from earthcode.web.catalogue.notices import notices_in
from earthcode.web.catalogue.tray import Tray, chosen_in
from earthcode.web.catalogue.workload import WorkloadForm, values_of
from earthcode.web.parts.conditional_get import ConditionalGet


@require_safe
def offering(request: HttpRequest, slug: str) -> HttpResponse:
    """What it is, who runs it, where, what it costs for the reader's workload, how to get in; each figure with its source."""
    today = timezone.localdate()
    state = search.catalogue_state()
    fresh = ConditionalGet(request, state, today)
    if (ready := fresh.answer()) is not None:
        return ready
    form = WorkloadForm(values_of(request.GET), form_id="workload-form")
    plans = with_rates(Plan.objects.filter(is_listed=True).order_by("pk"))
    this = get_object_or_404(
        Offering.objects.readable()
        .select_related("platform__provider", "replaced_by")
        .defer("search", "replaced_by__search")
        .prefetch_related(Prefetch("plans", plans, to_attr="listed_plans")),
        slug=slug,
    )
    is_part = bool(getattr(request, "htmx", False))
    retired = this.is_retired_on(today)
    listed = cast("Sequence[Plan]", this.listed_plans)  # type: ignore[attr-defined]  # made by the prefetch
    index = search.index_on(today, state)
    entry = index.by_slug.get(slug)
    # What is kept in memory is the list; what has retired is not on it.
    priced_components = (
        {plan.pk: plan.components for plan in entry.plans}
        if entry
        else components_on([plan.pk for plan in listed], today)
    )
    shown = [_plan_shown(plan, priced_components.get(plan.pk, ()), form.workload, today) for plan in listed]
    price = search.price_of([each.entry for each in shown], form.workload)
    field = price_rank.field_for(request, index.totals(form.workload))
    params = urlencode(form.workload.as_params())
    compare = chosen_in(request.GET, "compare")
    best = next((each for each in shown if price.plan is not None and each.plan.pk == price.plan.pk), None)
    whole = index.completed(entry, price, form.workload, also=compare) if entry else None
    headline = price_words.headline(price, whole)
    context = {
        "form": form,
        "offering": this,
        "platform": this.platform,
        "provider": this.platform.provider,
        "access_url": this.access_url or this.platform.access_url,
        "workload": form.workload,
        "url": this.get_absolute_url(),
        "catalogue_url": _catalogue_url(form.workload),
        "plans": [each for each in shown if each.plan.kind == PlanKind.GENERAL],
        # Those with a price first.
        "services": sorted(
            (each for each in shown if each.plan.kind == PlanKind.SERVICE), key=lambda each: not each.is_priced
        ),
        "headline": headline,
        "best": best,
        "plan_to_request": None if retired else price.plan_to_request,
        # A plan that is free, or in part, is no price on request.
        "plan_to_ask": next((each.plan for each in shown if not each.is_priced), None) if price.quote is None else None,
        "notices": [] if is_part else notices_in(state, this, today),
        "standing": field,
        "rank_text": "" if this.is_demonstration else field.rank_text(headline.total),
        "fits": field.fits(headline.total),
        "fit_text": field.fit_text(headline.total),
        "tray": Tray.of(
            compare, index, form.workload, without=lambda left: offering_url(this.slug, form.workload, left)
        ),
        "estimate_url": "" if retired else estimate_url(price, form.workload),
        "is_compared": this.slug in compare,
        "compared_elsewhere": [slug for slug in compare if slug != this.slug],
        "facts": (facts := _facts(this)),
        "unstated": _unstated(this, facts),
        "science": (
            runs := science_rows.workflows_on(this, science.directory(index, state)) if entry and not is_part else None
        ),
        "menu": _menu(shown, has_science=runs is not None),
        "asks_price": price.kind == search.PriceKind.UNKNOWN and not retired,
        "sources": _sources(this),
        # Of what has no place on the page where its source could stand.
        "other_sources": [each for name, each in _sources(this).items() if name not in _FACT_TITLES],
        "request_url": "" if retired else reverse("request_new"),
        "params": params,
    }
    if is_part:
        response = TemplateResponse(request, "catalogue/offering_prices.html", context)
        response.headers["HX-Replace-Url"] = offering_url(this.slug, form.workload, compare)
    else:
        address = request.build_absolute_uri(this.get_absolute_url())
        context["linked_data"] = linked_data.script_text(
            linked_data.service_of(this, listed, priced_components, url=address)
        )
        response = TemplateResponse(request, "catalogue/offering.html", context)
    return fresh.stamped(response)


@dataclass(frozen=True)
class RateShown:
    """A published figure: what it is, where it comes from, and since when it is used here."""

    label: str
    price: str
    unit: str
    terms: Sequence[str]
    evidence: str
    source: str
    source_date: str
    since: date | None
    earlier: Sequence[str]


@dataclass(frozen=True)
class PlanShown:
    """A plan with its price for the workload, or the reasons why there is none."""

    plan: Plan
    entry: PlanEntry
    quote: Quote | None
    reasons: Sequence[str]
    rates: Sequence[RateShown]

    @property
    def is_priced(self) -> bool:
        """Whether any figure of it is published."""
        return bool(self.rates)

    @property
    def notes(self) -> list[price_words.Note]:
        return price_words.quote_notes(self.quote) if self.quote else []

    @property
    def total_text(self) -> str:
        return price_words.amount_text(self.quote.total) if self.quote else ""


def _plan_shown(plan: Plan, components: tuple[PricedComponent, ...], workload: Workload, today: date) -> PlanShown:
    entry = PlanEntry(plan.pk, plan.slug, plan.name, plan.kind, plan.audience, plan.months_max, components)
    answer = quote(components, workload, months_max=plan.months_max)
    rates = rates_of(plan)
    return PlanShown(
        plan=plan,
        entry=entry,
        quote=answer if isinstance(answer, Quote) else None,
        reasons=answer.reasons if isinstance(answer, CannotPrice) else (),
        rates=[shown for each in components for shown in _rates_shown(each, rates.get(each.component_id, ()), today)],
    )


def _rates_shown(component: PricedComponent, rates: Sequence[PublishedRate], today: date) -> Iterator[RateShown]:
    """The list price, then the discounts from it."""
    for rate in sorted(rates, key=lambda each: each.audience):
        if rate.applies_on(today):
            yield _rate_shown(component, rate, [each for each in rates if each.audience == rate.audience], today)


def _rate_shown(
    component: PricedComponent, current: PublishedRate, rates: Sequence[PublishedRate], today: date
) -> RateShown:
    terms = price_words.component_limits([component])
    if component.included:
        terms.append(_("%(amount)s included each month") % {"amount": number_text(component.included)})
    if component.step:
        terms.append(_("In blocks of %(step)s") % {"step": number_text(component.step)})
    if component.block_months:
        terms.append(
            ngettext(
                "A block has to be used within %(count)d month",
                "A block has to be used within %(count)d months",
                component.block_months,
            )
            % {"count": component.block_months}
        )
    if component.free_months:
        terms.append(
            ngettext("First month free", "First %(count)d months free", component.free_months)
            % {"count": component.free_months}
        )
    for metric, units in component.conversion:
        low = dict(component.conversion_low).get(metric, units)
        amount = number_text(units)
        if low < units:
            amount = _("%(low)s to %(most)s") % {"low": number_text(low), "most": amount}
        words = {"units": amount, "of": component.units, "metric": Metric(metric).label}
        terms.append(_("About %(units)s %(of)s for each %(metric)s") % words)
    if current.audience:
        # The terms are those of the list price, which stands above.
        terms = [current.reason, _("For: %(audience)s") % {"audience": Audience(current.audience).label}]
    if current.until is not None:
        last = date_format(current.until - timedelta(days=1), "j M Y")
        terms.append(_("Until %(day)s") % {"day": last})
    source = "\n".join(part for part in (current.source, current.conversion_source) if part)
    label = _("%(name)s, discount") % {"name": component.name} if current.audience else component.name
    return RateShown(
        label=label,
        price=price_words.range_text(current.micro_low, current.micro_per_unit),
        unit=price_words.unit_words(component.metric, component.label),
        terms=terms,
        evidence=str(Evidence(current.evidence).label),
        source=source,
        source_date=current.source_date,
        since=current.since,
        earlier=[
            _("%(price)s until %(day)s")
            % {"price": price_words.range_text(rate.micro_low, rate.micro_per_unit), "day": rate.until.isoformat()}
            for rate in rates
            if rate.until is not None and rate.until <= today
        ],
    )


def _unstated(this: Offering, known: Sequence[dict[str, str]]) -> list[str]:
    """What nobody states, each once: the facts that every page has a place for, and what was looked for and not found."""
    stated = {fact["label"] for fact in known}
    titles = [str(_FACT_TITLES[name]) for name in _EXPECTED if str(_FACT_TITLES[name]) not in stated]
    empty = {"datasets": this.datasets, "access": this.access}
    titles += [str(_FACT_TITLES[name]) for name, value in empty.items() if not value]
    names = [title[:1].lower() + title[1:] for title in titles]
    return list(dict.fromkeys([*names, *this.not_stated]))


#: Facts whose absence is worth a word.
_EXPECTED: Final = (
    *("place", "hardware", "limits", "availability", "maturity", "certifications", "sponsorable"),
    *("support", "support_hours"),
)


def _menu(shown: Sequence[PlanShown], *, has_science: bool) -> list[tuple[str, str]]:
    """What is on the page, in its order."""
    kinds = {each.plan.kind for each in shown}
    parts = [
        ("facts", _("In short"), True),
        ("plans", _("Plans and prices"), PlanKind.GENERAL in kinds),
        ("services", _("Services"), PlanKind.SERVICE in kinds),
        ("data", _("Data"), True),
        ("work", _("How you work"), True),
        ("science", _("Workflows"), has_science),
        ("access", _("Getting in"), True),
    ]
    return [(anchor, label) for anchor, label, is_there in parts if is_there]


def _facts(this: Offering) -> list[dict[str, str]]:
    """What is known, in a fixed order, each with its source; what is not known is said so on the page."""
    sponsored = "" if this.sponsorable is None else _("Yes") if this.sponsorable else _("No")
    place = ", ".join(part for part in (this.place, country_name(this.country) if this.country else "") if part)
    country = country_name(this.platform.provider.country) if this.platform.provider.country else ""
    facts = [
        ("tier", this.get_tier_display()),
        ("service_types", ", ".join(this.service_types)),
        ("platform", platform_kinds(this)),
        ("place", place),
        ("provider_country", country),
        ("hardware", this.hardware),
        ("limits", this.limits),
        ("availability", this.availability),
        ("maturity", this.maturity),
        ("certifications", ", ".join(this.certifications)),
        ("sponsorable", sponsored),
        ("support", this.support),
        ("support_hours", this.support_hours),
    ]
    return [
        {
            "label": str(_FACT_TITLES[name]),
            "value": value,
            "source": this.sources.get(name, {}).get("source", ""),
            "date": this.sources.get(name, {}).get("date", ""),
        }
        for name, value in facts
        if value
    ]


def platform_kinds(this: Offering) -> str:
    """What EarthCODE calls the platform: either kind, both, or neither so far."""
    kinds = []
    if this.platform.is_open_science:
        kinds.append(_("FAIR Open Science platform"))
    if this.platform.is_infrastructure:
        kinds.append(_("FAIR Infrastructure platform"))
    return ", ".join(kinds)


_FACT_TITLES: Final[dict[str, Any]] = {
    "tier": _lazy("Tier"),
    "service_types": _lazy("Kind of service"),
    "platform": _lazy("Kind of platform"),
    "place": _lazy("Data centre"),
    "provider_country": _lazy("Provider's country"),
    "hardware": _lazy("Hardware"),
    "limits": _lazy("Limits"),
    "availability": _lazy("Availability"),
    "maturity": _lazy("Maturity"),
    "certifications": _lazy("Certifications"),
    "sponsorable": _lazy("ESA can sponsor it"),
    "support": _lazy("Support"),
    "support_hours": _lazy("Support hours"),
    "datasets": _lazy("Data on site"),
    "access": _lazy("Getting in"),
    "not_stated": _lazy("What is not stated"),
}


def _sources(this: Offering) -> dict[str, dict[str, str]]:
    """Fact → where it comes from, with the fact's name as people read it."""
    return {
        name: {"title": str(_FACT_TITLES.get(name, name)), "source": found["source"], "date": found.get("date", "")}
        for name, found in this.sources.items()
    }


def _catalogue_url(workload: Workload) -> str:
    return View("", {}, workload, "price", 1).url()
