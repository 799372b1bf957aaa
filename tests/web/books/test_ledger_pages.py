"""The books on the site: the trial balance, accounts, statements, and statements as files."""

import csv
import uuid
from datetime import datetime, timedelta

import pytest
from django.http import StreamingHttpResponse
from django.test import Client

from earthcode.audit.actors import CLOCK
from earthcode.identity.models import User
from earthcode.ledger import actions as books
from earthcode.ledger import chart
from earthcode.ledger.kinds import EntryKind
from earthcode.sponsorship.models import Award, Call
from tests.support.pages import in_one_line, soup
from tests.support.queries import assert_queries_do_not_grow
from tests.support.visits import page_of


def free_account(award: Award) -> str:
    return chart.award_accounts(award.reference).available


def read(client: Client, url: str) -> list[dict[str, str]]:
    response = client.get(url)
    assert response.status_code == 200
    assert isinstance(response, StreamingHttpResponse)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(response.getvalue().decode().splitlines()))


def correct(award: Award, *, reason: str, at: datetime) -> None:
    """An entry with words that somebody typed."""
    lines = [books.Line(chart.call_accounts(award.call.slug).available, free_account(award), 1_500_000)]
    books.post(EntryKind.AWARD, lines, key=uuid.uuid4(), by=CLOCK, at=at, reason=reason)


@pytest.mark.parametrize("who", ["as_alice", "as_petra", "as_tomas", "as_stranger"])
def test_the_books_do_not_exist_for_others(award: Award, who: str, request: pytest.FixtureRequest) -> None:
    client, code = request.getfixturevalue(who), free_account(award)

    for url in ("/ledger/", f"/ledger/accounts/{code}/", f"/ledger/accounts/{code}/statement.csv"):
        assert client.get(url).status_code == 404


def test_the_trial_balance_says_that_it_balances(award: Award, call: Call, as_maria: Client) -> None:
    page = page_of(as_maria, "/ledger/")

    assert "Balances" in in_one_line(page.select_one("section[aria-labelledby=trial]"))
    foot = [cell.get_text(strip=True) for cell in page.select("tr.total td.right")]
    assert foot[1] == foot[2]
    assert foot[3] == "0.00"


def test_the_empty_books_say_so(maria: User, as_maria: Client) -> None:
    words = in_one_line(page_of(as_maria, "/ledger/"))

    assert "Nothing has been posted yet." in words
    assert "No accounts yet." in words


def test_accounts_are_found_by_a_part_of_their_code(award: Award, as_maria: Client) -> None:
    found = page_of(as_maria, f"/ledger/?q={award.reference.lower()}").select("section[aria-labelledby=accounts] code")

    assert free_account(award) in [each.get_text() for each in found]
    assert all(award.reference in each.get_text() for each in found)
    assert "No account has “nothing” in its code." in in_one_line(page_of(as_maria, "/ledger/?q=nothing"))


def test_many_accounts_come_page_by_page(award: Award, as_maria: Client) -> None:
    for number in range(40):
        books.award_accounts(f"A-{number:03}")
    seen: list[str] = []
    url = "/ledger/"
    while url:
        page = page_of(as_maria, url)
        seen += [each.get_text() for each in page.select("section[aria-labelledby=accounts] tbody code")]
        following = page.select_one("section[aria-labelledby=accounts] a[rel=next]")
        url = str(following["href"]).partition("#")[0] if following else ""

    assert len(seen) == len(set(seen)) > 80
    assert seen == sorted(seen)


@pytest.mark.parametrize("page", ["0", "-1", "x", "99999999", "2"])
def test_a_page_that_is_not_there_is_empty_or_the_first(award: Award, as_maria: Client, page: str) -> None:
    assert as_maria.get(f"/ledger/?page={page}").status_code == 200


def test_the_page_costs_the_same_however_many_accounts_there_are(award: Award, as_maria: Client) -> None:
    opened = [0]

    def accounts(count: int) -> None:
        for number in range(opened[0], count):
            books.award_accounts(f"A-{number:03}")
        opened[0] = count

    assert_queries_do_not_grow(as_maria, "/ledger/", rows=accounts, many=40)


def test_an_account_shows_every_line_with_its_balance(award: Award, as_maria: Client) -> None:
    page = page_of(as_maria, f"/ledger/accounts/{free_account(award)}/")
    rows = [in_one_line(row) for row in page.select("section[aria-labelledby=statement] tbody tr")]

    assert len(rows) == 3
    assert "award" in rows[-1]
    assert chart.call_accounts(award.call.slug).available in rows[-1]
    assert as_maria.get("/ledger/accounts/award:NOBODY:available/").status_code == 404


def test_a_statement_as_a_file_has_all_lines(award: Award, as_maria: Client, as_ben: Client, now: datetime) -> None:
    for number in range(60):
        correct(award, reason=f"number {number}", at=now + timedelta(minutes=number))

    lines = read(as_maria, f"/ledger/accounts/{free_account(award)}/statement.csv")

    assert len(lines) == 63
    assert lines[0]["reason"] == "number 59"
    assert lines[0]["change_credits"] == "1.500000"
    # Two lines of the request are set aside, so that only the corrections are left.
    assert lines[0]["balance_credits"] == "90.000000"
    assert read(as_ben, f"/awards/{award.reference}/statement.csv") == lines


def test_a_file_can_be_about_some_days(award: Award, as_maria: Client, now: datetime) -> None:
    for days in (0, 1, 2, 3):
        correct(award, reason=f"day {days}", at=now + timedelta(days=days))
    url = f"/ledger/accounts/{free_account(award)}/statement.csv"

    lines = read(as_maria, f"{url}?since=2026-11-03&until=2026-11-04")

    assert [line["reason"] for line in lines] == ["day 2", "day 1"]
    wrong = as_maria.get(f"{url}?since=2026-11-03&until=2026-11-02")
    assert wrong.status_code == 422
    assert "This is before the first day." in in_one_line(soup(wrong))
    assert as_maria.get(f"{url}?since=yesterday").status_code == 422


def test_what_people_typed_is_no_formula(award: Award, as_maria: Client, now: datetime) -> None:
    correct(award, reason='=HYPERLINK("https://evil.example")', at=now)

    lines = read(as_maria, f"/ledger/accounts/{free_account(award)}/statement.csv")

    assert lines[0]["reason"].startswith("'=HYPERLINK")


def test_somebody_elses_statement_does_not_exist(award: Award, as_stranger: Client) -> None:
    assert as_stranger.get(f"/awards/{award.reference}/statement.csv").status_code == 404
