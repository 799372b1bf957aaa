"""The pages of the demo single sign-on in a real browser: for everybody, in both themes, on a phone, without script."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from earthcode.demo import servers
from earthcode.demo.people import PEOPLE
from tests.support.browser import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.platform]

Open = Callable[..., Visitor]


@pytest.fixture
def visit(browser: Browser, running_sso: servers.Sso) -> Iterator[Open]:
    contexts = []

    def visit(path: str, *, width: int = 1280, theme: str = "light", script: bool = True) -> Visitor:
        context = browser.new_context(
            viewport={"width": width, "height": 844},
            color_scheme="dark" if theme == "dark" else "light",
            java_script_enabled=script,
        )
        contexts.append(context)
        visitor = Visitor(context.new_page(), of=running_sso.url)
        visitor.page.goto(f"{running_sso.url}{path}")
        return visitor

    yield visit
    for context in contexts:
        context.close()


def sign_in(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()
    page.get_by_role("heading", name=f"You are signed in as {name}").wait_for()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_everybody_can_use_its_pages(visit: Open, width: int, theme: str) -> None:
    visitor = visit("/login/", width=width, theme=theme)
    visitor.check()

    sign_in(visitor.page, "Alice Martin")
    visitor.check()
    visitor.page.goto(f"{visitor.site}/o/logout/?client_id=jupyterhub")
    visitor.check()
    visitor.page.goto(f"{visitor.site}/login/")
    visitor.check()

    assert visitor.complaints == []


def test_without_script_a_person_is_chosen_and_signed_out_by_keyboard(visit: Open) -> None:
    page = visit("/login/", script=False).page

    names = [button.inner_text().splitlines()[0] for button in page.get_by_role("button").all()]
    page.get_by_role("button", name="Ben Okafor").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed in as Ben Okafor")
    page.get_by_role("button", name="Sign out").focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Who are you?")
    assert names == [persona.name for persona in PEOPLE]


def test_the_theme_is_the_system_s(visit: Open) -> None:
    grounds = {
        theme: visit("/login/", theme=theme).page.evaluate("getComputedStyle(document.body).backgroundColor")
        for theme in ("light", "dark")
    }

    assert grounds == {"light": "rgb(245, 245, 242)", "dark": "rgb(7, 26, 34)"}


def test_a_client_that_asks_wrongly_gets_a_page_that_says_so(visit: Open) -> None:
    visitor = visit("/login/")
    sign_in(visitor.page, "Alice Martin")

    visitor.page.goto(f"{visitor.site}/o/authorize/?client_id=nobody&response_type=code")
    visitor.check()

    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("This sign-in request is not valid")
