"""What was used and what it cost: reports, records, charges, and the ledger's entries that they became.

Records and charges are added and never changed, except that a waiting record is rated when its reason is gone and that a
charge is put on a statement.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from earthcode.catalogue.metrics import Metric
from earthcode.catalogue.models import Platform
from earthcode.identity.models import Organisation, User
from earthcode.identity.roles import Permission
from earthcode.lib.claim import Claimable
from earthcode.lifecycle import Group, HasLifecycle, State
from earthcode.provisioning.models import Allocation
from earthcode.sponsorship.models import Call


class Channel(models.TextChoices):
    """How a report came in."""

    API = "api", "API"
    CSV = "csv", "CSV file"
    FOCUS = "focus", "FOCUS file"
    POLL = "poll", "Read from the platform"
    PAGE = "page", "Entered on the site"


class UsageReportQuerySet(models.QuerySet["UsageReport"]):
    def visible_to(self, user: User) -> UsageReportQuerySet:
        """Those of the platforms that one runs, and all for those who may see all statements."""
        if user.may(Permission.STATEMENT_VIEW):
            return self.all()
        return self.filter(platform__provider__in=user.grants.providers_with(Permission.USAGE_REPORT))


class UsageReport(models.Model):
    """Lines that came in together, and what became of them."""

    platform = models.ForeignKey(Platform, on_delete=models.PROTECT, related_name="usage_reports")
    channel = models.CharField(max_length=8, choices=Channel.choices)
    received_at = models.DateTimeField()
    by = models.CharField(max_length=100, help_text="audit_id of who sent it")
    lines = models.PositiveIntegerField(default=0)
    charged = models.PositiveIntegerField(default=0, help_text="Lines that were rated, also those that cost nothing")
    repeated = models.PositiveIntegerField(default=0, help_text="Lines that were there already")
    waiting = models.PositiveIntegerField(default=0, help_text="Lines that cannot be rated yet")
    refused = models.PositiveIntegerField(default=0)
    amount = models.BigIntegerField(default=0, help_text="Micro-credits charged, less those given back")
    refusals = models.JSONField(
        default=list, help_text="The first lines that were refused: number, id, field, code, message"
    )
    complete_until = models.DateTimeField(
        null=True, blank=True, help_text="The sender says that nothing before it is still to come"
    )

    objects: ClassVar[models.Manager[UsageReport]] = UsageReportQuerySet.as_manager()

    class Meta:
        ordering = ["-received_at", "-pk"]
        indexes = [models.Index(fields=["platform", "-received_at"], name="settlement_reports_newest")]

    def __str__(self) -> str:
        return f"Usage report {self.pk}"

    @property
    def project_scope(self) -> None:
        return None

    @property
    def provider_scope(self) -> frozenset[int]:
        return self.platform.provider_scope


class Waiting(models.TextChoices):
    """Why a record is not rated; each says what has to happen."""

    UNKNOWN_ALLOCATION = "unknown_allocation", "There is no such allocation on this platform."
    UNKNOWN_COMPONENT = "unknown_component", "The plan counts nothing of this name."
    NO_RATE = "no_rate", "The plan has no price for this."
    UNKNOWN_UNIT = "unknown_unit", "This unit cannot be converted to the plan's."
    NOT_ACTIVE = "not_active", "Nobody had access yet when this was used."
    USAGE_CLOSED = "usage_closed", "The last usage of this allocation was in already: ESA decides."


class UsageRecordQuerySet(models.QuerySet["UsageRecord"]):
    def waiting(self) -> UsageRecordQuerySet:
        """Those that cannot be rated yet, and that nothing has replaced."""
        return self.exclude(waiting_for="").filter(replaced_by=None)


class UsageRecord(models.Model):
    """One version of what a platform says was used. A growing record has several; the last one counts."""

    platform = models.ForeignKey(Platform, on_delete=models.PROTECT, related_name="usage_records")
    source = models.CharField(max_length=40, blank=True, help_text="Which meter, where a connector reads several")
    feed = models.CharField(max_length=80, blank=True, help_text="Changes when the meter's store was made anew")
    record_id = models.CharField(max_length=200)
    version = models.PositiveSmallIntegerField(default=1)
    content_hash = models.BinaryField(max_length=16)
    report = models.ForeignKey(UsageReport, on_delete=models.PROTECT, related_name="records")
    line = models.PositiveIntegerField(help_text="Its number in the report")
    allocation_name = models.CharField(max_length=200, help_text="As the platform wrote it")
    allocation = models.ForeignKey(
        Allocation, null=True, blank=True, on_delete=models.PROTECT, related_name="usage_records"
    )
    component = models.CharField(max_length=200)
    quantity = models.DecimalField(max_digits=33, decimal_places=18, help_text="In the unit that was reported")
    unit = models.CharField(max_length=200)
    used_from = models.DateTimeField()
    used_until = models.DateTimeField()
    person = models.CharField(max_length=200, blank=True)
    job = models.CharField(max_length=200, blank=True)
    kind = models.CharField(max_length=8, default="closed")
    waiting_for = models.CharField(max_length=20, blank=True, choices=Waiting.choices, help_text="Why it is not rated")
    replaced_by = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="replaced", help_text="Its correction"
    )

    objects: ClassVar[UsageRecordQuerySet] = UsageRecordQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-used_from", "-pk"]
        constraints = [
            models.UniqueConstraint(
                "platform", "source", "feed", "record_id", "version", name="settlement_record_counts_once"
            ),
            models.CheckConstraint(condition=Q(quantity__gte=0), name="settlement_record_not_negative"),
            models.CheckConstraint(condition=Q(used_until__gt=F("used_from")), name="settlement_record_has_duration"),
            models.CheckConstraint(
                condition=Q(waiting_for="", allocation__isnull=False) | Q(waiting_for__in=Waiting.values),
                name="settlement_record_is_rated_or_waits",
            ),
        ]
        indexes = [
            models.Index(fields=["platform"], name="settlement_waiting", condition=~Q(waiting_for="")),
            models.Index(fields=["allocation", "-used_from"], name="settlement_records_newest"),
        ]

    def __str__(self) -> str:
        return self.record_id

    @property
    def quantity_words(self) -> str:
        """The quantity in the unit's own words where the unit is one of ours, else as it was reported."""
        unit = Metric(self.unit).plural if self.unit in Metric else self.unit
        return f"{self.quantity.normalize():f} {unit}"


class Meter(models.Model):
    """How much an allocation has used of one component in each of its months: what the next line is rated from.

    A sum over its charges, kept so that rating a line reads no others; ``books`` compares the two.
    """

    allocation = models.ForeignKey(Allocation, on_delete=models.PROTECT, related_name="meters")
    metric = models.CharField(max_length=20)
    label = models.CharField(max_length=200)
    by_month = models.JSONField(default=dict, help_text="Month counted from zero → quantity as text")
    quantity = models.DecimalField(max_digits=33, decimal_places=18, default=0)
    amount = models.BigIntegerField(default=0, help_text="What it costs, in micro-credits; refunds are not in it")

    class Meta:
        ordering = ["allocation", "metric", "label"]
        constraints = [models.UniqueConstraint("allocation", "metric", "label", name="settlement_meter_once")]

    def __str__(self) -> str:
        return f"{self.label} of {self.allocation_id}"


class ChargeKind(models.TextChoices):
    USAGE = "usage", "Usage"
    #: What a correction takes back of the record that it replaces.
    CORRECTION = "correction", "Correction"
    REFUND = "refund", "Refund"


class Charge(models.Model):
    """What one record adds to what an allocation costs: below zero where something is given back. Rounded here, once."""

    allocation = models.ForeignKey(Allocation, on_delete=models.PROTECT, related_name="charges")
    record = models.ForeignKey(UsageRecord, on_delete=models.PROTECT, related_name="charges")
    report = models.ForeignKey(
        UsageReport,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="charges",
        help_text="Empty: a refund",
    )
    kind = models.CharField(max_length=10, choices=ChargeKind.choices, default=ChargeKind.USAGE)
    metric = models.CharField(max_length=20)
    label = models.CharField(max_length=200)
    month = models.DateField(help_text="First day of the calendar month in which it was used")
    quantity = models.DecimalField(max_digits=33, decimal_places=18, help_text="In the component's own unit")
    charged = models.DecimalField(
        max_digits=33, decimal_places=18, help_text="Of it, or of blocks begun, what is not free"
    )
    micro_per_unit = models.DecimalField(max_digits=25, decimal_places=9)
    amount = models.BigIntegerField(help_text="Micro-credits")
    reason = models.TextField(blank=True, help_text="Why it was given back")
    key = models.UUIDField(null=True, blank=True, unique=True, help_text="What a refund was asked under")
    at = models.DateTimeField()
    statement_line = models.ForeignKey(
        "StatementLine",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="charges",
        help_text="Empty: comes with the next statement",
    )

    class Meta:
        ordering = ["-at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(kind=ChargeKind.REFUND) | (Q(amount__lt=0, quantity=0) & ~Q(reason="")),
                name="settlement_refund_gives_back_for_a_reason",
            ),
        ]
        indexes = [models.Index(fields=["allocation", "-at"], name="settlement_charges_newest")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"


class Taken(models.Model):
    """What the ledger took from an allocation's hold for one report, or gave back: the sub-ledger's side of an entry."""

    allocation = models.ForeignKey(Allocation, on_delete=models.PROTECT, related_name="taken")
    report = models.ForeignKey(UsageReport, null=True, blank=True, on_delete=models.PROTECT, related_name="taken")
    entry_id = models.BigIntegerField(unique=True, help_text="The ledger's entry")
    amount = models.BigIntegerField(help_text="Micro-credits; below zero: given back")
    given_back = models.BigIntegerField(default=0, help_text="Of it, by later rows")
    of = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="backs")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                "report", "allocation", condition=Q(amount__gt=0), name="settlement_one_capture_per_hold_and_report"
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0, of__isnull=True, given_back__gte=0, given_back__lte=F("amount"))
                | Q(amount__lt=0, of__isnull=False, given_back=0),
                name="settlement_taken_makes_sense",
            ),
        ]
        indexes = [models.Index(fields=["allocation", "-id"], name="settlement_taken_newest")]

    def __str__(self) -> str:
        return f"entry {self.entry_id}"


class Feed(Claimable):
    """The reading of one allocation's usage from its platform: where it stopped, and when it goes on."""

    allocation = models.OneToOneField(Allocation, on_delete=models.PROTECT, related_name="feed")
    cursor = models.TextField(blank=True, help_text="What the connector gave to go on from")
    read_at = models.DateTimeField(null=True, blank=True, help_text="When the platform last answered")
    complete_until = models.DateTimeField(
        null=True, blank=True, help_text="The platform says that nothing before it is still to come"
    )
    error = models.TextField(blank=True, help_text="Why the last reading failed")

    class Meta:
        ordering = ["due_at", "pk"]
        indexes = [models.Index(fields=["due_at"], name="settlement_feed_due")]

    def __str__(self) -> str:
        return f"usage of {self.allocation}"


class AlertKind(models.TextChoices):
    USED = "used", "Percent of the credits used"
    ENDS = "ends", "Days before the end"


class Alert(models.Model):
    """What a project was told about an allocation, once for each level."""

    allocation = models.ForeignKey(Allocation, on_delete=models.PROTECT, related_name="alerts")
    kind = models.CharField(max_length=5, choices=AlertKind.choices)
    level = models.PositiveSmallIntegerField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-pk"]
        constraints = [models.UniqueConstraint("allocation", "kind", "level", name="settlement_alert_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.level}"


class Exhaustion(models.Model):
    """An allocation whose credits are used up, and how far that has gone. Removed when credits are back.

    The audit trail keeps what was.
    """

    allocation = models.OneToOneField(Allocation, on_delete=models.PROTECT, related_name="exhaustion")
    used_up_at = models.DateTimeField(help_text="When it was seen")
    step = models.CharField(
        max_length=12,
        blank=True,
        help_text="What the platform was asked for (connectors.base.SuspendStep); empty: it can suspend nothing",
    )
    ends_at = models.DateTimeField(null=True, blank=True, help_text="When access ends unless credits come back")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(step="", ends_at=None, ended_at=None)
                | ~Q(step="") & Q(ends_at__isnull=False, ends_at__gte=F("used_up_at")),
                name="settlement_grace_follows_suspension",
            )
        ]

    def __str__(self) -> str:
        return f"{self.allocation}"


class StatementStatus(State):
    """Words and codes as in the interface (``web/parts/statuses.py`` has icon and colour)."""

    ISSUED = "issued", Group.DECIDING, "To agree"
    AGREED = "agreed", Group.DECIDING, "Agreed"
    APPROVED = "approved", Group.ANSWERING, "Approved"
    INVOICED = "invoiced", Group.DECIDING, "Invoiced"
    PAID = "paid", Group.OVER, "Paid"
    CARRIED = "carried", Group.OVER, "Carried over"


class StatementQuerySet(models.QuerySet["Statement"]):
    def visible_to(self, user: User) -> StatementQuerySet:
        """Those of the organisations that one administers, and all for those who may see all."""
        if user.may(Permission.STATEMENT_VIEW):
            return self.all()
        return self.filter(provider__in=user.grants.providers_with(Permission.STATEMENT_VIEW))


class Statement(HasLifecycle):
    """What a provider earned under one call up to the end of a month, and is paid. Its lines never change once issued."""

    number = models.CharField(max_length=24, unique=True)
    provider = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="statements")
    call = models.ForeignKey(Call, on_delete=models.PROTECT, related_name="statements")
    month = models.DateField(help_text="First day of the month that it closes")
    status = models.CharField(max_length=8, choices=StatementStatus.choices, default=StatementStatus.ISSUED)
    issued_at = models.DateTimeField()
    total = models.BigIntegerField(help_text="Micro-credits, the sum of its lines")
    content_hash = models.CharField(
        max_length=64, help_text="SHA-256 of its lines, as statements.content_hash writes them"
    )
    cut_off = models.BigIntegerField(help_text="The ledger’s last entry when it was issued")
    agreed = models.BigIntegerField(null=True, blank=True, help_text="Micro-credits, without the lines in dispute")
    first_approval = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="The first of two managers"
    )
    invoice_number = models.CharField(max_length=60, blank=True)
    paid_on = models.DateField(null=True, blank=True)
    payment_reference = models.CharField(max_length=100, blank=True)

    objects: ClassVar[StatementQuerySet] = StatementQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-month", "-pk"]
        constraints = [
            models.UniqueConstraint("provider", "call", "month", name="settlement_statement_once_a_month"),
            models.UniqueConstraint(
                "provider", "invoice_number", condition=~Q(invoice_number=""), name="settlement_invoice_once"
            ),
            models.CheckConstraint(condition=Q(total__gt=0), name="settlement_statement_is_positive"),
            models.CheckConstraint(
                condition=Q(status__in=StatementStatus.values), name="settlement_statement_status_is_known"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["agreed", "approved", "invoiced", "paid"]) | Q(agreed__gt=0),
                name="settlement_agreed_is_positive",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["invoiced", "paid"]) | ~Q(invoice_number=""),
                name="settlement_invoiced_has_number",
            ),
            models.CheckConstraint(
                condition=Q(status="paid", paid_on__isnull=False) | (~Q(status="paid") & Q(paid_on__isnull=True)),
                name="settlement_paid_has_day",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    def get_absolute_url(self) -> str:
        return reverse("statement", args=[self.number])

    @property
    def project_scope(self) -> None:
        return None

    @property
    def provider_scope(self) -> frozenset[int]:
        return frozenset({self.provider_id})


class StatementLine(models.Model):
    """Charges of one allocation, component, month and rate, added up."""

    statement = models.ForeignKey(Statement, on_delete=models.PROTECT, related_name="lines")
    place = models.PositiveIntegerField(help_text="Counted from 1")
    allocation = models.ForeignKey(Allocation, on_delete=models.PROTECT, related_name="statement_lines")
    kind = models.CharField(max_length=10, choices=ChargeKind.choices)
    metric = models.CharField(max_length=20)
    label = models.CharField(max_length=200)
    month = models.DateField(help_text="First day of the month in which it was used")
    quantity = models.DecimalField(max_digits=33, decimal_places=18)
    charged = models.DecimalField(max_digits=33, decimal_places=18)
    micro_per_unit = models.DecimalField(max_digits=25, decimal_places=9)
    amount = models.BigIntegerField(help_text="Micro-credits")
    charges_count = models.PositiveIntegerField()
    dispute = models.TextField(blank=True, help_text="Why the provider does not agree; the line is carried over then")

    class Meta:
        ordering = ["statement", "place"]
        constraints = [models.UniqueConstraint("statement", "place", name="settlement_line_place_once")]

    def __str__(self) -> str:
        return f"line {self.place} of {self.statement}"
