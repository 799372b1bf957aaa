"""What providers report and are paid, on their pages and ESA's."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from bs4 import BeautifulSoup
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from playwright.sync_api import Page

from earthcode.audit.actors import CLOCK
from earthcode.identity.models import User
from earthcode.provisioning.models import Allocation
from earthcode.settlement import statements
from earthcode.settlement.models import Statement, UsageRecord, UsageReport
from tests.conftest import Clock
from tests.settlement.conftest import JANUARY, Line, Report

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_january(clock: Clock) -> None:
    """Before anybody signs in: a session lasts for hours."""
    clock.now = JANUARY


@pytest.fixture
def as_petra(signed_in: Callable[[User], Client], petra: User) -> Client:
    return signed_in(petra)


@pytest.fixture
def issued(on_hub: Allocation, line: Line, report: Report, clock: Clock) -> Statement:
    december = datetime(2026, 12, 20, tzinfo=UTC)
    report(line("100"), line("50", component="gb_month", unit="gb_month"), at=december)
    (statement,) = statements.issue_due(by=CLOCK, at=clock.now)
    return statement


def text(client: Client, address: str) -> str:
    return " ".join(BeautifulSoup(client.get(address).content, "html.parser").get_text(" ").split())


def test_only_providers_have_a_usage_page(
    on_hub: Allocation, as_petra: Client, as_alice: Client, as_maria: Client
) -> None:
    assert "No usage yet" in text(as_petra, "/provider/usage/")
    for stranger in (as_alice, as_maria):
        for address in (
            "/provider/usage/",
            "/provider/usage/waiting/",
            "/provider/usage/template/hub/",
            "/provider/earnings/",
        ):
            assert stranger.get(address).status_code == 404


def test_a_filled_in_template_is_usage(on_hub: Allocation, as_petra: Client) -> None:
    template = as_petra.get("/provider/usage/template/hub/").content.decode()
    header, first, *_ = template.split("\r\n")
    assert first.startswith(f",{on_hub.reference},")
    row = dict(zip(header.split(","), first.split(","), strict=True))
    row |= {"id": "r1", "quantity": "7", "used_from": "2026-12-03T08:00:00Z", "used_until": "2026-12-03T09:00:00Z"}
    bad = {**row, "id": "r2", "quantity": "1,5"}
    sheet = (
        "\ufeff" + "\r\n".join([header.replace(",", ";"), *(";".join(each.values()) for each in (row, bad))]) + "\r\n"
    )

    platform = on_hub.platform_id
    sent = {"platform": platform, "kind": "usage", "file": SimpleUploadedFile("usage.csv", sheet.encode())}
    answer = as_petra.post("/provider/usage/", sent)

    assert answer.status_code == 302
    said = text(as_petra, answer.headers["Location"])
    assert "1 line was refused" in said
    assert "such as 1234.5" in said
    assert UsageRecord.objects.get().record_id == "r1"
    assert "7 vCPU-hours" in text(as_petra, on_hub.get_absolute_url())


@pytest.mark.parametrize("content", [b"", b"nonsense\n", b"\xff\xfe\n", b"id,id\n"])
def test_a_file_that_cannot_be_read_says_why(on_hub: Allocation, as_petra: Client, content: bytes) -> None:
    sent = {"platform": on_hub.platform_id, "kind": "usage", "file": SimpleUploadedFile("usage.csv", content)}
    answer = as_petra.post("/provider/usage/", sent)

    assert answer.status_code == 422
    assert not UsageReport.objects.exists()


def test_what_waits_is_listed_with_the_reason_and_looked_at_again(
    on_hub: Allocation, as_petra: Client, line: Line, report: Report, clock: Clock
) -> None:
    assert "Nothing waits" in text(as_petra, "/provider/usage/waiting/")
    report(line("1", allocation="their-name"))
    assert "There is no such allocation" in text(as_petra, "/provider/usage/waiting/")
    as_petra.post("/provider/usage/waiting/again/")
    assert UsageRecord.objects.waiting().count() == 1

    Allocation.objects.filter(pk=on_hub.pk).update(external_id="their-name")
    assert "1 line was rated" in text(as_petra, as_petra.post("/provider/usage/waiting/again/").headers["Location"])


def test_a_statement_goes_its_way(issued: Statement, as_petra: Client, as_maria: Client, as_alice: Client) -> None:
    page = issued.get_absolute_url()
    assert as_alice.get(page).status_code == 404
    assert "9" in text(as_petra, "/provider/earnings/")
    assert as_petra.post(page, {"step": "pay"}).status_code == 302

    as_petra.post(page, {"step": "agree", "dispute_1": "It was 40.", "dispute_2": " "})
    assert "It was 40." in text(as_maria, page)
    assert "8 credits agreed" in text(as_maria, page)
    assert "Statements" in text(as_maria, "/review/statements/")
    as_maria.post(page, {"step": "approve"})
    assert as_petra.post(page, {"step": "invoice", "number": ""}).status_code == 422
    as_petra.post(page, {"step": "invoice", "number": "INV-1"})
    as_maria.post(page, {"step": "pay", "paid_on": "2027-01-10", "reference": "SEPA"})

    assert Statement.objects.get().status == "paid"
    assert "Paid on" in text(as_petra, page)
    lines = b"".join(as_petra.get(f"{page}lines.csv").streaming_content).decode()  # type: ignore[attr-defined]
    assert lines.count("\r\n") == 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_sticks_out(issued: Statement, visit: Callable[..., Page], petra: User, width: int) -> None:
    page = visit(petra, width=width)
    for address in (issued.get_absolute_url(), "/provider/earnings/", "/provider/usage/"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
