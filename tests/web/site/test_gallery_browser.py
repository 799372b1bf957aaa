"""The gallery and the public home page in a real browser: for everybody, in both themes, on a phone, without script."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.support.browser import AXE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
CASES = [
    *(("/gallery/", width, theme) for width in (1280, 390, 320) for theme in ("light", "dark")),
    ("/", 1280, "light"),
    ("/", 390, "dark"),
    ("/", 320, "light"),
    ("/no/such/page/", 390, "light"),
]

Open = Callable[..., Page]


@pytest.fixture
def visit(tab: Open) -> Open:
    """Opens a page of the site: ``visit("/gallery/", width=390, theme="dark", script=False)``."""

    def make(path: str, **how: Any) -> Page:
        page = tab(**how)
        page.goto(path)
        return page

    return make


@pytest.mark.parametrize(("path", "width", "theme"), CASES)
def test_a_page_can_be_used_by_everybody(visit: Open, complaints: list[str], path: str, width: int, theme: str) -> None:
    page = visit(path, width=width, theme=theme)

    sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    # The browser itself reports that the page is one that does not exist.
    said = [each for each in complaints if "404 (Not Found)" not in each]
    found = Axe().run(page, options=AXE)
    assert sideways <= 0
    assert said == []
    assert found.violations_count == 0, found.generate_report()


def test_the_theme_follows_the_system(visit: Open) -> None:
    light = visit("/gallery/", theme="light")
    dark = visit("/gallery/", theme="dark")

    assert ground(light) == "rgb(245, 245, 242)"
    assert ground(dark) == "rgb(7, 26, 34)"


def ground(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_the_theme_can_be_switched_and_stays(visit: Open, script: bool) -> None:
    page = visit("/gallery/", script=script)

    page.get_by_role("button", name="Dark theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.goto("/")

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("button", name="Light theme")).to_be_visible()
    expect(page.get_by_role("button", name="Dark theme")).to_be_hidden()


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_the_menu_of_a_phone_opens(visit: Open, script: bool) -> None:
    page = visit("/gallery/", width=390, script=script)
    menu = page.locator("details.menu-phone")

    menu.locator("summary").click()

    expect(menu.get_by_role("link", name="How it works")).to_be_visible()


def test_a_menu_closes_with_escape_and_by_a_click_elsewhere(visit: Open) -> None:
    page = visit("/gallery/", width=390)
    menu = page.locator("details.menu-phone")

    menu.locator("summary").click()
    page.keyboard.press("Escape")
    expect(menu).not_to_have_attribute("open", re.compile(".*"))
    expect(menu.locator("summary")).to_be_focused()
    menu.locator("summary").click()
    page.mouse.click(10, 880)

    expect(menu).not_to_have_attribute("open", re.compile(".*"))


def test_the_first_tab_leads_past_the_bar(visit: Open) -> None:
    page = visit("/gallery/")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.locator("main")).to_be_focused()


def test_amount_slider_and_button_say_the_same(visit: Open) -> None:
    page = visit("/gallery/")
    amount = page.get_by_label("Credits to grant", exact=True)

    amount.fill("3000")
    expect(page.get_by_label("Credits to grant, slider")).to_have_value("3000")
    expect(page.get_by_role("button", name="Grant 3\u202f000 credits")).to_be_visible()
    expect(page.get_by_text("50% of the request")).to_be_visible()
    page.get_by_label("Credits to grant, slider").fill("6000")

    expect(amount).to_have_value("6000")


def test_a_single_key_chooses_unless_it_is_typed(visit: Open) -> None:
    page = visit("/gallery/")
    ask = page.get_by_role("radio", name="Ask a question")

    page.get_by_label("Credits to grant", exact=True).press("q")
    expect(ask).not_to_be_checked()
    page.locator("h1").click()
    page.keyboard.press("q")

    expect(ask).to_be_checked()


def test_single_keys_that_were_switched_off_do_nothing(visit: Open, live_server: object) -> None:
    page = visit("/gallery/")
    page.context.add_cookies([{"name": "nor_shortcuts", "value": "off", "url": str(live_server)}])
    page.reload()

    page.keyboard.press("q")

    expect(page.get_by_role("radio", name="Approve part")).to_be_checked()


def test_an_error_leads_to_its_field(visit: Open) -> None:
    page = visit("/gallery/")

    page.get_by_role("link", name=re.compile("^Credits you need:")).click()

    expect(page.locator("#id_amount")).to_be_focused()


def test_print_leaves_the_chrome_away(visit: Open) -> None:
    page = visit("/gallery/")

    page.emulate_media(media="print")

    expect(page.locator(".top-bar")).to_be_hidden()
    expect(page.locator(".foot")).to_be_hidden()
    expect(page.locator("table.ledger")).to_be_visible()


def test_a_phone_folds_the_workload_to_a_line_and_without_script_shows_it(visit: Open) -> None:
    folded = visit("/gallery/", width=390)
    whole = visit("/gallery/", width=390, script=False)

    expect(folded.get_by_label("Processors")).to_be_hidden()
    expect(whole.get_by_label("Processors")).to_be_visible()
