"""Allocations, and the operations that make them real on a platform."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Lower
from django.urls import reverse

from earthcode.catalogue.models import Plan, Platform
from earthcode.identity.models import Project, User
from earthcode.identity.roles import Permission
from earthcode.lib.claim import Claimable
from earthcode.lib.sealed import SealedTextField
from earthcode.lifecycle import Group, HasLifecycle, State
from earthcode.sponsorship.models import Award, RequestLine


class AllocationStatus(State):
    """Words and codes as in the interface (``web/parts/statuses.py`` has icon and colour)."""

    PROVISIONING = "provisioning", Group.WORKING, "Setting up"
    FAILED = "failed", Group.STUCK, "Set-up problem"
    ACTIVE = "active", Group.IN_FORCE, "Active"
    SUSPENDED = "suspended", Group.IN_FORCE, "Suspended"
    ENDING = "ending", Group.WORKING, "Ending"
    CLOSED = "closed", Group.OVER, "Ended"


#: An allocation that still has, or is getting, access.
LIVE = (
    AllocationStatus.PROVISIONING,
    AllocationStatus.FAILED,
    AllocationStatus.ACTIVE,
    AllocationStatus.SUSPENDED,
)


class AllocationQuerySet(models.QuerySet["Allocation"]):
    def live(self) -> AllocationQuerySet:
        """Those nobody has ended."""
        return self.filter(status__in=LIVE)

    def active(self) -> AllocationQuerySet:
        """Those that people can use now."""
        return self.filter(status=AllocationStatus.ACTIVE)

    def awaiting_usage(self) -> AllocationQuerySet:
        """Those nobody can use any more, and of which late usage is still taken."""
        return self.filter(usage_until__isnull=False, usage_closed_at__isnull=True)

    def for_project(self, project: Project) -> AllocationQuerySet:
        return self.filter(award__project=project)

    def visible_to(self, user: User) -> AllocationQuerySet:
        """One's projects' allocations, those on platforms one runs, and all for those who may see all."""
        if user.may(Permission.ALLOCATION_VIEW):
            return self.all()
        return self.filter(
            Q(award__project__in=user.grants.projects_with(Permission.ALLOCATION_VIEW))
            | Q(platform__provider__in=user.grants.providers_with(Permission.ALLOCATION_VIEW))
        )


class Allocation(HasLifecycle):
    """An amount of one plan on one platform for a period, paid from an award by a hold in the ledger."""

    reference = models.CharField(max_length=24, unique=True)
    award = models.ForeignKey(Award, on_delete=models.PROTECT, related_name="allocations")
    line = models.OneToOneField(
        RequestLine,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="allocation",
        help_text="What was asked for; empty where the project used credits that its award had free",
    )
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="allocations")
    platform = models.ForeignKey(Platform, on_delete=models.PROTECT, related_name="allocations")
    workload = models.JSONField(help_text="catalogue.pricing.Workload")
    quote = models.JSONField(help_text="catalogue.pricing.Quote, with the rates that its credits are exchanged at")
    quoted_at = models.DateTimeField()
    status = models.CharField(max_length=12, choices=AllocationStatus.choices, default=AllocationStatus.PROVISIONING)
    amount = models.BigIntegerField(help_text="Micro-credits set aside when it was placed: the quote and its margin")
    key = models.UUIDField(unique=True, help_text="What it was placed under: placing with it again makes no second one")
    hold_id = models.BigIntegerField(
        unique=True, help_text="The ledger's hold; no key, because only the ledger knows its rows"
    )
    starts_on = models.DateField()
    ends_on = models.DateField(help_text="The last day")
    end_reason = models.TextField(blank=True, help_text="Why it was ended; the project reads it")
    external_id = models.CharField(max_length=200, blank=True, help_text="The platform's own name for it")
    access_url = models.URLField(max_length=500, blank=True)
    details = models.JSONField(default=dict, blank=True)
    names = models.JSONField(
        default=dict,
        blank=True,
        help_text="What each person is called on the platform, by the subject of their sign-on",
    )
    credentials = SealedTextField(blank=True, help_text="What the platform gave once; removed when it was shown")
    suspend_step = models.CharField(
        max_length=12, blank=True, help_text="How far it shall be suspended (connectors.base.SuspendStep); empty: not"
    )
    suspend_reason = models.CharField(max_length=40, blank=True, help_text="Code of why; the page has the words")
    restore = models.JSONField(default=dict, blank=True, help_text="What the platform forgot when it was suspended")
    terms = models.JSONField(
        default=list,
        help_text="For each component what usage is rated by: catalogue.terms.Term, as on the day of the quote",
    )
    active_from = models.DateTimeField(
        null=True, blank=True, help_text="When access was there; usage counts from then on"
    )
    usage_until = models.DateTimeField(
        null=True, blank=True, help_text="After access ended: until when late usage is still taken; set when it ended"
    )
    usage_closed_at = models.DateTimeField(
        null=True, blank=True, help_text="When the last usage was in and what was left went back to the award"
    )
    created_at = models.DateTimeField()

    objects: ClassVar[models.Manager[Allocation]] = AllocationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="provisioning_allocation_is_positive"),
            models.CheckConstraint(condition=Q(ends_on__gt=F("starts_on")), name="provisioning_ends_after_start"),
            models.CheckConstraint(
                condition=Q(status__in=AllocationStatus.values), name="provisioning_allocation_status_is_known"
            ),
            models.CheckConstraint(
                condition=Q(usage_closed_at__isnull=True) | Q(status=AllocationStatus.CLOSED),
                name="provisioning_usage_closes_after_access",
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    def get_absolute_url(self) -> str:
        return reverse("allocation", args=[self.reference])

    @property
    def project_scope(self) -> int:
        return self.award.project_id

    @property
    def provider_scope(self) -> frozenset[int]:
        return frozenset({self.platform.provider_id})

    @property
    def is_awaiting_usage(self) -> bool:
        """Whether access has ended and late usage is still taken, so that what is left is not back yet."""
        return self.usage_until is not None and self.usage_closed_at is None


class OperationKind(models.TextChoices):
    PROVISION = "provision", "Set up access"
    SYNC_PEOPLE = "sync_people", "Update people"
    CHANGE = "change", "Change quantities or end"
    SUSPEND = "suspend", "Suspend access"
    RESUME = "resume", "Resume access"
    DEPROVISION = "deprovision", "Remove access"


class OperationStatus(models.TextChoices):
    #: Due, claimed (``claimed_until`` in the future: a worker is at it now) or to be tried again (``error`` says why).
    QUEUED = "queued", "Waiting for a worker"
    #: The platform has accepted it and is at it; it is asked again when it is due.
    WAITING = "waiting", "The platform is at it"
    #: Somebody at the provider was asked; see ``Task``.
    NEEDS_PERSON = "needs_person", "Waiting for the provider"
    SUCCEEDED = "succeeded", "Done"
    FAILED = "failed", "Failed"
    #: The allocation was ended before this came to an end; a worker may still be at it.
    SUPERSEDED = "superseded", "Not needed any more"


#: What is still to be done, in the order in which it was asked for.
OPEN = (OperationStatus.QUEUED, OperationStatus.WAITING, OperationStatus.NEEDS_PERSON)


class OperationQuerySet(models.QuerySet["Operation"]):
    def open(self) -> OperationQuerySet:
        """What has not come to an end."""
        return self.filter(status__in=OPEN)

    def waiting(self) -> OperationQuerySet:
        """What a worker has to see to, now or later."""
        return self.filter(status__in=(OperationStatus.QUEUED, OperationStatus.WAITING))

    def next_of_each(self) -> OperationQuerySet:
        """Without those that have to wait for an earlier one of their allocation."""
        earlier = Operation.objects.filter(allocation=OuterRef("allocation"), pk__lt=OuterRef("pk"), status__in=OPEN)
        return self.filter(~Exists(earlier))

    def held(self, at: datetime) -> OperationQuerySet:
        """Those a worker is at now, also where nobody waits for its answer any more."""
        return self.filter(claimed_until__gt=at)


class Operation(Claimable):
    """One piece of work on a platform's API, done once under ``key`` however often it is attempted.

    ``attempts`` counts the claims since it was queued or somebody asked to try it again (``retries`` counts those).
    """

    allocation = models.ForeignKey(Allocation, on_delete=models.PROTECT, related_name="operations")
    kind = models.CharField(max_length=12, choices=OperationKind.choices)
    key = models.UUIDField(unique=True)
    status = models.CharField(max_length=12, choices=OperationStatus.choices, default=OperationStatus.QUEUED)
    error = models.TextField(blank=True, help_text="What the platform said, fit for the scientist")
    error_permanent = models.BooleanField(default=False)
    error_code = models.CharField(max_length=80, blank=True, help_text="Of connectors.reasons, or of the connector")
    error_parameters = models.JSONField(default=dict, blank=True)
    error_for = models.CharField(max_length=10, blank=True, help_text="Who can do something: connectors.base.Party")
    retries = models.PositiveIntegerField(default=0, help_text="How often somebody asked to try it again")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[Operation]] = OperationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index("due_at", name="provisioning_waiting", condition=Q(status__in=("queued", "waiting"))),
            models.Index("allocation", name="provisioning_open", condition=Q(status__in=OPEN)),
            models.Index("claimed_until", name="provisioning_held", condition=Q(claimed_until__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=OperationStatus.values), name="provisioning_operation_status_is_known"
            ),
            # The later word counts: what was asked for before in this kind is superseded first.
            models.UniqueConstraint(
                "allocation", "kind", condition=Q(status__in=OPEN), name="provisioning_one_open_operation_of_a_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} for {self.allocation}"

    @property
    def project_scope(self) -> int:
        return self.allocation.project_scope

    @property
    def provider_scope(self) -> frozenset[int]:
        return self.allocation.provider_scope


class TaskStatus(models.TextChoices):
    OPEN = "open", "To do"
    DONE = "done", "Confirmed"
    DECLINED = "declined", "Declined"
    WITHDRAWN = "withdrawn", "Not needed any more"


class TaskQuerySet(models.QuerySet["Task"]):
    def open(self) -> TaskQuerySet:
        return self.filter(status=TaskStatus.OPEN)

    def answerable_by(self, user: User) -> TaskQuerySet:
        """Those on the person's desk: of the platforms they run, or all for those who work for every provider."""
        if user.may(Permission.OPERATION_RETRY):
            return self.all()
        return self.filter(
            operation__allocation__platform__provider__in=user.grants.providers_with(Permission.OPERATION_RETRY)
        )


class Task(models.Model):
    """Something that people at the provider do for an operation, because no API does."""

    operation = models.ForeignKey(Operation, on_delete=models.PROTECT, related_name="tasks")
    asks = models.CharField(max_length=10, help_text="connectors.base.Ask")
    status = models.CharField(max_length=10, choices=TaskStatus.choices, default=TaskStatus.OPEN)
    due_on = models.DateField(help_text="By when the provider promised it")
    created_at = models.DateTimeField()
    reminded_on = models.DateField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    answered_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField(blank=True, help_text="Why it was declined; the project reads it")
    access_url = models.URLField(max_length=500, blank=True)
    external_id = models.CharField(max_length=200, blank=True)
    facts = models.JSONField(default=dict, blank=True)
    names = models.JSONField(default=dict, blank=True)
    counts = models.BooleanField(
        default=True, help_text="False once the operation was tried again: then it is asked anew"
    )

    objects: ClassVar[models.Manager[Task]] = TaskQuerySet.as_manager()

    class Meta:
        ordering = ["due_on", "pk"]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=TaskStatus.values), name="provisioning_task_status_is_known"),
            models.UniqueConstraint("operation", condition=Q(status="open"), name="provisioning_one_open_task"),
            models.CheckConstraint(
                condition=Q(status__in=("open", "withdrawn")) | Q(answered_at__isnull=False, answered_by__isnull=False),
                name="provisioning_task_answer_has_author",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.operation}"

    @property
    def project_scope(self) -> int:
        return self.operation.project_scope

    @property
    def provider_scope(self) -> frozenset[int]:
        return self.operation.provider_scope


class PlatformRest(models.Model):
    """The circuit breaker of a platform: after several failures of the platform itself, nothing is tried until ``until``."""

    platform = models.OneToOneField(Platform, on_delete=models.PROTECT, related_name="rest")
    failures = models.PositiveIntegerField(default=0, help_text="In a row, whatever the allocation")
    until = models.DateTimeField(null=True, blank=True)
    code = models.CharField(max_length=80, blank=True, help_text="The last failure's")
    last_success_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.platform}"


class PlatformUsername(models.Model):
    """What a person is called on a platform, where it is not what the single sign-on says."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="platform_usernames")
    platform = models.ForeignKey(Platform, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=200)
    stated_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint("user", "platform", name="provisioning_one_name_on_a_platform"),
            models.UniqueConstraint("platform", Lower("name"), name="provisioning_one_person_of_a_name"),
        ]

    def __str__(self) -> str:
        return self.name
