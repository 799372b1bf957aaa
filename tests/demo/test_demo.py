"""``make demo`` with all its real parts, as a person runs it: started, killed, started again, stopped."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from queue import Empty, Queue

import httpx
import psutil
import psycopg
import pytest

from earthcode.demo.config import BASE_DIR, MARK, REPLACES_A_PART, Config, Ports
from earthcode.demo.postgres import Server
from earthcode.demo.processes import end_leftovers
from tests.demo.relying_party import choose_persona

pytestmark = [pytest.mark.platform, pytest.mark.slow]


class Terminal:
    """``python -m earthcode.demo`` with its screen."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.lines: list[str] = []
        self._queue: Queue[str | None] = Queue()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "earthcode.demo"],
            env=environment,
            cwd=BASE_DIR,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as screen:
            for line in screen:
                self._queue.put(line.rstrip())
        self._queue.put(None)

    def wait_for(self, beginning: str, *, timeout_s: float = 400) -> None:
        """Read on until a line begins like this."""
        while True:
            try:
                line = self._queue.get(timeout=timeout_s)
            except Empty:
                pytest.fail(f"waited in vain for “{beginning}” after\n{self.screen}")
            if line is None:
                pytest.fail(f"it ended without saying “{beginning}”:\n{self.screen}")
            self.lines.append(line)
            if line.startswith(beginning):
                return

    def end(self, number: signal.Signals) -> int:
        """Send a signal, and say how the process ended."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=120)
        self._reader.join()
        while (line := self._queue.get()) is not None:
            self.lines.append(line)
        return code

    @property
    def screen(self) -> str:
        return "\n".join(self.lines)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    ports = {f"{name.upper()}_PORT": str(number) for name, number in asdict(Ports.free()).items()}
    ours = {name: value for name, value in os.environ.items() if name not in REPLACES_A_PART}
    return {**ours, **ports, "LOCAL_DIR": str(tmp_path / "demo")}


@pytest.fixture
def config(environment: dict[str, str]) -> Config:
    return Config.from_environment(environment)


@pytest.fixture
def terminals(config: Config) -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        if terminal.process.poll() is None:
            terminal.end(signal.SIGTERM)
    # Should the test have failed between a kill and the next start.
    end_leftovers(str(config.local_dir))
    Server(config.local_dir / "postgres", config.ports.database).recover()


def alive(config: Config) -> list[str]:
    """Command lines of this demo's processes, PostgreSQL's included."""
    found = []
    for process in psutil.process_iter():
        try:
            command = " ".join(process.cmdline())
            if command and (process.environ().get(MARK) == str(config.local_dir) or str(config.local_dir) in command):
                found.append(command)
        except psutil.Error:
            continue
    return found


def people_in(config: Config) -> int:
    with psycopg.connect(config.database_url) as connection:
        row = connection.execute("SELECT count(*) FROM identity_user").fetchone()
    assert row is not None
    return int(row[0])


def refusal_of(config: Config, statement: str) -> str:
    """What the database says to the login that the site serves with."""
    with psycopg.connect(config.database_url) as connection:
        try:
            connection.execute(statement.encode())
        except psycopg.Error as error:
            return str(error)
    return "done"


def test_the_demo_starts_survives_kill_9_and_stops_without_a_trace(
    config: Config, environment: dict[str, str], terminals: list[Terminal]
) -> None:
    terminals.append(first := Terminal(environment))
    first.wait_for("Ctrl-C stops everything")

    # It says where to go and who the people are, and both are true.
    assert f"{config.site_url}/" in first.screen
    for part in ("PostgreSQL", "Broker", "Single sign-on", "JupyterHub", "Tables", "Web server", "Worker", "Clock"):
        assert re.search(rf"\d+\.\d s  {part}", first.screen), first.screen
    assert re.search(r"Maria Rossi +ESA manager", first.screen)
    # The site serves as a login that cannot touch what was written to the audit trail and the books.
    for attempt in ("DELETE FROM audit_event", "ALTER TABLE ledger_entry DISABLE TRIGGER ALL", "DROP TABLE audit_link"):
        assert re.search("permission denied|must be owner", refusal_of(config, attempt))
    with httpx.Client(follow_redirects=True, timeout=60) as person:
        asked = person.get(f"{config.site_url}/accounts/oidc/earthcode/login/")
        home = choose_persona(person, asked, "alice")
        hub = person.get(f"{config.hub_url}/hub/home")
    assert (home.status_code, str(home.url)) == (200, f"{config.site_url}/home/")
    assert "Alice Martin" in home.text
    assert (hub.status_code, str(hub.url)) == (200, f"{config.hub_url}/hub/home")
    before = people_in(config)

    # Killed, it leaves everything running. The next start clears that away and finds the data.
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    assert any("earthcode.demo.sso" in command for command in alive(config))
    terminals.append(second := Terminal(environment))
    second.wait_for("Ctrl-C stops everything")
    assert re.search(r"Ended \d+ processes that an earlier demo had left running", second.screen)
    assert httpx.get(f"{config.site_url}/").status_code == 200
    assert people_in(config) == before

    # Stopped, it leaves nothing.
    code = second.end(signal.SIGINT)
    assert code == 0
    assert "Stopped. The data stays for the next time" in second.screen
    assert alive(config) == []


def test_a_taken_port_ends_the_start_with_a_sentence(environment: dict[str, str], terminals: list[Terminal]) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", int(environment["HUB_PORT"])))
        listener.listen()
        terminals.append(terminal := Terminal(environment))

        terminal.wait_for("Port ")

        assert f"Port {environment['HUB_PORT']} for JupyterHub cannot be used" in terminal.screen
        assert terminal.process.wait(timeout=60) == 1
