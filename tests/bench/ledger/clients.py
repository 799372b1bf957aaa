# ruff: noqa: S311  # chance, not a secret
"""Clients that do one kind of work as fast as they can, each a process with a connection of its own."""

import contextlib
import multiprocessing
import random
import statistics
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any

import psutil
import psycopg

from tests.bench.ledger.books import NOW, WALLETS, wallet

Work = Callable[[], object]
#: Kept by each client, as ``actions`` keeps its own: a new one for each statement costs a fifth more.
Cursor = psycopg.Cursor[Any]


@dataclass(frozen=True)
class Rate:
    """What the clients together did in a second, how long one piece took, and what it cost the server."""

    per_second: float
    p50_ms: float
    p95_ms: float
    server_us: float


# --- the kinds of work -----------------------------------------------------------------------------------------------

_POST = """
    SELECT entry_id FROM ledger_post_line(%s, 'transfer', %s, %s, %s::bigint, 'system:bench', '', %s)
"""
_HOLD = "SELECT id FROM ledger_hold(%s, %s, %s, 'provider:provider:bench:accrued', %s::bigint, %s, 'system:bench', %s)"
_CAPTURE = "SELECT entry_id FROM ledger_capture(%s, %s::bigint, %s::bigint, true, 'system:bench', %s)"
_BARRIER = "SELECT pg_logical_emit_message(false, 'ledger', '', true)"


def _pair(hot: str = "", wallets: int = WALLETS) -> tuple[str, str]:
    """Two of so many wallets; with ``hot``, the first is always that one."""
    one, other = random.sample(range(1, wallets), 2)
    return hot or wallet(one), wallet(other)


def floor(cursor: Cursor) -> Work:
    """A bare insert of one row, committed: what any durable write costs at least."""
    return lambda: cursor.execute("INSERT INTO bench_floor (v) VALUES (1)", prepare=True)


def function(cursor: Cursor, *, hot: str = "", early: bool = False, wallets: int = WALLETS) -> Work:
    """One call of ledger_post_line. ``early``: the lock is free before the disk has answered; then wait for the disk."""
    if early:
        cursor.execute("SET synchronous_commit = off")

    def work() -> None:
        debit, credit = _pair(hot, wallets)
        cursor.execute(_POST, [uuid.uuid4(), debit, credit, 1, NOW], prepare=True, binary=True)
        if early:
            cursor.execute(_BARRIER, prepare=True)

    return work


def order(cursor: Cursor) -> Work:
    """An order: a hold, and its final capture; two commits."""

    def work() -> None:
        name = f"award:wallet-{random.choice(range(WALLETS))}"
        parameters = [uuid.uuid4(), f"{name}:available", f"{name}:held", 10, NOW + timedelta(days=9), NOW]
        (hold,) = cursor.execute(_HOLD, parameters, prepare=True).fetchone() or (0,)
        cursor.execute(_CAPTURE, [uuid.uuid4(), hold, 7, NOW], prepare=True)

    return work


def action(_: Cursor, *, hot: str = "", wallets: int = WALLETS) -> Work:
    """One call of ``actions.post``, through Django."""
    from earthcode.audit.actors import System
    from earthcode.ledger import actions as ledger
    from earthcode.ledger.actions import EntryKind, Line

    by = System("bench")

    def work() -> None:
        debit, credit = _pair(hot, wallets)
        ledger.post(EntryKind.TRANSFER, [Line(debit, credit, 1)], key=uuid.uuid4(), by=by, at=NOW)

    return work


def order_by_actions(_: Cursor) -> Work:
    from earthcode.audit.actors import System
    from earthcode.ledger import actions as ledger

    by = System("bench")

    def work() -> None:
        name = f"award:wallet-{random.choice(range(WALLETS))}"
        hold = ledger.hold(
            wallet=f"{name}:available",
            held=f"{name}:held",
            payee="provider:provider:bench:accrued",
            amount=10,
            expires_at=NOW + timedelta(days=9),
            key=uuid.uuid4(),
            by=by,
            at=NOW,
        )
        ledger.capture(hold, 7, key=uuid.uuid4(), by=by, at=NOW, final=True)

    return work


# --- the clients -----------------------------------------------------------------------------------------------------


class Clients:
    """A pool of processes; each measurement uses as many of them as it wants."""

    def __init__(self, url: str, size: int) -> None:
        from django.db import connection

        connection.close()  # or the processes would share it
        context = multiprocessing.get_context("fork")
        self.pipes: list[Connection] = []
        self.processes = []
        for _ in range(size):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, url), daemon=True)
            process.start()
            self.pipes.append(ours)
            self.processes.append(process)
        self.server = _postmaster(url)

    def measure(self, make: Callable[..., Work], clients: int, seconds: float, **options: Any) -> Rate:
        pipes = self.pipes[:clients]
        for pipe in pipes:
            pipe.send((make, options, seconds))
        for pipe in pipes:
            pipe.recv()  # ready
        before = self._server_seconds()
        for pipe in pipes:
            pipe.send(None)
        latencies = sorted(latency for pipe in pipes for latency in pipe.recv())
        used = self._server_seconds() - before
        for pipe in pipes:
            pipe.send(None)  # the connection, whose time has been taken, may go
        done = len(latencies)
        return Rate(
            done / seconds,
            1e3 * statistics.median(latencies),
            1e3 * latencies[int(done * 0.95)],
            1e6 * used / done,
        )

    def _server_seconds(self) -> float:
        used = 0.0
        for process in [self.server, *self.server.children()]:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                used += times.user + times.system
        return used

    def stop(self) -> None:
        for pipe in self.pipes:
            pipe.send(None)
        for process in self.processes:
            process.join()


def _postmaster(url: str) -> psutil.Process:
    with psycopg.connect(url) as database:
        (pid,) = database.execute("SELECT pg_backend_pid()").fetchone() or (0,)
        parent = psutil.Process(pid).parent()
    assert parent is not None
    return parent


def _serve(pipe: Connection, url: str) -> None:
    """Do what is asked until that is nothing."""
    random.seed()
    while asked := pipe.recv():
        make, options, seconds = asked
        with psycopg.connect(url, autocommit=True) as database:
            work = make(database.cursor(), **options)
            for _ in range(8):
                work()
            pipe.send("ready")
            pipe.recv()
            latencies = []
            now = time.perf_counter()
            end = now + seconds
            while now < end:
                work()
                later = time.perf_counter()
                latencies.append(later - now)
                now = later
            pipe.send(latencies)
            pipe.recv()
