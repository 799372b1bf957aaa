"""A batch does what the same drafts do one by one: the same outcomes, balances, numbers and totals."""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earthcode.ledger import actions as ledger
from earthcode.ledger import chart, queries, verify
from earthcode.ledger.actions import AccountKind, CaptureDraft, Draft, EntryDraft, EntryKind, Line, Posted
from earthcode.lib.errors import InvalidInput, Refused
from earthcode.lib.money import credits

from .conftest import BY, NOW, Books, committing, everything, new_key, plain_connection
from .test_races import at_once

#: More than are posted one by one from the start.
MANY = 40


# --- against one by one ----------------------------------------------------------------------------------------------


class World:
    """A small set of accounts and holds. Two worlds of one shape differ in their codes and keys only."""

    def __init__(self) -> None:
        name = uuid.uuid4().hex
        self.space = uuid.uuid4()
        self.call = ledger.call_accounts(name)
        self.wallets = [ledger.award_accounts(f"{name}-{place}") for place in range(3)]
        self.providers = [ledger.provider_accounts(f"provider-{place}", name) for place in range(2)]
        closed = ledger.open_account(f"closed:{name}", AccountKind.AVAILABLE)
        ledger.close_account(closed)
        self.codes = [
            self.call.commitment,
            self.call.available,
            *(wallet.available for wallet in self.wallets),
            *(provider.accrued for provider in self.providers),
            self.providers[0].invoiced,
            self.wallets[0].held,
            closed.code,
            f"missing:{name}",
        ]
        ledger.fund(name, 4_000, **self.terms(900))
        self.holds = []
        for place, wallet in enumerate(self.wallets):
            ledger.award(name, f"{name}-{place}", 600, **self.terms(910 + place))
            for number in range(2):
                hold = ledger.hold(
                    wallet=wallet.available,
                    held=wallet.held,
                    payee=self.providers[number].accrued,
                    amount=150,
                    expires_at=NOW + timedelta(days=5 + number),
                    **self.terms(920 + 2 * place + number),
                )
                self.holds.append(hold.pk)
        self.holds.append(0)
        # The second wallet's credits can be spent for three days, the third one's on the second day only.
        ends = {
            1: {"opens_at": None, "closes_at": NOW + timedelta(days=3)},
            2: {"opens_at": NOW + timedelta(days=1), "closes_at": NOW + timedelta(days=2)},
        }
        for place, window in ends.items():
            ledger.set_window(f"{name}-{place}", **window, reason="", **self.terms(930 + place))

    def key(self, number: int) -> uuid.UUID:
        return uuid.uuid5(self.space, str(number))

    def terms(self, number: int) -> dict[str, Any]:
        return {"key": self.key(number), "by": BY, "at": NOW}

    def draft(self, plan: tuple[Any, ...]) -> Draft:
        if plan[0] == "capture":
            _, hold, amount, final, days, key = plan
            return CaptureDraft(self.holds[hold], amount, self.key(key), NOW + timedelta(days=days), final)
        _, kind, lines, reason, key = plan
        moves = [Line(self.codes[debit], self.codes[credit], amount) for debit, credit, amount in lines]
        return EntryDraft(kind, moves, self.key(key), NOW, reason)

    def one_by_one(self, drafts: Sequence[Draft]) -> list[Posted | Refused]:
        outcomes: list[Posted | Refused] = []
        for draft in drafts:
            try:
                if isinstance(draft, CaptureDraft):
                    outcomes.append(
                        ledger.capture(draft.hold, draft.amount, key=draft.key, by=BY, at=draft.at, final=draft.final)
                    )
                else:
                    outcomes.append(
                        ledger.post(draft.kind, draft.lines, key=draft.key, by=BY, at=draft.at, reason=draft.reason)
                    )
            except Refused as refusal:
                outcomes.append(refusal)
        return outcomes

    def books(self) -> list[Any]:
        """Everything that was written, in words that are the same in every world."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT entry.kind, entry.actor, entry.reason, entry.effective_at, posting.line, posting.unit,
                       debit.code, credit.code, posting.amount, debit_seq, debit_total, credit_seq, credit_total,
                       array_position(%s::uuid[], entry.idempotency_key),
                       array_position(%s::bigint[], entry.hold_id)
                FROM ledger_entry entry
                JOIN ledger_posting posting ON posting.entry_id = entry.id
                JOIN ledger_account debit ON debit.id = posting.debit_id
                JOIN ledger_account credit ON credit.id = posting.credit_id
                WHERE entry.idempotency_key = ANY (%s::uuid[])
                ORDER BY entry.id, posting.line
                """,
                [keys := [self.key(number) for number in range(1_000)], self.holds, keys],
            )
            names = {code: place for place, code in enumerate([*self.codes, *(wallet.held for wallet in self.wallets)])}
            written = [[names.get(value, value) if isinstance(value, str) else value for value in row]
                       for row in cursor.fetchall()]  # fmt: skip
            cursor.execute(
                "SELECT authorised, captured, released, refunded FROM ledger_hold WHERE id = ANY (%s) ORDER BY id",
                [self.holds],
            )
            return [written, cursor.fetchall(), list(queries.balances(self.codes).values())]


def outcome(result: Posted | Refused) -> Any:
    return result.replayed if isinstance(result, Posted) else type(result)


CODES = st.integers(0, 9)
LINES = st.tuples(CODES, CODES, st.integers(0, 200) | st.integers(1, 40))
KEYS = st.integers(0, 80)
# Mostly what will be taken, so that whole batches can be: awards and funds, and captures of little.
GOOD = st.tuples(
    st.just("plain"),
    st.just(EntryKind.TRANSFER),
    st.lists(
        st.sampled_from([(0, 1, 90), (1, 2, 20), (1, 3, 30), (2, 3, 1), (3, 4, 2), (5, 7, 3)]), min_size=1, max_size=3
    ),
    st.sampled_from(["", 'a "reason", \\ with {signs}']),
    st.integers(100, 899),
)
GOOD_CAPTURES = st.tuples(
    st.just("capture"), st.integers(0, 5), st.integers(1, 9), st.just(False), st.just(1), st.integers(100, 899)
)
PLAIN = st.tuples(
    st.just("plain"),
    st.sampled_from([EntryKind.TRANSFER, EntryKind.AWARD]),
    st.lists(LINES, max_size=3),
    st.just(""),
    KEYS,
)
CAPTURES = st.tuples(
    st.just("capture"), st.integers(0, 6), st.integers(0, 80), st.booleans(), st.sampled_from([1, 1, 1, 5]), KEYS
)
BATCHES = st.one_of(
    st.lists(GOOD | GOOD_CAPTURES, min_size=17, max_size=60),
    st.lists(GOOD | GOOD_CAPTURES | GOOD | GOOD_CAPTURES | PLAIN | CAPTURES, min_size=17, max_size=60),
    st.lists(PLAIN | CAPTURES, max_size=40),
)


def _compare(plans: list[Any]) -> None:
    single, together = World(), World()

    expected = single.one_by_one([single.draft(plan) for plan in plans])
    drafts = [together.draft(plan) for plan in plans]
    found = ledger.post_each(drafts, by=BY)

    assert list(map(outcome, found)) == list(map(outcome, expected))
    assert [str(refusal) for refusal in found if type(refusal) is InvalidInput] == [
        str(refusal) for refusal in expected if type(refusal) is InvalidInput
    ]
    assert together.books() == single.books()
    again = ledger.post_each(drafts, by=BY)
    assert [result for result in again if isinstance(result, Posted) and not result.replayed] == [
        result for result, before in zip(again, found, strict=True)
        if isinstance(result, Posted) and not result.replayed and isinstance(before, Refused)
    ]  # fmt: skip
    assert [finding.rule for finding in verify.findings() if not finding.holds] == []


@settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(plans=BATCHES)
def test_a_batch_does_what_its_drafts_do_one_by_one(db: None, plans: list[Any]) -> None:
    _compare(plans)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(plans=BATCHES)
def test_a_batch_does_what_its_drafts_do_one_by_one_again_and_again(db: None, plans: list[Any]) -> None:
    _compare(plans)


# --- all or nothing --------------------------------------------------------------------------------------------------


def captures(books: Books, hold: int, amounts: Sequence[int], **terms: Any) -> list[Draft]:
    return [CaptureDraft(hold, credits(amount), new_key(), books.now, **terms) for amount in amounts]


@pytest.mark.parametrize("size", [4, 40])
def test_a_batch_is_written_whole(books: Books, size: int) -> None:
    hold = books.hold(50)
    drafts = captures(books, hold.pk, [1] * size)
    drafts += [CaptureDraft(hold.pk, credits(1), new_key(), books.now, final=True)]

    posted = ledger.post_batch(drafts, by=BY)

    assert [one.replayed for one in posted] == [False] * (size + 1)
    assert [one.entry_id for one in posted] == sorted(one.entry_id for one in posted)
    assert books.balances()["accrued"] == size + 1
    assert books.balances()["held"] == 0
    assert ledger.post_batch(drafts, by=BY) == [Posted(one.entry_id, replayed=True) for one in posted]


@pytest.mark.parametrize("size", [4, 40])
@pytest.mark.parametrize("place", [0, 3, -1])
def test_a_refused_draft_is_named_and_nothing_is_written(books: Books, size: int, place: int) -> None:
    drafts = captures(books, books.hold(50).pk, [1] * size)
    drafts[place] = EntryDraft(
        EntryKind.TRANSFER, [Line(books.award.available, books.call.available, credits(51))], new_key(), books.now
    )
    before = everything()

    with pytest.raises(ledger.BatchRefused) as refused:
        ledger.post_batch(drafts, by=BY)

    assert drafts[refused.value.place] is drafts[place]
    assert type(refused.value.refusal) is ledger.InsufficientCredits
    assert everything() == before


def test_one_draft_beyond_what_an_account_can_count_refuses_itself_alone(books: Books) -> None:
    drafts = captures(books, books.hold(50).pk, [1] * MANY)
    line = Line(books.call.commitment, books.call.available, ledger.AMOUNT_MAX)
    drafts[7] = EntryDraft(EntryKind.FUND, [line], new_key(), books.now)
    before = everything()

    with pytest.raises(ledger.BatchRefused) as refusal:
        ledger.post_batch(drafts, by=BY)

    assert refusal.value.place == 7
    assert isinstance(refusal.value.refusal, InvalidInput)
    assert everything() == before
    outcomes = ledger.post_each(drafts, by=BY)
    assert [place for place, outcome in enumerate(outcomes) if isinstance(outcome, Refused)] == [7]
    assert isinstance(outcomes[7], InvalidInput)


def test_of_a_batch_that_was_partly_written_before_the_rest_is_written(books: Books) -> None:
    drafts = captures(books, books.hold(60).pk, [1] * MANY)
    there = [*ledger.post_batch(drafts[5:10], by=BY), *ledger.post_batch(drafts[20:], by=BY)]

    posted = ledger.post_batch(drafts, by=BY)

    assert [one.entry_id for one in posted if one.replayed] == [one.entry_id for one in there]
    assert [place for place, one in enumerate(posted) if one.replayed] == [*range(5, 10), *range(20, MANY)]
    assert books.balances()["accrued"] == MANY


def test_a_key_that_stood_for_something_else_refuses_its_draft_alone(books: Books) -> None:
    drafts = captures(books, books.hold(60).pk, [1] * MANY)
    other = CaptureDraft(books.hold(3).pk, credits(2), drafts[7].key, books.now)
    ledger.post_batch([other], by=BY)

    outcomes = ledger.post_each(drafts, by=BY)

    assert [place for place, outcome in enumerate(outcomes) if isinstance(outcome, Refused)] == [7]
    assert isinstance(outcomes[7], ledger.KeyReused)
    assert books.balances()["accrued"] == MANY - 1 + 2


def test_what_cannot_be_is_refused_before_anything_is_asked(books: Books, django_assert_num_queries: Any) -> None:
    drafts = captures(books, books.hold(50).pk, [1, 0, 1])

    with django_assert_num_queries(0), pytest.raises(ledger.BatchRefused) as refused:
        ledger.post_batch(drafts, by=BY)

    assert refused.value.place == 1
    assert type(refused.value.refusal) is InvalidInput


def test_an_empty_batch_is_nothing(books: Books) -> None:
    assert ledger.post_batch([], by=BY) == ledger.post_each([], by=BY) == []


def test_a_batch_is_one_call_for_many_drafts_as_for_few(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    call = ledger._call
    monkeypatch.setattr(ledger, "_call", lambda sql, parameters: (called.append(sql), call(sql, parameters))[1])
    hold = books.hold(90).pk
    called.clear()

    for size in (1, 80):
        ledger.post_batch(captures(books, hold, [1] * size), by=BY)

    assert len(called) == 2


# --- by hand ---------------------------------------------------------------------------------------------------------


@committing
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"amounts": [5, -5]},
        {"amounts": [5, 10**12]},
        {"debit": "commitment", "credit": "accrued", "kinds": ["reverse", "fund"]},
        {"kinds": ["capture", "fund"]},
        {"credit": "held"},
        {"credit": "available"},
        {"debit": "held"},
        {"entry_places": [1, 1]},
        {"entry_places": [2, 1]},
        {"entry_places": [1, 3]},
        {"entry_places": [0, 2]},
        {"amounts": [5]},
        {"actor": ""},
        {"hold_ids": [1, 0]},
        {"same_key": True},
        {"hashes": [None, b""]},
    ],
)
def test_a_batch_written_by_hand_is_posting_or_nothing(
    committed_books: Books, plain: psycopg.Connection[Any], change: dict[str, Any]
) -> None:
    """A superuser inserts a draft of a batch: what does not keep the rules is not written."""
    books = committed_books
    codes = {"commitment": books.call.commitment, "available": books.call.available,
             "held": books.award.held, "accrued": books.provider.accrued}  # fmt: skip
    debit = codes[change.get("debit", "available")]
    credit = codes[change.get("credit", "accrued")]
    keys = [new_key(), new_key()]
    before = everything()

    written = plain.execute(
        """
        INSERT INTO ledger_batch_draft (
            actor, idempotency_keys, request_hashes, kinds, hold_ids, reasons, effective_ats,
            entry_places, debit_ids, credit_ids, amounts
        )
        SELECT %s, %s::uuid[], %s::bytea[], %s::text[], %s::bigint[], ARRAY['', ''], ARRAY[now(), now()], %s::int[],
               array_fill(ledger_account_id(%s), ARRAY[2]), array_fill(ledger_account_id(%s), ARRAY[2]), %s::bigint[]
        RETURNING entry_ids
        """,
        [
            change.get("actor", "somebody"),
            [keys[0], keys[0]] if change.get("same_key") else keys,
            change.get("hashes", [b"", b""]),
            change.get("kinds", ["settle", "fund"]),
            change.get("hold_ids", [None, None]),
            change.get("entry_places", [1, 2]),
            debit,
            credit,
            change.get("amounts", [5, 6]),
        ],
    ).fetchone()

    assert (written is not None) == (change == {})
    assert (everything() == before) == (change != {})
    assert [finding.rule for finding in verify.findings() if not finding.holds] == []


# --- at the same moment ----------------------------------------------------------------------------------------------


@committing
def test_a_batch_from_two_workers_is_written_once(committed_books: Books) -> None:
    books = committed_books
    for size in (6, 60):
        hold = books.hold(5).pk
        drafts: list[Draft] = [CaptureDraft(hold, 1_000, new_key(), books.now) for _ in range(size)]
        drafts += [
            EntryDraft(EntryKind.FUND, [Line(books.call.commitment, books.call.available, 1)], new_key(), books.now)
            for _ in range(size)
        ]
        results = at_once(*[partial(ledger.post_batch, drafts, by=BY)] * 3)

        assert len({tuple(one.entry_id for one in result) for result in results}) == 1
        assert Counter(result[0].replayed for result in results) == {False: 1, True: 2}
    assert [finding.rule for finding in verify.findings() if not finding.holds] == []


@committing
def test_batches_and_single_postings_with_the_same_keys_do_not_deadlock(committed_books: Books) -> None:
    books = committed_books
    wallets = [ledger.award_accounts(f"one-of-many-{place}-{new_key()}").available for place in range(4)]
    ledger.post(EntryKind.AWARD, [Line(books.call.available, wallet, 1_000) for wallet in wallets], **books.terms)
    drafts = [
        EntryDraft(EntryKind.TRANSFER, [Line(wallets[place % 4], wallets[(place + 1) % 4], 3)], new_key(), books.now)
        for place in range(40)
    ]

    def singly(backwards: bool) -> list[Posted]:
        return [
            ledger.post(draft.kind, draft.lines, key=draft.key, by=BY, at=draft.at)
            for draft in (reversed(drafts) if backwards else drafts)
        ]

    results = at_once(
        lambda: ledger.post_batch(drafts, by=BY),
        lambda: ledger.post_batch(drafts[::-1], by=BY),
        lambda: singly(False),
        lambda: singly(True),
    )

    assert len({frozenset(one.entry_id for one in result) for result in results}) == 1
    assert sum(not one.replayed for result in results for one in result) == len(drafts)
    assert sum(queries.balances(wallets).values()) == 4_000
    assert [finding.rule for finding in verify.findings() if not finding.holds] == []


def test_a_batch_spends_nothing_before_it_comes(books: Books) -> None:
    """What is enough for all of them in the end may be too little for one of them on the way."""
    call, wallet = books.call.available, books.award.available
    too_much = EntryDraft(EntryKind.RETURN, [Line(wallet, call, credits(101))], new_key(), books.now)
    later = [EntryDraft(EntryKind.AWARD, [Line(call, wallet, credits(1))], new_key(), books.now) for _ in range(MANY)]
    before = everything()

    with pytest.raises(ledger.BatchRefused) as refused:
        ledger.post_batch([too_much, *later], by=BY)

    assert refused.value.place == 0
    assert isinstance(refused.value.refusal, ledger.InsufficientCredits)
    assert everything() == before


@committing
def test_an_account_that_is_closed_while_a_batch_waits_for_it_takes_nothing(
    committed_books: Books, plain: psycopg.Connection[Any]
) -> None:
    books = committed_books
    wallet = books.award.available
    drafts = [
        EntryDraft(EntryKind.RETURN, [Line(wallet, books.call.available, 1)], new_key(), books.now) for _ in range(MANY)
    ]
    waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    def close_it() -> None:
        with plain.transaction(), plain_connection() as watching:
            plain.execute("SELECT ledger_set_closed(%s, true)", [wallet])
            closed.set()
            while not (done.is_set() or watching.execute(waits).fetchone()):
                time.sleep(0.01)

    def post() -> list[Posted]:
        closed.wait(timeout=60)
        try:
            return ledger.post_batch(drafts, by=BY)
        finally:
            done.set()

    closed, done = threading.Event(), threading.Event()
    before = books.balances()

    _, refused = at_once(close_it, post)

    assert isinstance(refused, ledger.BatchRefused)
    assert isinstance(refused.refusal, ledger.AccountClosed)
    assert books.balances() == before


@committing
def test_batches_never_overdraw_together(committed_books: Books) -> None:
    books = committed_books
    hold = books.hold(1).pk
    drafts = [[CaptureDraft(hold, 10_000, new_key(), books.now) for _ in range(60)] for _ in range(4)]

    results = at_once(*[partial(ledger.post_each, some, by=BY) for some in drafts])

    counted = Counter(type(one) for result in results for one in result)
    assert counted == {Posted: 100, ledger.HoldNotLive: 140}
    assert queries.balance(chart.award_accounts(f"award-{books.name}").held) == 0
    with plain_connection() as plain:
        assert plain.execute("SELECT captured FROM ledger_hold WHERE id = %s", [hold]).fetchone() == (credits(1),)
