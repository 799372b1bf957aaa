"""The public catalogue: every offering priced for one workload."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import groupby
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
from earthcode.web.catalogue.cards import Action, Card, facts_of, mark_of
from earthcode.web.catalogue.known import KnownLine, group_of
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
    today = timezone.localdate()
    state = search.catalogue_state()
    fresh = ConditionalGet(request, state, today)
    if (ready := fresh.answer()) is not None:
        return ready
    newly_read = _newly_read(request.GET)
    form = WorkloadForm(values_of(request.GET) | newly_read, form_id="filters")
    view = View.of(request.GET, form.workload)
    index = search.index_on(today, state)
    free = price_rank.free_credits_of(request)
    words = search.find(view.asked.words)
    result = index.search(words, view.chosen, view.workload, sort=view.sort, free=free)
    field = price_rank.field_for(request, result.totals)
    tray = Tray.of(view.compare, index, view.workload, without=lambda left: view.url(compare=left, page=view.page))
    page = _page_of(result.entries, view)
    make = _Cards(view, index, field, maintenance_flags(state, today))
    context = {
        "form": form,
        "view": view,
        "url": reverse("catalogue"),
        "workload": form.workload,
        "newly_read": newly_read,
        "understood": _understood(view),
        "words": result.words,
        "count": len(result.entries),
        "count_text": price_words.count_text(result.known.offerings, result.known.demonstrations),
        "page": page,
        "groups": _groups(page.rows, make, result, view),
        "known": KnownLine.of(result.known, view.url, view.chosen),
        "is_enough": field.is_enough,
        "price_count": field.count,
        "balance": free,
        "facets": [_facet(facet) for facet in result.facets],
        "chosen_count": sum(len(values) for values in view.chosen.values()),
        "chips": _chips(view, index, free),
        "clear_url": view.url(text="", chosen={}),
        "sorts": _sorts(view),
        "tray": tray,
        "compared_elsewhere": tray.besides({entry.slug for entry, _price in page}),
        "offering_count": len(index.entries) - index.demonstrations.bit_count(),
        "made_up_count": index.demonstrations.bit_count(),
        "provider_count": index.provider_count,
        "sponsorable_count": index.sponsorable_count,
        "markers": _markers(index, view),
        "places": _places(result, view),
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
class Group:
    """Cards of one heading. ``title`` is empty where the order is not by price."""

    slug: str
    title: str
    note: str
    cards: Sequence[Card]


def _groups(
    rows: Sequence[tuple[OfferingEntry, OfferingPrice]], make: _Cards, result: search.Result, view: View
) -> list[Group]:
    """The cards of the page by how much is known of their price; in one group where they are sorted otherwise."""
    if view.sort != "price":
        return [Group("all", "", "", [make.of(entry, price) for entry, price in rows])] if rows else []
    groups = []
    for key, members in groupby(rows, key=lambda row: group_of(*row)):
        heading = key.heading(result.known)
        groups.append(Group(key.slug, heading.title, heading.note, [make.of(entry, price) for entry, price in members]))
    return groups


class _Cards:
    """Makes the cards of one page; what is the same on all of them is worked out once."""

    def __init__(self, view: View, index: search.Index, field: price_rank.Field, flags: Flags) -> None:
        self._index = index
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
        whole = self._index.completed(entry, price, view.workload, also=view.compare)
        headline = price_words.headline(price, whole)
        url = offering_url(entry.slug, view.workload, view.compare)
        facts, unstated = facts_of(
            datasets=self._wanted_first(entry.datasets),
            interfaces=self._wanted_first(entry.interfaces),
            hardware=entry.hardware,
            place=entry.place or (country_name(entry.country) if entry.country else ""),
        )
        made_up = entry.is_demonstration
        return Card(
            url=url,
            title=entry.name,
            provider=entry.provider,
            summary=entry.summary,
            code=entry.monogram,
            mark=mark_of(entry.service_types),
            headline=headline,
            facts=facts,
            unstated=unstated,
            is_integrated=entry.is_integrated,
            is_sponsored=bool(entry.sponsorable),
            is_made_up=made_up,
            flag=flag_of(entry, self._flags) or _flag(entry),
            prices=() if made_up else self._ticks,
            balance=field.free,
            fits=field.fits(headline.total),
            fit_text=field.fit_text(headline.total),
            rank_text="" if made_up else field.rank_text(headline.total),
            actions=self._actions(entry, price, url),
            compare_value=entry.slug,
            selected=entry.slug in view.compare,
        )

    def _actions(self, entry: OfferingEntry, price: OfferingPrice, url: str) -> list[Action]:
        """At most two, and each says what it does."""
        actions = []
        if plan := price.plan_to_request or price.plan:
            estimate = _with_plan(self._estimate_url, plan, self._changes)
            actions.append(Action(_("Estimate"), estimate))
        if price.plan_to_request is not None and entry.sponsorable is not False:
            request = _with_plan(self._request_url, price.plan_to_request, self._params)
            actions.append(Action(_("Request"), request, is_main=True))
        match price.kind:
            case search.PriceKind.UNIT:
                actions.append(Action(_("Say how many"), f"{url}#plans"))
            case search.PriceKind.UNKNOWN:
                # A request that is started with the plan asks its provider.
                ask = _with_plan(self._request_url, next(iter(entry.plans), None), self._params)
                actions.append(Action(_("Ask for a price"), ask or f"{url}#ask"))
            case search.PriceKind.FREE_TIER | search.PriceKind.FREE if price.plan_to_request is None:
                actions.append(Action(_("How to get in"), f"{url}#access"))
        return actions

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


def _places(result: search.Result, view: View) -> list[dict[str, Any]]:
    """The data centres in words, with how many of the results are there."""
    place = next(each for each in result.facets if each.name == "place")
    return [
        {
            "label": option.label,
            "count": option.count,
            "url": view.url(chosen={**view.chosen, "place": (option.value,)}),
        }
        for option in place.options[:OPTIONS_SHOWN]
        if option.count
    ]


def _history_header(request: HttpRequest, view: View) -> str:
    """A step the reader wants to go back to is pushed: another choice, order or page. What is typed is not."""
    came_from = urlsplit(request.headers.get("HX-Current-URL", ""))
    before = View.of(QueryDict(came_from.query), view.workload)
    same = (before.chosen, before.sort, before.page) == (view.chosen, view.sort, view.page)
    return "HX-Replace-Url" if same else "HX-Push-Url"


# The picture behind the hero (static/img/ground-track.svg) is Mercator's projection; these are its measures.
_MAP_WEST, _MAP_NORTH, _MAP_SCALE = -13.0, 1.268, 748.3


def _markers(index: search.Index, view: View) -> list[dict[str, Any]]:
    """Where data centres are, on the picture behind the hero; each leads to its offerings, as the list beside it does."""
    markers = []
    for (name, (longitude, latitude)), count in index.places.items():
        x = math.radians(longitude - _MAP_WEST) * _MAP_SCALE
        y = (_MAP_NORTH - math.asinh(math.tan(math.radians(max(-85.0, min(85.0, latitude)))))) * _MAP_SCALE
        if 0 <= x <= 600 and 0 <= y <= 440:
            radius = min(18, 7 + 2 * count)
            url = view.url(chosen={**view.chosen, "place": (slugify(name),)})
            markers.append(
                {"name": name, "count": count, "x": f"{x:.0f}", "y": f"{y:.0f}", "radius": radius, "url": url}
            )
    return markers
