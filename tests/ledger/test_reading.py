from datetime import timedelta

import psycopg
import pytest
from django.db import connection

from earthcode.ledger import actions as ledger
from earthcode.ledger import queries
from earthcode.ledger.actions import EntryKind, Line
from earthcode.ledger.models import Account, Checkpoint
from earthcode.ledger.queries import StatementLine
from earthcode.lib.money import credits

from .conftest import BY, Books, committing, new_key, plain_connection


def test_many_balances_take_one_query(books: Books, django_assert_num_queries: object) -> None:
    with django_assert_num_queries(1):  # type: ignore[operator]  # pytest-django's fixture has no public type
        found = queries.balances([*books.codes, "call:nowhere:available"])

    assert found[books.award.available] == credits(100)
    assert found["call:nowhere:available"] == 0
    assert set(found) == {*books.codes, "call:nowhere:available"}


def test_the_balance_at_a_moment_counts_what_counted_by_then(books: Books) -> None:
    books.grant(10, at=books.now + timedelta(days=2))
    books.grant(5, at=books.now + timedelta(days=1))

    moments = [books.now - timedelta(seconds=1), *(books.now + timedelta(days=days) for days in range(3))]

    assert [queries.balance(books.award.available, at=at) // credits(1) for at in moments] == [0, 100, 105, 115]
    assert queries.balance(books.call.commitment, at=books.now) == credits(1_000)
    assert queries.balance("nowhere", at=books.now) == 0


def test_a_statement_has_the_balance_after_each_line(books: Books) -> None:
    hold = books.hold(33)
    ledger.capture(hold, credits(21), final=True, **books.terms)

    lines = queries.statement(books.award.available)

    assert [(line.kind, line.change // credits(1), line.balance // credits(1)) for line in lines] == [
        (EntryKind.CAPTURE, 12, 79),
        (EntryKind.HOLD, -33, 67),
        (EntryKind.AWARD, 100, 100),
    ]
    assert [line.counterpart for line in lines] == [books.award.held, books.award.held, books.call.available]
    assert lines[0].hold_id == hold.pk
    assert lines[0].actor == BY.audit_id


@pytest.mark.parametrize("account", ["available", "call", "accrued", "commitment"])
def test_pages_of_a_statement_join_without_gap_or_repeat(books: Books, account: str) -> None:
    code = {
        "available": books.award.available,
        "call": books.call.available,
        "accrued": books.provider.accrued,
        "commitment": books.call.commitment,
    }[account]
    for amount in range(1, 8):
        books.fund(amount)
        books.grant(amount)
        hold = books.hold(amount)
        ledger.capture(hold, credits(amount), **books.terms)
    ledger.post(EntryKind.SETTLE, [Line(books.provider.accrued, books.call.commitment, credits(1))] * 3, **books.terms)
    whole = queries.statement(code, limit=1_000)
    assert len(whole) > 7
    assert whole[0].balance == queries.balance(code)

    for size in (1, 2, 3, len(whole), len(whole) + 1):
        assert list(queries.statement_lines(code, page_size=size)) == whole
    _check_running_balance(whole)


def _check_running_balance(lines: list[StatementLine]) -> None:
    running = 0
    for line in reversed(lines):
        running += line.change
        assert line.balance == running


def test_the_statement_of_an_account_nobody_opened_is_empty(db: None) -> None:
    assert queries.statement("call:nowhere:available") == []
    assert list(queries.statement_lines("call:nowhere:available")) == []


def test_the_trial_balance_balances(books: Books) -> None:
    hold = books.hold(33)
    ledger.capture(hold, credits(21), **books.terms)

    trial = queries.trial_balance()

    by_kind = {str(line.kind): line for line in trial.lines}
    assert trial.balances
    assert by_kind["commitment"].balance == sum(line.balance for line in trial.lines if line.kind != "commitment")
    assert by_kind["accrued"].balance == credits(21)
    assert by_kind["held"].balance == credits(12)


# --- checkpoints (they need transactions of their own) ---------------------------------------------------------------


@committing
def test_a_checkpoint_changes_no_balance_and_no_statement(committed_books: Books) -> None:
    books = committed_books
    code = books.provider.accrued
    ledger.capture(books.hold(5), credits(5), **books.terms)
    before = (queries.balance(code), queries.statement(code))

    assert ledger.roll_up() > 0
    assert (queries.balance(code), queries.statement(code)) == before
    assert ledger.roll_up() == 0

    capture = ledger.capture(books.hold(7), credits(7), **books.terms)
    ledger.refund(capture.entry_id, credits(2), **books.terms)
    ledger.post(EntryKind.SETTLE, [Line(code, books.call.commitment, credits(1))] * 3, **books.terms)
    lines = queries.statement(code)
    assert queries.balance(code) == before[0] + credits(2)
    assert lines[5:] == before[1]
    _check_running_balance(lines)

    assert ledger.roll_up() > 0
    assert queries.statement(code) == lines
    ledger.capture(books.hold(1), credits(1), **books.terms)
    for size in (1, 2, 3, 100):
        assert list(queries.statement_lines(code, page_size=size))[1:] == lines
    lines = queries.statement(code)
    assert ledger.roll_up() > 0
    assert queries.balance(code) == lines[0].balance
    with connection.cursor() as cursor:
        cursor.execute("SELECT credits - debits, rolled_to FROM ledger_account WHERE code = %s", [code])
        assert cursor.fetchone()[0] == queries.balance(code)


@committing
def test_a_checkpoint_waits_for_transactions_that_may_still_post(committed_books: Books) -> None:
    """An entry drawn early and committed late must not fall between two checkpoints."""
    books = committed_books
    before = queries.balance(books.call.commitment)
    with plain_connection() as slow:
        slow.execute("BEGIN")
        slow.execute(
            "SELECT ledger_post(%s, 'fund', %s::text[], %s::text[], '{5}', 'system:test', '', %s)",
            [new_key(), [books.call.commitment], [books.call.available], books.now],
        )
        ledger.post(EntryKind.SETTLE, [Line(books.provider.accrued, books.call.commitment, 1)], **books.terms)

        assert ledger.roll_up() == 0

        slow.execute("COMMIT")
    assert ledger.roll_up() > 0
    assert queries.balance(books.call.commitment) == before + 5 - 1


@committing
def test_the_database_writes_no_checkpoint_in_a_transaction_that_may_have_posted(committed_books: Books) -> None:
    books = committed_books
    account = Account.objects.get(code=books.call.commitment)
    with plain_connection() as raw:
        raw.execute("BEGIN")
        raw.execute("SELECT pg_current_xact_id()")  # as posting does
        with pytest.raises(psycopg.Error, match="a transaction of its own"):
            raw.execute("SELECT ledger_checkpoint(%s)", [account.pk])

    assert not Checkpoint.objects.filter(account=account).exists()
    assert ledger.roll_up() > 0


def test_a_checkpoint_is_refused_inside_a_transaction(books: Books) -> None:
    with pytest.raises(RuntimeError, match="transactions of their own"):
        ledger.roll_up()
