"""From a sentence on the home page to a kept estimate, in a real browser: on a phone, with and without script, for everybody."""

from collections.abc import Callable
from io import StringIO

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.management import call_command
from playwright.sync_api import Page, expect

from earthcode.catalogue.models import Estimate, Plan
from tests.support.browser import AXE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SENTENCE = "cheapest place to run 60 hours of a 16-core notebook next to Sentinel-2"

Open = Callable[..., Page]


@pytest.fixture
def visit(tab: Open) -> Open:
    """Opens a tab for a visitor; the catalogue holds the real offerings and those of the demonstration."""
    call_command("import_offerings", "--demonstration", stdout=StringIO())
    return tab


def plan(offering: str, slug: str) -> int:
    return Plan.objects.get(offering__slug=offering, slug=slug).pk


@pytest.mark.slow
@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_estimates_and_comparing_can_be_used_by_everybody(
    visit: Open, complaints: list[str], width: int, theme: str
) -> None:
    page = visit(width=width, theme=theme)
    hub, openeo = plan("demo-notebooks", "pay-per-use"), plan("cdse-openeo-federation", "credits")
    page.goto(f"/estimates/new/?plan={hub}&plan={openeo}&margin=10&cpu=0&{hub}-hours=x")
    pages = [
        page.url,
        f"/estimates/new/?plan={hub}&plan={plan('insula', Plan.objects.filter(offering__slug='insula')[0].slug)}",
        "/compare/?offering=demo-notebooks&offering=deepesdl&offering=cdse-openeo-federation&offering=insula",
        "/compare/?offering=demo-notebooks",
        f"/catalogue/?q={SENTENCE}&compare=demo-notebooks&compare=insula",
        "/catalogue/demo-notebooks/?compare=demo-notebooks",
    ]
    wrong = {}
    for path in pages:
        page.goto(path)
        if path is pages[1]:
            page.get_by_role("button", name="Save and get a link").click()
            page.wait_for_url("**/estimates/*/")
        page.evaluate("for (const fold of document.querySelectorAll('main details')) fold.open = true")
        sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found = Axe().run(page, options=AXE)
        if sideways > 0 or complaints or found.violations_count:
            wrong[path] = (sideways, list(complaints), found.generate_report() if found.violations_count else "")
        complaints.clear()

    assert wrong == {}


def test_a_sentence_on_a_phone_leads_to_a_kept_estimate(visit: Open, complaints: list[str]) -> None:
    page = visit(width=390)
    page.goto("/")
    page.get_by_label("Search offerings").fill(SENTENCE)
    page.get_by_role("button", name="Search", exact=True).last.click()

    expect(page.locator("#sort")).to_have_value("")
    expect(page.locator("#sort option:checked")).to_have_text("Price for your workload")
    expect(page.locator("#workload-summary")).to_contain_text("16 vCPU")
    card = page.locator(".offering-card", has_text="Demonstration notebooks")
    expect(card.locator(".price-total")).to_have_text("69.52 cr")

    card.get_by_role("checkbox", name="Compare").check()
    expect(page.locator(".tray")).to_contain_text("Tick one more.")
    page.locator(".offering-card").nth(1).get_by_role("checkbox", name="Compare").check()
    page.get_by_role("link", name="Compare side by side").click()
    expect(page.locator("table.compare thead th")).to_have_count(2)
    page.get_by_role("checkbox", name="Only differences").check()
    expect(page.get_by_text("the same for all and left out")).to_be_visible()

    page.locator("tfoot").get_by_role("link", name="Estimate Demonstration notebooks").click()
    expect(page.locator("#estimate-total")).to_have_text("69.52 credits")
    page.get_by_label("Margin on top").fill("50")
    expect(page.locator("#estimate-total")).to_have_text("104.28 credits")
    page.get_by_role("button", name="Save and get a link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Estimate: 104.28 credits")
    assert Estimate.objects.get().token in page.url
    assert complaints == []


def test_what_is_typed_into_a_live_estimate_is_not_lost(visit: Open, complaints: list[str]) -> None:
    page = visit()
    page.goto(f"/estimates/new/?plan={plan('demo-notebooks', 'pay-per-use')}")

    page.get_by_text("Other numbers for this plan").click()
    own = page.locator(".own-fields").get_by_label("Processors")
    own.press_sequentially("1")
    own.press_sequentially("6", delay=400)
    expect(page.locator("#estimate-total")).to_have_text("417.12 credits")
    expect(own).to_be_focused()
    expect(own).to_have_value("16")
    assert "-cpu=16" in page.url

    page.get_by_label("Find an offering to add").fill("openEO federation")
    page.get_by_role("button", name="Add CDSE openEO Federation").click()
    expect(page.locator(".estimate-item")).to_have_count(2)
    expect(page.locator(".own-fields").first.get_by_label("Processors")).to_have_value("16")
    page.get_by_role("button", name="Take out").first.click()
    expect(page.locator(".estimate-item")).to_have_count(1)
    assert complaints == []


def test_a_sentence_that_is_typed_live_fills_the_workload(visit: Open, complaints: list[str]) -> None:
    page = visit()
    page.goto("/catalogue/")

    page.get_by_label("Search offerings").fill("16 cores JupyterLab")
    expect(page.get_by_label("Processors")).to_have_value("16")
    expect(page.get_by_label("Search offerings")).to_have_value("16 cores JupyterLab")
    page.get_by_label("Processors").fill("32")
    expect(page.locator("#workload-summary")).to_contain_text("32 vCPU")
    expect(page.get_by_label("Processors")).to_have_value("32")
    assert "cpu=32" in page.url
    assert complaints == []


def test_without_script_the_same_way_is_forms_and_links(visit: Open) -> None:
    page = visit(script=False, width=390)
    page.goto("/")
    page.get_by_label("Search offerings").fill(SENTENCE)
    page.get_by_role("button", name="Search", exact=True).last.click()

    expect(page.get_by_label("Processors")).to_have_value("16")
    cards = page.locator(".offering-card")
    # Demonstrations come last, and only they have prices to add up here.
    for card in (cards.first, cards.filter(has_text="Demonstration notebooks").first):
        card.get_by_role("checkbox", name="Compare").check()
    page.get_by_role("button", name="Compare those ticked").click()
    expect(page.locator("table.compare thead th")).to_have_count(2)
    assert "cpu=16" in page.url
    page.get_by_role("checkbox", name="Only differences").check()
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_text("the same for all and left out")).to_be_visible()

    page.locator("tfoot").get_by_role("link", name="Estimate Demonstration notebooks").click()
    page.get_by_label("Margin on top").fill("50")
    page.locator(".estimate-sum + .actions").get_by_role("button", name="Update prices").click()
    expect(page.locator("#estimate-total")).to_have_text("104.28 credits")
    page.get_by_label("Margin on top").fill("0")
    page.get_by_role("button", name="Save and get a link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Estimate: 69.52 credits")
