"""Real connections at the same moment: never overdrawn, never twice, no deadlock that reaches a caller."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection

from earthcode.audit.actors import CLOCK
from earthcode.ledger import actions as ledger
from earthcode.ledger import queries, verify
from earthcode.ledger.actions import AccountKind, EntryKind, Hold, Line, Posted
from earthcode.lib.errors import Refused
from earthcode.lib.money import credits

from .conftest import BY, Books, committing, new_key

pytestmark = committing


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """Run each action on a connection of its own, all starting together; a refusal is a result, anything else is raised."""
    results: list[Any] = [None] * len(actions)
    faults: list[BaseException] = []
    start = threading.Barrier(len(actions))

    def run(place: int, action: Callable[[], Any]) -> None:
        try:
            connection.ensure_connection()
            start.wait(timeout=60)
            results[place] = action()
        except Refused as refusal:
            results[place] = refusal
        except BaseException as fault:
            faults.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=item) for item in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    return results


def assert_every_rule_holds() -> None:
    assert [finding for finding in verify.findings() if not finding.holds] == []


ROUNDS = [pytest.param(12), pytest.param(1_000, marks=pytest.mark.slow)]


@pytest.mark.parametrize("rounds", ROUNDS)
def test_one_hold_is_captured_once(committed_books: Books, rounds: int) -> None:
    books = committed_books
    books.fund(rounds)
    books.grant(rounds)
    before = books.balances()
    for _ in range(rounds):
        hold = books.hold(1)

        def capture(hold: Hold = hold) -> Posted:
            return ledger.capture(hold, credits(1), **books.terms)

        results = at_once(capture, capture)

        assert Counter(type(result) for result in results) == {Posted: 1, ledger.HoldNotLive: 1}
    after = books.balances()
    assert after["accrued"] - before["accrued"] == rounds
    assert after["held"] == before["held"]
    assert_every_rule_holds()


def _repeatable(books: Books) -> dict[str, Callable[[], Any]]:
    """Actions that two workers do with the same key."""
    terms = {"key": new_key(), "by": BY, "at": books.now}
    hold, taken = books.hold(2), books.hold(2)
    capture = ledger.capture(taken, credits(2), **books.terms)
    award = books.grant(1)
    return {
        "award": lambda: books.grant(1, **terms),
        "hold": lambda: books.hold(1, **terms).pk,
        "capture": lambda: ledger.capture(hold, credits(2), **terms),
        "final capture": lambda: ledger.capture(hold, credits(1), final=True, **terms),
        "release": lambda: ledger.release(hold, **terms),
        "reverse": lambda: ledger.reverse(award.entry_id, reason="A mistake.", **terms),
        "refund": lambda: ledger.refund(capture.entry_id, credits(2), **terms),
    }


@pytest.mark.parametrize("rounds", [pytest.param(2), pytest.param(150, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["award", "hold", "capture", "final capture", "release", "reverse", "refund"])
def test_the_same_key_from_two_workers_happens_once(committed_books: Books, name: str, rounds: int) -> None:
    books = committed_books
    books.fund(20 * rounds)
    books.grant(10 * rounds)
    for _ in range(rounds):
        action = _repeatable(books)[name]

        results = at_once(action, action, action)

        if name == "hold":
            assert len(set(results)) == 1
        else:
            assert len({result.entry_id for result in results}) == 1
            assert sorted(result.replayed for result in results) == [False, True, True]
    assert_every_rule_holds()


@pytest.mark.parametrize("clients", [16])
def test_an_account_is_drained_to_zero_and_not_beyond(committed_books: Books, clients: int) -> None:
    books = committed_books
    wallet = ledger.award_accounts(f"drained-{new_key()}")
    ledger.post(EntryKind.AWARD, [Line(books.call.available, wallet.available, 40)], **books.terms)

    def drain() -> int:
        taken = 0
        while True:
            try:
                ledger.post(EntryKind.TRANSFER, [Line(wallet.available, books.provider.invoiced, 1)], **books.terms)
            except ledger.InsufficientCredits:
                return taken
            taken += 1

    taken = at_once(*[drain] * clients)

    assert sum(taken) == 40
    assert queries.balance(wallet.available) == 0
    assert_every_rule_holds()


@pytest.mark.parametrize("rounds", ROUNDS)
def test_the_last_credit_goes_to_one_of_sixteen(committed_books: Books, rounds: int) -> None:
    books = committed_books
    wallet = ledger.award_accounts(f"contested-{new_key()}")
    for _ in range(max(rounds // 6, 1)):
        ledger.post(EntryKind.AWARD, [Line(books.call.available, wallet.available, 1)], **books.terms)

        def take() -> Hold:
            return ledger.hold(
                wallet=wallet.available,
                held=wallet.held,
                payee=books.provider.accrued,
                amount=1,
                expires_at=books.now + timedelta(days=1),
                **books.terms,
            )

        results = at_once(*[take] * 16)

        assert Counter(type(result) for result in results) == {Hold: 1, ledger.InsufficientCredits: 15}
    assert_every_rule_holds()


@pytest.mark.parametrize("name", ["reverse", "refund"])
def test_what_was_moved_is_given_back_once(committed_books: Books, name: str) -> None:
    books = committed_books
    for _ in range(3):
        books.fund(5)
        books.grant(5)
        capture = ledger.capture(books.hold(4), credits(4), **books.terms)

        def give_back(capture: Posted = capture) -> Posted:
            if name == "reverse":
                return ledger.reverse(capture.entry_id, reason="A mistake.", **books.terms)
            return ledger.refund(capture.entry_id, credits(3), **books.terms)

        results = at_once(give_back, give_back)

        refused = ledger.NotReversible if name == "reverse" else ledger.OverRefund
        assert Counter(type(result) for result in results) == {Posted: 1, refused: 1}
    assert_every_rule_holds()


def test_an_entry_is_reversed_by_one_of_two(committed_books: Books) -> None:
    books = committed_books
    for _ in range(5):
        funding = books.fund(1)

        def reverse(funding: Posted = funding) -> Posted:
            return ledger.reverse(funding.entry_id, reason="A mistake.", **books.terms)

        results = at_once(reverse, reverse)

        assert Counter(type(result) for result in results) == {Posted: 1, ledger.NotReversible: 1}


def test_several_clocks_expire_each_hold_once(committed_books: Books) -> None:
    books = committed_books
    books.fund(20)
    books.grant(20)
    before = books.balances()["available"]
    due = books.now + timedelta(seconds=1)
    holds = [books.hold(1, expires_at=due).pk for _ in range(12)]

    expired = at_once(*[partial(ledger.expire, before=due, by=CLOCK)] * 4)

    assert sorted(hold for one in expired for hold in one) == holds
    assert books.balances()["available"] == before


def test_a_capture_and_an_expiry_leave_one_of_them(committed_books: Books) -> None:
    books = committed_books
    books.fund(10)
    books.grant(10)
    for _ in range(8):
        due = books.now + timedelta(seconds=1)
        hold = books.hold(1, expires_at=due)

        def capture(hold: Hold = hold) -> Posted:
            return ledger.capture(hold, credits(1), **books.terms)

        captured, expired = at_once(capture, partial(ledger.expire, before=due, by=CLOCK))

        hold = ledger.get_hold(hold)
        assert (hold.captured, hold.released) in {(credits(1), 0), (0, credits(1))}
        assert isinstance(captured, Posted) == (hold.pk not in expired) == (hold.captured > 0)
    assert_every_rule_holds()


def test_opening_an_account_at_once_opens_one(committed_books: Books) -> None:
    code = f"raced:{new_key()}"

    accounts = at_once(*[partial(ledger.open_account, code, AccountKind.AVAILABLE)] * 8)

    assert len({account.pk for account in accounts}) == 1


def test_transfers_in_every_direction_do_not_deadlock(committed_books: Books) -> None:
    books = committed_books
    wallets = [ledger.award_accounts(f"circle-{place}-{new_key()}").available for place in range(4)]
    ledger.post(EntryKind.AWARD, [Line(books.call.available, wallet, 1_000) for wallet in wallets], **books.terms)

    def shuffle(seed: int) -> int:
        dice = random.Random(seed)  # noqa: S311  # chance, not a secret
        done = 0
        for _ in range(25):
            try:
                ledger.post(EntryKind.TRANSFER, _random_lines(dice, wallets), **books.terms)
            except ledger.InsufficientCredits:
                continue
            done += 1
        return done

    done = at_once(*[partial(shuffle, seed) for seed in range(6)])

    assert all(done)
    assert sum(queries.balances(wallets).values()) == 4_000
    assert_every_rule_holds()


def _random_lines(dice: random.Random, wallets: Sequence[str]) -> list[Line]:
    pairs = [dice.sample(wallets, 2) for _ in range(dice.randint(1, 4))]
    return [Line(debit, credit, dice.randint(1, 40)) for debit, credit in pairs]
