"""Somebody who has never seen the site becomes a provider and publishes an offering, by what the pages say."""

from collections.abc import Callable, Mapping

import pytest
from playwright.sync_api import Page, expect

from earthcode.audit.models import Event
from earthcode.catalogue.models import Offering
from earthcode.identity.models import User
from tests.support.onboarding import EVIDENCE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Open = Callable[..., Page]


def fill(page: Page, answers: Mapping[str, str]) -> None:
    """Type into the page's main form."""
    for name, value in answers.items():
        field = page.locator(f"main form [name={name}]").first
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(value)
        elif field.get_attribute("type") == "radio":
            page.locator(f"main form [name={name}][value={value}]").check()
        else:
            field.fill(value)


def last_part(address: str) -> str:
    return address.strip("/").rpartition("/")[2]


def test_from_applying_to_a_published_offering(visit: Open, stranger: User, maria: User, complaints: list[str]) -> None:
    # Apply: what is asked, item by item.
    at_home = visit(stranger)
    at_home.goto("/providers/")
    at_home.get_by_role("link", name="Apply to become a provider").first.click()
    fill(at_home, {"organisation_name": "Glacier Cloud", "country": "CH", "platform_name": "Glacier Cubes"})
    at_home.get_by_label("FAIR Infrastructure").check()
    at_home.get_by_role("button", name="Start the application").click()
    hub = at_home.url
    addresses = [str(each.get_attribute("href")) for each in at_home.locator(".task-list a").all()]
    assert len(addresses) > 5
    for address in addresses:
        at_home.locator(f".task-list a[href='{address}']").click()
        fill(at_home, EVIDENCE[last_part(address)])
        at_home.get_by_role("button", name="Save and continue").click()
        at_home.wait_for_url(hub)
    at_home.get_by_role("button", name="Submit to ESA").click()
    expect(at_home.get_by_text("is with ESA.")).to_be_visible()

    # ESA accepts all items but one.
    at_esa = visit(maria)
    at_esa.goto("/review/")
    at_esa.get_by_role("link", name="Applications of providers").click()
    at_esa.get_by_role("link", name="Glacier").first.click()
    review = at_esa.url.partition("#")[0]
    for address in addresses:
        item = at_esa.locator(f"#{last_part(address)}")
        returned = address == addresses[0]
        item.get_by_label("Comment").fill("How is it measured?" if returned else "Good.")
        item.get_by_role("button", name="Return item" if returned else "Accept item").click()
        expect(item.locator(".status").first).to_contain_text("Returned" if returned else "Accepted")
    at_esa.get_by_label("Return to the applicant").check()
    at_esa.get_by_label("Reason").fill("One item to mend.")
    at_esa.get_by_role("button", name="Record the decision").click()
    expect(at_esa.get_by_text("is back with the applicant")).to_be_visible()

    # Mended, and accepted.
    at_home.goto(hub)
    expect(at_home.get_by_text("How is it measured?").first).to_be_visible()
    at_home.locator(f".task-list a[href='{addresses[0]}']").click()
    at_home.get_by_role("button", name="Save and continue").click()
    at_home.get_by_label("Your answer to ESA").fill("It says so now.")
    at_home.get_by_role("button", name="Submit to ESA").click()
    at_esa.goto(review)
    item = at_esa.locator(f"#{last_part(addresses[0])}")
    item.get_by_label("Comment").fill("Thank you.")
    item.get_by_role("button", name="Accept item").click()
    expect(item.locator(".status").first).to_contain_text("Accepted")
    at_esa.get_by_label("Accept", exact=True).check()
    at_esa.get_by_label("Reason").fill("All there.")
    at_esa.get_by_role("button", name="Record the decision").click()
    expect(at_esa.get_by_text("Glacier Cloud is a provider now")).to_be_visible()

    # The new provider writes an offering with a plan.
    at_home.goto("/home/")
    at_home.get_by_role("navigation").get_by_role("link", name="Offerings").first.click()
    at_home.get_by_role("link", name="New offering").first.click()
    fill(at_home, {"name": "Ice notebooks"})
    at_home.get_by_role("button", name="Begin").click()
    draft = at_home.url
    at_home.locator(".task-list a").first.click()
    fill(at_home, {"summary": "Notebooks beside ice data.", "tier": "platform", "service_types": "IDE"})
    fill(at_home, {"sponsorable": "yes"})
    at_home.get_by_role("button", name="Save", exact=True).click()
    at_home.goto(draft)
    at_home.get_by_role("link", name="Plans and prices").click()
    fill(at_home, {"name": "By the hour", "c-0-metric": "vcpu_hour", "c-0-credits": "0.1"})
    at_home.get_by_role("button", name="Save the plan").click()
    at_home.goto(draft)
    at_home.get_by_role("link", name="See the difference").click()
    at_home.get_by_role("button", name="Ask ESA to approve").click()

    # ESA approves it, and anybody finds it with a price.
    at_esa.goto("/review/")
    at_esa.get_by_role("link", name="Offerings", exact=True).click()
    at_esa.get_by_role("link", name="Ice notebooks").click()
    at_esa.get_by_role("button", name="Approve and publish").click()
    offering = Offering.objects.get(name="Ice notebooks")
    at_home.goto("/catalogue/?q=ice")
    card = at_home.locator(".offering-card", has_text="Ice notebooks")
    expect(card).to_contain_text("288")

    # The whole exchange is on the record.
    names = set(Event.objects.values_list("name", flat=True))
    assert {"application.submit", "application.return", "application.accept"} <= names
    assert offering.platform.provider.name == "Glacier Cloud"
    at_home.goto(hub)
    for said in ("How is it measured?", "One item to mend.", "It says so now.", "All there."):
        expect(at_home.get_by_text(said).first).to_be_visible()
    assert complaints == []
