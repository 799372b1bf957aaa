"""Running platforms, and orders for them that no other test has."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from earthcode.connectors.base import Order, Person
from tests.connectors.peers import Peer, modules
from tests.connectors.peers.jupyterhub import HubPeer
from tests.connectors.peers.simulated import SimulatedPeer

_numbers = itertools.count(1)

MakePerson = Callable[[str], Person]
MakeOrder = Callable[..., Order]
#: Starts the platform of a kind, once in a run.
Started = Callable[[str], Peer]

PEERS = modules()
every_kind = [pytest.param(kind, marks=module.MARKS, id=kind) for kind, module in PEERS.items()]


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """One platform of each kind for the whole run; orders and people have names of their own in each test."""
    there: dict[str, Peer] = {}
    with ExitStack() as stack:

        def start(kind: str) -> Peer:
            if kind not in there:
                there[kind] = stack.enter_context(PEERS[kind].running(tmp_path_factory.mktemp(kind)))
            return there[kind]

        yield start


@pytest.fixture(params=every_kind)
def peer(request: pytest.FixtureRequest, started: Started) -> Peer:
    return started(request.param)


@pytest.fixture(params=[each for each in every_kind if PEERS[str(each.id)].NETWORK])
def wired(request: pytest.FixtureRequest, started: Started) -> Peer:
    """One that is called over a network, where faults can be put in between."""
    return started(request.param)


@pytest.fixture(scope="session")
def hub(started: Started) -> HubPeer:
    return cast("HubPeer", started("jupyterhub"))


@pytest.fixture
def simulated(tmp_path: Path) -> SimulatedPeer:
    return SimulatedPeer(tmp_path / "simulated")


@pytest.fixture
def person() -> MakePerson:  # in place of the site's people: connectors know no database
    def make(name: str) -> Person:
        username = f"{name.lower()}{next(_numbers)}"
        return Person(
            issuer="https://sso.science.example/realms/earthcode",
            subject=f"subject-of-{username}",
            username=username,
            name=f"{name.title()} Example",
            email=f"{username}@science.example",
        )

    return make


@pytest.fixture
def alice(person: MakePerson) -> Person:
    return person("alice")


@pytest.fixture
def ben(person: MakePerson) -> Person:
    return person("ben")


@pytest.fixture
def order(alice: Person, ben: Person) -> MakeOrder:
    """Makes an order of an allocation that no other test has; by default for Alice and Ben."""

    def make(*people: Person, **changes: Any) -> Order:
        reference = f"NOR-2026-{next(_numbers):04d}-1"
        usual = Order(
            allocation=reference,
            key=f"key-of-{reference}",
            people=people or (alice, ben),
            starts_at=datetime(2026, 11, 1, tzinfo=UTC),
            ends_at=datetime(2027, 5, 2, tzinfo=UTC),
            quantities={"vcpu_hour": "2880"},
        )
        return replace(usual, **changes)

    return make
