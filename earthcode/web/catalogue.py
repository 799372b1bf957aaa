"""The public catalogue: every offering priced for one workload, and each offering's own page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from hashlib import blake2b
from typing import Any, Final, cast
from urllib.parse import urlencode, urlsplit

from django import forms
from django.db.models import Prefetch
from django.forms.renderers import BaseRenderer
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dateformat import format as date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from earthcode.catalogue import asking, linked_data, search
from earthcode.catalogue.countries import country_name
from earthcode.catalogue.entries import OfferingEntry, PlanEntry
from earthcode.catalogue.metrics import DECLARABLE, Audience, Evidence, Metric
from earthcode.catalogue.models import Offering, Plan, PlanKind
from earthcode.catalogue.pricing import (
    GPUS,
    PARAMETERS,
    CannotPrice,
    PricedComponent,
    Quote,
    Workload,
    number_text,
    quote,
)
from earthcode.catalogue.queries import PublishedRate, components_on, rates_of, with_rates
from earthcode.catalogue.search import FACET_NAMES, OfferingPrice
from earthcode.lib.errors import InvalidInput
from earthcode.science import queries as science
from earthcode.web import priced, science_parts, standing
from earthcode.web.announced import Flags, flag_of, maintenance_flags, notices_in
from earthcode.web.comparing import Tray, chosen_in
from earthcode.web.freshness import Freshness
from earthcode.web.lists import ListPage

PER_PAGE: Final = 12
#: How many options of a filter show before "more".
OPTIONS_SHOWN: Final = 6
#: How many show after it: who looks for one of hundreds types its name.
OPTIONS_MORE: Final = 24
SORTS: Final = {
    "price": _lazy("Price for your workload"),
    "relevance": _lazy("Best match"),
    "name": _lazy("Name"),
}
SUGGESTIONS: Final = ("Sentinel-2", "JupyterLab", "openEO", "Dask", "S3")
#: More choices than anybody makes in one filter.
CHOICES_MAX: Final = 30


class NumberBox(forms.NumberInput):
    """A number's input, drawn without a template: a page of the catalogue has a dozen of them."""

    def render(
        self,
        name: str,
        value: Any,
        attrs: dict[str, Any] | None = None,
        renderer: BaseRenderer | None = None,  # noqa: ARG002  # Django hands it to every widget
    ) -> SafeString:
        box = self.get_context(name, value, attrs)["widget"]
        given = {} if box["value"] is None else {"value": box["value"]}
        attributes = {"type": box["type"], "name": box["name"]} | given | box["attrs"]
        return format_html("<input{}>", format_html_join("", ' {}="{}"', attributes.items()))


class WorkloadForm(forms.Form):
    """What a person means to run. Every field has a value: what an address leaves out is as in ``Workload()``.

    ``workload`` is always there: what cannot be used is told beside its field, and counts as left out.
    """

    cpu = forms.CharField(label=_lazy("Processors"), required=False, widget=NumberBox({"data-unit": "vCPU"}))
    ram = forms.CharField(label=_lazy("Memory"), required=False, widget=NumberBox({"data-unit": "GB"}))
    gpu = forms.ChoiceField(
        label=_lazy("GPU"),
        required=False,
        choices=[(key, _lazy("None") if not key else f"1 × {name}") for key, name in GPUS.items()],
    )
    hours = forms.CharField(
        label=_lazy("Running time"), required=False, widget=NumberBox({"data-unit": _lazy("h/month")})
    )
    gb = forms.CharField(label=_lazy("Storage"), required=False, widget=NumberBox({"data-unit": "GB"}))
    months = forms.CharField(label=_lazy("Duration"), required=False, widget=NumberBox({"data-unit": _lazy("months")}))
    km2 = forms.CharField(label=_lazy("Area"), required=False, widget=NumberBox({"data-unit": "km²"}))
    products = forms.CharField(
        label=_lazy("Input products"), required=False, widget=NumberBox({"data-unit": _lazy("in all")})
    )
    tiles = forms.CharField(
        label=_lazy("Sentinel-2 tiles"), required=False, widget=NumberBox({"data-unit": _lazy("tiles")})
    )
    ha = forms.CharField(label=_lazy("Area under management"), required=False, widget=NumberBox({"data-unit": "ha"}))
    pu = forms.CharField(
        label=_lazy("Processing units"), required=False, widget=NumberBox({"data-unit": _lazy("a month")})
    )
    openeo = forms.CharField(
        label=_lazy("openEO credits"), required=False, widget=NumberBox({"data-unit": _lazy("a month")})
    )
    egress = forms.CharField(
        label=_lazy("Data leaving the site"), required=False, widget=NumberBox({"data-unit": _lazy("GB/month")})
    )

    who = forms.ChoiceField(
        label=_lazy("Discounts for"),
        required=False,
        choices=[
            ("", _lazy("Nobody in particular")),
            *((each.value, each.label) for each in DECLARABLE),
            (",".join(each.value for each in DECLARABLE), _lazy("Both of these")),
        ],
    )

    #: The machine and its time; the others count in units of certain platforms.
    MAIN = ("cpu", "ram", "gpu", "hours", "gb", "months")

    def __init__(self, given: Mapping[str, str], *, form_id: str = "") -> None:
        values = Workload().as_params() | {name: given[name] for name in self.base_fields if given.get(name)}
        super().__init__(values, auto_id="workload-%s")
        self.workload = Workload()
        for name, field in self.fields.items():
            if form_id:
                field.widget.attrs["form"] = form_id
            if name in PARAMETERS:
                parameter = PARAMETERS[name]
                step = "1" if parameter.whole else "any"
                field.widget.attrs |= {"min": parameter.minimum, "max": parameter.maximum, "step": step}
        self.full_clean()

    def clean(self) -> dict[str, Any]:
        good: dict[str, str] = {}
        for name, value in list(self.cleaned_data.items()):
            try:
                Workload.from_params({name: value})
            except InvalidInput as refusal:
                self.add_error(name, refusal.message)
            else:
                good[name] = value
        self.workload = Workload.from_params(good)
        return self.cleaned_data

    @property
    def main(self) -> list[forms.BoundField]:
        return [self[name] for name in self.MAIN]

    @property
    def further(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name not in self.MAIN]

    @property
    def says_further(self) -> bool:
        """Whether the workload says something in a platform's own units."""
        return any(field.value() for field in self.further)


@dataclass(frozen=True)
class View:
    """What the reader looks at; it is all in the address.

    ``text`` may say numbers of the workload in plain words ("16 cores"). They are read once, when the text is new, and are
    in ``workload`` from then on, where the reader may change them: ``read`` in the address says which text that was. With
    ``literal`` nothing is read out of the text, and all of it is searched for.
    """

    text: str
    chosen: Mapping[str, tuple[str, ...]]
    workload: Workload
    sort: str
    page: int
    literal: bool = False
    compare: tuple[str, ...] = ()

    @classmethod
    def of(cls, query: QueryDict, workload: Workload) -> View:
        chosen = {
            name: tuple(dict.fromkeys(value for value in query.getlist(name) if value))[:CHOICES_MAX]
            for name in FACET_NAMES
        }
        page = query.get("page", "")
        view = cls(
            text=_text_of(query),
            chosen={name: values for name, values in chosen.items() if values},
            workload=workload,
            sort=query.get("sort", ""),
            page=int(page) if page.isascii() and page.isdecimal() and len(page) < 6 else 1,
            literal=query.get("read", "") == LITERAL,
            compare=chosen_in(query, "compare"),
        )
        if view.sort not in SORTS or (view.sort == "relevance" and not view.asked.words):
            view = replace(view, sort=view.usual_sort)
        return view

    @property
    def asked(self) -> asking.Asked:
        """What the text was understood as."""
        return asking.Asked(self.text, self.text) if self.literal else asking.read(self.text)

    @property
    def read(self) -> str:
        """What the address says of a text that was read."""
        if self.literal:
            return LITERAL if asking.read(self.text).is_more_than_words else ""
        return _mark(self.text) if self.asked.params else ""

    @property
    def usual_sort(self) -> str:
        return "relevance" if self.asked.words and not self.asked.cheapest else "price"

    def url(self, **changes: Any) -> str:
        """The address of this view with changes, without what goes without saying. Another page only where asked for."""
        view = replace(self, **{"page": 1, **changes})
        if "sort" not in changes and self.sort == self.usual_sort:
            view = replace(view, sort=view.usual_sort)
        query: list[tuple[str, str]] = [("q", view.text)] if view.text else []
        query += [(name, value) for name, values in view.chosen.items() for value in values]
        query += view.workload.changes().items()
        query += [("read", view.read)] if view.read else []
        if view.sort != view.usual_sort:
            query.append(("sort", view.sort))
        query += [("compare", slug) for slug in view.compare]
        if view.page > 1:
            query.append(("page", str(view.page)))
        address = reverse("catalogue")
        return f"{address}?{urlencode(query)}" if query else address

    def without(self, name: str, value: str) -> str:
        """The address without one choice."""
        left = tuple(each for each in self.chosen[name] if each != value)
        return self.url(chosen={**self.chosen, name: left})


#: Stands for a text of which nothing is read as a workload.
LITERAL: Final = "words"


def _text_of(query: QueryDict) -> str:
    return " ".join(query.get("q", "").replace("\x00", "").split())[: asking.TEXT_MAX]


def _mark(text: str) -> str:
    """Stands for a text in an address, to tell whether it is the one that was read."""
    return blake2b(text.encode(), digest_size=4).hexdigest()


def _newly_read(query: QueryDict) -> dict[str, str]:
    """The numbers in a text that has not been read yet. They win over what the address says of the workload."""
    text, read = _text_of(query), query.get("read", "")
    return {} if read in (LITERAL, _mark(text)) else dict(asking.read(text).params)


@require_safe
def catalogue(request: HttpRequest) -> HttpResponse:
    """Search, filter, price, compare. htmx asks for the results alone, at the same address."""
    newly_read = _newly_read(request.GET)
    form = WorkloadForm(values_of(request.GET) | newly_read, form_id="filters")
    view = View.of(request.GET, form.workload)
    today = timezone.localdate()
    state = search.catalogue_state()
    fresh = Freshness(request, state, today)
    if (unchanged := fresh.unchanged()) is not None:
        return unchanged
    index = search.index_on(today, state)
    free = standing.free_credits_of(request)
    words = search.find(view.asked.words)
    result = index.search(words, view.chosen, view.workload, sort=view.sort, free=free)
    field = standing.field_for(request, result.totals)
    tray = Tray.of(view.compare, index, view.workload, without=lambda left: view.url(compare=left, page=view.page))
    page = _page_of(result.entries, view)
    make = _Cards(view, field, maintenance_flags(state, today))
    context = {
        "form": form,
        "view": view,
        "url": reverse("catalogue"),
        "workload": form.workload,
        "newly_read": newly_read,
        "understood": _understood(view),
        "words": result.words,
        "count": len(result.entries),
        "count_text": priced.count_text(len(result.entries)),
        "page": page,
        "cards": [make.of(entry, price) for entry, price in page],
        "price_count": field.count,
        "balance": free,
        "facets": [_facet(facet) for facet in result.facets],
        "chosen_count": sum(len(values) for values in view.chosen.values()),
        "chips": _chips(view, index, free),
        "clear_url": view.url(text="", chosen={}),
        "sorts": _sorts(view),
        "tray": tray,
        "compared_elsewhere": tray.besides({entry.slug for entry, _price in page}),
        "offering_count": len(index.entries),
        "provider_count": index.provider_count,
        "markers": _markers(index),
        "suggestions": [(text, f"{reverse('catalogue')}?{urlencode({'q': text})}") for text in SUGGESTIONS],
    }
    if getattr(request, "htmx", False):
        response = TemplateResponse(request, "catalogue/results.html", context)
        response.headers[_history_header(request, view)] = view.url(page=view.page)
    else:
        response = TemplateResponse(request, "catalogue/catalogue.html", context)
    return fresh.stamped(response)


@require_safe
def offering(request: HttpRequest, slug: str) -> HttpResponse:
    """What it is, who runs it, where, what it costs for the reader's workload, how to get in; each figure with its source."""
    form = WorkloadForm(values_of(request.GET), form_id="workload-form")
    today = timezone.localdate()
    state = search.catalogue_state()
    fresh = Freshness(request, state, today)
    if (unchanged := fresh.unchanged()) is not None:
        return unchanged
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
    field = standing.field_for(request, index.totals(form.workload))
    params = urlencode(form.workload.as_params())
    compare = chosen_in(request.GET, "compare")
    best = next((each for each in shown if price.plan is not None and each.plan.pk == price.plan.pk), None)
    headline = priced.headline(price)
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
        "notices": [] if is_part else notices_in(state, this, today),
        "standing": field,
        "rank_text": field.rank_text(headline.total),
        "fits": field.fits(headline.total),
        "fit_text": field.fit_text(headline.total),
        "tray": Tray.of(
            compare, index, form.workload, without=lambda left: _offering_url(this.slug, form.workload, left)
        ),
        "estimate_url": "" if retired else _estimate_url(price, form.workload),
        "is_compared": this.slug in compare,
        "compared_elsewhere": [slug for slug in compare if slug != this.slug],
        "facts": _facts(this),
        "science": science_parts.workflows_on(this, science.directory(index, state)) if entry else None,
        "sources": _sources(this),
        # Of what has no place on the page where its source could stand.
        "other_sources": [each for name, each in _sources(this).items() if name not in _FACT_TITLES],
        "request_url": "" if retired else reverse("request_new"),
        "params": params,
    }
    if is_part:
        response = TemplateResponse(request, "catalogue/offering_prices.html", context)
        response.headers["HX-Replace-Url"] = _offering_url(this.slug, form.workload, compare)
    else:
        address = request.build_absolute_uri(this.get_absolute_url())
        context["linked_data"] = linked_data.script_text(
            linked_data.service_of(this, listed, priced_components, url=address)
        )
        response = TemplateResponse(request, "catalogue/offering.html", context)
    return fresh.stamped(response)


def values_of(query: QueryDict) -> dict[str, str]:
    """The last value of each parameter, without what no database or page can hold."""
    return {name: query.get(name, "").replace("\x00", "") for name in query}


# --- the list ---------------------------------------------------------------------------------------------------------


def _page_of(
    entries: Sequence[tuple[OfferingEntry, OfferingPrice]], view: View
) -> ListPage[tuple[OfferingEntry, OfferingPrice]]:
    pages = max(1, math.ceil(len(entries) / PER_PAGE))
    number = min(max(1, view.page), pages)
    first = (number - 1) * PER_PAGE
    # Each is priced when it is looked at: once.
    rows = list(entries[first : first + PER_PAGE])
    return ListPage(
        rows=rows,
        count=len(entries),
        number=number,
        pages=pages,
        first=first + 1 if rows else 0,
        last=first + len(rows),
        previous_url=view.url(page=number - 1) if number > 1 else "",
        next_url=view.url(page=number + 1) if number < pages else "",
    )


@dataclass(frozen=True)
class Card:
    """``components/offering_card.html`` says what it shows."""

    url: str
    title: str
    provider: str
    place: str
    summary: str
    tags: Sequence[str]
    code: str
    seed: str
    headline: priced.Headline
    prices: Sequence[int]
    balance: int | None
    fits: bool | None
    fit_text: str
    rank_text: str
    flag: Mapping[str, str] | None
    request_url: str
    estimate_url: str
    compare_value: str
    selected: bool

    @property
    def price(self) -> int | None:
        return self.headline.total


#: Tags on a card; the rest is on the offering's page.
_INTERFACE_TAGS_MAX, _TAGS_MAX = 4, 7


class _Cards:
    """Makes the cards of one page; what is the same on all of them is worked out once."""

    def __init__(self, view: View, field: standing.Field, flags: Flags) -> None:
        self._view = view
        self._field = field
        self._ticks = field.ticks
        self._flags = flags
        self._params = urlencode(view.workload.as_params())
        self._changes = urlencode(view.workload.changes())
        self._request_url = reverse("request_new")
        self._estimate_url = reverse("estimate_new")
        self._wanted = {value for name in ("interface", "data") for value in view.chosen.get(name, ())}

    def of(self, entry: OfferingEntry, price: OfferingPrice) -> Card:
        view, field = self._view, self._field
        headline = priced.headline(price)
        return Card(
            url=_offering_url(entry.slug, view.workload, view.compare),
            title=entry.name,
            provider=entry.provider,
            place=", ".join(
                part for part in (entry.place, country_name(entry.country) if entry.country else "") if part
            ),
            summary=entry.summary,
            tags=self._tags(entry),
            code=entry.monogram,
            seed=entry.slug,
            headline=headline,
            prices=self._ticks,
            balance=field.free,
            fits=field.fits(headline.total),
            fit_text=field.fit_text(headline.total),
            rank_text=field.rank_text(headline.total),
            flag=flag_of(entry, self._flags) or _flag(entry),
            request_url=_with_plan(self._request_url, price.plan_to_request, self._params),
            estimate_url=_with_plan(self._estimate_url, price.plan_to_request or price.plan, self._changes),
            compare_value=entry.slug,
            selected=entry.slug in view.compare,
        )

    def _tags(self, entry: OfferingEntry) -> list[str]:
        """How one works there and which data is there, what the reader filters by first."""
        interfaces = self._wanted_first(entry.interfaces)[:_INTERFACE_TAGS_MAX]
        return [*interfaces, *self._wanted_first(entry.datasets)[: _TAGS_MAX - len(interfaces)]]

    def _wanted_first(self, names: Sequence[str]) -> Sequence[str]:
        return sorted(names, key=lambda name: slugify(name) not in self._wanted) if self._wanted else names


def _with_plan(address: str, plan: PlanEntry | None, query: str) -> str:
    """The address for this plan, ``query`` saying the workload; empty without a plan."""
    if plan is None:
        return ""
    return f"{address}?plan={plan.pk}&{query}" if query else f"{address}?plan={plan.pk}"


def _offering_url(slug: str, workload: Workload, compare: Sequence[str] = ()) -> str:
    query = [*workload.changes().items(), *(("compare", each) for each in compare)]
    address = reverse("offering", args=[slug])
    return f"{address}?{urlencode(query)}" if query else address


def _estimate_url(price: OfferingPrice, workload: Workload) -> str:
    """Where the plan that the price is for can be looked at line by line, and added to others."""
    return _with_plan(reverse("estimate_new"), price.plan_to_request or price.plan, urlencode(workload.changes()))


def _flag(entry: OfferingEntry) -> dict[str, str] | None:
    if entry.is_demonstration:
        return {"label": _("Demonstration"), "tone": "think", "icon": ""}
    if entry.is_integrated:
        return {"label": _("EarthCODE integrated"), "tone": "go", "icon": "check"}
    return None


def _facet(facet: search.FacetCounts) -> dict[str, Any]:
    """As ``components/facet.html`` takes it: what is chosen always shows."""
    shown = [option for place, option in enumerate(facet.options) if place < OPTIONS_SHOWN or option.checked]
    more = [option for place, option in enumerate(facet.options) if place >= OPTIONS_SHOWN and not option.checked]
    return {
        "name": facet.name,
        "title": facet.title,
        "options": shown,
        "more": more[:OPTIONS_MORE],
        "unshown": max(0, len(more) - OPTIONS_MORE),
    }


def _sorts(view: View) -> list[tuple[str, Any, bool]]:
    """Value, label, chosen. The usual order has no value, so that it changes by itself when somebody searches for words."""
    usual = view.usual_sort
    keys = [usual, *(key for key in SORTS if key != usual and (key != "relevance" or view.asked.words))]
    return [("" if key == usual else key, SORTS[key], key == view.sort) for key in keys]


def _chips(view: View, index: search.Index, free: int | None) -> list[dict[str, str]]:
    chips = []
    if view.asked.words:
        chips.append({"label": f"“{view.asked.words}”", "url": view.url(text="")})
    for name, values in view.chosen.items():
        if name != search.CREDITS or free is not None:
            chips += [
                {"label": index.label(name, value) or value, "url": view.without(name, value)} for value in values
            ]
    return chips


def _understood(view: View) -> dict[str, Any] | None:
    """What was read out of the text besides words, each part with the address without it."""
    if view.literal:
        if not asking.read(view.text).is_more_than_words:
            return None
        again = replace(view, literal=False)
        workload = Workload.from_params(view.workload.as_params() | dict(again.asked.params))
        return {"parts": [], "read_url": again.url(workload=workload, sort=again.usual_sort)}
    parts = []
    now, usual = view.workload.as_params(), Workload()
    for name, value in view.asked.params:
        if now.get(name) == value:
            field = asking.field_of(name)
            back = replace(view.workload, **{field: getattr(usual, field)})
            parts.append({"label": asking.phrase(name, view.workload), "url": view.url(workload=back)})
    if view.asked.cheapest and view.sort == "price":
        parts.append({"label": _("cheapest first"), "url": view.url(sort="relevance" if view.asked.words else "name")})
    if not parts:
        return None
    return {"parts": parts, "literal_url": view.url(literal=True, workload=usual, sort="relevance")}


def _history_header(request: HttpRequest, view: View) -> str:
    """A step the reader wants to go back to is pushed: another choice, order or page. What is typed is not."""
    came_from = urlsplit(request.headers.get("HX-Current-URL", ""))
    before = View.of(QueryDict(came_from.query), view.workload)
    same = (before.chosen, before.sort, before.page) == (view.chosen, view.sort, view.page)
    return "HX-Replace-Url" if same else "HX-Push-Url"


# The picture behind the hero (static/img/ground-track.svg) is Mercator's projection; these are its measures.
_MAP_WEST, _MAP_NORTH, _MAP_SCALE = -13.0, 1.268, 748.3


def _markers(index: search.Index) -> list[dict[str, Any]]:
    """Where data centres are, on the picture behind the hero."""
    markers = []
    for (name, (longitude, latitude)), count in index.places.items():
        x = math.radians(longitude - _MAP_WEST) * _MAP_SCALE
        y = (_MAP_NORTH - math.asinh(math.tan(math.radians(max(-85.0, min(85.0, latitude)))))) * _MAP_SCALE
        if 0 <= x <= 600 and 0 <= y <= 440:
            radius = min(18, 7 + 2 * count)
            markers.append({"name": name, "count": count, "x": f"{x:.0f}", "y": f"{y:.0f}", "radius": radius})
    return markers


# --- one offering -----------------------------------------------------------------------------------------------------


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
    def notes(self) -> list[priced.Note]:
        return priced.quote_notes(self.quote) if self.quote else []

    @property
    def total_text(self) -> str:
        return priced.amount_text(self.quote.total) if self.quote else ""


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
    terms = priced.component_limits([component])
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
        price=priced.range_text(current.micro_low, current.micro_per_unit),
        unit=priced.unit_words(component.metric, component.label),
        terms=terms,
        evidence=str(Evidence(current.evidence).label),
        source=source,
        source_date=current.source_date,
        since=current.since,
        earlier=[
            _("%(price)s until %(day)s")
            % {"price": priced.range_text(rate.micro_low, rate.micro_per_unit), "day": rate.until.isoformat()}
            for rate in rates
            if rate.until is not None and rate.until <= today
        ],
    )


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
            "value": value or _("Not stated"),
            "source": this.sources.get(name, {}).get("source", ""),
            "date": this.sources.get(name, {}).get("date", ""),
        }
        for name, value in facts
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
