"""What the page says when all credits are used: words, steps and dates, only what is true."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from playwright.sync_api import Page

from earthcode.audit.actors import WORKER
from earthcode.identity.models import User
from earthcode.lib.money import as_text
from earthcode.provisioning.lifecycle import ALLOCATION
from earthcode.provisioning.models import Allocation
from earthcode.settlement import exhaustion
from earthcode.settlement.models import Exhaustion
from tests.settlement.conftest import Line, Report
from tests.support.browser import Visitor
from tests.support.pages import in_one_line
from tests.support.visits import page_of

Open = Callable[..., Page]

USED_UP = datetime.fromisoformat("2026-12-21T09:00:00Z")


@pytest.fixture
def used_up(on_hub: Allocation, line: Line, report: Report) -> Allocation:
    report(line(str(on_hub.amount // 80_000 + 1)), at=USED_UP)
    assert exhaustion.keep_due(at=USED_UP) == 1
    return Allocation.objects.get(pk=on_hub.pk)


@transaction.atomic
def confirm(allocation: Allocation) -> None:
    allocation.operations.filter(kind="suspend").update(status="succeeded", finished_at=USED_UP)
    ALLOCATION.advance(allocation, "suspend", by=WORKER, at=USED_UP)


@pytest.mark.django_db
def test_it_says_what_was_asked_and_what_was_confirmed(used_up: Allocation, as_alice: Client) -> None:
    asked = in_one_line(page_of(as_alice, used_up.get_absolute_url()))
    assert "The credits ran out on 21 December. Access ends after 20 January 2027" in asked
    assert f"{used_up.platform} was asked, not confirmed yet" in asked
    assert "You cannot start anything new" not in asked

    confirm(used_up)
    page = page_of(as_alice, used_up.get_absolute_url())

    steps = [in_one_line(each) for each in page.select(".process > li")]
    assert len(steps) == 3
    assert "Credits used up 21 Dec" in steps[0]
    assert "confirmed by" in steps[1]
    assert "after 20 January 2027, unless credits come back" in steps[2]
    assert "You cannot start anything new. Nothing was deleted." in in_one_line(page)
    assert page.select_one('.process > li[aria-current="step"]') is not None


@pytest.mark.django_db
def test_it_says_where_the_platform_cannot_suspend(used_up: Allocation, as_alice: Client) -> None:
    Exhaustion.objects.update(step="", ends_at=None)

    page = in_one_line(page_of(as_alice, used_up.get_absolute_url()))

    assert "cannot suspend access. What is used from now on is owed by the award." in page
    assert "unless credits come back" not in page


@pytest.mark.django_db
def test_only_who_places_credits_is_led_to_them(used_up: Allocation, as_alice: Client, as_petra: Client) -> None:
    words = "Use the award’s free credits"
    assert words in in_one_line(page_of(as_alice, used_up.get_absolute_url()))
    assert words not in in_one_line(page_of(as_petra, used_up.get_absolute_url()))


@pytest.mark.django_db
def test_with_credits_left_it_says_nothing_of_it(on_hub: Allocation, as_alice: Client) -> None:
    page = page_of(as_alice, on_hub.get_absolute_url())
    assert page.select_one(".process") is None
    assert as_text(on_hub.amount) in in_one_line(page)


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_the_page_is_in_order(
    width: int, theme: str, used_up: Allocation, alice: User, visit: Open, complaints: list[str], live_server: Any
) -> None:
    confirm(used_up)
    page = visit(alice, width=width, theme=theme)
    visitor = Visitor(page, of=str(live_server))
    page.goto(used_up.get_absolute_url())
    visitor.check()
    if shots := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(shots) / f"exhausted-{width}-{theme}.png", full_page=True)
    assert complaints == []
