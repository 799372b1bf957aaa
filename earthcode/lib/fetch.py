"""Fetches addresses that strangers give, without letting them reach inside our network.

What always holds for each address, and anew for each one that an answer leads on to:

- It is ``http`` or ``https``, names a host and carries no user name; a redirect never leaves ``https`` for ``http``.
- Its name is resolved once, every address it has must be on the public internet, and the connection is made to an
  address that was looked at: a name server that changes its mind in between changes nothing. TLS still verifies the name.
- Its port is one of those that web servers use.
- Nothing of ours goes along: no cookies, no credentials, no proxy of the environment.
- Everything together takes at most ``timeout_s``, however slowly it drips, and no more than ``bytes_max`` is kept, counted
  after decompression.

Local networks are asked only where the setting ``FETCH_ALLOWED_NETWORKS`` names them, which is for a demo on one machine.
"""

from __future__ import annotations

import functools
import ipaddress
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self
from urllib.parse import quote, urljoin, urlsplit

import httpcore
import httpx
from django.conf import settings

from earthcode.lib.reading import Unreadable, json_of

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: Name and port → the addresses a connection could go to.
Resolver = Callable[[str, int], Sequence[str]]

TIMEOUT_S = 10.0
BYTES_MAX = 4 * 1024 * 1024
REDIRECTS_MAX = 5
URL_CHARACTERS_MAX = 2000
#: One name may have many addresses; trying a few is enough.
ADDRESSES_MAX = 4

#: IPv4 that is not the public internet (IANA's special-purpose registry), or is some cloud's own inside.
_NOT_PUBLIC_4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # the inner services of one large cloud, at a public address
        "169.254.0.0/16",  # also where clouds keep their metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
#: IPv6 that is the public internet. All that wraps an IPv4 address (mapped, compatible, NAT64) lies outside of it.
_PUBLIC_6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)


class FetchFailed(Exception):
    """There is nothing to read at this address; the message is a sentence fit for whoever gave it.

    It does not tell a name that does not exist from one that leads inside, so that nobody can explore our network by it.
    """

    code: ClassVar[str] = "fetch_failed"


class AddressRefused(FetchFailed):
    """This address is never asked."""

    code = "address_refused"


class Unreachable(FetchFailed):
    """Nobody answers there, or not in HTTP."""

    code = "unreachable"


class Untrusted(FetchFailed):
    """The certificate is not one of this name, or of nobody we trust."""

    code = "untrusted"


class TooSlow(FetchFailed):
    code = "too_slow"


class TooLarge(FetchFailed):
    code = "too_large"


class NotReadable(FetchFailed):
    """What came is not what was asked for."""

    code = "not_readable"


@dataclass(frozen=True)
class Fetched:
    """An answer, whatever its code. ``url`` is where it came from after ``redirects``, content is decompressed."""

    url: str
    status: int
    #: By name in small letters.
    headers: Mapping[str, str]
    content: bytes
    redirects: tuple[str, ...] = ()

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def kind(self) -> str:
        """The media type without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def leads_to(self) -> str:
        """Where a redirect that was not followed goes; empty where it is none."""
        location = self.headers.get("location", "")
        return urljoin(self.url, location) if location and self.status in _REDIRECTS else ""

    def document(self) -> dict[str, Any]:
        """The JSON object it has to be; raises ``NotReadable`` where it is something else."""
        try:
            found = json_of(self.content)
        except Unreadable:
            found = None
        if not isinstance(found, dict):
            raise NotReadable("The answer is not a JSON document.")
        return found


_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def fetch(
    url: str,
    *,
    accept: str = "*/*",
    timeout_s: float = TIMEOUT_S,
    bytes_max: int = BYTES_MAX,
    redirects_max: int = REDIRECTS_MAX,
    cut: bool = False,
) -> Fetched:
    """What is at this address, under this installation's settings; see :meth:`Fetcher.get`."""
    return Fetcher.from_settings().get(
        url, accept=accept, timeout_s=timeout_s, bytes_max=bytes_max, redirects_max=redirects_max, cut=cut
    )


def look_up(host: str, port: int) -> list[str]:
    """Every address the system's resolver has for a name; also what it makes of numbers (``0x7f.1``, ``2130706433``)."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@functools.cache
def _trust() -> ssl.SSLContext:
    return httpx.create_ssl_context()


@dataclass(frozen=True)
class Fetcher:
    """What may be asked, and how names are looked up."""

    networks: tuple[Network, ...] = ()
    ports: frozenset[int] = frozenset({80, 443})
    resolve: Resolver = look_up
    trust: ssl.SSLContext = field(default_factory=_trust)

    @classmethod
    def from_settings(cls) -> Self:
        return cls(
            networks=networks_from(settings.FETCH_ALLOWED_NETWORKS), ports=frozenset(settings.FETCH_ALLOWED_PORTS)
        )

    def get(
        self,
        url: str,
        *,
        accept: str = "*/*",
        timeout_s: float = TIMEOUT_S,
        bytes_max: int = BYTES_MAX,
        redirects_max: int = REDIRECTS_MAX,
        cut: bool = False,
    ) -> Fetched:
        """The answer at this address, redirects followed; raises ``FetchFailed`` with a sentence that says why not.

        ``redirects_max=0`` hands back the first redirect itself. ``cut`` keeps the beginning of an answer that is larger
        than ``bytes_max``, which is otherwise refused.
        """
        ends = time.monotonic() + timeout_s
        passed: list[str] = []
        while True:
            answer = self._ask(url, accept=accept, ends=ends, bytes_max=bytes_max, cut=cut)
            if not answer.leads_to or redirects_max == 0:
                return Fetched(answer.url, answer.status, answer.headers, answer.content, tuple(passed))
            if len(passed) >= redirects_max:
                raise Unreachable(f"The address leads on more than {redirects_max} times.")
            if answer.url.startswith("https:") and urlsplit(answer.leads_to).scheme == "http":
                raise AddressRefused("The address leads from https to http, which anybody on the way can change.")
            passed.append(answer.url)
            url = answer.leads_to

    def _ask(self, url: str, *, accept: str, ends: float, bytes_max: int, cut: bool) -> Fetched:
        target = _parse(url)
        request = httpcore.Request(
            "GET",
            target.wire,
            headers=[
                (b"Host", target.host_header),
                (b"Accept", accept.encode("ascii")),
                (b"Accept-Encoding", b"gzip"),
                (b"User-Agent", b"Network-of-Resources"),
                (b"Connection", b"close"),
            ],
        )
        backend = _Guarded(self, ends=ends)
        try:
            with httpcore.ConnectionPool(ssl_context=self.trust, network_backend=backend, retries=0) as pool:
                response = pool.handle_request(request)
                try:
                    return _read(target.url, response, bytes_max=bytes_max, cut=cut)
                finally:
                    response.close()
        except httpcore.TimeoutException as error:
            raise TooSlow(f"“{target.host}” did not answer in time.") from error
        except httpcore.ConnectError as error:
            if _is_about_trust(error):
                raise Untrusted(f"The certificate of “{target.host}” cannot be trusted.") from error
            raise Unreachable(f"“{target.host}” cannot be reached.") from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise Unreachable(f"“{target.host}” broke off, or does not speak HTTP.") from error

    def check(self, address: str, port: int, host: str) -> Address:
        """The address, once a connection to it is all right; raises ``AddressRefused``."""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            raise AddressRefused(_not_public(host)) from None
        if any(found in network for network in self.networks if network.version == found.version):
            return found
        if not is_public(found):
            raise AddressRefused(_not_public(host))
        if port not in self.ports:
            ports = ", ".join(str(port) for port in sorted(self.ports))
            raise AddressRefused(f"Port {port} is not asked, only {ports}.")
        return found


def networks_from(names: Iterable[str]) -> tuple[Network, ...]:
    """Networks as the settings write them; raises ``ValueError`` for what is none."""
    return tuple(ipaddress.ip_network(name) for name in names)


def is_public(address: Address) -> bool:
    """Whether this is an ordinary address of the public internet, and not one in disguise."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    if address.scope_id is not None or address not in _PUBLIC_6:
        return False
    return not any(address in network for network in _NOT_PUBLIC_6)


def address_problem(url: str) -> str:
    """Why this can never be fetched, for forms: looks at the text only and asks no name server; empty if it might."""
    try:
        _parse(url)
    except AddressRefused as refusal:
        return str(refusal)
    return ""


def _not_public(host: str) -> str:
    return f"“{host}” does not lead to an address on the public internet."


# --- the text of an address ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Target:
    """An address taken apart once: what is checked is what is connected to and what is asked for."""

    url: str
    host: str
    wire: httpcore.URL
    host_header: bytes


def _parse(url: str) -> _Target:
    if len(url) > URL_CHARACTERS_MAX:
        raise AddressRefused("This address is too long.")
    if not url.isprintable() or "\\" in url or any(letter.isspace() for letter in url):
        raise AddressRefused("This is not a web address.")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
    except ValueError:
        raise AddressRefused("This is not a web address.") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise AddressRefused("An address begins with https:// or http:// and names a host.")
    if "@" in parts.netloc:
        raise AddressRefused("An address must not hold a user name or a password.")
    if "%" in host:
        raise AddressRefused("This is not a web address.")
    if ":" not in host:
        try:
            host = host.encode("idna").decode("ascii").lower()
        except UnicodeError:
            raise AddressRefused("This is not the name of a host.") from None
    standard = 443 if parts.scheme == "https" else 80
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = "?" + quote(parts.query, safe="/?%:@!$&'()*+,;=~-._[]") if parts.query else ""
    shown = f"[{host}]" if ":" in host else host
    netloc = shown if port in {None, standard} else f"{shown}:{port}"
    return _Target(
        url=f"{parts.scheme}://{netloc}{path}{query}",
        host=host,
        wire=httpcore.URL(
            scheme=parts.scheme, host=host, port=standard if port is None else port, target=f"{path}{query}"
        ),
        host_header=netloc.encode("ascii"),
    )


# --- the wire --------------------------------------------------------------------------------------------------------


class _Guarded(httpcore.NetworkBackend):
    """Makes connections: resolves, checks, and connects to an address that was checked, all before the deadline."""

    def __init__(self, fetcher: Fetcher, *, ends: float) -> None:
        self._fetcher = fetcher
        self._ends = ends
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        found = dict.fromkeys(_within(_left(self._ends), self._fetcher.resolve, host, port))
        # Each of them: a name that leads inside with one address of two is not asked at all.
        addresses = [self._fetcher.check(address, port, host) for address in found]
        problem: Exception = AddressRefused(_not_public(host))
        for address in addresses[:ADDRESSES_MAX]:
            try:
                return _Timed(self._sockets.connect_tcp(str(address), port, _left(self._ends)), self._ends)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
        raise problem

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        raise AddressRefused("Sockets of this machine are never asked.")

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing is tried again")


class _Timed(httpcore.NetworkStream):
    """A connection on which every wait ends at the deadline, so that many short ones cannot add up."""

    def __init__(self, stream: httpcore.NetworkStream, ends: float) -> None:
        self._stream = stream
        self._ends = ends

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._ends))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._ends))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, _left(self._ends)), self._ends)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the deadline has passed")
    return left


def _within(seconds: float, resolve: Resolver, host: str, port: int) -> Sequence[str]:
    """Look the name up, for so long at most. The system's resolver cannot be told how long it may take."""
    found: list[Sequence[str]] = []
    crash: list[Exception] = []

    def run() -> None:
        try:
            found.append(resolve(host, port))
        except (OSError, UnicodeError):
            found.append(())
        except Exception as error:  # handed on to the caller's thread
            crash.append(error)

    thread = threading.Thread(target=run, daemon=True, name="look up an address")
    thread.start()
    thread.join(seconds)
    if crash:
        raise crash[0]
    if not found:
        raise httpcore.ConnectTimeout("the name server did not answer in time")
    return found[0]


def _read(url: str, response: httpcore.Response, *, bytes_max: int, cut: bool) -> Fetched:
    headers: dict[str, str] = {}
    for name, value in response.headers:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity", "gzip", "x-gzip"}:
        raise NotReadable(f"The answer is compressed as “{encoding[:40]}”, which was not asked for.")
    unzip = zlib.decompressobj(16 + zlib.MAX_WBITS) if encoding.endswith("gzip") else None
    content = bytearray()
    size = 0
    for piece in response.iter_stream():
        size += len(piece)
        # One byte more than is wanted tells that there is more; a bomb gets no further than that.
        room = bytes_max + 1 - len(content)
        try:
            content += piece[:room] if unzip is None else unzip.decompress(piece, room)
        except zlib.error:
            raise NotReadable("The answer is damaged: it cannot be decompressed.") from None
        if len(content) > bytes_max or size > bytes_max:
            if not cut:
                raise TooLarge("The answer is larger than anything that is expected there.")
            break
    return Fetched(url, response.status, headers, bytes(content[:bytes_max]))


def _is_about_trust(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
