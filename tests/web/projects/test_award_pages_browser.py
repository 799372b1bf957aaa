"""The pages of awards and of the ledger in a real browser: both themes, on a phone, with and without script."""

from collections.abc import Callable
from datetime import datetime

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from earthcode.catalogue.models import Plan
from earthcode.identity.models import User
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning.models import Allocation
from earthcode.sponsorship.models import Award
from tests.conftest import plan_on
from tests.support.allocations import close
from tests.support.browser import AXE
from tests.support.people import fresh

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Open = Callable[..., Page]


@pytest.fixture
def freed(award: Award, alice: User, now: datetime) -> Award:
    """The credits for the hub were given back."""
    allocation = award.allocations.get(platform__slug="hub")
    provisioning.end(allocation, reason="Another platform is nearer.", by=fresh(alice), at=now)
    close(allocation, at=now)
    return award


@pytest.fixture
def near(batch_plan: Plan, now: datetime) -> Plan:
    return plan_on(batch_plan.offering.platform, "Near", {"vcpu_hour": "1"}, tier="platform", at=now)


@pytest.mark.parametrize(("width", "theme"), [(1280, "dark"), (390, "light")])
def test_a_page_can_be_used_by_everybody(
    visit: Open,
    complaints: list[str],
    freed: Award,
    near: Plan,
    alice: User,
    ben: User,
    maria: User,
    width: int,
    theme: str,
) -> None:
    wrong = {}
    use = f"/credits/use/?plan={near.pk}"
    for person, paths in (
        (
            alice,
            [
                f"/awards/{freed.reference}/",
                f"/awards/{freed.reference}/move/",
                f"{use}&cpu=1&hours=10&gb=0",
                f"{use}&cpu=900&hours=700",
                use[:13],
            ],
        ),
        (ben, [f"/awards/{freed.reference}/", use]),
        (maria, ["/ledger/", f"/ledger/accounts/award:{freed.reference}:available/", "/ledger/?q=nothing"]),
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


@pytest.mark.parametrize("script", [True, False])
def test_credits_are_moved_from_the_project_to_another_platform(
    visit: Open, freed: Award, near: Plan, alice: User, script: bool
) -> None:
    page = visit(alice, width=390, script=script)
    page.goto("/projects/alpine-snow/")
    page.get_by_role("link", name="Use them on any platform").click()
    page.get_by_role("link", name="Choose a platform").click()
    page.goto(f"/catalogue/{near.offering.slug}/?cpu=1&ram=1&hours=10&gb=0&months=3")
    page.locator(".plans").get_by_role("link", name="Request").click()
    page.get_by_role("link", name="Use your credits").click()
    page.get_by_role("button", name="Set 30 credits aside").click()

    expect(page.get_by_text("30 credits are set aside")).to_be_visible()
    assert Allocation.objects.get(line=None).plan == near
