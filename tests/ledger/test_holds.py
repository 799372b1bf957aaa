from datetime import timedelta

import pytest
from django.db import transaction
from django.forms.models import model_to_dict

from earthcode.audit.actors import CLOCK
from earthcode.ledger import actions as ledger
from earthcode.ledger import queries
from earthcode.ledger.models import Entry
from earthcode.lib.errors import InvalidInput
from earthcode.lib.money import credits

from .conftest import BY, Books, everything, new_key


def test_a_hold_sets_credits_aside(books: Books) -> None:
    hold = books.hold(33)

    assert (books.balances()["available"], books.balances()["held"]) == (67, 33)
    assert (hold.authorised, hold.captured, hold.released, hold.refunded) == (credits(33), 0, 0, 0)
    assert hold.is_open
    assert hold.remaining == credits(33)
    assert model_to_dict(hold) == model_to_dict(ledger.get_hold(hold))
    assert (hold.wallet.code, hold.payee.code) == (books.award.available, books.provider.accrued)
    assert list(queries.open_holds(books.award.held)) == [hold]


def test_a_hold_of_more_than_is_available_is_refused(books: Books) -> None:
    books.hold(60)
    before = everything()

    with pytest.raises(ledger.InsufficientCredits, match="41 needed, 40 available"):
        books.hold(41)
    assert everything() == before


def test_the_same_key_makes_one_hold(books: Books) -> None:
    key, expires_at = new_key(), books.now + timedelta(days=30)

    first = books.hold(10, key=key, expires_at=expires_at)
    ledger.capture(first, credits(4), **books.terms)
    again = books.hold(10, key=key, expires_at=expires_at, at=books.now + timedelta(days=31))

    assert again == first
    assert again.captured == credits(4)
    assert books.balances()["available"] == 90
    with pytest.raises(ledger.KeyReused):
        books.hold(11, key=key, expires_at=expires_at)
    with pytest.raises(ledger.KeyReused):
        books.hold(10, key=key, expires_at=expires_at + timedelta(days=1))
    with pytest.raises(ledger.KeyReused):
        books.hold(10, key=key, expires_at=expires_at, payee=books.call.available)


def test_a_hold_needs_three_accounts_the_middle_one_for_held_credits(books: Books) -> None:
    books.hold(5)
    before = everything()

    for wrong in (
        {"held": books.provider.invoiced},
        {"payee": books.award.available},
        {"payee": books.award.held},
        {"held": books.award.available},
        {"wallet": books.award.held, "held": books.provider.invoiced},
    ):
        with pytest.raises(InvalidInput):
            books.hold(1, **wrong)
    with pytest.raises(ledger.UnknownAccount):
        books.hold(1, payee="nowhere")
    assert everything() == before


def test_a_hold_runs_out_after_it_starts(books: Books) -> None:
    with pytest.raises(InvalidInput) as refusal:
        books.hold(1, expires_at=books.now)
    assert refusal.value.field == "expires_at"


# --- captures --------------------------------------------------------------------------------------------------------


def test_captures_take_credits_for_the_payee_until_nothing_is_left(books: Books) -> None:
    hold = books.hold(33)

    ledger.capture(hold, credits("12.504"), **books.terms)
    ledger.capture(hold, credits("20.496"), **books.terms)

    assert [books.balances()[name] for name in ("available", "held", "accrued")] == [67, 0, 33]
    hold = ledger.get_hold(hold)
    assert (hold.captured, hold.remaining, hold.is_open) == (credits(33), 0, False)
    with pytest.raises(ledger.HoldNotLive):
        ledger.capture(hold, 1, **books.terms)


def test_capture_refuses_more_than_the_hold_has_left(books: Books) -> None:
    hold = books.hold(33)
    books.hold(50)
    ledger.capture(hold, credits(30), **books.terms)
    before = everything()

    for final in (False, True):
        with pytest.raises(ledger.OverCapture) as refusal:
            ledger.capture(hold, credits(3) + 1, final=final, **books.terms)
        assert refusal.value.code == "over_capture"
    assert everything() == before


def test_a_final_capture_gives_the_rest_back_in_the_same_entry(books: Books) -> None:
    hold = books.hold(33)

    posted = ledger.capture(hold, credits(21), final=True, **books.terms)

    assert [books.balances()[name] for name in ("available", "held", "accrued")] == [79, 0, 21]
    hold = ledger.get_hold(hold)
    assert (hold.captured, hold.released, hold.is_open) == (credits(21), credits(12), False)
    assert Entry.objects.get(pk=posted.entry_id).postings.count() == 2


def test_a_final_capture_of_everything_has_one_line(books: Books) -> None:
    hold = books.hold(33)

    posted = ledger.capture(hold, credits(33), final=True, **books.terms)

    assert Entry.objects.get(pk=posted.entry_id).postings.count() == 1


def test_the_same_key_captures_once_even_when_the_hold_is_used_up(books: Books) -> None:
    hold, key = books.hold(33), new_key()

    first = ledger.capture(hold, credits(33), key=key, by=BY, at=books.now)
    again = ledger.capture(hold, credits(33), key=key, by=BY, at=books.now + timedelta(days=60))

    assert again == ledger.Posted(first.entry_id, replayed=True)
    assert books.balances()["accrued"] == 33
    with pytest.raises(ledger.KeyReused):
        ledger.capture(hold, credits(32), key=key, by=BY, at=books.now)
    with pytest.raises(ledger.KeyReused):
        ledger.capture(hold, credits(33), key=key, by=BY, at=books.now, final=True)


def test_capture_refuses_a_hold_that_ran_out_or_never_was(books: Books) -> None:
    hold = books.hold(33)
    before = everything()

    with pytest.raises(ledger.HoldNotLive) as refusal:
        ledger.capture(hold, 1, key=new_key(), by=BY, at=hold.expires_at)
    assert refusal.value.code == "hold_not_live"
    with pytest.raises(ledger.HoldNotLive):
        ledger.capture(hold.pk + 1_000_000, 1, **books.terms)
    assert everything() == before

    ledger.capture(hold, 1, key=new_key(), by=BY, at=hold.expires_at - timedelta(microseconds=1))


# --- giving back -----------------------------------------------------------------------------------------------------


def test_release_gives_back_what_is_left_once(books: Books) -> None:
    hold, key = books.hold(33), new_key()
    ledger.capture(hold, credits(3), **books.terms)

    first = ledger.release(hold, key=key, by=BY, at=books.now)
    again = ledger.release(hold, key=key, by=BY, at=books.now)

    assert again == ledger.Posted(first.entry_id, replayed=True)
    assert [books.balances()[name] for name in ("available", "held", "accrued")] == [97, 0, 3]
    with pytest.raises(ledger.NothingToRelease) as refusal:
        ledger.release(hold, **books.terms)
    assert refusal.value.code == "nothing_to_release"
    with pytest.raises(ledger.HoldNotLive):
        ledger.release(hold.pk + 1_000_000, **books.terms)


def test_a_hold_that_ran_out_can_still_be_released(books: Books) -> None:
    hold = books.hold(33)

    ledger.release(hold, key=new_key(), by=BY, at=hold.expires_at + timedelta(days=1))

    assert books.balances()["available"] == 100


def test_expire_gives_back_holds_that_ran_out_at_the_moment_they_did(books: Books) -> None:
    early = books.hold(10, expires_at=books.now + timedelta(days=1))
    used = books.hold(10, expires_at=books.now + timedelta(days=2))
    ledger.capture(used, credits(10), **books.terms)
    late = books.hold(10, expires_at=books.now + timedelta(days=3))
    later = books.hold(10, expires_at=books.now + timedelta(days=3, microseconds=1))

    expired = ledger.expire(before=books.now + timedelta(days=3), by=CLOCK)

    assert expired == [early.pk, late.pk]
    assert list(queries.open_holds(books.award.held)) == [later]
    entry = Entry.objects.get(hold=late, kind="expire")
    assert (entry.effective_at, entry.actor) == (late.expires_at, "system:clock")
    assert ledger.expire(before=books.now + timedelta(days=3), by=CLOCK) == []
    assert books.balances()["available"] == 80


def test_expire_can_be_done_in_portions(books: Books) -> None:
    holds = [books.hold(1, expires_at=books.now + timedelta(days=1)) for _ in range(3)]

    portions = [ledger.expire(before=books.now + timedelta(days=1), by=CLOCK, limit=2) for _ in range(3)]

    assert portions == [[holds[0].pk, holds[1].pk], [holds[2].pk], []]


def test_a_hold_and_its_capture_stand_or_fall_with_the_callers_transaction(books: Books) -> None:
    before = everything()

    with transaction.atomic():
        ledger.capture(books.hold(10), credits(5), **books.terms)
        transaction.set_rollback(True)

    assert everything() == before
