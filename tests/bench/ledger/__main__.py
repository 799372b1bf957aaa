"""Measures the ledger: everything as a ratio to a floor that was measured in turns with it, on the same server.

python -m tests.bench.ledger [--rounds 5] [--seconds 2] [--smoke] [posting] [batches] [reading] [hordak]
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import psycopg

from tests.bench.ledger import clients as of
from tests.bench.ledger import pgbench
from tests.bench.ledger.books import FOLDER, HOT_WALLET, NOW, durable_server, open_books, open_hold, wallet
from tests.bench.ledger.clients import Clients, Rate
from tests.bench.ledger.filling import fill, fill_wallets

HORDAK = FOLDER.parent / "hordak"


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


# --- postings --------------------------------------------------------------------------------------------------------

DESIGNS: dict[str, tuple[Callable[..., of.Work], dict[str, Any]]] = {
    "floor": (of.floor, {}),
    "function": (of.function, {}),
    "function, one hot account": (of.function, {"hot": HOT_WALLET}),
    "function, hot, early release": (of.function, {"hot": HOT_WALLET, "early": True}),
    "actions.post": (of.action, {}),
    "actions.post, one hot account": (of.action, {"hot": HOT_WALLET}),
    "hold + final capture, functions": (of.order, {}),
    "hold + final capture, actions": (of.order_by_actions, {}),
}


def posting(url: str, rounds: int, seconds: float, counts: tuple[int, ...]) -> None:
    pool = Clients(url, max(counts))
    for count in counts:
        found: dict[str, list[Rate]] = defaultdict(list)
        ratios: dict[str, list[float]] = defaultdict(list)
        by_pgbench: dict[str, list[float]] = defaultdict(list)
        for _ in range(rounds):
            for name, (make, options) in DESIGNS.items():
                found[name].append(pool.measure(make, count, seconds, **options))
            # A second floor at the end of the block: what drifted meanwhile is halved.
            floors = [found["floor"][-1].per_second, pool.measure(of.floor, count, seconds).per_second]
            for name in DESIGNS:
                ratios[name].append(found[name][-1].per_second / statistics.mean(floors))
            for name, script in (
                ("floor", pgbench.FLOOR),
                ("function", pgbench.POST),
                ("hold + final capture", pgbench.ORDER),
            ):
                by_pgbench[name].append(pgbench.rate(url, script, count, seconds))
        say(f"\n{count} client{'s' if count > 1 else ''}; ratio to the floor: median (lowest–highest)\n")
        say(f"{'':36}{'ratio':>20}{'a second':>10}{'p50 ms':>8}{'p95 ms':>8}{'server µs':>11}")
        for name in DESIGNS:
            middle = {
                field: statistics.median(getattr(rate, field) for rate in found[name])
                for field in ("per_second", "p50_ms", "p95_ms", "server_us")
            }
            say(
                f"{name:36}{spread(ratios[name]):>20}{middle['per_second']:>10.0f}{middle['p50_ms']:>8.2f}"
                f"{middle['p95_ms']:>8.2f}{middle['server_us']:>11.0f}"
            )
        for name in ("function", "hold + final capture"):
            share = [one / floor for one, floor in zip(by_pgbench[name], by_pgbench["floor"], strict=True)]
            say(f"{f'{name}, by pgbench':36}{spread(share):>20}{statistics.median(by_pgbench[name]):>10.0f}")
        for name in ("function", "actions.post"):
            hot = [a / b for a, b in zip(ratios[f"{name}, one hot account"], ratios[name], strict=True)]
            say(f"{name}: one hot account at {spread(hot)} of uniform")
        early = [a / b for a, b in zip(ratios["function, hot, early release"], ratios["function"], strict=True)]
        say(f"function: one hot account, with early release, at {spread(early)} of uniform")
    pool.stop()


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


# --- django-hordak ---------------------------------------------------------------------------------------------------


#: As many accounts have a history in both books.
FILLED = 100


def hordak(url: str, rounds: int, seconds: float, counts: tuple[int, ...], histories: tuple[int, ...]) -> None:
    """Beside actions.post, the function and the floor, in turns: hordak by itself, and doing the same work."""
    if not HORDAK.exists():
        say("\ndjango-hordak is not here: make bench-ledger installs it")
        return
    their_url = url.rpartition("/")[0] + "/hordak"
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("CREATE DATABASE hordak")
        _hordak(their_url, "setup")
        pool = Clients(url, max(counts))
        say("\ndjango-hordak, movements a second; ratio of each to hordak: median (lowest–highest)\n")
        for count in counts:
            _beside(pool, their_url, "bare", count, rounds, seconds, of.WALLETS)
            _beside(pool, their_url, "same", count, rounds, seconds, of.WALLETS)
        filled = 0
        count = counts[len(counts) // 2]
        for postings in histories:
            fill_wallets(database, FILLED, postings - filled)
            _hordak(their_url, "fill", str(postings - filled))
            filled = postings
            for mode in ("same", "hot"):
                _beside(pool, their_url, mode, count, rounds, seconds, FILLED, f", {postings} postings an account")
    pool.stop()


def _beside(
    pool: Clients, their_url: str, mode: str, count: int, rounds: int, seconds: float, accounts: int, history: str = ""
) -> None:
    rates: dict[str, list[float]] = defaultdict(list)
    ours = {"hot": wallet(0) if mode == "hot" else "", "wallets": accounts}
    for turn in range(rounds):
        rates["floor"].append(pool.measure(of.floor, count, seconds).per_second)
        both = [("actions.post", of.action), ("function", of.function)]
        for name, make in both if turn % 2 else reversed(both):
            rates[name].append(pool.measure(make, count, seconds, **ours).per_second)
        rates["hordak"].append(float(_hordak(their_url, mode, str(accounts), str(count), str(seconds))))
    say(f"{mode}, {count} clients{history}")
    for name in ("hordak", "actions.post", "function", "floor"):
        ratio = [one / other for one, other in zip(rates[name], rates["hordak"], strict=True)]
        say(f"    {name:14}{statistics.median(rates[name]):>8.0f}{spread(ratio):>24}")


def _hordak(url: str, *arguments: str) -> str:
    done = subprocess.run(
        [
            str(HORDAK / "bin" / "python"),
            str(FOLDER.parents[1] / "tests/bench/ledger/hordak_client.py"),
            url,
            *arguments,
        ],
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout


# --- batches ---------------------------------------------------------------------------------------------------------


def batches(url: str, rounds: int, sizes: tuple[int, ...]) -> None:
    """Captures of a usage report, 50 holds, against COPY of the same rows into tables with the same indexes."""
    from earthcode.audit.actors import System
    from earthcode.ledger import actions as ledger
    from earthcode.ledger.actions import CaptureDraft

    by = System("bench")
    holds = [open_hold(f"wallet-{number}", 10**9) for number in range(50)]
    say("\nbatches of captures over 50 holds, lines a second; ratio to COPY of the same entries and postings")
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("CREATE TABLE bench_entry (LIKE ledger_entry INCLUDING ALL)")
        database.execute("CREATE TABLE bench_posting (LIKE ledger_posting INCLUDING ALL)")
        for size in sizes:
            rates: dict[str, list[float]] = defaultdict(list)
            for turn in range(rounds * (3 if size <= 10_000 else 1)):
                drafts = [
                    CaptureDraft(
                        holds[number * 7919 % len(holds)], 1 + number % 9, uuid.uuid4(), NOW + timedelta(seconds=number)
                    )
                    for number in range(size)
                ]
                # The first after COPY also waits for what COPY left to the disk, so they take that place in turns.
                if turn % 2:
                    rates["function"].append(size / _seconds_of_function(database, drafts))
                start = time.perf_counter()
                posted = ledger.post_batch(drafts, by=by)
                rates["post_batch"].append(size / (time.perf_counter() - start))
                if not turn % 2:
                    rates["function"].append(size / _seconds_of_function(database, drafts))
                rates["copy"].append(size / _seconds_of_copy(database, posted[0].entry_id, posted[-1].entry_id))
            for name in ("post_batch", "function"):
                ratio = [one / copy for one, copy in zip(rates[name], rates["copy"], strict=True)]
                say(f"{size:>8} {name:12}{statistics.median(rates[name]):>9.0f}  ratio {spread(ratio)}")
            say(f"{size:>8} {'COPY':12}{statistics.median(rates['copy']):>9.0f}")


def _seconds_of_function(database: psycopg.Connection[Any], drafts: list[Any]) -> float:
    """The bare function, from arrays as text, with other keys."""
    size = len(drafts)
    columns = [
        "{" + ",".join(column) + "}"
        for column in (
            [uuid.uuid4().hex for _ in drafts],
            ["capture"] * size,
            ['""'] * size,
            [draft.at.isoformat() for draft in drafts],
            [str(draft.hold) for draft in drafts],
            [str(draft.amount) for draft in drafts],
            ["f"] * size,
            ["1"] * (size + 1),
        )
    ]
    start = time.perf_counter()
    database.execute(
        """
        SELECT cardinality(entry_ids) FROM ledger_post_batch(
            true, '{}', 'system:bench', %s::uuid[], %s::text[], %s::text[], %s::timestamptz[], %s::bigint[], %s::bigint[],
            %s::boolean[], '{}', %s::int[], '{}', '{}', '{}')
        """,
        columns,
    )
    return time.perf_counter() - start


def _seconds_of_copy(database: psycopg.Connection[Any], first: int, last: int) -> float:
    columns = "id, idempotency_key, request_hash, kind, hold_id, reverses_id, actor, reason, effective_at, recorded_at"
    rows = {
        f"bench_entry ({columns})": f"SELECT {columns} FROM ledger_entry WHERE id BETWEEN {first} AND {last} ORDER BY id",
        "bench_posting": f"SELECT * FROM ledger_posting WHERE entry_id BETWEEN {first} AND {last} ORDER BY 1, 2",
    }
    texts = {}
    cursor = database.cursor()
    for table, query in rows.items():
        with cursor.copy(f"COPY ({query}) TO STDOUT") as copy:
            texts[table] = b"".join(bytes(part) for part in copy)
    start = time.perf_counter()
    with database.transaction():
        for table, text in texts.items():
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                copy.write(text)
    return time.perf_counter() - start


# --- reading, verifying, sealing -------------------------------------------------------------------------------------


def reading(url: str, rounds: int, entries: int) -> None:
    from earthcode.ledger import actions as ledger
    from earthcode.ledger import queries, verify

    with psycopg.connect(url, autocommit=True) as database:
        (held,) = fill(database, entries, holds=1)
    accrued = "provider:provider:bench:accrued"
    middle = NOW - timedelta(days=3 * 365) + entries / 2 * timedelta(seconds=9)
    ledger.roll_up()
    say(f"\nreading an account of {entries} entries, ms (accrued: a deferred account)")
    for name, code in (("held", held), ("accrued", accrued)):
        somewhere = queries.statement(code, limit=1)[0].position
        halfway = queries.Position(somewhere.major - entries // 2, 0)
        reads: dict[str, Callable[[], object]] = {
            "balance now": lambda code=code: queries.balance(code),  # type: ignore[misc]
            "statement, newest 50 lines": lambda code=code: queries.statement(code),  # type: ignore[misc]
            "statement, 50 lines halfway": lambda code=code, halfway=halfway: queries.statement(code, before=halfway),  # type: ignore[misc]
        }
        for what, read in reads.items():
            say(f"{name:8} {what:30}{_median_ms(read, rounds):>10.2f}")
    past(rounds, {"held": held, "accrued": accrued}, middle, entries)
    for oldest_first in (False, True):
        start = time.perf_counter()
        count = sum(1 for _ in queries.statement_lines(held, oldest_first=oldest_first))
        rate = count / (time.perf_counter() - start)
        way = "oldest first" if oldest_first else "newest first"
        say(f"whole statement, {way}: {rate:.0f} lines a second")
    start = time.perf_counter()
    assert [finding.rule for finding in verify.findings() if not finding.holds] == []
    verified = time.perf_counter() - start
    say(f"verify: {_rows() / verified:.0f} postings a second, every rule")
    start = time.perf_counter()
    sealed = 0
    while block := ledger.seal(at=NOW):
        sealed += block
    say(f"seal: {_rows() / (time.perf_counter() - start):.0f} postings a second ({sealed} blocks)")
    start = time.perf_counter()
    assert [finding.rule for finding in verify.findings() if not finding.holds] == []
    say(f"verify with seals: {_rows() / (time.perf_counter() - start):.0f} postings a second")
    say(f"memory of this process at most: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


def past(rounds: int, codes: dict[str, str], at: datetime, entries: int) -> None:
    """Balances at a moment before and after spans are written, and what writing them takes."""
    from earthcode.ledger import queries, spans

    reads: dict[str, Callable[[], object]] = {
        **{name: lambda code=code: queries.balance(code, at=at) for name, code in codes.items()},  # type: ignore[misc]
        "all": lambda: queries.trial_balance(at=at),
    }
    say(f"\nbalance at a moment halfway, ms, load {os.getloadavg()[0]:.1f} (all: the trial balance)")
    without = {name: _times_ms(read, rounds) for name, read in reads.items()}
    start = time.perf_counter()
    count = spans.write(limit=entries)
    each_us = 1e6 * (time.perf_counter() - start) / (1_000 * count)
    for name, read in reads.items():
        ratio = [one / other for one, other in zip(without[name], _times_ms(read, rounds), strict=True)]
        say(f"{name:8} without spans{statistics.median(without[name]):>10.2f}  ratio {spread(ratio)}")
    read_us = 1e3 * statistics.median(without["held"]) / entries
    say(
        f"writing {count} spans: {each_us:.2f} µs for each posting in them, {each_us / read_us:.1f} times reading it once"
    )


def _times_ms(read: Callable[[], object], rounds: int) -> list[float]:
    return [_median_ms(read, 1) for _ in range(rounds)]


def _median_ms(read: Callable[[], object], rounds: int) -> float:
    took = []
    for _ in range(rounds):
        start = time.perf_counter()
        read()
        took.append(time.perf_counter() - start)
    return 1e3 * statistics.median(took)


def _rows() -> int:
    from earthcode.ledger.models import Posting

    return Posting.objects.count()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ledger", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("parts", nargs="*", help="posting, batches, reading, hordak; all if none is named")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--smoke", action="store_true", help="only show that everything works")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16], help="how many at once")
    parser.add_argument("--port", type=int, help="of the server; any free one if not said")
    options = parser.parse_args()
    parts = options.parts or ["posting", "hordak", "batches", "reading"]
    rounds, seconds = (1, 0.2) if options.smoke else (options.rounds, options.seconds)
    counts = (2,) if options.smoke else tuple(options.clients)
    start = time.monotonic()
    with durable_server(options.port) as url:
        with psycopg.connect(url, autocommit=True) as database:
            database.execute("CREATE TABLE bench_floor (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v int)")
            (version,) = database.execute("SHOW server_version").fetchone() or ("",)
        say(f"{time.strftime('%Y-%m-%d %H:%M')}; PostgreSQL {version}, durable; {os.cpu_count()} cores,",
            f"load {os.getloadavg()[0]:.1f}; {rounds} rounds")  # fmt: skip
        open_books()
        if "posting" in parts:
            posting(url, rounds, seconds, counts)
        if "hordak" in parts:
            hordak(url, rounds, seconds, counts, (100,) if options.smoke else (1_000, 10_000))
        if "batches" in parts:
            batches(url, rounds, (1_000,) if options.smoke else (1_000, 10_000, 100_000))
        if "reading" in parts:
            reading(url, rounds, 10_000 if options.smoke else 1_000_000)
    say(f"\nload {os.getloadavg()[0]:.1f}; {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
