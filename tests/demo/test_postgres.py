"""The embedded PostgreSQL server, killed and started again. These tests start servers of their own, with durability on."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from earthcode.demo import postgres
from earthcode.demo.config import BASE_DIR, free_ports
from earthcode.demo.postgres import PostgresError, Server

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "postgres", free_ports(1)[0])
    server.start()
    server.create_database()
    yield server
    server.stop()


def write(server: Server, text: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS note (text text)")
        connection.execute("INSERT INTO note VALUES (%s)", [text])


def notes(server: Server) -> list[str]:
    with psycopg.connect(server.url()) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM note ORDER BY text")]


def test_data_is_there_after_a_stop_and_a_start(server: Server) -> None:
    write(server, "kept")

    server.stop()
    server.start()

    assert notes(server) == ["kept"]


def test_what_was_committed_survives_kill_9(server: Server) -> None:
    write(server, "committed")
    unfinished = psycopg.connect(server.url())
    unfinished.execute("INSERT INTO note VALUES ('never committed')")
    assert server.process is not None
    server.process.kill()
    server.process.wait()

    server.recover()
    server.start()

    unfinished.close()
    assert notes(server) == ["committed"]


def test_a_server_left_behind_by_a_killed_starter_is_stopped_and_replaced(tmp_path: Path) -> None:
    """As after ``kill -9`` of the supervisor: the server runs on, and nobody is left to stop it."""
    folder, port = tmp_path / "postgres", free_ports(1)[0]
    starter = (
        "import os, signal, sys; from pathlib import Path; from earthcode.demo.postgres import Server;"
        "server = Server(Path(sys.argv[1]), int(sys.argv[2])); server.start(); server.create_database();"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", starter, str(folder), str(port)]
    killed = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(BASE_DIR)})
    left_behind = int((folder / "data" / "postmaster.pid").read_text().split()[0])
    server = Server(folder, port)
    try:
        assert killed.returncode == -signal.SIGKILL
        assert server.answers()
        write(server, "before")

        server.recover()
        server.start()

        assert notes(server) == ["before"]
        assert not psutil.pid_exists(left_behind)
    finally:
        server.stop()


def test_a_lock_file_with_the_number_of_a_stranger_is_in_nobody_s_way(server: Server) -> None:
    write(server, "kept")
    server.stop()
    stranger = os.getpid()
    (server.folder / "data" / "postmaster.pid").write_text(f"{stranger}\n")

    server.recover()
    server.start()

    assert notes(server) == ["kept"]


def test_a_taken_port_is_said_with_the_server_s_own_words(server: Server, tmp_path: Path) -> None:
    second = Server(tmp_path / "second", server.port)

    # The first one answers on that port, which must not be taken for the second one's being ready.
    with pytest.raises(PostgresError, match=f"port {server.port}"):
        second.start()


def test_creating_a_database_twice_keeps_what_is_in_it(server: Server) -> None:
    write(server, "kept")

    server.create_database()

    assert notes(server) == ["kept"]


def test_it_runs_where_only_its_owner_may_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clone in somebody's private folder: run as root, neither data nor programs are open to ``nobody``."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    package = postgres.programs().parents[1]
    for folder in (package, package.with_name(f"{package.name}.libs")):  # they find each other by their place
        shutil.copytree(folder, private / folder.name, symlinks=True)
    monkeypatch.setattr(postgres, "programs", lambda: private / package.name / "pginstall" / "bin")
    server = Server(private / "postgres", free_ports(1)[0])

    server.start()
    try:
        server.create_database()
        write(server, "private")
        assert notes(server) == ["private"]
    finally:
        server.stop()
