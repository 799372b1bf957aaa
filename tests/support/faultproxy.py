"""A wire with faults: stands in front of a real server and spoils what comes back, as a test wants it.

It knows nothing of HTTP but where the head of an answer ends, so that a fault can begin there.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from urllib.parse import urlsplit


class Fault(StrEnum):
    #: Everything goes through.
    NONE = "none"
    #: The connection is taken and reset at once.
    RESET = "reset"
    #: The request goes in, and nothing ever comes out.
    BLACK_HOLE = "black hole"
    #: Half of the answer, then the end of the connection.
    HALF = "half an answer"
    #: The request was carried out; its answer is lost.
    LOST = "lost answer"
    #: A byte now and then.
    SLOW = "slow"
    SERVER_ERROR = "500"
    UNAVAILABLE = "503 with Retry-After"
    GARBAGE = "garbage"
    HTML = "a page in place of the answer"
    EMPTY_OBJECT = "200 with {}"
    LIST = "200 with a list"
    NULLS = "200 with null where things should be"
    DEEP = "deep JSON"
    ENDLESS = "an answer without end"
    NO_NUMBER = "NaN"
    WRONG_TYPES = "wrong types"


_DEEP = b"[" * 100_000 + b"]" * 100_000
_BODIES = {
    Fault.SERVER_ERROR: (500, b'{"message": "Internal Server Error"}', ""),
    Fault.UNAVAILABLE: (503, b"<html>later</html>", "Retry-After: 17\r\n"),
    Fault.GARBAGE: (200, b"\x00\xff\xfe{{{", ""),
    Fault.HTML: (200, b"<html><body>Sign in to the network</body></html>", ""),
    Fault.EMPTY_OBJECT: (200, b"{}", ""),
    Fault.LIST: (200, b"[1, [2], {}]", ""),
    Fault.NULLS: (200, b'{"items": null, "users": null, "properties": null, "servers": null, "groups": null}', ""),
    Fault.DEEP: (200, b'{"a": ' + _DEEP + b"}", ""),
    Fault.NO_NUMBER: (200, b'{"a": NaN}', ""),
    Fault.WRONG_TYPES: (
        200,
        b'{"items": [7], "_pagination": 3, "users": [{"name": {}}], "properties": 1, "servers": "x", "groups": [{}]}',
        "",
    ),
}


class FaultProxy:
    """``url`` is the way through it; ``fault`` and ``after`` may be set at any time."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.fault = Fault.NONE
        #: So many connections go through before the fault begins.
        self.after = 0
        self.connections = 0
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def set(self, fault: Fault, *, after: int = 0) -> None:
        self.fault, self.after = fault, after

    def close(self) -> None:
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._accepting, *self._threads):
            thread.join(timeout=10)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            fault = self.fault
            if self.after > 0:
                self.after, fault = self.after - 1, Fault.NONE
            thread = threading.Thread(target=self._serve, args=(client, fault), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket, fault: Fault) -> None:
        client.settimeout(30)
        with client, contextlib.suppress(OSError):
            request = self._request(client)
            if fault == Fault.RESET:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if fault == Fault.BLACK_HOLE:
                self._closing.wait(30)
                return
            if fault == Fault.ENDLESS:
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
                while not self._closing.is_set():
                    client.sendall(b"[" * 65536)
            if fault in _BODIES:
                status, body, more = _BODIES[fault]
                head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{more}"
                client.sendall(head.encode() + b"Connection: close\r\n\r\n" + body)
                return
            answer = self._ask(request)
            if fault == Fault.LOST:
                return
            if fault == Fault.HALF:
                head, _, body = answer.partition(b"\r\n\r\n")
                client.sendall(head + b"\r\n\r\n" + body[: len(body) // 2])
                return
            if fault == Fault.SLOW:
                for position in range(len(answer)):
                    client.sendall(answer[position : position + 1])
                    if self._closing.wait(0.05):
                        return
                return
            client.sendall(answer)

    def _ask(self, request: bytes) -> bytes:
        with socket.create_connection(self._target, timeout=30) as server:
            server.sendall(request)
            pieces = []
            while piece := server.recv(65536):
                pieces.append(piece)
        return b"".join(pieces)

    @staticmethod
    def _request(client: socket.socket) -> bytes:
        """One request, told to be the connection's only one."""
        content = b""
        while b"\r\n\r\n" not in content:
            piece = client.recv(65536)
            if not piece:
                return b""
            content += piece
        head, _, body = content.partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        length = next((int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")), 0)
        while len(body) < length:
            body += client.recv(65536)
        return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body


@contextmanager
def faultproxy(target: str) -> Iterator[FaultProxy]:
    proxy = FaultProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
