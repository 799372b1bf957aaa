"""What an offering said, and when: its versions, and how one differs from another.

A version holds all that a reader is shown of an offering, its platform and its provider: facts, plans, what they meter,
rates, sources. It is made when something of that changed, and never changes itself, so that whoever asked for an offering
can be shown what they saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.db.models import Prefetch
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from earthcode.audit import actions as audit
from earthcode.audit.actors import Actor
from earthcode.catalogue.component_terms import RATE_TERMS, TERMS, Kind
from earthcode.catalogue.countries import country_name
from earthcode.catalogue.events import OfferingEvent
from earthcode.catalogue.metrics import Audience, Evidence, Metric
from earthcode.catalogue.models import Component, Offering, OfferingVersion, Plan, PlanKind, Rate, Tier
from earthcode.lib.money import MICRO
from earthcode.lib.numbers import plain

Content = dict[str, Any]

#: What an offering says of itself, in the order in which people read it.
OFFERING_FIELDS: Final = (
    "slug",
    "name",
    "code",
    "summary",
    "tier",
    "service_types",
    "interfaces",
    "protocols",
    "workflow_types",
    "datasets",
    "place",
    "country",
    "longitude",
    "latitude",
    "sponsorable",
    "access",
    "access_url",
    "documentation_url",
    "support",
    "support_hours",
    "hardware",
    "availability",
    "limits",
    "maturity",
    "certifications",
    "not_stated",
    "is_listed",
    "is_demonstration",
    "sources",
)
_PLATFORM_FIELDS: Final = (
    "slug",
    "name",
    "is_open_science",
    "is_infrastructure",
    "earthcode_integrated",
    "languages",
    "features",
    "access_url",
)
_PROVIDER_FIELDS: Final = ("slug", "name", "country", "website")
_PLAN_FIELDS: Final = (
    "slug",
    "kind",
    "name",
    "summary",
    "audience",
    "author",
    "endpoint_url",
    "order_url",
    "included",
    "months_max",
    "source",
    "source_date",
)
#: Of a rate, what is written as it is; its price is in credits.
_RATE_FIELDS: Final = tuple(name for name in RATE_TERMS if not name.startswith("micro_"))


# --- making versions --------------------------------------------------------------------------------------------------


def content_of(offering: Offering) -> Content:
    """All that a reader is shown of the offering, as the database has it now: what could be JSON, in a fixed order.

    What is not listed or no longer metered is not in it. Numbers with decimals are text, so that they stay exact.
    """
    return _contents([offering.pk])[offering.pk]


def publish_version(offering: Offering, *, by: Actor, at: datetime, note: str = "") -> OfferingVersion:
    """The version that says what the offering says now: the last one, or a new one where something differs from it.

    Whoever calls this has checked that ``by`` may publish. ``note`` is for readers and belongs to a new version only.
    """
    return publish_versions([offering.pk], by=by, at=at, note=note)[offering.pk]


@transaction.atomic
def publish_versions(
    offerings: Iterable[int], *, by: Actor, at: datetime, note: str = ""
) -> dict[int, OfferingVersion]:
    """:func:`publish_version` for many offerings, by primary key; the queries do not grow with their number."""
    pks = sorted(set(offerings))
    latest = _latest(pks)
    changed = _differing(pks, latest)
    if changed:
        # Two at a time would both make the next number: who is second looks again.
        locked = Offering.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=changed).order_by("pk")
        rows = {row.pk: row for row in locked.defer("search")}
        latest |= _latest(rows)
        changed = _differing(rows, latest)
        made = OfferingVersion.objects.bulk_create(
            OfferingVersion(
                offering=rows[pk],
                number=latest[pk].number + 1 if pk in latest else 1,
                content=content,
                published_at=at,
                by=by.audit_id,
                note=note,
            )
            for pk, content in changed.items()
        )
        for version in made:
            latest[version.offering_id] = version
            audit.record(OfferingEvent.PUBLISH, by=by, about=version.offering, at=at, data={"version": version.number})
    return {pk: latest[pk] for pk in pks}


def _latest(pks: Iterable[int]) -> dict[int, OfferingVersion]:
    versions = OfferingVersion.objects.filter(offering__in=list(pks)).order_by("offering_id", "-number")
    return {version.offering_id: version for version in versions.distinct("offering_id")}


def _differing(pks: Iterable[int], latest: Mapping[int, OfferingVersion]) -> dict[int, Content]:
    """Those of the offerings that no longer say what their latest version says, with what they say."""
    return {
        pk: content
        for pk, content in _contents(pks).items()
        if pk not in latest or _flat(latest[pk].content) != _flat(content)
    }


def _contents(pks: Iterable[int]) -> dict[int, Content]:
    rates = Prefetch("rates", Rate.objects.order_by("valid", "pk"))
    components = Component.objects.filter(in_use=True).order_by("pk").prefetch_related(rates)
    metered = Prefetch("components", components, to_attr="components_shown")
    plans = Plan.objects.filter(is_listed=True).order_by("pk").prefetch_related(metered)
    offerings = (
        Offering.objects.filter(pk__in=list(pks))
        .select_related("platform__provider")
        .defer("search")
        .prefetch_related(Prefetch("plans", plans, to_attr="plans_shown"))
    )
    return {offering.pk: _content(offering) for offering in offerings}


def _content(offering: Any) -> Content:
    """Of an offering with what ``_contents`` prefetches."""
    platform = offering.platform
    return {
        **{name: getattr(offering, name) for name in OFFERING_FIELDS},
        "platform": {name: getattr(platform, name) for name in _PLATFORM_FIELDS},
        "provider": {name: getattr(platform.provider, name) for name in _PROVIDER_FIELDS},
        "plans": [
            {
                **{name: getattr(plan, name) for name in _PLAN_FIELDS},
                "components": [_component_content(component) for component in plan.components_shown],
            }
            for plan in offering.plans_shown
        ],
    }


def _component_content(component: Component) -> Content:
    return {
        "metric": component.metric,
        "label": component.label,
        **{name: term.for_json(getattr(component, name)) for name, term in TERMS.items()},
        "rates": [_rate_content(rate) for rate in component.rates.all()],
    }


def _rate_content(rate: Rate) -> Content:
    return {
        "from": rate.valid.lower.isoformat() if rate.valid.lower else None,
        "until": rate.valid.upper.isoformat() if rate.valid.upper else None,
        "credits": plain(rate.micro_per_unit / MICRO),
        "credits_low": None if rate.micro_low is None else plain(rate.micro_low / MICRO),
        **{name: getattr(rate, name) for name in _RATE_FIELDS},
    }


# --- how two versions differ ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """One thing that reads differently. ``path`` is for machines, the rest for people; empty text: it was not stated."""

    path: str
    label: str
    before: str
    after: str


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """What somebody who knows ``before`` has to be told of ``after``, in the order in which the page shows it.

    Plans, what they meter and rates are compared by their names, so that their order does not matter. A fact that one of
    the two does not have reads like one that is not stated. From ``{}`` on everything is new.
    """
    old, new = _flat(before), _flat(after)
    changed = [path for path in old.keys() | new.keys() if old.get(path) != new.get(path)]
    names = _names_in(before) | _names_in(after)
    return [
        Change(
            path="/".join(path),
            label=_label(path, names),
            before=_text(path, old.get(path)),
            after=_text(path, new.get(path)),
        )
        for path in sorted(changed, key=lambda path: (_place(path[0]), path))
    ]


Path = tuple[str, ...]

#: List of records → what tells one of them from another.
_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "plans": ("slug",),
    "components": ("metric", "label"),
    "rates": ("audience", "from"),
}
#: Where zero says that there is no such rule.
_ZERO_IS_NOTHING: Final = frozenset(term.name for term in TERMS.values() if term.kind is Kind.MONTHS)
_ORDER: Final = {name: place for place, name in enumerate([*OFFERING_FIELDS[:-1], "platform", "provider", "plans"])}


def _place(name: str) -> int:
    """Sources and what we do not know yet come last."""
    return _ORDER.get(name, len(_ORDER))


def _flat(content: Mapping[str, Any]) -> dict[Path, Any]:
    """Path → value of everything that is stated."""
    return dict(_leaves(content, ()))


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, str(name)))
    elif path and path[-1] in _KEYS and isinstance(value, list):
        for record in value:
            yield from _leaves(record, (*path, _key(path[-1], record)))
    elif value is not None and value not in ("", [], ()) and not (path[-1] in _ZERO_IS_NOTHING and value == 0):
        yield path, list(value) if isinstance(value, tuple) else value


def _key(kind: str, record: Mapping[str, Any]) -> str:
    return ":".join(str(record[name]) for name in _KEYS[kind] if record.get(name))


def _names_in(content: Mapping[str, Any]) -> dict[Path, str]:
    """What people call the plans, what they meter, and the rates."""
    names: dict[Path, str] = {}
    for plan in content.get("plans", ()):
        plan_path: Path = ("plans", _key("plans", plan))
        names[plan_path] = plan.get("name") or plan["slug"]
        for component in plan.get("components", ()):
            path = (*plan_path, "components", _key("components", component))
            names[path] = component.get("label") or str(Metric(component["metric"]).label)
            for rate in component.get("rates", ()):
                names[*path, "rates", _key("rates", rate)] = _rate_name(rate)
    return names


def _rate_name(rate: Mapping[str, Any]) -> str:
    words = {"day": rate.get("from") or "", "audience": str(Audience(rate.get("audience", "")).label)}
    return (_("Discount from %(day)s: %(audience)s") if rate.get("audience") else _("Rate from %(day)s")) % words


_LABELS: Final[dict[str, str | Promise]] = {name: term.label for name, term in TERMS.items()} | {
    "slug": gettext_lazy("Name in addresses"),
    "name": gettext_lazy("Name"),
    "code": gettext_lazy("Letters on its tile"),
    "summary": gettext_lazy("Summary"),
    "tier": gettext_lazy("Tier"),
    "service_types": gettext_lazy("Kind of service"),
    "interfaces": gettext_lazy("Interfaces"),
    "protocols": gettext_lazy("Protocols"),
    "workflow_types": gettext_lazy("Workflows"),
    "datasets": gettext_lazy("Data on site"),
    "place": gettext_lazy("Data centre"),
    "country": gettext_lazy("Country"),
    "longitude": gettext_lazy("Longitude"),
    "latitude": gettext_lazy("Latitude"),
    "sponsorable": gettext_lazy("ESA can sponsor it"),
    "access": gettext_lazy("Getting in"),
    "access_url": gettext_lazy("Address"),
    "documentation_url": gettext_lazy("Documentation"),
    "support": gettext_lazy("Support"),
    "support_hours": gettext_lazy("Support hours"),
    "hardware": gettext_lazy("Hardware"),
    "availability": gettext_lazy("Availability"),
    "limits": gettext_lazy("Limits"),
    "maturity": gettext_lazy("Maturity"),
    "certifications": gettext_lazy("Certifications"),
    "not_stated": gettext_lazy("What is not stated"),
    "is_listed": gettext_lazy("Listed"),
    "is_demonstration": gettext_lazy("Demonstration"),
    "sources": gettext_lazy("Source"),
    "source": gettext_lazy("Source"),
    "source_date": gettext_lazy("Date of the source"),
    "date": gettext_lazy("Date of the source"),
    "platform": gettext_lazy("Platform"),
    "provider": gettext_lazy("Provider"),
    "is_open_science": gettext_lazy("FAIR Open Science platform"),
    "is_infrastructure": gettext_lazy("FAIR Infrastructure platform"),
    "earthcode_integrated": gettext_lazy("Integrated with EarthCODE"),
    "languages": gettext_lazy("Languages"),
    "features": gettext_lazy("Features"),
    "website": gettext_lazy("Website"),
    "plans": gettext_lazy("Plan"),
    "kind": gettext_lazy("Kind"),
    "audience": gettext_lazy("Who can request it"),
    "author": gettext_lazy("Author"),
    "endpoint_url": gettext_lazy("Address of the service"),
    "order_url": gettext_lazy("Where to order it"),
    "months_max": gettext_lazy("Longest time in months"),
    "metric": gettext_lazy("Counted in"),
    "label": gettext_lazy("Label"),
    "from": gettext_lazy("First day"),
    "until": gettext_lazy("Until"),
    "credits": gettext_lazy("Credits"),
    "credits_low": gettext_lazy("Credits at least"),
    "reason": gettext_lazy("Reason of the discount"),
    "evidence": gettext_lazy("How we know it"),
}


def label_of(name: str) -> str:
    """What people call a field of an offering's content."""
    return str(_LABELS.get(name, name.replace("_", " ").capitalize()))


def _label(path: Path, names: Mapping[Path, str]) -> str:
    """``Plan “By the hour”, vCPU-hour, Rate from 2026-01-01, Credits``."""
    parts: list[str] = []
    for place, step in enumerate(path):
        here = path[: place + 1]
        if here in names:
            parts.append(_("Plan “%(name)s”") % {"name": names[here]} if len(here) == 2 else names[here])
        elif step not in _KEYS:
            parts.append(label_of(step))
    return ", ".join(dict.fromkeys(parts))


def _text(path: Path, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    match path[-1]:
        case "tier" if value in Tier.values:
            return str(Tier(value).label)
        case "kind" if value in PlanKind.values:
            return str(PlanKind(value).label)
        case "audience" if value in Audience.values:
            return str(Audience(value).label)
        case "metric" if value in Metric.values:
            return str(Metric(value).label)
        case "evidence" if value in Evidence.values:
            return str(Evidence(value).label)
        case "country":
            return country_name(str(value))
        case _:
            return str(value)
