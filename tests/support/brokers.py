"""Real brokers on free ports, that can go away and come back: Valkey from its wheel, RabbitMQ from the distribution."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from earthcode.demo import broker
from earthcode.demo.servers import free_port

RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


@dataclass
class Broker:
    url: str
    port: int
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it, again on the same port, and return when it can be talked to."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env={**os.environ, **self.environment},
                cwd=self.log.parent,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        deadline = time.monotonic() + 180
        while not self._answers():
            said = self.log.read_text(errors="replace")[-3000:]
            assert self.process.poll() is None, f"the broker ended:\n{said}"
            assert time.monotonic() < deadline, f"the broker did not start:\n{said}"
            time.sleep(0.1)

    def _answers(self) -> bool:
        hello = b"PING\r\n" if self.url.startswith("redis") else b"AMQP\x00\x00\x09\x01"
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as wire:
                wire.sendall(hello)
                return bool(wire.recv(1))
        except OSError:
            return False

    def kill(self) -> None:
        """``kill -9``, with everything it started."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@contextlib.contextmanager
def valkey(folder: Path) -> Iterator[Broker]:
    port = free_port()
    server = Broker(
        f"redis://127.0.0.1:{port}/0", port, broker.command(folder / "valkey", port), {}, folder / "valkey.log"
    )
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextlib.contextmanager
def rabbitmq(folder: Path) -> Iterator[Broker]:
    if not RABBITMQ.exists():
        pytest.fail("RabbitMQ is not here; on Debian and Ubuntu: apt install rabbitmq-server (make test does)")
    home = folder / "rabbitmq"
    home.mkdir()
    port, epmd = free_port(), free_port()
    (home / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{port}\n", "utf-8")
    (home / "enabled_plugins").write_text("[].\n", "utf-8")
    environment = {
        "HOME": str(home),
        "RABBITMQ_NODENAME": f"nor{port}@localhost",
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_CONF_ENV_FILE": str(home / "none"),
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_LOG_BASE": str(home / "logs"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_DIST_PORT": str(free_port()),
        # Erlang's register of names is a process that outlives the server; this one is ours.
        "ERL_EPMD_PORT": str(epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }
    server = Broker(
        f"amqp://guest:guest@127.0.0.1:{port}//", port, [str(RABBITMQ)], environment, folder / "rabbitmq.log"
    )
    try:
        server.start()
        yield server
    finally:
        server.kill()
        for process in psutil.process_iter(["name"]):
            with contextlib.suppress(psutil.Error):
                if process.info["name"] == "epmd" and process.environ().get("ERL_EPMD_PORT") == str(epmd):
                    process.kill()
