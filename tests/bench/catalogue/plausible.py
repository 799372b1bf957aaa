"""Plausible offerings by the thousand: the same ones each time, spread as the real ones are."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from psycopg.types.range import Range

from earthcode.catalogue.metrics import Evidence
from earthcode.catalogue.models import Component, Offering, Plan, PlanKind, Platform, Rate, Tier
from earthcode.identity.models import Organisation

AT = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
ALWAYS = Range(date(2026, 1, 1), None)
EARLIER = Range(date(2025, 1, 1), date(2026, 1, 1))

# fmt: off
INTERFACES = ("JupyterLab", "Python client", "openEO", "Web application", "S3", "STAC", "Dask", "OGC API Processes", "VS Code",
              "R client", "OGC web services", "Command line", "JavaScript client", "QGIS", "Argo workflow")
DATASETS = ("Sentinel-2", "Sentinel-1", "Sentinel-3", "Landsat", "Sentinel-5P", "Copernicus Services", "ERA5", "WorldCover",
            "CryoSat-2", "SMOS", "PlanetScope", "Pléiades", "Envisat", "EnMAP", "PRISMA", "Sentinel-6", "MODIS", "SWOT")
SERVICES = ("Data processing (DPaaS)", "Development environment (IDE)", "Application hosting (AH)", "Virtual machines (IaaS)",
            "Managed platform (PaaS)", "Managed software (SaaS)")
COUNTRIES = ("DE", "PL", "AT", "BE", "IT", "FR", "NL", "ES", "FI", "CZ", "", "", "", "")
THEMES = ("snow", "forest", "ocean colour", "peatland", "urban heat", "crop yield", "sea ice", "soil moisture", "methane",
          "wildfire", "lake ice", "permafrost", "land cover", "coastal erosion", "air quality", "drought")
KINDS = ("notebooks", "data cube", "processing", "exploitation platform", "workspace", "archive", "cluster", "service")
# fmt: on

Part = tuple[str, float, dict[str, Any]]
#: Metric, price for each unit, terms: one of these is a plan, with a price of its own for each offering.
PATTERNS: tuple[tuple[str, tuple[Part, ...]], ...] = (
    ("By the hour", (("vcpu_hour", 0.05, {}), ("memory_gb_hour", 0.006, {}), ("gb_month", 0.02, {}))),
    ("With GPU", (("vcpu_hour", 0.05, {}), ("gpu_hour", 0.9, {"label": "NVIDIA L4"}), ("gb_month", 0.02, {}))),
    ("Small servers", (("processing_hour", 0.2, {}), ("gb_month", 0.03, {"included": 50}))),
    ("Prepaid hours", (("processing_hour", 1.1, {"step": 100, "block_months": 12}),)),
    ("Subscription", (("subscription_month", 80, {}), ("vcpu_hour", 0.03, {"included": 500}), ("gb_month", 0.02, {}))),
    ("Free tier", (("processing_hour", 0, {"limit": 40}), ("gb_month", 0, {"limit": 20}))),
    ("Processing units", (("processing_unit", 0.0015, {"included": 70000, "step": 50000}),)),
    ("Credits", (("openeo_credit", 0.01, {"conversion": {"vcpu_hour": "1.62", "memory_gb_hour": "1.07"}}),)),
    ("By area", (("km2", 0.1, {}),)),
    ("By product", (("product", 2.5, {}), ("one_time", 100, {"label": "Set up"}))),
    ("Price on request", ()),
    ("Price on request", ()),
    ("Price on request", ()),
)


def make_offerings(count: int) -> None:
    """Make the catalogue hold this many offerings, about two plans each; as fast as the database takes them."""
    chance = random.Random(2026)  # noqa: S311  # the same offerings in each run
    with connection.cursor() as cursor:
        # What is still to be checked at the end of the transaction would stand in the way.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        # Once for each offering instead of once more for each of its plans.
        cursor.execute("ALTER TABLE catalogue_plan DISABLE TRIGGER catalogue_plan_reindex")
    providers = Organisation.objects.bulk_create(
        Organisation(slug=f"provider-{n}", name=f"Provider {n}", country=chance.choice(COUNTRIES))
        for n in range(max(2, count // 25))
    )
    platforms = Platform.objects.bulk_create(
        Platform(
            slug=f"platform-{n}",
            name=f"Platform {n}",
            provider=chance.choice(providers),
            earthcode_integrated=chance.random() < 0.2,
            is_open_science=chance.random() < 0.5,
        )
        for n in range(max(2, count // 5))
    )
    offerings = Offering.objects.bulk_create(
        [_offering(n, chance.choice(platforms), chance) for n in range(count)], batch_size=1000
    )
    plans = []
    patterns = []
    for offering in offerings:
        for number in range(chance.choice((1, 1, 2, 2, 2, 3, 4))):
            name, parts = chance.choice(PATTERNS)
            plans.append(_plan(offering, number, name))
            patterns.append(parts)
    plans = Plan.objects.bulk_create(plans, batch_size=5000)
    components, prices = [], []
    for plan, parts in zip(plans, patterns, strict=True):
        for metric, price, terms in parts:
            components.append(_component(plan, metric, terms))
            prices.append(Decimal(price * chance.uniform(0.5, 2)).quantize(Decimal("0.0001")) * 1_000_000)
    components = Component.objects.bulk_create(components, batch_size=5000)
    Rate.objects.bulk_create(
        (
            Rate(
                component=component,
                valid=valid,
                micro_per_unit=price,
                evidence=Evidence.SOURCED,
                source="https://prices.example/",
                source_date="2026-01",
            )
            for component, price in zip(components, prices, strict=True)
            for valid in (EARLIER, ALWAYS)
        ),
        batch_size=5000,
    )
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE catalogue_plan ENABLE TRIGGER catalogue_plan_reindex")
        cursor.execute("UPDATE catalogue_offering SET search = NULL")
        cursor.execute("ANALYZE catalogue_offering, catalogue_plan, catalogue_component, catalogue_rate")


def _some(names: Sequence[str], most: int, chance: random.Random) -> list[str]:
    """Those in front more often: everybody has Sentinel-2, few have SWOT."""
    weights = [1 / (place + 1) for place in range(len(names))]
    return list(dict.fromkeys(chance.choices(names, weights, k=chance.randint(1, most))))


def _offering(number: int, platform: Platform, chance: random.Random) -> Offering:
    theme, kind = chance.choice(THEMES), chance.choice(KINDS)
    country = chance.choice(COUNTRIES)
    return Offering(
        slug=f"offering-{number}",
        platform=platform,
        name=f"{theme.capitalize()} {kind} {number}",
        summary=f"{kind.capitalize()} for work on {theme}, next to the data it needs, with help from people who know it.",
        tier=chance.choice(Tier.values),
        service_types=_some(SERVICES, 2, chance),
        interfaces=_some(INTERFACES, 5, chance),
        datasets=_some(DATASETS, 8, chance),
        workflow_types=["Jupyter notebook"] if chance.random() < 0.5 else [],
        country=country,
        place=f"Data centre {country}" if country else "",
        sponsorable=chance.choice((True, True, False, None)),
        sources={"datasets": {"source": "https://data.example/", "date": "2026-01"}},
        updated_at=AT,
    )


def _plan(offering: Offering, number: int, name: str) -> Plan:
    return Plan(
        offering=offering, slug=f"plan-{number}", name=name, kind=PlanKind.GENERAL, source="https://prices.example/"
    )


def _component(plan: Plan, metric: str, terms: dict[str, Any]) -> Component:
    source = "https://prices.example/" if "conversion" in terms else ""
    return Component(plan=plan, metric=metric, conversion_source=source, **terms)
