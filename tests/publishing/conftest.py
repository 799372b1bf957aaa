"""What the tests of publishing share."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from earthcode.audit.models import Event
from earthcode.catalogue.models import Component, Offering, Plan, Platform, Rate
from earthcode.identity.models import User
from earthcode.notifications.models import Message
from earthcode.publishing import actions as publishing
from earthcode.publishing.models import Announcement, Draft, MaintenanceWindow

_MODELS = (Draft, MaintenanceWindow, Announcement, Offering, Plan, Component, Rate, Message, Event)


@pytest.fixture
def everything(db: None) -> Callable[[], list[list[Any]]]:
    """All that is stored of drafts, the catalogue and messages: equal before and after whatever was refused."""

    def read() -> list[list[Any]]:
        return [list(model._default_manager.order_by("pk").values()) for model in _MODELS]

    return read


ABOUT = {
    "name": "Tide notebooks",
    "code": "TN",
    "summary": "Notebooks with tide gauges beside them.",
    "tier": "platform",
    "service_types": ["IDE"],
    "sponsorable": True,
}


def component(metric: str = "vcpu_hour", price: str = "0.1", **values: Any) -> dict[str, Any]:
    """As a form hands it to ``save_plan``."""
    rate = {"credits": price, "from": "2026-11-02", "evidence": "demonstration", "source": "", "source_date": ""}
    return {"metric": metric, "label": "", "included": "0", "step": "0", "free_months": 0, "rate": rate, **values}


@pytest.fixture
def new_draft(hub_platform: Platform, petra: User, now: datetime) -> Draft:
    """Of an offering that does not exist yet: complete, with one plan."""
    draft = publishing.start(platform=hub_platform, name="Tide notebooks", by=petra, at=now)
    publishing.save_section(draft, section="about", values=ABOUT, by=petra, at=now)
    publishing.save_plan(
        draft, slug="", values={"name": "By the hour", "kind": "general", "components": [component()]}, by=petra, at=now
    )
    return draft


@pytest.fixture
def paul(person: Any, provider: Any) -> User:
    """A second administrator of Petra's organisation."""
    from earthcode.identity.roles import Role

    made: User = person(
        "paul", "Paul Novak", organisation=provider, role=Role.PROVIDER_ADMINISTRATOR, role_for=provider
    )
    return made
