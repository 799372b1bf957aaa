"""What was sealed stays: a row that somebody changes, removes or adds behind the guards is found and named."""

import hashlib
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from earthcode.audit.models import Event
from earthcode.ledger import actions as ledger
from earthcode.ledger import seals, verify
from earthcode.ledger.models import Account, AccountEvent, Entry, Seal
from earthcode.ledger.seals import Break
from earthcode.lib.money import credits

from .conftest import NOW, Books, committing, everything, plain_connection

pytestmark = committing


@pytest.fixture
def sealed(committed_books: Books) -> Books:
    """Books with a hold, a capture, a refund, a reversal, a window and a closed account, all of it sealed."""
    books = committed_books
    capture = ledger.capture(books.hold(33), credits(10), **books.terms)
    ledger.refund(capture.entry_id, credits(1), **books.terms)
    ledger.reverse(books.grant(1).entry_id, reason="A mistake.", **books.terms)
    ledger.close_account(books.provider.invoiced)
    window = {"opens_at": NOW, "closes_at": NOW + timedelta(days=365)}
    ledger.set_window(f"award-{books.name}", **window, reason="Two terms.", **books.terms)
    assert ledger.seal(at=NOW) == 1
    return books


@contextmanager
def behind_the_guards() -> Iterator[Any]:
    """A superuser's cursor with the triggers off; afterwards everything is as it was."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        yield cursor
        transaction.set_rollback(True)


def broken() -> dict[str, tuple[Break, ...]]:
    return {finding.rule: finding.breaks for finding in verify.findings() if not finding.holds}


def rows_broken() -> dict[str, str]:
    return {one.row: one.what for one in seals.rows_broken()}


# --- sealing ---------------------------------------------------------------------------------------------------------


def test_everything_that_was_written_is_sealed_once(sealed: Books) -> None:
    first = Seal.objects.get()

    assert {id_ for id_, place in zip(first.ids, first.places, strict=True) if place == 0} == set(
        Entry.objects.values_list("pk", flat=True)
    )
    assert ledger.seal(at=NOW) == 0
    sealed.fund(1)
    assert ledger.seal(at=NOW) == 1
    assert Seal.objects.latest("pk").ids == [Entry.objects.latest("pk").pk] * 2
    assert broken() == {}


def test_empty_books_have_nothing_to_seal(transactional_db: None) -> None:
    assert ledger.seal(at=NOW) == 0
    assert seals.head() is None


def test_the_audit_trail_is_told_of_each_seal(sealed: Books) -> None:
    event = Event.objects.filter(name="ledger.seal").latest("pk")
    head = seals.head()

    assert head is not None
    assert (event.subject_id, event.data) == (str(head.seal), {"upto": head.upto, "hash": head.hash})


def test_sealing_needs_transactions_of_its_own(sealed: Books, plain: psycopg.Connection[Any]) -> None:
    sealed.fund(1)

    with pytest.raises(RuntimeError), transaction.atomic():
        ledger.seal(at=NOW)
    for begin in ("BEGIN; SELECT pg_current_xact_id()", "BEGIN ISOLATION LEVEL REPEATABLE READ"):
        plain.execute(begin)
        with pytest.raises(psycopg.Error, match="a transaction of its own"):
            plain.execute("SELECT ledger_seal_block()")
        plain.execute("ROLLBACK")
    assert Seal.objects.count() == 1


def test_a_seal_is_worked_out_by_the_database_whatever_the_insert_says(
    sealed: Books, plain: psycopg.Connection[Any]
) -> None:
    entry = sealed.fund(1).entry_id

    plain.execute(
        """
        INSERT INTO ledger_seal (id, upto_id, ids, places, leaves, hash, sealed_at)
        VALUES (77, 7, '{7}', '{0}', 'x', 'x', 'epoch')
        """
    )

    forged = Seal.objects.latest("pk")
    assert (forged.pk, forged.ids, forged.places) == (2, [entry, entry], [0, 1])
    assert set(broken()) == {"every seal is the one the audit trail was told of"}


@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE ledger_seal SET hash = 'x'",
        "DELETE FROM ledger_seal",
        "TRUNCATE ledger_seal",
        "UPDATE ledger_account_event SET kind = 'reopen'",
        "DELETE FROM ledger_account_event",
        "TRUNCATE ledger_account_event",
        "INSERT INTO ledger_account_event SELECT id + 100, kind, recorded_at, account_id FROM ledger_account_event",
    ],
)
def test_raw_sql_changes_no_seal_and_no_account_event(
    sealed: Books, plain: psycopg.Connection[Any], attempt: str
) -> None:
    before = everything()

    with pytest.raises(psycopg.Error, match="is refused"):
        plain.execute(attempt)

    assert everything() == before


def test_a_seal_hashes_the_seal_before_it(sealed: Books) -> None:
    """The recipe, written down once more: it must stay readable to whoever keeps a head for years."""
    sealed.fund(1)
    ledger.seal(at=NOW)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, upto_id, extract(epoch FROM sealed_at)::text, ids::text, places::text FROM ledger_seal ORDER BY id"
        )
        described = [" ".join(map(str, row)).encode() for row in cursor.fetchall()]
    first, second = Seal.objects.all()

    assert hashlib.sha256(described[0] + first.leaves).digest() == bytes(first.hash)
    assert hashlib.sha256(bytes(first.hash) + described[1] + second.leaves).digest() == bytes(second.hash)


def test_a_block_is_bounded(committed_books: Books, plain: psycopg.Connection[Any]) -> None:
    books = committed_books
    ledger.seal(at=NOW)
    plain.execute("SELECT setval('ledger_entry_id_seq', nextval('ledger_entry_id_seq') + 5)")
    plain.execute(
        """
        SELECT count(ledger_open_account('many:' || number, 'available', 1::smallint)) FROM generate_series(1, 10002) number
        """
    )

    assert ledger.seal(at=NOW) == 2

    assert [len(seal.ids) for seal in Seal.objects.all()[1:]] == [10_000, 2]
    books.fund(1)
    assert broken() == {}


# --- slow committers -------------------------------------------------------------------------------------------------


def test_a_seal_waits_for_whoever_drew_a_number_before(sealed: Books, plain: psycopg.Connection[Any]) -> None:
    """The number was drawn before a later entry was committed: it must not fall between two blocks."""
    other = Books().open()
    plain.execute("BEGIN")
    late = plain.execute("SELECT entry_id FROM ledger_post(" + POST, post_parameters(sealed)).fetchone()
    other.fund(1)
    done: list[int] = []

    def seal() -> None:
        done.append(ledger.seal(at=NOW))
        connection.close()

    sealer = threading.Thread(target=seal)
    sealer.start()
    with plain_connection() as watching:
        while not watching.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'").fetchone():
            assert sealer.is_alive()
    assert not done

    plain.execute("COMMIT")
    sealer.join()

    assert done == [1]
    assert late is not None
    assert late[0] in Seal.objects.latest("pk").ids
    assert broken() == {}


POST = "gen_random_uuid(), 'transfer', %s::text[], %s::text[], %s::bigint[], 'x', '', now())"


def post_parameters(books: Books) -> list[object]:
    return [[books.award.available], [books.call.available], [1]]


def _post_slowly(books: Books, seed: int, stop: threading.Event) -> None:
    """Posts, and commits a little later or not at all."""
    dice = random.Random(seed)  # noqa: S311  # chance, not a secret
    codes = [books.call.available, books.award.available]
    with plain_connection() as writer:
        while not stop.is_set():
            dice.shuffle(codes)
            writer.execute("BEGIN")
            writer.execute("SELECT ledger_post(" + POST, [codes[:1], codes[1:], [1]])
            if dice.random() < 0.5:
                writer.execute("SELECT pg_sleep(%s)", [dice.random() / 50])
            writer.execute("COMMIT" if dice.random() < 0.9 else "ROLLBACK")


def _seal_among_slow_committers(books: Books, blocks: int) -> int:
    """Seals until there are that many blocks, or until a row fell between two; returns how many rows did."""
    others = [Books().open() for _ in range(5)]
    ledger.seal(at=NOW)
    already = Seal.objects.count()
    stop = threading.Event()
    writers = [
        threading.Thread(target=_post_slowly, args=(one, seed, stop)) for seed, one in enumerate([books, *others])
    ]
    for writer in writers:
        writer.start()
    try:
        while (sealed := Seal.objects.count() - already) < blocks:
            ledger.seal(at=NOW)
            if sealed % 20 == 19 and rows_broken():
                break
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    return len(rows_broken())


@pytest.mark.slow
def test_no_row_of_a_slow_committer_falls_between_two_blocks(committed_books: Books) -> None:
    assert _seal_among_slow_committers(committed_books, blocks=200) == 0
    assert broken() == {}


#: What reads like a horizon and is none: each loses rows, or the test above proves nothing.
HORIZON = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO horizon FROM ledger_entry_id_seq;"
OWN_NUMBER = "own_number := pg_current_xact_id();"
WRONG_HORIZONS = {
    "the highest number in sight": (
        "SELECT max(id) INTO horizon FROM ledger_entry;",
        "own_number := '3';",  # older than every transaction: waits for none
    ),
    "both readings in one statement": (
        """
        SELECT last_value, pg_snapshot_xmax(pg_current_snapshot()) INTO horizon, own_number FROM ledger_entry_id_seq;
        """,
        "",
    ),
    "the xmax of a snapshot": (HORIZON, "own_number := pg_snapshot_xmax(pg_current_snapshot());"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG_HORIZONS)
def test_a_wrong_horizon_loses_rows_between_blocks(
    committed_books: Books, plain: psycopg.Connection[Any], name: str
) -> None:
    horizon, own_number = WRONG_HORIZONS[name]
    definition = plain.execute("SELECT pg_get_functiondef('ledger_write_seal'::regproc)").fetchone()
    assert definition is not None
    plain.execute(definition[0].replace(HORIZON, horizon).replace(OWN_NUMBER, own_number))
    try:
        assert _seal_among_slow_committers(committed_books, blocks=3_000) > 0
    finally:
        plain.execute(definition[0])


# --- changes behind the guards ---------------------------------------------------------------------------------------

#: What follows from postings: it changes every day, and other rules re-derive it.
DERIVED = {
    "ledger_account": {"debits", "credits", "seq", "rolled_to", "closed", "home_id", "opens_at", "closes_at"},
    "ledger_hold": {"captured", "released", "owed", "refunded", "is_open"},
}
SEALED_TABLES = (
    "ledger_entry",
    "ledger_posting",
    "ledger_hold",
    "ledger_account",
    "ledger_account_event",
    "ledger_window",
)
#: Another value of the type.
OTHER_VALUE = {
    "bigint": "coalesce({0}, 0) + 1000000",
    "smallint": "coalesce({0}, 0) + 1",
    "text": "{0} || 'x'",
    "uuid": "gen_random_uuid()",
    "bytea": "{0} || '\\x00'",
    "boolean": "NOT {0}",
    "timestamp with time zone": "{0} + interval '1 microsecond'",
}


def columns() -> list[tuple[str, str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_name = ANY (%s)",
            [list(SEALED_TABLES)],
        )
        return [row for row in cursor.fetchall() if row[1] not in DERIVED.get(row[0], ())]


def test_every_column_that_does_not_follow_from_others_is_sealed(sealed: Books) -> None:
    found = columns()

    assert len(found) > 30
    for table, column, data_type in found:
        change = f"UPDATE {table} SET {column} = {OTHER_VALUE[data_type].format(column)}"
        with behind_the_guards() as cursor:
            cursor.execute(f"SELECT ctid FROM {table} ORDER BY ctid LIMIT 1")
            (row,) = cursor.fetchone()
            cursor.execute(f"{change} WHERE ctid = %s", [row])
            assert rows_broken(), f"{table}.{column} was changed and nobody noticed"
        assert rows_broken() == {}


@pytest.mark.parametrize("table", SEALED_TABLES)
def test_a_removed_row_is_named(sealed: Books, table: str) -> None:
    with behind_the_guards() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE ctid = (SELECT ctid FROM {table} ORDER BY ctid LIMIT 1) RETURNING *")
        names = [column.name for column in cursor.description]
        removed = dict(zip(names, cursor.fetchone(), strict=True))
        found = rows_broken()

    match table:
        case "ledger_entry":
            name = f"entry {removed['id']}"
        case "ledger_posting":
            name = f"entry {removed['entry_id']} line {removed['line']}"
        case "ledger_hold":
            name = f"hold of entry {Entry.objects.get(kind='hold').pk}"
        case "ledger_account":
            name = f"account event {AccountEvent.objects.get(account_id=removed['id'], kind='open').pk}"
        case "ledger_window":
            name = f"window {removed['id']}"
        case _:
            name = f"account event {removed['id']}"
    assert found[name] == "removed since seal 1"


def test_an_inserted_entry_is_named(sealed: Books) -> None:
    sealed.fund(1)  # so that the place is among sealed rows
    ledger.seal(at=NOW)
    first = Entry.objects.earliest("pk")
    with behind_the_guards() as cursor:
        for place in (-5, first.pk - 1):
            cursor.execute("DELETE FROM ledger_account_event WHERE id = %s", [place])
            cursor.execute(
                """
                INSERT INTO ledger_entry (id, idempotency_key, request_hash, kind, actor, reason, effective_at, recorded_at)
                SELECT %s, gen_random_uuid(), request_hash, kind, actor, reason, effective_at, recorded_at
                FROM ledger_entry WHERE id = %s
                """,
                [place, first.pk],
            )
            assert rows_broken()[f"entry {place}"].startswith(
                "put among the rows of seal 1 after it was sealed: (entry,"
            )


def test_a_line_added_to_a_sealed_entry_is_named(sealed: Books) -> None:
    entry = Entry.objects.latest("pk").pk
    with behind_the_guards() as cursor:
        cursor.execute(
            """
            INSERT INTO ledger_posting (entry_id, line, unit, debit_id, credit_id, amount)
            SELECT entry_id, 2, unit, credit_id, debit_id, amount FROM ledger_posting WHERE entry_id = %s
            """,
            [entry],
        )
        found = rows_broken()
        said = broken()["every row that was sealed is what it was, and none was added"]

    assert list(found) == [one.row for one in said] == [f"entry {entry} line 2"]


def test_two_accounts_that_swapped_their_codes_are_named(sealed: Books) -> None:
    accounts = Account.objects.filter(code__in=[sealed.call.available, sealed.award.available])
    with behind_the_guards() as cursor:
        cursor.execute(
            """
            ALTER TABLE ledger_account DROP CONSTRAINT ledger_account_code_is_unique;
            UPDATE ledger_account SET code = CASE code WHEN %(one)s THEN %(other)s ELSE %(one)s END
            WHERE code IN (%(one)s, %(other)s)
            """,
            {"one": sealed.call.available, "other": sealed.award.available},
        )
        found = rows_broken()

    assert set(found) == {f"account event {event.pk}" for event in AccountEvent.objects.filter(account__in=accounts)}
    assert any(sealed.call.available in what for what in found.values())


OPENED = "every account was opened once, and is open or closed as was noted"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE ledger_account SET closed = false WHERE kind = 'invoiced'", "reads as open, and was closed"),
        ("UPDATE ledger_account SET closed = true WHERE kind = 'held'", "reads as closed, and nobody closed it"),
        ("DELETE FROM ledger_account WHERE kind = 'held'", "it is missing, and was opened"),
        ("DELETE FROM ledger_account_event WHERE kind = 'open'", "was opened 0 times"),
        (
            """
            INSERT INTO ledger_account
                (code, kind, class, unit, has_floor, deferred, closed, debits, credits, seq, rolled_to)
            VALUES ('slush', 'available', 'liability', 1, true, false, false, 0, 0, 0, 0)
            """,
            "was opened 0 times",
        ),
    ],
)
def test_an_account_opened_or_closed_behind_the_guards_is_named(sealed: Books, change: str, words: str) -> None:
    with behind_the_guards() as cursor:
        cursor.execute(change)
        found = broken()

    assert words in {one.what for one in found[OPENED]}


# --- changes of the seals --------------------------------------------------------------------------------------------

FOLLOWS = "every seal follows from the one before it"
TOLD = "every seal is the one the audit trail was told of"


@pytest.fixture
def thrice_sealed(sealed: Books) -> Books:
    for _ in range(2):
        sealed.fund(1)
        ledger.seal(at=NOW)
    return sealed


@pytest.mark.parametrize(
    ("change", "rule", "row"),
    [
        ("DELETE FROM ledger_seal WHERE id = 2", FOLLOWS, "seal 3"),
        ("DELETE FROM ledger_seal WHERE id = 3", TOLD, "seal 3"),
        ("DELETE FROM ledger_seal", TOLD, "seal 1"),
        ("UPDATE ledger_seal SET upto_id = upto_id + 1 WHERE id = 3", FOLLOWS, "seal 3"),
        ("UPDATE ledger_seal SET upto_id = 1 WHERE id = 3", FOLLOWS, "seal 3"),
        ("UPDATE ledger_seal SET sealed_at = now() WHERE id = 2", FOLLOWS, "seal 2"),
        ("UPDATE ledger_seal SET ids = '{}' WHERE id = 2", FOLLOWS, "seal 2"),
        ("UPDATE ledger_seal SET places = '{}' WHERE id = 2", FOLLOWS, "seal 2"),
        ("UPDATE ledger_seal SET leaves = sha256('x') WHERE id = 2", FOLLOWS, "seal 2"),
        ("UPDATE ledger_seal SET hash = sha256('x') WHERE id = 1", FOLLOWS, "seal 2"),
        ('UPDATE audit_event SET data = data || \'{"hash": "00"}\'', TOLD, "seal 1"),
        ("DELETE FROM audit_event", TOLD, "seal 1"),
    ],
)
def test_a_changed_seal_is_named(thrice_sealed: Books, change: str, rule: str, row: str) -> None:
    with behind_the_guards() as cursor:
        cursor.execute(change)
        found = broken()

    assert row in {one.row for one in found[rule]}


@pytest.fixture
def resealed(thrice_sealed: Books) -> Iterator[str]:
    """A superuser changed a row and made all seals anew, so that they fit; gives the head of before."""
    head = seals.head()
    assert head is not None
    with plain_connection() as forger:
        forger.execute("SET session_replication_role = replica")
        forger.execute("UPDATE ledger_entry SET reason = 'forged'")
        forger.execute("DELETE FROM ledger_seal")
        forger.execute("SET session_replication_role = origin")
        forger.execute("SELECT ledger_seal_block()")
    return head.hash


def test_seals_made_anew_are_found_by_what_the_audit_trail_was_told(resealed: str) -> None:
    found = broken()

    assert set(found) == {TOLD}
    assert [one.row for one in found[TOLD]] == ["seal 1", "seal 2", "seal 3"]


def test_seals_and_audit_trail_made_anew_are_found_by_a_head_kept_outside(resealed: str) -> None:
    with plain_connection() as forger:
        forger.execute("SET session_replication_role = replica")
        forger.execute("DELETE FROM audit_event WHERE subject_id <> '1'")
        forger.execute(
            """
            UPDATE audit_event
            SET data = data || jsonb_build_object('hash', (SELECT encode(hash, 'hex') FROM ledger_seal))
            """
        )
    assert broken() == {}
    out = StringIO()

    with pytest.raises(CommandError, match="1 rule of the ledger broken"):
        call_command("verify_ledger", head=resealed, stdout=out)

    assert "BROKEN  the head kept outside is in the chain of seals" in out.getvalue()


def test_an_earlier_head_is_in_the_chain(sealed: Books) -> None:
    head = seals.head()
    assert head is not None
    sealed.fund(1)
    ledger.seal(at=NOW)
    sealed.fund(1)
    out = StringIO()

    call_command("verify_ledger", head=head.hash, stdout=out)

    lines = out.getvalue().splitlines()
    now = seals.head()
    assert now is not None
    assert lines[-3:] == [
        "        as seal 1",
        f"sealed up to number {now.upto} by seal 2; 1 entries are not sealed yet",
        f"head {now.hash}",
    ]


def test_what_was_not_sealed_yet_can_be_rewritten_without_a_trace(sealed: Books) -> None:
    """The limit of seals, so that nobody believes otherwise: the tail since the last one."""
    sealed.fund(1)

    with behind_the_guards() as cursor:
        cursor.execute("UPDATE ledger_entry SET reason = 'forged' WHERE id = (SELECT max(id) FROM ledger_entry)")

        assert broken() == {}
