"""Estimates: choose plans and a workload, see every line of the price, keep it under a link, start a request from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from earthcode.catalogue import estimates, query_words, search
from earthcode.catalogue.estimates import MARGIN_PERCENT_MAX, PLANS_MAX, Item, Wanted
from earthcode.catalogue.models import Estimate, EstimateLine, Plan
from earthcode.catalogue.pricing import GPUS, Quote, Workload
from earthcode.catalogue.queries import components_on
from earthcode.identity.models import User
from earthcode.lib.clients import digest_of
from earthcode.lib.errors import InvalidInput, Refused
from earthcode.sponsorship.queries import DRAFTS_SHOWN, drafts_of
from earthcode.web.catalogue import price_rank, price_words
from earthcode.web.catalogue.workload import WorkloadForm, asked_of, label_of, values_of, workload_words
from earthcode.web.parts.conditional_get import ConditionalGet
from earthcode.web.parts.lists import paginate
from earthcode.web.parts.signed_in import SignedInRequest

#: Workloads to start from: name → label, what it is, and the numbers that differ from ``Workload()``. Ours, and round.
PRESETS: Final[dict[str, tuple[Any, Any, dict[str, str]]]] = {
    "notebook": (
        _lazy("A notebook for one person"),
        _lazy("4 processors, 10 hours a week, for half a year"),
        {"cpu": "4", "ram": "16", "hours": "40", "gb": "50", "months": "6"},
    ),
    "series": (
        _lazy("Time series of a region"),
        _lazy("16 processors, 120 hours a month, 2 TB, for half a year"),
        {"cpu": "16", "ram": "64", "hours": "120", "gb": "2000", "months": "6", "km2": "10000", "tiles": "4"},
    ),
    "training": (
        _lazy("Train a model on a GPU"),
        _lazy("One A100, 100 hours a month, for 3 months"),
        {"cpu": "8", "ram": "64", "gpu": "a100", "hours": "100", "gb": "1000", "months": "3"},
    ),
    "product": (
        _lazy("A ready-made product, once"),
        _lazy("1 000 km², 10 input products, nothing stored"),
        {"hours": "0", "gb": "0", "months": "1", "km2": "1000", "products": "10"},
    ),
    "storage": (_lazy("Storage only"), _lazy("5 TB for a year"), {"hours": "0", "gb": "5000", "months": "12"}),
}
#: How many offerings are suggested to be added.
_FOUND_MAX: Final = 6


@dataclass(frozen=True)
class OwnField:
    """One number that may differ for one plan; empty: as for all."""

    name: str
    id: str
    label: str
    unit: str
    value: str
    usual: str
    error: str
    options: Sequence[tuple[str, str]] = ()


class Draft:
    """An estimate that is being made: everything in it is in the address.

    ``plan`` names the plans, the workload's parameters are those of the catalogue, ``<plan>-<parameter>`` is another number
    for one plan, ``margin`` a percentage. What cannot be used is told beside its field, and counts as left out.
    """

    def __init__(self, query: QueryDict, *, on: date) -> None:
        self.form = WorkloadForm(values_of(query), form_id="estimate-form")
        self.workload = self.form.workload
        self.margin_text = query.get("margin", "").strip()
        self.margin, self.margin_error = _margin(self.margin_text)
        chosen = _plan_keys(query)
        found = Plan.objects.listed().in_bulk(chosen[:PLANS_MAX])
        self.plans = [found[pk] for pk in chosen[:PLANS_MAX] if pk in found]
        self.too_many = len(chosen) > PLANS_MAX
        self.unknown = any(pk not in found for pk in chosen[:PLANS_MAX])
        self.own: dict[int, dict[str, str]] = {}
        self.own_errors: dict[int, dict[str, str]] = {}
        wanted = [Wanted(plan, self._workload_of(plan, query)) for plan in self.plans]
        self.wanted: Sequence[Wanted] = wanted
        self.components = components_on([plan.pk for plan in self.plans], on)
        self.priced = estimates.price(wanted, margin_percent=self.margin, on=on, components=self.components)

    def _workload_of(self, plan: Plan, query: QueryDict) -> Workload:
        own: dict[str, str] = {}
        errors: dict[str, str] = {}
        prefix = f"{plan.pk}-"
        for name, value in values_of(query).items():
            parameter, text = name.removeprefix(prefix), value.strip()
            if name.startswith(prefix) and text and parameter in WorkloadForm.base_fields:
                own[parameter] = text[:40]
                try:
                    Workload.from_params({parameter: text})
                except InvalidInput as refusal:
                    errors[parameter] = refusal.message
        self.own[plan.pk], self.own_errors[plan.pk] = own, errors
        good = {name: value for name, value in own.items() if name not in errors}
        return Workload.from_params(self.workload.as_params() | good)

    @property
    def has_errors(self) -> bool:
        return bool(self.form.errors or self.margin_error or any(self.own_errors.values()))

    def url(self, *, plans: Sequence[int] | None = None, workload: Mapping[str, str] | None = None) -> str:
        """The address of this draft, with other plans, or with another workload for all of them."""
        keys = [plan.pk for plan in self.plans] if plans is None else plans
        query: list[tuple[str, str]] = [("plan", str(pk)) for pk in keys]
        if workload is None:
            query += self.workload.changes().items()
            query += [(f"{pk}-{name}", value) for pk in keys for name, value in self.own.get(pk, {}).items()]
        else:
            query += Workload.from_params(workload).changes().items()
        if self.margin:
            query.append(("margin", str(self.margin)))
        address = reverse("estimate_new")
        return f"{address}?{urlencode(query)}" if query else address

    def own_fields(self, plan: Plan) -> list[OwnField]:
        """The numbers that the plan's price depends on, to be changed for it alone."""
        usual = self.workload.as_params()
        own, errors = self.own[plan.pk], self.own_errors[plan.pk]
        fields = []
        for name in asked_of(self.components.get(plan.pk, ()), self.workload):
            label, unit = label_of(name)
            options = [("", _("As for all")), *((key or "none", text) for key, text in GPUS.items())]
            fields.append(
                OwnField(
                    name=f"{plan.pk}-{name}",
                    id=f"own-{plan.pk}-{name}",
                    label=str(label),
                    unit=str(unit),
                    value=own.get(name, ""),
                    usual=usual.get(name, ""),
                    error=errors.get(name, ""),
                    options=options if name == "gpu" else (),
                )
            )
        return fields


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Choose plans and a workload; saving gives a link that never changes. Anybody may."""
    if request.method == "POST":
        return _posted(request)
    today = timezone.localdate()
    state = search.catalogue_state()
    fresh = ConditionalGet(request, state, today)
    if (ready := fresh.answer()) is not None:
        return ready
    draft = Draft(request.GET, on=today)
    response = _page(request, draft, state=state, find=request.GET.get("find", ""))
    if getattr(request, "htmx", False):
        response.headers["HX-Replace-Url"] = draft.url()
    return fresh.stamped(response)


def _posted(request: HttpRequest) -> HttpResponse:
    """Add or remove a plan, find another, or save. All but saving only lead to another address."""
    now = timezone.now()
    draft = Draft(request.POST, on=now.date())
    keys = [plan.pk for plan in draft.plans]
    added, removed = request.POST.get("add", ""), request.POST.get("remove", "")
    if added:
        return redirect(draft.url(plans=list(dict.fromkeys([*keys, *_as_key(added)]))))
    if removed:
        return redirect(draft.url(plans=[pk for pk in keys if str(pk) != removed]))
    find = request.POST.get("find", "")
    if request.POST.get("do") != "save":
        address = draft.url()
        return redirect(f"{address}{'&' if '?' in address else '?'}{urlencode({'find': find})}" if find else address)
    refusal = ""
    if not draft.has_errors:
        try:
            estimate = estimates.save(
                draft.wanted,
                workload=draft.workload,
                margin_percent=draft.margin,
                by=request.user if isinstance(request.user, User) else None,
                client=digest_of(request.META, on=now.date()),
                at=now,
            )
        except Refused as refused:
            refusal = refused.message
        else:
            return redirect(estimate)
    return _page(request, draft, state=search.catalogue_state(), find=find, refusal=refusal, status=422)


def _page(
    request: HttpRequest,
    draft: Draft,
    *,
    state: search.State,
    find: str,
    refusal: str = "",
    status: int = 200,
) -> TemplateResponse:
    index = search.index_on(draft.priced.on, state)
    free = price_rank.free_credits_of(request)
    field = price_rank.Field([], free)
    context = {
        "form": draft.form,
        "draft": draft,
        "workload": draft.workload,
        "items": [
            {
                "item": item,
                "url": _offering_url(item.plan, item.workload),
                "is_own": item.workload != draft.workload,
                "own_fields": draft.own_fields(item.plan),
                "notes": price_words.quote_notes(item.quote) if item.quote else [],
                "words": workload_words(item.workload, item.quote) if item.quote else item.workload.summary,
            }
            for item in draft.priced.items
        ],
        "priced": draft.priced,
        "without_price": sum(item.quote is None for item in draft.priced.items),
        "fits": field.fits(draft.priced.total) if draft.priced.has_price else None,
        "fit_text": field.fit_text(draft.priced.total),
        "margin_max": MARGIN_PERCENT_MAX,
        "plans_max": PLANS_MAX,
        "presets": [
            (label, text, draft.url(workload=numbers), _is_preset(draft.workload, numbers))
            for label, text, numbers in PRESETS.values()
        ],
        "find": find[: query_words.TEXT_MAX],
        "found": _found(index, draft, find),
        "catalogue_url": _catalogue_url(draft.workload),
        "refusal": refusal,
        "has_errors": draft.has_errors,
    }
    template = (
        "catalogue/estimates/_changed.html" if getattr(request, "htmx", False) else "catalogue/estimates/new.html"
    )
    return TemplateResponse(request, template, context, status=status)


def _found(index: search.Index, draft: Draft, find: str) -> list[dict[str, Any]]:
    """Offerings to add a plan of: the cheapest for this workload, of those that have the words."""
    words = search.find(" ".join(find.replace("\x00", "").split())[: query_words.TEXT_MAX])
    result = index.search(words, {}, draft.workload, sort="relevance" if words.ranks is not None else "price")
    chosen = {plan.pk for plan in draft.plans}
    found = []
    for entry, price in result.entries:
        plan = price.plan_to_request or price.plan
        if plan is not None and plan.pk not in chosen:
            found.append({"entry": entry, "plan": plan, "headline": price_words.headline(price)})
        if len(found) == _FOUND_MAX:
            break
    return found


# --- one that is kept -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LineShown:
    """A line of a kept estimate: what it says is what was kept; ``url`` leads to the offering where it is still listed."""

    facts: Mapping[str, Any]
    quote: Quote | None
    reasons: Sequence[str]
    sources: Sequence[tuple[str, Mapping[str, str]]]
    notes: Sequence[price_words.Note]
    words: str
    url: str
    version_url: str
    today: Item


@require_safe
def estimate(request: HttpRequest, token: str) -> HttpResponse:
    """What was estimated, as it was; and what the same costs today, where that is something else."""
    kept = get_object_or_404(Estimate, token=token)
    today = timezone.localdate()
    fresh = ConditionalGet(request, search.catalogue_state(), today)
    if (ready := fresh.answer()) is not None:
        return ready
    lines = estimates.lines_of(kept)
    again = estimates.price_again(lines, margin_percent=kept.margin_percent, on=today)
    shown = [_line_shown(line, item) for line, item in zip(lines, again.items, strict=True)]
    workload = Workload.from_json(kept.workload)
    free = price_rank.free_credits_of(request)
    may_request = any(line.quote is not None and not line.quote.is_free for line in shown)
    response = TemplateResponse(
        request,
        "catalogue/estimates/page.html",
        {
            "estimate": kept,
            "lines": shown,
            "workload": workload,
            "address": request.build_absolute_uri(kept.get_absolute_url()),
            "json_url": reverse("api_estimate", args=[kept.token]),
            "amount_low": sum(line.quote.total_low for line in shown if line.quote),
            "without_price": sum(line.quote is None for line in shown),
            "again": again,
            "changes": _changes(shown),
            "new_url": _again_url(lines, kept),
            "request_url": f"{reverse('request_new')}?{urlencode({'estimate': kept.token})}",
            "may_request": may_request,
            "drafts": drafts_of(request.user)[:DRAFTS_SHOWN] if may_request and isinstance(request.user, User) else [],
            "fits": price_rank.Field([], free).fits(kept.total),
            "fit_text": price_rank.Field([], free).fit_text(kept.total),
        },
    )
    # A link that is shared is not one to be found.
    response.headers["X-Robots-Tag"] = "noindex"
    return fresh.stamped(response)


def _line_shown(line: EstimateLine, today: Item) -> LineShown:
    quote = line.priced
    workload = Workload.from_json(line.workload)
    is_listed = line.plan.is_listed and line.plan.offering.is_listed
    return LineShown(
        facts=line.facts,
        quote=quote,
        reasons=line.reasons,
        sources=[
            (each.label, source)
            for each, source in zip(quote.lines if quote else (), line.sources, strict=True)
            if source
        ],
        notes=price_words.quote_notes(quote) if quote else [],
        words=workload_words(workload, quote) if quote else workload.summary,
        url=_offering_url(line.plan, workload) if is_listed else "",
        version_url=(
            reverse("offering_version", args=[line.plan.offering.slug, line.version.number])
            if is_listed and line.version
            else ""
        ),
        today=today,
    )


def _changes(lines: Sequence[LineShown]) -> list[str]:
    """What is another today, in sentences; none where everything costs the same."""
    changes = []
    for line in lines:
        words = {
            "plan": f"{line.facts['offering_name']}, {line.facts['plan_name']}",
            "before": price_words.amount_text(line.quote.total) if line.quote else "",
            "now": price_words.amount_text(line.today.quote.total) if line.today.quote else "",
            "reasons": " ".join(line.today.reasons),
        }
        if line.quote and line.today.quote and line.quote.total != line.today.quote.total:
            changes.append(_("%(plan)s: %(now)s credits, before %(before)s.") % words)
        elif line.quote and line.today.quote is None:
            changes.append(_("%(plan)s cannot be priced any more: %(reasons)s") % words)
        elif line.quote is None and line.today.quote:
            changes.append(_("%(plan)s has a price now: %(now)s credits.") % words)
    return changes


def _again_url(lines: Sequence[EstimateLine], kept: Estimate) -> str:
    """The same plans and workloads, to be priced anew."""
    base = Workload.from_json(kept.workload)
    query: list[tuple[str, str]] = [("plan", str(line.plan_id)) for line in lines]
    query += base.changes().items()
    for line in lines:
        own = Workload.from_json(line.workload)
        if own != base:
            usual = base.as_params()
            query += [
                (f"{line.plan_id}-{name}", value) for name, value in own.as_params().items() if usual.get(name) != value
            ]
    if kept.margin_percent:
        query.append(("margin", str(kept.margin_percent)))
    return f"{reverse('estimate_new')}?{urlencode(query)}"


@login_required
@require_safe
def own(request: SignedInRequest) -> HttpResponse:
    """The estimates that the person saved while signed in, the newest first."""
    rows = Estimate.objects.filter(created_by=request.user).prefetch_related("lines")
    page = paginate(request, rows)
    return TemplateResponse(
        request,
        "catalogue/estimates/list.html",
        {"page": page, "rows": [(each, name_of(each.lines.all())) for each in page]},
    )


def name_of(lines: Sequence[EstimateLine] | Any) -> str:
    """What an estimate is of: "Notebooks on Coastal Hub, Standard, and 1 more"."""
    first, *others = sorted(lines, key=lambda line: line.place)
    name = f"{first.facts['offering_name']}, {first.facts['plan_name']}"
    if not others:
        return name
    words = ngettext("%(name)s, and %(count)d more", "%(name)s, and %(count)d more", len(others))
    return words % {"name": name, "count": len(others)}


# --- addresses and numbers --------------------------------------------------------------------------------------------


def _as_key(text: str) -> list[int]:
    """PostgreSQL's bigint ends at 19 digits; a longer number names no plan."""
    return [int(text)] if text.isascii() and text.isdecimal() and len(text) < 19 else []


def _plan_keys(query: QueryDict) -> list[int]:
    return list(dict.fromkeys(key for text in query.getlist("plan") for key in _as_key(text)))


def _margin(text: str) -> tuple[int, str]:
    """The percentage, and what is wrong with it."""
    if not text:
        return 0, ""
    if text.isascii() and text.isdecimal() and len(text) < 4 and int(text) <= MARGIN_PERCENT_MAX:
        return int(text), ""
    return 0, _("Enter a whole number from 0 to %(maximum)d.") % {"maximum": MARGIN_PERCENT_MAX}


def _is_preset(workload: Workload, numbers: Mapping[str, str]) -> bool:
    return workload == Workload.from_params(numbers)


def _offering_url(plan: Plan, workload: Workload) -> str:
    address, changes = plan.offering.get_absolute_url(), workload.changes()
    return f"{address}?{urlencode(changes)}" if changes else address


def _catalogue_url(workload: Workload) -> str:
    address, changes = reverse("catalogue"), workload.changes()
    return f"{address}?{urlencode(changes)}" if changes else address
