"""Pages of the site in a real browser, as somebody who is signed in."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as site
from django.test import Client
from playwright.sync_api import Browser, Page

from earthcode.identity.models import User


@pytest.fixture
def complaints() -> list[str]:
    """What the browser said in its console: violations of the CSP, scripts that fail, files that are not there."""
    return []


@pytest.fixture
def tab(browser: Browser, live_server: object, complaints: list[str]) -> Iterator[Callable[..., Page]]:
    """Opens a tab, for somebody or for nobody: ``tab(alice, width=390, theme="dark", script=False)``."""
    contexts: list[Any] = []

    def make(person: User | None = None, *, width: int = 1280, theme: str = "light", script: bool = True) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if theme == "dark" else "light",
            java_script_enabled=script,
            base_url=str(live_server),
            reduced_motion="reduce",
        )
        contexts.append(context)
        if person is not None:
            client = Client()
            client.force_login(person)
            name = site.SESSION_COOKIE_NAME
            context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": str(live_server)}])
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def visit(tab: Callable[..., Page], clock: object) -> Callable[..., Page]:
    """Opens a tab of a person, on the morning that the tests are about."""
    return tab
