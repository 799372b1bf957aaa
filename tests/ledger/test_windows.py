"""Windows and tranches of awards, lapses, transfers and debts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from earthcode.audit.actors import CLOCK
from earthcode.ledger import actions as ledger
from earthcode.ledger import chart, queries, verify
from earthcode.ledger.actions import EntryKind, Hold, Line, Posted
from earthcode.ledger.models import Entry, Window
from earthcode.lib.errors import InvalidInput, Refused
from earthcode.lib.money import credits

from .conftest import BY, Books, everything, new_key


@dataclass
class Award:
    """An award of the call that ``books`` are about."""

    books: Books
    name: str

    @property
    def call(self) -> str:
        return f"call-{self.books.name}"

    @property
    def wallet(self) -> str:
        return chart.award_accounts(self.name).available

    def grant(self, amount: int, **terms: Any) -> Posted:
        return ledger.award(self.call, self.name, credits(amount), **{**self.books.terms, **terms})

    def draw(self, amount: int, **terms: Any) -> Hold:
        expires_at = self.books.now + timedelta(days=200)
        payee = self.books.provider.accrued
        asked = {"payee": payee, "amount": credits(amount), "expires_at": expires_at, **self.books.terms, **terms}
        return ledger.draw(self.name, **asked)

    def has(self) -> tuple[list[int], int, int, int]:
        """Available by tranche, held, used and owed; in credits."""
        balance = queries.award_balances([self.name])[self.name]
        tranches = sorted(queries.tranches(self.name), key=lambda tranche: tranche.number)
        figures = (balance.held, balance.used, balance.owed)
        held, used, owed = (amount // credits(1) for amount in figures)
        return [tranche.available // credits(1) for tranche in tranches], held, used, owed

    @property
    def call_has(self) -> int:
        return queries.balance(self.books.call.available) // credits(1)


def day(books: Books, number: int) -> datetime:
    return books.now + timedelta(days=number)


@pytest.fixture
def windowed(books: Books) -> Award:
    """60 credits that can be spent from day 10 until day 40."""
    award = Award(books, f"windowed-{books.name}")
    award.grant(60, opens_at=day(books, 10), closes_at=day(books, 40))
    return award


@pytest.fixture
def tranches(books: Books) -> Award:
    """30 credits until day 100 in the first tranche, 20 until day 50 in the second, 50 from day 60 until day 150 in the third."""
    award = Award(books, f"tranches-{books.name}")
    award.grant(30, closes_at=day(books, 100))
    award.grant(20, tranche=2, closes_at=day(books, 50))
    award.grant(50, tranche=3, opens_at=day(books, 60), closes_at=day(books, 150))
    return award


def assert_refused(refusal: type[Refused], action: Any, *arguments: Any, **named: Any) -> None:
    before = everything()
    with pytest.raises(refusal):
        action(*arguments, **named)
    assert everything() == before


@pytest.fixture(autouse=True)
def every_rule_holds(db: None) -> Any:
    yield
    assert [finding for finding in verify.findings() if not finding.holds] == []


# --- windows ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "is_open"), [(9, False), (10, True), (39, True), (40, False)])
def test_credits_are_spent_in_their_window_only(windowed: Award, number: int, is_open: bool) -> None:
    books = windowed.books
    other = ledger.award_accounts(f"other-{books.name}", windowed.call).available
    books.now = day(books, number)
    spending: list[tuple[Any, ...]] = [
        (windowed.draw, 5),
        (ledger.transfer, windowed.name, f"other-{books.name}", 5),
        (ledger.post, EntryKind.TRANSFER, [Line(windowed.wallet, other, 5)]),
    ]
    ledger.award(windowed.call, f"other-{books.name}", 1, closes_at=day(books, 1), **books.terms)
    for action, *arguments in spending:
        if is_open:
            action(*arguments, **books.terms)
        elif action == ledger.transfer:  # no tranche is open, so there is nothing to take
            assert_refused(ledger.InsufficientCredits, action, *arguments, **books.terms)
        else:
            assert_refused(ledger.OutsideWindow, action, *arguments, **books.terms)


def test_credits_can_be_given_back_before_and_after_their_window(windowed: Award) -> None:
    books = windowed.books
    for number in (0, 20, 50):
        ledger.return_to_call(windowed.call, windowed.name, credits(10), **{**books.terms, "at": day(books, number)})

    assert windowed.has()[0] == [30]


def test_nothing_is_given_to_a_window_that_is_over(windowed: Award) -> None:
    books = windowed.books
    books.now = day(books, 40)

    assert_refused(ledger.OutsideWindow, windowed.grant, 5)
    window = {"opens_at": day(books, -30), "closes_at": books.now}
    assert_refused(ledger.OutsideWindow, windowed.grant, 5, **window)
    # The window is what is said, also of credits that are not there.
    other = Award(books, f"other-{books.name}")
    other.grant(1)
    assert_refused(ledger.OutsideWindow, ledger.transfer, other.name, windowed.name, credits(2), **books.terms)


def test_an_award_names_the_window_that_its_tranche_has_or_none(windowed: Award) -> None:
    books = windowed.books
    key, window = new_key(), {"opens_at": day(books, 10), "closes_at": day(books, 40)}

    first = windowed.grant(1, key=key, **window)
    windowed.grant(1)

    assert windowed.grant(1, key=key, **window, at=day(books, 90)) == Posted(first.entry_id, replayed=True)
    assert_refused(ledger.KeyReused, windowed.grant, 1, key=key, **{**window, "closes_at": day(books, 41)})
    assert_refused(ledger.KeyReused, windowed.grant, 1, key=key)
    assert_refused(InvalidInput, windowed.grant, 1, **{**window, "closes_at": day(books, 41)})
    ledger.tranche_accounts(windowed.name, 2)
    assert_refused(InvalidInput, windowed.grant, 1, closes_at=books.now, tranche=2)
    assert windowed.has()[0] == [62, 0]


def test_a_window_is_moved_until_it_is_over_and_every_one_is_on_record(windowed: Award) -> None:
    books = windowed.books

    def move(to: int, at: int, **terms: Any) -> None:
        asked = {**books.terms, "at": day(books, at), "reason": "The cruise was put off.", **terms}
        ledger.set_window(windowed.name, opens_at=None, closes_at=day(books, to), **asked)

    key = new_key()
    move(60, at=39, key=key)
    move(60, at=100, key=key)  # a replay
    windowed.draw(5, at=day(books, 59))
    move(58, at=50)

    assert_refused(InvalidInput, move, 50, at=50)
    assert_refused(ledger.KeyReused, move, 70, at=39, key=key)
    assert_refused(ledger.OutsideWindow, move, 90, at=58)
    (tranche,) = queries.tranches(windowed.name)
    assert (tranche.opens_at, tranche.closes_at) == (None, day(books, 58))
    found = Window.objects.filter(account__code=windowed.wallet).order_by("pk")
    assert [window.closes_at for window in found] == [day(books, number) for number in (40, 60, 58)]
    assert [window.after_seq for window in found] == [1, 1, 2]


def test_only_what_was_awarded_has_a_window(books: Books) -> None:
    ledger.award_accounts(f"of-no-call-{books.name}")
    window = {"opens_at": None, "closes_at": day(books, 1), "reason": "No."}

    assert_refused(InvalidInput, ledger.set_window, f"of-no-call-{books.name}", **window, **books.terms)
    assert_refused(ledger.UnknownAccount, ledger.set_window, "nobody", **window, **books.terms)
    backwards = {**window, "opens_at": day(books, 2)}
    assert_refused(InvalidInput, ledger.set_window, f"award-{books.name}", **backwards, **books.terms)


# --- lapses ----------------------------------------------------------------------------------------------------------


def test_what_is_left_goes_back_to_the_call_at_the_moment_the_window_ends(windowed: Award) -> None:
    books = windowed.books
    windowed.draw(20, at=day(books, 20))
    before = windowed.call_has

    assert ledger.lapse(before=day(books, 39), by=CLOCK) == []
    assert ledger.lapse(before=day(books, 45), by=CLOCK) == [windowed.wallet]
    assert ledger.lapse(before=day(books, 45), by=CLOCK) == []

    entry = Entry.objects.get(kind="lapse")
    assert (entry.effective_at, entry.actor) == (day(books, 40), "system:clock")
    assert (windowed.has()[0], windowed.call_has) == ([0], before + 40)
    moment = day(books, 40) - timedelta(microseconds=1)
    assert queries.balance(windowed.wallet, at=moment) == credits(40)
    assert queries.balance(windowed.wallet, at=day(books, 40)) == 0
    assert_refused(ledger.NotReversible, ledger.reverse, entry, reason="Back, please.", **books.terms)


def test_what_comes_back_after_the_end_goes_home_to_the_call(windowed: Award) -> None:
    books = windowed.books
    holds = [windowed.draw(10, at=day(books, 20)) for _ in range(4)]
    late = {**books.terms, "at": day(books, 90)}
    ledger.lapse(before=day(books, 45), by=CLOCK)
    before = windowed.call_has

    ledger.release(holds[0], **late)
    capture = ledger.capture(holds[1], credits(4), final=True, **{**late, "key": new_key()})
    ledger.refund(capture.entry_id, credits(1), **{**late, "key": new_key()})
    reversed_capture = ledger.capture(holds[2], credits(10), **{**late, "key": new_key()})
    ledger.reverse(reversed_capture.entry_id, reason="A mistake.", **{**late, "key": new_key()})
    expired = ledger.expire(before=day(books, 300), by=CLOCK)

    assert expired == [holds[3].pk]
    assert windowed.has() == ([0], 0, 3, 0)
    assert windowed.call_has == before + 37


def test_credits_that_come_back_under_an_earlier_date_lapse_again(windowed: Award) -> None:
    books = windowed.books
    hold = windowed.draw(10, at=day(books, 20))
    ledger.lapse(before=day(books, 45), by=CLOCK)

    ledger.release(hold, **{**books.terms, "at": day(books, 39)})

    assert windowed.has()[0] == [10]
    assert ledger.lapse(before=day(books, 45), by=CLOCK) == [windowed.wallet]
    assert Entry.objects.filter(kind="lapse").count() == 2
    assert windowed.has()[0] == [0]


def test_a_closed_wallet_does_not_keep_the_others_from_lapsing(windowed: Award, tranches: Award) -> None:
    ledger.close_account(windowed.wallet)

    assert len(ledger.lapse(before=day(windowed.books, 200), by=CLOCK)) == 3
    assert windowed.has()[0] == [60]


# --- tranches --------------------------------------------------------------------------------------------------------


def test_a_draw_takes_the_open_tranche_that_ends_first(tranches: Award) -> None:
    books = tranches.books

    one = tranches.draw(15)
    assert (one.tranches, one.wallet.code) == (1, chart.tranche_accounts(tranches.name, 2).available)
    over_two = tranches.draw(25)
    assert (over_two.tranches, over_two.authorised) == (2, credits(25))
    assert tranches.has() == ([10, 0, 50], 40, 0, 0)
    assert_refused(ledger.InsufficientCredits, tranches.draw, 11)
    with pytest.raises(ledger.InsufficientCredits, match="61 needed, 60 available"):
        tranches.draw(61, at=day(books, 60))
    tranches.draw(55, at=day(books, 60))
    assert tranches.has() == ([0, 0, 5], 95, 0, 0)


def test_the_same_key_draws_once_whatever_the_tranches_have_by_then(tranches: Award) -> None:
    key, expires_at = new_key(), day(tranches.books, 20)
    first = tranches.draw(40, key=key, expires_at=expires_at)
    ledger.capture(first, credits(4), **tranches.books.terms)

    again = tranches.draw(40, key=key, expires_at=expires_at, at=day(tranches.books, 70))

    assert again == first
    assert again.captured == credits(4)
    assert_refused(ledger.KeyReused, tranches.draw, 41, key=key, expires_at=expires_at)
    assert_refused(ledger.KeyReused, tranches.draw, 40, key=key, expires_at=day(tranches.books, 21))
    assert tranches.has()[1] == 36


def test_captures_take_the_tranche_that_ends_first_and_the_rest_goes_back_to_where_it_came_from(
    tranches: Award,
) -> None:
    books = tranches.books
    hold = tranches.draw(45)

    ledger.capture(hold, credits(12), **books.terms)
    ledger.capture(hold, credits(13), **books.terms)
    assert [(part.captured, part.released) for part in hold.parts.all()] == [(credits(20), 0), (credits(5), 0)]
    assert_refused(ledger.OverCapture, ledger.capture, hold, credits(21), **books.terms)
    final = ledger.capture(hold, credits(5), final=True, **books.terms)

    assert Entry.objects.get(pk=final.entry_id).postings.count() == 2
    assert tranches.has() == ([20, 0, 50], 0, 30, 0)
    assert not ledger.get_hold(hold).is_open
    assert [movement.remaining for movement in queries.statement_of_hold(hold.pk)][:1] == [0]


def test_a_release_over_several_tranches_sends_each_part_where_it_belongs(tranches: Award) -> None:
    books = tranches.books
    hold = tranches.draw(45)
    before = tranches.call_has

    ledger.release(hold, **{**books.terms, "at": day(books, 70)})

    assert tranches.has()[0] == [30, 0, 50]  # the second tranche was over
    assert tranches.call_has == before + 20


def test_a_refund_gives_back_first_what_was_taken_last(tranches: Award) -> None:
    books = tranches.books
    capture = ledger.capture(tranches.draw(45), credits(45), **books.terms)

    ledger.refund(capture.entry_id, credits(5), **books.terms)
    assert tranches.has()[0] == [10, 0, 50]
    ledger.refund(capture.entry_id, credits(25), **books.terms)
    assert tranches.has()[0] == [30, 5, 50]
    assert_refused(ledger.OverRefund, ledger.refund, capture.entry_id, credits(16), **books.terms)
    assert_refused(ledger.NotReversible, ledger.reverse, capture.entry_id, reason="A mistake.", **books.terms)
    ledger.refund(capture.entry_id, credits(15), **books.terms)
    assert tranches.has() == ([30, 20, 50], 0, 0, 0)


def test_a_capture_over_several_tranches_is_reversed_whole(tranches: Award) -> None:
    books = tranches.books
    capture = ledger.capture(tranches.draw(45), credits(45), **books.terms)

    ledger.reverse(capture.entry_id, reason="A mistake.", **books.terms)

    assert tranches.has() == ([30, 20, 50], 0, 0, 0)


# --- transfers -------------------------------------------------------------------------------------------------------


@pytest.fixture
def other(books: Books) -> Award:
    """10 credits until day 50."""
    award = Award(books, f"other-{books.name}")
    award.grant(10, closes_at=day(books, 50))
    return award


def test_a_transfer_takes_what_ends_first_of_what_lasts_long_enough(tranches: Award, other: Award) -> None:
    books, key = tranches.books, new_key()

    posted = ledger.transfer(tranches.name, other.name, credits(35), **{**books.terms, "key": key})

    assert ledger.transfer(tranches.name, other.name, credits(35), **{**books.terms, "key": key}).replayed
    assert Entry.objects.get(pk=posted.entry_id).postings.count() == 2
    assert (tranches.has()[0], other.has()[0]) == ([15, 0, 50], [45])
    assert_refused(ledger.InsufficientCredits, ledger.transfer, tranches.name, other.name, credits(16), **books.terms)
    again = {**books.terms, "key": key}
    assert_refused(ledger.KeyReused, ledger.transfer, tranches.name, other.name, credits(34), **again)
    ledger.reverse(posted.entry_id, reason="A mistake.", **books.terms)
    assert (tranches.has()[0], other.has()[0]) == ([30, 20, 50], [10])


def test_credits_do_not_last_longer_by_being_moved(tranches: Award, other: Award) -> None:
    books = tranches.books

    # The ten of the other award end before the first tranche does.
    assert_refused(ledger.OutlivesWindow, ledger.transfer, other.name, tranches.name, credits(5), **books.terms)
    line = Line(other.wallet, tranches.wallet, 5)
    assert_refused(ledger.OutlivesWindow, ledger.post, EntryKind.TRANSFER, [line], **books.terms)
    ledger.transfer(other.name, tranches.name, credits(5), tranche=2, **books.terms)
    assert tranches.has()[0] == [30, 25, 50]
    # Of the first two tranches only the first lasts until day 100.
    other.grant(1, tranche=2, closes_at=day(books, 100))
    assert_refused(
        ledger.OutlivesWindow, ledger.transfer, tranches.name, other.name, credits(31), tranche=2, **books.terms
    )
    ledger.transfer(tranches.name, other.name, credits(30), tranche=2, **books.terms)
    assert tranches.has()[0] == [0, 25, 50]


def test_credits_of_one_call_do_not_become_anothers(books: Books, tranches: Award) -> None:
    elsewhere = Books().open()
    line = Line(tranches.wallet, elsewhere.award.available, 5)
    to_call = Line(books.call.available, elsewhere.call.available, 5)
    stranger = f"award-{elsewhere.name}"

    assert_refused(ledger.OtherCall, ledger.transfer, tranches.name, stranger, credits(5), **books.terms)
    assert_refused(ledger.OtherCall, ledger.post, EntryKind.TRANSFER, [line], **books.terms)
    assert_refused(ledger.OtherCall, ledger.post, EntryKind.TRANSFER, [to_call], **books.terms)
    assert_refused(ledger.OtherCall, tranches.draw, 5, payee=elsewhere.provider.accrued)
    assert_refused(ledger.OtherCall, ledger.award, f"call-{books.name}", stranger, 5, **books.terms)


def test_an_account_of_no_call_joins_that_of_its_first_posting(books: Books) -> None:
    newcomer = ledger.open_account(f"newcomer:{books.name}", ledger.AccountKind.AVAILABLE)
    elsewhere = Books().open()

    ledger.post(EntryKind.TRANSFER, [Line(books.award.available, newcomer, 5)], **books.terms)

    line = Line(newcomer, elsewhere.award.available, 5)
    assert_refused(ledger.OtherCall, ledger.post, EntryKind.TRANSFER, [line], **books.terms)
    ledger.post(EntryKind.TRANSFER, [Line(newcomer, books.call.available, 5)], **books.terms)


# --- debts -----------------------------------------------------------------------------------------------------------


def test_usage_beyond_a_hold_is_recorded_as_a_debt_in_the_same_entry(windowed: Award) -> None:
    books = windowed.books
    hold = windowed.draw(10, at=day(books, 20))
    key = new_key()

    assert_refused(ledger.OverCapture, ledger.capture, hold, credits(13), **books.terms)
    posted = ledger.capture(hold, credits(13), beyond=True, **{**books.terms, "key": key})
    assert ledger.capture(hold, credits(13), beyond=True, **{**books.terms, "key": key}).replayed

    assert Entry.objects.get(pk=posted.entry_id).postings.count() == 2
    assert windowed.has() == ([50], 0, 13, 3)
    assert queries.debt(windowed.name) == credits(3)
    assert queries.balances_and_debts([], [windowed.call]) == ({}, {windowed.call: credits(3)})
    assert (ledger.get_hold(hold).captured, ledger.get_hold(hold).owed) == (credits(10), credits(3))
    assert_refused(ledger.KeyReused, ledger.capture, hold, credits(13), **{**books.terms, "key": key})


def test_usage_is_recorded_even_if_the_hold_has_ended(windowed: Award) -> None:
    books = windowed.books
    hold = windowed.draw(10, at=day(books, 20), expires_at=day(books, 30))

    ledger.capture(hold, credits(2), beyond=True, **{**books.terms, "at": day(books, 31)})
    ledger.expire(before=day(books, 32), by=CLOCK)
    ledger.capture(hold, credits(1), beyond=True, **{**books.terms, "at": day(books, 33)})

    assert windowed.has() == ([60], 0, 3, 3)
    assert_refused(ledger.HoldNotLive, ledger.capture, hold.pk + 10**6, 1, beyond=True, **books.terms)


def test_a_capture_within_the_hold_makes_no_debt(windowed: Award) -> None:
    hold = windowed.draw(10, at=day(windowed.books, 20))

    ledger.capture(hold, credits(4), beyond=True, final=True, **windowed.books.terms)

    assert windowed.has() == ([56], 0, 4, 0)


@pytest.fixture
def owing(tranches: Award) -> Award:
    """The tranches, all of the first two drawn, and 7 credits owed."""
    ledger.capture(tranches.draw(50), credits(57), beyond=True, **tranches.books.terms)
    return tranches


def test_a_debt_is_repaid_in_part_and_in_whole_and_not_beyond(owing: Award) -> None:
    books = owing.books
    later = {**books.terms, "at": day(books, 70)}

    assert_refused(ledger.InsufficientCredits, ledger.repay, owing.name, credits(5), **books.terms)
    first = ledger.repay(owing.name, credits(5), **later)
    assert ledger.repay(owing.name, credits(5), **later) == Posted(first.entry_id, replayed=True)
    assert_refused(ledger.KeyReused, ledger.repay, owing.name, credits(4), **later)
    assert_refused(ledger.OverRepayment, ledger.repay, owing.name, credits(3), **{**later, "key": new_key()})
    to_debt = Line(books.call.available, chart.award_accounts(owing.name).debt, credits(2))
    ledger.post(EntryKind.REPAY, [to_debt], **books.terms)

    assert owing.has() == ([0, 0, 45], 0, 57, 0)
    assert_refused(ledger.OverRepayment, ledger.repay, owing.name, 1, **{**later, "key": new_key()})


def test_a_debt_moves_by_usage_and_repayment_only(owing: Award) -> None:
    books, debt = owing.books, chart.award_accounts(owing.name).debt

    for kind, line in (
        (EntryKind.TRANSFER, Line(books.call.available, debt, 1)),
        (EntryKind.TRANSFER, Line(debt, books.call.available, 1)),
        (EntryKind.REPAY, Line(debt, books.call.available, 1)),
        (EntryKind.REPAY, Line(books.provider.accrued, debt, 1)),
        (EntryKind.REPAY, Line(books.call.available, books.award.available, 1)),
    ):
        assert_refused(InvalidInput, ledger.post, kind, [line], **books.terms)


def test_a_refund_pays_the_debt_first(owing: Award) -> None:
    books = owing.books
    capture = Entry.objects.get(kind="capture")

    ledger.refund(capture, credits(4), **books.terms)
    assert owing.has() == ([0, 0, 50], 0, 53, 3)
    ledger.refund(capture, credits(10), **books.terms)
    assert owing.has() == ([7, 0, 50], 0, 43, 0)


def test_a_refund_of_what_was_owed_and_is_repaid_goes_to_the_award(owing: Award) -> None:
    books = owing.books
    ledger.repay(owing.name, credits(7), **{**books.terms, "at": day(books, 70)})

    ledger.refund(Entry.objects.get(kind="capture"), credits(57), **books.terms)

    assert owing.has() == ([30, 27, 43], 0, 0, 0)


def test_usage_beyond_a_hold_is_reversed_whole(owing: Award) -> None:
    capture = Entry.objects.get(kind="capture")

    ledger.reverse(capture, reason="Another project's.", **owing.books.terms)

    assert owing.has() == ([30, 20, 50], 0, 0, 0)


def test_what_a_call_stands_behind_and_is_owed_is_what_its_accounts_hold(owing: Award) -> None:
    found = {line.kind: line.balance for line in queries.trial_balance().lines}

    assets = {kind: found.pop(kind) for kind in ("commitment", "debt")}
    assert sum(assets.values()) == sum(found.values())
    assert assets["debt"] == credits(7)
    assert BY.audit_id in set(Entry.objects.values_list("actor", flat=True))


def test_only_an_award_can_owe(books: Books) -> None:
    """A hold on a wallet that is of no award takes what it has, and not more."""
    hold = books.hold(5, wallet=books.call.available)
    before = everything()

    with pytest.raises(ledger.UnknownAccount):
        ledger.capture(hold, credits(6), beyond=True, **books.terms)

    assert everything() == before
