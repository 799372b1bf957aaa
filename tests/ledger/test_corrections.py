import pytest

from earthcode.ledger import actions as ledger
from earthcode.ledger.actions import EntryKind, Line
from earthcode.ledger.models import Entry
from earthcode.lib.money import credits

from .conftest import BY, Books, everything, new_key


def reverse(entry: int, books: Books) -> ledger.Posted:
    return ledger.reverse(entry, reason="A mistake.", **books.terms)


def test_reversing_an_award_gives_the_credits_back_to_the_call(books: Books) -> None:
    award = books.grant(50)

    posted = reverse(award.entry_id, books)

    assert (books.balances()["call"], books.balances()["available"]) == (900, 100)
    entry = Entry.objects.get(pk=posted.entry_id)
    assert (entry.kind, entry.reverses_id, entry.reason) == ("reverse", award.entry_id, "A mistake.")


def test_an_entry_of_several_lines_is_undone_backwards(books: Books) -> None:
    """Forwards, the second line would take credits that the first one has not brought back yet."""
    posted = ledger.post(
        EntryKind.TRANSFER,
        [
            Line(books.award.available, books.provider.invoiced, credits(100)),
            Line(books.provider.invoiced, books.call.available, credits(100)),
        ],
        **books.terms,
    )

    reverse(posted.entry_id, books)

    assert [books.balances()[name] for name in ("call", "available", "invoiced")] == [900, 100, 0]


def test_an_entry_is_reversed_at_most_once(books: Books) -> None:
    award, key = books.grant(50), new_key()
    first = ledger.reverse(award.entry_id, key=key, by=BY, at=books.now, reason="A mistake.")
    before = everything()

    again = ledger.reverse(award.entry_id, key=key, by=BY, at=books.now, reason="A mistake.")
    with pytest.raises(ledger.NotReversible) as refusal:
        reverse(award.entry_id, books)

    assert again == ledger.Posted(first.entry_id, replayed=True)
    assert refusal.value.code == "not_reversible"
    assert everything() == before


def test_credits_that_moved_on_cannot_be_taken_back(books: Books) -> None:
    award = books.grant(50)
    books.hold(120)
    before = everything()

    with pytest.raises(ledger.InsufficientCredits, match="used since"):
        reverse(award.entry_id, books)
    assert everything() == before


def test_reversing_a_capture_gives_back_to_the_wallet_even_when_the_hold_has_ended(books: Books) -> None:
    hold = books.hold(33)
    capture = ledger.capture(hold, credits(21), final=True, **books.terms)

    reverse(capture.entry_id, books)

    assert [books.balances()[name] for name in ("available", "held", "accrued")] == [100, 0, 0]
    hold = ledger.get_hold(hold)
    assert (hold.captured, hold.released, hold.refunded) == (credits(21), credits(12), credits(21))


def test_what_is_not_undone(books: Books) -> None:
    hold = books.hold(33)
    capture = ledger.capture(hold, credits(3), **books.terms)
    refund = ledger.refund(capture.entry_id, credits(1), **books.terms)
    ledger.release(hold, **books.terms)
    reversal = reverse(books.grant(1).entry_id, books)
    before = everything()

    holding, release = (Entry.objects.get(hold=hold, kind=kind).pk for kind in ("hold", "release"))
    for entry in (holding, release, refund.entry_id, reversal.entry_id, capture.entry_id, 10**15):
        with pytest.raises(ledger.NotReversible):
            reverse(entry, books)
    assert everything() == before


def test_refunds_of_a_capture_never_exceed_it(books: Books) -> None:
    hold = books.hold(33)
    capture = ledger.capture(hold, credits(10), **books.terms)
    other = ledger.capture(hold, credits(20), **books.terms)

    ledger.refund(capture.entry_id, credits(4), **books.terms)
    ledger.refund(capture.entry_id, credits(6), **books.terms)

    before = everything()
    with pytest.raises(ledger.OverRefund) as refusal:
        ledger.refund(capture.entry_id, 1, **books.terms)
    assert refusal.value.code == "over_refund"
    with pytest.raises(ledger.OverRefund):
        ledger.refund(other.entry_id, credits(20) + 1, **books.terms)
    assert everything() == before
    assert [books.balances()[name] for name in ("available", "held", "accrued")] == [77, 3, 20]


def test_a_refund_happens_once_for_a_key(books: Books) -> None:
    capture, key = ledger.capture(books.hold(33), credits(10), **books.terms), new_key()

    first = ledger.refund(capture.entry_id, credits(4), key=key, by=BY, at=books.now)
    again = ledger.refund(capture.entry_id, credits(4), key=key, by=BY, at=books.now)

    assert again == ledger.Posted(first.entry_id, replayed=True)
    assert books.balances()["accrued"] == 6
    with pytest.raises(ledger.KeyReused):
        ledger.refund(capture.entry_id, credits(5), key=key, by=BY, at=books.now)


def test_only_captures_are_refunded_and_not_after_a_reversal(books: Books) -> None:
    hold = books.hold(33)
    capture = ledger.capture(hold, credits(10), **books.terms)
    reverse(capture.entry_id, books)
    before = everything()

    with pytest.raises(ledger.OverRefund):
        ledger.refund(capture.entry_id, 1, **books.terms)
    for entry in (Entry.objects.get(kind="award"), Entry.objects.get(hold=hold, kind="hold")):
        with pytest.raises(ledger.NotReversible):
            ledger.refund(entry, 1, **books.terms)
    assert everything() == before


def test_a_mispriced_capture_is_undone_and_captured_again(books: Books) -> None:
    hold = books.hold(33)
    wrong = ledger.capture(hold, credits("12.504"), final=True, **books.terms)

    reverse(wrong.entry_id, books)
    ledger.capture(books.hold(12), credits("11.462"), final=True, **books.terms)

    assert books.balances()["accrued"] == 11
