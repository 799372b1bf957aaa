"""Tranches, lapses, transfers and debts from several connections at the same moment."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from earthcode.audit.actors import CLOCK
from earthcode.ledger import actions as ledger
from earthcode.ledger import queries
from earthcode.ledger.actions import Hold, Posted
from earthcode.lib.errors import Refused

from .conftest import Books, committing, new_key
from .test_races import assert_every_rule_holds, at_once

pytestmark = committing

ROUNDS = [pytest.param(10), pytest.param(300, marks=pytest.mark.slow)]


def grant(books: Books, name: str, amount: int, days: int, tranche: int = 1) -> str:
    """So many micro-credits in a tranche that ends so many days from now; returns the award's name."""
    award = f"{name}-{books.name}"
    closes_at = books.now + timedelta(days=days)
    ledger.award(f"call-{books.name}", award, amount, tranche=tranche, closes_at=closes_at, **books.terms)
    return award


def draw(books: Books, award: str, amount: int, **terms: Any) -> Hold:
    expires_at = books.now + timedelta(days=90)
    payee = books.provider.accrued
    return ledger.draw(award, payee=payee, amount=amount, expires_at=expires_at, **{**books.terms, **terms})


@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_draw_over_tranches_and_a_lapse_of_one_leave_one_of_them(committed_books: Books, rounds: int) -> None:
    books, outcomes = committed_books, Counter[type]()
    lapse = partial(ledger.lapse, before=books.now + timedelta(days=1), by=CLOCK)
    for number in range(rounds):
        award = grant(books, f"round-{number}", 2, days=1)
        grant(books, f"round-{number}", 2, days=30, tranche=2)

        drawn, lapsed, again = at_once(partial(draw, books, award, 3), lapse, lapse)

        # The lapse takes what the draw left: nothing, or everything before the draw could have it.
        assert len(lapsed) + len(again) == (0 if isinstance(drawn, Hold) else 1)
        balance = queries.award_balances([award])[award]
        expected = (1, 3) if isinstance(drawn, Hold) else (2, 0)
        assert (balance.available, balance.held) == expected
        outcomes[type(drawn)] += 1
    assert set(outcomes) <= {Hold, ledger.InsufficientCredits}
    assert_every_rule_holds()


@pytest.mark.parametrize("turns", [pytest.param(15), pytest.param(300, marks=pytest.mark.slow)])
def test_transfers_both_ways_draws_and_lapses_at_once_do_not_deadlock(committed_books: Books, turns: int) -> None:
    books = committed_books
    awards = [grant(books, name, 1_000, days=30) for name in ("here", "there")]
    for award in ("here", "there"):
        grant(books, award, 1_000, days=30, tranche=2)
        grant(books, award, 7, days=1, tranche=3)

    def shuffle(seed: int) -> int:
        dice = random.Random(seed)  # noqa: S311  # chance, not a secret
        done = 0
        for _ in range(turns):
            try:
                _do_something(books, dice, *dice.sample(awards, 2))
            except Refused:
                continue
            done += 1
        return done

    assert all(at_once(*[partial(shuffle, seed) for seed in range(6)]))
    assert_every_rule_holds()


def _do_something(books: Books, dice: random.Random, source: str, target: str) -> None:
    match dice.randint(1, 10):
        case 1 | 2 | 3 | 4:
            amount, tranche = dice.randint(1, 1_200), dice.randint(1, 2)
            ledger.transfer(source, target, amount, tranche=tranche, **books.terms)
        case 5 | 6 | 7:
            ledger.release(draw(books, source, dice.randint(900, 1_500)), **books.terms)
        case 8:
            ledger.capture(draw(books, source, 1), 3, beyond=True, **books.terms)
        case 9:
            ledger.repay(source, dice.randint(1, 4), **books.terms)
        case _:
            ledger.lapse(before=books.now + timedelta(days=dice.randint(0, 1)), by=CLOCK)


@pytest.mark.parametrize("name", ["draw", "transfer", "repay", "beyond", "award", "window"])
def test_the_same_key_from_two_workers_happens_once(committed_books: Books, name: str) -> None:
    books = committed_books
    for number in range(3):
        here, there = grant(books, f"here-{number}", 5, days=30), grant(books, f"there-{number}", 5, days=30)
        grant(books, f"here-{number}", 50, days=40, tranche=2)
        ended = draw(books, here, 1)
        ledger.capture(ended, 9, beyond=True, **books.terms)
        terms = {**books.terms, "key": new_key()}
        ends = {"opens_at": None, "closes_at": books.now + timedelta(days=50)}
        actions: dict[str, Callable[[], Any]] = {
            "draw": lambda here=here, terms=terms: draw(books, here, 10, **terms).pk,
            "transfer": lambda here=here, there=there, terms=terms: ledger.transfer(here, there, 6, **terms).entry_id,
            "repay": lambda here=here, terms=terms: ledger.repay(here, 6, **terms).entry_id,
            "beyond": lambda ended=ended, terms=terms: ledger.capture(ended, 2, beyond=True, **terms).entry_id,
            "award": lambda terms=terms, ends=ends: (
                ledger.award(f"call-{books.name}", f"new-{terms['key']}", 2, **ends, **terms).entry_id
            ),
            "window": lambda here=here, terms=terms, ends=ends: ledger.set_window(
                here, **ends, reason="A storm.", **terms
            ),
        }

        assert len(set(at_once(*[actions[name]] * 3))) == 1
    assert_every_rule_holds()


def test_a_debt_is_repaid_by_one_of_several(committed_books: Books) -> None:
    books = committed_books
    award = grant(books, "owing", 20, days=30)
    grant(books, "owing", 20, days=40, tranche=2)
    for _ in range(5):
        ledger.capture(draw(books, award, 1), 2, beyond=True, **books.terms)

        results = at_once(*[lambda: ledger.repay(award, 1, **books.terms)] * 4)

        assert Counter(type(result) for result in results) == {Posted: 1, ledger.OverRepayment: 3}
    assert queries.debt(award) == 0
    assert_every_rule_holds()


def test_a_refund_and_a_repayment_at_once_pay_the_debt_once(committed_books: Books) -> None:
    books = committed_books
    award = grant(books, "owing", 50, days=30)
    for _ in range(5):
        capture = ledger.capture(draw(books, award, 1), 3, beyond=True, **books.terms)

        refunded, repaid = at_once(
            partial(ledger.refund, capture.entry_id, 3, **books.terms), partial(ledger.repay, award, 2, **books.terms)
        )

        assert isinstance(refunded, Posted)
        assert isinstance(repaid, Posted | ledger.OverRepayment)
        assert queries.award_balances([award])[award] == queries.AwardBalance(50, 0, 0, 0)  # type: ignore[arg-type]
    assert_every_rule_holds()
