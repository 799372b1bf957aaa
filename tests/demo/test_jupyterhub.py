"""The demo's JupyterHub: who may start a server there, and that one really computes."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from earthcode.demo import servers
from earthcode.demo.config import MARK
from tests.demo.relying_party import choose_persona

KERNEL_PROTOCOL = "v1.kernel.websocket.jupyter.org"

pytestmark = [pytest.mark.platform, pytest.mark.slow]


@dataclass
class Marketplace:
    """The hub's service ``nor``, as the connector is."""

    api: httpx.Client

    def add(self, username: str, group: str = "nor-compute") -> None:
        self.api.post(f"/groups/{group}/users", json={"users": [username]}).raise_for_status()

    def remove(self, username: str, group: str = "nor-compute") -> None:
        self.api.request("DELETE", f"/groups/{group}/users", json={"users": [username]}).raise_for_status()
        self.api.delete(f"/users/{username}/server").raise_for_status()
        wait_until(lambda: not self.api.get(f"/users/{username}").json()["servers"])

    def server_is_ready(self, username: str) -> bool:
        server = self.api.get(f"/users/{username}").json()["servers"].get("")
        return bool(server and server["ready"])


class Person:
    """Somebody with a browser, at the hub."""

    def __init__(self, hub: servers.Hub, username: str) -> None:
        self.hub = hub
        self.username = username
        self.browser = httpx.Client(follow_redirects=True, timeout=60, headers={"Sec-Fetch-Mode": "navigate"})

    def open(self, path: str) -> httpx.Response:
        page = self.browser.get(f"{self.hub.url}{path}")
        return choose_persona(self.browser, page, self.username) if "/login/" in page.url.path else page

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request of a page's script, with the token against forgery of that part of the hub."""
        part = "/hub/" if path.startswith("/hub/") else f"/user/{self.username}/"
        token = next(
            cookie.value for cookie in self.browser.cookies.jar if (cookie.name, cookie.path) == ("_xsrf", part)
        )
        headers = {"X-XSRFToken": str(token), "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
        return self.browser.request(method, f"{self.hub.url}{path}", headers=headers, **options)

    def start_server(self) -> httpx.Response:
        return self.call("POST", f"/hub/api/users/{self.username}/server")


def wait_until(holds: Callable[[], bool], *, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "this never came about"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def hub(running_sso: servers.Sso, hub_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Hub]:
    with servers.jupyterhub(tmp_path_factory.mktemp("hub"), issuer=running_sso.issuer, port=hub_port) as hub:
        yield hub


@pytest.fixture
def marketplace(hub: servers.Hub) -> Iterator[Marketplace]:
    headers = {"Authorization": f"token {hub.token}"}
    with httpx.Client(base_url=f"{hub.url}/hub/api", headers=headers, timeout=60) as api:
        yield Marketplace(api)


@pytest.fixture
def alice(hub: servers.Hub, marketplace: Marketplace) -> Iterator[Person]:
    """Alice, signed in at the hub, in no group."""
    alice = Person(hub, "alice")
    assert alice.open("/hub/home").url.path == "/hub/home"
    yield alice
    for group in ("nor-compute", "nor-compute-large"):
        marketplace.remove("alice", group)
    alice.browser.close()


def test_signing_in_gives_no_right_to_compute(alice: Person, marketplace: Marketplace) -> None:
    me = alice.call("GET", "/hub/api/user").json()

    refusal = alice.start_server()

    assert (me["name"], me["groups"], me["roles"]) == ("alice", [], ["user"])
    assert refusal.status_code == 403
    assert "requires any of [start:servers]" in refusal.json()["message"]
    assert alice.open("/hub/spawn").status_code == 403
    assert not marketplace.api.get("/users/alice").json()["servers"]


def test_membership_gives_the_right_and_its_end_takes_it(alice: Person, marketplace: Marketplace) -> None:
    before = alice.start_server()
    marketplace.add("alice")

    started = alice.start_server()
    wait_until(lambda: marketplace.server_is_ready("alice"))
    page = alice.open("/user/alice/lab")
    marketplace.remove("alice")

    assert before.status_code == 403
    assert started.status_code in {201, 202}
    assert (page.status_code, page.url.path) == (200, "/user/alice/lab")
    assert "requires any of [start:servers]" in alice.start_server().json()["message"]


def test_a_notebook_computes_through_the_proxy(alice: Person, marketplace: Marketplace, hub: servers.Hub) -> None:
    """In the binary subprotocol that JupyterLab uses."""
    marketplace.add("alice")
    alice.start_server().raise_for_status()
    wait_until(lambda: marketplace.server_is_ready("alice"))
    alice.open("/user/alice/lab")

    kernel = alice.call("POST", "/user/alice/api/kernels", json={"name": "python3"}).raise_for_status().json()["id"]
    said = run_code(alice, kernel, "print(6 * 7)")

    assert said == "42\n"


def run_code(person: Person, kernel: str, code: str) -> str:
    """What the code prints in the kernel, spoken to over the web socket of its channels."""
    # In a thread of its own: where a browser test came before, Playwright's event loop runs in this one.
    with ThreadPoolExecutor(1) as aside:
        return aside.submit(asyncio.run, _run_code(person, kernel, code)).result()


async def _run_code(person: Person, kernel: str, code: str) -> str:
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in person.browser.cookies.jar)
    address = f"{person.hub.url.replace('http', 'ws')}/user/{person.username}/api/kernels/{kernel}/channels"
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": uuid.uuid4().hex, "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
    request = HTTPRequest(address, headers={"Cookie": cookies, "Origin": person.hub.url})
    socket = await websocket_connect(request, subprotocols=[KERNEL_PROTOCOL])
    try:
        assert socket.selected_subprotocol == KERNEL_PROTOCOL
        parts = [b"shell", *(json.dumps(part).encode() for part in (header, {}, {}, content))]
        await socket.write_message(_pack(parts), binary=True)
        while True:
            message = await asyncio.wait_for(socket.read_message(), timeout=60)
            assert isinstance(message, bytes)
            _, header_said, _, _, content_said, *_ = _unpack(message)
            if json.loads(header_said)["msg_type"] == "stream":
                return str(json.loads(content_said)["text"])
    finally:
        socket.close()


def _pack(parts: list[bytes]) -> bytes:
    """Count, offsets, parts: the framing of Jupyter's v1 subprotocol."""
    count = len(parts) + 1
    offsets = [8 * (count + 1)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return b"".join([count.to_bytes(8, "little"), *(offset.to_bytes(8, "little") for offset in offsets), *parts])


def _unpack(message: bytes) -> list[bytes]:
    count = int.from_bytes(message[:8], "little")
    offsets = [int.from_bytes(message[8 * (i + 1) : 8 * (i + 2)], "little") for i in range(count)]
    return [message[start:end] for start, end in pairwise(offsets)]


def test_a_person_comes_from_the_site_without_being_asked_again(
    hub: servers.Hub, running_sso: servers.Sso, marketplace: Marketplace
) -> None:
    with httpx.Client(follow_redirects=True, timeout=60) as browser:
        choose_persona(browser, browser.get(f"{running_sso.url}/login/"), "ben")

        page = browser.get(f"{hub.url}/hub/home")

    assert page.url.path == "/hub/home"
    assert marketplace.api.get("/users/ben").json()["name"] == "ben"


def test_the_hub_s_cookies_clash_with_no_other_server_s(alice: Person) -> None:
    names = {cookie.name for cookie in alice.browser.cookies.jar if cookie.path == "/"}

    assert not {"nor_session", "nor_csrf", "sessionid", "csrftoken"} & names
    assert {"sso_session", "sso_csrf"} <= names


def test_membership_outlives_a_restart_of_the_hub(alice: Person, marketplace: Marketplace, hub: servers.Hub) -> None:
    marketplace.add("alice")

    hub.stop()
    hub.start()

    assert marketplace.api.get("/users/alice").json()["groups"] == ["nor-compute"]


def test_stopping_the_hub_stops_people_s_servers(alice: Person, marketplace: Marketplace, hub: servers.Hub) -> None:
    marketplace.add("alice")
    alice.start_server().raise_for_status()
    wait_until(lambda: marketplace.server_is_ready("alice"))
    running = processes_of(hub.config.local_dir)

    hub.stop()
    left = processes_of(hub.config.local_dir)
    hub.start()

    assert any("jupyterhub.singleuser" in command for command in running)
    assert left == []


def processes_of(folder: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(folder):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found
