"""Reads of the books. All amounts are micro-credits; a balance is positive on the side its account grows on.

An account that nobody has opened has a balance of zero and an empty statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, models

from earthcode.ledger import chart
from earthcode.ledger.kinds import GROWS_BY_DEBITS, AccountClass, AccountKind, EntryKind, Unit
from earthcode.ledger.models import Account, Entry, Hold, Seal, Verification
from earthcode.lib.money import MicroCredits

AccountRef = Account | str


def _code(account: AccountRef) -> str:
    return account.code if isinstance(account, Account) else account


# --- balances --------------------------------------------------------------------------------------------------------


def balance(account: AccountRef, *, at: datetime | None = None) -> MicroCredits:
    """What an account has now, or had at a moment: everything that counted by then, whenever it was written.

    Now costs one look at a row; a moment costs a look at each span of the account (``spans``), and a walk over the postings of
    those that lie on both sides of it, and over those that have no span yet.
    """
    code = _code(account)
    if at is None:
        return balances([code])[code]
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_balance_at(%s, %s)", [code, at])
        found = cursor.fetchone()
    return MicroCredits(found[0] or 0)


def balances(accounts: Iterable[AccountRef]) -> dict[str, MicroCredits]:
    """What each of many accounts has now, by code, in one query and one snapshot."""
    result = {_code(account): MicroCredits(0) for account in accounts}
    with connection.cursor() as cursor:
        cursor.execute("SELECT code, balance FROM ledger_balance WHERE code = ANY(%s::text[])", [list(result)])
        result.update(cursor.fetchall())
    return result


def last_entry() -> int:
    """The number of the newest entry; 0 where there is none."""
    return Entry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


@dataclass(frozen=True)
class AccountLine:
    """An account and what it has now."""

    code: str
    kind: AccountKind
    closed: bool
    balance: MicroCredits


def accounts(words: str = "", *, offset: int = 0, limit: int = 50) -> list[AccountLine]:
    """Accounts whose code contains ``words``, in the order of their codes."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT has.code, has.kind, account.closed, has.balance
            FROM (
                SELECT id, closed FROM ledger_account WHERE strpos(lower(code), lower(%s)) > 0
                ORDER BY code OFFSET %s LIMIT %s
            ) account
            JOIN ledger_balance has ON has.account_id = account.id
            ORDER BY has.code
            """,
            [words, offset, limit],
        )
        return [
            AccountLine(code, AccountKind(kind), closed, MicroCredits(has))
            for code, kind, closed, has in cursor.fetchall()
        ]


def account(code: str) -> AccountLine | None:
    """One account, or None where there is none of this code."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT has.code, has.kind, account.closed, has.balance
            FROM ledger_account account JOIN ledger_balance has ON has.account_id = account.id
            WHERE account.code = %s
            """,
            [code],
        )
        found = cursor.fetchone()
    return None if found is None else AccountLine(found[0], AccountKind(found[1]), found[2], MicroCredits(found[3]))


def open_holds(account: AccountRef) -> models.QuerySet[Hold]:
    """The holds whose remainders a held account holds, the first to run out first."""
    return (
        Hold.objects.filter(is_open=True, held__code=_code(account))
        .select_related("wallet", "held", "payee")
        .order_by("expires_at", "pk")
    )


def holds(ids: Iterable[int]) -> dict[int, Hold]:
    """Holds by id, in one query. One that does not exist is left out."""
    return Hold.objects.in_bulk(set(ids))


@dataclass(frozen=True)
class AtHand:
    """What somebody's awards have; None where there is no such award."""

    unspent: MicroCredits | None
    most_free: MicroCredits | None


def at_hand(award_keys: models.QuerySet[Any, Any], *, placeable: models.QuerySet[Any, Any], at: datetime) -> AtHand:
    """What awards together have not spent, set aside or not, and the most that one of ``placeable`` can have placed now.

    Both are querysets of keys (``values("reference")``), which become parts of the one query.
    """
    every, of_every = _keys(award_keys)
    some, of_some = _keys(placeable)
    code = chart.award_accounts("%s").available
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT
                (
                    SELECT sum(account.credits - account.debits)::bigint
                    FROM ({every}) award (key)
                    JOIN ledger_account first ON first.code = format(%s, award.key)
                    JOIN ledger_account account ON account.award_id = first.id AND account.kind IN ('available', 'held')
                ),
                (
                    SELECT max(award.free)
                    FROM (
                        SELECT sum(account.credits - account.debits)::bigint AS free
                        FROM ({some}) award (key)
                        JOIN ledger_account first ON first.code = format(%s, award.key)
                        JOIN ledger_account account ON account.award_id = first.id AND account.kind = 'available'
                        WHERE coalesce(account.opens_at <= %s, true) AND coalesce(account.closes_at > %s, true)
                        GROUP BY award.key
                    ) award
                )
            """,  # noqa: S608  # the subqueries are Django's own, their parameters are passed on
            [*of_every, code, *of_some, code, at, at],
        )
        unspent, most_free = cursor.fetchone()
    return AtHand(
        None if unspent is None else MicroCredits(unspent), None if most_free is None else MicroCredits(most_free)
    )


def _keys(award_keys: models.QuerySet[Any, Any]) -> tuple[str, tuple[Any, ...]]:
    """The queryset as SQL; Django writes none for one that it knows to be empty."""
    try:
        return award_keys.query.sql_with_params()
    except EmptyResultSet:
        return "SELECT NULL::text WHERE false", ()


@dataclass(frozen=True)
class AwardBalance:
    """Where the credits of an award are, over all its tranches.

    ``available`` can be spent, or could be in its window; ``held`` is set aside; ``used`` is what providers took for good,
    ``owed`` how much of that is still the award's debt.
    """

    available: MicroCredits
    held: MicroCredits
    used: MicroCredits
    owed: MicroCredits


def award_balances(award_keys: Iterable[str]) -> dict[str, AwardBalance]:
    """The balance of each of these awards, in one query. One that was never opened has nothing."""
    keys = list(award_keys)
    result = {key: AwardBalance(*[MicroCredits(0)] * 4) for key in keys}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                award.key,
                sum(account.credits - account.debits) FILTER (WHERE account.kind = 'available')::bigint,
                sum(account.credits - account.debits) FILTER (WHERE account.kind = 'held')::bigint,
                (
                    SELECT coalesce(sum(hold.captured + hold.owed - hold.refunded), 0)::bigint
                    FROM ledger_hold hold
                    WHERE hold.id IN (
                        SELECT entry.hold_id
                        FROM ledger_account held
                        JOIN ledger_posting posting ON posting.credit_id = held.id
                        JOIN ledger_entry entry ON entry.id = posting.entry_id
                        WHERE held.award_id = first.id AND held.kind = 'held'
                    )
                ),
                sum(account.debits - account.credits) FILTER (WHERE account.kind = 'debt')::bigint
            FROM unnest(%s::text[], %s::text[]) award (key, code)
            JOIN ledger_account first ON first.code = award.code
            JOIN ledger_account account ON account.award_id = first.id
            GROUP BY award.key, first.id
            """,
            [keys, [chart.award_accounts(key).available for key in keys]],
        )
        for key, *figures in cursor.fetchall():
            result[key] = AwardBalance(*figures)
    return result


def debt(award_key: str) -> MicroCredits:
    """What an award owes for usage that no hold covered."""
    return balance(chart.award_accounts(award_key).debt)


def balances_and_debts(
    accounts: Iterable[AccountRef], call_keys: Iterable[str]
) -> tuple[dict[str, MicroCredits], dict[str, MicroCredits]]:
    """What each account has now, by code, and what the awards of each call owe together; one query, one snapshot."""
    has = {_code(account): MicroCredits(0) for account in accounts}
    keys = {chart.call_accounts(key).available: key for key in call_keys}
    owed = {key: MicroCredits(0) for key in keys.values()}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT false, code, balance FROM ledger_balance WHERE code = ANY(%s::text[])
            UNION ALL
            SELECT true, home.code, sum(debt.debits - debt.credits)::bigint
            FROM ledger_account debt JOIN ledger_account home ON home.id = debt.home_id
            WHERE debt.kind = 'debt' AND home.code = ANY(%s::text[])
            GROUP BY home.code
            """,
            [list(has), list(keys)],
        )
        for is_debt, code, amount in cursor.fetchall():
            if is_debt:
                owed[keys[code]] = MicroCredits(amount)
            else:
                has[code] = MicroCredits(amount)
    return has, owed


@dataclass(frozen=True)
class Tranche:
    """A part of an award with a window of its own."""

    number: int
    opens_at: datetime | None
    closes_at: datetime | None
    available: MicroCredits


def tranches(award_key: str) -> list[Tranche]:
    """The tranches of an award, in the order in which they are spent."""
    wallets = Account.objects.filter(
        award__code=chart.award_accounts(award_key).available, kind=AccountKind.AVAILABLE
    ).order_by(models.F("closes_at").asc(nulls_last=True), "pk")
    return [
        Tranche(wallet.tranche or 0, wallet.opens_at, wallet.closes_at, MicroCredits(wallet.credits - wallet.debits))
        for wallet in wallets
    ]


# --- statements ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Position:
    """A place in the statement of one account, to go on from. Its two numbers mean nothing outside."""

    major: int
    minor: int


@dataclass(frozen=True)
class StatementLine:
    """One posting, seen from one account. ``change`` is positive when the account's balance grew."""

    entry_id: int
    kind: EntryKind
    effective_at: datetime
    recorded_at: datetime
    actor: str
    reason: str
    counterpart: str
    change: MicroCredits
    balance: MicroCredits
    hold_id: int | None
    reverses_id: int | None
    position: Position


_LINES = """
    SELECT
        line.entry_id, entry.kind, entry.effective_at, entry.recorded_at, entry.actor, entry.reason, other.code,
        line.change, line.balance, entry.hold_id, entry.reverses_id, line.major, line.minor
    FROM {source} line
    JOIN ledger_entry entry ON entry.id = line.entry_id
    JOIN ledger_account other ON other.id = line.other_id
    ORDER BY line.major DESC, line.minor DESC
"""
_STATEMENT = _LINES.format(source="ledger_statement(%s, %s, %s)")
_STATEMENT_OF_DEFERRED = _LINES.format(source="ledger_statement_of_deferred(%s, %s, %s::smallint, %s)")

# The other way round. Each side of the account is one walk up an index.
_UPWARDS = """
    SELECT
        line.entry_id, entry.kind, entry.effective_at, entry.recorded_at, entry.actor, entry.reason, other.code,
        line.change, %(start)s + (sum(line.change) OVER so_far)::bigint, entry.hold_id, entry.reverses_id,
        line.major, line.minor
    FROM (
        (SELECT entry_id, credit_id AS other_id, amount AS change, {place} FROM ledger_posting
         WHERE debit_id = %(account)s AND {debit} LIMIT %(limit)s)
        UNION ALL
        (SELECT entry_id, debit_id, -amount, {other_place} FROM ledger_posting
         WHERE credit_id = %(account)s AND {credit} LIMIT %(limit)s)
        ORDER BY major, minor LIMIT %(limit)s
    ) line
    JOIN ledger_entry entry ON entry.id = line.entry_id
    JOIN ledger_account other ON other.id = line.other_id
    WINDOW so_far AS (ORDER BY line.major, line.minor ROWS UNBOUNDED PRECEDING)
    ORDER BY line.major, line.minor
"""
_LINES_UPWARDS = _UPWARDS.format(
    place="debit_seq AS major, 0 AS minor",
    other_place="credit_seq, 0",
    debit="debit_seq > %(after)s ORDER BY debit_seq",
    credit="credit_seq > %(after)s ORDER BY credit_seq",
)
_AFTER = (
    "{side}_seq IS NULL AND entry_id >= %(after)s AND (entry_id, line) > (%(after)s, %(after_line)s)"
    " ORDER BY {side}_seq, entry_id, line"
)
_LINES_OF_DEFERRED_UPWARDS = _UPWARDS.format(
    place="entry_id AS major, line AS minor",
    other_place="entry_id, line",
    debit=_AFTER.format(side="debit"),
    credit=_AFTER.format(side="credit"),
)

#: Above every position.
_END = Position(2**63 - 1, 2**15 - 1)


def statement(account: AccountRef, *, before: Position | None = None, limit: int = 50) -> list[StatementLine]:
    """A page of an account's history with its running balance, newest first; go on with ``before=page[-1].position``.

    Lines come in the order in which they were written, which is the order the balance ran in; a line that counts from an
    earlier moment keeps its place.
    """
    found = Account.objects.filter(code=_code(account)).first()
    if found is None:
        return []
    position = before or _END
    sign = 1 if found.account_class in GROWS_BY_DEBITS else -1
    with connection.cursor() as cursor:
        if found.deferred:
            cursor.execute(_STATEMENT_OF_DEFERRED, [found.pk, position.major, position.minor, limit])
        else:
            cursor.execute(_STATEMENT, [found.pk, position.major, limit])
        return [_line(sign, *row) for row in cursor.fetchall()]


def _line(
    sign: int,
    entry_id: int,
    kind: str,
    effective_at: datetime,
    recorded_at: datetime,
    actor: str,
    reason: str,
    counterpart: str,
    change: int,
    running: int,
    hold_id: int | None,
    reverses_id: int | None,
    major: int,
    minor: int,
) -> StatementLine:
    return StatementLine(
        entry_id=entry_id,
        kind=EntryKind(kind),
        effective_at=effective_at,
        recorded_at=recorded_at,
        actor=actor,
        reason=reason,
        counterpart=counterpart,
        change=MicroCredits(sign * change),
        balance=MicroCredits(sign * running),
        hold_id=hold_id,
        reverses_id=reverses_id,
        position=Position(major, minor),
    )


def statement_lines(
    account: AccountRef,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    oldest_first: bool = False,
    page_size: int = 1000,
) -> Iterator[StatementLine]:
    """The history of an account in constant memory however long it is: newest first, or the other way round.

    With ``since`` and ``until``, only the lines that count from ``since`` on and before ``until``. A line can be written
    long after the moment from which it counts, so the whole history is read whatever part of it is asked for.
    """
    pages = _pages_upwards(account, page_size) if oldest_first else _pages_downwards(account, page_size)
    for page in pages:
        for line in page:
            if (since is None or line.effective_at >= since) and (until is None or line.effective_at < until):
                yield line


def _pages_downwards(account: AccountRef, size: int) -> Iterator[list[StatementLine]]:
    page = statement(account, limit=size)
    while page:
        yield page
        page = statement(account, before=page[-1].position, limit=size) if len(page) == size else []


def _pages_upwards(account: AccountRef, size: int) -> Iterator[list[StatementLine]]:
    """From the first line on; each page goes on from the balance that the one before it left."""
    found = Account.objects.filter(code=_code(account)).first()
    if found is None:
        return
    sign = 1 if found.account_class in GROWS_BY_DEBITS else -1
    sql = _LINES_OF_DEFERRED_UPWARDS if found.deferred else _LINES_UPWARDS
    after, before_page = Position(0, 0), 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                sql,
                {
                    "account": found.pk,
                    "after": after.major,
                    "after_line": after.minor,
                    "limit": size,
                    "start": before_page,
                },
            )
            rows = cursor.fetchall()
        page = [_line(sign, *row) for row in rows]
        if not page:
            return
        yield page
        after, before_page = page[-1].position, sign * page[-1].balance


@dataclass(frozen=True)
class Movement:
    """One posting of a hold: ``amount`` went from one account to another.

    ``to_call`` if it went home, because the award was over. ``used`` is what its payee had taken for good after that,
    ``remaining`` what the hold had left.
    """

    entry_id: int
    kind: EntryKind
    effective_at: datetime
    actor: str
    reason: str
    source: AccountKind
    target: AccountKind
    to_call: bool
    amount: MicroCredits
    used: MicroCredits
    remaining: MicroCredits


def statement_of_hold(hold: int, *, limit: int = 50) -> list[Movement]:
    """What became of the credits of a hold, the newest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                entry.id, entry.kind, entry.effective_at, entry.actor, entry.reason, source.kind, target.kind,
                (target.home_id = target.id) IS TRUE, posting.amount,
                sum(
                    CASE hold.payee_id WHEN posting.credit_id THEN 1 WHEN posting.debit_id THEN -1 ELSE 0 END
                    * posting.amount
                ) OVER so_far::bigint,
                sum(
                    CASE 'held' WHEN target.kind THEN 1 WHEN source.kind THEN -1 ELSE 0 END
                    * posting.amount
                ) OVER so_far::bigint
            FROM ledger_hold hold
            JOIN ledger_entry entry ON entry.hold_id = hold.id
            JOIN ledger_posting posting ON posting.entry_id = entry.id
            JOIN ledger_account source ON source.id = posting.debit_id
            JOIN ledger_account target ON target.id = posting.credit_id
            WHERE hold.id = %s
            WINDOW so_far AS (ORDER BY entry.id, posting.line)
            ORDER BY entry.id DESC, posting.line DESC
            LIMIT %s
            """,
            [hold, limit],
        )
        return [_movement(*row) for row in cursor.fetchall()]


def _movement(
    entry_id: int,
    kind: str,
    effective_at: datetime,
    actor: str,
    reason: str,
    source: str,
    target: str,
    to_call: bool,
    amount: int,
    used: int,
    remaining: int,
) -> Movement:
    return Movement(
        entry_id=entry_id,
        kind=EntryKind(kind),
        effective_at=effective_at,
        actor=actor,
        reason=reason,
        source=AccountKind(source),
        target=AccountKind(target),
        to_call=to_call,
        amount=MicroCredits(amount),
        used=MicroCredits(used),
        remaining=MicroCredits(remaining),
    )


# --- the trial balance -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TrialLine:
    """All accounts of one kind and unit together."""

    unit: Unit
    kind: AccountKind
    account_class: AccountClass
    accounts: int
    debits: MicroCredits
    credits: MicroCredits
    balance: MicroCredits


@dataclass(frozen=True)
class TrialTotal:
    """All accounts of one unit together; the sums may be larger than any account's."""

    unit: Unit
    accounts: int
    debits: int
    credits: int

    @property
    def difference(self) -> int:
        return self.debits - self.credits


@dataclass(frozen=True)
class TrialBalance:
    """Everything in the books, by kind."""

    lines: tuple[TrialLine, ...]

    @property
    def differences(self) -> dict[Unit, int]:
        """Debits less credits of each unit: zero, or the books are wrong."""
        result: dict[Unit, int] = {}
        for line in self.lines:
            result[line.unit] = result.get(line.unit, 0) + line.debits - line.credits
        return result

    @property
    def totals(self) -> list[TrialTotal]:
        """What the lines of each unit come to together."""
        return [
            TrialTotal(
                unit,
                sum(line.accounts for line in self.lines if line.unit == unit),
                sum(line.debits for line in self.lines if line.unit == unit),
                sum(line.credits for line in self.lines if line.unit == unit),
            )
            for unit in self.differences
        ]

    @property
    def balances(self) -> bool:
        return not any(self.differences.values())


def trial_balance(*, at: datetime | None = None) -> TrialBalance:
    """What all accounts have come to, by unit and kind, in one snapshot: now, or by all that counted at a moment.

    Now costs a look at each account; a moment costs a look at each span, and a walk over the postings of accounts too short to
    have any, and of spans that lie on both sides of it.
    """
    with connection.cursor() as cursor:
        if at is None:
            cursor.execute(_TRIAL_BALANCE.format(source="ledger_balance"))
        else:
            cursor.execute(_TRIAL_BALANCE.format(source=_BALANCES_AT), {"at": at})
        return TrialBalance(
            tuple(
                TrialLine(Unit(unit), AccountKind(kind), AccountClass(account_class), accounts, *totals)
                for unit, kind, account_class, accounts, *totals in cursor.fetchall()
            )
        )


_TRIAL_BALANCE = """
    SELECT unit, kind, class, count(*), sum(debits)::bigint, sum(credits)::bigint, sum(balance)::bigint
    FROM {source} GROUP BY unit, kind, class ORDER BY unit, kind
"""
#: Spans that count as a whole, and the postings of those that lie on both sides of the moment and of each account's end.
_BALANCES_AT = """(
    WITH stretch AS (
        SELECT account_id, after, upto FROM ledger_span WHERE first_at <= %(at)s AND last_at > %(at)s
        UNION ALL
        SELECT account.id, coalesce(max(upto), 0), 9223372036854775807
        FROM ledger_account account LEFT JOIN ledger_span span ON span.account_id = account.id
        GROUP BY account.id
    ),
    side AS (
        SELECT account_id, debits, credits FROM ledger_span WHERE last_at <= %(at)s
        UNION ALL
        SELECT account.id, posting.debit, posting.credit
        FROM stretch
        JOIN ledger_account account ON account.id = stretch.account_id
        CROSS JOIN LATERAL ledger_postings_between(account.id, account.deferred, stretch.after, stretch.upto) posting
        WHERE posting.effective_at <= %(at)s
    )
    SELECT account.unit, account.kind, account.class, coalesce(sums.debits, 0) AS debits,
           coalesce(sums.credits, 0) AS credits,
           CASE WHEN account.class IN ('asset', 'expense') THEN 1 ELSE -1 END
           * coalesce(sums.debits - sums.credits, 0) AS balance
    FROM ledger_account account
    LEFT JOIN (
        SELECT account_id, sum(debits) AS debits, sum(credits) AS credits FROM side GROUP BY account_id
    ) sums ON sums.account_id = account.id
) balance"""


def last_sealed_at() -> datetime | None:
    """When the newest seal was made; None where there is none."""
    return Seal.objects.order_by("-pk").values_list("sealed_at", flat=True).first()


def last_verification() -> Verification | None:
    """When the clock last verified the whole books, and what it found; None if it never did."""
    return Verification.objects.order_by("-pk").first()
