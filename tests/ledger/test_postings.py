import re
import uuid
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from earthcode.audit.actors import CLOCK
from earthcode.ledger import actions as ledger
from earthcode.ledger import queries
from earthcode.ledger.actions import EntryKind, Line
from earthcode.ledger.kinds import PLAIN, AccountKind
from earthcode.ledger.models import Account, Entry, Posting
from earthcode.lib.errors import InvalidInput, Refused
from earthcode.lib.money import credits

from .conftest import BY, Books, committing, everything, new_key


def test_funding_and_awarding_move_credits_from_the_sponsor_to_the_award(books: Books) -> None:
    assert books.balances() == {
        "commitment": 1_000,
        "call": 900,
        "available": 100,
        "held": 0,
        "accrued": 0,
        "invoiced": 0,
    }


def test_an_entry_says_who_when_and_why(books: Books) -> None:
    posted = ledger.post(
        EntryKind.TRANSFER,
        [Line(books.award.available, books.call.available, credits(5))],
        key=new_key(),
        by=CLOCK,
        at=books.now,
        reason="Moved to the follow-up.",
    )

    entry = Entry.objects.get(pk=posted.entry_id)
    assert (entry.kind, entry.actor, entry.reason) == ("transfer", "system:clock", "Moved to the follow-up.")
    assert entry.effective_at == books.now
    assert abs(entry.recorded_at - timezone.now()) < timedelta(minutes=5)


def test_one_posting_is_a_debit_and_a_credit_and_repeats_the_totals_it_left(books: Books) -> None:
    posted = books.grant(7)

    posting = Posting.objects.get(entry_id=posted.entry_id)
    call, award = (Account.objects.get(code=code) for code in (books.call.available, books.award.available))
    assert (posting.debit_id, posting.credit_id, posting.amount) == (call.pk, award.pk, credits(7))
    assert (posting.debit_seq, posting.debit_total) == (call.seq, call.debits) == (3, credits(107))
    assert (posting.credit_seq, posting.credit_total) == (award.seq, award.credits) == (2, credits(107))


def test_returning_gives_back_to_the_call_and_refuses_more_than_is_available(books: Books) -> None:
    call_key, award_key = f"call-{books.name}", f"award-{books.name}"

    ledger.return_to_call(call_key, award_key, credits(40), **books.terms)

    assert (books.balances()["call"], books.balances()["available"]) == (940, 60)
    with pytest.raises(ledger.InsufficientCredits, match="61 needed, 60 available"):
        ledger.return_to_call(call_key, award_key, credits(61), **books.terms)
    assert (books.balances()["call"], books.balances()["available"]) == (940, 60)


def test_an_account_can_be_emptied_and_not_overdrawn_by_one_micro_credit(books: Books) -> None:
    books.grant(900)
    assert books.balances()["call"] == 0
    before = everything()

    with pytest.raises(ledger.InsufficientCredits) as refusal:
        ledger.award(f"call-{books.name}", f"award-{books.name}", 1, **books.terms)

    assert refusal.value.code == "insufficient_credits"
    assert refusal.value.message == "There are not enough credits: 0.000001 needed, 0 available."
    assert everything() == before


def test_the_issuer_of_a_call_has_no_floor(books: Books) -> None:
    ledger.post(EntryKind.SETTLE, [Line(books.call.available, books.call.commitment, credits(900))], **books.terms)

    assert (books.balances()["commitment"], books.balances()["call"]) == (100, 0)


def test_an_entry_of_several_lines_happens_as_a_whole_or_not_at_all(books: Books) -> None:
    before = everything()

    with pytest.raises(ledger.InsufficientCredits, match="needed, 900 available"):
        ledger.post(
            EntryKind.AWARD,
            [
                Line(books.call.available, books.award.available, credits(600)),
                Line(books.call.available, books.award.available, credits(600)),
            ],
            **books.terms,
        )
    assert everything() == before

    posted = ledger.post(
        EntryKind.TRANSFER,
        [
            Line(books.call.available, books.award.available, credits(600)),
            Line(books.award.available, books.provider.invoiced, credits(650)),
            Line(books.provider.invoiced, books.call.available, credits(1)),
        ],
        **books.terms,
    )
    assert Posting.objects.filter(entry_id=posted.entry_id).count() == 3
    assert [books.balances()[name] for name in ("call", "available", "invoiced")] == [301, 50, 649]


def test_lines_apply_in_their_order(books: Books) -> None:
    through_an_empty_account = [
        Line(books.provider.invoiced, books.call.available, credits(10)),
        Line(books.award.available, books.provider.invoiced, credits(10)),
    ]

    with pytest.raises(ledger.InsufficientCredits):
        ledger.post(EntryKind.TRANSFER, through_an_empty_account, **books.terms)
    ledger.post(EntryKind.TRANSFER, through_an_empty_account[::-1], **books.terms)

    assert (books.balances()["available"], books.balances()["call"]) == (90, 910)


# --- keys ------------------------------------------------------------------------------------------------------------


def test_the_same_key_moves_credits_once_and_returns_the_first_result(books: Books) -> None:
    key = new_key()

    first = books.grant(10, key=key)
    again = books.grant(10, key=key)

    assert (first.replayed, again.replayed) == (False, True)
    assert again.entry_id == first.entry_id
    assert books.balances()["available"] == 110


def test_a_repeated_request_may_come_later_and_from_somebody_else(books: Books) -> None:
    key = new_key()

    first = books.grant(10, key=key)
    again = books.grant(10, key=key, by=CLOCK, at=books.now + timedelta(days=1), reason="Tried again.")

    assert again == ledger.Posted(first.entry_id, replayed=True)
    assert Entry.objects.get(pk=first.entry_id).actor == BY.audit_id


def test_a_request_is_the_same_alone_in_a_batch_and_as_one_line_of_many(books: Books) -> None:
    key, line = new_key(), Line(books.call.available, books.award.available, 7)
    first = ledger.post(EntryKind.AWARD, [line], **{**books.terms, "key": key})

    in_a_batch = ledger.post_batch([ledger.EntryDraft(EntryKind.AWARD, [line], key, books.now)], by=BY)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT entry_id, replayed FROM ledger_post(%s, 'award', %s, %s, %s::bigint[], 'x', '', now())",
            [key, [line.debit], [line.credit], [line.amount]],
        )
        of_any_length = ledger.Posted(*cursor.fetchone())

    assert in_a_batch == [of_any_length] == [ledger.Posted(first.entry_id, replayed=True)]


def test_a_repeated_request_is_answered_even_when_it_could_not_be_done_any_more(books: Books) -> None:
    key = new_key()
    first = books.grant(500, key=key)
    books.grant(400)
    ledger.close_account(books.award.available)

    assert books.grant(500, key=key).entry_id == first.entry_id


@pytest.mark.parametrize("changed", ["amount", "accounts", "kind", "lines"])
def test_a_key_is_refused_for_another_request(books: Books, changed: str) -> None:
    key = new_key()
    line = Line(books.call.available, books.award.available, credits(10))
    ledger.post(EntryKind.AWARD, [line], key=key, by=BY, at=books.now)
    before = everything()
    kind, lines = {
        "amount": (EntryKind.AWARD, [Line(line.debit, line.credit, line.amount + 1)]),
        "accounts": (EntryKind.AWARD, [Line(line.debit, books.provider.invoiced, line.amount)]),
        "kind": (EntryKind.TRANSFER, [line]),
        "lines": (EntryKind.AWARD, [line, line]),
    }[changed]

    with pytest.raises(ledger.KeyReused) as refusal:
        ledger.post(kind, lines, key=key, by=BY, at=books.now)

    assert refusal.value.code == "key_reused"
    assert everything() == before


def test_a_key_is_refused_for_another_action(books: Books) -> None:
    key = new_key()
    hold = books.hold(10, key=key)
    before = everything()

    for action in (
        lambda: books.grant(10, key=key),
        lambda: ledger.capture(hold, credits(10), key=key, by=BY, at=books.now),
        lambda: ledger.release(hold, key=key, by=BY, at=books.now),
    ):
        with pytest.raises(ledger.KeyReused):
            action()
    assert everything() == before


# --- refusals --------------------------------------------------------------------------------------------------------


def test_after_a_refusal_the_callers_transaction_goes_on(books: Books) -> None:
    with transaction.atomic():
        books.grant(1)
        with pytest.raises(ledger.InsufficientCredits):
            books.grant(5_000)
        books.grant(2)

    assert books.balances()["available"] == 103


@pytest.mark.parametrize("amount", [0, -1, 2**63])
def test_an_amount_that_is_not_positive_or_too_large_is_refused(books: Books, amount: int) -> None:
    before = everything()

    with pytest.raises(InvalidInput) as refusal:
        ledger.post(EntryKind.AWARD, [Line(books.call.available, books.award.available, amount)], **books.terms)

    assert refusal.value.field == "amount"
    assert everything() == before


def test_more_than_an_account_can_count_is_refused(books: Books) -> None:
    """The call's commitment has no floor that would refuse it, and its debits would be more than a bigint."""
    before = everything()

    with pytest.raises(InvalidInput):
        ledger.fund(f"call-{books.name}", ledger.AMOUNT_MAX, **books.terms)

    assert everything() == before


@pytest.mark.parametrize("amount", [1.5, "10", True, None])
def test_an_amount_is_a_whole_number(books: Books, amount: object) -> None:
    with pytest.raises(TypeError):
        ledger.post(
            EntryKind.AWARD,
            [Line(books.call.available, books.award.available, amount)],  # type: ignore[arg-type]  # that is the test
            **books.terms,
        )


def test_an_entry_needs_lines_and_two_different_accounts(books: Books) -> None:
    before = everything()

    with pytest.raises(InvalidInput):
        ledger.post(EntryKind.AWARD, [], **books.terms)
    with pytest.raises(InvalidInput):
        ledger.post(EntryKind.AWARD, [Line(books.call.available, books.call.available, 1)], **books.terms)
    assert everything() == before


def test_an_account_nobody_opened_is_refused(books: Books) -> None:
    before = everything()

    for line in (Line("call:nowhere:available", books.award.available, 1), Line(books.call.available, "nowhere", 1)):
        with pytest.raises(ledger.UnknownAccount) as refusal:
            ledger.post(EntryKind.AWARD, [line], **books.terms)
        assert refusal.value.code == "unknown_account"
    assert everything() == before


@pytest.mark.parametrize("side", ["call", "award", "accrued"])
def test_a_closed_account_takes_no_postings_until_it_is_opened_again(books: Books, side: str) -> None:
    code = {
        "call": books.call.available,
        "award": books.award.available,
        "accrued": books.provider.accrued,
    }[side]
    other = books.award.available if side != "award" else books.call.available
    ledger.close_account(code)
    before = everything()

    for line in (Line(code, other, 1), Line(other, code, 1)):
        with pytest.raises(ledger.AccountClosed) as refusal:
            ledger.post(EntryKind.TRANSFER, [line], **books.terms)
        assert refusal.value.code == "account_closed"
    assert everything() == before

    ledger.reopen_account(code)
    ledger.post(EntryKind.TRANSFER, [Line(other, code, 1)], **books.terms)


def test_closing_an_account_that_does_not_exist_is_refused(db: None) -> None:
    with pytest.raises(ledger.UnknownAccount):
        ledger.close_account("nowhere")


def test_units_never_mix(books: Books) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_open_account('euros', 'available', 2::smallint)")
    before = everything()

    for line in (Line(books.call.available, "euros", 1), Line(books.call.commitment, "euros", 1)):
        with pytest.raises(ledger.UnitMismatch) as refusal:
            ledger.post(EntryKind.TRANSFER, [line], **books.terms)
        assert refusal.value.code == "unit_mismatch"
    with pytest.raises(ledger.UnitMismatch):
        books.hold(1, payee="euros")
    assert everything() == before


def test_held_credits_are_not_moved_by_a_plain_entry(books: Books) -> None:
    books.hold(10)
    before = everything()

    for line in (Line(books.award.held, books.call.available, 1), Line(books.call.available, books.award.held, 1)):
        with pytest.raises(InvalidInput):
            ledger.post(EntryKind.TRANSFER, [line], **books.terms)
    assert everything() == before


def test_a_plain_entry_cannot_claim_to_be_a_hold_or_a_reversal(books: Books) -> None:
    for kind in set(EntryKind) - PLAIN:
        with pytest.raises(ValueError, match="action of their own"):
            ledger.post(kind, [Line(books.call.available, books.award.available, 1)], **books.terms)


def test_a_fault_of_the_database_is_not_turned_into_a_refusal(books: Books) -> None:
    class Nobody:
        audit_id = ""
        audit_name = ""

    with pytest.raises(Refused):
        ledger.fund(f"call-{books.name}", 1, key=new_key(), by=Nobody(), at=books.now)
    with pytest.raises(Exception, match="invalid input syntax for type uuid") as fault, transaction.atomic():
        ledger.fund(f"call-{books.name}", 1, key="no key", by=BY, at=books.now)  # type: ignore[arg-type]  # the test
    assert not isinstance(fault.value, Refused)


# --- connections -----------------------------------------------------------------------------------------------------


def prepared_statements() -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, statement FROM pg_prepared_statements WHERE statement LIKE '%FROM ledger%'")
        return cursor.fetchall()


def test_the_database_reads_a_statement_once_for_each_connection(books: Books) -> None:
    """Otherwise planning is a quarter of what a posting costs the server."""
    found = []
    for _ in range(3):
        books.hold(1)
        books.grant(1)
        found.append(prepared_statements())

    _, first, second = found
    assert set(second) == set(first)
    functions = {name for _, statement in first for name in re.findall(r"FROM (\w+)\(", statement)}
    assert {"ledger_post_line", "ledger_hold"} <= functions


@committing
def test_refusals_leave_no_statements_behind(committed_books: Books) -> None:
    """psycopg forgets a statement that it prepared and that was refused at its first use; the server does not."""
    connection.close()
    lines = [Line(committed_books.award.available, "nowhere", 1)]

    for _ in range(5):
        with pytest.raises(ledger.UnknownAccount):
            ledger.post(EntryKind.TRANSFER, lines, **committed_books.terms)

    assert len(prepared_statements()) <= 1


@committing
def test_after_a_lost_connection_the_same_key_works_on_the_next_one(
    committed_books: Books, plain: psycopg.Connection[Any]
) -> None:
    terms = committed_books.terms
    lines = [Line(committed_books.award.available, committed_books.call.available, credits(5))]
    ledger.post(EntryKind.RETURN, lines, **committed_books.terms)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        process = cursor.fetchone()
    plain.execute("SELECT pg_terminate_backend(%s, 5000)", process)

    with pytest.raises(OperationalError):
        ledger.post(EntryKind.RETURN, lines, **terms)
    connection.close_if_unusable_or_obsolete()  # as Django does before each request
    posted = ledger.post(EntryKind.RETURN, lines, **terms)

    assert not posted.replayed
    assert ledger.post(EntryKind.RETURN, lines, **terms) == (posted.entry_id, True)


# --- accounts --------------------------------------------------------------------------------------------------------


def test_opening_an_account_twice_gives_the_same_account(books: Books) -> None:
    account = ledger.open_account(books.award.available, AccountKind.AVAILABLE)

    assert account.pk == Account.objects.get(code=books.award.available).pk
    assert (account.has_floor, account.deferred, account.account_class) == (True, False, "liability")
    assert queries.balance(account) == credits(100)


def test_an_account_is_not_opened_again_as_another_kind(books: Books) -> None:
    before = everything()

    with pytest.raises(InvalidInput):
        ledger.open_account(books.award.available, AccountKind.ACCRUED)
    assert everything() == before


@pytest.mark.parametrize("key", ["", "a:b", " a", "a "])
def test_a_key_that_would_blur_codes_is_not_used(key: str) -> None:
    with pytest.raises(ValueError, match="must be a word"):
        ledger.award_accounts(key)


def test_the_first_action_on_a_call_opens_its_accounts(db: None) -> None:
    name = uuid.uuid4().hex

    ledger.fund(name, 5, key=new_key(), by=BY, at=timezone.now())

    assert queries.balance(f"call:{name}:available") == 5
