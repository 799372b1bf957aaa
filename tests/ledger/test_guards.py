"""Every rule, broken on purpose: through the ORM, and by raw SQL on a plain connection of a superuser."""

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, models, transaction

from earthcode.ledger import actions as ledger
from earthcode.ledger.models import Account, Checkpoint, Entry, Hold, Posting, ReadOnlyBooksError, Span
from earthcode.lib import rights
from earthcode.lib.money import credits

from .conftest import TABLES, Books, committing, everything, new_key, plain_connection

# --- through the ORM -------------------------------------------------------------------------------------------------


@pytest.fixture
def used_books(books: Books) -> Books:
    hold = books.hold(33)
    ledger.capture(hold, credits(10), **books.terms)
    return books


@pytest.mark.parametrize("model", [Account, Hold, Entry, Posting, Checkpoint, Span])
def test_the_orm_writes_nothing(used_books: Books, model: type[models.Model]) -> None:
    before = everything()
    row = model._default_manager.first() or model()

    attempts: list[Callable[[], object]] = [
        row.save,
        row.delete,
        model._default_manager.create,
        lambda: model._default_manager.bulk_create([row]),
        lambda: model._default_manager.bulk_update([row], ["pk"]),
        lambda: model._default_manager.all().update(pk=1),
        lambda: model._default_manager.all().delete(),
    ]
    for attempt in attempts:
        with pytest.raises(ReadOnlyBooksError):
            attempt()
    assert everything() == before


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (Account, {"debits": 0}),
        (Account, {"credits": 10**12}),
        (Account, {"has_floor": False}),
        (Account, {"unit": 2}),
        (Hold, {"captured": 0}),
        (Hold, {"authorised": 10**12}),
        (Entry, {"reason": "Somebody else."}),
        (Entry, {"idempotency_key": uuid.UUID(int=0)}),
        (Posting, {"amount": 1}),
    ],
)
def test_the_database_refuses_what_slips_past_our_models(
    used_books: Books, model: type[models.Model], change: dict[str, Any]
) -> None:
    """Django's own query sets, without the ones of ours that raise."""
    before = everything()

    with pytest.raises(DatabaseError, match="is refused"), transaction.atomic():
        models.QuerySet(model).update(**change)
    with pytest.raises((DatabaseError, ReadOnlyBooksError)), transaction.atomic():
        models.QuerySet(model)._raw_delete("default")  # without collecting rows
    row: models.Model | None = models.QuerySet(model).first()
    assert row is not None
    for name, value in change.items():
        setattr(row, name, value)
    with pytest.raises(DatabaseError, match="is refused"), transaction.atomic():
        row.save_base(force_update=True)
    assert everything() == before


def test_the_database_refuses_rows_that_our_models_did_not_make(used_books: Books) -> None:
    before = everything()
    entry, posting, hold = Entry.objects.latest("pk"), Posting.objects.latest("entry_id"), Hold.objects.get()
    fields = {field.attname: getattr(entry, field.attname) for field in Entry._meta.concrete_fields}

    for row in (
        Entry(**{**fields, "id": None, "idempotency_key": new_key()}),
        Posting(
            entry_id=entry.pk,
            line=9,
            unit=1,
            debit_id=posting.debit_id,
            credit_id=posting.credit_id,
            amount=1,
        ),
        Hold(
            wallet_id=hold.wallet_id,
            held_id=hold.held_id,
            payee_id=hold.payee_id,
            authorised=1,
            captured=0,
            released=0,
            refunded=0,
            expires_at=hold.expires_at,
        ),
    ):
        with pytest.raises(DatabaseError, match="is refused"), transaction.atomic():
            row.save_base(force_insert=True)
    assert everything() == before


# --- by raw SQL ------------------------------------------------------------------------------------------------------


@pytest.fixture
def used(committed_books: Books) -> Books:
    """Books with a hold that was captured from, a reversed award, and a checkpoint."""
    books = committed_books
    hold = books.hold(33)
    ledger.capture(hold, credits(10), **books.terms)
    ledger.reverse(books.grant(1).entry_id, reason="A mistake.", **books.terms)
    ledger.roll_up()
    return books


NEXT_ENTRY = "(SELECT max(id) + 1 FROM ledger_entry)"
WALLET = "(SELECT id FROM ledger_account WHERE code LIKE 'award:%:available')"
HELD = "(SELECT id FROM ledger_account WHERE kind = 'held')"
CALL = "(SELECT id FROM ledger_account WHERE code LIKE 'call:%:available')"
PAYEE = "(SELECT id FROM ledger_account WHERE kind = 'accrued')"
ISSUER = "(SELECT id FROM ledger_account WHERE kind = 'commitment')"
HOLD = "(SELECT max(id) FROM ledger_hold)"
CAPTURE = "(SELECT max(id) FROM ledger_entry WHERE kind = 'capture')"
REVERSED = "(SELECT reverses_id FROM ledger_entry WHERE kind = 'reverse')"
AWARD = "(SELECT min(id) FROM ledger_entry WHERE kind = 'award')"


def draft(
    kind: str,
    debits: str,
    credits_: str,
    amounts: str,
    *,
    key: str = "gen_random_uuid()",
    hold: str = "NULL",
    reverses: str = "NULL",
    payee: str = "NULL",
    expires: str = "now() + interval '1 day'",
    actor: str = "'system:raw'",
) -> str:
    """The one INSERT that the database takes; it is held to every rule."""
    return f"""
        INSERT INTO ledger_draft (
            idempotency_key, request_hash, kind, actor, reason, effective_at,
            debit_ids, credit_ids, amounts, hold_id, reverses_id, payee_id, expires_at
        )
        VALUES ({key}, '\\x00', '{kind}', {actor}, '', now(),
                {debits}, {credits_}, {amounts}, {hold}, {reverses}, {payee}, {expires})
    """


ATTEMPTS = {
    # a posting or an entry out of nothing
    "a posting without an entry": f"""
        INSERT INTO ledger_posting (entry_id, line, unit, debit_id, credit_id, amount)
        VALUES ({NEXT_ENTRY}, 1, 1, {ISSUER}, {PAYEE}, 5)""",
    "one more line on an old entry": f"""
        INSERT INTO ledger_posting (entry_id, line, unit, debit_id, credit_id, amount)
        VALUES ({AWARD}, 2, 1, {ISSUER}, {PAYEE}, 5)""",
    "a copy of a posting": """
        INSERT INTO ledger_posting (entry_id, line, unit, debit_id, credit_id, amount)
        SELECT entry_id, line + 100, unit, debit_id, credit_id, amount FROM ledger_posting""",
    "an entry without postings": """
        INSERT INTO ledger_entry (idempotency_key, request_hash, kind, actor, reason, effective_at, recorded_at)
        VALUES (gen_random_uuid(), '\\x00', 'fund', 'system:raw', '', now(), now())""",
    "an entry that uses up the one reversal": f"""
        INSERT INTO ledger_entry
            (idempotency_key, request_hash, kind, reverses_id, actor, reason, effective_at, recorded_at)
        VALUES (gen_random_uuid(), '\\x00', 'reverse', {AWARD}, 'system:raw', '', now(), now())""",
    "postings by COPY": "COPY ledger_posting (entry_id, line, unit, debit_id, credit_id, amount) FROM STDIN",
    "a posting by MERGE": f"""
        MERGE INTO ledger_posting USING (SELECT 1) nothing ON false
        WHEN NOT MATCHED THEN INSERT (entry_id, line, unit, debit_id, credit_id, amount)
            VALUES ({NEXT_ENTRY}, 1, 1, {ISSUER}, {PAYEE}, 5)""",
    # what is written stays
    "another amount": "UPDATE ledger_posting SET amount = amount + 1",
    "another account": f"UPDATE ledger_posting SET credit_id = {PAYEE} WHERE credit_id = {WALLET}",
    "another unit": "UPDATE ledger_posting SET unit = 2",
    "another reason": "UPDATE ledger_entry SET reason = 'forged'",
    "another actor": "UPDATE ledger_entry SET actor = 'user:somebody-else'",
    "another key": "UPDATE ledger_entry SET idempotency_key = gen_random_uuid()",
    "a change by MERGE": """
        MERGE INTO ledger_posting posting USING (SELECT 1) nothing ON true WHEN MATCHED THEN UPDATE SET amount = 1""",
    "a removed posting": "DELETE FROM ledger_posting",
    "a removed entry": f"DELETE FROM ledger_entry WHERE id = {CAPTURE}",
    "a removed reversal": "DELETE FROM ledger_entry WHERE kind = 'reverse'",
    "a removed hold": "DELETE FROM ledger_hold",
    "a removed account": f"DELETE FROM ledger_account WHERE id = {CALL}",
    "a removed checkpoint": "DELETE FROM ledger_checkpoint",
    "a changed checkpoint": "UPDATE ledger_checkpoint SET credits = credits + 1",
    # cached totals are the sum of the postings
    "fewer debits": f"UPDATE ledger_account SET debits = 0 WHERE id = {WALLET}",
    "more credits": f"UPDATE ledger_account SET credits = credits + 5 WHERE id = {WALLET}",
    "both totals": f"UPDATE ledger_account SET credits = credits + 5, debits = debits + 5 WHERE id = {WALLET}",
    "another number": f"UPDATE ledger_account SET seq = seq + 1 WHERE id = {WALLET}",
    "a checkpoint that never was": f"UPDATE ledger_account SET rolled_to = 10 WHERE id = {PAYEE}",
    "totals by ON CONFLICT": """
        INSERT INTO ledger_account (code, kind, unit) SELECT code, kind, unit FROM ledger_account
        ON CONFLICT (code) DO UPDATE SET credits = ledger_account.credits + 5""",
    "one side of a posting": f"SELECT ledger_debit({WALLET}, 5)",
    "the other side of a posting": f"SELECT ledger_credit({WALLET}, 5)",
    "a checkpoint of an account that needs none": f"INSERT INTO ledger_checkpoint (account_id) VALUES ({WALLET})",
    # no account below its floor, except the issuer's
    "an account without its floor": f"UPDATE ledger_account SET has_floor = false WHERE id = {WALLET}",
    "an account of another kind": f"UPDATE ledger_account SET kind = 'accrued' WHERE id = {WALLET}",
    "a deferred wallet": f"UPDATE ledger_account SET deferred = true, has_floor = false WHERE id = {WALLET}",
    "more than a wallet has": draft("transfer", f"ARRAY[{WALLET}]", f"ARRAY[{CALL}]", f"'{{{credits(68)}}}'"),
    "more than a wallet has, in two lines": draft(
        "transfer", f"ARRAY[{WALLET}, {WALLET}]", f"ARRAY[{CALL}, {CALL}]", f"'{{{credits(34)}, {credits(34)}}}'"
    ),
    # what open holds have left is what the held accounts hold
    "a hold out of nothing": f"""
        INSERT INTO ledger_hold
            (wallet_id, held_id, payee_id, authorised, captured, released, refunded, expires_at)
        VALUES ({WALLET}, {HELD}, {PAYEE}, 5, 0, 0, 0, now() + interval '1 day')""",
    "a larger hold": "UPDATE ledger_hold SET authorised = authorised + 5",
    "a hold captured less": "UPDATE ledger_hold SET captured = 0",
    "a hold that lasts longer": "UPDATE ledger_hold SET expires_at = 'infinity'",
    "held credits taken without the hold": draft("transfer", f"ARRAY[{HELD}]", f"ARRAY[{CALL}]", "'{5}'"),
    "held credits added without a hold": draft("transfer", f"ARRAY[{CALL}]", f"ARRAY[{HELD}]", "'{5}'"),
    "a capture of more than is held": draft(
        "capture", f"ARRAY[{HELD}]", f"ARRAY[{PAYEE}]", f"'{{{credits(24)}}}'", hold=HOLD
    ),
    "a capture for somebody else": draft("capture", f"ARRAY[{HELD}]", f"ARRAY[{CALL}]", "'{5}'", hold=HOLD),
    "a capture after the hold ran out": draft(
        "capture", f"ARRAY[{HELD}]", f"ARRAY[{PAYEE}]", "'{5}'", hold=HOLD
    ).replace("now(),", "'2099-01-01',"),
    "a capture that is called a release": draft("release", f"ARRAY[{HELD}]", f"ARRAY[{PAYEE}]", "'{5}'", hold=HOLD),
    "a capture without its hold": draft("capture", f"ARRAY[{HELD}]", f"ARRAY[{PAYEE}]", "'{5}'"),
    "a release of more than is held": draft(
        "release", f"ARRAY[{HELD}]", f"ARRAY[{WALLET}]", f"'{{{credits(24)}}}'", hold=HOLD
    ),
    "a plain entry that names a hold": draft("transfer", f"ARRAY[{WALLET}]", f"ARRAY[{CALL}]", "'{5}'", hold=HOLD),
    "a hold without a held account": draft("hold", f"ARRAY[{WALLET}]", f"ARRAY[{CALL}]", "'{5}'", payee=PAYEE),
    "a hold out of held credits": draft("hold", f"ARRAY[{HELD}]", f"ARRAY[{CALL}]", "'{5}'", payee=PAYEE),
    "a hold for nobody": draft("hold", f"ARRAY[{WALLET}]", f"ARRAY[{HELD}]", "'{5}'", payee="-1"),
    "a hold for the wallet itself": draft("hold", f"ARRAY[{WALLET}]", f"ARRAY[{HELD}]", "'{5}'", payee=WALLET),
    "a hold without end": draft("hold", f"ARRAY[{WALLET}]", f"ARRAY[{HELD}]", "'{5}'", payee=PAYEE, expires="NULL"),
    # nothing is given back twice, or beyond what was moved
    "a second reversal": draft(
        "reverse", f"ARRAY[{WALLET}]", f"ARRAY[{CALL}]", f"'{{{credits(1)}}}'", reverses=REVERSED
    ),
    "a reversal of more than was moved": draft(
        "reverse", f"ARRAY[{PAYEE}]", f"ARRAY[{WALLET}]", f"'{{{credits(10) + 1}}}'", hold=HOLD, reverses=CAPTURE
    ),
    "a reversal between other accounts": draft(
        "reverse", f"ARRAY[{WALLET}]", f"ARRAY[{PAYEE}]", f"'{{{credits(1)}}}'", reverses=AWARD
    ),
    "a reversal that forgets the hold": draft(
        "reverse", f"ARRAY[{PAYEE}]", f"ARRAY[{WALLET}]", "'{5}'", reverses=CAPTURE
    ),
    "a reversal of a reversal": draft(
        "reverse", f"ARRAY[{CALL}]", f"ARRAY[{WALLET}]", "'{5}'", reverses="(SELECT max(id) FROM ledger_entry)"
    ),
    "a reversal of nothing": draft("reverse", f"ARRAY[{WALLET}]", f"ARRAY[{CALL}]", "'{5}'", reverses="-1"),
    "a refund of more than was captured": draft(
        "refund", f"ARRAY[{PAYEE}]", f"ARRAY[{WALLET}]", f"'{{{credits(10) + 1}}}'", hold=HOLD, reverses=CAPTURE
    ),
    "a refund of an award": draft("refund", f"ARRAY[{PAYEE}]", f"ARRAY[{WALLET}]", "'{5}'", hold=HOLD, reverses=AWARD),
    "a refund of nothing": draft("refund", f"ARRAY[{PAYEE}]", f"ARRAY[{WALLET}]", "'{5}'", hold=HOLD),
    # one key, one entry
    "a key a second time": draft(
        "transfer",
        f"ARRAY[{WALLET}]",
        f"ARRAY[{CALL}]",
        "'{5}'",
        key="(SELECT idempotency_key FROM ledger_entry ORDER BY id LIMIT 1)",
    ),
    "no key": draft("transfer", f"ARRAY[{WALLET}]", f"ARRAY[{CALL}]", "'{5}'", key="NULL"),
    # a debit and a credit of the same amount in one unit
    "an amount below zero": draft("transfer", f"ARRAY[{WALLET}]", f"ARRAY[{CALL}]", "'{-5}'"),
    "an amount of zero": draft("transfer", f"ARRAY[{WALLET}]", f"ARRAY[{CALL}]", "'{0}'"),
    "no amount": draft("transfer", f"ARRAY[{WALLET}]", f"ARRAY[{CALL}]", "'{NULL}'"),
    "no lines": draft("transfer", "'{}'", "'{}'", "'{}'"),
    "a debit without a credit": draft("transfer", f"ARRAY[{WALLET}, {WALLET}]", f"ARRAY[{CALL}]", "'{5, 5}'"),
    "a credit to nobody": draft("transfer", f"ARRAY[{WALLET}]", "'{NULL}'", "'{5}'"),
    "lines numbered from elsewhere": draft("transfer", "'[5:5]={1}'", "'[5:5]={2}'", "'[5:5]={5}'"),
    "an account with itself": draft("transfer", f"ARRAY[{WALLET}]", f"ARRAY[{WALLET}]", "'{5}'"),
    "two units": draft(
        "transfer",
        f"ARRAY[{WALLET}]",
        "ARRAY[(SELECT id FROM ledger_open_account('euros', 'available', 2::smallint))]",
        "'{5}'",
    ),
    # an entry says what it is and who is behind it
    "a kind nobody knows": draft("gift", f"ARRAY[{WALLET}]", f"ARRAY[{CALL}]", "'{5}'"),
    "no kind": draft("x", f"ARRAY[{WALLET}]", f"ARRAY[{CALL}]", "'{5}'").replace("'x'", "NULL"),
    "nobody behind it": draft("transfer", f"ARRAY[{WALLET}]", f"ARRAY[{CALL}]", "'{5}'", actor="''"),
    # accounts
    "an account of a kind nobody knows": "INSERT INTO ledger_account (code, kind, unit) VALUES ('x', 'slush', 1)",
    "an account without a name": "INSERT INTO ledger_account (code, kind, unit) VALUES (' ', 'available', 1)",
    **{f"an emptied {table}": f"TRUNCATE {table} CASCADE" for table in TABLES},
}


def run(plain: psycopg.Connection[Any], attempt: str) -> None:
    if not attempt.startswith("COPY"):
        plain.execute(attempt)
        return
    with plain.cursor().copy(attempt) as copy:
        copy.write_row([10**9, 1, 1, 1, 2, 5])


@committing
@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS.keys())
def test_raw_sql_breaks_no_rule(used: Books, plain: psycopg.Connection[Any], attempt: str) -> None:
    before = everything()

    with pytest.raises(psycopg.Error) as refusal:
        run(plain, attempt)

    state = refusal.value.sqlstate or ""
    assert state.startswith(("LG", "23")), f"not a rule but a mistake in the attempt: {refusal.value}"
    assert everything() == before


@committing
def test_a_draft_that_keeps_the_rules_is_an_entry_like_any_other(used: Books, plain: psycopg.Connection[Any]) -> None:
    """The proof that the attempts above fail for the rule they break, not for their form."""
    before = used.balances()

    plain.execute(draft("transfer", f"ARRAY[{WALLET}]", f"ARRAY[{CALL}]", f"'{{{credits(1)}}}'"))
    plain.execute(draft("capture", f"ARRAY[{HELD}]", f"ARRAY[{PAYEE}]", f"'{{{credits(1)}}}'", hold=HOLD))
    plain.execute(
        draft("refund", f"ARRAY[{PAYEE}]", f"ARRAY[{WALLET}]", f"'{{{credits(1)}}}'", hold=HOLD, reverses=CAPTURE)
    )
    plain.execute(draft("hold", f"ARRAY[{WALLET}]", f"ARRAY[{HELD}]", f"'{{{credits(1)}}}'", payee=PAYEE))
    plain.execute(draft("release", f"ARRAY[{HELD}]", f"ARRAY[{WALLET}]", f"'{{{credits(1)}}}'", hold=HOLD))

    assert used.balances() == {
        **before,
        "available": before["available"],
        "call": before["call"] + 1,
        "held": before["held"] - 1,
    }


@committing
def test_a_raw_account_is_empty_and_what_its_kind_says(used: Books, plain: psycopg.Connection[Any]) -> None:
    row = plain.execute(
        """
        INSERT INTO ledger_account
            (code, kind, class, unit, has_floor, deferred, closed, debits, credits, seq, rolled_to)
        VALUES (gen_random_uuid()::text, 'available', 'asset', 1, false, true, true, 7, 900, 3, 5)
        RETURNING class, has_floor, deferred, closed, debits, credits, seq, rolled_to
        """
    ).fetchone()

    assert row == ("liability", True, False, False, 0, 0, 0, 0)


@committing
def test_anybody_who_may_update_an_account_may_close_it(used: Books, plain: psycopg.Connection[Any]) -> None:
    code = used.provider.invoiced

    assert plain.execute("UPDATE ledger_account SET closed = true WHERE code = %s", [code]).rowcount == 1
    assert plain.execute("UPDATE ledger_account SET closed = false WHERE code = %s", [code]).rowcount == 1


@committing
def test_tables_of_the_same_names_elsewhere_do_not_mislead_the_functions(
    used: Books, plain: psycopg.Connection[Any]
) -> None:
    before = everything()
    for table in TABLES:
        plain.execute(f"CREATE TEMPORARY TABLE {table} (LIKE public.{table})")
    plain.execute("INSERT INTO pg_temp.ledger_account SELECT * FROM public.ledger_account")
    plain.execute("UPDATE pg_temp.ledger_account SET credits = credits + 10 ^ 15")

    with pytest.raises(psycopg.errors.CheckViolation):
        plain.execute(
            "SELECT ledger_post(gen_random_uuid(), 'transfer', %s::text[], %s::text[], %s::bigint[], 'x', '', now())",
            [[used.award.available], [used.call.available], [10**14]],
        )
    assert everything() == before


@committing
def test_a_hold_does_not_run_out_before_its_time(used: Books, plain: psycopg.Connection[Any]) -> None:
    before = everything()
    early = used.now + timedelta(days=29)

    with pytest.raises(psycopg.Error, match="has not run out"):
        plain.execute(f"SELECT ledger_release(gen_random_uuid(), {HOLD}, 'expire', 'system:raw', %s)".encode(), [early])

    assert everything() == before


@committing
def test_a_transfer_goes_to_another_award_and_nowhere_else(used: Books, plain: psycopg.Connection[Any]) -> None:
    before = everything()

    for target in (used.call.available, used.award.available, used.award.held):
        with pytest.raises(psycopg.Error, match="wallet of another award"):
            plain.execute(
                "SELECT ledger_transfer(gen_random_uuid(), %s, %s, 5, 'system:raw', '', %s)",
                [used.award.available, target, used.now],
            )

    assert everything() == before


@committing
def test_an_account_that_does_not_exist_is_named(used: Books, plain: psycopg.Connection[Any]) -> None:
    before = everything()

    with pytest.raises(psycopg.Error, match="there is no account number -1") as raised:
        plain.execute(draft("fund", "ARRAY[-1::bigint]", f"ARRAY[{CALL}]", "ARRAY[5]").encode())

    assert raised.value.sqlstate == "LG003"
    assert everything() == before


@committing
def test_a_hold_that_does_not_exist_is_named(used: Books, plain: psycopg.Connection[Any]) -> None:
    before = everything()

    with pytest.raises(psycopg.Error, match="hold -1 does not exist") as raised:
        plain.execute(draft("release", f"ARRAY[{HELD}]", f"ARRAY[{WALLET}]", "'{5}'", hold="-1").encode())

    assert raised.value.sqlstate == "LG006"
    assert everything() == before


# --- by a login that is no superuser ---------------------------------------------------------------------------------


@pytest.fixture
def site(plain: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    """A connection with the rights of a site (``earthcode/lib/rights.py``)."""
    role = f"site_{uuid.uuid4().hex}"
    plain.execute(f"CREATE ROLE {role} IN ROLE {rights.role()}")
    try:
        with plain_connection() as connected:
            connected.execute(f"SET SESSION AUTHORIZATION {role}")
            yield connected
    finally:
        plain.execute(f"DROP OWNED BY {role}")
        plain.execute(f"DROP ROLE {role}")


@committing
def test_a_site_moves_credits_through_the_functions(used: Books, site: psycopg.Connection[Any]) -> None:
    before = used.balances()

    site.execute(
        "SELECT ledger_post(gen_random_uuid(), 'transfer', %s::text[], %s::text[], %s::bigint[], 'x', '', now())",
        [[used.award.available], [used.call.available], [credits(1)]],
    )
    hold = site.execute(
        "SELECT id FROM ledger_hold(gen_random_uuid(), %s, %s, %s, 5, now() + interval '1 day', 'x', now())",
        [used.award.available, used.award.held, used.provider.accrued],
    ).fetchone()
    assert hold is not None
    capture = site.execute(
        "SELECT entry_id FROM ledger_capture(gen_random_uuid(), %s, 3, false, 'x', now())", [hold[0]]
    ).fetchone()
    assert capture is not None
    site.execute("SELECT ledger_refund(gen_random_uuid(), %s, 1, 'x', '', now())", [capture[0]])
    site.execute("SELECT ledger_release(gen_random_uuid(), %s, 'release', 'x', now())", [hold[0]])
    site.execute("SELECT ledger_open_account(%s, 'available', 1::smallint)", [uuid.uuid4().hex])
    site.execute("SELECT ledger_set_closed(%s, false)", [used.award.available])
    site.execute("SELECT ledger_checkpoint(%s)", [Account.objects.get(code=used.call.commitment).pk])
    site.execute("SELECT ledger_span(%s)", [Account.objects.get(code=used.call.commitment).pk])

    assert used.balances()["call"] == before["call"] + 1
    assert site.execute("SELECT count(*) FROM ledger_balance").fetchone() is not None
    assert site.execute("SELECT ledger_balance_at(%s, now())", [used.call.available]).fetchone() is not None


@pytest.mark.parametrize(
    "attempt",
    [
        "INSERT INTO ledger_posting SELECT * FROM ledger_posting",
        "INSERT INTO ledger_entry SELECT * FROM ledger_entry",
        "INSERT INTO ledger_draft (kind) VALUES ('fund')",
        "INSERT INTO ledger_checkpoint (account_id) VALUES (1)",
        "INSERT INTO ledger_span (account_id) VALUES (1)",
        "INSERT INTO ledger_account (code, kind, unit) VALUES ('x', 'available', 1)",
        "UPDATE ledger_account SET closed = true",
        "UPDATE ledger_posting SET amount = 1",
        "DELETE FROM ledger_hold",
        "TRUNCATE ledger_posting",
        "ALTER TABLE ledger_posting DISABLE TRIGGER ALL",
        "ALTER TABLE ledger_account DROP CONSTRAINT ledger_account_not_overdrawn",
        "SET session_replication_role = replica",
        "SET ROLE ledger_owner",
        "SELECT ledger_debit(1, 5)",
        """
        CREATE TEMPORARY TABLE trick (number int);
        CREATE FUNCTION pg_temp.pull() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN UPDATE public.ledger_account SET credits = credits + 5; RETURN NEW; END';
        CREATE TRIGGER pull BEFORE INSERT ON trick FOR EACH ROW EXECUTE FUNCTION pg_temp.pull();
        INSERT INTO trick VALUES (1)
        """,
    ],
)
@committing
def test_a_site_has_no_rights_on_the_tables(used: Books, site: psycopg.Connection[Any], attempt: str) -> None:
    before = everything()

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        site.execute(attempt)

    assert everything() == before


@committing
def test_somebody_else_on_the_server_has_no_rights_at_all(used: Books, plain: psycopg.Connection[Any]) -> None:
    role = f"nobody_{uuid.uuid4().hex}"
    plain.execute(f"CREATE ROLE {role}")
    try:
        plain.execute(f"SET ROLE {role}")
        for attempt in (
            "SELECT ledger_set_closed('x', true)",
            "SELECT ledger_open_account('x', 'available', 1::smallint)",
            "SELECT * FROM ledger_balance",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                plain.execute(attempt)
    finally:
        plain.execute("RESET ROLE")
        plain.execute(f"DROP ROLE {role}")
