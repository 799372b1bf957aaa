"""How long it takes to write the spans of large books, to seal and to verify: ``python -m tests.bench.ledger.proof 1000000``.

Makes books of that many entries on a PostgreSQL server of its own, in a folder that may be named, by SQL behind the guards,
because posting ten million entries one by one is another measurement. Half of the entries set credits aside on one of a
thousand awards, half take them.
"""

import os
import resource
import socket
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

WALLETS = 1_000
SETTINGS = ("shared_buffers=512MB", "max_wal_size=4GB", "checkpoint_timeout=30min")

#: Accounts are opened by their own functions, with the triggers on.
_ACCOUNTS = """
    SELECT ledger_open_account('call:big:available', 'available', 1::smallint, 'call:big:available');
    SELECT count(ledger_open_account(code, kind, 1::smallint, 'call:big:available'))
    FROM (VALUES ('call:big:commitment', 'commitment'), ('provider:big:big:accrued', 'accrued')) AS wanted (code, kind);
    SELECT count(ledger_open_account('award:' || number || ':' || kind, kind, 1::smallint, 'call:big:available'))
    FROM generate_series(0, {last}) number, (VALUES ('available'), ('held')) AS wanted (kind);
"""
_BOOKS = """
    SET session_replication_role = replica;
    CREATE TEMPORARY TABLE wallet AS
        SELECT number, wallet.id AS wallet_id, held.id AS held_id
        FROM generate_series(0, {last}) number
        JOIN ledger_account wallet ON wallet.code = 'award:' || number || ':available'
        JOIN ledger_account held ON held.code = 'award:' || number || ':held';
    CREATE TEMPORARY TABLE one AS
        SELECT (SELECT id FROM ledger_account WHERE kind = 'commitment') AS commitment_id,
               (SELECT id FROM ledger_account WHERE code = 'call:big:available') AS call_id,
               (SELECT id FROM ledger_account WHERE kind = 'accrued') AS payee_id,
               (SELECT last_value FROM ledger_entry_id_seq) AS start,
               1000 * ({holds} / {wallets} + 1)::bigint AS award,
               1000::bigint AS amount;
    -- fund, then an award for each wallet
    INSERT INTO ledger_entry (id, idempotency_key, request_hash, kind, actor, reason, effective_at, recorded_at)
        SELECT start + 1 + number, gen_random_uuid(), sha256(number::text::bytea),
               CASE number WHEN 0 THEN 'fund' ELSE 'award' END,
               'system:bench', '', now(), now() FROM one, generate_series(0, {wallets}) number;
    INSERT INTO ledger_posting
        (entry_id, line, unit, debit_id, credit_id, amount, debit_seq, debit_total, credit_seq, credit_total)
        SELECT start + 1, 1, 1, commitment_id, call_id, award * {wallets}, NULL, NULL, 1, award * {wallets} FROM one
        UNION ALL
        SELECT start + 2 + number, 1, 1, call_id, wallet_id, award, number + 2, award * (number + 1), 1, award FROM one, wallet;
    -- holds and their captures
    INSERT INTO ledger_hold
        (id, wallet_id, held_id, payee_id, tranches, authorised, captured, released, owed, refunded, expires_at)
        SELECT hold.nth + 1, wallet_id, held_id, payee_id, 1, amount, amount, 0, 0, 0, now()
        FROM one, generate_series(0::bigint, {holds} - 1) AS hold (nth) JOIN wallet ON wallet.number = hold.nth % {wallets};
    INSERT INTO ledger_entry
        (id, idempotency_key, request_hash, kind, hold_id, actor, reason, effective_at, recorded_at)
        SELECT start + {wallets} + 2 + 2 * number + step, gen_random_uuid(), sha256(number::text::bytea),
               CASE step WHEN 0 THEN 'hold' ELSE 'capture' END, number + 1, 'system:bench', '', now(), now()
        FROM one, generate_series(0::bigint, {holds} - 1) number, generate_series(0, 1) step;
    INSERT INTO ledger_posting
        (entry_id, line, unit, debit_id, credit_id, amount, debit_seq, debit_total, credit_seq, credit_total)
        SELECT start + {wallets} + 2 + 2 * hold.number + step, 1, 1,
               CASE step WHEN 0 THEN wallet_id ELSE held_id END, CASE step WHEN 0 THEN held_id ELSE payee_id END, amount,
               CASE step WHEN 0 THEN nth + 1 ELSE 2 * nth END, nth * amount,
               CASE step WHEN 0 THEN 2 * nth - 1 END, CASE step WHEN 0 THEN nth * amount END
        FROM one, (SELECT number, number / {wallets} + 1 AS nth FROM generate_series(0::bigint, {holds} - 1) number) hold
        JOIN wallet ON wallet.number = hold.number % {wallets}, generate_series(0, 1) step;
    SELECT setval('ledger_entry_id_seq', (SELECT max(id) FROM ledger_entry));
    SELECT setval('ledger_hold_id_seq', {holds});
    UPDATE ledger_account SET debits = sums.debits, credits = sums.credits, seq = sums.count
    FROM (SELECT account_id, sum(debit) AS debits, sum(credit) AS credits, count(*) AS count
          FROM (SELECT debit_id AS account_id, amount AS debit, 0 AS credit FROM ledger_posting
                UNION ALL SELECT credit_id, 0, amount FROM ledger_posting) side GROUP BY account_id) sums
    WHERE id = account_id AND NOT deferred;
    SET session_replication_role = origin;
"""


def main(entries: int, folder: Path) -> None:
    from earthcode.demo.postgres import running

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with running(folder, port, *SETTINGS) as server:
        os.environ["DATABASE_URL"] = server.url()
        server.create_database()
        _measure(entries)


def _measure(entries: int) -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "earthcode.settings")
    django.setup()

    from django.core.management import call_command
    from django.db import connection

    from earthcode.ledger import actions, spans, verify

    call_command("migrate", verbosity=0)
    numbers = {"last": WALLETS - 1, "wallets": WALLETS, "holds": entries // 2}
    started = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute(_ACCOUNTS.format(**numbers))
        cursor.execute(_BOOKS.format(**numbers))
        cursor.execute("VACUUM ANALYZE")
        actions.roll_up()
        cursor.execute("CHECKPOINT")
        cursor.execute("SELECT pg_size_pretty(pg_database_size(current_database()))")
        (size,) = cursor.fetchone()
    _say(f"{entries} entries made in {time.monotonic() - started:.0f} s, {size}")

    started = time.monotonic()
    count = spans.write(limit=entries)
    took = time.monotonic() - started
    _say(f"{count} spans written in {took:.1f} s, {1_000 * count / took:.0f} postings/s")

    started = time.monotonic()
    blocks = actions.seal(at=datetime.now(UTC))
    took = time.monotonic() - started
    _say(f"sealed in {took:.1f} s, {blocks} blocks, {entries / took:.0f} entries/s")

    started = beginning = time.monotonic()
    for finding in verify.findings():
        now = time.monotonic()
        _say(f"{now - started:7.1f} s  {'holds' if finding.holds else 'BROKEN'}  {finding.rule} ({finding.rows} rows)")
        for one in finding.breaks[:3]:
            _say(f"           {one}")
        started = now
    took = started - beginning
    _say(f"verified in {took:.1f} s, {entries / took:.0f} entries/s")
    _say(f"largest memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # what it is for


if __name__ == "__main__":
    if len(sys.argv) > 2:
        main(int(sys.argv[1]), Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(int(sys.argv[1]), Path(temporary))
