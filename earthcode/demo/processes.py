"""The parts a demo is made of: each can be started, asked whether it is ready, and stopped without a trace."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import psutil

from earthcode.demo import postgres
from earthcode.demo.config import MARK, Port

#: A log longer than this is put aside at the next start, in the place of the one before.
LOG_BYTES = 10_000_000


class PartError(Exception):
    """A part that did not start; the message says which and ends with its log."""


class AbandonedError(Exception):
    """The start was given up because somebody said stop."""


class Part(Protocol):
    """``key`` is how the code calls it, ``title`` how people do."""

    key: str
    title: str
    needs: Sequence[str]

    @property
    def lasting(self) -> bool:
        """Whether it goes on running, or is done when it ends."""

    def start(self) -> None: ...
    def wait_ready(self, given_up: threading.Event) -> None: ...
    def has_died(self) -> bool: ...
    def pids(self) -> list[int]: ...
    def kill(self) -> None: ...
    def stop(self) -> None: ...


@dataclass
class Process:
    """A program of ours in a process group of its own, so that Ctrl-C reaches the supervisor alone."""

    key: str
    title: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    needs: Sequence[str] = ()
    #: Whether it answers; without it, the process is ready when it has ended well.
    ready: Callable[["Process"], bool] | None = None
    start_timeout_s: float = 180
    stop_timeout_s: float = 15
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _log_from: int = field(default=0, init=False)

    @property
    def lasting(self) -> bool:
        return self.ready is not None

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".old.log"))
        self._log_from = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=dict(self.environment),
                cwd=self.environment.get("PYTHONPATH"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_ready(self, given_up: threading.Event) -> None:
        deadline = time.monotonic() + self.start_timeout_s
        while True:
            code = self._process.poll()
            if self.ready is None and code == 0:
                return
            if code is not None:
                raise PartError(f"{self.title} ended with code {code}.{self._tail()}")
            if self.ready is not None and self.ready(self):
                return
            if time.monotonic() > deadline:
                raise PartError(f"{self.title} was not ready after {self.start_timeout_s:.0f} s.{self._tail()}")
            if given_up.wait(0.1):
                raise AbandonedError

    def has_died(self) -> bool:
        return self.lasting and self.process is not None and self.process.poll() is not None

    def logged(self) -> str:
        """What it has written since it was started last."""
        with self.log.open("rb") as log:
            log.seek(self._log_from)
            return log.read().decode(errors="replace")

    def pids(self) -> list[int]:
        """The process and everything it started that is still its own."""
        if self.process is None or self.process.poll() is not None:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            own = psutil.Process(self.process.pid)
            return [own.pid, *(child.pid for child in own.children(recursive=True))]
        return []

    def kill(self) -> None:
        """``kill -9`` it and everything it started. What it left undone is somebody else's to find."""
        process = self.process  # another thread may start the next one at any moment
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if process is not None:
            process.wait()

    def stop(self) -> None:
        """Ask it to end, insist, and leave nothing of its process group behind."""
        if self.process is None:
            return
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(self.stop_timeout_s)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    @property
    def _process(self) -> subprocess.Popen[bytes]:
        assert self.process is not None
        return self.process

    def _tail(self) -> str:
        lines = self.logged().strip().splitlines()[-15:]
        return "".join(f"\n    {line}" for line in lines) + f"\n  The whole log is {self.log}."


@dataclass
class Database:
    """The embedded PostgreSQL with its databases."""

    server: postgres.Server
    databases: Sequence[str]
    key: str = "database"
    title: str = "PostgreSQL"
    needs: Sequence[str] = ()
    lasting: bool = True

    def start(self) -> None:
        try:
            self.server.recover()
            self.server.start()
            for name in self.databases:
                self.server.create_database(name)
        except postgres.PostgresError as failure:
            raise PartError(str(failure)) from failure

    def wait_ready(self, given_up: threading.Event) -> None:
        """``start`` has waited already."""

    def has_died(self) -> bool:
        return self.server.process is not None and self.server.process.poll() is not None

    def pids(self) -> list[int]:
        return [self.server.process.pid] if self.server.process and not self.has_died() else []

    def kill(self) -> None:
        process = self.server.process
        if process is not None:
            process.kill()
            process.wait()

    def stop(self) -> None:
        self.server.stop()


# --- when a process is ready -----------------------------------------------------------------------------------------


def answers(url: str, *, below: int = 400) -> Callable[[Process], bool]:
    """Ready when the address answers with a status below this. Redirections are not followed."""
    address = urlsplit(url)

    def ready(_process: Process) -> bool:
        connection = http.client.HTTPConnection(address.netloc, timeout=5)
        try:
            connection.request("GET", address.path)
            return connection.getresponse().status < below
        except (http.client.HTTPException, OSError):
            return False
        finally:
            connection.close()

    return ready


def listens(port: int) -> Callable[[Process], bool]:
    """Ready when it takes connections on the port."""

    def ready(_process: Process) -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    return ready


def says(text: str) -> Callable[[Process], bool]:
    """Ready when the log says so: for processes that answer nobody."""
    return lambda process: text in process.logged()


def python(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


# --- what stands in the way ------------------------------------------------------------------------------------------


def end_leftovers(mark: str) -> int:
    """End what a killed demo of the same folder has left running, and say how many processes that was.

    PostgreSQL is not among them: it stops in its own way (``Server.recover``).
    """
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    left = [process for process in psutil.process_iter(["name"]) if process.pid not in mine and _is_of(process, mark)]
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(left, timeout=5)
    for process in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=5)
    return len(left)


def _is_of(process: psutil.Process, mark: str) -> bool:
    try:
        return bool(process.info["name"] != "postgres" and process.environ().get(MARK) == mark)
    except (psutil.Error, OSError):
        return False


def taken(port: Port) -> str:
    """Nothing when the port is free, or a sentence on who has it and what to do."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port.number))
        except OSError as error:
            return (
                f"Port {port.number} for {port.purpose} cannot be used: {error.strerror}{_user_of(port.number)}.\n"
                f"  Free it, or choose another one: make demo {port.setting}={port.number + 100}"
            )
    return ""


def _user_of(number: int) -> str:
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN
            if listens and connection.pid and connection.laddr and connection.laddr.port == number:
                return f" ({psutil.Process(connection.pid).name()}, process {connection.pid})"
    return ""
