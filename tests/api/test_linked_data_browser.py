"""Linked data in the offering's page: there for search engines, and nothing to the Content-Security-Policy."""

import json

import httpx
import pytest
from playwright.sync_api import Page

from earthcode.catalogue.models import Plan

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_browser_leaves_the_block_alone_and_search_engines_find_it(
    page: Page, live_server: object, hub_plan: Plan, clock: object
) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))

    page.goto(f"{live_server}/catalogue/hub-notebooks/")

    (block,) = page.locator('script[type="application/ld+json"]').all_text_contents()
    assert json.loads(block) == httpx.get(f"{live_server}/catalogue/hub-notebooks.jsonld").json()
    assert complaints == []
    # The policy does refuse what runs, and the console does say so: silence above means something.
    with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
        page.evaluate(
            """() => {
                const script = document.createElement("script");
                script.textContent = "window.ran = true";
                document.head.append(script);
            }"""
        )
    assert page.evaluate("window.ran") is None
