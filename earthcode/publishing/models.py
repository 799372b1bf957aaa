"""What providers prepare and announce. What is public is the catalogue's."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from earthcode.catalogue.models import Offering, Platform
from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.lifecycle import Group, HasLifecycle, State


class DraftStatus(State):
    """Words and codes as in the interface (``web/parts/statuses.py`` has icon and colour)."""

    DRAFT = "draft", Group.PREPARING, "Draft"
    WAITING = "waiting", Group.DECIDING, "Waiting for ESA"
    RETURNED = "returned", Group.ANSWERING, "Returned"
    PUBLISHED = "published", Group.IN_FORCE, "Published"
    DISCARDED = "discarded", Group.OVER, "Discarded"


OPEN = DraftStatus.within(Group.PREPARING, Group.DECIDING, Group.ANSWERING)


class DraftQuerySet(models.QuerySet["Draft"]):
    def visible_to(self, user: User) -> DraftQuerySet:
        """One's own organisation's; for those who approve, what was ever sent to them."""
        own = Q(platform__provider__in=user.grants.providers_with(Permission.OFFERING_EDIT))
        if user.may(Permission.OFFERING_PUBLISH):
            return self.filter(own | Q(submitted_at__isnull=False))
        return self.filter(own)


class Draft(HasLifecycle):
    """What an offering is to say next, in the form of the catalogue's files; nobody outside sees it.

    ``base`` is what was public when the draft was begun (empty: nothing), so that what changed meanwhile is not undone.
    """

    platform = models.ForeignKey(Platform, on_delete=models.PROTECT, related_name="drafts")
    offering = models.ForeignKey(
        Offering, null=True, blank=True, on_delete=models.PROTECT, related_name="drafts", help_text="Empty: a new one"
    )
    slug = models.SlugField(max_length=80, help_text="Of the offering, in its address")
    content: Any = models.JSONField()
    base: Any = models.JSONField(default=dict, blank=True)
    status = models.CharField(max_length=10, choices=DraftStatus.choices, default=DraftStatus.DRAFT)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    saved_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    saved_at = models.DateTimeField()
    submitted_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    submitted_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True, help_text="What the provider says to ESA")
    comment = models.TextField(blank=True, help_text="What ESA says to the provider")

    objects: ClassVar[models.Manager[Draft]] = DraftQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=DraftStatus.values), name="publishing_status_is_known"),
            models.UniqueConstraint("slug", condition=Q(status__in=OPEN), name="publishing_one_open_draft"),
            models.CheckConstraint(
                condition=~Q(status=DraftStatus.WAITING) | Q(submitted_by__isnull=False, submitted_at__isnull=False),
                name="publishing_waiting_was_submitted",
            ),
            models.CheckConstraint(
                condition=~Q(status=DraftStatus.PUBLISHED) | Q(offering__isnull=False),
                name="publishing_published_has_offering",
            ),
        ]

    def __str__(self) -> str:
        return str(self.content.get("name") or self.slug)

    def get_absolute_url(self) -> str:
        return reverse("offering_draft", args=[self.pk])

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def project_scope(self) -> None:
        return None

    @property
    def provider_scope(self) -> frozenset[int]:
        return frozenset({self.platform.provider_id})


class OfPlatformQuerySet(models.QuerySet[Any]):
    def editable_by(self, user: User) -> OfPlatformQuerySet:
        """Those of the organisations whose offerings the person edits."""
        return self.filter(platform__provider__in=user.grants.providers_with(Permission.OFFERING_EDIT))


class MaintenanceWindow(models.Model):
    """When a platform, or one of its offerings, does not work as usual. Kept when it is over or cancelled."""

    platform = models.ForeignKey(Platform, on_delete=models.PROTECT, related_name="maintenance_windows")
    offering = models.ForeignKey(
        Offering,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="maintenance_windows",
        help_text="Empty: all of the platform's",
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    affects = models.CharField(max_length=120, help_text="What does not work: sign-in, new jobs, …")
    words = models.TextField(blank=True, help_text="What people should know or do")
    announced_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    announced_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[MaintenanceWindow]] = OfPlatformQuerySet.as_manager()

    class Meta:
        ordering = ["starts_at", "pk"]
        indexes = [models.Index("ends_at", condition=Q(cancelled_at=None), name="publishing_coming_maintenance")]
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="publishing_maintenance_has_length"),
            models.CheckConstraint(
                condition=Q(starts_at__gte=F("announced_at")), name="publishing_maintenance_is_announced_before"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.where}, {self.starts_at:%Y-%m-%d %H:%M} to {self.ends_at:%Y-%m-%d %H:%M} UTC"

    @property
    def where(self) -> str:
        return str(self.offering or self.platform)

    @property
    def project_scope(self) -> None:
        return None

    @property
    def provider_scope(self) -> frozenset[int]:
        return frozenset({self.platform.provider_id})


class AnnouncementKind(models.TextChoices):
    NEWS = "news", "News"
    PRICE = "price", "New price"
    RETIREMENT = "retirement", "Retirement"
    NOT_RETIRING = "not_retiring", "Stays"
    MAINTENANCE = "maintenance", "Maintenance"
    MAINTENANCE_CHANGED = "maintenance_changed", "Maintenance changed"
    MAINTENANCE_CANCELLED = "maintenance_cancelled", "Maintenance cancelled"


#: What only those who use the platform have to know.
OF_MAINTENANCE = (
    AnnouncementKind.MAINTENANCE,
    AnnouncementKind.MAINTENANCE_CHANGED,
    AnnouncementKind.MAINTENANCE_CANCELLED,
)


class Announcement(models.Model):
    """Something that those who use, or have asked for, an offering are told from ``due_at`` on; ``told_at`` once they were."""

    platform = models.ForeignKey(Platform, on_delete=models.PROTECT, related_name="announcements")
    offering = models.ForeignKey(
        Offering, null=True, blank=True, on_delete=models.PROTECT, related_name="announcements"
    )
    window = models.ForeignKey(
        MaintenanceWindow, null=True, blank=True, on_delete=models.PROTECT, related_name="announcements"
    )
    kind = models.CharField(max_length=24, choices=AnnouncementKind.choices)
    title = models.CharField(max_length=160)
    words = models.TextField(blank=True)
    effective_on = models.DateField(null=True, blank=True)
    announced_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    announced_at = models.DateTimeField()
    due_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, blank=True)
    told_count = models.PositiveIntegerField(default=0, help_text="How many people were told")

    objects: ClassVar[models.Manager[Announcement]] = OfPlatformQuerySet.as_manager()

    class Meta:
        ordering = ["-announced_at", "-pk"]
        indexes = [models.Index("due_at", condition=Q(told_at=None), name="publishing_to_be_told")]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=AnnouncementKind.values), name="publishing_announcement_kind_is_known"
            ),
            models.CheckConstraint(
                condition=Q(window__isnull=True, offering__isnull=False) | Q(window__isnull=False),
                name="publishing_announcement_is_about_something",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def concerns(self, offering: Offering) -> bool:
        """Whether it is about this offering, or its whole platform."""
        return self.offering_id == offering.pk if self.offering_id else self.platform_id == offering.platform_id

    @property
    def project_scope(self) -> None:
        return None

    @property
    def provider_scope(self) -> frozenset[int]:
        return frozenset({self.platform.provider_id})
