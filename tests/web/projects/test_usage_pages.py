"""What an allocation's page says of its usage."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from earthcode.identity.models import User
from earthcode.provisioning.models import Allocation
from tests.conftest import Clock
from tests.settlement.conftest import Line, Report, end

pytestmark = pytest.mark.django_db


@pytest.fixture
def used(on_hub: Allocation, line: Line, report: Report, clock: Clock) -> Allocation:
    """Three reports in December, at a pace of 16 credits a day."""
    clock.now = datetime(2026, 12, 21, 9, 0, tzinfo=UTC)
    first = date(2026, 12, 1)
    for week in range(3):
        days = [first + timedelta(days=week * 7 + day) for day in range(6)]
        report(*(line("50", day=day, person="alice") for day in days), at=clock.now)
    report(line("3", day=date(2026, 12, 19), component="gb_month", unit="gb_month", job="=cmd|x"), at=clock.now)
    return on_hub


def page_of(client: Client, allocation: Allocation) -> BeautifulSoup:
    return BeautifulSoup(client.get(allocation.get_absolute_url()).content, "html.parser")


def text(page: BeautifulSoup, selector: str) -> str:
    return " ".join(page.select_one(selector).get_text(" ").split())  # type: ignore[union-attr]


def test_nothing_used_is_said_as_such(on_hub: Allocation, as_alice: Client) -> None:
    page = page_of(as_alice, on_hub)

    assert text(page, "#usage") == "No usage yet"
    assert not page.select(".burndown")


def test_the_finding_is_the_title_and_the_numbers_are_beside_it(used: Allocation, as_alice: Client) -> None:
    page = page_of(as_alice, used)

    assert "the credits last until" in text(page, "#usage")
    assert {svg["class"][1] for svg in page.select("svg.burndown")} == {"only-wide", "only-narrow"}
    panel = text(page, "section[aria-labelledby=usage]")
    assert "900 vCPU-hours" in panel
    assert "alice" in panel
    assert "Usage up to" in panel
    assert "more credits would be needed until" in panel


def test_the_download_has_every_charge_and_no_formula(used: Allocation, as_alice: Client, as_ben: Client) -> None:
    answer = as_alice.get(f"{used.get_absolute_url()}usage.csv")

    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))  # type: ignore[attr-defined]
    assert len(rows) == 19
    assert rows[0]["credits"] == "4"
    assert rows[-1]["job"] == "'=cmd|x"
    assert as_ben.get(f"{used.get_absolute_url()}usage.csv").status_code == 200


def test_strangers_get_no_download(used: Allocation, person: Any, signed_in: Any) -> None:
    assert signed_in(person("eve")).get(f"{used.get_absolute_url()}usage.csv").status_code == 404


def test_the_page_reads_as_little_with_much_usage(
    used: Allocation, as_alice: Client, line: Line, report: Report, clock: Clock, django_assert_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    as_alice.get(used.get_absolute_url())
    with CaptureQueriesContext(
        connection,
    ) as few:
        as_alice.get(used.get_absolute_url())
    report(*(line("0.01", day=date(2026, 12, 20)) for _ in range(500)), at=clock.now)
    with django_assert_num_queries(len(few)):
        as_alice.get(used.get_absolute_url())


def test_an_ended_allocation_says_when_the_rest_goes_back(
    used: Allocation, as_alice: Client, signed_in: Any, maria: User, petra: User, clock: Clock
) -> None:
    end(used, by=maria, at=clock.now)

    page = page_of(as_alice, used)
    assert "Late usage is accepted until" in page.get_text()
    assert not page.select("#last-usage")
    assert as_alice.post(f"{used.get_absolute_url()}close-usage/").status_code == 302
    assert Allocation.objects.get(pk=used.pk).usage_closed_at is None

    as_petra = signed_in(petra)
    assert page_of(as_petra, used).select("#last-usage")
    as_petra.post(f"{used.get_absolute_url()}close-usage/")
    assert Allocation.objects.get(pk=used.pk).usage_closed_at == clock.now
    assert "went back to the award" in page_of(as_alice, used).get_text()
