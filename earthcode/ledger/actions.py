"""Every way credits move. ``post`` is the one the others rest on.

Amounts are whole micro-credits and positive. Accounts are named by their codes, which ``chart`` knows.

- **Keys.** Each action takes a ``key``: a UUID the caller makes for the thing it wants to happen once (``uuid5`` of a
  natural key, or one stored with the work). A second call with the same key and the same request changes nothing and
  returns the first result; with another request it raises :class:`KeyReused`. Who asks, why and when may differ.
- **Refusals.** An action does everything or raises a ``Refused`` and has changed nothing; the caller's transaction, if
  there is one, can go on.
- **Time.** ``at`` is when the entry counts; the caller reads the clock.
- **Locks.** A call locks holds by id and then accounts by id, so single calls never deadlock with each other. A batch can
  be several calls in this sense. A call outside a transaction that a deadlock ended is made again, unseen. A transaction
  of several calls can deadlock with another such transaction: PostgreSQL then ends one of them with
  ``OperationalError`` (SQLSTATE 40P01), and the whole transaction can be tried again with the same keys. Post last in a
  transaction, with no network call after it: the accounts stay locked until it ends.

The actions do not write to the audit trail: entries name their actor and never change, and what they belong to is
audited by the action that calls. Only ``seal`` does, so that the trail holds every head of the chain of seals.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import psycopg
from django.db import DEFAULT_DB_ALIAS, DatabaseError, OperationalError, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Q

from earthcode.audit import actions as audit
from earthcode.audit.actors import CLOCK, Actor
from earthcode.ledger import chart
from earthcode.ledger.chart import AwardAccounts, CallAccounts, ProviderAccounts, TrancheAccounts
from earthcode.ledger.events import LedgerEvent
from earthcode.ledger.kinds import PLAIN, Unit
from earthcode.ledger.kinds import AccountKind as AccountKind
from earthcode.ledger.kinds import EntryKind as EntryKind
from earthcode.ledger.models import Account as Account
from earthcode.ledger.models import Entry, Seal
from earthcode.ledger.models import Hold as Hold
from earthcode.lib.errors import InvalidInput, Refused
from earthcode.lib.money import as_text

#: Keys of entries that the ledger makes by itself.
NAMESPACE = uuid.UUID("7d1f6a52-0c57-5d0e-9a8f-2f4b8f0d6c11")
AMOUNT_MAX = 2**63 - 1


# --- refusals --------------------------------------------------------------------------------------------------------


class InsufficientCredits(Refused):
    """An account would fall below its floor."""

    code = "insufficient_credits"


class OverCapture(Refused):
    """More was to be captured than the hold has left."""

    code = "over_capture"


class HoldNotLive(Refused):
    """The hold does not exist, is used up, or has run out."""

    code = "hold_not_live"


class NothingToRelease(Refused):
    """The hold has nothing left."""

    code = "nothing_to_release"


class AccountClosed(Refused):
    """The account takes no more postings."""

    code = "account_closed"


class UnknownAccount(Refused):
    """There is no account of this code."""

    code = "unknown_account"


class UnitMismatch(Refused):
    """The two accounts count different units."""

    code = "unit_mismatch"


class KeyReused(Refused):
    """The key stood for another request."""

    code = "key_reused"


class NotReversible(Refused):
    """The entry does not exist, is of a kind that is not undone, or was undone already."""

    code = "not_reversible"


class OverRefund(Refused):
    """More would be given back than was taken."""

    code = "over_refund"


class OutsideWindow(Refused):
    """The window of these credits has not opened, or is over."""

    code = "outside_window"


class OutlivesWindow(Refused):
    """Credits would move to where they could be spent longer."""

    code = "outlives_window"


class OtherCall(Refused):
    """Credits of one call would become another's."""

    code = "other_call"


class OverRepayment(Refused):
    """More was to be repaid than is owed."""

    code = "over_repayment"


_INSUFFICIENT = InsufficientCredits("There are not enough credits for this.")
#: What each refusal of the database means, by SQLSTATE or, where a constraint refuses, by its name.
_REFUSALS: dict[str, Refused] = {
    "LG001": InvalidInput("The ledger cannot write this entry."),
    "LG002": KeyReused("This key was used for something else before."),
    "LG003": UnknownAccount("There is no such account."),
    "LG004": AccountClosed("The account is closed."),
    "LG005": UnitMismatch("The two accounts count different units."),
    "LG006": HoldNotLive("These credits are no longer set aside: the hold was used up or ran out."),
    "LG007": NothingToRelease("Nothing is left to give back."),
    "LG008": NotReversible("This entry cannot be undone, or was undone already."),
    "LG010": OverCapture("This is more than was set aside."),
    "LG012": OutsideWindow("These credits cannot be used now. Their period has not begun, or is over."),
    "LG013": OverRefund("This is more than was taken."),
    "LG014": OtherCall("These credits belong to another call."),
    "LG015": OverRepayment("This is more than is owed."),
    "LG016": OutlivesWindow("Credits cannot move to where they would last longer."),
    "LG017": _INSUFFICIENT,
    # PostgreSQL's own, when a total is too large for a bigint.
    "22003": InvalidInput("This amount is too large."),
    "ledger_account_not_overdrawn": _INSUFFICIENT,
}
_REFUSALS |= {
    "ledger_entry_reversed_once": _REFUSALS["LG008"],
    "ledger_hold_within_authorisation": _REFUSALS["LG010"],
    "ledger_hold_refund_within_capture": _REFUSALS["LG013"],
}


def _refusal(error: DatabaseError) -> Refused | None:
    """What the database's error means to the caller; None if it is no refusal but a fault."""
    cause = error.__cause__
    if not isinstance(cause, psycopg.Error):
        return None
    for rule in (cause.sqlstate, cause.diag.constraint_name):
        if rule in _REFUSALS:
            return _refusal_of(rule)
    return None


def _refusal_of(rule: str) -> Refused:
    """The refusal that a SQLSTATE or the name of a constraint stands for."""
    known = _REFUSALS[rule]
    return type(known)(known.message)


# --- calling the database --------------------------------------------------------------------------------------------


_Answer = TypeVar("_Answer")


def _refusing(work: Callable[[BaseDatabaseWrapper], _Answer]) -> _Answer:
    """Does the work, turns the database's refusals into ours, and keeps the caller's transaction usable after one."""
    database = connections[DEFAULT_DB_ALIAS]  # looked up once: each look through Django's proxy takes microseconds
    try:
        if not database.in_atomic_block:
            return work(database)
        with transaction.atomic():
            return work(database)
    except DatabaseError as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        raise refusal from error


class _OfThread(threading.local):
    """The cursor of the connection that this thread has.

    A new one for each call looks up anew how a UUID is written and a number read: measured, with what Django's own
    cursor does besides, a third of what a posting costs the client.
    """

    cursor: psycopg.Cursor[tuple[Any, ...]] | None = None


_of_thread = _OfThread()


def _execute(database: BaseDatabaseWrapper, sql: str, parameters: Sequence[Any]) -> tuple[Any, ...]:
    """The one row that a statement returns. From the second time on, PostgreSQL has it prepared for the connection.

    Django's own cursor writes the parameters into the text of each statement, which then is another one every time.
    Planned each time, a posting costs the server a third more. ``settings.DATABASES`` says when statements are prepared.
    """
    database.close_if_health_check_failed()
    database.ensure_connection()
    database.validate_no_broken_transaction()
    cursor = _of_thread.cursor
    if cursor is None or cursor.connection is not database.connection:
        cursor = _of_thread.cursor = psycopg.Cursor(database.connection)
    with database.wrap_database_errors:
        row = cursor.execute(sql, parameters).fetchone()
    assert row is not None
    return row


def _call(sql: str, parameters: Sequence[Any]) -> tuple[Any, ...]:
    for attempt in range(1, _ATTEMPTS_MAX + 1):
        try:
            return _refusing(lambda database: _execute(database, sql, parameters))
        except OperationalError as error:
            # Ended to resolve a deadlock. Nothing was written, and the same key makes it safe to ask again; within a
            # transaction of the caller's, all of that would have to be repeated.
            if connection.in_atomic_block or attempt == _ATTEMPTS_MAX or not _is_deadlock(error):
                raise
    raise AssertionError("the last attempt returns or raises")


_ATTEMPTS_MAX = 10


def _is_deadlock(error: OperationalError) -> bool:
    return isinstance(error.__cause__, psycopg.errors.DeadlockDetected)


def _amount(amount: int) -> int:
    if isinstance(amount, bool) or not isinstance(amount, int):
        raise TypeError(f"an amount is a whole number of micro-credits, not {amount!r}")
    if not 0 < amount <= AMOUNT_MAX:
        raise InvalidInput("An amount must be greater than zero.", field="amount")
    return amount


AccountRef = Account | str
HoldRef = Hold | int
EntryRef = Entry | int


def _code(account: AccountRef) -> str:
    return account.code if isinstance(account, Account) else account


def _id(row: Hold | Entry | int) -> int:
    return row if isinstance(row, int) else row.pk


# --- accounts --------------------------------------------------------------------------------------------------------


def _open(
    kinds: Sequence[tuple[str, AccountKind]],
    *,
    home: str | None = None,
    award: str | None = None,
    tranches: Sequence[int | None] | None = None,
) -> list[Account]:
    """Get or open the accounts, in their order, as accounts of a call (``home``) and of tranches of an award."""
    accounts = Account.objects.raw(
        """
        SELECT account.*
        FROM unnest(%s::text[], %s::text[], %s::smallint[]) WITH ORDINALITY AS wanted (code, kind, tranche, place)
        CROSS JOIN LATERAL ledger_open_account(
            wanted.code, wanted.kind, %s::smallint, %s, %s, wanted.tranche
        ) account
        ORDER BY wanted.place
        """,
        [
            [code for code, _ in kinds],
            [kind.value for _, kind in kinds],
            tranches or [None] * len(kinds),
            *(Unit.CREDIT.value, home, award),
        ],
    )
    return _refusing(lambda _: list(accounts))


def open_account(code: str, kind: AccountKind) -> Account:
    """Get the account of this code or open it, empty. The kind decides class, floor and whether it is deferred.

    It belongs to the call with whose credits it is first used. Raises ``InvalidInput`` if the code is taken by an account
    of another kind.
    """
    return _open([(code, kind)])[0]


def close_account(account: AccountRef) -> None:
    """From now on every posting to the account is refused with :class:`AccountClosed`."""
    _call("SELECT ledger_set_closed(%s, true)", [_code(account)])


def reopen_account(account: AccountRef) -> None:
    """Undo :func:`close_account`."""
    _call("SELECT ledger_set_closed(%s, false)", [_code(account)])


def call_accounts(call_key: str) -> CallAccounts:
    """The accounts of a call, opened if they are not. The key is any word that names the call for good."""
    accounts = chart.call_accounts(call_key)
    # The available account stands for the call, so it is opened first.
    _open(accounts.kinds[::-1], home=accounts.available)
    return accounts


def award_accounts(award_key: str, call_key: str | None = None) -> AwardAccounts:
    """The accounts of an award and its first tranche, opened if they are not."""
    accounts = chart.award_accounts(award_key)
    home = None if call_key is None else call_accounts(call_key).available
    _open(accounts.kinds, home=home, award=accounts.available, tranches=[1, 1, 0])
    return accounts


def tranche_accounts(award_key: str, tranche: int) -> TrancheAccounts:
    """The accounts of a tranche of an award that is open, opened if they are not."""
    accounts = chart.tranche_accounts(award_key, tranche)
    _open(accounts.kinds, award=chart.award_accounts(award_key).available, tranches=[tranche] * 2)
    return accounts


def provider_accounts(provider_key: str, call_key: str) -> ProviderAccounts:
    """The accounts of a provider under one call, opened if they are not. ``accrued`` is the payee of holds."""
    accounts = chart.provider_accounts(provider_key, call_key)
    _open(accounts.kinds, home=call_accounts(call_key).available)
    return accounts


# --- moving credits --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """``amount`` micro-credits flow from the debit account to the credit account."""

    debit: AccountRef
    credit: AccountRef
    amount: int


class Posted(NamedTuple):
    """An entry that is in the books. ``replayed``: it was there before this call."""

    entry_id: int
    replayed: bool


def post(
    kind: EntryKind, lines: Sequence[Line], *, key: uuid.UUID, by: Actor, at: datetime, reason: str = ""
) -> Posted:
    """Write one entry: all its lines or none, in their order. **Here credits move.**

    Raises :class:`InsufficientCredits`, :class:`UnknownAccount`, :class:`AccountClosed`, :class:`UnitMismatch`,
    :class:`OtherCall`, :class:`OutsideWindow`, :class:`OutlivesWindow`, :class:`KeyReused`; ``InvalidInput`` for an amount
    that is not positive, for no lines, and for lines that touch a held account (``hold`` and its kin move those).
    """
    _check(kind, lines)
    about = by.audit_id, reason, at
    try:
        if len(lines) == 1:
            (line,) = lines
            entry_id, replayed = _call(
                "SELECT entry_id, replayed FROM ledger_post_line(%s, %s, %s, %s, %s::bigint, %s, %s, %s)",
                [key, kind.value, _code(line.debit), _code(line.credit), line.amount, *about],
            )
        else:
            debits, credits = [_code(line.debit) for line in lines], [_code(line.credit) for line in lines]
            entry_id, replayed = _call(
                "SELECT entry_id, replayed FROM ledger_post(%s, %s, %s::text[], %s::text[], %s::bigint[], %s, %s, %s)",
                [key, kind.value, debits, credits, [line.amount for line in lines], *about],
            )
    except InsufficientCredits as refusal:
        raise _with_figures(refusal, [(_code(line.debit), line.amount) for line in lines]) from refusal.__cause__
    return Posted(entry_id, replayed)


def _check(kind: EntryKind, lines: Sequence[Line]) -> None:
    """Refuses what can be refused without looking into the books."""
    if kind not in PLAIN:
        raise ValueError(f"entries of kind {kind} have an action of their own")
    for line in lines:
        if _code(line.debit) == _code(line.credit):
            raise InvalidInput("Credits move between two different accounts.")
        _amount(line.amount)


def _with_figures(refusal: InsufficientCredits, taken: Iterable[tuple[str, int]]) -> InsufficientCredits:
    """The refusal with what was needed and what there is. The figures are read after the fact and may have moved on."""
    needed: dict[str, int] = {}
    for code, amount in taken:
        needed[code] = needed.get(code, 0) + amount
    for account in Account.objects.filter(code__in=needed, has_floor=True):
        wanted, available = needed[account.code], account.credits - account.debits
        if wanted > available:
            return InsufficientCredits(
                f"There are not enough credits: {as_text(wanted)} needed, {as_text(available)} available.",
                field="amount",
            )
    return refusal


def fund(call_key: str, amount: int, *, key: uuid.UUID, by: Actor, at: datetime, reason: str = "") -> Posted:
    """A sponsor puts credits into a call: commitment → available."""
    call = call_accounts(call_key)
    return post(EntryKind.FUND, [Line(call.commitment, call.available, amount)], key=key, by=by, at=at, reason=reason)


def withdraw_funds(call_key: str, amount: int, *, key: uuid.UUID, by: Actor, at: datetime, reason: str = "") -> Posted:
    """A sponsor takes credits back out of a call: available → commitment. Raises :class:`InsufficientCredits`."""
    call = call_accounts(call_key)
    return post(EntryKind.FUND, [Line(call.available, call.commitment, amount)], key=key, by=by, at=at, reason=reason)


def award(
    call_key: str,
    award_key: str,
    amount: int,
    *,
    opens_at: datetime | None = None,
    closes_at: datetime | None = None,
    tranche: int = 1,
    key: uuid.UUID,
    by: Actor,
    at: datetime,
    reason: str = "",
) -> Posted:
    """A decision moves credits from a call to an award, where they can be spent from ``opens_at`` until ``closes_at``.

    What is left then goes back to the call (:func:`lapse`). The window is the tranche's, is part of the request that ``key``
    stands for, and is set by the first award to the tranche; a later one names the window that it has, or none.
    Raises :class:`InsufficientCredits` if the call has fewer, ``InvalidInput`` for another window, and what :func:`post` raises.
    """
    source, target = call_accounts(call_key).available, award_accounts(award_key, call_key).available
    if tranche != 1:
        target = tranche_accounts(award_key, tranche).available
    if opens_at is None and closes_at is None:
        return post(EntryKind.AWARD, [Line(source, target, amount)], key=key, by=by, at=at, reason=reason)
    try:
        entry_id, replayed = _call(
            "SELECT entry_id, replayed FROM ledger_award(%s, %s, %s, %s::bigint, %s, %s, %s, %s, %s)",
            [key, source, target, _amount(amount), opens_at, closes_at, by.audit_id, reason, at],
        )
    except InsufficientCredits as refusal:
        raise _with_figures(refusal, [(source, amount)]) from refusal.__cause__
    return Posted(entry_id, replayed)


def return_to_call(
    call_key: str, award_key: str, amount: int, *, key: uuid.UUID, by: Actor, at: datetime, reason: str = ""
) -> Posted:
    """An award gives back credits that it has available. Raises :class:`InsufficientCredits` if it has fewer."""
    source, target = award_accounts(award_key).available, call_accounts(call_key).available
    return post(EntryKind.RETURN, [Line(source, target, amount)], key=key, by=by, at=at, reason=reason)


def transfer(
    from_award: str,
    to_award: str,
    amount: int,
    *,
    tranche: int = 1,
    key: uuid.UUID,
    by: Actor,
    at: datetime,
    reason: str = "",
) -> Posted:
    """Move credits of an award to a tranche of another: those that expire first, first; all or nothing.

    The caller sees to it that both awards are one project's; here they must be of one call (:class:`OtherCall`). Credits
    never last longer by being moved: only tranches that end no earlier than the receiving one give
    (:class:`OutlivesWindow`). Raises :class:`InsufficientCredits` if the open tranches have fewer, :class:`OutsideWindow`
    if the receiving tranche is over, :class:`UnknownAccount` if there is no such award or tranche.
    """
    source, target = chart.award_accounts(from_award).available, chart.tranche_accounts(to_award, tranche).available
    try:
        entry_id, replayed = _call(
            "SELECT entry_id, replayed FROM ledger_transfer(%s, %s, %s, %s::bigint, %s, %s, %s)",
            [key, source, target, _amount(amount), by.audit_id, reason, at],
        )
    except InsufficientCredits as refusal:
        raise _with_figures_of_award(refusal, from_award, amount, at=at) from refusal.__cause__
    return Posted(entry_id, replayed)


def _with_figures_of_award(
    refusal: InsufficientCredits, award_key: str, wanted: int, *, at: datetime
) -> InsufficientCredits:
    """The refusal with what was needed and what the open tranches have. The figures may have moved on."""
    tranches = Account.objects.filter(award__code=chart.award_accounts(award_key).available, kind=AccountKind.AVAILABLE)
    is_open = (Q(opens_at=None) | Q(opens_at__lte=at)) & (Q(closes_at=None) | Q(closes_at__gt=at))
    available = sum(tranche.credits - tranche.debits for tranche in tranches.filter(is_open))
    if wanted <= available:
        return refusal
    return InsufficientCredits(
        f"There are not enough credits: {as_text(wanted)} needed, {as_text(available)} available.", field="amount"
    )


# --- windows ---------------------------------------------------------------------------------------------------------


def set_window(
    award_key: str,
    *,
    opens_at: datetime | None,
    closes_at: datetime | None,
    tranche: int = 1,
    key: uuid.UUID,
    by: Actor,
    at: datetime,
    reason: str,
) -> None:
    """Set or move the window of a tranche: its credits can be spent from ``opens_at`` until ``closes_at``.

    Raises :class:`OutsideWindow` if its window is over, ``InvalidInput`` if the new one would end by ``at``. Every window
    that a tranche ever had stays on record, with who set it and why.
    """
    _call(
        "SELECT window_id, replayed FROM ledger_set_window(%s, %s, %s, %s, %s, %s, %s)",
        [
            *(key, chart.tranche_accounts(award_key, tranche).available, opens_at, closes_at),
            *(by.audit_id, reason, at),
        ],
    )


def lapse(*, before: datetime, by: Actor, limit: int = 1000) -> list[str]:
    """Give what wallets have left whose window ended by ``before`` to their calls, as entries at the moment each ended.

    Returns the wallets, the first to end first, at most ``limit``: call again until the list is empty. Any number of
    workers may do this at once. Call it outside a transaction, so that each wallet is emptied in one of its own.
    """
    due = Account.objects.filter(closes_at__lte=before, credits__gt=F("debits")).order_by("closes_at", "pk")[:limit]
    lapsed = []
    for wallet_id, code in due.values_list("pk", "code"):
        with suppress(AccountClosed):
            (entry_id,) = _call("SELECT ledger_lapse(%s::bigint, %s, %s)", [wallet_id, before, by.audit_id])
            if entry_id is not None:
                lapsed.append(code)
    return lapsed


# --- holds -----------------------------------------------------------------------------------------------------------


def hold(
    *,
    wallet: AccountRef,
    held: AccountRef,
    payee: AccountRef,
    amount: int,
    expires_at: datetime,
    key: uuid.UUID,
    by: Actor,
    at: datetime,
) -> Hold:
    """Set credits aside: they move from ``wallet`` to ``held``, and can be captured for ``payee`` until ``expires_at``.

    ``expires_at`` is part of the request that ``key`` stands for: derive it from what is stored. A replay returns the
    hold as it is now. Raises :class:`InsufficientCredits` if the wallet has fewer, and what :func:`post` raises.
    """
    codes = [_code(wallet), _code(held), _code(payee)]
    if len(set(codes)) < len(codes):
        raise InvalidInput("A hold needs three different accounts.")
    try:
        row = _call(
            f"SELECT {_HOLD_COLUMNS} FROM ledger_hold(%s, %s, %s, %s, %s::bigint, %s, %s, %s)",  # noqa: S608  # our own words
            [key, *codes, _amount(amount), expires_at, by.audit_id, at],
        )
    except InsufficientCredits as refusal:
        raise _with_figures(refusal, [(_code(wallet), amount)]) from refusal.__cause__
    except InvalidInput as refusal:
        raise _of_expiry(refusal, expires_at, at) from refusal.__cause__
    return _hold_of(row)


def draw(
    award_key: str, *, payee: AccountRef, amount: int, expires_at: datetime, key: uuid.UUID, by: Actor, at: datetime
) -> Hold:
    """Set credits of an award aside, like :func:`hold`: those of the open tranches that end first, first; all or nothing.

    The hold is one, over however many tranches, and everything that is done with it is one entry: captures take the part
    that ends first, first; what is given back goes to the tranche it came from, or to the call if that is over.
    Raises :class:`InsufficientCredits` if the open tranches together have fewer, :class:`OutsideWindow` if the award has
    one tranche, which is not open, and what :func:`hold` raises.
    """
    try:
        row = _call(
            f"SELECT {_HOLD_COLUMNS} FROM ledger_draw(%s, %s, %s, %s::bigint, %s, %s, %s)",  # noqa: S608  # our own words
            [
                *(key, chart.award_accounts(award_key).available, _code(payee), _amount(amount), expires_at),
                *(by.audit_id, at),
            ],
        )
    except InsufficientCredits as refusal:
        raise _with_figures_of_award(refusal, award_key, amount, at=at) from refusal.__cause__
    except InvalidInput as refusal:
        raise _of_expiry(refusal, expires_at, at) from refusal.__cause__
    return _hold_of(row)


_HOLD_FIELDS = Hold._meta.concrete_fields
_HOLD_COLUMNS = ", ".join(field.column for field in _HOLD_FIELDS)


def _hold_of(row: tuple[Any, ...]) -> Hold:
    """A hold from a row that a function returned. Its accounts are read when somebody asks for them."""
    return Hold.from_db(connection.alias, [field.attname for field in _HOLD_FIELDS], row)


def _of_expiry(refusal: InvalidInput, expires_at: datetime, at: datetime) -> InvalidInput:
    """The refusal, in better words if it was because of when the hold runs out."""
    return refusal if expires_at > at else InvalidInput("A hold must run out after it starts.", field="expires_at")


def get_hold(hold: HoldRef) -> Hold:
    """The hold as it is now, with its accounts. Raises :class:`HoldNotLive` if there is none."""
    found = Hold.objects.select_related("wallet", "held", "payee").filter(pk=_id(hold)).first()
    if found is None:
        raise HoldNotLive("There is no such hold.")
    return found


def capture(
    hold: HoldRef,
    amount: int,
    *,
    key: uuid.UUID,
    by: Actor,
    at: datetime,
    final: bool = False,
    beyond: bool = False,
) -> Posted:
    """Usage takes credits from a hold: they move to its payee. With ``final`` the rest goes back at once.

    Usage that really happened is recorded ``beyond`` what the hold has, even if it ran out: its payee gets the amount, and
    what the hold does not cover becomes a debt of the award (:func:`repay`), in the same entry.

    Otherwise raises :class:`OverCapture` if the hold has fewer left, :class:`HoldNotLive` if it is used up or ran out
    before ``at``.
    """
    entry_id, replayed = _call(
        "SELECT entry_id, replayed FROM ledger_capture(%s, %s::bigint, %s::bigint, %s, %s, %s, %s)",
        [key, _id(hold), _amount(amount), final, by.audit_id, at, beyond],
    )
    return Posted(entry_id, replayed)


def repay(award_key: str, amount: int, *, key: uuid.UUID, by: Actor, at: datetime, reason: str = "") -> Posted:
    """An award pays its debt, or part of it, from its open tranches: those that end first, first; all or nothing.

    A call can pay it too: ``post`` an entry of this kind from the call's available account to the award's debt.
    Raises :class:`OverRepayment` if the award owes less, :class:`InsufficientCredits` if it has fewer.
    """
    try:
        entry_id, replayed = _call(
            "SELECT entry_id, replayed FROM ledger_repay(%s, %s, %s::bigint, %s, %s, %s)",
            [key, chart.award_accounts(award_key).available, _amount(amount), by.audit_id, reason, at],
        )
    except InsufficientCredits as refusal:
        raise _with_figures_of_award(refusal, award_key, amount, at=at) from refusal.__cause__
    return Posted(entry_id, replayed)


def release(hold: HoldRef, *, key: uuid.UUID, by: Actor, at: datetime) -> Posted:
    """Give whatever a hold has left back to its wallet, or to the call if the wallet's window is over by ``at``.

    Raises :class:`NothingToRelease` if that is nothing.
    """
    return _give_back(_id(hold), EntryKind.RELEASE, key=key, by=by, at=at)


def _give_back(hold_id: int, kind: EntryKind, *, key: uuid.UUID, by: Actor, at: datetime) -> Posted:
    entry_id, replayed = _call(
        "SELECT entry_id, replayed FROM ledger_release(%s, %s::bigint, %s, %s, %s)",
        [key, hold_id, kind.value, by.audit_id, at],
    )
    return Posted(entry_id, replayed)


def expire(*, before: datetime, by: Actor, limit: int = 1000) -> list[int]:
    """Give back what is left of holds that ran out by ``before``, as entries at the moment each ran out.

    Returns the ids of the holds, oldest first, at most ``limit``: call again until the list is empty. Any number of
    workers may do this at once. Call it outside a transaction, so that each hold is returned in one of its own.
    """
    due = Hold.objects.filter(is_open=True, expires_at__lte=before).order_by("expires_at", "pk")[:limit]
    expired = []
    for hold_id, expires_at in due.values_list("pk", "expires_at"):
        try:
            posted = _give_back(
                hold_id, EntryKind.EXPIRE, key=uuid.uuid5(NAMESPACE, f"expire:{hold_id}"), by=by, at=expires_at
            )
        except (NothingToRelease, AccountClosed):
            continue
        if not posted.replayed:
            expired.append(hold_id)
    return expired


# --- many at once ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """What :func:`post` is asked, as a part of a batch."""

    kind: EntryKind
    lines: Sequence[Line]
    key: uuid.UUID
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CaptureDraft:
    """What :func:`capture` is asked, as a part of a batch."""

    hold: HoldRef
    amount: int
    key: uuid.UUID
    at: datetime
    final: bool = False


Draft = EntryDraft | CaptureDraft


class BatchRefused(Refused):
    """Nothing of the batch was written, because one draft was refused: ``drafts[place]``, for the reason ``refusal``."""

    code = "batch_refused"

    def __init__(self, place: int, refusal: Refused) -> None:
        super().__init__(f"Number {place + 1} was refused: {refusal.message}", field=refusal.field)
        self.place = place
        self.refusal = refusal


def post_batch(drafts: Sequence[Draft], *, by: Actor) -> list[Posted]:
    """Write many entries, all or none, in their order; much faster than one by one.

    Raises :class:`BatchRefused` if :func:`post` or :func:`capture`, called for each draft in turn, would refuse one.
    A draft whose key was used for the same request, earlier or in this batch, is replayed.
    """
    columns = _Columns()
    for place, draft in enumerate(drafts):
        try:
            columns.add(draft)
        except Refused as refusal:
            raise BatchRefused(place, refusal) from refusal
    try:
        entry_ids, replayed, _ = columns.post(by=by, all_or_nothing=True)
    except Refused as refusal:
        raise _of_the_batch(refusal) from refusal.__cause__
    return list(map(Posted._make, zip(entry_ids, replayed, strict=True)))


def post_each(drafts: Sequence[Draft], *, by: Actor) -> list[Posted | Refused]:
    """Write what can be written of many entries; what came of each, in the order of the drafts.

    The outcomes are those of calling :func:`post` and :func:`capture` for each draft in turn: a refused draft changes
    nothing, and the next ones find what the earlier ones left.
    """
    columns = _Columns()
    impossible: list[tuple[int, Refused]] = []
    for place, draft in enumerate(drafts):
        try:
            columns.add(draft)
        except Refused as refusal:
            impossible.append((place, refusal))
    entry_ids, replayed, refusals = columns.post(by=by, all_or_nothing=False)
    outcomes: list[Posted | Refused] = [
        Posted(entry_id, again) if rule is None else _refusal_of(rule)
        for entry_id, again, rule in zip(entry_ids, replayed, refusals, strict=True)
    ]
    for place, impossibility in impossible:
        outcomes.insert(place, impossibility)
    return outcomes


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _Columns:
    """Drafts as the database takes them: column by column, as text. Every microsecond here is one for each draft."""

    def __init__(self) -> None:
        # Of each draft; moments in microseconds, and where its lines begin.
        self.keys: list[str] = []
        self.kinds: list[str] = []
        self.reasons: list[str] = []
        self.moments: list[str] = []
        self.holds: list[str] = []
        self.amounts: list[str] = []
        self.finals: list[str] = []
        self.first_lines: list[str] = []
        # Of each line.
        self.debits: list[int] = []
        self.credits: list[int] = []
        self.line_amounts: list[int] = []
        self.places_of_codes: dict[str, int] = {}

    def add(self, draft: Draft) -> None:
        """Refuses what can be refused without looking into the books, and adds nothing then."""
        kind, reason, hold, amount, final = "capture", '""', "NULL", "NULL", "NULL"
        first_line = str(len(self.debits) + 1)
        if isinstance(draft, CaptureDraft):
            hold, amount, final = str(_id(draft.hold)), str(_amount(draft.amount)), "t" if draft.final else "f"
        else:
            _check(draft.kind, draft.lines)
            kind, reason = draft.kind.value, _quoted(draft.reason)
            for line in draft.lines:
                self.debits.append(self._place_of(line.debit))
                self.credits.append(self._place_of(line.credit))
                self.line_amounts.append(line.amount)
        self.keys.append(draft.key.hex)
        self.kinds.append(kind)
        self.reasons.append(reason)
        self.moments.append(str((draft.at - _EPOCH) // _MICROSECOND))
        self.holds.append(hold)
        self.amounts.append(amount)
        self.finals.append(final)
        self.first_lines.append(first_line)

    def _place_of(self, account: AccountRef) -> int:
        return self.places_of_codes.setdefault(_code(account), len(self.places_of_codes) + 1)

    def post(self, *, by: Actor, all_or_nothing: bool) -> tuple[list[int], list[bool], list[str | None]]:
        if not self.keys:
            return [], [], []
        columns: list[Iterable[str]] = [
            *(self.keys, self.kinds, self.reasons, self.moments, self.holds, self.amounts, self.finals),
            map(_quoted, self.places_of_codes),
            (*self.first_lines, str(len(self.debits) + 1)),
            *(map(str, column) for column in (self.debits, self.credits, self.line_amounts)),
        ]
        # The driver would ask each element of a list how it wants to be written.
        arrays = ["{" + ",".join(column) + "}" for column in columns]
        entry_ids, replayed, refusals = _call(
            """
            SELECT entry_ids, replayed, refusals
            FROM ledger_post_batch(
                %s, %s::text[], %s, %s::uuid[], %s::text[], %s::text[],
                ARRAY(SELECT timestamptz 'epoch' + unnest(%s::bigint[]) * interval '1 microsecond'),
                %s::bigint[], %s::bigint[], %s::boolean[], %s::text[], %s::int[], %s::int[], %s::int[], %s::bigint[]
            )
            """,
            [all_or_nothing, list(_REFUSALS), by.audit_id, *arrays],
        )
        return entry_ids, replayed, refusals


def _quoted(text: str) -> str:
    """A text as an element of an array."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _of_the_batch(refusal: Refused) -> Refused:
    """The refusal of a whole batch, of which the database says where it was."""
    error = refusal.__cause__
    cause = error.__cause__ if error is not None else None
    if isinstance(cause, psycopg.Error) and (cause.diag.message_hint or "").isdecimal():
        return BatchRefused(int(cause.diag.message_hint or "") - 1, refusal)
    return refusal


# --- corrections -----------------------------------------------------------------------------------------------------


def refund(capture: EntryRef, amount: int, *, key: uuid.UUID, by: Actor, at: datetime, reason: str = "") -> Posted:
    """A provider gives back part of a capture. All refunds of one capture together never exceed it.

    It first pays what the award owes for this capture; the rest goes to the wallet, or to the call if the wallet's window
    is over. Of several tranches, the one that was taken last is given back first.
    Raises :class:`OverRefund` beyond that, :class:`NotReversible` if the entry is not a capture.
    """
    entry_id, replayed = _call(
        "SELECT entry_id, replayed FROM ledger_refund(%s, %s::bigint, %s::bigint, %s, %s, %s)",
        [key, _id(capture), _amount(amount), by.audit_id, reason, at],
    )
    return Posted(entry_id, replayed)


def reverse(entry: EntryRef, *, key: uuid.UUID, by: Actor, reason: str, at: datetime) -> Posted:
    """Undo a mistake: the mirror image of an entry, at most once. What a capture took goes back like a refund.

    Raises :class:`NotReversible` if it was reversed or refunded already, or is of a kind that is not undone (a hold is
    released, a refund is captured again), and :class:`InsufficientCredits` if the credits have moved on.
    """
    try:
        entry_id, replayed = _call(
            "SELECT entry_id, replayed FROM ledger_reverse(%s, %s::bigint, %s, %s, %s)",
            [key, _id(entry), by.audit_id, reason, at],
        )
    except InsufficientCredits as refusal:
        raise InsufficientCredits(
            "These credits have been used since, so this cannot be undone."
        ) from refusal.__cause__
    return Posted(entry_id, replayed)


# --- upkeep ----------------------------------------------------------------------------------------------------------


def roll_up() -> int:
    """Bring the rows of deferred accounts up to date, so that reading them stays cheap; returns how many moved.

    Changes no balance. Call it outside a transaction. An account is left for the next time while an older
    transaction that may still post is running.
    """
    if connection.in_atomic_block:
        raise RuntimeError("checkpoints need transactions of their own")
    moved = 0
    for account_id in Account.objects.filter(deferred=True).order_by("pk").values_list("pk", flat=True):
        (written,) = _call("SELECT ledger_checkpoint(%s::bigint)", [account_id])
        moved += written
    return moved


def seal(*, at: datetime) -> int:
    """Hash what was committed since the last seal, block by block, into the chain of seals; returns how many blocks.

    The audit trail is told each block's hash. Call it outside a transaction. What an older transaction may still be
    writing is left for the next time.
    """
    if connection.in_atomic_block:
        raise RuntimeError("seals need transactions of their own")
    (last_number,) = _call("SELECT last_value FROM ledger_entry_id_seq", [])
    blocks = 0
    while sealed_to := _seal_block(at):
        blocks += 1
        if sealed_to >= last_number:  # what was written meanwhile is for the next time, or this would never end
            break
    return blocks


@transaction.atomic
def _seal_block(at: datetime) -> int | None:
    (seal_id,) = _call("SELECT ledger_seal_block()", [])
    if seal_id is None:
        return None
    block = Seal.objects.defer("ids", "places", "leaves").get(pk=seal_id)
    data = {"upto": block.upto_id, "hash": block.hash.hex()}
    audit.record(LedgerEvent.SEAL, by=CLOCK, about=block, at=at, data=data)
    return block.upto_id
