"""The pages of those who run offerings in a real browser: accessible, light and dark, on a phone, and live while one types."""

import os
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from earthcode.catalogue.models import Plan, Platform
from earthcode.identity.models import User
from earthcode.publishing import actions as publishing
from earthcode.publishing import notices
from earthcode.publishing.content import plan_of
from earthcode.publishing.models import Draft
from tests.support.browser import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Open = Callable[..., Page]


@pytest.fixture
def waiting(hub_plan: Plan, petra: User, now: datetime) -> Draft:
    """A draft with a higher price and another summary, sent to ESA."""
    draft = publishing.edit(hub_plan.offering, by=petra, at=now)
    plan = plan_of(draft.content, "standard")
    assert plan is not None
    components = [{**each, "rate": {**each["rate"], "credits": "0.09"}} for each in plan["components"]]
    publishing.save_plan(draft, slug="standard", values={**plan, "components": components}, by=petra, at=now)
    publishing.save_section(
        draft, section="work", values={"datasets": ["Sentinel-2"], "place": "Kiel"}, by=petra, at=now
    )
    publishing.submit(draft, note="Electricity costs more.", by=petra, at=now)
    return draft


@pytest.fixture
def new(hub_platform: Platform, petra: User, now: datetime) -> Draft:
    return publishing.start(platform=hub_platform, name="Tide notebooks", by=petra, at=now)


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_the_pages_can_be_used_by_everybody(
    visit: Open,
    live_server: object,
    complaints: list[str],
    waiting: Draft,
    new: Draft,
    batch_plan: Plan,
    hub_plan: Plan,
    petra: User,
    maria: User,
    now: datetime,
    width: int,
    theme: str,
) -> None:
    offering = hub_plan.offering
    window = notices.announce_maintenance(
        offering.platform,
        starts_at=now + timedelta(days=1),
        ends_at=now + timedelta(days=1, hours=3),
        affects="Sign-in and new servers",
        by=petra,
        at=now,
    )
    notices.announce(offering, title="A new data centre", words="Everything moves to Kiel.", by=petra, at=now)
    notices.retire(
        offering, retires_on=now.date() + timedelta(days=90), replaced_by=batch_plan.offering, by=petra, at=now
    )
    shots = os.environ.get("PUBLISHING_SHOTS", "")
    for person, addresses in (
        (
            petra,
            [
                reverse("offerings"),
                reverse("offering_new"),
                reverse("offering_manage", args=[offering.slug]),
                reverse("offering_announce", args=[offering.slug]),
                reverse("offering_retire", args=[offering.slug]),
                reverse("maintenance"),
                reverse("maintenance_window", args=[window.pk]),
                reverse("provider_trail"),
                waiting.get_absolute_url(),
                new.get_absolute_url(),
                reverse("offering_draft_section", args=[new.pk, "about"]),
                reverse("offering_draft_section", args=[new.pk, "work"]),
                reverse("offering_draft_plan_new", args=[new.pk]),
                reverse("offering_draft_check", args=[new.pk]),
                offering.get_absolute_url(),
            ],
        ),
        (maria, [reverse("offering_approvals"), reverse("offering_approval", args=[waiting.pk])]),
    ):
        page = visit(person, width=width, theme=theme)
        visitor = Visitor(page, of=str(live_server))
        for address in addresses:
            page.goto(address)
            visitor.check()
            if shots:
                name = re.sub(r"\W+", "-", address).strip("-")
                page.screenshot(path=Path(shots) / f"{name}-{width}-{theme}.png", full_page=True)
    assert complaints == []


def test_the_card_follows_what_is_typed(visit: Open, complaints: list[str], new: Draft, petra: User) -> None:
    page = visit(petra)
    page.goto(reverse("offering_draft_plan_new", args=[new.pk]))

    page.get_by_label("Name of the plan").fill("By the hour")
    page.get_by_label("Paid for each").first.select_option("vcpu_hour")
    page.get_by_label("Price", exact=False).first.fill("0.5")

    # 8 processors for 60 hours in each of 6 months.
    expect(page.locator("#preview .price-total")).to_contain_text("1\u202f440")
    page.get_by_role("button", name="Save the plan").click()
    expect(page.get_by_role("link", name="By the hour")).to_be_visible()
    assert complaints == []
