"""What an offering said before: the list of its versions, and each as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from earthcode.catalogue.component_terms import TERMS, Kind
from earthcode.catalogue.countries import country_name
from earthcode.catalogue.metrics import Audience, Evidence
from earthcode.catalogue.models import Offering, OfferingVersion, Tier
from earthcode.catalogue.versions import OFFERING_FIELDS, Change, difference, label_of
from earthcode.lib.money import MICRO
from earthcode.web.catalogue import price_words
from earthcode.web.parts.lists import paginate

PER_PAGE: Final = 10
#: Changes of one version that show before "more".
CHANGES_SHOWN: Final = 6


@dataclass(frozen=True)
class VersionShown:
    """A version in the list, with what it changed; the first one has changed nothing."""

    version: OfferingVersion
    url: str
    is_current: bool
    changes: Sequence[Change]
    more: Sequence[Change]

    @property
    def is_first(self) -> bool:
        return self.version.number == 1


@require_safe
def versions(request: HttpRequest, slug: str) -> HttpResponse:
    """All versions of an offering, newest first, each with what it changed."""
    offering = _ever_listed(slug)
    page = paginate(request, OfferingVersion.objects.filter(offering=offering).order_by("-number"), PER_PAGE)
    rows = list(page.rows)
    before = {version.number: version for version in rows}
    if rows and rows[-1].number > 1:
        oldest = OfferingVersion.objects.get(offering=offering, number=rows[-1].number - 1)
        before[oldest.number] = oldest
    shown = [_version_shown(offering, each, before.get(each.number - 1), current=page.count) for each in rows]
    context = {"offering": offering, "page": page, "versions": shown}
    return TemplateResponse(request, "catalogue/versions.html", context)


@require_safe
def version(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """The offering as readers saw it, and what reads differently today."""
    offering = _ever_listed(slug)
    found = {each.number: each for each in _this_next_and_last(offering, number)}
    this = found.get(number)
    if this is None or not this.content.get("is_listed"):
        raise Http404
    last = found[max(found)]
    content: Mapping[str, Any] = this.content
    following = found.get(number + 1)
    context = {
        "offering": offering,
        "version": this,
        "content": content,
        "until": following.published_at if following else None,
        "current": last if last.number != number else None,
        "changes": difference(content, last.content) if last.number != number else [],
        "facts": _facts(content),
        "plans": list(_plans(content, timezone.localtime(this.published_at).date())),
        "history_url": reverse("offering_versions", args=[slug]),
    }
    return TemplateResponse(request, "catalogue/version.html", context)


def _ever_listed(slug: str) -> Offering:
    """What has never been listed is nobody's business; what was listed once can still be cited."""
    shown = Offering.objects.filter(slug=slug, versions__content__is_listed=True).defer("search").distinct()
    return get_object_or_404(shown)


def _this_next_and_last(offering: Offering, number: int) -> QuerySet[OfferingVersion]:
    of_it = OfferingVersion.objects.filter(offering=offering)
    last = of_it.order_by("-number").values("number")[:1]
    return of_it.filter(number__in=[number, number + 1]) | of_it.filter(number__in=last)


def _version_shown(
    offering: Offering, version: OfferingVersion, before: OfferingVersion | None, *, current: int
) -> VersionShown:
    changes = difference(before.content, version.content) if before else []
    is_listed = bool(version.content.get("is_listed"))
    return VersionShown(
        version=version,
        url=reverse("offering_version", args=[offering.slug, version.number]) if is_listed else "",
        is_current=version.number == current,
        changes=changes[:CHANGES_SHOWN],
        more=changes[CHANGES_SHOWN:],
    )


# --- one version ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FactShown:
    label: str
    value: str
    source: str = ""
    date: str = ""


@dataclass(frozen=True)
class RateThen:
    """What a plan counted and what it cost on the day of the version; empty ``price``: it was not published."""

    label: str
    price: str
    unit: str
    terms: Sequence[str]
    evidence: str
    source: str
    source_date: str


@dataclass(frozen=True)
class PlanThen:
    name: str
    summary: str
    audience: str
    source: str
    source_date: str
    rates: Sequence[RateThen]


#: What has a place of its own on the page, or is no fact of the offering's.
_ELSEWHERE: Final = frozenset(
    {"slug", "name", "code", "summary", "sources", "platform", "provider", "plans", "is_listed", "is_demonstration"}
    | {"country", "longitude", "latitude"}
)


def _facts(content: Mapping[str, Any]) -> list[FactShown]:
    """Every fact in the order of the content; what was not stated is said so."""
    facts = [FactShown(label_of("provider"), content["provider"]["name"])]
    facts.append(FactShown(label_of("platform"), content["platform"]["name"]))
    sources = content.get("sources", {})
    for name in (name for name in OFFERING_FIELDS if name not in _ELSEWHERE):
        # A version of before the site knew of a fact does not state it.
        if name in content:
            value = content[name]
            found = sources.get(name, {})
            text = _value_text(name, value, content) or _("Not stated")
            facts.append(FactShown(label_of(name), text, found.get("source", ""), found.get("date", "")))
    return facts


def _value_text(name: str, value: Any, content: Mapping[str, Any]) -> str:
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    if name == "tier" and value in Tier.values:
        return str(Tier(value).label)
    if name == "place":
        country = country_name(content["country"]) if content.get("country") else ""
        return ", ".join(part for part in (value, country) if part)
    return "" if value is None else str(value)


def _plans(content: Mapping[str, Any], day: date) -> Iterator[PlanThen]:
    for plan in content["plans"]:
        yield PlanThen(
            name=plan["name"],
            summary=plan["summary"],
            audience=plan["audience"],
            source=plan["source"],
            source_date=plan["source_date"],
            rates=[shown for component in plan["components"] for shown in _rates_then(component, day)],
        )


def _rates_then(component: Mapping[str, Any], day: date) -> Iterator[RateThen]:
    """The list price, or that it was not published; then the discounts of that day."""
    of_day = {each.get("audience", ""): each for each in component["rates"] if _applies(each, day)}
    yield _rate_then(component, of_day.pop("", {}))
    for rate in of_day.values():
        yield _rate_then(component, rate)


def _rate_then(component: Mapping[str, Any], rate: Mapping[str, Any]) -> RateThen:
    terms = [
        f"{term.label}: {component[name]}"
        for name, term in TERMS.items()
        if term.kind in (Kind.AMOUNT, Kind.MONTHS) and component.get(name) not in (None, "", "0", 0)
    ]
    if rate.get("audience"):
        terms = [rate["reason"], _("For: %(audience)s") % {"audience": Audience(rate["audience"]).label}]
    conversion = component.get("conversion_source", "")
    low = Decimal(rate["credits_low"]) * MICRO if rate.get("credits_low") else None
    return RateThen(
        label=component["label"] or price_words.plain_units(component["metric"]),
        price=price_words.range_text(low, Decimal(rate["credits"]) * MICRO) if rate else "",
        unit=price_words.unit_words(component["metric"], component["label"]),
        terms=terms,
        evidence=str(Evidence(rate["evidence"]).label) if rate else "",
        source="\n".join(part for part in (rate.get("source", ""), conversion) if part),
        source_date=rate.get("source_date", ""),
    )


def _applies(rate: Mapping[str, Any], day: date) -> bool:
    """Days are written so that their order is that of their text."""
    text = day.isoformat()
    return (rate["from"] or "") <= text and (rate["until"] is None or text < rate["until"])
