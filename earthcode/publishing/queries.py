"""Reads worth a name: maintenance that is near, what was announced, and a provider's own part of the audit trail."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Model, Q, QuerySet, TextField
from django.db.models.functions import Cast

from earthcode.audit.models import Event
from earthcode.catalogue.models import Offering, Platform
from earthcode.identity.models import Organisation
from earthcode.publishing.models import Announcement, AnnouncementKind, Draft, MaintenanceWindow

#: What was announced stays on the offering's page for this long, or until its day has come.
ANNOUNCEMENT_SHOWN_DAYS = 30


def maintenance_near(today: date) -> QuerySet[MaintenanceWindow]:
    """Windows of this day, or that begin within the lead time. By days, so that a page may be kept for as long."""
    from_today = datetime.combine(today, time.min, UTC)
    until = from_today + timedelta(days=settings.MAINTENANCE_LEAD_DAYS + 1)
    windows = MaintenanceWindow.objects.filter(cancelled_at=None, ends_at__gt=from_today, starts_at__lt=until)
    return windows.select_related("offering", "platform")


def announced_on(today: date) -> QuerySet[Announcement]:
    """What readers of any offering should know: near maintenance, and what is new.

    A window comes as the announcement that was made with it. Retirement is shown from the offering itself.
    """
    since = datetime.combine(today - timedelta(days=ANNOUNCEMENT_SHOWN_DAYS), time.min, UTC)
    maintenance = Q(kind=AnnouncementKind.MAINTENANCE, window__in=maintenance_near(today).order_by())
    news = Q(kind__in=[AnnouncementKind.NEWS, AnnouncementKind.PRICE]) & (
        Q(announced_at__gte=since) | Q(effective_on__gte=today)
    )
    found = Announcement.objects.filter(maintenance | news)
    return found.select_related("window").order_by("window__starts_at", "-announced_at", "-pk")


def announced_for(offering: Offering, today: date) -> QuerySet[Announcement]:
    """The same for readers of this offering: its own, and its whole platform's."""
    return announced_on(today).filter(Q(offering=offering) | Q(platform=offering.platform_id, offering=None))


def trail_of(providers: Iterable[int]) -> QuerySet[Event]:
    """What happened to these organisations' offerings, drafts, platforms and announcements, newest first; nobody else's."""
    mine = list(providers)
    subjects: tuple[tuple[type[Model], QuerySet[Any, Any]], ...] = (
        (Organisation, _keys(Organisation.objects.filter(pk__in=mine))),
        (Platform, _keys(Platform.objects.filter(provider__in=mine))),
        (Offering, _keys(Offering.objects.filter(platform__provider__in=mine))),
        (Draft, _keys(Draft.objects.filter(platform__provider__in=mine))),
        (MaintenanceWindow, _keys(MaintenanceWindow.objects.filter(platform__provider__in=mine))),
    )
    about = Q(pk__in=())
    for model, keys in subjects:
        about |= Q(subject_type=model._meta.label_lower, subject_id__in=keys)
    return Event.objects.filter(about).order_by("-pk")


def _keys(rows: QuerySet[Any]) -> QuerySet[Any, Any]:
    """As the trail writes them: text."""
    keys: QuerySet[Any, Any] = rows.order_by().annotate(key=Cast("pk", TextField())).values("key")
    return keys
