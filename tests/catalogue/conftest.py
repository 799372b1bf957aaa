"""Offerings made for a test, and the files they could come from."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from earthcode.audit.actors import System
from earthcode.catalogue import actions
from earthcode.catalogue.actions import ImportReport
from earthcode.catalogue.metrics import Evidence
from earthcode.catalogue.pricing import PricedComponent
from earthcode.lib.money import credits

AT = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
TODAY = date(2026, 11, 2)

MakeComponent = Callable[..., PricedComponent]
Import = Callable[..., ImportReport]


@pytest.fixture
def component() -> MakeComponent:
    """Makes one thing a plan meters: ``component("vcpu_hour", "0.05", included=100)``; a rate of None is not published."""
    made = 0

    def make(metric: str, rate: str | None, **of_component: Any) -> PricedComponent:
        nonlocal made
        made += 1
        numbers = {
            name: Decimal(value) if name in ("included", "limit", "step") else value
            for name, value in of_component.items()
        }
        return PricedComponent(
            component_id=made,
            rate_id=None if rate is None else 100 + made,
            metric=metric,
            label=numbers.pop("label", ""),
            included=numbers.pop("included", Decimal(0)),
            micro_per_unit=None if rate is None else Decimal(credits(rate)),
            evidence=numbers.pop("evidence", Evidence.SOURCED),
            **numbers,
        )

    return make


def rate(credits_per_unit: str | list[str], day: str = "2026-01-01", **of_rate: Any) -> dict[str, Any]:
    """A sourced rate, as a file has it."""
    return {
        "credits": credits_per_unit,
        "from": day,
        "evidence": "sourced",
        "source": "https://prices.example/",
        "source_date": "2026-01",
        **of_rate,
    }


def an_offering(slug: str = "cube", **of_offering: Any) -> dict[str, Any]:
    """An offering with one plan of two components, as a file has it."""
    return {
        "slug": slug,
        "platform": "cubes",
        "name": "Cube of snow",
        "summary": "Cubes of snow to work on.",
        "tier": "platform",
        "service_types": ["IDE"],
        "interfaces": ["Jupyter"],
        "datasets": ["S5P", "Sentinel-2"],
        "sources": {"datasets": {"source": "https://cube.example/data", "date": "2026-01"}},
        "plans": [
            {
                "slug": "hourly",
                "name": "By the hour",
                "components": [
                    {"metric": "vcpu_hour", "rate": rate("0.05")},
                    {"metric": "gb_month", "rate": rate("0.02")},
                ],
            }
        ],
        **of_offering,
    }


def a_file(*offerings: Mapping[str, Any], **of_file: Any) -> dict[str, Any]:
    """A complete file with one provider and one platform."""
    return {
        "providers": [{"slug": "snow-works", "name": "Snow Works", "country": "AT"}],
        "platforms": [{"slug": "cubes", "name": "Cubes", "provider": "snow-works", "earthcode_integrated": True}],
        "offerings": list(offerings),
        **of_file,
    }


@pytest.fixture
def imported(db: None, tmp_path: Path) -> Import:
    """Imports a file: ``imported(a_file(an_offering()))``."""

    def run(document: object, *, at: datetime = AT) -> ImportReport:
        path = tmp_path / "file.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        return actions.import_files([path], by=System("import"), at=at)

    return run
