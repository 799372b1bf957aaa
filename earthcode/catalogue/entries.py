"""The listed offerings with their plans and the rates of one day, as small as lists and prices need them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from django.db import connection

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
    plans: tuple[PlanEntry, ...]


#: Each offering with its platform and provider, and its plans in JSON: what a plan meters, with the rates of the day.
#: One statement, so that all of it is of one moment. Each subquery looks its few rows up by an index: joined to what is
#: grouped before, a wrong guess of the planner's (as before the first ANALYZE) would make it group again for every row.
_LISTED: Final = """
SELECT
    offering.id, offering.slug, offering.name, offering.code, offering.summary, offering.place, offering.country,
    offering.longitude, offering.latitude, offering.tier, offering.service_types, offering.interfaces, offering.datasets,
    offering.workflow_types, offering.access_url, offering.sponsorable, offering.is_demonstration,
    platform.id, platform.name, platform.registry_id, platform.access_url, platform.earthcode_integrated,
    provider.slug, provider.name,
    (
        SELECT json_agg(json_build_array(
            plan.id, plan.slug, plan.name, plan.kind, plan.audience, plan.months_max,
            (
                SELECT json_agg(json_build_array(
                    component.id, component.metric, component.label, component.included, component.limit, component.step,
                    component.free_months, component.block_months, component.conversion, component.conversion_low,
                    (
                        SELECT json_agg(json_build_array(
                            rate.id, rate.audience, rate.reason, rate.micro_per_unit, rate.micro_low, rate.evidence
                        ) ORDER BY rate.audience)
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
    )::text
FROM catalogue_offering offering
JOIN catalogue_platform platform ON platform.id = offering.platform_id
JOIN identity_organisation provider ON provider.id = platform.provider_id
WHERE offering.is_listed
ORDER BY offering.name, offering.id
"""


def listed_on(day: date) -> list[OfferingEntry]:
    """All listed offerings by name; one query."""
    with connection.cursor() as cursor:
        cursor.execute(_LISTED, {"day": day})
        return [_offering(row) for row in cursor.fetchall()]


def _offering(row: Sequence[Any]) -> OfferingEntry:
    (
        pk, slug, name, code, summary, place, country, longitude, latitude, tier, service_types, interfaces, datasets,
        workflow_types, access_url, sponsorable, is_demonstration,
        platform_id, platform, registry_id, platform_url, is_integrated, provider_slug, provider, plans,
    ) = row  # fmt: skip
    return OfferingEntry(
        pk=pk,
        slug=slug,
        name=name,
        monogram=code or monogram(name),
        summary=summary,
        platform_id=platform_id,
        platform=platform,
        platform_registry_id=registry_id,
        platform_url=platform_url,
        provider=provider,
        provider_slug=provider_slug,
        place=place,
        country=country,
        location=None if longitude is None or latitude is None else (longitude, latitude),
        tier=tier,
        service_types=tuple(service_types),
        interfaces=tuple(interfaces),
        datasets=tuple(datasets),
        workflow_types=tuple(workflow_types),
        access_url=access_url,
        sponsorable=sponsorable,
        is_integrated=is_integrated,
        is_demonstration=is_demonstration,
        # Rates are exact, which a float is not.
        plans=tuple(map(_plan, json.loads(plans, parse_float=Decimal))) if plans else (),
    )


def _plan(row: Sequence[Any]) -> PlanEntry:
    pk, slug, name, kind, audience, months_max, components = row
    priced = (priced_component(component, terms, rates or ()) for component, *terms, rates in components or ())
    return PlanEntry(pk, slug, name, kind, audience, months_max, tuple(priced))
