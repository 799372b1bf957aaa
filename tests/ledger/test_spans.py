"""Spans change no answer: a balance at a past moment is what plainly adding up gives, however and whenever spans are written."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

import psycopg
import pytest
from django.db import connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from earthcode.ledger import actions as ledger
from earthcode.ledger import queries, spans, verify
from earthcode.ledger.actions import CaptureDraft, Draft, EntryDraft, EntryKind, Line
from earthcode.ledger.models import Account, Entry, Span
from earthcode.lib.money import credits

from .conftest import BY, NOW, Books, committing, everything, new_key, plain_connection, short_spans
from .test_races import assert_every_rule_holds, at_once
from .test_verify import broken, change

pytestmark = committing
EVERYTHING = 10**6


@pytest.fixture
def short(transactional_db: None) -> Iterator[None]:
    with short_spans():
        yield


def use(books: Books, days: list[int]) -> None:
    """Postings of ordinary, held and deferred accounts that count from these days; an entry of two lines among them."""
    hold = books.hold(1)
    drafts: list[Draft] = []
    for number, day in enumerate(days, start=1):
        at = books.now + timedelta(days=day)
        drafts += [
            EntryDraft(EntryKind.FUND, [Line(books.call.commitment, books.call.available, number)] * 2, new_key(), at),
            EntryDraft(EntryKind.AWARD, [Line(books.call.available, books.award.available, number)], new_key(), at),
            CaptureDraft(hold.pk, number, new_key(), at),
        ]
    ledger.post_batch(drafts, by=BY)


def plainly_added_up(at: datetime) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT account.code, coalesce(sum(
                CASE WHEN account.class = 'asset' THEN 1 ELSE -1 END
                * CASE account.id WHEN posting.debit_id THEN posting.amount ELSE -posting.amount END
            ) FILTER (WHERE entry.effective_at <= %s), 0)::bigint
            FROM ledger_account account
            LEFT JOIN ledger_posting posting ON account.id IN (posting.debit_id, posting.credit_id)
            LEFT JOIN ledger_entry entry ON entry.id = posting.entry_id
            GROUP BY account.id
            """,
            [at],
        )
        return dict(cursor.fetchall())


def assert_the_past_is_plainly_added_up(books: Books, moments: list[datetime]) -> None:
    kinds = dict(Account.objects.values_list("code", "kind"))
    for at in moments:
        expected, by_kind = plainly_added_up(at), Counter[str]()
        for code, balance in expected.items():
            by_kind[kinds[code]] += balance
        trial = queries.trial_balance(at=at)

        assert {code: queries.balance(code, at=at) for code in books.codes} == {
            code: expected[code] for code in books.codes
        }
        assert {line.kind: line.balance for line in trial.lines} == by_kind
        assert trial.balances


DAYS = st.integers(-20, 20)
USE = st.lists(DAYS, min_size=1, max_size=5)
ROLL_UP = st.just("roll up")
#: At most so many spans at once.
WRITE = st.integers(1, 6)


def test_the_past_is_plainly_added_up_whenever_spans_are_written(short: None) -> None:
    @settings(max_examples=25, deadline=None, database=None)
    @given(steps=st.lists(USE | ROLL_UP | WRITE, min_size=6, max_size=14), days=st.lists(DAYS, min_size=2, max_size=2))
    def check(steps: list[list[int] | str | int], days: list[int]) -> None:
        books = Books().open()
        for step in steps:
            if isinstance(step, list):
                use(books, step)
            elif isinstance(step, int):
                spans.write(limit=step)
            else:
                ledger.roll_up()
        moments = [NOW + timedelta(days=day, seconds=second) for day in days for second in (-1, 0)]
        assert_the_past_is_plainly_added_up(books, moments)
        ledger.roll_up()
        spans.write(limit=EVERYTHING)
        assert_the_past_is_plainly_added_up(books, moments)

    check()
    assert_every_rule_holds()


def test_spans_follow_one_another_and_end_where_postings_are_too_few(short: None) -> None:
    books = Books().open()
    use(books, [5, -5])

    assert spans.write(limit=EVERYTHING) > 0
    assert spans.write(limit=EVERYTHING) == 0

    first, second = Span.objects.filter(account__code=books.call.available)
    account = Account.objects.get(code=books.call.available)
    assert account.seq == 8
    assert [(span.after, span.upto, span.seq) for span in (first, second)] == [(0, 3, 3), (3, 6, 6)]
    assert (first.debits, first.credits) == (credits(100), credits(1_000) + 1)
    assert (second.debits, second.credits) == (1, 1 + 2)
    assert (first.first_at, first.last_at) == (NOW, NOW + timedelta(days=5))
    assert (second.first_at, second.last_at) == (NOW - timedelta(days=5), NOW + timedelta(days=5))


def test_spans_of_a_deferred_account_end_at_its_checkpoint_and_divide_no_entry(short: None) -> None:
    books = Books().open()
    issuer = Span.objects.filter(account__code=books.call.commitment)
    use(books, [1, 2, 3])
    spans.write(limit=EVERYTHING)
    assert not issuer.exists()

    ledger.roll_up()
    spans.write(limit=EVERYTHING)

    entries = [entry.pk for entry in Entry.objects.filter(kind="fund").order_by("pk")]
    assert [(span.after, span.upto, span.seq) for span in issuer] == [
        (0, entries[1], 3),
        (entries[1], entries[3], 7),
    ]


def test_no_more_spans_are_written_than_asked_for(short: None) -> None:
    books = Books().open()
    use(books, [1, 2, 3, 4, 5])
    ledger.roll_up()

    counts = []
    while written := spans.write(limit=2):
        counts.append(written)

    assert set(counts[:-1]) == {2}
    assert Span.objects.count() == sum(counts) > 4
    assert_every_rule_holds()


def test_a_span_has_a_thousand_postings(committed_books: Books) -> None:
    books, code = committed_books, committed_books.award.available
    award = Line(books.call.available, code, 1)
    ledger.post(EntryKind.AWARD, [award] * 997, **books.terms)
    assert spans.write(limit=EVERYTHING) == 0

    ledger.post(EntryKind.AWARD, [award] * 2, **books.terms)

    assert spans.write(limit=EVERYTHING) == 2  # the wallet's, and the call's, which was funded once more
    assert [(span.upto, span.credits) for span in Span.objects.filter(account__code=code)] == [
        (1_000, credits(100) + 999)
    ]


def test_two_clocks_write_each_span_once(short: None) -> None:
    books = Books().open()
    use(books, list(range(-10, 10)))
    ledger.roll_up()

    counts = at_once(*[lambda: spans.write(limit=EVERYTHING)] * 4)

    assert sum(counts) == Span.objects.count() > 30
    assert spans.write(limit=EVERYTHING) == 0
    assert_every_rule_holds()


def test_spans_are_right_when_written_while_others_post(short: None) -> None:
    books = Books().open()

    def post() -> None:
        for day in range(-4, 4):
            use(books, [day, -day])

    def write() -> None:
        for _ in range(30):
            ledger.roll_up()
            spans.write(limit=3)

    at_once(post, write, post, write, post)
    ledger.roll_up()
    spans.write(limit=EVERYTHING)

    assert_every_rule_holds()
    assert_the_past_is_plainly_added_up(books, [NOW + timedelta(days=day) for day in (-3, 0, 3)])
    assert Span.objects.filter(account__code=books.call.commitment).count() > 10


def test_balances_are_read_from_spans_that_lie_on_one_side_of_the_moment(short: None) -> None:
    """Shown by a span that was changed behind the guards: who reads its postings does not notice."""
    books = Books().open()
    code = books.award.available
    books.grant(5, at=NOW + timedelta(days=5))
    books.grant(7, at=NOW + timedelta(days=9))
    spans.write(limit=EVERYTHING)
    with plain_connection() as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("UPDATE ledger_span SET credits = credits + 1000000 WHERE account_id = "
                          "(SELECT id FROM ledger_account WHERE code = %s)", [code])  # fmt: skip

    found = [queries.balance(code, at=NOW + timedelta(days=days)) // credits(1) for days in (-1, 0, 6, 9)]

    assert found == [0, 100, 105, 113]
    trial = {line.kind: line.balance for line in queries.trial_balance(at=NOW + timedelta(days=9)).lines}
    assert trial["available"] == credits(1_000 + 1)


def test_a_wrong_span_of_a_deferred_account_is_found_and_named(short: None) -> None:
    books = Books().open()
    use(books, [1, 2, 3])
    ledger.roll_up()
    spans.write(limit=EVERYTHING)
    account = Account.objects.get(code=books.call.commitment)
    rule = next(rule.words for rule in verify.RULES if rule.over == "ledger_span")
    for wrong in (
        "debits = debits + 1",
        "first_at = first_at - interval '1 day'",
        "seq = seq + 1",
        "upto = upto + 1000",
    ):
        with transaction.atomic():
            change(f"UPDATE ledger_span SET {wrong} WHERE account_id = {account.pk}")
            found = broken()
            transaction.set_rollback(True)

        assert found.keys() == {rule}, wrong
        assert all(row.startswith(f"span of account {account.code} up to ") for row in found[rule])


@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE ledger_span SET credits = credits + 5",
        "UPDATE ledger_span SET last_at = now()",
        "DELETE FROM ledger_span",
        "TRUNCATE ledger_span",
        "MERGE INTO ledger_span USING (SELECT 1) nothing ON true WHEN MATCHED THEN UPDATE SET credits = 5",
    ],
)
def test_raw_sql_changes_no_span(short: None, attempt: str) -> None:
    books = Books().open()
    use(books, [1, 2, 3])
    with plain_connection() as superuser:
        account = Account.objects.get(code=books.call.available)
        superuser.execute("SELECT ledger_span(%s)", [account.pk])
        before = everything()

        with pytest.raises(psycopg.Error) as refusal:
            superuser.execute(attempt.encode())

    assert (refusal.value.sqlstate or "")[:2] in ("LG", "23")
    assert everything() == before


def test_who_inserts_a_span_gets_the_next_one_whatever_they_say(short: None) -> None:
    books = Books().open()
    use(books, [1, 2])
    account = Account.objects.get(code=books.call.available)
    forge = """
        INSERT INTO ledger_span (account_id, after, upto, seq, debits, credits, first_at, last_at)
        VALUES (%s, 7, 9, 2, 5, 1, now(), now())
    """
    with plain_connection() as superuser:
        for _ in range(3):
            superuser.execute(forge, [account.pk])
        superuser.execute(forge, [-1])

    assert [(span.account_id, span.after, span.upto) for span in Span.objects.all()] == [
        (account.pk, 0, 3),
        (account.pk, 3, 6),
    ]
    assert_every_rule_holds()
