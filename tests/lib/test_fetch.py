"""Addresses that strangers give: what is read, and all the ways in which they do not get us to call inside."""

import gzip
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from earthcode.lib import fetch
from earthcode.lib.fetch import (
    AddressRefused,
    Fetcher,
    FetchFailed,
    NotReadable,
    TooLarge,
    TooSlow,
    Unreachable,
    Untrusted,
)
from tests.support.wire import Talk, says, server_context, wire

LOOPBACK = fetch.networks_from(["127.0.0.0/8", "::1/128"])
ANY_PORT = frozenset(range(65536))
PUBLIC = "93.184.215.14"

#: Asks our own machine; what is refused to strangers is tried with ``AT_LARGE``.
AT_HOME = Fetcher(networks=LOOPBACK)
AT_LARGE = Fetcher(ports=ANY_PORT)


class Inside:
    """A server inside of our network that remembers who called."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __call__(self, connection: socket.socket) -> None:
        self.calls.append("called")
        says(200, '{"secret": true}')(connection)


@pytest.fixture
def inside() -> Iterator[tuple[str, Inside]]:
    server = Inside()
    with wire(server) as url:
        yield url, server


def always(*addresses: str) -> fetch.Resolver:
    def resolve(host: str, port: int) -> Sequence[str]:
        return list(addresses)

    return resolve


# --- what is read ----------------------------------------------------------------------------------------------------


def test_an_answer_is_read_with_its_code_its_kind_and_its_content() -> None:
    with wire(says(404, '{"is": "here"}', kind="application/json; charset=utf-8")) as url:
        answer = AT_HOME.get(f"{url}/a/page?of=1#part")

    assert (answer.status, answer.is_ok, answer.kind) == (404, False, "application/json")
    assert answer.document() == {"is": "here"}
    assert answer.url == f"{url}/a/page?of=1"


def test_what_is_asked_is_the_address_as_it_was_given_and_nothing_of_ours() -> None:
    heard: list[str] = []
    with listening(heard) as port:
        fetcher = Fetcher(networks=LOOPBACK, resolve=always("127.0.0.1"))
        fetcher.get(f"http://Data.Platform.example:{port}/stac/ä?q=a+b")

    assert heard[0] == "GET /stac/%C3%A4?q=a+b HTTP/1.1"
    assert f"Host: data.platform.example:{port}" in heard
    assert not [line for line in heard if line.lower().startswith(("cookie", "authorization", "proxy"))]


@contextmanager
def listening(heard: list[str]) -> Iterator[int]:
    """A server that writes down the lines of its first call."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        heard.extend(connection.recv(65536).decode().splitlines())
        says(200)(connection)
        connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join(10)
        listener.close()


def test_redirects_are_followed_and_told(inside: tuple[str, Inside]) -> None:
    url, _ = inside
    with wire(says(302, more=f"Location: {url}/end\r\n")) as first:
        answer = AT_HOME.get(first)

    assert answer.url == f"{url}/end"
    assert answer.redirects == (f"{first}/",)


def test_a_redirect_can_be_looked_at_without_following_it(inside: tuple[str, Inside]) -> None:
    url, server = inside
    with wire(says(302, more=f"Location: {url}/end\r\n")) as first:
        answer = AT_HOME.get(first, redirects_max=0)

    assert answer.leads_to == f"{url}/end"
    assert server.calls == []


def test_redirects_in_a_circle_come_to_an_end() -> None:
    with wire(says(302, more="Location: /again\r\n")) as url, pytest.raises(Unreachable, match="leads on more than 5"):
        AT_HOME.get(url)


def test_the_settings_say_which_networks_and_ports_are_asked(settings: Any, inside: tuple[str, Inside]) -> None:
    url, server = inside
    with pytest.raises(AddressRefused):
        fetch.fetch(url)
    assert server.calls == []

    settings.FETCH_ALLOWED_NETWORKS = ["127.0.0.0/8"]

    assert fetch.fetch(url).document() == {"secret": True}


# --- where nobody is called ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "0177.0.0.1",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "①②⑦.⓪.⓪.①",
        "0.0.0.0",  # noqa: S104  # asked for, not listened on
        "0",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ],
)
def test_our_own_machine_is_not_called_however_it_is_written(host: str, inside: tuple[str, Inside]) -> None:
    url, server = inside

    with pytest.raises(AddressRefused):
        AT_LARGE.get(f"http://{host}:{urlsplit(url).port}/")

    assert server.calls == []


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.8.8.8",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.9",
        "224.0.0.251",
        "240.0.0.1",
        "255.255.255.255",
        "0.0.0.0",  # noqa: S104  # asked for, not listened on
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8",
        "::10.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:a00:1::1",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "2a00::1%eth0",
        "fec0::1",
        "ff02::1",
        "not an address",
    ],
)
def test_no_name_leads_to_what_is_not_the_public_internet(address: str) -> None:
    with pytest.raises(AddressRefused, match="public internet"):
        Fetcher(resolve=always(address)).get("https://platform.example/")


@pytest.mark.parametrize(
    "address", [PUBLIC, "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:2800:21f:cb07::1", "2a00:1450::1"]
)
def test_ordinary_addresses_are_public(address: str) -> None:
    assert fetch.is_public(ipaddress.ip_address(address))


def test_a_name_with_one_address_inside_of_two_is_not_called_at_all(inside: tuple[str, Inside]) -> None:
    url, server = inside
    fetcher = Fetcher(ports=ANY_PORT, resolve=always(PUBLIC, "127.0.0.1"))

    with pytest.raises(AddressRefused):
        fetcher.get(f"http://platform.example:{urlsplit(url).port}/")

    assert server.calls == []


def test_a_name_server_that_changes_its_mind_is_asked_once_and_taken_at_its_word(inside: tuple[str, Inside]) -> None:
    """DNS rebinding: the first answer passes the check, a second one would lead inside."""
    url, server = inside
    port = urlsplit(url).port
    answers = [["127.0.0.1"], ["127.0.0.2"]]
    asked: list[str] = []

    def changes_its_mind(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    # 127.0.0.1 stands for the public address and every other one for inside: the server listens on the first only.
    fetcher = Fetcher(networks=fetch.networks_from(["127.0.0.1/32"]), resolve=changes_its_mind)
    fetcher.get(f"http://platform.example:{port}/")
    assert (asked, len(server.calls)) == (["platform.example"], 1)

    with pytest.raises(AddressRefused):
        fetcher.get(f"http://platform.example:{port}/")
    assert len(server.calls) == 1


def test_a_name_that_does_not_exist_reads_like_one_that_leads_inside() -> None:
    def knows_nothing(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror("no such name")

    sentences = set()
    for resolve in (knows_nothing, always(), always("10.0.0.1")):
        with pytest.raises(AddressRefused) as caught:
            Fetcher(resolve=resolve).get("https://database.example/")
        sentences.add(str(caught.value))

    assert sentences == {"“database.example” does not lead to an address on the public internet."}


@pytest.mark.parametrize(
    "to", ["http://169.254.169.254/latest/meta-data/", "http://[::ffff:a9fe:a9fe]/", "//10.0.0.1/"]
)
def test_a_redirect_leads_nowhere_inside(to: str) -> None:
    fetcher = Fetcher(networks=fetch.networks_from(["127.0.0.1/32"]))
    with wire(says(302, more=f"Location: {to}\r\n")) as url, pytest.raises(AddressRefused, match="public internet"):
        fetcher.get(url)


@pytest.mark.parametrize("to", ["file:///etc/passwd", "gopher://127.0.0.1:6379/_FLUSHALL", "ftp://127.0.0.1/"])
def test_a_redirect_leads_to_no_other_protocol(to: str) -> None:
    with wire(says(302, more=f"Location: {to}\r\n")) as url, pytest.raises(AddressRefused, match="begins with"):
        AT_HOME.get(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "platform.example",
        "//platform.example/",
        "ftp://platform.example/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://",
        "http:///path",
        "http://user@platform.example/",
        "http://user:password@platform.example/",
        "http://platform.example@127.0.0.1/",
        "http://platform.example:80@127.0.0.1/",
        "http://platform.example\\@127.0.0.1/",
        "http://platform.example\\.inside/",
        "http://platform.example /",
        "http://platform.example/\r\nX-Injected: 1",
        "http://platform.example/\x00",
        "http://platform.example:99999/",
        "http://platform.example:http/",
        "http://[::1",
        "http://[::1%25lo]/",
        "http://127.0.0.1%2f@platform.example/",
        "http://.platform.example/",
        f"http://{'a' * 64}.example/",
        f"http://platform.example/{'a' * 2000}",
    ],
)
def test_what_is_no_plain_web_address_is_refused_before_anybody_is_asked(url: str) -> None:
    asked: list[str] = []

    def remembers(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    with pytest.raises(AddressRefused):
        Fetcher(networks=LOOPBACK, resolve=remembers).get(url)

    assert asked == []
    assert fetch.address_problem(url)


def test_public_servers_are_called_on_their_usual_ports_only() -> None:
    with pytest.raises(AddressRefused, match="Port 6379 is not asked, only 80, 443"):
        Fetcher(resolve=always(PUBLIC)).get("http://platform.example:6379/")


def test_no_proxy_of_the_environment_is_used(inside: tuple[str, Inside], monkeypatch: pytest.MonkeyPatch) -> None:
    url, _ = inside
    with wire(says(200, '{"from": "the proxy"}')) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        monkeypatch.delenv("no_proxy", raising=False)

        assert AT_HOME.get(url).document() == {"secret": True}


# --- certificates ----------------------------------------------------------------------------------------------------


def test_the_certificate_has_to_be_of_the_name_although_the_address_is_pinned(tmp_path: Path) -> None:
    with wire(says(200, "{}"), context=server_context(tmp_path, "platform.example")) as url:
        port = urlsplit(url).port
        trust = ssl.create_default_context(cafile=str(tmp_path / "server.pem"))
        fetcher = Fetcher(networks=LOOPBACK, resolve=always("127.0.0.1"), trust=trust)

        assert fetcher.get(f"https://platform.example:{port}/").status == 200
        with pytest.raises(Untrusted, match="cannot be trusted"):
            fetcher.get(f"https://other.example:{port}/")
        with pytest.raises(Untrusted):
            AT_HOME.get(f"https://127.0.0.1:{port}/")


def test_nobody_is_led_from_https_to_http(tmp_path: Path, inside: tuple[str, Inside]) -> None:
    plain, server = inside
    with wire(says(302, more=f"Location: {plain}\r\n"), context=server_context(tmp_path, "127.0.0.1")) as url:
        trust = ssl.create_default_context(cafile=str(tmp_path / "server.pem"))
        with pytest.raises(AddressRefused, match="from https to http"):
            Fetcher(networks=LOOPBACK, trust=trust).get(url)

    assert server.calls == []


# --- too slow, too large, not what it seems --------------------------------------------------------------------------


def drips(what: bytes) -> Talk:
    """One byte every few hundredths of a second, for as long as anybody listens."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for _ in range(2000):
            connection.sendall(what)
            time.sleep(0.02)

    return talk


def says_nothing(connection: socket.socket) -> None:
    # Until the caller gives up: reading from a connection that was closed comes back at once.
    connection.settimeout(30)
    connection.recv(1)


@pytest.mark.parametrize(
    "talk",
    [says_nothing, drips(b"X-Slow: 1\r\n"), drips(b"\r\n\r\n"), drips(b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")],
)
def test_whoever_drips_is_left_at_the_deadline(talk: Talk) -> None:
    with wire(talk) as url, pytest.raises(FetchFailed) as caught:
        AT_HOME.get(url, timeout_s=0.3)

    # Headers without end run into the limit of their size, everything else into the deadline.
    assert isinstance(caught.value, TooSlow | Unreachable)


def test_a_name_server_that_says_nothing_is_left_at_the_deadline() -> None:
    released = threading.Event()

    def hangs(host: str, port: int) -> Sequence[str]:
        released.wait(30)
        return [PUBLIC]

    try:
        with pytest.raises(TooSlow):
            Fetcher(resolve=hangs).get("https://platform.example/", timeout_s=0.1)
    finally:
        released.set()


def floods(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


def test_an_answer_without_end_is_not_kept() -> None:
    with wire(floods) as url, pytest.raises(TooLarge):
        AT_HOME.get(url, bytes_max=100_000)


def test_of_a_large_answer_the_beginning_can_be_had() -> None:
    with wire(floods) as url:
        answer = AT_HOME.get(url, bytes_max=1000, cut=True)

    assert answer.content == b"x" * 1000


def test_headers_without_end_are_not_kept() -> None:
    def boasts(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X-Long: " + b"x" * 65536)

    with wire(boasts) as url, pytest.raises(Unreachable):
        AT_HOME.get(url)


def zipped(content: bytes, *, encoding: str = "gzip") -> Talk:
    def talk(connection: socket.socket) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(content)}\r\n\r\n"
        connection.sendall(head.encode() + content)

    return talk


def test_a_compressed_answer_is_unpacked() -> None:
    with wire(zipped(gzip.compress(b'{"a": 1}'))) as url:
        assert AT_HOME.get(url).document() == {"a": 1}


def test_a_bomb_is_unpacked_no_further_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[int] = []
    original = fetch.zlib.decompressobj

    class Watched:
        def __init__(self, bits: int) -> None:
            self._inner = original(bits)

        def decompress(self, piece: bytes, room: int) -> bytes:
            found = self._inner.decompress(piece, room)
            unpacked.append(len(found))
            return found

    monkeypatch.setattr(fetch.zlib, "decompressobj", Watched)
    bomb = gzip.compress(bytes(200_000_000), compresslevel=1)
    with wire(zipped(bomb)) as url, pytest.raises(TooLarge):
        AT_HOME.get(url, bytes_max=1_000_000)

    assert sum(unpacked) == 1_000_001


@pytest.mark.parametrize(
    ("talk", "sentence"),
    [
        (zipped(b"this is no gzip at all"), "cannot be decompressed"),
        (zipped(gzip.compress(b"x"), encoding="gzip, gzip"), "not asked for"),
        (zipped(b"x", encoding="br"), "not asked for"),
    ],
)
def test_an_answer_packed_in_another_way_is_refused(talk: Talk, sentence: str) -> None:
    with wire(talk) as url, pytest.raises(NotReadable, match=sentence):
        AT_HOME.get(url)


@pytest.mark.parametrize("content", ["", "<html>", "[1]", "7", "[" * 100_000, '{"a":' * 100_000])
def test_what_is_no_json_document_is_said_to_be_none(content: str) -> None:
    with wire(says(200, content)) as url, pytest.raises(NotReadable, match="JSON"):
        AT_HOME.get(url).document()


def hangs_up(connection: socket.socket) -> None:
    """Nothing is said at all."""


def speaks_ssh(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


@pytest.mark.parametrize("talk", [hangs_up, speaks_ssh])
def test_what_does_not_speak_http_is_unreachable_and_tells_nothing(talk: Talk) -> None:
    with wire(talk) as url, pytest.raises(Unreachable) as caught:
        AT_HOME.get(url)

    assert "SSH" not in str(caught.value)


def test_nobody_there_is_unreachable() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()

    with pytest.raises(Unreachable, match="cannot be reached"):
        AT_HOME.get(f"http://127.0.0.1:{port}/")


def test_a_second_address_is_tried_where_the_first_does_not_answer(inside: tuple[str, Inside]) -> None:
    url, _ = inside
    fetcher = Fetcher(networks=LOOPBACK, resolve=always("127.0.0.9", "127.0.0.1"))

    assert fetcher.get(f"http://platform.example:{urlsplit(url).port}/").status == 200
