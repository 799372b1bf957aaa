"""What every connector promises, tried on every platform we can speak to."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.utils.module_loading import import_string

from earthcode.connectors.base import Connector, ConnectorError, Order, Person
from tests.connectors.conftest import PEERS, MakeOrder, MakePerson, Peer

VERBS: dict[str, Callable[[Connector, Order], Any]] = {
    "find": lambda connector, order: connector.find(order),
    "provision": lambda connector, order: connector.provision(order),
    "sync_people": lambda connector, order: connector.sync_people(order),
    "deprovision": lambda connector, order: connector.deprovision(order),
}
every_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)


def test_every_connector_is_tried() -> None:
    assert set(PEERS) == set(settings.CONNECTORS)


@pytest.mark.parametrize("kind", PEERS)
def test_a_connector_is_what_its_kind_says(kind: str) -> None:
    assert import_string(settings.CONNECTORS[kind]).kind == kind


@pytest.mark.parametrize("kind", PEERS)
def test_a_connector_is_done_before_its_lease_runs_out(kind: str) -> None:
    assert import_string(settings.CONNECTORS[kind]).timeout_s < settings.OPERATION_LEASE_S


# --- looking ---------------------------------------------------------------------------------------------------------


def test_check_finds_a_platform_in_order(peer: Peer) -> None:
    before = peer.look()

    with peer.connector() as connector:
        health = connector.check()

    assert health.ok, health.message
    assert peer.look() == before


def test_check_notices_a_wrong_secret(peer: Peer) -> None:
    with peer.stranger() as connector:
        assert not connector.check().ok


def test_check_notices_a_platform_that_does_not_answer(peer: Peer) -> None:
    with peer.unreachable() as connector:
        assert not connector.check().ok


def test_find_finds_nothing_before_anything_happened(peer: Peer, order: MakeOrder) -> None:
    before = peer.look()

    with peer.connector() as connector:
        assert connector.find(order()) is None

    assert peer.look() == before


def test_find_does_not_take_what_has_another_key(peer: Peer, order: MakeOrder) -> None:
    ours = order()
    with peer.connector() as connector:
        connector.provision(ours)

        assert connector.find(replace(ours, key="another-key")) is None


# --- giving access ---------------------------------------------------------------------------------------------------


def test_provision_gives_access_to_the_people_of_the_order(
    peer: Peer, order: MakeOrder, alice: Person, ben: Person, person: MakePerson
) -> None:
    stranger = person("sam")
    assert not peer.may_compute(alice)

    with peer.connector() as connector:
        connector.provision(order(alice, ben))

    assert peer.may_compute(alice)
    assert peer.may_compute(ben)
    assert not peer.may_compute(stranger)


def test_find_finds_what_provision_returned(peer: Peer, order: MakeOrder) -> None:
    ours = order()

    with peer.connector() as connector:
        grant = connector.provision(ours)
    with peer.connector() as another:
        found = another.find(ours)

    assert found == grant
    assert grant.external_id
    assert urlsplit(grant.access_url).scheme in {"http", "https"}


def test_provision_twice_is_provision_once(peer: Peer, order: MakeOrder) -> None:
    ours = order()
    with peer.connector() as connector:
        first = connector.provision(ours)
        before = peer.look()

        second = connector.provision(ours)

    assert second == first
    assert peer.look() == before


def test_provision_completes_what_a_broken_attempt_left(peer: Peer, order: MakeOrder, person: MakePerson) -> None:
    for point, leave in peer.half_done().items():
        carla = person("carla")
        ours = order(carla)
        leave(ours)
        with peer.connector() as connector:
            assert connector.find(ours) is None, point
            assert not peer.may_compute(carla), point

            grant = connector.provision(ours)

            assert connector.find(ours) == grant, point
        assert peer.may_compute(carla), point


def test_provision_leaves_alone_what_belongs_to_another_key(peer: Peer, order: MakeOrder, person: MakePerson) -> None:
    theirs = order()
    carla = person("carla")
    with peer.connector() as connector:
        connector.provision(theirs)
        before = peer.look()

        with pytest.raises(ConnectorError) as caught:
            connector.provision(replace(theirs, key="another-key", people=(carla,)))

    assert caught.value.permanent
    assert peer.look() == before
    assert not peer.may_compute(carla)


def test_an_order_for_nobody_gives_access_to_nobody(peer: Peer, order: MakeOrder) -> None:
    ours = replace(order(), people=())

    with peer.connector() as connector:
        grant = connector.provision(ours)

        assert connector.find(ours) == grant


# --- who has access --------------------------------------------------------------------------------------------------


def test_sync_people_makes_the_people_exactly_those_of_the_order(
    peer: Peer, order: MakeOrder, alice: Person, ben: Person, person: MakePerson
) -> None:
    carla = person("carla")
    before = order(alice, ben)
    after = replace(before, people=(alice, carla))
    with peer.connector() as connector:
        connector.provision(before)

        connector.sync_people(after)

        assert connector.find(before) is None
        assert connector.find(after) is not None
    assert peer.may_compute(alice)
    assert not peer.may_compute(ben)
    assert peer.may_compute(carla)


def test_sync_people_twice_is_sync_people_once(peer: Peer, order: MakeOrder, alice: Person) -> None:
    both = order()
    one = replace(both, people=(alice,))
    with peer.connector() as connector:
        connector.provision(both)
        first = connector.sync_people(one)
        before = peer.look()

        second = connector.sync_people(one)

    assert second == first
    assert peer.look() == before


# --- taking access away ----------------------------------------------------------------------------------------------


def test_deprovision_takes_everything_away(peer: Peer, order: MakeOrder, alice: Person, ben: Person) -> None:
    before = peer.look()
    ours = order(alice, ben)
    with peer.connector() as connector:
        connector.provision(ours)

        connector.deprovision(ours)

        assert connector.find(ours) is None
    assert not peer.may_compute(alice)
    assert not peer.may_compute(ben)
    assert peer.look() == before


def test_deprovision_twice_is_deprovision_once(peer: Peer, order: MakeOrder) -> None:
    ours = order()
    with peer.connector() as connector:
        connector.provision(ours)
        connector.deprovision(ours)
        before = peer.look()

        connector.deprovision(ours)

    assert peer.look() == before


def test_deprovision_is_content_with_what_never_was(peer: Peer, order: MakeOrder) -> None:
    before = peer.look()

    with peer.connector() as connector:
        connector.deprovision(order())

    assert peer.look() == before


def test_deprovision_clears_what_a_broken_attempt_left(peer: Peer, order: MakeOrder, person: MakePerson) -> None:
    before = peer.look()
    for leave in peer.half_done().values():
        ours = order(person("carla"))
        leave(ours)

        with peer.connector() as connector:
            connector.deprovision(ours)

    assert peer.look() == before


def test_deprovision_also_reaches_those_who_have_left_the_project(
    peer: Peer, order: MakeOrder, alice: Person, ben: Person
) -> None:
    ours = order(alice, ben)
    with peer.connector() as connector:
        connector.provision(ours)

        connector.deprovision(replace(ours, people=(alice,)))

    assert not peer.may_compute(ben)


def test_ending_one_of_two_allocations_leaves_the_access(
    peer: Peer, order: MakeOrder, alice: Person, ben: Person
) -> None:
    first, second = order(alice, ben), order(alice)
    with peer.connector() as connector:
        connector.provision(first)
        connector.provision(second)

        connector.deprovision(first)

        assert peer.may_compute(alice)
        assert not peer.may_compute(ben)
        assert connector.find(second) is not None

        connector.deprovision(second)

    assert not peer.may_compute(alice)


def test_an_allocation_can_be_set_up_again_after_it_was_taken_away(peer: Peer, order: MakeOrder, alice: Person) -> None:
    ours = order(alice)
    with peer.connector() as connector:
        connector.provision(ours)
        connector.deprovision(ours)

        connector.provision(ours)

    assert peer.may_compute(alice)


# --- failing ---------------------------------------------------------------------------------------------------------


@every_verb
def test_a_wrong_secret_is_permanent_and_changes_nothing(
    peer: Peer, order: MakeOrder, verb: Callable[[Connector, Order], Any]
) -> None:
    ours = order()
    with peer.connector() as connector:
        connector.provision(ours)
    before = peer.look()

    with peer.stranger() as stranger, pytest.raises(ConnectorError) as caught:
        verb(stranger, ours)

    assert caught.value.permanent
    assert peer.look() == before
    _says_nothing_it_should_not(caught.value, peer)


@every_verb
def test_a_platform_that_does_not_answer_is_worth_another_try(
    peer: Peer, order: MakeOrder, verb: Callable[[Connector, Order], Any]
) -> None:
    ours = order()
    with peer.connector() as connector:
        connector.provision(ours)
    before = peer.look()

    with peer.unreachable() as unreachable, pytest.raises(ConnectorError) as caught:
        verb(unreachable, ours)

    assert not caught.value.permanent
    assert peer.look() == before
    _says_nothing_it_should_not(caught.value, peer)


def test_what_check_says_holds_no_secret_and_no_address(peer: Peer) -> None:
    for connector in (peer.connector(), peer.stranger(), peer.unreachable()):
        with connector:
            message = connector.check().message

        assert message
        assert not [word for word in peer.unspeakable if word in message]


@pytest.mark.parametrize("kind", PEERS)
def test_settings_that_make_no_sense_are_refused_by_name(kind: str) -> None:
    with pytest.raises(ConnectorError, match="public_url") as caught:
        import_string(settings.CONNECTORS[kind])({"public_url": "not an address"}, secret="a-secret")

    assert caught.value.permanent


def _says_nothing_it_should_not(error: ConnectorError, peer: Peer) -> None:
    message = str(error)
    assert message.endswith(".")
    assert not [word for word in peer.unspeakable if word in message]
