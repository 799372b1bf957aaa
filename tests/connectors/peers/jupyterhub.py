"""A real JupyterHub, with the demonstration's single sign-on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from earthcode.connectors.base import Connector, Order, Person
from earthcode.connectors.jupyterhub import JupyterHub, JupyterHubConfig
from earthcode.demo import servers
from tests.connectors.peers import HalfDone, Peer

KIND = "jupyterhub"
MARKS = (pytest.mark.platform,)
NETWORK = True


class HubPeer(Peer):
    """A real JupyterHub; ``api`` speaks to it as the marketplace's service does."""

    def __init__(self, hub: servers.Hub) -> None:
        self.hub = hub
        self.config = {"public_url": hub.url}
        self.address = hub.url
        self.unspeakable = (hub.token, "a-wrong-secret", hub.url, "127.0.0.1")
        self.api = httpx.Client(
            base_url=f"{hub.url}/hub/api", headers={"Authorization": f"token {hub.token}"}, timeout=60
        )

    def connector(self, **config: Any) -> JupyterHub:
        return jupyterhub({**self.config, **config}, token=self.hub.token)

    def stranger(self) -> Connector:
        return jupyterhub(self.config, token="a-wrong-secret")

    def unreachable(self) -> Connector:
        return jupyterhub({"public_url": f"http://127.0.0.1:{servers.free_port()}"}, token=self.hub.token)

    def through(self, address: str) -> Connector:
        return self.connector(api_url=f"{address}/hub/api")

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

    def quantities(self, order: Order) -> dict[str, str] | None:
        group = self.api.get(f"/groups/nor-{order.allocation.lower()}").json()
        found: dict[str, str] = group["properties"]["nor_quota"]
        return found

    def client_of(self, person: Person) -> httpx.Client:
        """The hub's API as the person themselves, with the rights the hub gives them now."""
        made = self.api.post(f"/users/{person.username}/tokens", json={"note": "test", "expires_in": 600}).json()
        headers = {"Authorization": f"token {made['token']}"}
        return httpx.Client(base_url=f"{self.hub.url}/hub/api", headers=headers, timeout=60)

    def running(self, person: Person) -> list[str]:
        return list(self.api.get(f"/users/{person.username}").json()["servers"])


def jupyterhub(config: dict[str, Any], *, token: str) -> JupyterHub:
    return JupyterHub(JupyterHubConfig.read(config, secrets={"token": token}))


@contextmanager
def running(folder: Path) -> Iterator[HubPeer]:
    port = servers.free_port()
    with (
        servers.sso(folder / "sso", hub_url=f"http://127.0.0.1:{port}") as sso,
        servers.jupyterhub(folder / "hub", issuer=sso.issuer, port=port) as server,
    ):
        peer = HubPeer(server)
        yield peer
        peer.api.close()
