"""scim2-server, which shares no code with us, in the part of a directory that a platform goes by."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings

from earthcode.connectors.base import Connector, Order, Person
from earthcode.connectors.scim import GROUP, PATCH, USER, Scim, ScimConfig, _Mark
from earthcode.demo import servers
from earthcode.lib import environments
from tests.connectors.peers import HalfDone, Peer

KIND = "scim"
MARKS = (pytest.mark.platform,)
NETWORK = True

LOCK = Path(__file__).resolve().parent.parent / "scim_server" / "requirements.lock"
ENVIRONMENT = settings.BASE_DIR / ".local" / "scim-server"
TOKEN = "of-the-directory"
ADMITTING = "nor-users"


class ScimPeer(Peer):
    """A directory; ``api`` speaks to it as its administrators do."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.config: dict[str, Any] = {"api_url": f"{address}/v2", "access_url": "https://editor.science.example"}
        self.unspeakable = (TOKEN, "a-wrong-secret", address, "127.0.0.1")
        self.api = httpx.Client(
            base_url=f"{address}/v2",
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/scim+json"},
            timeout=60,
        )
        self.make_group(ADMITTING)

    def connector(self, **config: Any) -> Scim:
        return scim({**self.config, **config}, token=TOKEN)

    def stranger(self) -> Connector:
        return scim(self.config, token="a-wrong-secret")

    def unreachable(self) -> Connector:
        return scim({**self.config, "api_url": f"http://127.0.0.1:{servers.free_port()}"}, token=TOKEN)

    def through(self, address: str) -> Connector:
        return self.connector(api_url=f"{address}/v2")

    def may_compute(self, person: Person) -> bool:
        return bool(self.groups_of(person) & {ADMITTING})

    def groups_of(self, person: Person) -> set[str]:
        """As a single sign-on puts them into the claim that the platform reads."""
        user = self.user_of(person)
        if user is None:
            return set()
        return {
            group["displayName"]
            for group in self.groups()
            if user["id"] in {each["value"] for each in group.get("members") or []}
        }

    def look(self) -> Any:
        return sorted(
            (
                group["displayName"],
                group.get("externalId"),
                sorted(each["value"] for each in group.get("members") or []),
            )
            for group in self.groups()
        )

    def half_done(self) -> dict[str, HalfDone]:
        def group_made(order: Order) -> None:
            mark = _Mark.of(order, self.group(ADMITTING)["id"], state="active").written()
            self.make_group(f"nor-{order.allocation.lower()}", external_id=mark)

        def people_made(order: Order) -> None:
            group_made(order)
            for person in order.people:
                self.make_user(person.username, external_id=person.subject)

        def people_recorded(order: Order) -> None:
            people_made(order)
            members = [user["id"] for person in order.people if (user := self.user_of(person))]
            self.add(f"nor-{order.allocation.lower()}", *members)

        return {"group made": group_made, "people made": people_made, "people recorded": people_recorded}

    def quantities(self, order: Order) -> dict[str, str] | None:  # noqa: ARG002  # SCIM has no amounts
        return None

    # --- as its administrators ---------------------------------------------------------------------------------------

    def groups(self) -> list[dict[str, Any]]:
        return self._all("/Groups")

    def users(self) -> list[dict[str, Any]]:
        return self._all("/Users")

    def group(self, name: str) -> dict[str, Any]:
        (found,) = [group for group in self.groups() if group["displayName"] == name]
        return found

    def user_of(self, person: Person) -> dict[str, Any] | None:
        known = {"externalId": person.subject, "userName": person.username}
        found = [user for user in self.users() if any(user.get(name) == value for name, value in known.items())]
        return found[0] if found else None

    def make_group(self, name: str, *, external_id: str = "") -> str:
        return self._make("/Groups", {"schemas": [GROUP], "displayName": name, "externalId": external_id or None})

    def make_user(self, name: str, *, external_id: str = "") -> str:
        return self._make("/Users", {"schemas": [USER], "userName": name, "externalId": external_id or None})

    def add(self, group: str, *users: str) -> None:
        operation = {"op": "add", "path": "members", "value": [{"value": user} for user in users]}
        body = {"schemas": [PATCH], "Operations": [operation]}
        self.api.patch(f"/Groups/{self.group(group)['id']}", json=body).raise_for_status()

    def delete_user(self, user: str) -> None:
        self.api.delete(f"/Users/{user}").raise_for_status()

    def _make(self, path: str, body: dict[str, Any]) -> str:
        made = self.api.post(path, json={name: value for name, value in body.items() if value is not None})
        made.raise_for_status()
        return str(made.json()["id"])

    def _all(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            page = self.api.get(path, params={"startIndex": len(found) + 1, "count": 200}).raise_for_status().json()
            found.extend(page.get("Resources") or [])
            if len(found) >= page["totalResults"]:
                return found


def scim(config: dict[str, Any], *, token: str) -> Scim:
    return Scim(ScimConfig.read(config, secrets={"token": token}))


@contextmanager
def running(folder: Path) -> Iterator[ScimPeer]:
    environments.make(ENVIRONMENT, LOCK)
    port = servers.free_port()
    command = [str(ENVIRONMENT / "bin" / "scim2-server"), "--port", str(port), "--bearer-token", TOKEN]
    log = folder / "scim2-server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder, start_new_session=True)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(address, process, log)
        peer = ScimPeer(address)
        yield peer
        peer.api.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"{address}/v2/ServiceProviderConfig", timeout=5)
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"scim2-server did not start:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.05)
