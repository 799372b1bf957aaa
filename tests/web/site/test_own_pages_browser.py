"""The pages of people's own work in a real browser: accessible, light and dark, on a phone, under the CSP."""

import re
from collections.abc import Callable
from datetime import datetime

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from earthcode.identity.models import User
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning.models import Allocation
from earthcode.sponsorship.models import Award
from tests.support.allocations import activate, fail
from tests.support.browser import AXE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Open = Callable[..., Page]


@pytest.fixture
def hub(award: Award, now: datetime) -> Allocation:
    """In use."""
    allocation = award.allocations.select_related("platform", "award").get(platform__slug="hub")
    activate(allocation, at=now)
    return allocation


@pytest.fixture
def batch(award: Award, now: datetime) -> Allocation:
    """Refused by its platform."""
    allocation = award.allocations.select_related("platform", "award").get(platform__slug="batch")
    fail(allocation, at=now, error="The platform is full.")
    return allocation


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (1280, "dark"), (390, "light"), (320, "dark")])
def test_a_page_can_be_used_by_everybody(
    visit: Open,
    complaints: list[str],
    hub: Allocation,
    batch: Allocation,
    alice: User,
    maria: User,
    petra: User,
    stranger: User,
    width: int,
    theme: str,
) -> None:
    wrong = {}
    of_hub, of_batch = f"/allocations/{hub.reference}/", f"/allocations/{batch.reference}/"
    for person, paths in (
        (None, ["/help/", "/accessibility/", "/privacy/", "/api/docs/"]),
        (stranger, ["/home/", "/allocations/", "/notifications/"]),
        (alice, ["/home/", "/allocations/", of_hub, of_batch, f"{of_hub}end/", "/notifications/", "/account/"]),
        (alice, [f"/simulated-platform/{hub.reference}/"]),
        (petra, ["/home/", "/provider/orders/", "/account/"]),
        (maria, ["/home/", of_batch, "/audit/", "/audit/?reference=nothing"]),
    ):
        page = visit(person, width=width, theme=theme)
        for path in paths:
            page.goto(path)
            sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            found = Axe().run(page, options=AXE)
            if sideways > 0 or complaints or found.violations_count:
                report = found.generate_report() if found.violations_count else ""
                wrong[f"{path} for {person}"] = (sideways, list(complaints), report)
            complaints.clear()

    assert wrong == {}


def test_the_page_follows_the_set_up_by_itself(visit: Open, award: Award, alice: User, now: datetime) -> None:
    allocation = award.allocations.select_related("platform", "award").get(platform__slug="hub")
    page = visit(alice)
    page.goto(f"/allocations/{allocation.reference}/")
    expect(page.get_by_text("A worker takes it next.")).to_be_visible()
    expect(page.get_by_role("link", name="Open platform")).to_have_count(0)

    allocation.operations.update(attempts=1, error="The platform is busy.")
    expect(page.get_by_text("The platform is busy.")).to_be_visible()
    activate(allocation, at=now)

    expect(page.get_by_role("link", name="Open platform")).to_be_visible(timeout=15_000)
    expect(page.get_by_role("link", name="Refresh")).to_have_count(0)


def test_without_script_the_page_is_refreshed_by_a_link(visit: Open, award: Award, alice: User, now: datetime) -> None:
    allocation = award.allocations.select_related("platform", "award").get(platform__slug="hub")
    page = visit(alice, script=False)
    page.goto(f"/allocations/{allocation.reference}/")
    activate(allocation, at=now)

    page.get_by_role("link", name="Refresh").click()

    expect(page.get_by_role("link", name="Open platform")).to_be_visible()


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_an_allocation_is_ended_by_its_leader(visit: Open, hub: Allocation, alice: User, script: bool) -> None:
    page = visit(alice, script=script)
    page.goto(f"/allocations/{hub.reference}/")

    page.get_by_role("link", name="End allocation").click()
    page.get_by_role("button", name="End allocation").click()
    expect(page.get_by_role("link", name="Enter a reason. The project will see it.")).to_be_visible()
    page.get_by_label("Reason").fill("We are done.")
    page.get_by_role("button", name="End allocation").click()

    expect(page.get_by_text("Access is being removed", exact=True)).to_be_visible()
    expect(page.locator(".notice", has_text="We are done.")).to_be_visible()


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_the_provider_has_it_tried_again(visit: Open, batch: Allocation, maria: User, script: bool) -> None:
    page = visit(maria, script=script)
    page.goto(f"/allocations/{batch.reference}/")

    page.get_by_role("button", name="Try again").click()

    expect(page.get_by_text("Set up access is tried again.")).to_be_visible()
    expect(page.get_by_text("A worker takes it next.")).to_be_visible()


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_a_message_is_opened_and_read(visit: Open, hub: Allocation, alice: User, now: datetime, script: bool) -> None:
    provisioning.end(hub, reason="Done.", by=alice, at=now)
    page = visit(alice, script=script)
    page.goto("/notifications/?show=unread")

    page.get_by_role("link", name="credits granted").click()
    expect(page).to_have_url(re.compile("/requests/NOR-"))
    page.goto("/notifications/?show=unread")

    expect(page.get_by_role("heading", name="You have read everything")).to_be_visible()
