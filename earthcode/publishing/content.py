"""What a draft says: a record of the catalogue's files (``catalogue.records``), its sections, and what differs.

Pure but for ``content_of``. Numbers are text, as in the files, and an empty answer is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Final

from django.db.models import Prefetch
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from earthcode.catalogue.component_terms import TERMS, for_pricing
from earthcode.catalogue.entries import PlanEntry
from earthcode.catalogue.metrics import Audience, Evidence, Metric
from earthcode.catalogue.models import Component, Offering, Plan, PlanKind, Rate, Tier
from earthcode.catalogue.pricing import PricedComponent
from earthcode.lib.money import MICRO
from earthcode.lib.numbers import plain as plain

Content = dict[str, Any]

#: Section of a draft → the fields it holds. Plans are sections of their own, see ``plan_of``.
SECTIONS: Final[dict[str, tuple[str, ...]]] = {
    "about": ("name", "code", "summary", "tier", "service_types", "sponsorable"),
    "work": (
        "interfaces",
        "protocols",
        "workflow_types",
        "datasets",
        "hardware",
        "place",
        "country",
        "location",
        "not_stated",
    ),
    "access": ("access", "access_url", "documentation_url", "support", "support_hours"),
    "promises": ("availability", "limits", "maturity", "certifications"),
}

#: Facts whose source stands beside them on the offering's page.
SOURCED: Final = (
    *("datasets", "place", "service_types", "sponsorable", "access", "support", "support_hours"),
    *("hardware", *SECTIONS["promises"]),
)

#: What the card does not show: the preview lists it below.
_BELOW_THE_CARD: Final = (
    *("workflow_types", "hardware", "access", "documentation_url", "support", "support_hours"),
    *SECTIONS["promises"],
)

_PLAN_TEXTS: Final = (
    "name",
    "summary",
    "audience",
    "author",
    "endpoint_url",
    "order_url",
    "source",
    "source_date",
)


def content_of(offering: Offering) -> Content:
    """What the catalogue says of the offering now, as a draft of it begins; each component with its latest rate."""
    texts = (
        "name",
        "code",
        "summary",
        "tier",
        "place",
        "country",
        "access",
        "access_url",
        "documentation_url",
        "support",
        "support_hours",
        "hardware",
        "availability",
        "limits",
        "maturity",
    )
    lists = (
        "service_types",
        "interfaces",
        "protocols",
        "workflow_types",
        "datasets",
        "not_stated",
        "certifications",
    )
    content: Content = {name: getattr(offering, name) for name in (*texts, *lists)}
    content["sponsorable"] = offering.sponsorable
    content["location"] = [] if offering.longitude is None else [offering.longitude, offering.latitude]
    content["sources"] = offering.sources
    content["is_demonstration"] = offering.is_demonstration
    components = Component.objects.filter(in_use=True).order_by("pk").prefetch_related("rates")
    plans = Plan.objects.filter(offering=offering, is_listed=True).order_by("pk")
    content["plans"] = [_plan(plan) for plan in plans.prefetch_related(Prefetch("components", components))]
    return tidy(content)


def _plan(plan: Plan) -> Content:
    return {
        "slug": plan.slug,
        "kind": plan.kind,
        **{name: getattr(plan, name) for name in _PLAN_TEXTS},
        "included": plan.included,
        "months_max": plan.months_max,
        "connector_settings": plan.connector_settings,
        "components": [_component(component) for component in plan.components.all()],
    }


def _component(component: Component) -> Content:
    said: Content = {
        "metric": component.metric,
        "label": component.label,
        **{name: term.for_draft(getattr(component, name)) for name, term in TERMS.items()},
    }
    latest = {rate.audience: rate for rate in sorted(component.rates.all(), key=lambda rate: rate.valid.lower)}
    listed = latest.pop(Audience.LIST, None)
    if listed is not None and listed.valid.upper is None:
        said["rate"] = _rate(listed)
    # A discount that has an end stays until then, whatever is published meanwhile.
    said["discounts"] = [
        {
            **_rate(rate),
            "audience": audience,
            "reason": rate.reason,
            "until": rate.valid.upper.isoformat() if rate.valid.upper else None,
        }
        for audience, rate in sorted(latest.items())
    ]
    return said


def _rate(rate: Rate) -> Content:
    return {
        "credits": plain(rate.micro_per_unit / MICRO),
        "credits_low": None if rate.micro_low is None else plain(rate.micro_low / MICRO),
        "from": rate.valid.lower.isoformat(),
        "evidence": rate.evidence,
        "source": rate.source,
        "source_date": rate.source_date,
    }


def _tidy(value: Any) -> Any:
    """Without what is empty: a field nobody filled in and one that is not there are the same. False and 0 are answers."""
    if isinstance(value, dict):
        return {name: tidied for name, each in value.items() if not _is_empty(tidied := _tidy(each))}
    if isinstance(value, list):
        return [_tidy(each) for each in value]
    return value


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or value == [] or value == {}


def tidy(content: Content) -> Content:
    """See ``_tidy``."""
    tidied: Content = _tidy(content)
    return tidied


# --- sections ---------------------------------------------------------------------------------------------------------


def section_of(content: Content, section: str) -> Content:
    return {name: content[name] for name in SECTIONS[section] if name in content}


def plan_of(content: Content, slug: str) -> Content | None:
    return next((plan for plan in content.get("plans", []) if plan["slug"] == slug), None)


def digest(part: Any) -> str:
    """Stands for what somebody saw when they opened a section, so that they do not overwrite what they did not see."""
    text = json.dumps(part, sort_keys=True, ensure_ascii=False)
    return blake2b(text.encode(), digest_size=8).hexdigest()


def below_the_card(content: Content) -> list[tuple[str, str]]:
    """What is stated and the card does not show: label and words."""
    return [(str(_LABELS[name]), _words(name, content[name])) for name in _BELOW_THE_CARD if content.get(name)]


def missing_from(content: Content) -> list[str]:
    """The sections that cannot be published as they are."""
    missing = []
    if not (content.get("name") and content.get("summary") and content.get("tier") and content.get("service_types")):
        missing.append("about")
    if not content.get("plans"):
        missing.append("plans")
    return missing


# --- what differs -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """One thing that would be different. ``reason``: why ESA has to approve it; empty: the provider alone may."""

    label: str
    before: str
    after: str
    reason: str = ""


_LABELS: Final[dict[str, Any]] = {name: term.label for name, term in TERMS.items()} | {
    "name": _lazy("Name"),
    "code": _lazy("Letters on the tile"),
    "summary": _lazy("Summary"),
    "tier": _lazy("Tier"),
    "service_types": _lazy("Kind of service"),
    "sponsorable": _lazy("ESA can sponsor it"),
    "interfaces": _lazy("Interfaces"),
    "protocols": _lazy("Protocols"),
    "workflow_types": _lazy("Workflows"),
    "datasets": _lazy("Data on site"),
    "place": _lazy("Data centre"),
    "country": _lazy("Country of the data centre"),
    "location": _lazy("Longitude and latitude"),
    "not_stated": _lazy("What is not stated"),
    "access": _lazy("Getting in"),
    "access_url": _lazy("Address of the platform"),
    "documentation_url": _lazy("Documentation"),
    "support": _lazy("Support"),
    "audience": _lazy("Who can request it"),
    "author": _lazy("Made by"),
    "endpoint_url": _lazy("Address of the service"),
    "order_url": _lazy("Where to order"),
    "months_max": _lazy("Most months"),
    "source": _lazy("Source"),
    "source_date": _lazy("Date of the source"),
    "kind": _lazy("Kind of plan"),
    "discounts": _lazy("Discounts"),
    "connector_settings": _lazy("Connector settings"),
    "support_hours": _lazy("Hours of support"),
    "hardware": _lazy("Hardware"),
    "availability": _lazy("Availability"),
    "limits": _lazy("Limits"),
    "maturity": _lazy("Maturity"),
    "certifications": _lazy("Certifications"),
    "is_demonstration": _lazy("Demonstration"),
}

#: Of a plan and of a component: what has a rule of its own below.
_OF_A_PLAN: Final = (
    "name",
    "summary",
    "kind",
    "audience",
    "author",
    "endpoint_url",
    "order_url",
    "source",
    "source_date",
)
_APART_IN_A_PLAN: Final = frozenset({*_OF_A_PLAN, "slug", "months_max", "components"})
_APART_IN_A_COMPONENT: Final = frozenset({"metric", "label", "rate", "limit", "conversion_source"})


def changes(before: Content, after: Content) -> list[Change]:
    """What differs, in the order in which pages show it. ``before`` empty: all of it is new."""
    found: list[Change] = []
    new = not before
    for name in (name for names in SECTIONS.values() for name in names):
        old, now = before.get(name), after.get(name)
        if old != now:
            found.append(Change(str(_LABELS[name]), _words(name, old), _words(name, now), _reason_for(name, new=new)))
    # Also what is added to the record later: a change that nobody compared would be published unseen.
    for name in _differing(before, after, apart={"plans", "sources"}.union(*SECTIONS.values())):
        reason = _reason_for(name, new=new) or _("more than facts changes")
        found.append(_change("", name, before, after, reason))
    plans_before, plans_after = _by_slug(before), _by_slug(after)
    for slug, plan in plans_after.items():
        was = plans_before.get(slug)
        if was is None:
            label = _("Plan “%(plan)s”") % {"plan": plan["name"]}
            found.append(Change(label, _("none"), _plan_words(plan), _("a plan is added")))
        else:
            found += _plan_changes(was, plan)
    for slug, plan in plans_before.items():
        if slug not in plans_after:
            label = _("Plan “%(plan)s”") % {"plan": plan["name"]}
            found.append(Change(label, _plan_words(plan), _("no longer offered"), _("a plan is taken away")))
    return found


def _reason_for(name: str, *, new: bool) -> str:
    if new:
        return _("the offering is new")
    match name:
        case "tier":
            return _("the tier changes")
        case "sponsorable":
            return _("whether ESA sponsors it changes")
        case "limits":
            # Nobody can tell from a text whether it gives less than before.
            return _("what it gives at most changes")
        case _:
            return ""


def _plan_changes(was: Content, now: Content) -> list[Change]:
    found = []
    prefix = now["name"]
    for name in _OF_A_PLAN:
        if was.get(name) != now.get(name):
            reason = _("who may have a plan changes") if name in ("audience", "kind") else ""
            found.append(_change(prefix, name, was, now, reason))
    if was.get("months_max") != now.get("months_max"):
        lowered = _is_lower(was.get("months_max"), now.get("months_max"))
        found.append(_change(prefix, "months_max", was, now, _("a limit is lowered") if lowered else ""))
    found += [
        _change(prefix, name, was, now, _("what a plan holds changes"))
        for name in _differing(was, now, apart=_APART_IN_A_PLAN)
    ]
    before = {(each["metric"], each.get("label", "")): each for each in was.get("components", [])}
    after = {(each["metric"], each.get("label", "")): each for each in now.get("components", [])}
    for key, component in after.items():
        label = f"{prefix}: {component_name(component)}"
        old = before.get(key)
        if old is None:
            found.append(Change(label, _("not metered"), rate_words(component), _("what is paid for changes")))
        else:
            found += _component_changes(label, old, component)
    found += [
        Change(f"{prefix}: {component_name(old)}", rate_words(old), _("not metered"), _("what is paid for changes"))
        for key, old in before.items()
        if key not in after
    ]
    return found


def _component_changes(label: str, was: Content, now: Content) -> list[Change]:
    found = []
    if was.get("rate") != now.get("rate"):
        found.append(Change(label, rate_words(was), rate_words(now), _("a price changes")))
    if was.get("limit") != now.get("limit"):
        lowered = _is_lower(was.get("limit"), now.get("limit"))
        found.append(_change(label, "limit", was, now, _("a limit is lowered") if lowered else ""))
    found += [
        _change(label, name, was, now, _("a price changes"))
        for name in _differing(was, now, apart=_APART_IN_A_COMPONENT)
    ]
    if was.get("conversion_source") != now.get("conversion_source"):
        found.append(_change(label, "conversion_source", was, now, ""))
    return found


def _differing(was: Content, now: Content, *, apart: Set[str]) -> list[str]:
    """The names of all that is not the same, but for what is compared apart."""
    return [name for name in sorted((was.keys() | now.keys()) - apart) if was.get(name) != now.get(name)]


def _change(prefix: str, name: str, was: Content, now: Content, reason: str) -> Change:
    label = str(_LABELS.get(name, name))
    return Change(
        f"{prefix}: {label}" if prefix else label, _words(name, was.get(name)), _words(name, now.get(name)), reason
    )


def _is_lower(was: Any, now: Any) -> bool:
    """None is "no limit", above every number."""
    return now is not None and (was is None or Decimal(str(now)) < Decimal(str(was)))


def _words(name: str, value: Any) -> str:
    if name == "sponsorable":
        return _("Not stated") if value is None else _("Yes") if value else _("No")
    if _is_empty(value):
        return _("no limit") if name in ("limit", "months_max") else _("nothing")
    if name == "tier":
        return str(Tier(value).label) if value in Tier.values else str(value)
    if name == "kind":
        return str(PlanKind(value).label)
    if name == "discounts":
        return "; ".join(_discount_words(each) for each in value)
    if isinstance(value, dict):
        # Of a conversion the keys are metrics.
        names = {key: str(Metric(key).label) if key in Metric.values else key for key in value}
        return ", ".join(f"{names[key]}: {each}" for key, each in sorted(value.items()))
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return str(value)


def _discount_words(discount: Content) -> str:
    words = {
        "credits": discount["credits"],
        "who": Audience(discount["audience"]).label,
        "reason": discount.get("reason", ""),
        "day": discount["from"],
    }
    return _("%(credits)s credits from %(day)s for %(who)s: %(reason)s") % words


def component_name(component: Mapping[str, Any]) -> str:
    return str(component.get("label") or Metric(component["metric"]).label)


def rate_words(component: Mapping[str, Any]) -> str:
    """A component's price in words, with its first day and where it comes from."""
    rate = component.get("rate")
    if not rate:
        return _("price not stated")
    credits = rate["credits"]
    if rate.get("credits_low"):
        credits = _("%(low)s to %(high)s") % {"low": rate["credits_low"], "high": credits}
    words = {"credits": credits, "unit": Metric(component["metric"]).label, "day": rate["from"]}
    price = _("%(credits)s credits for each %(unit)s from %(day)s") % words
    source = rate.get("source") or Evidence(rate["evidence"]).label
    return f"{price} ({source})"


def _plan_words(plan: Content) -> str:
    components = plan.get("components", [])
    if not components:
        return _("price on request")
    return "; ".join(f"{component_name(each)}: {rate_words(each)}" for each in components)


# --- prices and their days --------------------------------------------------------------------------------------------


def priced_plans(content: Content) -> tuple[PlanEntry, ...]:
    """The plans as pricing takes them, for a preview: at the draft's rates, whenever they begin."""
    return tuple(
        PlanEntry(
            pk=number,
            slug=plan["slug"],
            name=plan.get("name", ""),
            kind=plan.get("kind", PlanKind.GENERAL),
            audience=plan.get("audience", ""),
            months_max=plan.get("months_max"),
            components=tuple(_priced(each) for each in plan.get("components", [])),
        )
        for number, plan in enumerate(content.get("plans", []), start=1)
    )


def _priced(component: Content) -> PricedComponent:
    rate = component.get("rate")
    return PricedComponent(
        component_id=0,
        rate_id=None,
        metric=component["metric"],
        label=component.get("label", ""),
        micro_per_unit=Decimal(rate["credits"]) * MICRO if rate else None,
        evidence=rate["evidence"] if rate else Evidence.SOURCED,
        micro_low=Decimal(rate["credits_low"]) * MICRO if rate and rate.get("credits_low") else None,
        **for_pricing(component),
    )


@dataclass(frozen=True)
class NewPrice:
    """A component that costs more than before, from a day on."""

    plan: str
    component: str
    unit: str
    before: str
    after: str
    starts_on: date


def dated(content: Content, base: Content, *, today: date, notice: timedelta) -> tuple[Content, list[NewPrice]]:
    """The content with the days from which its new rates hold, and which of them are dearer than before.

    A rate that did not change keeps its day. A new one never begins in the past, a dearer one not before its notice is
    over, and one that follows another not before the day after the other's first.
    """
    before = {
        (plan["slug"], each["metric"], each.get("label", "")): each.get("rate")
        for plan in base.get("plans", [])
        for each in plan.get("components", [])
    }
    result: Content = json.loads(json.dumps(content))
    dearer = []
    for plan in result.get("plans", []):
        for component in plan.get("components", []):
            rate = component.get("rate")
            was = before.get((plan["slug"], component["metric"], component.get("label", "")))
            if not rate or rate == was:
                continue
            if was is not None and says_the_same(rate, was):
                rate["from"] = was["from"]
                continue
            first = max(today, date.fromisoformat(rate["from"]))
            if was is not None:
                first = max(first, date.fromisoformat(was["from"]) + timedelta(days=1))
            if was is not None and Decimal(rate["credits"]) > Decimal(was["credits"]):
                first = max(first, today + notice)
                dearer.append(
                    NewPrice(
                        plan=plan["name"],
                        component=component_name(component),
                        unit=str(Metric(component["metric"]).label),
                        before=was["credits"],
                        after=rate["credits"],
                        starts_on=first,
                    )
                )
            rate["from"] = first.isoformat()
    return result, dearer


def says_the_same(rate: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """The same price with the same source: confirmed, not changed."""
    names = ("credits", "credits_low", "evidence", "source", "source_date")
    return all(rate.get(name, "") == other.get(name, "") for name in names)


# --- two who changed the same -----------------------------------------------------------------------------------------


def merged(base: Content, current: Content, draft: Content) -> Content:
    """The draft on top of what is public now: what only the catalogue changed is taken over, field by field and plan by plan.

    What both changed stays as the draft has it; the difference shows it.
    """
    result: Content = {}
    for name in dict.fromkeys((*draft, *current)):
        if name == "plans":
            continue
        value = draft.get(name) if draft.get(name) != base.get(name) else current.get(name)
        if not _is_empty(value):
            result[name] = value
    was, now, mine = (_by_slug(each) for each in (base, current, draft))
    plans = []
    for slug in dict.fromkeys((*mine, *now)):
        plan = mine.get(slug) if mine.get(slug) != was.get(slug) else now.get(slug)
        if plan is not None:
            plans.append(plan)
    if plans:
        result["plans"] = plans
    return result


def _by_slug(content: Content) -> dict[str, Content]:
    return {plan["slug"]: plan for plan in content.get("plans", [])}
