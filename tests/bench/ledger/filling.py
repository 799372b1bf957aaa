"""Fills the books with millions of captures in minutes, past the guards, as only a superuser of a bench may.

What is written is what the functions would have written: ``verify`` finds nothing.
"""

from typing import Any

import psycopg

from tests.bench.ledger.books import open_hold, wallet

CHUNK = 1_000_000


def fill(database: psycopg.Connection[Any], entries: int, *, holds: int) -> list[str]:
    """Captures of one micro-credit, in turn from each of some new holds; the codes of the held accounts."""
    names = [f"wallet-{number}" for number in range(holds)]
    ids = [open_hold(name, entries) for name in names]
    with database.transaction():
        database.execute("SET LOCAL session_replication_role = replica")
        database.execute("SET LOCAL synchronous_commit = off")
        (first,) = database.execute("SELECT max(id) FROM ledger_entry").fetchone() or (0,)
        for start in range(0, entries, CHUNK):
            database.execute(
                """
                INSERT INTO ledger_entry (
                    id, idempotency_key, request_hash, kind, hold_id, actor, reason, effective_at, recorded_at
                )
                SELECT %(first)s + 1 + number, gen_random_uuid(), sha256(int8send(number)), 'capture',
                       (%(holds)s::bigint[])[number %% %(count)s + 1], 'system:bench', '',
                       moment, moment + interval '2 days'
                FROM (
                    SELECT number, timestamptz '2026-11-02' - interval '3 years' + number * interval '9 seconds' AS moment
                    FROM generate_series(%(start)s::bigint, %(start)s + %(chunk)s - 1) AS number
                ) line
                """,
                {"first": first, "holds": ids, "count": holds, "start": start, "chunk": min(CHUNK, entries - start)},
            )
            database.execute(
                """
                WITH hold AS (
                    SELECT hold.*, array_position(%(holds)s::bigint[], hold.id) - 1 AS place,
                           account.seq, account.debits
                    FROM ledger_hold hold JOIN ledger_account account ON account.id = hold.held_id
                    WHERE hold.id = ANY (%(holds)s)
                )
                INSERT INTO ledger_posting (
                    entry_id, line, unit, debit_id, credit_id, amount, debit_seq, debit_total
                )
                SELECT %(first)s + 1 + number, 1, 1, hold.held_id, hold.payee_id, 1,
                       hold.seq + number / %(count)s + 1, hold.debits + number / %(count)s + 1
                FROM generate_series(%(start)s::bigint, %(start)s + %(chunk)s - 1) AS number
                JOIN hold ON hold.place = number %% %(count)s
                ORDER BY number
                """,
                {"first": first, "holds": ids, "count": holds, "start": start, "chunk": min(CHUNK, entries - start)},
            )
        _bring_up_to_date(database, first, ids)
    database.execute("VACUUM ANALYZE ledger_entry")
    database.execute("VACUUM ANALYZE ledger_posting")
    return [f"award:{name}:held" for name in names]


def _bring_up_to_date(database: psycopg.Connection[Any], first: int, holds: list[int]) -> None:
    """The totals of holds and accounts, and the sequence that numbers entries."""
    database.execute(
        """
        WITH taken AS (
            SELECT debit_id, count(*) AS lines, sum(amount)::bigint AS amount
            FROM ledger_posting WHERE entry_id > %s GROUP BY debit_id
        ),
        held AS (
            UPDATE ledger_account SET debits = debits + taken.amount, seq = seq + taken.lines
            FROM taken WHERE id = taken.debit_id
        )
        UPDATE ledger_hold SET captured = captured + taken.amount
        FROM taken WHERE held_id = taken.debit_id AND id = ANY (%s)
        """,
        [first, holds],
    )
    database.execute("SELECT setval('ledger_entry_id_seq', (SELECT max(id) FROM ledger_entry))")


def fill_wallets(database: psycopg.Connection[Any], wallets: int, postings: int) -> None:
    """Give the first wallets a history of so many postings each: in turn, each gives one micro-credit to the next one."""
    numbers = {"wallets": wallets, "rounds": postings // 2, "codes": [wallet(number) for number in range(wallets)]}
    with database.transaction():
        database.execute("SET LOCAL session_replication_role = replica")
        database.execute(
            """
            CREATE TEMPORARY TABLE filled ON COMMIT DROP AS
            SELECT place - 1 AS place, account.*
            FROM unnest(%(codes)s::text[]) WITH ORDINALITY AS wanted (code, place) JOIN ledger_account account USING (code)
            """,
            numbers,
        )
        database.execute(
            """
            CREATE TEMPORARY TABLE movement ON COMMIT DROP AS
            SELECT nextval('ledger_entry_id_seq') AS entry_id, round, place
            FROM generate_series(0, %(rounds)s - 1) round, generate_series(0, %(wallets)s - 1) place ORDER BY round, place
            """,
            numbers,
        )
        database.execute(
            """
            INSERT INTO ledger_entry (
                id, idempotency_key, request_hash, kind, actor, reason, effective_at, recorded_at
            )
            SELECT entry_id, gen_random_uuid(), sha256(int8send(entry_id)), 'transfer', 'system:bench', '', now(), now()
            FROM movement
            """
        )
        # In each round the first wallet gives before it gets, and the others get before they give.
        database.execute(
            """
            INSERT INTO ledger_posting (
                entry_id, line, unit, debit_id, credit_id, amount, debit_seq, debit_total, credit_seq, credit_total
            )
            SELECT entry_id, 1, debit.unit, debit.id, credit.id, 1,
                   debit.seq + 2 * round + (debit.place > 0)::int + 1, debit.debits + round + 1,
                   credit.seq + 2 * round + (credit.place = 0)::int + 1, credit.credits + round + 1
            FROM movement
            JOIN filled debit USING (place)
            JOIN filled credit ON credit.place = (movement.place + 1) %% %(wallets)s
            ORDER BY entry_id
            """,
            numbers,
        )
        database.execute(
            """
            UPDATE ledger_account account SET
                debits = account.debits + %(rounds)s, credits = account.credits + %(rounds)s, seq = account.seq + 2 * %(rounds)s
            FROM filled WHERE filled.id = account.id
            """,
            numbers,
        )
    database.execute("VACUUM ANALYZE ledger_entry, ledger_posting, ledger_account")
