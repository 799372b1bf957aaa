"""Calls, resource requests, and what becomes of them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from earthcode.catalogue.models import OfferingVersion, Plan
from earthcode.catalogue.pricing import Quote
from earthcode.identity.models import Project, User
from earthcode.identity.roles import Permission
from earthcode.lifecycle import Group, HasLifecycle, State
from earthcode.sponsorship.call_models import Call as Call
from earthcode.sponsorship.call_models import CallFunding as CallFunding
from earthcode.sponsorship.call_models import CallStatus as CallStatus
from earthcode.sponsorship.call_models import FundingStatus as FundingStatus
from earthcode.sponsorship.call_models import Holiday as Holiday
from earthcode.sponsorship.rules import Rules


class RequestStatus(State):
    """Words and codes as in the interface (``web/parts/statuses.py`` has icon and colour)."""

    DRAFT = "draft", Group.PREPARING, "Draft"
    IN_REVIEW = "in_review", Group.DECIDING, "In review"
    INFO_NEEDED = "info_needed", Group.ANSWERING, "Waiting for applicant"
    OFFERED = "offered", Group.ANSWERING, "Offer to accept"
    APPROVED = "approved", Group.IN_FORCE, "Approved"
    REJECTED = "rejected", Group.OVER, "Rejected"
    DECLINED = "declined", Group.OVER, "Declined"
    WITHDRAWN = "withdrawn", Group.OVER, "Withdrawn"


class ResourceRequestQuerySet(models.QuerySet["ResourceRequest"]):
    def visible_to(self, user: User) -> ResourceRequestQuerySet:
        """One's own projects' requests, those one supervises, and all that were ever sent for those who may see all."""
        # A request without a project is its author's alone; with one it is the project's, whoever wrote it.
        own = Q(created_by=user, project=None) | Q(project__in=user.grants.projects_with(Permission.REQUEST_VIEW))
        supervised = Q(project__technical_officer=user, submitted_at__isnull=False)
        if user.may(Permission.REQUEST_VIEW):
            return self.filter(own | Q(submitted_at__isnull=False))
        return self.filter(own | supervised)

    def editable_by(self, user: User) -> ResourceRequestQuerySet:
        """Those for which ``may_be_edited_by`` holds."""
        own = Q(created_by=user, project=None) | Q(project__in=user.grants.projects_with(Permission.REQUEST_EDIT))
        return self.filter(own, status__in=[RequestStatus.DRAFT, RequestStatus.INFO_NEEDED])


class ResourceRequest(HasLifecycle):
    """What a project asks of a call: lines on any number of platforms, a science case, declarations."""

    reference = models.CharField(max_length=20, unique=True)
    title = models.CharField(max_length=200)
    project = models.ForeignKey(
        Project, null=True, blank=True, on_delete=models.PROTECT, related_name="resource_requests"
    )
    call = models.ForeignKey(Call, null=True, blank=True, on_delete=models.PROTECT, related_name="resource_requests")
    status = models.CharField(max_length=12, choices=RequestStatus.choices, default=RequestStatus.DRAFT)
    starts_on = models.DateField(null=True, blank=True)
    science_case = models.TextField(blank=True, help_text="Markdown")
    non_commercial = models.BooleanField(default=False)
    no_provider_tie = models.BooleanField(default=False)
    will_publish = models.BooleanField(default=False)
    amount = models.BigIntegerField(default=0, help_text="Credits asked, in micro-credits: the sum of the lines")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="resource_requests")
    created_at = models.DateTimeField()
    saved_at = models.DateTimeField()
    submitted_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    submitted_at = models.DateTimeField(null=True, blank=True)
    decide_by = models.DateField(null=True, blank=True)
    offer_until = models.DateField(null=True, blank=True, help_text="The last day on which a part award is accepted")
    frozen_rules = models.JSONField(
        default=dict, blank=True, help_text="The call's rules when it was sent (``rules.Rules``); empty: not sent"
    )

    objects: ClassVar[models.Manager[ResourceRequest]] = ResourceRequestQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [models.Index("status", "submitted_at", name="sponsorship_queue")]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=0), name="sponsorship_request_amount_not_negative"),
            models.CheckConstraint(
                condition=Q(status__in=RequestStatus.values), name="sponsorship_request_status_is_known"
            ),
            models.CheckConstraint(
                condition=Q(status__in=[RequestStatus.DRAFT, RequestStatus.WITHDRAWN])
                | Q(project__isnull=False, call__isnull=False, submitted_by__isnull=False, submitted_at__isnull=False),
                name="sponsorship_sent_request_is_complete",
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    def get_absolute_url(self) -> str:
        return reverse("request", args=[self.reference])

    @property
    def project_scope(self) -> int | None:
        return self.project_id

    @property
    def provider_scope(self) -> frozenset[int]:
        return frozenset()

    @property
    def rules(self) -> Rules | None:
        """What it is held to: the call's rules of the day it was sent, or today's while it is a draft; None without a call."""
        if self.frozen_rules:
            return Rules.from_json(self.frozen_rules)
        return self.call.rules if self.call else None

    def may_be_edited_by(self, user: User) -> bool:
        """While it is a draft or a question is open: by the project's people, and by its author until it has a project."""
        if self.status not in (RequestStatus.DRAFT, RequestStatus.INFO_NEEDED):
            return False
        authors_own = self.project_id is None and self.created_by_id == user.pk
        return authors_own or user.may(Permission.REQUEST_EDIT, self)


class RequestLine(models.Model):
    """One plan, for a workload, at the rates of the day it was priced."""

    resource_request = models.ForeignKey(ResourceRequest, on_delete=models.CASCADE, related_name="lines")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="request_lines")
    version = models.ForeignKey(
        OfferingVersion,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="request_lines",
        help_text="What the offering said when it was asked for",
    )
    months = models.PositiveSmallIntegerField()
    workload = models.JSONField(help_text="catalogue.pricing.Workload")
    quote = models.JSONField(help_text="catalogue.pricing.Quote, with the rates it was made from")
    margin_percent = models.PositiveSmallIntegerField(
        default=0, help_text="On top of the quote, for what cannot be known yet"
    )
    amount = models.BigIntegerField(help_text="Micro-credits: the total of the quote, and the margin")
    quoted_at = models.DateTimeField()
    terms = models.JSONField(
        default=list,
        blank=True,
        help_text="Of an accepted quotation: what usage is rated by (catalogue.terms.Term); empty: the plan's own terms",
    )
    offered = models.BigIntegerField(
        null=True, blank=True, help_text="Micro-credits that a part award offers for it; empty: there is none"
    )
    valid_until = models.DateField(
        null=True, blank=True, help_text="Of an accepted quotation: it has to be granted by then"
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint("resource_request", "plan", name="sponsorship_plan_once_in_request"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="sponsorship_line_amount_not_negative"),
            models.CheckConstraint(condition=Q(margin_percent__lte=100), name="sponsorship_line_margin_at_most_all"),
            models.CheckConstraint(
                condition=Q(offered__isnull=True) | Q(offered__gte=0, offered__lte=F("amount")),
                name="sponsorship_line_offered_at_most_what_was_asked",
            ),
        ]

    def __str__(self) -> str:
        return str(self.plan)

    @property
    def is_priced(self) -> bool:
        """Whether there is a price. Where not, one was asked for (``Quotation``), and the amount is zero until it is accepted."""
        return bool(self.quote["lines"])

    @property
    def margin(self) -> int:
        """Micro-credits that are asked for on top of the quote."""
        return self.amount - Quote.from_json(self.quote).total


class QuotationStatus(State):
    """Words and codes as in the interface."""

    ASKED = "asked", Group.DECIDING, "Price asked for"
    ANSWERED = "answered", Group.ANSWERING, "Answered"
    ACCEPTED = "accepted", Group.IN_FORCE, "Accepted"
    DECLINED = "declined", Group.OVER, "Declined"
    LAPSED = "lapsed", Group.OVER, "Lapsed"
    WITHDRAWN = "withdrawn", Group.OVER, "Withdrawn"


class QuotationQuerySet(models.QuerySet["Quotation"]):
    def open_to_an_answer(self) -> QuotationQuerySet:
        """Those that the provider may still answer, for the first time or anew."""
        return self.filter(status__in=[QuotationStatus.ASKED, QuotationStatus.ANSWERED])

    def visible_to(self, user: User) -> QuotationQuerySet:
        """One's own projects', those of the providers one answers for, and all of them for those who see every request."""
        if user.may(Permission.REQUEST_VIEW):
            return self.all()
        return self.filter(
            Q(resource_request__project__in=user.grants.projects_with(Permission.REQUEST_VIEW))
            | Q(plan__offering__platform__provider__in=user.grants.providers_with(Permission.QUOTATION_ANSWER))
        )


class Quotation(HasLifecycle):
    """A provider's price for one plan of a request: asked for and answered here, frozen once it is accepted.

    It outlives its line: what a provider was asked stays readable when the plan was taken out of the request.
    """

    reference = models.CharField(max_length=20, unique=True)
    resource_request = models.ForeignKey(ResourceRequest, on_delete=models.PROTECT, related_name="quotations")
    line = models.ForeignKey(RequestLine, null=True, blank=True, on_delete=models.SET_NULL, related_name="quotations")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="quotations")
    status = models.CharField(max_length=9, choices=QuotationStatus.choices, default=QuotationStatus.ASKED)
    workload = models.JSONField(help_text="catalogue.workload.Workload")
    words = models.TextField(help_text="What the applicant tells the provider")
    work_days = models.PositiveSmallIntegerField(
        default=0, help_text="Days of somebody's work, for support or training"
    )
    shares_case = models.BooleanField(default=False, help_text="Whether the provider may read the science case")
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    answer_by = models.DateField()
    note = models.TextField(blank=True, help_text="Why it was declined, or what the applicant wants to be different")
    quote = models.JSONField(default=dict, blank=True, help_text="catalogue.pricing.Quote; empty: not answered yet")
    total = models.BigIntegerField(default=0, help_text="Micro-credits")
    valid_until = models.DateField(null=True, blank=True)
    conditions = models.TextField(blank=True)
    answered_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    answered_at = models.DateTimeField(null=True, blank=True)
    is_recorded = models.BooleanField(default=False, help_text="Came by mail and was put in by ESA")

    objects: ClassVar[QuotationQuerySet] = QuotationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-asked_at", "-pk"]
        indexes = [models.Index("status", "answer_by", name="sponsorship_quotation_due")]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=QuotationStatus.values), name="sponsorship_quotation_status_is_known"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=[QuotationStatus.ANSWERED, QuotationStatus.ACCEPTED])
                | Q(total__gt=0, valid_until__isnull=False, answered_by__isnull=False, answered_at__isnull=False),
                name="sponsorship_answered_quotation_has_a_price",
            ),
            models.UniqueConstraint(
                "resource_request",
                "plan",
                condition=Q(status__in=[QuotationStatus.ASKED, QuotationStatus.ANSWERED, QuotationStatus.ACCEPTED]),
                name="sponsorship_one_live_quotation_of_a_plan",
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def project_scope(self) -> int | None:
        return self.resource_request.project_id

    @property
    def provider_scope(self) -> frozenset[int]:
        return frozenset({self.plan.offering.platform.provider_id})


class Attachment(models.Model):
    """A file of a request, or of a quotation of it; ``attachments.checked`` says what may be kept."""

    resource_request = models.ForeignKey(ResourceRequest, on_delete=models.PROTECT, related_name="attachments")
    quotation = models.ForeignKey(
        Quotation, null=True, blank=True, on_delete=models.PROTECT, related_name="attachments"
    )
    name = models.CharField(max_length=120)
    media_type = models.CharField(max_length=40)
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    content = models.BinaryField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["at", "pk"]
        constraints = [
            models.UniqueConstraint(
                "resource_request", "quotation", "sha256", nulls_distinct=False, name="sponsorship_same_file_once"
            ),
            models.CheckConstraint(
                condition=Q(size__gt=0, size__lte=10 * 1024 * 1024), name="sponsorship_attachment_is_small"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Outcome(models.TextChoices):
    PASS = "pass", "Holds"
    WARN = "warn", "Look at this"
    FAIL = "fail", "Does not hold"


class Check(models.Model):
    """What an automatic check said when the request was sent. Kept as it was; a new sending makes new ones."""

    resource_request = models.ForeignKey(ResourceRequest, on_delete=models.CASCADE, related_name="checks")
    code = models.CharField(max_length=40)
    outcome = models.CharField(max_length=4, choices=Outcome.choices)
    sentence = models.TextField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.code}: {self.outcome}"


class Endorsement(models.Model):
    """The Technical Officer's word that the request has their support."""

    resource_request = models.OneToOneField(ResourceRequest, on_delete=models.PROTECT, related_name="endorsement")
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="endorsements")
    note = models.TextField(blank=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.by} endorses {self.resource_request}"


class DecisionKind(models.TextChoices):
    APPROVE = "approve", "Approve in full"
    FIRST = "first", "Approved by the first of two"
    OFFER = "offer", "Offer a part"
    ASK = "ask", "Ask a question"
    REJECT = "reject", "Reject"


class Decision(models.Model):
    """What an ESA manager decided, with the reason the applicant reads. Never changed."""

    resource_request = models.ForeignKey(ResourceRequest, on_delete=models.PROTECT, related_name="decisions")
    kind = models.CharField(max_length=10, choices=DecisionKind.choices)
    reason = models.TextField()
    amount = models.BigIntegerField(default=0, help_text="Micro-credits granted or offered")
    findings = models.JSONField(
        default=list, blank=True, help_text="What the checks said on that day: code, outcome and sentence of each"
    )
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="decisions")
    at = models.DateTimeField()

    class Meta:
        ordering = ["at", "pk"]
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="sponsorship_decision_has_reason"),
            models.UniqueConstraint(
                "resource_request",
                condition=Q(kind__in=[DecisionKind.APPROVE, DecisionKind.OFFER, DecisionKind.REJECT]),
                name="sponsorship_decided_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.resource_request}"


class AwardQuerySet(models.QuerySet["Award"]):
    def visible_to(self, user: User) -> AwardQuerySet:
        if user.may(Permission.ALLOCATION_VIEW):
            return self.all()
        return self.filter(project__in=user.grants.projects_with(Permission.ALLOCATION_VIEW))


class Award(models.Model):
    """The credits a decision moved from the call to the project (in the ledger, under ``reference``)."""

    reference = models.CharField(max_length=20, unique=True)
    resource_request = models.OneToOneField(ResourceRequest, on_delete=models.PROTECT, related_name="award")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="awards")
    call = models.ForeignKey(Call, on_delete=models.PROTECT, related_name="awards")
    amount = models.BigIntegerField(help_text="Micro-credits")
    starts_on = models.DateField()
    ends_on = models.DateField()
    created_at = models.DateTimeField()

    objects: ClassVar[models.Manager[Award]] = AwardQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="sponsorship_award_is_positive"),
            models.CheckConstraint(condition=Q(ends_on__gt=F("starts_on")), name="sponsorship_award_ends_after_start"),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def rules(self) -> Rules:
        """What the award goes by to its end: the rules that its request was sent under."""
        rules = self.resource_request.rules
        assert rules is not None  # the database: a sent request has a call
        return rules

    @property
    def project_scope(self) -> int:
        return self.project_id

    @property
    def provider_scope(self) -> frozenset[int]:
        return frozenset()
