"""The whole site on one machine: starts the parts, watches them, and stops them all.

``with Stack(config) as stack:`` is the demo for as long as the block lasts; the same for ``make demo`` and for tests.
"""

import fcntl
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from earthcode.demo import broker, postgres
from earthcode.demo.config import Config
from earthcode.demo.processes import (
    AbandonedError,
    Database,
    Part,
    PartError,
    Process,
    answers,
    end_leftovers,
    listens,
    python,
    says,
    taken,
)

#: A part that dies this often within a minute is not started again.
RESTARTS_A_MINUTE = 5

#: Key, title, lanes and processes of each. Mail servers and strangers' addresses have workers of their own, so that one who
#: says nothing keeps back nobody's access.
WORKERS = (
    ("worker", "Worker", "upkeep,platforms", 2),
    ("worker-mail", "Worker for mail", "mail", 1),
    ("worker-addresses", "Worker for addresses", "addresses", 1),
)
#: Stopped after everything that uses them.
SERVERS = ("broker", "database")

Say = Callable[[str], None]


class StackError(Exception):
    """The demo cannot run; the message is for the person in front of it."""


def parts(config: Config) -> list[Part]:
    """What runs, in the order it is stopped from the end. What needs nothing starts at once."""
    environment = config.environment()

    def process(key: str, title: str, command: Sequence[str], **options: object) -> Process:
        return Process(key, title, command, environment, config.logs / f"{key}.log", **options)  # type: ignore[arg-type]

    database = ["database"] if config.embedded_databases else []
    brokers = ["broker"] if config.with_broker else []
    wanted: list[Part] = []
    if database:
        server = postgres.Server(config.local_dir / "postgres", config.ports.database)
        wanted.append(Database(server, config.embedded_databases))
    if config.with_broker:
        folder = config.local_dir / "broker"
        wanted.append(
            process("broker", "Broker", broker.command(folder, config.ports.broker), ready=listens(config.ports.broker))
        )
    if config.with_sso:
        wanted.append(
            process(
                "sso",
                "Single sign-on",
                python("earthcode.demo.sso"),
                needs=database,
                ready=answers(f"{config.issuer}/.well-known/openid-configuration"),
            )
        )
    # Not after the single sign-on: it waits for that by itself, and most of its start is its own.
    if config.with_hub:
        wanted.append(
            process(
                "hub",
                "JupyterHub",
                python("jupyterhub", "-f", str(Path(__file__).with_name("jupyterhub_config.py"))),
                ready=answers(f"{config.hub_url}/hub/health"),
                # It stops people's servers first.
                stop_timeout_s=30,
            )
        )
    return [
        *wanted,
        Process(
            "prepare",
            "Tables, static files, demo data",
            python("earthcode.demo.prepare"),
            environment | {"DATABASE_URL": config.owner_database_url, "DEMO_SERVING_LOGIN": config.serving_login},
            config.logs / "prepare.log",
            needs=database,
        ),
        *(
            process(
                key,
                title,
                # What these switch off is for several workers that talk to each other.
                python(
                    *("celery", "-A", "earthcode", "worker", "--loglevel=INFO", f"--hostname={key}@%h"),
                    *(f"--queues={lanes}", f"--concurrency={processes}"),
                    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
                ),
                needs=[*brokers, "prepare"],
                ready=says(" ready."),
            )
            for key, title, lanes, processes in WORKERS
        ),
        process(
            "beat",
            "Clock",
            python("celery", "-A", "earthcode", "beat", "--loglevel=INFO", "--pidfile="),
            needs=[*brokers, "prepare"],
            ready=says("beat: Starting..."),
        ),
        process(
            "web",
            "Web server",
            python(
                *("gunicorn", "earthcode.wsgi", f"--bind=127.0.0.1:{config.ports.web}", "--preload"),
                *("--worker-class=gthread", "--workers=2", "--threads=4", "--access-logfile=-", "--no-control-socket"),
            ),
            needs=["prepare"],
            # A site that others reach under another name refuses ours, and runs.
            ready=answers(f"http://127.0.0.1:{config.ports.web}/", below=500),
        ),
    ]


class Stack:
    """The running demo. Its parts are called ``database``, ``broker``, ``sso``, ``hub``, ``beat``, ``web`` and as in ``WORKERS``.

    A part that dies is started again, a few times a minute; ``failure`` then says why that was given up.
    """

    def __init__(self, config: Config, *, say: Say = lambda _line: None) -> None:
        self.config = config
        self.failure = ""
        #: Set when a part could not be kept alive.
        self.failed = threading.Event()
        self._say = say
        self._parts: dict[str, Part] = {}
        self._stopping = threading.Event()
        self._lock = threading.RLock()
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)
        #: Parts that are meant to run: what was stopped on purpose is not started again.
        self._wanted: set[str] = set()
        self._deaths: dict[str, deque[float]] = {}
        self._claim: IO[str] | None = None

    # --- start and stop ----------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start every part, the independent ones at the same time, and return when all of them answer."""
        self.config.local_dir.mkdir(parents=True, exist_ok=True)
        self._claim_folder()
        if left := end_leftovers(str(self.config.local_dir)):
            self._say(f"Ended {left} processes that an earlier demo had left running")
        try:
            self._database().recover()
        except postgres.PostgresError as failure:
            raise StackError(str(failure)) from failure
        if problems := [problem for port in self.config.needed_ports if (problem := taken(port))]:
            raise StackError("\n".join(problems))

        self._parts = {part.key: part for part in parts(self.config)}
        began = time.monotonic()
        starts: dict[str, Future[None]] = {}
        with ThreadPoolExecutor(len(self._parts)) as pool:
            for part in self._parts.values():
                waits_for = [starts[need] for need in part.needs]
                starts[part.key] = pool.submit(self._bring_up, part, waits_for, began)
            try:
                for start in starts.values():
                    # Not for ever at once, so that Ctrl-C is noticed.
                    while not start.done():
                        time.sleep(0.05)
            except BaseException:
                self._stopping.set()
                raise
        failures = [error for start in starts.values() if (error := start.exception()) is not None]
        if failures:
            first = next((error for error in failures if isinstance(error, PartError)), failures[0])
            raise StackError(str(first)) from first
        self._watcher.start()

    def _bring_up(self, part: Part, waits_for: Sequence[Future[None]], began: float) -> None:
        for need in waits_for:
            need.result()
        if self._stopping.is_set():
            raise AbandonedError
        try:
            part.start()
            part.wait_ready(self._stopping)
        except PartError:
            self._stopping.set()  # the others need not go on
            raise
        if part.lasting:
            self._wanted.add(part.key)
        self._say(f"{time.monotonic() - began:5.1f} s  {part.title}")

    def stop(self) -> None:
        """Stop every part, the database last, and leave no process behind."""
        self._stopping.set()
        if self._claim is None:
            return  # not started; what runs in the folder is not ours
        self._say("Stopping")
        if self._watcher.is_alive():
            self._watcher.join()
        with self._lock:
            self._wanted.clear()
            others = [part for part in self._parts.values() if part.key not in SERVERS]
            if others:
                with ThreadPoolExecutor(len(others)) as pool:
                    list(pool.map(lambda part: part.stop(), others))
            # Notebook servers have sessions of their own; should the hub not have stopped one, this does.
            end_leftovers(str(self.config.local_dir))
            for key in SERVERS:
                if key in self._parts:
                    self._parts[key].stop()
        self._parts = {}
        self._release_folder()

    # --- one part ----------------------------------------------------------------------------------------------------

    def pids(self, key: str) -> list[int]:
        """The process of a part first, then those it started."""
        return self._parts[key].pids()

    def log(self, key: str) -> Path:
        return self.config.logs / f"{key}.log"

    def kill(self, key: str, *, restart: bool = True) -> None:
        """``kill -9`` a part with all its processes. The watcher starts it again, unless told not to."""
        if not restart:
            self._wanted.discard(key)
        self._parts[key].kill()

    def stop_part(self, key: str) -> None:
        """Stop a part and leave it stopped."""
        with self._lock:
            self._wanted.discard(key)
            self._parts[key].stop()

    def start_part(self, key: str) -> None:
        """Start a part that was stopped or killed, and return when it is ready."""
        with self._lock:
            self._parts[key].start()
            self._parts[key].wait_ready(self._stopping)
            self._wanted.add(key)

    def wait_ready(self, key: str, *, timeout_s: float = 60) -> None:
        """Wait until a part that died runs again."""
        deadline = time.monotonic() + timeout_s
        while not self.pids(key):
            if self.failure or time.monotonic() > deadline:
                raise StackError(self.failure or f"{self._parts[key].title} did not come back within {timeout_s:.0f} s")
            time.sleep(0.05)
        with self._lock:  # held while a part is started again
            self._parts[key].wait_ready(self._stopping)

    # --- watching ----------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._stopping.wait(0.25):
            with self._lock:
                for key in sorted(self._wanted):
                    part = self._parts[key]
                    if part.has_died() and not self._revive(part):
                        return

    def _revive(self, part: Part) -> bool:
        """Start a dead part again; False when it dies too often or does not start."""
        deaths = self._deaths.setdefault(part.key, deque(maxlen=RESTARTS_A_MINUTE))
        now = time.monotonic()
        if len(deaths) == RESTARTS_A_MINUTE and now - deaths[0] < 60:
            return self._give_up(
                f"{part.title} died {RESTARTS_A_MINUTE + 1} times within a minute; see {self.log(part.key)}"
            )
        deaths.append(now)
        self._say(f"{part.title} died and is started again")
        try:
            part.stop()  # what is left of its process group
            part.start()
            part.wait_ready(self._stopping)
        except AbandonedError:
            return False
        except PartError as failure:
            return self._give_up(str(failure))
        return True

    def _give_up(self, why: str) -> bool:
        self.failure = why
        self.failed.set()
        return False

    # --- the folder --------------------------------------------------------------------------------------------------

    def _claim_folder(self) -> None:
        """One demo at a time lives in a folder. The claim goes with our process, however that ends."""
        claim = (self.config.local_dir / "running").open("a+")
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            claim.seek(0)
            pid = claim.read().strip() or "unknown"
            claim.close()
            raise StackError(
                f"A demo with its data in {self.config.local_dir} is running already (process {pid}). "
                "Stop that one, or give this one a folder of its own: make demo LOCAL_DIR=…"
            ) from None
        claim.truncate(0)
        claim.write(str(os.getpid()))
        claim.flush()
        self._claim = claim

    def _release_folder(self) -> None:
        if self._claim is not None:
            self._claim.truncate(0)
            self._claim.close()
            self._claim = None

    def delete_data(self) -> None:
        """Delete everything that the demo has written, unless it is running."""
        if not self.config.local_dir.exists():
            return
        if not (self.config.local_dir / "running").exists():
            raise StackError(f"{self.config.local_dir} is not a folder of a demo, so it is not deleted")
        self._claim_folder()
        end_leftovers(str(self.config.local_dir))
        self._database().recover()
        shutil.rmtree(self.config.local_dir)
        self._release_folder()

    def _database(self) -> postgres.Server:
        return postgres.Server(self.config.local_dir / "postgres", self.config.ports.database)
