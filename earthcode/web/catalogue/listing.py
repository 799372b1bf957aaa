"""The public catalogue: every offering priced for one workload."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_safe

from earthcode.catalogue import query_words, search
from earthcode.catalogue.countries import country_name
from earthcode.catalogue.entries import OfferingEntry, PlanEntry
from earthcode.catalogue.pricing import (
    Workload,
)
from earthcode.catalogue.search import FACET_NAMES, OfferingPrice
from earthcode.web.catalogue import price_rank, price_words
from earthcode.web.catalogue.notices import Flags, flag_of, maintenance_flags
from earthcode.web.catalogue.tray import Tray, chosen_in
from earthcode.web.catalogue.workload import WorkloadForm, values_of
from earthcode.web.parts.conditional_get import ConditionalGet
from earthcode.web.parts.lists import ListPage

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
    def asked(self) -> query_words.Asked:
        """What the text was understood as."""
        return query_words.Asked(self.text, self.text) if self.literal else query_words.read(self.text)

    @property
    def read(self) -> str:
        """What the address says of a text that was read."""
        if self.literal:
            return LITERAL if query_words.read(self.text).is_more_than_words else ""
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
    return " ".join(query.get("q", "").replace("\x00", "").split())[: query_words.TEXT_MAX]


def _mark(text: str) -> str:
    """Stands for a text in an address, to tell whether it is the one that was read."""
    return blake2b(text.encode(), digest_size=4).hexdigest()


def _newly_read(query: QueryDict) -> dict[str, str]:
    """The numbers in a text that has not been read yet. They win over what the address says of the workload."""
    text, read = _text_of(query), query.get("read", "")
    return {} if read in (LITERAL, _mark(text)) else dict(query_words.read(text).params)


@require_safe
def catalogue(request: HttpRequest) -> HttpResponse:
    """Search, filter, price, compare. htmx asks for the results alone, at the same address."""
    newly_read = _newly_read(request.GET)
    form = WorkloadForm(values_of(request.GET) | newly_read, form_id="filters")
    view = View.of(request.GET, form.workload)
    today = timezone.localdate()
    state = search.catalogue_state()
    fresh = ConditionalGet(request, state, today)
    if (unchanged := fresh.unchanged()) is not None:
        return unchanged
    index = search.index_on(today, state)
    free = price_rank.free_credits_of(request)
    words = search.find(view.asked.words)
    result = index.search(words, view.chosen, view.workload, sort=view.sort, free=free)
    field = price_rank.field_for(request, result.totals)
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
        "count_text": price_words.count_text(len(result.entries)),
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
        response = TemplateResponse(request, "catalogue/listing.html", context)
    return fresh.stamped(response)


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
    headline: price_words.Headline
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

    def __init__(self, view: View, field: price_rank.Field, flags: Flags) -> None:
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
        headline = price_words.headline(price)
        return Card(
            url=offering_url(entry.slug, view.workload, view.compare),
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


def offering_url(slug: str, workload: Workload, compare: Sequence[str] = ()) -> str:
    query = [*workload.changes().items(), *(("compare", each) for each in compare)]
    address = reverse("offering", args=[slug])
    return f"{address}?{urlencode(query)}" if query else address


def estimate_url(price: OfferingPrice, workload: Workload) -> str:
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
        if not query_words.read(view.text).is_more_than_words:
            return None
        again = replace(view, literal=False)
        workload = Workload.from_params(view.workload.as_params() | dict(again.asked.params))
        return {"parts": [], "read_url": again.url(workload=workload, sort=again.usual_sort)}
    parts = []
    now, usual = view.workload.as_params(), Workload()
    for name, value in view.asked.params:
        if now.get(name) == value:
            field = query_words.field_of(name)
            back = replace(view.workload, **{field: getattr(usual, field)})
            parts.append({"label": query_words.phrase(name, view.workload), "url": view.url(workload=back)})
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
