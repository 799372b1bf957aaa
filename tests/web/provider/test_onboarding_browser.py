"""Becoming a provider in a real browser: accessible, light and dark, on a phone, and the whole way without scripts."""

import os
from collections.abc import Callable
from datetime import datetime

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from earthcode.identity.models import User
from earthcode.onboarding import actions as onboarding
from earthcode.onboarding.models import Application, ApplicationStatus, CheckRun, Outcome
from tests.support.browser import Visitor
from tests.support.onboarding import EVIDENCE, START

#: ``SCREENSHOTS`` names a folder for pictures of the pages, for people to look at.
SCREENSHOTS = os.environ.get("SCREENSHOTS", "")

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Open = Callable[..., Page]


@pytest.fixture
def application(stranger: User, maria: User, now: datetime) -> Application:
    """Returned with one item, and a check of each outcome."""
    application = onboarding.start(**START, by=stranger, at=now)
    for requirement in application.requirements:
        onboarding.give(application, requirement.code, evidence=EVIDENCE[requirement.code], by=stranger, at=now)
    onboarding.submit(application, by=stranger, at=now)
    for run, outcome in zip(CheckRun.objects.order_by("pk"), Outcome.values, strict=False):
        CheckRun.objects.filter(pk=run.pk).update(outcome=outcome, sentence="It answers with a page.", done_at=now)
    onboarding.accept_item(application, "support", comment="Good.", by=maria, at=now)
    onboarding.return_item(application, "sla", comment="How is it measured?", by=maria, at=now)
    return application


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_the_pages_are_in_order(
    width: int,
    theme: str,
    application: Application,
    stranger: User,
    maria: User,
    petra: User,
    now: datetime,
    visit: Open,
    complaints: list[str],
    live_server: object,
) -> None:
    def look(person: User, *paths: str) -> None:
        page = visit(person, width=width, theme=theme)
        visitor = Visitor(page, of=str(live_server))
        for path in paths:
            page.goto(path)
            visitor.check()
            if SCREENSHOTS:
                name = path.strip("/").replace("/", "-")
                page.screenshot(path=f"{SCREENSHOTS}/{name}-{width}-{theme}.png", full_page=True)

    review = f"/review/applications/{application.reference}/"
    look(maria, "/review/applications/", review)
    onboarding.return_to_applicant(application, reason="One item to mend.", by=maria, at=now)
    hub = application.get_absolute_url()
    look(
        stranger, "/providers/", "/applications/new/", hub, f"{hub}items/sla/", f"{hub}items/execution/", f"{hub}about/"
    )
    look(petra, reverse("administrators", args=["hub-house"]))

    assert complaints == []


def test_returned_mended_and_accepted_without_scripts(
    application: Application, stranger: User, maria: User, visit: Open
) -> None:
    review = f"/review/applications/{application.reference}/"
    at_esa = visit(maria, script=False)
    at_esa.goto(review)
    at_esa.get_by_label("Return to the applicant").check()
    at_esa.get_by_label("Reason").fill("One item to mend.")
    at_esa.get_by_role("button", name="Record the decision").click()
    expect(at_esa.get_by_text("is back with the applicant")).to_be_visible()

    applicant = visit(stranger, script=False, width=390)
    applicant.goto(application.get_absolute_url())
    applicant.locator(".notice").get_by_role("link", name="Service level").click()
    expect(applicant.get_by_text("How is it measured?")).to_be_visible()
    applicant.get_by_label("Availability").fill("99.5 %, from outside")
    applicant.get_by_role("button", name="Save and continue").click()
    applicant.get_by_label("Your answer to ESA").fill("It says so now.")
    applicant.get_by_role("button", name="Submit to ESA").click()
    expect(applicant.get_by_text("is with ESA.")).to_be_visible()

    at_esa.goto(review)
    for code in [each.code for each in application.requirements if each.code != "support"]:
        item = at_esa.locator(f"#{code}")
        item.get_by_label("Comment").fill("Good.")
        item.get_by_role("button", name="Accept item").click()
        # The page is a new one each time: wait for it, or the next click goes to the old one.
        expect(item.locator(".status")).to_contain_text("Accepted")
    at_esa.get_by_label("Accept", exact=True).check()
    at_esa.get_by_label("Reason").fill("All there.")
    at_esa.get_by_role("button", name="Record the decision").click()
    expect(at_esa.get_by_text("Glacier Cloud is a provider now")).to_be_visible()

    application.refresh_from_db()
    assert application.status == ApplicationStatus.ACCEPTED
    applicant.goto("/providers/")
    applicant.get_by_role("link", name="Administrators").click()
    expect(applicant.get_by_text("Added by Maria Rossi")).to_be_visible()
