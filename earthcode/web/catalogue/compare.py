"""Two to four offerings side by side: the same rows in the same order, for the reader's workload."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from earthcode.catalogue import search
from earthcode.catalogue.countries import country_name
from earthcode.catalogue.entries import OfferingEntry, PlanEntry
from earthcode.catalogue.models import Offering
from earthcode.catalogue.offering_price import PRICES_TO_COMPARE, Completed
from earthcode.catalogue.pricing import Quote, Workload, quote
from earthcode.catalogue.search import OfferingPrice
from earthcode.web.catalogue import price_rank, price_words
from earthcode.web.catalogue.offering import platform_kinds
from earthcode.web.catalogue.tray import FEWEST, MOST, chosen_in, compare_url
from earthcode.web.catalogue.workload import WorkloadForm, values_of
from earthcode.web.parts.conditional_get import ConditionalGet

#: Plans named in a column; the rest is on the offering's page.
_PLANS_MAX: Final = 5


@dataclass(frozen=True)
class Cell:
    """What one offering has in a row. Empty: not stated, or nothing."""

    text: str = ""
    notes: Sequence[price_words.Note] = ()
    items: Sequence[str] = ()
    url: str = ""
    source: str = ""
    source_date: str = ""
    is_best: bool = False
    is_number: bool = False

    @property
    def said(self) -> tuple[object, ...]:
        """What two cells are compared by: where it comes from makes no difference."""
        return (self.text, tuple(self.items), self.url, tuple(note.text for note in self.notes))

    @property
    def is_empty(self) -> bool:
        return not (self.text or self.items or self.url)


@dataclass(frozen=True)
class Row:
    """``unknown`` is what an empty cell says."""

    label: str
    cells: Sequence[Cell]
    unknown: str

    @property
    def differs(self) -> bool:
        return len({cell.said for cell in self.cells}) > 1


@dataclass(frozen=True)
class Group:
    title: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Column:
    """One offering: its facts from the database, its plans and price from the index."""

    offering: Offering
    entry: OfferingEntry
    price: OfferingPrice
    workload: Workload
    without_url: str
    quotes: Sequence[tuple[PlanEntry, Quote]] = field(default_factory=tuple)
    whole: Completed | None = None

    @property
    def is_made_up(self) -> bool:
        return self.entry.is_demonstration

    @property
    def url(self) -> str:
        changes = self.workload.changes()
        address = self.offering.get_absolute_url()
        return f"{address}?{urlencode(changes)}" if changes else address

    @property
    def estimate_url(self) -> str:
        plan = self.price.plan_to_request or self.price.plan
        if plan is None:
            return ""
        return f"{reverse('estimate_new')}?{urlencode({'plan': str(plan.pk), **self.workload.changes()})}"


@require_safe
def compare(request: HttpRequest) -> HttpResponse:
    """Facts and costs next to each other; ``?offering=`` names each, ``differences=1`` leaves out what is the same."""
    form = WorkloadForm(values_of(request.GET), form_id="compare-form")
    slugs = chosen_in(request.GET, "offering")
    only_differences = request.GET.get("differences") == "1"
    if "compare" in request.GET and not slugs:
        # From the boxes of the catalogue's form, where there is no script to make the address.
        return HttpResponseRedirect(compare_url(chosen_in(request.GET, "compare"), form.workload))
    today = timezone.localdate()
    state = search.catalogue_state()
    fresh = ConditionalGet(request, state, today)
    if (ready := fresh.answer()) is not None:
        return ready
    index = search.index_on(today, state)
    known = [slug for slug in slugs if slug in index.by_slug]
    columns = _columns(known, index, form.workload) if FEWEST <= len(known) <= MOST else []
    groups = _groups(columns) if columns else []
    left_out = 0
    if only_differences:
        left_out = sum(not row.differs for group in groups for row in group.rows)
        groups = [Group(group.title, [row for row in group.rows if row.differs]) for group in groups]
    totals = price_rank.field_for(request, index.totals(form.workload))
    context = {
        "form": form,
        "workload": form.workload,
        "url": reverse("compare"),
        "slugs": known,
        "unknown": [slug for slug in slugs if slug not in index.by_slug],
        "columns": columns,
        "groups": [group for group in groups if group.rows],
        "only_differences": only_differences,
        "left_out": left_out,
        "standing": totals,
        "too_many": [
            (index.by_slug[slug].name, compare_url([each for each in known if each != slug], form.workload))
            for slug in known
        ]
        if len(known) > MOST
        else [],
        "most": MOST,
        "more_url": _catalogue_url(known, form.workload),
        "may_add": 0 < len(known) < MOST,
        "estimate_url": _estimate_url(columns, form.workload),
    }
    if getattr(request, "htmx", False):
        response = TemplateResponse(request, "catalogue/compare/_table.html", context)
        address = compare_url(known, form.workload)
        response.headers["HX-Replace-Url"] = f"{address}&differences=1" if only_differences else address
    else:
        response = TemplateResponse(request, "catalogue/compare/page.html", context)
    return fresh.stamped(response)


def _columns(slugs: Sequence[str], index: search.Index, workload: Workload) -> list[Column]:
    offerings = {
        each.slug: each
        for each in Offering.objects.listed()
        .filter(slug__in=slugs)
        .select_related("platform__provider")
        .defer("search")
    }
    columns = []
    for slug in slugs:
        entry = index.by_slug[slug]
        quotes = []
        for plan in entry.plans:
            answer = quote(plan.components, workload, months_max=plan.months_max)
            if isinstance(answer, Quote):
                quotes.append((plan, answer))
        columns.append(
            Column(
                offering=offerings[slug],
                entry=entry,
                price=(price := search.price_of(entry.plans, workload)),
                whole=index.completed(entry, price, workload, also=slugs),
                workload=workload,
                without_url=compare_url([each for each in slugs if each != slug], workload),
                quotes=sorted(quotes, key=lambda each: each[1].total),
            )
        )
    return columns


def _estimate_url(columns: Sequence[Column], workload: Workload) -> str:
    """An estimate with the plan of each offering that the table shows the price of."""
    plans = [plan for column in columns if (plan := column.price.plan_to_request or column.price.plan) is not None]
    if not plans:
        return ""
    query = [*(("plan", str(plan.pk)) for plan in plans), *workload.changes().items()]
    return f"{reverse('estimate_new')}?{urlencode(query)}"


def _catalogue_url(slugs: Sequence[str], workload: Workload) -> str:
    query = [*workload.changes().items(), *(("compare", slug) for slug in slugs)]
    return f"{reverse('catalogue')}?{urlencode(query)}" if query else reverse("catalogue")


# --- rows -------------------------------------------------------------------------------------------------------------


def _groups(columns: Sequence[Column]) -> list[Group]:
    return [
        Group(_("Cost of your workload"), _cost_rows(columns)),
        Group(_("What it is"), _fact_rows(columns)),
    ]


def _cost_rows(columns: Sequence[Column]) -> list[Row]:
    whole = [column.price.total for column in columns if column.price.total is not None and not column.is_made_up]
    # Of fewer none is marked: the numbers stand side by side anyway.
    lowest = min(whole) if len(whole) >= PRICES_TO_COMPARE else None
    rows = [
        Row(_("Total"), [_total(column, lowest) for column in columns], _("Price on request")),
        Row(_("Cheapest plan that fits"), [Cell(_plan_name(column.price.plan)) for column in columns], _("None")),
    ]
    rows += _component_rows(columns)
    rows.append(
        Row(
            _("Other plans that fit"),
            [Cell(items=_other_plans(column)) for column in columns],
            _("None"),
        )
    )
    return rows


def _total(column: Column, lowest: int | None) -> Cell:
    headline = price_words.headline(column.price, column.whole)
    text = f"{headline.big} {headline.unit}".strip()
    return Cell(
        text=text,
        notes=headline.notes,
        is_best=lowest is not None and column.price.total == lowest and not column.is_made_up,
        is_number=True,
    )


def _plan_name(plan: PlanEntry | None) -> str:
    return "" if plan is None else plan.name


def _component_rows(columns: Sequence[Column]) -> list[Row]:
    """A row for each thing that any of the plans counts, in the order in which they come up."""
    by_column: list[dict[str, Cell]] = []
    for column in columns:
        cells: dict[str, Cell] = {}
        for line in column.price.quote.lines if column.price.quote else ():
            note = price_words.Note(line.detail)
            cells[line.label] = Cell(f"{price_words.amount_text(line.amount)} cr", [note], is_number=True)
        by_column.append(cells)
    labels = dict.fromkeys(label for cells in by_column for label in cells)
    return [Row(label, [cells.get(label, Cell()) for cells in by_column], _("No price of its own")) for label in labels]


def _other_plans(column: Column) -> list[str]:
    chosen = column.price.plan.pk if column.price.plan else None
    others = [f"{plan.name}: {price_words.total_text(each)}" for plan, each in column.quotes if plan.pk != chosen]
    more = len(others) - _PLANS_MAX
    if more > 0:
        return [*others[:_PLANS_MAX], _("and %(count)d more") % {"count": more}]
    return others


def _fact_rows(columns: Sequence[Column]) -> list[Row]:
    not_stated = _("Not stated")

    def row(label: str, cell: Callable[[Offering], Cell]) -> Row:
        return Row(label, [cell(column.offering) for column in columns], not_stated)

    def text(label: str, value: Callable[[Offering], str], source: str = "") -> Row:
        return row(label, lambda of: Cell(value(of), **_source(of, source)))

    def names(label: str, value: Callable[[Offering], Iterable[str]], source: str = "") -> Row:
        return row(label, lambda of: Cell(items=list(value(of)), **_source(of, source)))

    return [
        text(_("Provider"), lambda of: of.platform.provider.name),
        text(_("Provider's country"), lambda of: _country(of.platform.provider.country)),
        text(_("Platform"), lambda of: of.platform.name),
        text(_("Kind of platform"), platform_kinds),
        names(_("Data on site"), lambda of: of.datasets, "datasets"),
        names(_("How you work"), lambda of: of.interfaces),
        names(_("What you get"), lambda of: of.service_types, "service_types"),
        names(_("Protocols"), lambda of: of.protocols),
        names(_("Workflows"), lambda of: of.workflow_types, "workflow_types"),
        text(_("Hardware"), lambda of: of.hardware, "hardware"),
        text(_("Limits"), lambda of: of.limits, "limits"),
        text(_("Tier"), lambda of: of.get_tier_display()),
        text(_("Data centre"), _place, "place"),
        text(_("ESA can sponsor it"), lambda of: _yes_or_no(of.sponsorable), "sponsorable"),
        text(_("Integrated with EarthCODE"), lambda of: _yes_or_no(of.platform.earthcode_integrated)),
        text(_("Getting in"), lambda of: of.access, "access"),
        text(_("Availability"), lambda of: of.availability, "availability"),
        text(_("Support"), lambda of: of.support, "support"),
        text(_("Support hours"), lambda of: of.support_hours, "support_hours"),
        row(_("Documentation"), lambda of: Cell(url=of.documentation_url)),
        text(_("Maturity"), lambda of: of.maturity, "maturity"),
        names(_("Certifications"), lambda of: of.certifications, "certifications"),
        names(_("Not found"), lambda of: of.not_stated),
    ]


def _source(offering: Offering, name: str) -> dict[str, Any]:
    found = offering.sources.get(name, {}) if name else {}
    return {"source": found.get("source", ""), "source_date": found.get("date", "")}


def _place(offering: Offering) -> str:
    return ", ".join(part for part in (offering.place, _country(offering.country)) if part)


def _country(code: str) -> str:
    return country_name(code) if code else ""


def _yes_or_no(value: bool | None) -> str:
    return "" if value is None else _("Yes") if value else _("No")
