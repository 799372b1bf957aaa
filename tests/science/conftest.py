"""Workflows and experiments made for a test, in the shape in which the Open Science Catalog has them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from earthcode.audit.actors import System
from earthcode.science import actions
from earthcode.science.actions import ImportReport

AT = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)

Import = Callable[..., ImportReport]


def a_record(osc_id: str = "sea-ice", kind: str = "workflow", **properties: Any) -> dict[str, Any]:
    """A record that states everything; ``links`` replaces its links, None takes a property away."""
    links = properties.pop("links", [])
    stated = {
        "type": kind,
        "title": f"Title of {osc_id}",
        "description": "Made for a test.",
        "updated": "2026-03-20T16:12:28Z",
        "keywords": ["Sentinel-2"],
        "themes": [{"scheme": "https://themes.example/", "concepts": [{"id": "oceans"}]}],
        "license": "MIT",
        **properties,
    }
    return {
        "id": osc_id,
        "type": "Feature",
        "geometry": None,
        "properties": {name: value for name, value in stated.items() if value is not None},
        "links": links,
    }


def a_link(rel: str, href: str, title: str = "", **of_link: Any) -> dict[str, Any]:
    return {"rel": rel, "href": href, "title": title, **of_link}


@pytest.fixture
def imported(db: None, tmp_path: Path) -> Import:
    """Imports one file with these records: ``imported(a_record())``."""

    def run(*records: object, at: datetime = AT, **options: Any) -> ImportReport:
        path = tmp_path / "records.json"
        path.write_text(json.dumps(list(records), indent=1), encoding="utf-8")
        return actions.import_paths([path], by=System("import"), at=at, **options)

    return run
