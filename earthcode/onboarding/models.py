"""Applications, their items, and what a machine found."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from earthcode.catalogue.models import Platform
from earthcode.identity.models import Organisation, User
from earthcode.identity.roles import Permission
from earthcode.lib.claim import Claimable
from earthcode.lifecycle import Group, HasLifecycle, State
from earthcode.onboarding.requirements import REQUIREMENTS, Kind, Requirement, applying_to, kinds_of


class ApplicationStatus(State):
    """Words and codes as in the interface (``web/parts/statuses.py`` has icon and colour)."""

    DRAFT = "draft", Group.PREPARING, "Draft"
    SUBMITTED = "submitted", Group.DECIDING, "With ESA"
    RETURNED = "returned", Group.ANSWERING, "Returned to you"
    ACCEPTED = "accepted", Group.IN_FORCE, "Accepted"
    REJECTED = "rejected", Group.OVER, "Rejected"
    WITHDRAWN = "withdrawn", Group.OVER, "Withdrawn"


#: What the applicant can still change.
OPEN_TO_THE_APPLICANT = frozenset({ApplicationStatus.DRAFT, ApplicationStatus.RETURNED})
UNDECIDED = OPEN_TO_THE_APPLICANT | {ApplicationStatus.SUBMITTED}


class ApplicationQuerySet(models.QuerySet["Application"]):
    def visible_to(self, user: User) -> ApplicationQuerySet:
        """One's own and those of the provider one looks after; all that were ever sent for those who may see all."""
        own = Q(created_by=user) | Q(organisation__in=user.grants.providers_with(Permission.ADMINISTRATORS_MANAGE))
        if user.may(Permission.APPLICATION_VIEW):
            return self.filter(own | Q(submitted_at__isnull=False))
        return self.filter(own)


class Application(HasLifecycle):
    """An organisation's wish to provide a platform.

    The organisation is a row from the start where this site knows it, else its name is kept here and it becomes one when the
    application is accepted. The same holds for the platform, which is always one at the end.
    """

    reference = models.CharField(max_length=20, unique=True)
    status = models.CharField(max_length=10, choices=ApplicationStatus.choices, default=ApplicationStatus.DRAFT)
    organisation = models.ForeignKey(
        Organisation, null=True, blank=True, on_delete=models.PROTECT, related_name="applications"
    )
    organisation_name = models.CharField(max_length=200)
    organisation_country = models.CharField(max_length=2, blank=True, help_text="ISO 3166 alpha-2")
    platform = models.ForeignKey(Platform, null=True, blank=True, on_delete=models.PROTECT, related_name="applications")
    platform_name = models.CharField(max_length=200)
    is_open_science = models.BooleanField(default=False)
    is_infrastructure = models.BooleanField(default=False)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="applications")
    created_at = models.DateTimeField()
    saved_at = models.DateTimeField()
    submitted_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    submitted_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    objects: ClassVar[models.Manager[Application]] = ApplicationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [models.Index("status", "submitted_at", name="onboarding_queue")]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=ApplicationStatus.values), name="onboarding_application_status_is_known"
            ),
            models.CheckConstraint(
                condition=Q(is_open_science=True) | Q(is_infrastructure=True), name="onboarding_platform_has_a_kind"
            ),
            models.CheckConstraint(
                condition=Q(status__in=[ApplicationStatus.DRAFT, ApplicationStatus.WITHDRAWN])
                | Q(submitted_by__isnull=False, submitted_at__isnull=False),
                name="onboarding_sent_application_says_by_whom",
            ),
            models.CheckConstraint(
                condition=~Q(status=ApplicationStatus.ACCEPTED)
                | Q(organisation__isnull=False, platform__isnull=False, decided_by__isnull=False),
                name="onboarding_accepted_application_has_a_provider",
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True)
                | ~Q(decided_by=F("created_by")) & (Q(submitted_by__isnull=True) | ~Q(decided_by=F("submitted_by"))),
                name="onboarding_nobody_decides_on_their_own",
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    def get_absolute_url(self) -> str:
        return reverse("application", args=[self.reference])

    @property
    def project_scope(self) -> None:
        return None

    @property
    def provider_scope(self) -> frozenset[int]:
        return frozenset({self.organisation_id}) if self.organisation_id else frozenset()

    @property
    def title(self) -> str:
        return f"{self.platform_name}, {self.organisation_name}"

    @property
    def kinds(self) -> frozenset[Kind]:
        return kinds_of(is_open_science=self.is_open_science, is_infrastructure=self.is_infrastructure)

    @property
    def requirements(self) -> list[Requirement]:
        """The items that are asked of it, in order."""
        return applying_to(self.kinds)

    def items_in_order(self) -> list[ApplicationItem]:
        """The stored items that apply, in the order in which they are asked; those of a kind it is no more are left out."""
        stored = {each.code: each for each in self.items.all()}
        return [stored[each.code] for each in self.requirements if each.code in stored]

    def is_applied_by(self, user: User) -> bool:
        """Whoever started it, and the administrators of the organisation, where it has any."""
        return self.created_by_id == user.pk or bool(self.provider_scope & set(_looks_after(user)))

    def may_be_edited_by(self, user: User) -> bool:
        return self.status in OPEN_TO_THE_APPLICANT and self.is_applied_by(user)


def _looks_after(user: User) -> list[int]:
    return user.grants.providers_with(Permission.ADMINISTRATORS_MANAGE)


class ItemStatus(State):
    TO_DO = "to_do", Group.PREPARING, "To do"
    GIVEN = "given", Group.DECIDING, "Given"
    RETURNED = "returned", Group.ANSWERING, "Returned"
    ACCEPTED = "accepted", Group.IN_FORCE, "Accepted"


class ApplicationItem(HasLifecycle):
    """The evidence for one requirement, and what ESA says of it."""

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="items")
    code = models.CharField(max_length=40, help_text="A key of requirements.REQUIREMENTS")
    status = models.CharField(max_length=8, choices=ItemStatus.choices, default=ItemStatus.TO_DO)
    evidence = models.JSONField(default=dict, blank=True, help_text="Name of a field of the requirement → text")
    given_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    comment = models.TextField(blank=True, help_text="What ESA last said about it")
    decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint("application", "code", name="onboarding_item_once_in_application"),
            models.CheckConstraint(condition=Q(status__in=ItemStatus.values), name="onboarding_item_status_is_known"),
            models.CheckConstraint(
                condition=~Q(status__in=[ItemStatus.RETURNED, ItemStatus.ACCEPTED]) | Q(decided_by__isnull=False),
                name="onboarding_decided_item_says_by_whom",
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True) | Q(given_by__isnull=True) | ~Q(decided_by=F("given_by")),
                name="onboarding_nobody_decides_on_their_own_evidence",
            ),
            models.CheckConstraint(
                condition=~Q(status=ItemStatus.RETURNED) | ~Q(comment=""), name="onboarding_returned_item_says_why"
            ),
        ]

    def __str__(self) -> str:
        return str(self.requirement.title)

    @property
    def requirement(self) -> Requirement:
        return REQUIREMENTS[self.code]

    @property
    def project_scope(self) -> None:
        return None

    @property
    def provider_scope(self) -> frozenset[int]:
        return self.application.provider_scope


class Outcome(models.TextChoices):
    PASS = "pass", "Holds"
    FAIL = "fail", "Does not hold"
    UNKNOWN = "unknown", "Could not tell"


class CheckRun(Claimable):
    """One look of a machine at one address of the evidence: work to do until ``done_at``, then a record that stays."""

    item = models.ForeignKey(ApplicationItem, on_delete=models.PROTECT, related_name="runs")
    field = models.CharField(max_length=40, help_text="The field of the requirement that holds the address")
    address = models.CharField(max_length=2000)
    asked_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, blank=True)
    sentence = models.CharField(max_length=500, blank=True)
    seen = models.JSONField(default=dict, blank=True, help_text="What was found there")

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index("due_at", name="onboarding_waiting_checks", condition=Q(done_at=None))]
        constraints = [
            models.UniqueConstraint("item", "field", condition=Q(done_at=None), name="onboarding_check_waits_once"),
            models.CheckConstraint(
                condition=Q(done_at__isnull=True, outcome="") | Q(done_at__isnull=False, outcome__in=Outcome.values),
                name="onboarding_done_check_has_an_outcome",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item}: {self.address}"
