"""Who looks after a provider: named on the site, beside those whom the single sign-on names."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from earthcode.audit.models import Event
from earthcode.identity import actions as identity
from earthcode.identity import administrators
from earthcode.identity.models import GrantSource, Organisation, RoleGrant, User
from earthcode.identity.oidc import Claims
from earthcode.identity.roles import Permission, Role
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused
from tests.support.people import fresh

CLAIMS_OF_HUB_HOUSE = {"groups": ["nor-provider-hub-house"]}


def signs_in(user: User, said: dict[str, Any], *, at: datetime) -> User:
    claims = Claims(user.issuer, user.subject, user.full_name, user.email, user.preferred_username, said)
    return identity.sign_in(claims, at=at)


def looks_after(user: User, organisation: Organisation) -> bool:
    return fresh(user).may(Permission.OFFERING_EDIT, organisation)


def state() -> tuple[list[dict[str, Any]], int]:
    return list(RoleGrant.objects.order_by("pk").values()), Event.objects.count()


@pytest.fixture
def named(stranger: User, maria: User, provider: Organisation, now: datetime) -> User:
    """Somebody whom ESA named on the site, and nobody else looks after the provider."""
    administrators.add(provider, user=stranger, by=maria, at=now)
    return fresh(stranger)


def test_esa_names_an_administrator(named: User, provider: Organisation, maria: User) -> None:
    grant = RoleGrant.objects.get(user=named)

    assert looks_after(named, provider)
    assert (grant.source, grant.claim, grant.given_by) == (GrantSource.SITE, "", maria)
    event = Event.objects.get(name="organisation.add_administrator")
    assert (event.actor_id, event.data) == (maria.audit_id, {"user": named.audit_id, "name": "Sam Stranger"})


def test_an_administrator_names_another_and_takes_it_back(
    petra: User, alice: User, provider: Organisation, now: datetime
) -> None:
    administrators.add(provider, user=alice, by=petra, at=now)
    assert looks_after(alice, provider)

    administrators.remove(provider, user=alice, by=petra, at=now)

    assert not looks_after(alice, provider)
    assert Event.objects.filter(name="organisation.remove_administrator", actor_id=petra.audit_id).count() == 1


def test_one_who_was_named_can_name_others(named: User, alice: User, provider: Organisation, now: datetime) -> None:
    administrators.add(provider, user=alice, by=named, at=now)

    assert looks_after(alice, provider)


def test_naming_and_removing_twice_changes_nothing(
    petra: User, alice: User, provider: Organisation, now: datetime
) -> None:
    administrators.add(provider, user=alice, by=petra, at=now)
    after = state()
    administrators.add(provider, user=alice, by=petra, at=now + timedelta(hours=1))
    assert state() == after

    administrators.remove(provider, user=alice, by=petra, at=now)
    after = state()
    administrators.remove(provider, user=alice, by=petra, at=now)
    assert state() == after


def test_no_sign_in_takes_away_what_was_given_here(named: User, provider: Organisation, now: datetime) -> None:
    signs_in(named, {}, at=now)

    assert looks_after(named, provider)


def test_the_claim_comes_and_goes_beside_it(named: User, provider: Organisation, now: datetime) -> None:
    signs_in(named, CLAIMS_OF_HUB_HOUSE, at=now)
    assert {each.source for each in RoleGrant.objects.filter(user=named)} == {GrantSource.CLAIM, GrantSource.SITE}

    signs_in(named, {}, at=now)

    assert RoleGrant.objects.get(user=named).source == GrantSource.SITE
    assert looks_after(named, provider)


def test_taking_it_back_leaves_what_the_claim_gives(
    named: User, petra: User, provider: Organisation, now: datetime
) -> None:
    signs_in(named, CLAIMS_OF_HUB_HOUSE, at=now)

    administrators.remove(provider, user=named, by=petra, at=now)

    assert RoleGrant.objects.get(user=named).source == GrantSource.CLAIM


def test_the_last_one_cannot_leave_but_esa_can_remove_them(
    named: User, maria: User, provider: Organisation, now: datetime
) -> None:
    before = state()
    with pytest.raises(administrators.LastAdministrator):
        administrators.remove(provider, user=named, by=named, at=now)
    assert state() == before

    administrators.remove(provider, user=named, by=maria, at=now)

    assert not looks_after(named, provider)


def test_one_of_two_can_leave(named: User, petra: User, provider: Organisation, now: datetime) -> None:
    administrators.remove(provider, user=named, by=named, at=now)

    assert not looks_after(named, provider)


def test_a_role_from_a_claim_is_not_taken_away_here(
    petra: User, maria: User, provider: Organisation, now: datetime
) -> None:
    before = state()

    with pytest.raises(administrators.GivenByTheSingleSignOn):
        administrators.remove(provider, user=petra, by=maria, at=now)

    assert state() == before


@pytest.mark.parametrize("who", ["alice", "tomas", "stranger"])
def test_nobody_else_says_who_looks_after_a_provider(
    who: str, request: pytest.FixtureRequest, petra: User, ben: User, provider: Organisation, now: datetime
) -> None:
    somebody = request.getfixturevalue(who)
    before = state()

    with pytest.raises(NotPermitted):
        administrators.add(provider, user=ben, by=somebody, at=now)
    with pytest.raises(NotPermitted):
        administrators.remove(provider, user=petra, by=somebody, at=now)

    assert state() == before


def test_an_administrator_has_no_say_about_another_provider(
    petra: User, ben: User, other_provider: Organisation, now: datetime
) -> None:
    with pytest.raises(NotPermitted):
        administrators.add(other_provider, user=ben, by=petra, at=now)

    assert not looks_after(ben, other_provider)


def test_nobody_names_themself_or_somebody_deactivated(
    maria: User, ben: User, provider: Organisation, now: datetime
) -> None:
    ben.is_active = False
    ben.save(update_fields=["is_active"])
    before = state()

    for user in (maria, ben):
        with pytest.raises(InvalidInput):
            administrators.add(provider, user=user, by=maria, at=now)

    assert state() == before


@pytest.mark.parametrize(
    "values",
    [
        {"source": "site", "claim": "", "given_by": None},
        {"source": "site", "claim": "groups=x"},
        {"source": "claim", "claim": "", "given_by": None},
        {"source": "claim", "claim": "groups=x"},
        {"source": "site", "claim": "", "role": Role.ESA_MANAGER, "organisation": None},
    ],
)
def test_the_database_wants_to_know_where_a_role_comes_from(
    values: dict[str, Any], stranger: User, maria: User, provider: Organisation, now: datetime
) -> None:
    row = {"role": Role.PROVIDER_ADMINISTRATOR, "organisation": provider, "given_by": maria, "granted_at": now}

    with pytest.raises(IntegrityError, match="identity_role_says_where_it_comes_from"), transaction.atomic():
        RoleGrant.objects.create(user=stranger, **(row | values))


@pytest.mark.django_db(transaction=True)
def test_two_administrators_cannot_remove_each_other_at_once(
    person: Callable[..., User], maria: User, provider: Organisation, now: datetime
) -> None:
    pair = [person("carla"), person("dora")]
    for each in pair:
        administrators.add(provider, user=each, by=maria, at=now)
    together = threading.Barrier(2)
    refused: list[Refused] = []

    def remove(by: User, user: User) -> None:
        together.wait(10)
        try:
            administrators.remove(provider, user=user, by=fresh(by), at=now)
        except Refused as refusal:
            refused.append(refusal)
        finally:
            connection.close()

    threads = [threading.Thread(target=remove, args=who) for who in ((pair[0], pair[1]), (pair[1], pair[0]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert [type(each) for each in refused] == [NotPermitted]
    assert administrators.of(provider).count() == 1
