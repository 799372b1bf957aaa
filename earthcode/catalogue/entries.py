"""The listed offerings with their plans and the rates of one day, as small as lists and prices need them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from earthcode.catalogue.component_terms import PRICE_TERMS, RATE_PRICE_TERMS, columns
from earthcode.catalogue.models import monogram
from earthcode.catalogue.pricing import PricedComponent
from earthcode.catalogue.queries import priced_component


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """What pricing needs of a plan."""

    pk: int
    slug: str
    name: str
    kind: str
    audience: str
    months_max: int | None
    components: tuple[PricedComponent, ...]

    @property
    def is_stated_free(self) -> bool:
        """Whether everything it meters is published as costing nothing."""
        return bool(self.components) and all(component.micro_per_unit == 0 for component in self.components)


@dataclass(frozen=True, slots=True)
class OfferingEntry:
    """What the list shows of an offering."""

    pk: int
    slug: str
    name: str
    monogram: str
    summary: str
    platform_id: int
    platform: str
    platform_registry_id: str
    platform_url: str
    provider: str
    provider_slug: str
    place: str
    country: str
    location: tuple[float, float] | None
    tier: str
    service_types: tuple[str, ...]
    interfaces: tuple[str, ...]
    datasets: tuple[str, ...]
    workflow_types: tuple[str, ...]
    access_url: str
    sponsorable: bool | None
    is_integrated: bool
    is_demonstration: bool
    hardware: str
    plans: tuple[PlanEntry, ...]


_OFFERING: Final = (
    *("id", "slug", "name", "code", "summary", "place", "country", "longitude", "latitude", "tier", "service_types"),
    *(
        "interfaces",
        "datasets",
        "workflow_types",
        "access_url",
        "sponsorable",
        "is_demonstration",
        "platform_id",
        "hardware",
    ),
)
_PLAN: Final = ("id", "slug", "name", "kind", "audience", "months_max")
_COMPONENT: Final = ("id", "metric", "label", *(term.name for term in PRICE_TERMS))
_RATE: Final = ("id", *RATE_PRICE_TERMS)

#: Each offering with its platform and provider, and its plans in JSON: what a plan meters, with the rates of the day.
#: One statement, so that all of it is of one moment. Each subquery looks its few rows up by an index: joined to what is
#: grouped before, a wrong guess of the planner's (as before the first ANALYZE) would make it group again for every row.
_LISTED: Final = f"""
SELECT
    {", ".join(f"offering.{name}" for name in _OFFERING)},
    platform.name AS platform, platform.registry_id AS platform_registry_id, platform.access_url AS platform_url,
    platform.earthcode_integrated AS is_integrated, provider.slug AS provider_slug, provider.name AS provider,
    (
        SELECT json_agg(json_build_object(
            {columns("plan", _PLAN)}, 'components', (
                SELECT json_agg(json_build_object(
                    {columns("component", _COMPONENT)}, 'rates', (
                        SELECT json_agg(json_build_object({columns("rate", _RATE)}) ORDER BY rate.audience)
                        FROM catalogue_rate rate
                        WHERE rate.component_id = component.id AND rate.valid @> %(day)s::date
                    )
                ) ORDER BY component.id)
                FROM catalogue_component component
                WHERE component.plan_id = plan.id AND component.in_use
            )
        ) ORDER BY plan.id)
        FROM catalogue_plan plan
        WHERE plan.offering_id = offering.id AND plan.is_listed
    )::text AS plans
FROM catalogue_offering offering
JOIN catalogue_platform platform ON platform.id = offering.platform_id
JOIN identity_organisation provider ON provider.id = platform.provider_id
WHERE offering.is_listed
ORDER BY offering.name, offering.id
"""  # noqa: S608  # names of columns, all written above or in ``component_terms``


def listed_on(day: date) -> list[OfferingEntry]:
    """All listed offerings by name; one query."""
    with connection.cursor() as cursor:
        cursor.execute(_LISTED, {"day": day})
        names = [column.name for column in cursor.description]
        return [_offering(dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def _offering(row: dict[str, Any]) -> OfferingEntry:
    longitude, latitude, plans = row.pop("longitude"), row.pop("latitude"), row.pop("plans")
    named: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    return OfferingEntry(
        pk=named.pop("id"),
        monogram=named.pop("code") or monogram(named["name"]),
        location=None if longitude is None or latitude is None else (longitude, latitude),
        # Rates are exact, which a float is not.
        plans=tuple(map(_plan, json.loads(plans, parse_float=Decimal))) if plans else (),
        **named,
    )


def _plan(row: dict[str, Any]) -> PlanEntry:
    components = row.pop("components") or ()
    priced = (priced_component(component, component["rates"] or ()) for component in components)
    return PlanEntry(pk=row.pop("id"), components=tuple(priced), **row)
