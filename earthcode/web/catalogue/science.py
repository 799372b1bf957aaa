"""Find by science: workflows and experiments of the Open Science Catalog, and where each of them can run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from earthcode.catalogue import search as catalogue
from earthcode.catalogue.entries import OfferingEntry
from earthcode.catalogue.linked_data import script_text
from earthcode.catalogue.pricing import Workload
from earthcode.catalogue.search import OfferingPrice
from earthcode.science import linked_data, queries
from earthcode.science.linking import MADE, Linked, Reason, shared_data
from earthcode.science.models import Kind, Record
from earthcode.science.queries import Found, Search, theme_label
from earthcode.web.catalogue import price_words
from earthcode.web.catalogue.science_rows import rows_of, short_line
from earthcode.web.catalogue.workload import WorkloadForm
from earthcode.web.parts.conditional_get import ConditionalGet
from earthcode.web.parts.lists import ListPage, page_url
from earthcode.web.parts.statuses import Words

PER_PAGE: Final = 12
#: Offerings that can run it, on one page of a record.
PLACES_PER_PAGE: Final = 8
#: More choices than anybody makes in one filter.
_CHOICES_MAX: Final = 30

_LINK_WORDS: Final[dict[str, Words]] = {
    "open": gettext_lazy("Open it"),
    "application": gettext_lazy("The program"),
    "code": gettext_lazy("Source code"),
    "documentation": gettext_lazy("Documentation"),
    "download": gettext_lazy("Download"),
    "input": gettext_lazy("Inputs"),
    "environment": gettext_lazy("Environment"),
    "result": gettext_lazy("Results"),
    "related": gettext_lazy("Related"),
}


# --- the list --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class View:
    """What the reader looks at; it is all in the address."""

    text: str = ""
    chosen: Mapping[str, tuple[str, ...]] | None = None
    on: str = ""
    page: int = 1

    #: Names of the filters in the address.
    FILTERS = ("kind", "theme", "type")

    @classmethod
    def of(cls, query: QueryDict) -> View:
        def values(name: str) -> tuple[str, ...]:
            given = (value.replace("\x00", "") for value in query.getlist(name))
            return tuple(dict.fromkeys(value for value in given if value))[:_CHOICES_MAX]

        page = query.get("page", "")
        return cls(
            text=" ".join(query.get("q", "").replace("\x00", "").split())[:200],
            chosen={name: values(name) for name in cls.FILTERS if values(name)},
            on=query.get("on", "").replace("\x00", "")[:80],
            page=int(page) if page.isascii() and page.isdecimal() and len(page) < 6 else 1,
        )

    def values(self, name: str) -> tuple[str, ...]:
        return (self.chosen or {}).get(name, ())

    def url(self, **changes: Any) -> str:
        """The address of this view with changes; another page only where asked for."""
        view = replace(self, **{"page": 1, **changes})
        query: list[tuple[str, str]] = [("q", view.text)] if view.text else []
        query += [(name, value) for name in self.FILTERS for value in view.values(name)]
        query += [("on", view.on)] if view.on else []
        query += [("page", str(view.page))] if view.page > 1 else []
        address = reverse("science")
        return f"{address}?{urlencode(query)}" if query else address

    def without(self, name: str, value: str) -> str:
        left = {**(self.chosen or {}), name: tuple(each for each in self.values(name) if each != value)}
        return self.url(chosen=left)


@require_safe
def science(request: HttpRequest) -> HttpResponse:
    """Workflows and experiments by words, theme, kind and type, or all that one offering can run."""
    view = View.of(request.GET)
    today = timezone.localdate()
    state = catalogue.catalogue_state()
    fresh = ConditionalGet(request, state, today)
    if (ready := fresh.answer()) is not None:
        return ready
    index = catalogue.index_on(today, state)
    directory = queries.directory(index, state)
    offering = index.by_slug.get(view.on)
    found = queries.find(
        Search(
            view.text,
            kinds=view.values("kind"),
            themes=view.values("theme"),
            types=view.values("type"),
            # An offering that is not there runs nothing.
            on=(offering.pk if offering else 0) if view.on else None,
        ),
        directory,
    )
    made_up = Record.objects.current().filter(is_demonstration=True).count()
    page = _list_page(found.records, view.page, PER_PAGE, lambda number: view.url(page=number))
    response = TemplateResponse(
        request,
        "catalogue/science/list.html",
        {
            "view": view,
            "url": reverse("science"),
            "count": len(found.records),
            "count_text": _count_text(len(found.records)),
            "record_count": len(directory.entries) - made_up,
            "made_up_count": made_up,
            "page": page,
            "rows": rows_of(page.rows, directory),
            "facets": _facets(found),
            "chosen_count": sum(len(values) for values in (view.chosen or {}).values()),
            "chips": _chips(view, found, offering),
            "clear_url": reverse("science"),
            "misspelt": found.misspelt if found.records else (),
            "is_update": bool(getattr(request, "htmx", False)),
        },
    )
    if getattr(request, "htmx", False):
        response.headers["HX-Replace-Url"] = view.url(page=page.number)
    return fresh.stamped(response)


Row = TypeVar("Row")


def _list_page(
    rows: Sequence[Row], number: int | str | None, per_page: int, url_of: Callable[[int], str]
) -> ListPage[Row]:
    """The first page for nonsense, the last one for too high a number."""
    paginator = Paginator(rows, per_page)
    page = paginator.get_page(number)
    return ListPage(
        rows=list(page.object_list),
        count=paginator.count,
        number=page.number,
        pages=paginator.num_pages,
        first=page.start_index(),
        last=page.end_index(),
        previous_url=url_of(page.number - 1) if page.has_previous() else "",
        next_url=url_of(page.number + 1) if page.has_next() else "",
    )


def _facets(found: Found) -> list[dict[str, Any]]:
    """As ``components/facet.html`` takes them."""
    titles = {"kind": _("What it is"), "theme": _("Theme"), "type": _("How it is written")}
    options = {"kind": found.kinds, "theme": found.themes, "type": found.types}
    return [
        {"name": name, "title": title, "options": options[name], "counts": "record"} for name, title in titles.items()
    ]


def _chips(view: View, found: Found, offering: OfferingEntry | None) -> list[dict[str, str]]:
    chips = [{"label": f"“{view.text}”", "url": view.url(text="")}] if view.text else []
    for name, options in (("kind", found.kinds), ("theme", found.themes), ("type", found.types)):
        labels = {option.value: option.label for option in options}
        chips += [{"label": labels.get(value, value), "url": view.without(name, value)} for value in view.values(name)]
    if view.on:
        runs_on = _("Runs on %(offering)s") % {"offering": offering.name if offering else view.on}
        chips.append({"label": runs_on, "url": view.url(on="")})
    return chips


def _count_text(count: int) -> str:
    return ngettext("%(count)d workflow or experiment", "%(count)d workflows and experiments", count) % {"count": count}


# --- one of them -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PlaceShown:
    """An offering that can run it: why, and for how much."""

    entry: OfferingEntry
    url: str
    headline: price_words.Headline
    reasons: Sequence[Reason]
    data: Sequence[str]
    request_url: str


@require_safe
def workflow(request: HttpRequest, osc_id: str) -> HttpResponse:
    return _record_page(request, Kind.WORKFLOW, osc_id)


@require_safe
def experiment(request: HttpRequest, osc_id: str) -> HttpResponse:
    return _record_page(request, Kind.EXPERIMENT, osc_id)


def _record_page(request: HttpRequest, kind: Kind, osc_id: str) -> HttpResponse:
    """What it is, where it comes from, and the offerings that can run it, priced for the reader's workload."""
    form = WorkloadForm({name: request.GET[name].replace("\x00", "") for name in request.GET}, form_id="workload-form")
    today = timezone.localdate()
    state = catalogue.catalogue_state()
    fresh = ConditionalGet(request, state, today)
    if (ready := fresh.answer()) is not None:
        return ready
    record = get_object_or_404(Record.objects.select_related("workflow"), kind=kind, osc_id=osc_id)
    index = catalogue.index_on(today, state)
    linked = queries.directory(index, state).linked(record)
    places = _places(record, linked, form.workload, index)
    page = _list_page(
        places, request.GET.get("page"), PLACES_PER_PAGE, lambda number: f"{page_url(request, number)}#run"
    )
    context = {
        "form": form,
        "record": record,
        "is_workflow": kind == Kind.WORKFLOW,
        "line": short_line(record),
        "workload": form.workload,
        "url": record.get_absolute_url(),
        "places": page,
        "place_count": len(places),
        "where_words": _where_words(record, len(places)),
        "elsewhere": linked.elsewhere,
        "facts": _facts(record),
        "links": _links(record),
        "experiments": _rows_of_other_side(record),
    }
    if record.withdrawn_at is None:
        address = request.build_absolute_uri(record.get_absolute_url())
        context["linked_data"] = script_text(linked_data.document_of(record, url=address))
    response = TemplateResponse(request, "catalogue/science/record.html", context)
    if getattr(request, "htmx", False):
        params = urlencode(form.workload.as_params())
        response.headers["HX-Replace-Url"] = f"{record.get_absolute_url()}?{params}"
    return fresh.stamped(response)


def _places(record: Record, linked: Linked, workload: Workload, index: catalogue.Index) -> list[PlaceShown]:
    """The cheapest that covers the whole workload first; those of one price by how strong the reason is."""
    found = [
        (entry, catalogue.price_of(entry.plans, workload)) for entry in index.entries if entry.pk in linked.reasons
    ]
    found.sort(
        key=lambda each: (
            each[1].sort_key,
            linked.strength(each[0].pk),
            each[0].name.casefold(),
        )
    )
    return [_place(record, entry, price, linked.reasons[entry.pk], workload) for entry, price in found]


def _place(
    record: Record, entry: OfferingEntry, price: OfferingPrice, reasons: Sequence[Reason], workload: Workload
) -> PlaceShown:
    params = workload.as_params()
    request_url = ""
    if price.plan_to_request is not None:
        query = {"plan": str(price.plan_to_request.pk), **params, "run": record.key}
        request_url = f"{reverse('request_new')}?{urlencode(query)}"
    usual = Workload().as_params()
    changed = urlencode({name: value for name, value in params.items() if usual.get(name) != value})
    address = reverse("offering", args=[entry.slug])
    return PlaceShown(
        entry=entry,
        url=f"{address}?{changed}" if changed else address,
        headline=price_words.headline(price),
        reasons=reasons,
        data=shared_data(record.keywords, entry.datasets),
        request_url=request_url,
    )


def _where_words(record: Record, count: int) -> str:
    """What is known about where it runs, in a sentence; what is not known is said."""
    program = queries.program_of(record)
    if not program.application_type and not count:
        return _("The type of program is not stated, so we cannot tell where it runs.")
    if not program.application_type:
        return _("What type of program it is is not stated; these offerings are of the platforms that it names.")
    if not count:
        return _("No offering states that it runs programs of the type “%(type)s”.") % {
            "type": program.application_type
        }
    return ngettext(
        "One offering can run it. Each reason is beside its price.",
        "%(count)d offerings can run it, each with the reason. Those that price all of your workload come first.",
        count,
    ) % {"count": count}


def _facts(record: Record) -> list[dict[str, Any]]:
    """What is stated, and what is not."""
    not_stated = _("Not stated")
    yes_no = {None: not_stated, True: _("Yes"), False: _("No")}
    program = queries.program_of(record).application_type
    if program and program != record.application_type:
        program = _("%(type)s, as its workflow") % {"type": program}
    elif program and record.type_is_derived:
        program = _("%(type)s, by its links") % {"type": program}
    facts = [
        (_("Type of program"), program),
        (_("Language"), ", ".join(record.languages)),
        (_("In a container"), yes_no[record.in_container]),
        (_("Kernel"), record.kernel),
        (_("Made on"), ", ".join(each["title"] for each in record.platforms if each["role"] == MADE)),
        (_("Themes"), ", ".join(map(theme_label, record.themes))),
        (_("Variables"), ", ".join(record.variables)),
        (_("Formats"), ", ".join(record.formats)),
        (_("Licence"), record.license),
        (_("Project"), record.osc_project),
        (_("Status"), record.osc_status),
    ]
    always = {_("Type of program"), _("Language"), _("In a container"), _("Licence")}
    return [{"label": label, "value": value or not_stated} for label, value in facts if value or label in always]


def _links(record: Record) -> list[dict[str, Any]]:
    """By role, in the order in which they are stored."""
    groups: dict[str, list[dict[str, str]]] = {}
    for link in record.links:
        groups.setdefault(link["role"], []).append({"url": link["url"], "title": link["title"] or link["url"]})
    return [{"label": _LINK_WORDS[role], "links": links} for role, links in groups.items()]


def _rows_of_other_side(record: Record) -> list[Record]:
    """The experiments that ran a workflow; the workflow of an experiment is on the record itself."""
    if record.kind != Kind.WORKFLOW:
        return []
    return list(Record.objects.current().filter(workflow=record).order_by("title", "pk"))
