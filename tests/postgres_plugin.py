"""Gives the tests a PostgreSQL server before Django reads its settings.

With ``DATABASE_URL`` set, that server is used. Without it, one is started from the wheel in ``.local/tests`` (kept between
runs, so only the first pays for it) on a free port, with durability off: tests that are about durability start their own. It
ends with the run, however the run ends.

The broker is one that reaches nobody: the demo that a developer has running must not hear what tests do.
"""

import atexit
import fcntl
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

#: Names the server that a run started itself, for the processes it starts.
_OURS = "TEST_DATABASE_URL_STARTED"

FOLDER = Path(__file__).resolve().parent.parent / ".local" / "tests"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start() -> None:
    from earthcode.demo.postgres import Server

    FOLDER.mkdir(parents=True, exist_ok=True)
    # One run at a time uses a data folder; a second run at the same time takes the next.
    for number in range(16):
        lock = (FOLDER / f"postgres-{number}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        break
    else:
        pytest.exit("sixteen test runs are using this checkout already", returncode=3)
    options = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=256MB")
    server = Server(FOLDER / f"postgres-{number}", _free_port(), options)
    server.recover()  # a run that was killed may have left it running
    server.start(ends_with_us=True)
    os.environ["DATABASE_URL"] = os.environ[_OURS] = server.url()
    server.create_database()

    def stop() -> None:
        server.stop()
        lock.close()

    atexit.register(stop)
    _stops.append(stop)


_stops: list[Callable[[], None]] = []


def pytest_unconfigure() -> None:
    # xdist kills a worker that takes its time after this, and then nothing that waits for the exit is done any more.
    for stop in _stops:
        stop()


# The demo is tried as well.
os.environ.setdefault("DEMO", "1")

# pytest-xdist's workers get a server each: transactions open in one of them would be seen by the ledger in another.
if os.environ.get("DATABASE_URL") == os.environ.get(_OURS):
    _start()

os.environ.setdefault("CELERY_BROKER_URL", "memory://")
