"""The books as tables. Rows are written by the functions in ``sql/`` only; the database refuses every other way.

Amounts are whole micro-credits. A posting is one row that *is* a debit and a credit of the same amount, so an
unbalanced entry cannot be written down. An account row caches its lifetime totals; each posting repeats them.
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn, TypeVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import ExpressionWrapper, F, Q

from earthcode.ledger.kinds import AccountClass, AccountKind, EntryKind, Unit

Row = TypeVar("Row", bound=models.Model)


class ReadOnlyBooksError(TypeError):
    """Somebody tried to write the books through the ORM. Use ``earthcode.ledger.actions``."""

    def __init__(self) -> None:
        super().__init__("the books are written by earthcode.ledger.actions only")


class ReadOnlyQuerySet(models.QuerySet[Row]):
    """Reads. Everything that writes raises; the database would refuse it too."""

    def create(self, **_: Any) -> NoReturn:
        raise ReadOnlyBooksError

    def bulk_create(self, *_: Any, **__: Any) -> NoReturn:
        raise ReadOnlyBooksError

    def bulk_update(self, *_: Any, **__: Any) -> NoReturn:
        raise ReadOnlyBooksError

    def update(self, **_: Any) -> NoReturn:
        raise ReadOnlyBooksError

    def delete(self) -> NoReturn:
        raise ReadOnlyBooksError


class ReadOnly(models.Model):
    """A table of the books."""

    class Meta:
        abstract = True

    def save(self, *_: Any, **__: Any) -> NoReturn:
        raise ReadOnlyBooksError

    def delete(self, *_: Any, **__: Any) -> NoReturn:
        raise ReadOnlyBooksError


class Account(ReadOnly):
    """A place credits can be, and its cached totals. Its kind decides class, floor and whether it is deferred.

    Only accounts that grow by credits have floors. Rules that cannot change after a row was added are held where rows are
    added (``sql/accounts.sql``): PostgreSQL reads a CHECK anew for each statement, and these rows are updated all day.
    """

    id = models.BigAutoField(primary_key=True)
    code = models.TextField(help_text="Name in the chart of accounts, for example award:NOR-7:available")
    kind = models.TextField(choices=AccountKind.choices)
    account_class = models.TextField(choices=AccountClass.choices, db_column="class")
    unit = models.SmallIntegerField(choices=Unit.choices)
    has_floor = models.BooleanField(help_text="May not fall below zero")
    deferred = models.BooleanField(help_text="Totals are brought up to date by checkpoints, not by each posting")
    closed = models.BooleanField(help_text="Nothing can be posted any more")
    home = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
        help_text="The call it belongs to, by that call's available account. Credits stay in their call",
    )
    award = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
        help_text="The award it is of, by the available account of that award's first tranche",
    )
    tranche = models.SmallIntegerField(
        null=True, help_text="Which tranche of the award it is of; 0 for the whole award"
    )
    opens_at = models.DateTimeField(null=True, help_text="Its credits cannot be spent before")
    closes_at = models.DateTimeField(null=True, help_text="Its credits cannot be spent from then on")
    debits = models.BigIntegerField(help_text="Sum of all debits, in micro-credits")
    credits = models.BigIntegerField(help_text="Sum of all credits, in micro-credits")
    seq = models.BigIntegerField(help_text="How many sides of postings the totals contain")
    rolled_to = models.BigIntegerField(help_text="Last entry in the totals of a deferred account")

    objects: ClassVar[ReadOnlyQuerySet[Account]] = ReadOnlyQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        db_table = "ledger_account"
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(fields=["code"], name="ledger_account_code_is_unique"),
            models.CheckConstraint(
                condition=Q(has_floor=False) | Q(credits__gte=F("debits")), name="ledger_account_not_overdrawn"
            ),
            models.UniqueConstraint(
                fields=["award", "kind", "tranche"],
                condition=Q(award__isnull=False),
                name="ledger_account_tranche_is_unique",
            ),
        ]
        indexes = [
            models.Index("closes_at", condition=Q(closes_at__isnull=False), name="ledger_account_by_end"),
        ]

    def __str__(self) -> str:
        return self.code


class Window(ReadOnly):
    """From when and until when the credits of a wallet can be spent, as it was set once. The latest one is on its row.

    Numbered together with the entries, so that seals cover both.
    """

    id = models.BigIntegerField(primary_key=True)
    account = models.ForeignKey(Account, models.PROTECT, related_name="windows", db_constraint=False, db_index=False)
    opens_at = models.DateTimeField(null=True)
    closes_at = models.DateTimeField(null=True)
    after_seq = models.BigIntegerField(help_text="Number of the account's last posting before it")
    idempotency_key = models.UUIDField()
    request_hash = models.BinaryField(help_text="What was asked under this key")
    actor = models.TextField(help_text="audit_id of the person or system behind it")
    reason = models.TextField(blank=True)
    effective_at = models.DateTimeField(help_text="When it was set")
    recorded_at = models.DateTimeField(help_text="When it was written")

    objects: ClassVar[ReadOnlyQuerySet[Window]] = ReadOnlyQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        db_table = "ledger_window"
        ordering = ["account_id", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["idempotency_key"], name="ledger_window_key_is_unique"),
        ]
        indexes = [
            models.Index("account", "after_seq", name="ledger_window_by_account"),
        ]

    def __str__(self) -> str:
        return f"window {self.pk}"


class Hold(ReadOnly):
    """Credits set aside for somebody to take. What is left of open holds is what their `held` accounts hold.

    A hold on several tranches of an award has a part for each; `wallet` and `held` are those of its first part then.
    """

    id = models.BigAutoField(primary_key=True)
    wallet = models.ForeignKey(Account, models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    held = models.ForeignKey(Account, models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    payee = models.ForeignKey(Account, models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    tranches = models.SmallIntegerField(help_text="How many parts it has; an ordinary hold is its own only part")
    authorised = models.BigIntegerField()
    captured = models.BigIntegerField()
    released = models.BigIntegerField()
    owed = models.BigIntegerField(help_text="Usage beyond the hold, which became a debt of the award")
    refunded = models.BigIntegerField(help_text="What the payee gave back of what was captured or owed")
    expires_at = models.DateTimeField()
    is_open = models.GeneratedField(
        expression=ExpressionWrapper(
            Q(authorised__gt=F("captured") + F("released")), output_field=models.BooleanField()
        ),
        output_field=models.BooleanField(),
        db_persist=True,
        help_text="Something is left to capture or release",
    )

    objects: ClassVar[ReadOnlyQuerySet[Hold]] = ReadOnlyQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        db_table = "ledger_hold"
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(authorised__gte=F("captured") + F("released")), name="ledger_hold_within_authorisation"
            ),
            models.CheckConstraint(
                condition=Q(refunded__lte=F("captured") + F("owed")), name="ledger_hold_refund_within_capture"
            ),
        ]
        indexes = [
            models.Index("expires_at", condition=Q(is_open=True), name="ledger_hold_open_by_expiry"),
            models.Index("held", condition=Q(is_open=True), name="ledger_hold_open_by_account"),
        ]

    def __str__(self) -> str:
        return f"hold {self.pk}"

    @property
    def remaining(self) -> int:
        """Micro-credits that can still be captured or released."""
        return self.authorised - self.captured - self.released

    @property
    def used(self) -> int:
        """Micro-credits that its payee took for good, owed or not."""
        return self.captured + self.owed - self.refunded


class HoldPart(ReadOnly):
    """What a hold on several tranches has set aside of one. Parts are taken in the order of `place`."""

    pk = models.CompositePrimaryKey("hold_id", "place")
    hold = models.ForeignKey(Hold, models.PROTECT, related_name="parts", db_constraint=False, db_index=False)
    place = models.SmallIntegerField()
    wallet = models.ForeignKey(Account, models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    held = models.ForeignKey(Account, models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    authorised = models.BigIntegerField()
    captured = models.BigIntegerField()
    released = models.BigIntegerField()

    objects: ClassVar[ReadOnlyQuerySet[HoldPart]] = ReadOnlyQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        db_table = "ledger_hold_part"
        ordering = ["hold_id", "place"]
        constraints = [
            models.CheckConstraint(
                condition=Q(authorised__gte=F("captured") + F("released")), name="ledger_hold_part_within_authorisation"
            ),
            models.UniqueConstraint(fields=["hold", "wallet"], name="ledger_hold_part_wallet_is_unique"),
            models.UniqueConstraint(fields=["hold", "held"], name="ledger_hold_part_held_is_unique"),
        ]

    def __str__(self) -> str:
        return f"part {self.place} of hold {self.hold_id}"


class Entry(ReadOnly):
    """One event in the books: why, by whom and when credits moved. Its postings say how many, from where to where.

    Which kinds need a hold or an earlier entry is checked by the writing function, the only one that can insert.
    """

    id = models.BigAutoField(primary_key=True)
    idempotency_key = models.UUIDField()
    request_hash = models.BinaryField(help_text="What was asked under this key")
    kind = models.TextField(choices=EntryKind.choices)
    hold = models.ForeignKey(
        Hold, models.PROTECT, null=True, related_name="entries", db_constraint=False, db_index=False
    )
    reverses = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="reversed_by", db_constraint=False, db_index=False
    )
    actor = models.TextField(help_text="audit_id of the person or system behind it")
    reason = models.TextField(blank=True)
    effective_at = models.DateTimeField(help_text="When it counts")
    recorded_at = models.DateTimeField(help_text="When it was written")

    objects: ClassVar[ReadOnlyQuerySet[Entry]] = ReadOnlyQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        db_table = "ledger_entry"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["idempotency_key"], name="ledger_entry_key_is_unique"),
            models.UniqueConstraint(
                fields=["reverses"], condition=Q(kind=EntryKind.REVERSE), name="ledger_entry_reversed_once"
            ),
        ]
        indexes = [
            models.Index("hold", "id", condition=Q(hold__isnull=False), name="ledger_entry_by_hold"),
        ]

    def __str__(self) -> str:
        return f"entry {self.pk}"


class Posting(ReadOnly):
    """One line of an entry: `amount` flows from the debit account to the credit account.

    `seq` and `total` are what the account's row said after this line, on each side; both are null on the side of a
    deferred account. No foreign keys in the database: a check would write a lock into the row of a busy deferred account
    (measured: a third of the throughput). Only the writing function inserts here, and ``verify`` looks.
    """

    pk = models.CompositePrimaryKey("entry_id", "line")
    entry = models.ForeignKey(Entry, models.PROTECT, related_name="postings", db_constraint=False, db_index=False)
    line = models.SmallIntegerField()
    unit = models.SmallIntegerField(choices=Unit.choices)
    debit = models.ForeignKey(Account, models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    credit = models.ForeignKey(Account, models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    amount = models.BigIntegerField()
    debit_seq = models.BigIntegerField(null=True)
    debit_total = models.BigIntegerField(null=True)
    credit_seq = models.BigIntegerField(null=True)
    credit_total = models.BigIntegerField(null=True)

    objects: ClassVar[ReadOnlyQuerySet[Posting]] = ReadOnlyQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        db_table = "ledger_posting"
        ordering = ["entry_id", "line"]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="ledger_posting_amount_is_positive"),
            models.CheckConstraint(condition=~Q(debit=F("credit")), name="ledger_posting_has_two_accounts"),
        ]
        indexes = [
            models.Index("debit", "debit_seq", "entry_id", name="ledger_posting_by_debit"),
            models.Index("credit", "credit_seq", "entry_id", name="ledger_posting_by_credit"),
        ]

    def __str__(self) -> str:
        return f"entry {self.entry_id} line {self.line}"


class Checkpoint(ReadOnly):
    """What a deferred account had come to after an entry. Adding one brings the account's row up to date."""

    pk = models.CompositePrimaryKey("account_id", "upto_entry")
    account = models.ForeignKey(Account, models.PROTECT, related_name="checkpoints", db_index=False)
    upto_entry = models.BigIntegerField()
    debits = models.BigIntegerField()
    credits = models.BigIntegerField()
    seq = models.BigIntegerField()

    objects: ClassVar[ReadOnlyQuerySet[Checkpoint]] = ReadOnlyQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        db_table = "ledger_checkpoint"
        ordering = ["account_id", "upto_entry"]

    def __str__(self) -> str:
        return f"account {self.account_id} up to entry {self.upto_entry}"


class Span(ReadOnly):
    """The sums of a thousand postings of an account that follow one another, and from when to when they count.

    It covers what lies after one place of the account and up to another: numbers of postings, or, for a deferred account,
    of entries.
    """

    pk = models.CompositePrimaryKey("account_id", "upto")
    account = models.ForeignKey(Account, models.PROTECT, related_name="spans", db_constraint=False, db_index=False)
    after = models.BigIntegerField(help_text="The last place before it")
    upto = models.BigIntegerField(help_text="Its last place")
    seq = models.BigIntegerField(help_text="How many postings the account has up to its last place")
    debits = models.BigIntegerField()
    credits = models.BigIntegerField()
    first_at = models.DateTimeField(help_text="The first moment from which one of its postings counts")
    last_at = models.DateTimeField(help_text="The last moment from which one of its postings counts")

    objects: ClassVar[ReadOnlyQuerySet[Span]] = ReadOnlyQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        db_table = "ledger_span"
        ordering = ["account_id", "upto"]

    def __str__(self) -> str:
        return f"postings of account {self.account_id} after {self.after} up to {self.upto}"


class AccountEvent(ReadOnly):
    """An account was opened, closed or opened again. Numbered together with the entries, so that seals cover both."""

    id = models.BigIntegerField(primary_key=True)
    account = models.ForeignKey(Account, models.PROTECT, related_name="events", db_constraint=False, db_index=False)
    kind = models.TextField(choices=[("open", "opened"), ("close", "closed"), ("reopen", "opened again")])
    recorded_at = models.DateTimeField()

    objects: ClassVar[ReadOnlyQuerySet[AccountEvent]] = ReadOnlyQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        db_table = "ledger_account_event"
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"account event {self.pk}"


class Seal(ReadOnly):
    """The hashes of the rows of one block, and one hash over them and the seal before (``sql/seals.sql``).

    A block holds every row whose number is above the last one's ``upto_id`` and not above its own. Row *n* stands at
    ``(ids[n], places[n])``, and ``leaves`` has 32 bytes for each.
    """

    id = models.BigIntegerField(primary_key=True)
    upto_id = models.BigIntegerField()
    ids = ArrayField(models.BigIntegerField())
    places = ArrayField(models.SmallIntegerField())
    leaves = models.BinaryField()
    hash = models.BinaryField()
    sealed_at = models.DateTimeField()

    objects: ClassVar[ReadOnlyQuerySet[Seal]] = ReadOnlyQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        db_table = "ledger_seal"
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"seal {self.pk}"


class Verification(models.Model):
    """The clock verified the whole books. This and the next are no books: they say what was found, and may be removed."""

    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    rules = models.IntegerField(help_text="How many rules were checked")
    rules_broken = models.IntegerField()
    entries = models.BigIntegerField(help_text="How many entries there were")
    head = models.TextField(blank=True, help_text="Hash of the newest seal, in hexadecimal")

    class Meta:
        db_table = "ledger_verification"
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"verification of {self.started_at:%Y-%m-%d}"

    @property
    def holds(self) -> bool:
        return self.rules_broken == 0


class BrokenRow(models.Model):
    """A row of the books of which a rule does not hold, from when that was found until a verification finds it mended."""

    rule = models.TextField()
    row = models.TextField()
    what = models.TextField()
    found_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "ledger_broken_row"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "row"], condition=Q(ended_at__isnull=True), name="ledger_broken_row_is_found_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.row}: {self.what}"
