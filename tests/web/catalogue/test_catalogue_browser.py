"""The catalogue in a real browser: accessible, light and dark, on a phone, under the CSP, with and without script."""

from collections.abc import Callable
from io import StringIO

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.management import call_command
from playwright.sync_api import Page, expect

from tests.support.browser import AXE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PAGES = [
    "/catalogue/",
    "/catalogue/?q=sentinal+2&interface=jupyterlab&months=0",
    "/catalogue/?q=xyzzyq",
    "/catalogue/cdse-openeo-federation/?km2=1000",
    "/catalogue/demo-notebooks/?hours=9999",
    "/catalogue/insula/",
]

Open = Callable[..., Page]


@pytest.fixture
def visit(tab: Open) -> Open:
    """Opens a tab for a visitor; the catalogue holds the real offerings and those of the demonstration."""
    call_command("import_offerings", "--demonstration", stdout=StringIO())
    return tab


@pytest.mark.slow
@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (1280, "dark"), (390, "light"), (320, "dark")])
def test_the_catalogue_can_be_used_by_everybody(visit: Open, complaints: list[str], width: int, theme: str) -> None:
    wrong = {}
    page = visit(width=width, theme=theme)
    for path in PAGES:
        page.goto(path)
        page.evaluate("for (const fold of document.querySelectorAll('main details')) fold.open = true")
        sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found = Axe().run(page, options=AXE)
        if sideways > 0 or complaints or found.violations_count:
            wrong[path] = (sideways, list(complaints), found.generate_report() if found.violations_count else "")
        complaints.clear()

    assert wrong == {}


def test_prices_and_results_follow_what_is_typed_and_chosen(visit: Open, complaints: list[str]) -> None:
    page = visit()
    page.goto("/catalogue/")
    expect(page.get_by_role("heading", name="31 offerings and 2 demonstrations")).to_be_visible()

    page.locator("#interface-jupyterlab").check()
    expect(page.get_by_role("heading", name="13 offerings and 1 demonstration")).to_be_visible()
    expect(page.locator("#interface-jupyterlab")).to_be_focused()
    expect(page.locator("#results-status")).to_have_text("13 offerings and 1 demonstration")
    assert page.url.endswith("/catalogue/?interface=jupyterlab")

    page.get_by_label("Running time").fill("120")
    # Made-up offerings are last, on the next page; this one's link carries the hours.
    cdse = page.locator(".offering-card", has_text="CDSE openEO Federation").get_by_role("link", name="CDSE openEO")
    expect(cdse.first).to_have_attribute("href", "/catalogue/cdse-openeo-federation/?hours=120")
    expect(page.get_by_label("Running time")).to_be_focused()
    assert page.url.endswith("/catalogue/?interface=jupyterlab&hours=120")

    page.get_by_label("Search offerings").fill("demonstrasion")
    expect(page.get_by_role("heading", name="0 offerings and 1 demonstration")).to_be_visible()
    expect(page.get_by_text("No offering says “demonstrasion”")).to_be_visible()
    expect(page.get_by_label("Sort by")).to_have_value("")

    page.locator(".chips").get_by_role("link", name="JupyterLab").click()
    expect(page.get_by_role("heading", name="0 offerings and 2 demonstrations")).to_be_visible()
    expect(page.locator("#interface-jupyterlab")).not_to_be_checked()

    page.go_back()
    expect(page.get_by_role("heading", name="0 offerings and 1 demonstration")).to_be_visible()
    expect(page.locator("#interface-jupyterlab")).to_be_checked()
    expect(page.get_by_label("Search offerings")).to_have_value("demonstrasion")
    assert complaints == []


def test_the_price_of_an_offering_follows_the_workload(visit: Open, complaints: list[str]) -> None:
    page = visit()
    page.goto("/catalogue/demo-notebooks/")
    expect(page.locator("#price-box .price-total")).to_have_text("273 cr")

    page.get_by_label("Processors").fill("16")

    expect(page.locator("#price-box .price-total")).to_have_text("417 cr")
    expect(page.locator("#price-status")).to_have_text("417 cr")
    page.get_by_text("Published figures and their sources").first.click()
    expect(page.get_by_text("Made up for the demonstration.").first).to_be_visible()
    assert "cpu=16" in page.url
    assert "cpu=16" in str(page.get_by_role("link", name="Request “Pay per use”").get_attribute("href"))
    assert complaints == []


def test_without_script_everything_is_a_form_and_a_link(visit: Open) -> None:
    page = visit(script=False, width=390)
    page.goto("/catalogue/")

    page.get_by_label("Search offerings").fill("jupiter")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", name="13 offerings and 1 demonstration")).to_be_visible()
    # The folds open without script, too.
    page.locator(".facets > summary").click()
    page.get_by_role("checkbox", name="Sentinel-2", exact=False).first.check()
    page.get_by_role("button", name="Show offerings").click()
    expect(page.get_by_role("heading", name="9 offerings and 1 demonstration")).to_be_visible()
    expect(page.get_by_label("Search offerings")).to_have_value("jupiter")
    page.locator(".workload summary").first.click()
    page.get_by_label("Processors").fill("16")
    page.get_by_role("button", name="Update prices").click()
    card = page.locator(".offering-card", has_text="Demonstration notebooks")
    expect(card.locator(".price-total")).to_have_text("417 cr")
    card.get_by_role("link", name="Demonstration notebooks", exact=True).click()
    expect(page.locator("#price-box .price-total")).to_have_text("417 cr")


def test_on_a_phone_workload_and_filters_fold_away(visit: Open) -> None:
    page = visit(width=390)
    page.goto("/catalogue/")
    expect(page.get_by_label("Processors")).to_be_hidden()

    page.locator(".workload summary").first.click()
    expect(page.get_by_label("Processors")).to_be_visible()
    page.locator(".facets > summary").click()
    page.locator("#interface-jupyterlab").check()

    expect(page.get_by_role("heading", name="13 offerings and 1 demonstration")).to_be_visible()
    # The filters stay open for the next choice.
    expect(page.locator("#interface-jupyterlab")).to_be_visible()
    expect(page.locator("#filters-chosen")).to_have_text("1 on")
