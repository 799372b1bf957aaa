"""Statements of any length, both ways, on the command line and as CSV; the trial balance now and then."""

import csv
import io
import tracemalloc
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from earthcode.ledger import actions as ledger
from earthcode.ledger import queries
from earthcode.ledger.actions import EntryDraft, EntryKind, Line
from earthcode.lib.money import credits

from .conftest import BY, Books, new_key


@pytest.fixture
def busy_books(books: Books) -> Books:
    for amount in range(1, 8):
        books.now += timedelta(days=1)
        books.fund(amount)
        hold = books.hold(amount)
        ledger.capture(hold, credits(amount), **books.terms)
    ledger.post(EntryKind.SETTLE, [Line(books.provider.accrued, books.call.commitment, credits(1))] * 3, **books.terms)
    return books


@pytest.mark.parametrize("size", [1, 2, 3, 1_000])
def test_a_statement_is_the_same_from_either_end(busy_books: Books, size: int) -> None:
    for code in busy_books.codes:
        downwards = list(queries.statement_lines(code, page_size=size))

        assert list(queries.statement_lines(code, oldest_first=True, page_size=size)) == downwards[::-1]
    assert list(queries.statement_lines("call:nowhere:available", oldest_first=True)) == []


def test_a_part_of_a_statement_is_what_counts_in_it(busy_books: Books) -> None:
    code = busy_books.call.available
    busy_books.grant(3, at=busy_books.now - timedelta(days=2))
    whole = list(queries.statement_lines(code))
    since, until = busy_books.now - timedelta(days=3), busy_books.now - timedelta(days=1)

    part = list(queries.statement_lines(code, since, until))

    assert part == [line for line in whole if since <= line.effective_at < until]
    assert [line.change // credits(1) for line in part] == [-3, 5, 4]


def test_a_long_statement_takes_no_more_memory_than_a_short_one(books: Books) -> None:
    drafts = [
        EntryDraft(EntryKind.FUND, [Line(books.call.commitment, books.call.available, 1)], new_key(), books.now)
        for _ in range(6_000)
    ]
    ledger.post_batch(drafts, by=BY)
    del drafts

    for oldest_first in (False, True):
        tracemalloc.start()
        count = sum(1 for _ in queries.statement_lines(books.call.available, oldest_first=oldest_first, page_size=200))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert count == 6_002
        assert peak < 2_000_000  # 200 lines and the driver's own; 6 000 lines take five times that


def test_the_command_prints_a_statement(busy_books: Books) -> None:
    out = io.StringIO()

    call_command("ledger_statement", busy_books.award.available, stdout=out)

    lines = out.getvalue().splitlines()
    assert len(lines) == 8
    assert lines[0].split()[3:] == ["award", "100.000000", "100.000000", busy_books.call.available]
    assert lines[-1].split()[3:] == ["hold", "−7.000000", "72.000000", busy_books.award.held]


def test_the_command_prints_csv(busy_books: Books) -> None:
    out = io.StringIO()
    since = f"{busy_books.now:%Y-%m-%d}"

    call_command("ledger_statement", busy_books.call.available, "--csv", "--since", since, stdout=out)

    (row,) = csv.DictReader(io.StringIO(out.getvalue()))
    assert (row["kind"], row["change_credits"], row["balance_credits"]) == ("fund", "7.000000", "928.000000")


def test_the_command_says_that_there_is_no_such_account(books: Books) -> None:
    with pytest.raises(CommandError, match="no account call:nowhere:available"):
        call_command("ledger_statement", "call:nowhere:available")


def test_the_trial_balance_at_a_moment_is_that_of_then(busy_books: Books) -> None:
    early = busy_books.now - timedelta(days=7)

    then = {line.kind: line.balance // credits(1) for line in queries.trial_balance(at=early).lines}

    assert then["commitment"] == 1_000
    assert then["available"] == 1_000
    assert queries.trial_balance(at=early).balances
    assert queries.trial_balance(at=busy_books.now).lines == queries.trial_balance().lines


def test_the_command_prints_the_trial_balance(busy_books: Books) -> None:
    out = io.StringIO()

    call_command("trial_balance", stdout=out)
    call_command("trial_balance", "--at", f"{busy_books.now:%Y-%m-%d}", stdout=out)

    rows = [line.split() for line in out.getvalue().splitlines()]
    assert [row[0] for row in rows].count("commitment") == 2
    assert rows[0] == ["kind", "accounts", "debits", "credits", "balance"]
