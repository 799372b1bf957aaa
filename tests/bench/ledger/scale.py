"""What large books cost: bytes, rates of posting, reads, and a rehearsal of making the table of postings partitioned.

python -m tests.bench.ledger.scale [--entries 10000000]
"""

import argparse
import os
import statistics
import sys
import time
import uuid
from collections.abc import Callable
from datetime import timedelta

import psycopg

from tests.bench.ledger import clients as of
from tests.bench.ledger.books import FOLDER, NOW, durable_server, open_books
from tests.bench.ledger.clients import Clients
from tests.bench.ledger.filling import fill

HOLDS = 10
CLIENTS = 4


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def posting_rate(url: str, rounds: int, seconds: float) -> None:
    pool = Clients(url, CLIENTS)
    ratios = []
    for _ in range(rounds):
        floor = pool.measure(of.floor, CLIENTS, seconds).per_second
        ratios.append(pool.measure(of.function, CLIENTS, seconds).per_second / floor)
    pool.stop()
    say(f"posting by {CLIENTS} clients: {statistics.median(ratios):.2f} of the floor"
        f" ({min(ratios):.2f}–{max(ratios):.2f})")  # fmt: skip


def sizes(database: psycopg.Connection[tuple[object, ...]], entries: int) -> None:
    for table in ("ledger_entry", "ledger_posting"):
        heap, indexes = database.execute(
            "SELECT pg_relation_size(%s::regclass), pg_indexes_size(%s::regclass)", [table, table]
        ).fetchone() or (0, 0)
        assert isinstance(heap, int)
        assert isinstance(indexes, int)
        say(f"{table}: {heap / entries:.0f} bytes a row and {indexes / entries:.0f} in indexes")


def reads(held: str, accrued: str, entries: int) -> None:
    from earthcode.ledger import queries, spans

    middle = NOW - timedelta(days=3 * 365) + entries / 2 * timedelta(seconds=9)
    accounts = ((f"an account of {entries // HOLDS}", held), (f"a deferred account of {entries}", accrued))
    for name, code in accounts:
        timed(f"{name}: balance at a moment, without spans", lambda code=code: queries.balance(code, at=middle))  # type: ignore[misc]
    timed("trial balance at a moment, without spans", lambda: queries.trial_balance(at=middle))
    timed("writing spans over all postings", lambda: spans.write(limit=entries))
    for name, code in accounts:
        newest = queries.statement(code, limit=1)[0].position
        halfway = queries.Position(newest.major - (entries // HOLDS if code == held else entries) // 2, 0)
        timed(f"{name}: balance now", lambda code=code: queries.balance(code))  # type: ignore[misc]
        timed(f"{name}: statement, newest 50", lambda code=code: queries.statement(code))  # type: ignore[misc]
        timed(f"{name}: statement, halfway", lambda code=code, at=halfway: queries.statement(code, before=at))  # type: ignore[misc]
        timed(f"{name}: balance at a moment", lambda code=code: queries.balance(code, at=middle))  # type: ignore[misc]
    timed("trial balance", queries.trial_balance)
    timed("trial balance at a moment", lambda: queries.trial_balance(at=middle))


def timed(what: str, do: Callable[[], object]) -> None:
    start = time.perf_counter()
    do()
    say(f"{what}: {1e3 * (time.perf_counter() - start):.1f} ms")


#: The table becomes the first partition of a table of its name. Views know tables by number, so they are made again.
PARTITIONING = (
    "ALTER TABLE ledger_posting ADD CONSTRAINT ledger_posting_first_part CHECK (entry_id <= {last}) NOT VALID",
    "ALTER TABLE ledger_posting VALIDATE CONSTRAINT ledger_posting_first_part",
    """
    BEGIN;
    SET LOCAL lock_timeout = '2s';
    ALTER TABLE ledger_posting RENAME TO ledger_posting_1;
    CREATE TABLE ledger_posting (LIKE ledger_posting_1 INCLUDING DEFAULTS) PARTITION BY RANGE (entry_id);
    ALTER TABLE ledger_posting OWNER TO ledger_owner;
    GRANT SELECT, REFERENCES ON ledger_posting TO ledger_user;
    DO $do$
    DECLARE made text; name text;
    BEGIN
        FOR name, made IN SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'ledger_posting_1' LOOP
            made := replace(replace(made, name, name || '_of_all'), 'public.ledger_posting_1', 'ONLY public.ledger_posting');
            EXECUTE made;
        END LOOP;
        FOR name, made IN
            SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
            WHERE conrelid = 'ledger_posting_1'::regclass AND contype = 'c' AND conname <> 'ledger_posting_first_part'
        LOOP
            EXECUTE format('ALTER TABLE ledger_posting ADD CONSTRAINT %I %s', name, made);
        END LOOP;
        FOR name, made IN
            SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger
            WHERE tgrelid = 'ledger_posting_1'::regclass AND NOT tgisinternal
        LOOP
            EXECUTE format('DROP TRIGGER %I ON ledger_posting_1', name);
            EXECUTE replace(made, 'ledger_posting_1', 'ledger_posting');
        END LOOP;
        FOR name, made IN
            SELECT viewname, definition FROM pg_views WHERE viewname LIKE 'ledger\\_%' AND definition LIKE '%ledger_posting_1%'
        LOOP
            EXECUTE format('CREATE OR REPLACE VIEW %I AS %s', name, replace(made, 'ledger_posting_1', 'ledger_posting'));
        END LOOP;
    END
    $do$;
    ALTER TABLE ledger_posting ATTACH PARTITION ledger_posting_1 FOR VALUES FROM (MINVALUE) TO ({next});
    CREATE TABLE ledger_posting_2 PARTITION OF ledger_posting FOR VALUES FROM ({next}) TO (MAXVALUE);
    ALTER TABLE ledger_posting_2 OWNER TO ledger_owner;
    COMMIT
    """,
)


def partition(database: psycopg.Connection[tuple[object, ...]]) -> None:
    from earthcode.audit.actors import System
    from earthcode.ledger import actions as ledger
    from earthcode.ledger import queries
    from earthcode.ledger.actions import EntryKind, Line

    (last,) = database.execute("SELECT last_value + 1000 FROM ledger_entry_id_seq").fetchone() or (0,)
    assert isinstance(last, int)
    database.execute("SELECT setval('ledger_entry_id_seq', %s)", [last])
    for name, step in zip(("check", "validate", "attach"), PARTITIONING, strict=True):
        timed(f"partitioning: {name}", lambda step=step: database.execute(step.format(last=last, next=last + 1)))  # type: ignore[misc, arg-type]
    before = queries.balance("award:wallet-900:available")
    ledger.post(
        EntryKind.TRANSFER,
        [Line("award:wallet-901:available", "award:wallet-900:available", 5)],
        key=uuid.uuid4(),
        by=System("bench"),
        at=NOW,
    )
    assert queries.balance("award:wallet-900:available") == before + 5
    assert queries.statement("award:wallet-900:available")[0].change == 5
    say("partitioning: a posting after it is in", database.execute(
        "SELECT tableoid::regclass::text FROM ledger_posting ORDER BY entry_id DESC LIMIT 1").fetchone())  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.ledger.scale", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--entries", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--port", type=int)
    options = parser.parse_args()
    with (
        durable_server(options.port, FOLDER.parent / "bench-ledger-scale") as url,
        psycopg.connect(url, autocommit=True) as database,
    ):
        database.execute("CREATE TABLE bench_floor (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v int)")
        open_books()
        say(f"{time.strftime('%Y-%m-%d %H:%M')}, load {os.getloadavg()[0]:.1f}; almost empty books")
        posting_rate(url, options.rounds, options.seconds)
        start = time.perf_counter()
        held, *_ = fill(database, options.entries, holds=HOLDS)
        say(f"{options.entries} entries made in {time.perf_counter() - start:.0f} s, load {os.getloadavg()[0]:.1f}")
        sizes(database, options.entries)
        posting_rate(url, options.rounds, options.seconds)
        from earthcode.ledger import actions as ledger

        timed("roll up (the first checkpoint of a deferred account of all entries)", ledger.roll_up)
        reads(held, "provider:provider:bench:accrued", options.entries)
        partition(database)
        say("after partitioning")
        posting_rate(url, options.rounds, options.seconds)


if __name__ == "__main__":
    main()
