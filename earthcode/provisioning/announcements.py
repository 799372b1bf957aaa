"""Whom an announcement concerns, and telling them: those who use the offering and, but for maintenance, who asked for it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.formats import date_format

from earthcode.identity.models import User
from earthcode.notifications import actions as notifications
from earthcode.notifications.actions import Recipient
from earthcode.provisioning.models import Allocation
from earthcode.publishing.models import OF_MAINTENANCE, Announcement, AnnouncementKind
from earthcode.sponsorship.models import RequestLine, RequestStatus

#: Requests that are not decided yet.
_OPEN = (RequestStatus.DRAFT, RequestStatus.IN_REVIEW, RequestStatus.INFO_NEEDED)


def tell_due(*, at: datetime) -> int:
    """Tell what is due, each in a transaction of its own; returns how many announcements were told."""
    told = 0
    while _tell_next(at=at):
        told += 1
    return told


@transaction.atomic
def _tell_next(*, at: datetime) -> bool:
    due = Announcement.objects.filter(told_at=None, due_at__lte=at).order_by("due_at", "pk")
    announcement = (
        due.select_for_update(skip_locked=True, of=("self",)).select_related("offering", "window", "platform").first()
    )
    if announcement is None:
        return False
    people = list(concerned_by(announcement))
    for person in people:
        notifications.send(
            key=f"announcement:{announcement.pk}:{person.public_id}",
            to=Recipient(person.public_id, person.email),
            subject=announcement.title,
            body=_body(announcement),
            link=reverse("offering", args=[announcement.offering.slug])
            if announcement.offering
            else reverse("allocations"),
            at=at,
        )
    announcement.told_at = at
    announcement.told_count = len(people)
    announcement.save(update_fields=["told_at", "told_count"])
    return True


def concerned_by(announcement: Announcement) -> QuerySet[User]:
    """The people of projects with a live allocation and, but for maintenance, of those whose request is open."""
    allocations = Allocation.objects.live()
    if announcement.offering_id is None:
        allocations = allocations.filter(platform=announcement.platform_id)
    else:
        allocations = allocations.filter(plan__offering=announcement.offering_id)
    concerned = Q(memberships__project__in=allocations.order_by().values("award__project"))
    if announcement.kind not in OF_MAINTENANCE:
        lines = RequestLine.objects.filter(
            plan__offering=announcement.offering_id, resource_request__status__in=_OPEN
        ).order_by()
        concerned |= Q(memberships__project__in=lines.values("resource_request__project"))
        # A draft that has no project yet is its author's alone.
        authors = lines.filter(resource_request__project=None).values("resource_request__created_by")
        concerned |= Q(pk__in=authors)
    return User.objects.filter(concerned, is_active=True).distinct().order_by("pk")


def _body(announcement: Announcement) -> str:
    window = announcement.window
    if window is None:
        return announcement.words
    when = f"{_moment(window.starts_at)} to {_moment(window.ends_at)} UTC"
    if announcement.kind == AnnouncementKind.MAINTENANCE_CANCELLED:
        return f"What was announced for {when} does not take place."
    return "\n".join(part for part in (f"{when}: {window.affects}", window.words) if part)


def _moment(at: datetime) -> str:
    return date_format(at, "j F Y, H:i")
