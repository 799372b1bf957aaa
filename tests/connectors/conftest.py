"""Platforms to try connectors on, and what they look like from behind."""

import hashlib
import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from earthcode.connectors.base import Connector, Order, Person
from earthcode.connectors.jupyterhub import JupyterHub
from earthcode.connectors.simulated import Simulated, state_of
from earthcode.demo import servers

_numbers = itertools.count(1)

MakePerson = Callable[[str], Person]
MakeOrder = Callable[..., Order]
#: Leaves on the platform what an attempt leaves that died at some point.
HalfDone = Callable[[Order], None]


class Peer(ABC):
    """A platform of one kind, running, with a view from behind that its connector does not have."""

    #: Never in a message: secrets and addresses.
    unspeakable: tuple[str, ...]

    @abstractmethod
    def connector(self) -> Connector:
        """With the right settings and the right secret."""

    @abstractmethod
    def stranger(self) -> Connector:
        """With a secret that the platform does not accept."""

    @abstractmethod
    def unreachable(self) -> Connector:
        """Of a platform of this kind that does not answer."""

    @abstractmethod
    def may_compute(self, person: Person) -> bool:
        """Whether the platform itself lets this person use it now."""

    @abstractmethod
    def look(self) -> Any:
        """All that the platform holds about allocations: equal before and after what changed nothing."""

    @abstractmethod
    def half_done(self) -> dict[str, HalfDone]:
        """What an attempt leaves that died on its way, by the point where it died."""


class SimulatedPeer(Peer):
    SECRET = "a-simulated-secret"
    unspeakable = (SECRET, "a-wrong-secret")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = {
            "state_folder": str(folder),
            "secret_sha256": hashlib.sha256(self.SECRET.encode()).hexdigest(),
            "public_url": "https://simulated.platform.example",
        }
        self.unspeakable = (*self.unspeakable, str(folder))

    def connector(self, **config: Any) -> Simulated:
        return Simulated({**self.config, **config}, secret=self.SECRET)

    def stranger(self) -> Connector:
        return Simulated(self.config, secret="a-wrong-secret")

    def unreachable(self) -> Connector:
        return self.connector(behaviour="hangs", hang_s=0)

    def may_compute(self, person: Person) -> bool:
        granted = [found for path in self.folder.glob("*.json") if (found := self._granted(path))]
        return any(f"{person.issuer} {person.subject}" in each["people"] for each in granted)

    def look(self) -> Any:
        return {path.name: self._granted(path) for path in sorted(self.folder.glob("*.json")) if self._granted(path)}

    def half_done(self) -> dict[str, HalfDone]:
        def failed(order: Order) -> None:
            with pytest.raises(Exception, match="busy"), self.connector(behaviour="fails_for_a_while") as busy:
                busy.provision(order)

        return {"refused as busy": failed}

    def _granted(self, path: Path) -> Any:
        return json.loads(path.read_text())["granted"]

    def state_of(self, order: Order) -> Any:
        return state_of(self.config, order.allocation)


class HubPeer(Peer):
    """A real JupyterHub; ``api`` speaks to it as the marketplace's service does."""

    def __init__(self, hub: servers.Hub) -> None:
        self.hub = hub
        self.config = {"public_url": hub.url}
        self.unspeakable = (hub.token, "a-wrong-secret", hub.url, "127.0.0.1")
        self.api = httpx.Client(
            base_url=f"{hub.url}/hub/api", headers={"Authorization": f"token {hub.token}"}, timeout=60
        )

    def connector(self, **config: Any) -> JupyterHub:
        return JupyterHub({**self.config, **config}, secret=self.hub.token)

    def stranger(self) -> Connector:
        return JupyterHub(self.config, secret="a-wrong-secret")

    def unreachable(self) -> Connector:
        return JupyterHub({"public_url": f"http://127.0.0.1:{servers.free_port()}"}, secret=self.hub.token)

    def may_compute(self, person: Person) -> bool:
        if self.api.get(f"/users/{person.username}").status_code == 404:
            return False
        with self.client_of(person) as client:
            return f"start:servers!user={person.username}" in client.get("/user").json()["scopes"]

    def look(self) -> Any:
        return {
            group["name"]: (sorted(group["users"]), group["properties"]) for group in self.api.get("/groups").json()
        }

    def half_done(self) -> dict[str, HalfDone]:
        def group_made(order: Order) -> None:
            self.api.post(f"/groups/nor-{order.allocation.lower()}").raise_for_status()

        def group_described(order: Order) -> None:
            group_made(order)
            with self.connector() as connector:
                properties = connector._properties(order)
            self.api.put(f"/groups/nor-{order.allocation.lower()}/properties", json=properties).raise_for_status()

        def people_made(order: Order) -> None:
            group_described(order)
            self.api.post("/users", json={"usernames": [each.username for each in order.people]}).raise_for_status()

        def people_recorded(order: Order) -> None:
            people_made(order)
            names = {"users": [each.username for each in order.people]}
            self.api.post(f"/groups/nor-{order.allocation.lower()}/users", json=names).raise_for_status()

        return {
            "group made": group_made,
            "group described": group_described,
            "people made": people_made,
            "people recorded": people_recorded,
        }

    def client_of(self, person: Person) -> httpx.Client:
        """The hub's API as the person themselves, with the rights the hub gives them now."""
        made = self.api.post(f"/users/{person.username}/tokens", json={"note": "test", "expires_in": 600}).json()
        headers = {"Authorization": f"token {made['token']}"}
        return httpx.Client(base_url=f"{self.hub.url}/hub/api", headers=headers, timeout=60)

    def running(self, person: Person) -> list[str]:
        return list(self.api.get(f"/users/{person.username}").json()["servers"])


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubPeer]:
    """One hub and its single sign-on for the whole run; orders and people have names of their own in each test."""
    port = servers.free_port()
    folder = tmp_path_factory.mktemp("hub")
    with (
        servers.sso(folder / "sso", hub_url=f"http://127.0.0.1:{port}") as sso,
        servers.jupyterhub(folder / "hub", issuer=sso.issuer, port=port) as server,
    ):
        peer = HubPeer(server)
        yield peer
        peer.api.close()


@pytest.fixture
def simulated(tmp_path: Path) -> SimulatedPeer:
    return SimulatedPeer(tmp_path / "simulated")


#: Every kind in ``settings.CONNECTORS`` has a peer here, or its contract is not tested.
PEERS = {"simulated": "simulated", "jupyterhub": "hub"}


@pytest.fixture(params=["simulated", pytest.param("jupyterhub", marks=pytest.mark.platform)])
def peer(request: pytest.FixtureRequest) -> Peer:
    found: Peer = request.getfixturevalue(PEERS[request.param])
    return found


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
