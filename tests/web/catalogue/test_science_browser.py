"""Find by science in a real browser: accessible, light and dark, on a phone, and live while one filters and types."""

import re
from io import StringIO

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.management import call_command
from playwright.sync_api import Browser, expect

from tests.support.browser import AXE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PAGES = ["/science/", "/science/?q=snoww&theme=land", "/science/?q=xyzzyq", "/science/workflows/demo-snow-cover/"]


@pytest.fixture
def site(live_server: object) -> str:
    call_command("import_offerings", "--demonstration", stdout=StringIO())
    call_command("import_science", "--demonstration", stdout=StringIO())
    return str(live_server)


@pytest.mark.slow
def test_find_by_science_can_be_used_by_everybody(site: str, browser: Browser) -> None:
    wrong = {}
    for width, theme in ((1280, "dark"), (390, "light")):
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if theme == "dark" else "light",
            base_url=site,
            reduced_motion="reduce",
        )
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message, complaints=complaints: complaints.append(message.text))
        for path in PAGES:
            page.goto(path)
            page.evaluate("for (const fold of document.querySelectorAll('main details')) fold.open = true")
            sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            found = Axe().run(page, options=AXE)
            if sideways > 0 or complaints or found.violations_count:
                report = found.generate_report() if found.violations_count else ""
                wrong[path, width] = (sideways, list(complaints), report)
            complaints.clear()
        context.close()

    assert wrong == {}


def test_results_follow_what_is_typed_and_prices_follow_the_workload(site: str, browser: Browser) -> None:
    context = browser.new_context(base_url=site)
    page = context.new_page()
    page.goto("/science/")

    page.get_by_role("checkbox", name="Jupyter notebook").check()
    expect(page.get_by_role("heading", name="2 workflows and experiments")).to_be_visible()
    expect(page.get_by_role("checkbox", name="Jupyter notebook")).to_be_focused()
    expect(page.locator("#results-status")).to_have_text("2 workflows and experiments")
    assert page.url.endswith("/science/?type=jupyter-notebook")

    page.get_by_role("link", name="Snow cover by week, as a notebook").click()
    page.get_by_label("Running time").fill("120")
    first = page.locator(".run-places > li").first
    expect(first.locator(".price-total")).to_have_text("486 cr")
    run_here = re.compile(r"^/requests/new/\?plan=\d+&.*hours=120&.*run=workflow%3Ademo-snow-cover$")
    expect(first.get_by_role("link", name="Run it here")).to_have_attribute("href", run_here)
    context.close()
