"""The platform that misbehaves on purpose."""

import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from earthcode.connectors.base import ConnectorError, Order, Person
from tests.connectors.conftest import MakeOrder
from tests.connectors.peers.simulated import SimulatedPeer
from tests.connectors.peers.simulated import simulated as made


def test_fails_for_a_while_fails_as_often_as_it_says_and_then_works(simulated: SimulatedPeer, order: MakeOrder) -> None:
    ours = order()
    for _ in range(3):
        # Made anew each time, as the runner does: the count is the platform's.
        with pytest.raises(ConnectorError) as caught:
            simulated.connector(behaviour="fails_for_a_while", failures=3).ensure(ours)
        assert not caught.value.permanent

    assert simulated.connector(behaviour="fails_for_a_while", failures=3).ensure(ours)
    assert simulated.state_of(ours)["done"] == {"provision": 1}


def test_fails_for_a_while_counts_each_allocation_by_itself(simulated: SimulatedPeer, order: MakeOrder) -> None:
    platform = simulated.connector(behaviour="fails_for_a_while", failures=1)
    first, second = order(), order()
    with pytest.raises(ConnectorError):
        platform.ensure(first)
    platform.ensure(first)

    with pytest.raises(ConnectorError):
        platform.ensure(second)


def test_fails_for_good_fails_for_good_and_lets_go(simulated: SimulatedPeer, order: MakeOrder) -> None:
    ours = order()
    platform = simulated.connector(behaviour="fails_for_good")

    for _ in range(3):
        with pytest.raises(ConnectorError) as caught:
            platform.ensure(ours)
        assert caught.value.permanent

    assert platform.find(ours) is None
    platform.revoke(ours)
    assert not platform.check().ok


def test_hangs_does_nothing_and_says_that_it_took_too_long(simulated: SimulatedPeer, order: MakeOrder) -> None:
    ours = order()

    with pytest.raises(ConnectorError, match="in time") as caught:
        simulated.connector(behaviour="hangs", hang_s=0.01).ensure(ours)

    assert not caught.value.permanent
    assert simulated.connector().find(ours) is None


def test_loses_answers_has_done_the_work_all_the_same(simulated: SimulatedPeer, order: MakeOrder) -> None:
    ours = order()
    platform = simulated.connector(behaviour="loses_answers", hang_s=0.01)

    with pytest.raises(ConnectorError) as caught:
        platform.ensure(ours)

    assert not caught.value.permanent
    assert platform.find(ours) is not None
    assert simulated.state_of(ours)["done"] == {"provision": 1}


def test_it_remembers_in_another_process(simulated: SimulatedPeer, order: MakeOrder) -> None:
    ours = order()
    simulated.connector().ensure(ours)

    program = "import sys, json; from earthcode.connectors.simulated import state_of; "
    program += "print(json.dumps(state_of({'state_folder': sys.argv[1]}, sys.argv[2])))"
    answer = subprocess.run(
        [sys.executable, "-c", program, str(simulated.folder), ours.allocation],
        env={"DJANGO_SETTINGS_MODULE": "earthcode.settings", "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ours.key in answer.stdout


def test_many_at_once_provision_once(simulated: SimulatedPeer, order: MakeOrder) -> None:
    ours = order()
    start = threading.Barrier(8)

    def provision() -> None:
        start.wait()
        simulated.connector().ensure(ours)

    threads = [threading.Thread(target=provision) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert simulated.state_of(ours)["done"] == {"provision": 1}
    assert simulated.state_of(ours)["attempts"] == {"provision": 8}


def test_changed_people_are_a_change(simulated: SimulatedPeer, order: MakeOrder, alice: Person) -> None:
    ours = order()
    platform = simulated.connector()
    platform.ensure(ours)

    platform.people(replace(ours, people=(alice,)))
    platform.people(replace(ours, people=(alice,)))

    assert simulated.state_of(ours)["done"] == {"provision": 1, "sync_people": 1}
    assert simulated.state_of(ours)["granted"]["people"] == [f"{alice.issuer} {alice.subject}"]


def test_names_of_allocations_cannot_leave_the_folder(simulated: SimulatedPeer, order: MakeOrder) -> None:
    ours: Order = order(allocation="../../outside")

    simulated.connector().ensure(ours)

    assert [path.parent for path in simulated.folder.rglob("*.json")] == [simulated.folder]


@pytest.mark.parametrize("config", [{"behaviour": "dances"}, {"failures": "often"}, {"hang_s": "x"}])
def test_settings_that_make_no_sense_are_refused(config: dict[str, object]) -> None:
    with pytest.raises(ConnectorError) as caught:
        made(config)

    assert caught.value.permanent
