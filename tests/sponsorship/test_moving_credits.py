"""Credits between two awards of one project."""

import uuid
from datetime import date, datetime, timedelta

import pytest

from earthcode.audit.actors import CLOCK
from earthcode.audit.models import Event
from earthcode.identity import projects
from earthcode.identity.models import User
from earthcode.ledger import actions as ledger
from earthcode.ledger.actions import InsufficientCredits, KeyReused
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused
from earthcode.lib.money import credits
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.checks import AwardOwes
from earthcode.sponsorship.models import Award, ResourceRequest
from tests.support.credits import award_balance
from tests.support.people import fresh

pytestmark = pytest.mark.django_db


@pytest.fixture
def first(sent_request: ResourceRequest, maria: User, now: datetime) -> Award:
    """All of it is free: nothing was placed."""
    return sponsorship.approve(sent_request, reason="Good science.", by=maria, at=now)


@pytest.fixture
def second(first: Award, alice: User, maria: User, now: datetime) -> Award:
    return again(first, alice=alice, maria=maria, starts_on=first.starts_on, now=now)


def again(award: Award, *, alice: User, maria: User, starts_on: date, now: datetime) -> Award:
    """One more award for the same, from another day on."""
    draft = sponsorship.copy(award.resource_request, by=fresh(alice), at=now)
    sponsorship.save_period(draft, starts_on=starts_on, by=fresh(alice), at=now)
    sponsorship.save_declarations(
        draft, non_commercial=True, no_provider_tie=True, will_publish=True, by=fresh(alice), at=now
    )
    sponsorship.submit(draft, by=fresh(alice), at=now)
    return sponsorship.approve(draft, reason="Again.", by=fresh(maria), at=now)


def state(*awards: Award) -> tuple[object, ...]:
    return (*(award_balance(award.reference) for award in awards), Event.objects.count())


def test_free_credits_go_to_another_award_of_the_project(
    first: Award, second: Award, alice: User, now: datetime
) -> None:
    of_first, of_second, _ = state(first, second)

    sponsorship.move_credits(first, second, credits(7), key=uuid.uuid4(), by=fresh(alice), at=now)

    assert state(first, second)[:2] == (of_first - credits(7), of_second + credits(7))  # type: ignore[operator]
    event = Event.objects.get(name="award.move_credits")
    assert (event.actor_id, event.data["to"], event.data["amount"]) == (alice.audit_id, second.reference, credits(7))


def test_the_same_key_moves_once(first: Award, second: Award, alice: User, now: datetime) -> None:
    key = uuid.uuid4()
    sponsorship.move_credits(first, second, credits(7), key=key, by=fresh(alice), at=now)
    before = state(first, second)

    sponsorship.move_credits(first, second, credits(7), key=key, by=fresh(alice), at=now)
    with pytest.raises(KeyReused):
        sponsorship.move_credits(first, second, credits(8), key=key, by=fresh(alice), at=now)

    assert state(first, second) == before


def test_only_the_leader_moves_them(
    first: Award, second: Award, ben: User, maria: User, stranger: User, now: datetime
) -> None:
    before = state(first, second)

    for somebody in (ben, maria, stranger):
        with pytest.raises(NotPermitted):
            sponsorship.move_credits(first, second, credits(7), key=uuid.uuid4(), by=fresh(somebody), at=now)

    assert state(first, second) == before


def test_no_more_than_is_free_and_not_to_itself(first: Award, second: Award, alice: User, now: datetime) -> None:
    before = state(first, second)
    tries: list[tuple[Award, int, type[Refused]]] = [
        (second, award_balance(first.reference) + 1, InsufficientCredits),
        (second, 0, InvalidInput),
        (first, credits(1), InvalidInput),
    ]

    for target, amount, refusal in tries:
        with pytest.raises(refusal):
            sponsorship.move_credits(first, target, amount, key=uuid.uuid4(), by=fresh(alice), at=now)

    assert state(first, second) == before


def test_awards_of_two_projects_do_not_mix(first: Award, second: Award, alice: User, now: datetime) -> None:
    other = projects.create_project(title="Another", by=fresh(alice), at=now)
    Award.objects.filter(pk=second.pk).update(project=other)
    second.refresh_from_db()
    before = state(first, second)

    with pytest.raises(InvalidInput):
        sponsorship.move_credits(first, second, credits(7), key=uuid.uuid4(), by=fresh(alice), at=now)

    assert state(first, second) == before


def test_an_award_that_owes_gives_nothing_away(first: Award, second: Award, alice: User, now: datetime) -> None:
    payee = ledger.provider_accounts("batch", first.call.slug).accrued
    expires_at = now + timedelta(days=1)
    hold = ledger.draw(
        first.reference, payee=payee, amount=1, expires_at=expires_at, key=uuid.uuid4(), by=alice, at=now
    )
    ledger.capture(hold, credits(2), beyond=True, key=uuid.uuid4(), by=CLOCK, at=now)
    before = state(first, second)

    with pytest.raises(AwardOwes):
        sponsorship.move_credits(first, second, credits(1), key=uuid.uuid4(), by=fresh(alice), at=now)

    assert state(first, second) == before
