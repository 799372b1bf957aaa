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
from earthcode.lib.money import amount_text
from earthcode.provisioning.models import Allocation
from earthcode.settlement import statements
from earthcode.settlement.models import Statement, UsageRecord, UsageReport
from tests.conftest import Clock
from tests.settlement.conftest import JANUARY, Line, Report
from tests.support.pages import in_one_line
from tests.support.visits import page_of

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
    report(line("1000", allocation="their-name"))
    waiting = text(as_petra, "/provider/usage/waiting/")
    assert "There is no such allocation" in waiting
    assert "1000 vCPU-hours" in waiting
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


@pytest.fixture
def needs(as_petra: Client, as_maria: Client) -> Callable[[], tuple[str, str]]:
    """What the first pages of the provider and of ESA say."""
    return lambda: (text(as_petra, "/home/"), text(as_maria, "/home/"))


def test_whoever_takes_the_next_step_finds_it_on_their_first_page(
    issued: Statement, petra: User, maria: User, needs: Callable[[], tuple[str, str]], clock: Clock
) -> None:
    agree, approve, invoice, pay = (
        "Agree to the statement for December 2026",
        "Approve the statement for December 2026",
        "Add your invoice to the statement for December 2026",
        "Record the payment of the statement for December 2026",
    )

    def assert_only(said: tuple[str, str], *, provider: str = "", esa: str = "") -> None:
        for sentence in (agree, approve, invoice, pay):
            assert [sentence in page for page in said] == [sentence == provider, sentence == esa], sentence

    assert_only(needs(), provider=agree)
    statements.answer(issued, {}, by=petra, at=clock.now)
    assert_only(needs(), esa=approve)
    statements.approve(issued, by=maria, at=clock.now)
    assert_only(needs(), provider=invoice)
    statements.add_invoice(issued, number="INV-1", by=petra, at=clock.now)
    assert_only(needs(), esa=pay)
    statements.record_payment(issued, paid_on=clock.now.date(), reference="", by=maria, at=clock.now)
    assert_only(needs())


def test_the_figures_count_each_statement_once(issued: Statement, as_petra: Client, petra: User, clock: Clock) -> None:
    def figures() -> dict[str, str]:
        shown = page_of(as_petra, "/provider/earnings/").select(".figures > div")
        return {in_one_line(each.select("dt")[0]): in_one_line(each.select("dd")[0]) for each in shown}

    total = amount_text(issued.total)
    before = figures()
    assert before["To agree"] == total
    assert before["Agreed or approved"] == "0"
    statements.answer(issued, {}, by=petra, at=clock.now)
    after = figures()
    assert after["To agree"] == "0"
    assert after["Agreed or approved"] == total


def test_the_way_back_is_to_the_readers_own_list(issued: Statement, as_petra: Client, as_maria: Client) -> None:
    for client, name, address in (
        (as_petra, "Earnings", "/provider/earnings/"),
        (as_maria, "Statements", "/review/statements/"),
    ):
        first = page_of(client, issued.get_absolute_url()).select_one(".crumbs a")
        assert first is not None
        assert (in_one_line(first), first["href"]) == (name, address)
