"""The kinds of accounts and entries."""

from django.db import models


class Unit(models.IntegerChoices):
    """What an account counts. A posting moves one unit; units never mix."""

    CREDIT = 1, "micro-credit"


class AccountClass(models.TextChoices):
    """The bookkeeper's five classes. Assets and expenses grow by debits, the others by credits."""

    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    INCOME = "income"
    EXPENSE = "expense"


GROWS_BY_DEBITS = frozenset({AccountClass.ASSET, AccountClass.EXPENSE})


class AccountKind(models.TextChoices):
    """What an account stands for. ``sql/accounts.sql`` says what a kind decides: class, floor, and whether it is deferred.

    An account with a floor never falls below zero. Nor does a debt, which grows the other way: ``ledger_write`` refuses to
    repay more than is owed. A deferred account is not written when something is posted to it, so that a thousand postings
    at once need not queue for its row; it can have no floor.
    """

    COMMITMENT = "commitment", "what a sponsor stands behind and has not settled"
    AVAILABLE = "available", "credits that can be spent"
    HELD = "held", "credits set aside by open holds"
    ACCRUED = "accrued", "earned by a provider, not invoiced"
    INVOICED = "invoiced", "invoiced by a provider, not settled"
    DEBT = "debt", "owed by an award for usage that no hold covered"


class EntryKind(models.TextChoices):
    """Why credits moved."""

    FUND = "fund", "a sponsor puts credits into a call"
    AWARD = "award", "a decision moves credits from a call to an award"
    RETURN = "return", "an award gives back what it does not need"
    LAPSE = "lapse", "an award's window ended and what is left goes back to the call"
    TRANSFER = "transfer", "credits move between awards"
    REPAY = "repay", "an award pays its debt"
    INVOICE = "invoice", "a provider invoices what it has earned"
    SETTLE = "settle", "an invoice was paid and its credits retire"
    HOLD = "hold", "credits are set aside"
    CAPTURE = "capture", "usage takes credits from a hold"
    RELEASE = "release", "a hold gives back what is left"
    EXPIRE = "expire", "a hold ran out and gives back what is left"
    REFUND = "refund", "a provider gives back part of a capture"
    REVERSE = "reverse", "a mistake is undone"


#: Entries that change a hold and say which.
OF_A_HOLD = frozenset({EntryKind.HOLD, EntryKind.CAPTURE, EntryKind.RELEASE, EntryKind.EXPIRE, EntryKind.REFUND})
#: Entries that give back credits of an earlier one and say which.
OF_AN_ENTRY = frozenset({EntryKind.REFUND, EntryKind.REVERSE})
#: What ``actions.post`` may write; the other kinds have actions of their own.
PLAIN = frozenset(EntryKind) - OF_A_HOLD - OF_AN_ENTRY - {EntryKind.LAPSE}
