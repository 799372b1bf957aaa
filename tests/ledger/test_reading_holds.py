"""What the pages of allocations read: holds by the dozen, one hold's story, what awards have left."""

from typing import Any

import pytest

from earthcode.identity.models import Organisation
from earthcode.ledger import actions as ledger
from earthcode.ledger import queries
from earthcode.ledger.actions import EntryKind
from earthcode.ledger.kinds import AccountKind
from earthcode.ledger.queries import AtHand
from earthcode.lib.money import credits

from .conftest import BY, Books, new_key


def test_many_holds_take_one_query(books: Books, django_assert_num_queries: Any) -> None:
    first, second = books.hold(10), books.hold(20)

    with django_assert_num_queries(1):
        found = queries.holds([first.pk, second.pk, second.pk, 0])

    assert {pk: hold.authorised for pk, hold in found.items()} == {first.pk: credits(10), second.pk: credits(20)}


def test_no_holds_take_no_query(db: None, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert queries.holds([]) == {}


def story(hold: int, **limit: int) -> list[tuple[EntryKind, AccountKind, AccountKind, int, int, int]]:
    return [
        (
            each.kind,
            each.source,
            each.target,
            each.amount // credits(1),
            each.used // credits(1),
            each.remaining // credits(1),
        )
        for each in queries.statement_of_hold(hold, **limit)
    ]


AVAILABLE, HELD, ACCRUED = AccountKind.AVAILABLE, AccountKind.HELD, AccountKind.ACCRUED


def test_a_hold_tells_what_became_of_its_credits(books: Books) -> None:
    other = books.hold(5)
    hold = books.hold(33)
    usage = ledger.capture(hold, credits(20), **books.terms)
    ledger.capture(other, credits(1), **books.terms)
    ledger.refund(usage.entry_id, credits(2), **books.terms)
    ledger.capture(hold, credits(3), final=True, **books.terms)

    assert story(hold.pk) == [
        (EntryKind.CAPTURE, HELD, AVAILABLE, 10, 21, 0),
        (EntryKind.CAPTURE, HELD, ACCRUED, 3, 21, 10),
        (EntryKind.REFUND, ACCRUED, AVAILABLE, 2, 18, 13),
        (EntryKind.CAPTURE, HELD, ACCRUED, 20, 20, 13),
        (EntryKind.HOLD, AVAILABLE, HELD, 33, 0, 33),
    ]


def test_the_last_line_says_what_the_hold_says(books: Books) -> None:
    hold = books.hold(33)
    usage = ledger.capture(hold, credits(20), **books.terms)
    ledger.reverse(usage.entry_id, reason="mistaken", **books.terms)
    ledger.capture(hold, credits(4), **books.terms)
    ledger.release(hold, **books.terms)

    newest = queries.statement_of_hold(hold.pk)[0]
    stored = queries.holds([hold.pk])[hold.pk]

    assert newest.remaining == stored.remaining == 0
    assert newest.used == stored.captured - stored.refunded == credits(4)


def test_a_cut_story_still_counts_from_the_start(books: Books) -> None:
    hold = books.hold(33)
    for _ in range(3):
        ledger.capture(hold, credits(1), **books.terms)

    assert story(hold.pk, limit=1) == [(EntryKind.CAPTURE, HELD, ACCRUED, 1, 3, 30)]
    assert story(hold.pk + 1_000) == []


@pytest.fixture
def keys(db: None) -> Any:
    """Keys of awards as a queryset; any table with words in it will do."""
    return lambda *names: _keys(names)


def _keys(names: tuple[str, ...]) -> Any:
    for name in names:
        Organisation.objects.get_or_create(slug=name, defaults={"name": name})
    return Organisation.objects.filter(slug__in=names).values("slug")


def test_what_is_set_aside_is_not_spent(books: Books, keys: Any, django_assert_num_queries: Any) -> None:
    award = keys(f"award-{books.name}")
    hold = books.hold(33)
    with django_assert_num_queries(1):
        assert queries.at_hand(award, placeable=award, at=books.now) == AtHand(credits(100), credits(67))

    ledger.capture(hold, credits(20), **books.terms)

    assert queries.at_hand(award, placeable=award, at=books.now).unspent == credits(80)


def test_awards_are_added_up_and_one_pays(books: Books, keys: Any) -> None:
    ledger.award(f"call-{books.name}", f"other-{books.name}", credits(7), key=new_key(), by=BY, at=books.now)
    ledger.award(f"call-{books.name}", f"third-{books.name}", credits(9), key=new_key(), by=BY, at=books.now)
    two, third = keys(f"award-{books.name}", f"other-{books.name}"), keys(f"third-{books.name}")

    assert queries.at_hand(two, placeable=two, at=books.now) == AtHand(credits(107), credits(100))
    assert queries.at_hand(two, placeable=third, at=books.now) == AtHand(credits(107), credits(9))


def test_without_awards_there_is_nothing_to_say(books: Books, keys: Any) -> None:
    never, none = keys("never-awarded"), Organisation.objects.none().values("slug")

    assert queries.at_hand(never, placeable=never, at=books.now) == AtHand(None, None)
    assert queries.at_hand(none, placeable=none, at=books.now) == AtHand(None, None)
    assert queries.at_hand(keys(f"award-{books.name}"), placeable=none, at=books.now) == AtHand(credits(100), None)
