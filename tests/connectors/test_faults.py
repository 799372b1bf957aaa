"""What goes wrong between us and a platform, tried on every platform we can speak to."""

import time

import pytest

from earthcode.connectors import rest
from earthcode.connectors.base import ConnectorError
from tests.connectors.conftest import MakeOrder, MakePerson
from tests.connectors.peers import Peer
from tests.connectors.verbs import (
    VERBS,
    able,
    does_not_apply,
    every_fault,
    every_verb,
    offered,
    says_nothing_it_should_not,
)
from tests.support.faultproxy import Fault, faultproxy


@every_verb
def test_a_wrong_secret_is_permanent_and_changes_nothing(peer: Peer, order: MakeOrder, verb: str) -> None:
    if not offered(verb, able(peer)):
        does_not_apply("not declared")
    stranger = peer.stranger()
    if stranger is None:
        does_not_apply("nothing is called")
    ours = order()
    with peer.connector() as connector:
        connector.ensure(ours)
    before = peer.look()

    with stranger, pytest.raises(ConnectorError) as caught:
        VERBS[verb](stranger, ours)

    assert caught.value.permanent
    assert peer.look() == before
    says_nothing_it_should_not(caught.value, peer)


@every_verb
def test_a_platform_that_does_not_answer_is_worth_another_try(peer: Peer, order: MakeOrder, verb: str) -> None:
    if not offered(verb, able(peer)) or verb == "inventory":
        does_not_apply("not declared")
    unreachable = peer.unreachable()
    if unreachable is None:
        does_not_apply("nothing is called")
    ours = order()
    with peer.connector() as connector:
        connector.ensure(ours)
    before = peer.look()

    with unreachable, pytest.raises(ConnectorError) as caught:
        VERBS[verb](unreachable, ours)

    assert not caught.value.permanent
    assert peer.look() == before
    says_nothing_it_should_not(caught.value, peer)


def test_what_check_says_holds_no_secret_and_no_address(peer: Peer) -> None:
    for connector in (peer.connector(), peer.stranger(), peer.unreachable()):
        if connector is None:
            continue
        with connector:
            message = connector.check().message

        assert message
        assert not [word for word in peer.unspeakable if word in message]


@every_fault
@every_verb
def test_whatever_comes_back_is_a_reason_and_worth_another_try_unless_it_refuses(
    wired: Peer, order: MakeOrder, verb: str, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert wired.address is not None
    if not offered(verb, able(wired)):
        does_not_apply("not declared")
    monkeypatch.setattr(rest, "CALL_MAX_S", 0.4)
    monkeypatch.setattr(rest, "ANSWER_MAX", 500_000)
    ours = order()
    with faultproxy(wired.address) as proxy:
        proxy.set(fault)
        began = time.monotonic()
        with wired.through(proxy.url) as connector, pytest.raises(ConnectorError) as caught:
            VERBS[verb](connector, ours)

        assert time.monotonic() - began < connector.timeout_s + 10
    if fault == Fault.UNAVAILABLE:
        assert caught.value.retry_after_s == 17
    if fault not in {Fault.EMPTY_OBJECT, Fault.NULLS, Fault.WRONG_TYPES}:
        assert not caught.value.permanent
    says_nothing_it_should_not(caught.value, wired)


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.LOST, Fault.WRONG_TYPES])
@pytest.mark.parametrize("verb", ["ensure", "people", "change", "suspend", "resume", "revoke"])
def test_a_fault_at_any_call_leaves_what_the_next_attempt_completes(
    wired: Peer, order: MakeOrder, verb: str, fault: Fault, person: MakePerson
) -> None:
    """The fault begins after one call, after two, …, until the work is through without meeting it."""
    assert wired.address is not None
    if not offered(verb, able(wired)):
        does_not_apply("not declared")
    carla = person("carla")
    ours = order(carla)
    with faultproxy(wired.address) as proxy:
        for calls in range(40):
            with wired.connector() as connector:
                if verb != "ensure":
                    connector.ensure(ours)
                if verb == "resume":
                    connector.suspend(ours, connector.capabilities.suspend[0])
            proxy.set(fault, after=calls)
            done = True
            with wired.through(proxy.url) as broken:
                try:
                    VERBS[verb](broken, ours)
                except ConnectorError:
                    done = False
            proxy.set(Fault.NONE)
            with wired.connector() as connector:
                VERBS[verb](connector, ours)
                found = connector.find(ours)
                if verb == "revoke":
                    assert found is None
                else:
                    assert found is not None
                    assert wired.may_compute(carla) == (verb != "suspend")
                connector.revoke(ours)
            if done:
                break
        else:
            raise AssertionError("the work never came to an end")
    assert not wired.may_compute(carla)
