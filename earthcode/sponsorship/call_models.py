"""Calls, their credits and ESA's holidays; ``models`` has them for everybody else."""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from earthcode.catalogue.models import Tier
from earthcode.identity.models import User
from earthcode.lib.money import as_text
from earthcode.lifecycle import Group, HasLifecycle, State
from earthcode.sponsorship.rules import FIELDS as RULES
from earthcode.sponsorship.rules import OFFER_DAYS, ProjectType, Rules


class CallStatus(State):
    """Words and codes as in the interface."""

    PLANNED = "planned", Group.PREPARING, "Planned"
    OPEN = "open", Group.IN_FORCE, "Open"
    PAUSED = "paused", Group.PREPARING, "Paused"
    CLOSED = "closed", Group.OVER, "Closed"


class CallQuerySet(models.QuerySet["Call"]):
    def open_on(self, day: object) -> CallQuerySet:
        """Calls that take requests on this day."""
        return self.filter(status=CallStatus.OPEN, opens_on__lte=day).filter(
            Q(closes_on__isnull=True) | Q(closes_on__gte=day)
        )


class Call(HasLifecycle):
    """A frame with a budget (in the ledger, under ``slug``) and the rules under which requests are decided.

    The columns named in ``rules.FIELDS`` are its rules. A change of them is of no account to a request that was sent
    (``ResourceRequest.rules``).
    """

    slug = models.SlugField(max_length=60, unique=True)
    title = models.CharField(max_length=200)
    summary = models.TextField(blank=True)
    audience = models.TextField(blank=True, help_text="Who may ask and for what, in words; Markdown")
    conditions = models.TextField(blank=True, help_text="What an award under this call obliges to; Markdown")
    status = models.CharField(max_length=8, choices=CallStatus.choices, default=CallStatus.OPEN)
    # A call of before there were states is open since it is there.
    status_since = models.DateTimeField(db_default=Now())
    version = models.PositiveIntegerField(default=1, help_text="Counts the changes of texts and rules")
    opens_on = models.DateField()
    closes_on = models.DateField(null=True, blank=True, help_text="The last day; empty: it stays open")
    ceiling = models.BigIntegerField(help_text="The most one request may ask for, in micro-credits")
    project_ceiling = models.BigIntegerField(
        null=True, blank=True, help_text="The most that all awards of a project come to, in micro-credits"
    )
    months_max = models.PositiveSmallIntegerField(default=12)
    case_words_max = models.PositiveSmallIntegerField(default=300)
    decision_working_days = models.PositiveSmallIntegerField(default=10)
    countries = ArrayField(
        models.CharField(max_length=2), default=list, blank=True, help_text="Eligible countries; empty: any"
    )
    project_types = ArrayField(
        models.CharField(max_length=10, choices=ProjectType.choices),
        default=list,
        blank=True,
        help_text="Eligible kinds of projects; empty: any",
    )
    endorsed_tiers = ArrayField(
        models.CharField(max_length=20, choices=Tier.choices),
        default=list,
        blank=True,
        help_text="Tiers that need the endorsement of the project's Technical Officer",
    )
    two_managers_above = models.BigIntegerField(
        null=True, blank=True, help_text="More than this needs two managers, in micro-credits"
    )
    sent_with_open_quotations = models.BooleanField(
        default=True, help_text="Whether a request may be sent while a price was asked for and is not accepted"
    )
    offer_days = models.PositiveSmallIntegerField(default=OFFER_DAYS)
    overdraft_percent = models.PositiveSmallIntegerField(default=0)
    grace_days = models.PositiveSmallIntegerField(default=30)
    final_report_days = models.PositiveSmallIntegerField(default=90)

    objects: ClassVar[models.Manager[Call]] = CallQuerySet.as_manager()

    class Meta:
        ordering = ["-opens_on", "pk"]
        constraints = [
            models.CheckConstraint(condition=Q(ceiling__gt=0), name="sponsorship_call_has_ceiling"),
            models.CheckConstraint(
                condition=Q(closes_on__isnull=True) | Q(closes_on__gte=F("opens_on")),
                name="sponsorship_call_closes_after_opening",
            ),
            models.CheckConstraint(condition=Q(status__in=CallStatus.values), name="sponsorship_call_status_is_known"),
            models.CheckConstraint(
                condition=Q(project_ceiling__isnull=True) | Q(project_ceiling__gte=F("ceiling")),
                name="sponsorship_call_project_ceiling_covers_a_request",
            ),
            models.CheckConstraint(
                condition=Q(two_managers_above__isnull=True) | Q(two_managers_above__gte=0),
                name="sponsorship_call_two_managers_above_is_an_amount",
            ),
            models.CheckConstraint(
                condition=Q(months_max__range=(1, 60), offer_days__range=(1, 90), decision_working_days__range=(1, 60))
                & Q(overdraft_percent__lte=100, grace_days__lte=365, final_report_days__lte=730)
                & Q(case_words_max__range=(1, 20_000)),
                name="sponsorship_call_rules_are_within_reason",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def project_scope(self) -> None:
        return None

    @property
    def provider_scope(self) -> frozenset[int]:
        return frozenset()

    @property
    def rules(self) -> Rules:
        """As they are now."""
        return Rules.from_json({name: getattr(self, name) for name in RULES})

    def takes_requests_on(self, day: date) -> bool:
        """As ``open_on``."""
        return (
            self.status == CallStatus.OPEN
            and self.opens_on <= day
            and (self.closes_on is None or day <= self.closes_on)
        )


class Holiday(models.Model):
    """A day on which ESA does not work: the clock of decisions stands still."""

    day = models.DateField(unique=True)
    name = models.CharField(max_length=100)

    class Meta:
        ordering = ["day"]

    def __str__(self) -> str:
        return f"{self.day:%-d %B %Y}: {self.name}"


class FundingStatus(State):
    WAITING = "waiting", Group.DECIDING, "Waiting for a second manager"
    AGREED = "agreed", Group.IN_FORCE, "Agreed"
    DECLINED = "declined", Group.OVER, "Declined"


class CallFunding(HasLifecycle):
    """Credits that one manager wants to put into a call, and a second one agrees to; then the ledger has them, not before.

    ``source`` is the call that they are moved from; without one a sponsor adds them.
    """

    call = models.ForeignKey(Call, on_delete=models.PROTECT, related_name="fundings")
    source = models.ForeignKey(Call, null=True, blank=True, on_delete=models.PROTECT, related_name="fundings_out")
    amount = models.BigIntegerField(help_text="Micro-credits")
    reason = models.TextField()
    status = models.CharField(max_length=8, choices=FundingStatus.choices, default=FundingStatus.WAITING)
    key = models.UUIDField(unique=True, help_text="Made by whoever proposes: the same key again is the same proposal")
    proposed_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField()
    decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-proposed_at", "-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="sponsorship_funding_is_positive"),
            models.CheckConstraint(condition=~Q(reason=""), name="sponsorship_funding_has_reason"),
            models.CheckConstraint(
                condition=Q(source__isnull=True) | ~Q(source=F("call")), name="sponsorship_funding_from_another_call"
            ),
            models.CheckConstraint(
                condition=~Q(status=FundingStatus.AGREED) | Q(decided_by__isnull=False),
                name="sponsorship_funding_agreed_by_somebody",
            ),
            models.CheckConstraint(
                condition=~Q(status=FundingStatus.AGREED)
                | Q(proposed_by__isnull=True)
                | ~Q(proposed_by=F("decided_by")),
                name="sponsorship_funding_has_four_eyes",
            ),
        ]

    def __str__(self) -> str:
        return f"{as_text(self.amount)} credits for {self.call}"

    @property
    def project_scope(self) -> None:
        return None

    @property
    def provider_scope(self) -> frozenset[int]:
        return frozenset()
