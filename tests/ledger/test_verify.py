"""Somebody switches the triggers off and changes a row: ``verify_ledger`` says which."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from earthcode.ledger import actions as ledger
from earthcode.ledger import spans, verify
from earthcode.ledger.models import Account, BrokenRow, Entry, Hold
from earthcode.lib.money import credits

from .conftest import BY, Books, committing, short_spans


@pytest.fixture
def used_books(books: Books) -> Books:
    hold = books.hold(33)
    capture = ledger.capture(hold, credits(10), **books.terms)
    ledger.refund(capture.entry_id, credits(1), **books.terms)
    ledger.reverse(books.grant(1).entry_id, reason="A mistake.", **books.terms)
    use_tranches(books)
    with short_spans():
        assert spans.write(limit=100) > 2
    return books


def use_tranches(books: Books) -> None:
    """An award of two tranches in windows, usage over both and beyond them, a debt partly repaid, and a lapse."""
    call, award = f"call-{books.name}", f"windows-{books.name}"
    ends = [books.now + timedelta(days=days) for days in (10, 20)]
    for tranche, closes_at in enumerate(ends, start=1):
        ledger.award(call, award, credits(10), tranche=tranche, closes_at=closes_at, **books.terms)
    hold = ledger.draw(
        award, payee=books.provider.accrued, amount=credits(15), expires_at=ends[1] + timedelta(days=90), **books.terms
    )
    ledger.capture(hold, credits(12), **books.terms)
    other = ledger.draw(award, payee=books.provider.accrued, amount=1, expires_at=ends[1], **books.terms)
    ledger.capture(other, credits(3), beyond=True, **books.terms)
    ledger.repay(award, credits(1), **books.terms)
    ledger.lapse(before=ends[1], by=BY)


@contextmanager
def triggers_off() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        yield
        cursor.execute("SET LOCAL session_replication_role = origin")


def change(sql: str) -> None:
    with triggers_off(), connection.cursor() as cursor:
        cursor.execute(sql)


def broken() -> dict[str, tuple[str, ...]]:
    return {finding.rule: tuple(map(str, finding.breaks)) for finding in verify.findings() if not finding.holds}


def test_untouched_books_hold_every_rule(used_books: Books) -> None:
    out = StringIO()

    call_command("verify_ledger", stdout=out)

    lines = out.getvalue().splitlines()
    assert lines.pop() == "nothing is sealed; 15 entries are not sealed yet"
    assert len(lines) == len(verify.RULES) >= 17
    assert all(line.startswith("holds   ") for line in lines)


def test_empty_books_hold_every_rule(db: None) -> None:
    assert broken() == {}


def test_a_changed_amount_is_found_and_named(used_books: Books) -> None:
    entry = Entry.objects.filter(kind="capture").earliest("pk")
    change(f"UPDATE ledger_posting SET amount = amount + 1 WHERE entry_id = {entry.pk}")
    out = StringIO()

    with pytest.raises(CommandError, match="rules of the ledger broken"):
        call_command("verify_ledger", stdout=out)

    assert "BROKEN  every account's totals are the sum of its postings" in out.getvalue()
    assert f"entry {entry.pk} line 1: says number" in out.getvalue()
    assert "holds   no account is below its floor (12 rows of ledger_account)" in out.getvalue()


MISSING = 10**9

#: How a row is changed with the triggers off, the rule that then reads as broken, and what its line begins with.
CHANGES = {
    "a posting removed": (
        "DELETE FROM ledger_posting WHERE entry_id = (SELECT max(id) FROM ledger_entry WHERE kind = 'award')",
        "every entry is whole and of its kind",
        "entry ",
    ),
    "an entry removed": (
        "DELETE FROM ledger_entry WHERE id = (SELECT max(id) FROM ledger_entry)",
        "every entry is whole and of its kind",
        "entry ",
    ),
    "an entry and its postings removed": (
        """
        WITH last AS (DELETE FROM ledger_entry WHERE id = (SELECT max(id) FROM ledger_entry) RETURNING id)
        DELETE FROM ledger_posting USING last WHERE entry_id = last.id
        """,
        "every account's totals are the sum of its postings",
        "account ",
    ),
    "a posting inserted": (
        """
        INSERT INTO ledger_posting SELECT 9, unit, amount, debit_seq, debit_total, credit_seq, credit_total,
                                          credit_id, debit_id, entry_id FROM ledger_posting WHERE credit_seq = 1
                                   ORDER BY entry_id LIMIT 1
        """,
        "every posting repeats the number and total it left behind",
        "entry ",
    ),
    "a posting sent to another account": (
        f"UPDATE ledger_posting SET credit_id = {MISSING} WHERE entry_id = (SELECT min(entry_id) FROM ledger_posting)",
        "every posting moves a positive amount of one unit between two accounts",
        "entry ",
    ),
    "an account of another unit": (
        "UPDATE ledger_account SET unit = 2 WHERE kind = 'accrued'",
        "every posting moves a positive amount of one unit between two accounts",
        "entry ",
    ),
    "two postings swapped": (
        """
        UPDATE ledger_posting SET debit_seq = other.debit_seq
        FROM ledger_posting other
        WHERE ledger_posting.debit_id = other.debit_id AND ledger_posting.debit_seq <> other.debit_seq
        """,
        "every posting repeats the number and total it left behind",
        "entry ",
    ),
    "a balance raised": (
        "UPDATE ledger_account SET credits = credits + 5 WHERE code LIKE 'award:%:available'",
        "every account's totals are the sum of its postings",
        "account award:",
    ),
    "a checkpoint that never was": (
        "UPDATE ledger_account SET rolled_to = 1 WHERE kind = 'accrued'",
        "every checkpoint is the sum of the postings up to it",
        "account provider:",
    ),
    "a wrong checkpoint": (
        """
        INSERT INTO ledger_checkpoint (account_id, upto_entry, debits, credits, seq)
        SELECT id, 10 ^ 9, 1, 1, 1 FROM ledger_account WHERE kind = 'accrued'
        """,
        "every checkpoint is the sum of the postings up to it",
        "checkpoint of account provider:",
    ),
    "a span changed": (
        "UPDATE ledger_span SET debits = debits + 1, credits = credits + 1 WHERE after = 0",
        "every span is the sum of its postings and says from when to when they count",
        "span of account call:",
    ),
    "a span said to count from elsewhere": (
        "UPDATE ledger_span SET first_at = first_at + interval '1 day', last_at = last_at + interval '1 day'",
        "every span is the sum of its postings and says from when to when they count",
        "span of account call:",
    ),
    "a span removed": (
        "DELETE FROM ledger_span WHERE after = 0",
        "every span is the sum of its postings and says from when to when they count",
        "span of account call:",
    ),
    "a span of other length": (
        "UPDATE ledger_span SET upto = upto + 1, seq = seq + 1 WHERE after > 0",
        "every span is the sum of its postings and says from when to when they count",
        "span of account call:",
    ),
    "a span of nothing": (
        """
        INSERT INTO ledger_span (account_id, after, upto, seq, debits, credits, first_at, last_at)
        SELECT id, -1, 0, 1, 5, 0, now(), now() FROM ledger_account WHERE code LIKE 'award:%:available'
        """,
        "every span is the sum of its postings and says from when to when they count",
        "span of account award:",
    ),
    "a span of no account": (
        f"UPDATE ledger_span SET account_id = account_id + {MISSING}",
        "every span is the sum of its postings and says from when to when they count",
        "span of account number 1",
    ),
    "a posting that counts from another moment": (
        "UPDATE ledger_entry SET effective_at = effective_at - interval '1 day' WHERE kind = 'fund'",
        "every span is the sum of its postings and says from when to when they count",
        "span of account call:",
    ),
    "a floor taken away": (
        "UPDATE ledger_account SET has_floor = false WHERE kind = 'held'",
        "every account is what its kind says",
        "account award:",
    ),
    "a hold raised": (
        "UPDATE ledger_hold SET authorised = authorised + 5",
        "every hold is what its entries made of it",
        "hold ",
    ),
    "a hold removed": (
        "DELETE FROM ledger_hold",
        "held accounts hold what open holds have left",
        "account award:",
    ),
    "a hold lost by its entries": (
        f"UPDATE ledger_entry SET hold_id = {MISSING} WHERE kind = 'refund'",
        "every hold is what its entries made of it",
        "",
    ),
    "held credits moved without the hold": (
        "UPDATE ledger_account SET credits = credits + 5 WHERE kind = 'held'",
        "held accounts hold what open holds have left",
        "account award:",
    ),
    "a reversal that gives back something else": (
        "UPDATE ledger_entry SET reverses_id = (SELECT min(id) FROM ledger_entry) WHERE kind = 'reverse'",
        "nothing is given back twice, or beyond what was moved",
        "entry ",
    ),
    "a reversal that is called an award": (
        "UPDATE ledger_entry SET kind = 'award' WHERE kind = 'reverse'",
        "every entry is whole and of its kind",
        "entry ",
    ),
    "a total of everything": (
        "UPDATE ledger_account SET credits = credits + 5 WHERE kind = 'invoiced'",
        "debits equal credits over everything",
        "unit 1",
    ),
    "credits moved to another call": (
        "UPDATE ledger_account SET home_id = id WHERE kind = 'available' AND code LIKE 'award:%'",
        "credits stay in their call, and each call's books balance",
        "entry ",
    ),
    "a window moved without a word": (
        "UPDATE ledger_account SET closes_at = closes_at + interval '1 day' WHERE closes_at IS NOT NULL",
        "credits are spent in their window, and every window is the one set last",
        "account award:",
    ),
    "a window set after the fact": (
        """
        UPDATE ledger_window SET after_seq = 0, opens_at = '2030-01-01', closes_at = '2031-01-01';
        UPDATE ledger_account SET opens_at = '2030-01-01', closes_at = '2031-01-01' WHERE closes_at IS NOT NULL
        """,
        "credits are spent in their window, and every window is the one set last",
        "entry ",
    ),
    "credits lapsed too early": (
        "UPDATE ledger_entry SET effective_at = effective_at - interval '1 day' WHERE kind = 'lapse'",
        "credits lapse to their call when their window ends",
        "entry ",
    ),
    "a debt made out of nothing": (
        "UPDATE ledger_entry SET kind = 'transfer' WHERE kind = 'repay'",
        "debts grow by usage and shrink by repayment",
        "entry ",
    ),
    "a part of a hold changed": (
        "UPDATE ledger_hold_part SET captured = captured - 1 WHERE place = 1",
        "every hold is what its entries made of it",
        "hold ",
    ),
    "a part of a hold removed": (
        "DELETE FROM ledger_hold_part WHERE place = 2",
        "held accounts hold what open holds have left",
        "account award:",
    ),
    "a debt repaid twice": (
        "UPDATE ledger_account SET credits = debits + 7 WHERE kind = 'debt'",
        "no account is below its floor",
        "account award:",
    ),
    "a guard dropped": (
        "DROP TRIGGER ledger_posting_append_only ON ledger_posting",
        "functions, triggers and rights are those of this release",
        "trigger ledger_posting_append_only",
    ),
    "a guard switched off": (
        "ALTER TABLE ledger_entry DISABLE TRIGGER ledger_entry_written_by_draft",
        "functions, triggers and rights are those of this release",
        "trigger ledger_entry_written_by_draft",
    ),
    "a function of another release": (
        "CREATE OR REPLACE FUNCTION ledger_span_size() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT 999::bigint'",
        "functions, triggers and rights are those of this release",
        "function ledger_span_size(): is not the one",
    ),
    "a function gone": (
        "DROP FUNCTION ledger_repay",
        "functions, triggers and rights are those of this release",
        "function ledger_repay(",
    ),
    "a right given away": (
        "GRANT UPDATE (amount) ON ledger_posting TO earthcode_site",
        "functions, triggers and rights are those of this release",
        "table ledger_posting: earthcode_site may UPDATE, and should not",
    ),
    "a floor dropped": (
        """
        ALTER TABLE ledger_account DROP CONSTRAINT ledger_account_not_overdrawn;
        UPDATE ledger_account SET debits = credits + 7 WHERE code LIKE 'award:%:available'
        """,
        "no account is below its floor",
        "account award:",
    ),
    "the floor's constraint dropped": (
        "ALTER TABLE ledger_account DROP CONSTRAINT ledger_account_not_overdrawn",
        "the constraints that guard the books are in place",
        "constraint ledger_account_not_overdrawn",
    ),
    "a key for two entries": (
        """
        ALTER TABLE ledger_entry DROP CONSTRAINT ledger_entry_key_is_unique;
        UPDATE ledger_entry SET idempotency_key = (SELECT idempotency_key FROM ledger_entry ORDER BY id LIMIT 1)
        """,
        "every key stands for one entry",
        "key ",
    ),
}


#: Rules that test_seals.py breaks.
OF_SEALS = {
    "every account was opened once, and is open or closed as was noted",
    "every seal follows from the one before it",
    "every seal is the one the audit trail was told of",
    "every row that was sealed is what it was, and none was added",
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_behind_the_triggers_is_found(used_books: Books, name: str) -> None:
    sql, rule, words = CHANGES[name]
    change(sql)

    found = broken()

    assert rule in found, f"only these rules read as broken: {found}"
    assert any(line.startswith(words) for line in found[rule]), found[rule]


def test_every_rule_has_a_change_that_breaks_it() -> None:
    assert {rule for _, rule, _ in CHANGES.values()} | OF_SEALS == {rule.words for rule in verify.RULES}


def test_a_rule_names_a_bounded_number_of_rows(books: Books) -> None:
    for _ in range(verify.NAMED_MAX + 5):
        books.hold(1)
    change("UPDATE ledger_hold SET authorised = authorised + 5")

    finding = next(finding for finding in verify.findings() if finding.rule.startswith("every hold"))

    assert len(finding.breaks) == verify.NAMED_MAX
    assert finding.unnamed == 5


@committing
def test_deferred_accounts_are_verified_over_their_checkpoints(committed_books: Books) -> None:
    books = committed_books
    ledger.capture(books.hold(3), credits(3), **books.terms)
    ledger.roll_up()
    ledger.capture(books.hold(4), credits(4), **books.terms)

    assert broken() == {}
    assert Account.objects.get(code=books.provider.accrued).credits == credits(3)
    assert Hold.objects.filter(is_open=True).count() == 0


def test_a_row_is_broken_once_until_it_is_mended(books: Books) -> None:
    found = {"rule": "a rule", "row": "a row", "what": "wrong", "found_at": books.now}
    first = BrokenRow.objects.create(**found)

    with pytest.raises(IntegrityError, match="ledger_broken_row_is_found_once"), transaction.atomic():
        BrokenRow.objects.create(**found)
    BrokenRow.objects.filter(pk=first.pk).update(ended_at=books.now)
    BrokenRow.objects.create(**found)

    assert BrokenRow.objects.count() == 2
