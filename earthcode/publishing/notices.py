"""What a provider tells those who use its offerings, or asked for them: maintenance, news, new prices, retirement.

An announcement is a row that is due; those it concerns are found, and told, by ``provisioning.announcements``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.formats import date_format

from earthcode.audit import actions as audit
from earthcode.audit.actors import CLOCK
from earthcode.catalogue.events import OfferingEvent
from earthcode.catalogue.models import Offering, Platform
from earthcode.catalogue.versions import publish_version
from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused
from earthcode.lib.lock import lock
from earthcode.lib.wake import wake_after_commit
from earthcode.publishing.content import NewPrice
from earthcode.publishing.events import MaintenanceEvent
from earthcode.publishing.models import Announcement, AnnouncementKind, MaintenanceWindow

#: The task that tells those concerned; also in ``settings.CELERY_BEAT_SCHEDULE``. It is above this layer.
TELL_ANNOUNCEMENTS = "provisioning.tell_announcements"

#: Longer work than this is no maintenance any more.
MAINTENANCE_DAYS_MAX = 31


class MaintenanceOver(Refused):
    """The window has ended or was cancelled; what happened stays as it was announced."""

    code = "maintenance_over"


class NotRetiring(Refused):
    """There is no retirement that could be taken back, or its day has come."""

    code = "not_retiring"


# --- maintenance ------------------------------------------------------------------------------------------------------


@transaction.atomic
def announce_maintenance(
    platform: Platform,
    *,
    offering: Offering | None = None,
    starts_at: datetime,
    ends_at: datetime,
    affects: str,
    words: str = "",
    by: User,
    at: datetime,
) -> MaintenanceWindow:
    """Say when the platform, or one offering of it, will not work as usual. The past cannot be announced."""
    _refuse_others(platform, by)
    if offering is not None and offering.platform_id != platform.pk:
        raise InvalidInput(f"{offering} is not on {platform}.", field="offering")
    if starts_at < at:
        raise InvalidInput("Maintenance cannot be announced for the past.", field="starts_at")
    _check_length(starts_at, ends_at)
    window = MaintenanceWindow.objects.create(
        platform=platform,
        offering=offering,
        starts_at=starts_at,
        ends_at=ends_at,
        affects=_required(affects, "Say what does not work meanwhile.", "affects", 120),
        words=words.strip(),
        announced_by=by,
        announced_at=at,
    )
    audit.record(
        MaintenanceEvent.ANNOUNCE, by=by, about=window, at=at, data={"affects": window.affects, "where": window.where}
    )
    lead = timedelta(days=settings.MAINTENANCE_LEAD_DAYS)
    _tell(window, AnnouncementKind.MAINTENANCE, by=by, at=at, due_at=max(at, starts_at - lead))
    return window


@transaction.atomic
def shorten_maintenance(
    window: MaintenanceWindow, *, starts_at: datetime, ends_at: datetime, by: User, at: datetime
) -> None:
    """Begin later or end earlier than announced. More time is another window, so that everybody is told of it in time."""
    _lock_window(window, by=by, at=at)
    if starts_at < window.starts_at or ends_at > window.ends_at:
        raise InvalidInput(
            "A window can only become shorter. Announce another one for more time.",
            field="starts_at" if starts_at < window.starts_at else "ends_at",
        )
    if window.starts_at <= at and starts_at != window.starts_at:
        raise InvalidInput("It has begun already; only its end can change.", field="starts_at")
    if ends_at < at:
        raise InvalidInput("It cannot have ended in the past.", field="ends_at")
    _check_length(starts_at, ends_at)
    if (starts_at, ends_at) == (window.starts_at, window.ends_at):
        return
    window.starts_at, window.ends_at = starts_at, ends_at
    window.save(update_fields=["starts_at", "ends_at"])
    audit.record(MaintenanceEvent.SHORTEN, by=by, about=window, at=at)
    _tell_again(window, AnnouncementKind.MAINTENANCE_CHANGED, by=by, at=at)


@transaction.atomic
def cancel_maintenance(window: MaintenanceWindow, *, by: User, at: datetime) -> None:
    """It does not take place, or no longer. It stays on record."""
    _lock_window(window, by=by, at=at)
    window.cancelled_at = at
    window.save(update_fields=["cancelled_at"])
    audit.record(MaintenanceEvent.CANCEL, by=by, about=window, at=at)
    _tell_again(window, AnnouncementKind.MAINTENANCE_CANCELLED, by=by, at=at)


def _lock_window(window: MaintenanceWindow, *, by: User, at: datetime) -> None:
    lock(window)
    _refuse_others(window.platform, by)
    if window.cancelled_at is not None:
        raise MaintenanceOver("This maintenance was cancelled.")
    if window.ends_at <= at:
        raise MaintenanceOver("This maintenance is over.")


def _check_length(starts_at: datetime, ends_at: datetime) -> None:
    if ends_at <= starts_at:
        raise InvalidInput("The end has to be after the beginning.", field="ends_at")
    if ends_at - starts_at > timedelta(days=MAINTENANCE_DAYS_MAX):
        raise InvalidInput(f"Maintenance takes at most {MAINTENANCE_DAYS_MAX} days.", field="ends_at")


def _tell(
    window: MaintenanceWindow, kind: AnnouncementKind, *, by: User, at: datetime, due_at: datetime | None = None
) -> None:
    title = {
        AnnouncementKind.MAINTENANCE: "Maintenance of {}",
        AnnouncementKind.MAINTENANCE_CHANGED: "Shorter maintenance of {}",
        AnnouncementKind.MAINTENANCE_CANCELLED: "No maintenance of {}",
    }[kind]
    _announce(
        window.platform,
        window.offering,
        kind=kind,
        title=title.format(window.where),
        window=window,
        effective_on=window.starts_at.date(),
        by=by,
        at=at,
        due_at=due_at,
    )


def _tell_again(window: MaintenanceWindow, kind: AnnouncementKind, *, by: User, at: datetime) -> None:
    """To those who were told before; what nobody was told yet is told as it is now, or not at all."""
    untold = window.announcements.select_for_update().filter(told_at=None)
    if kind == AnnouncementKind.MAINTENANCE_CANCELLED:
        untold.update(told_at=at)
    else:
        lead = timedelta(days=settings.MAINTENANCE_LEAD_DAYS)
        untold.update(effective_on=window.starts_at.date(), due_at=max(at, window.starts_at - lead))
    if window.announcements.filter(told_count__gt=0).exists():
        _tell(window, kind, by=by, at=at)


# --- news and prices --------------------------------------------------------------------------------------------------


@transaction.atomic
def announce(
    offering: Offering, *, title: str, words: str, effective_on: date | None = None, by: User, at: datetime
) -> Announcement:
    """Tell those who use the offering, or have asked for it, something that they should know."""
    _refuse_others(offering.platform, by)
    if effective_on is not None and effective_on < at.date():
        raise InvalidInput("The day is in the past.", field="effective_on")
    announcement = _announce(
        offering.platform,
        offering,
        kind=AnnouncementKind.NEWS,
        title=_required(title, "Enter a title.", "title", 160),
        words=_required(words, "Say what there is to know.", "words", 5000),
        effective_on=effective_on,
        by=by,
        at=at,
    )
    audit.record(OfferingEvent.ANNOUNCE, by=by, about=offering, at=at, data={"title": announcement.title})
    return announcement


def prices_change(offering: Offering, dearer: Sequence[NewPrice], *, by: User, at: datetime) -> None:
    """Part of publishing: tell of prices that rise, each with its day."""
    if not dearer:
        return
    lines = [
        f"{each.plan}, {each.component}: {each.after} instead of {each.before} credits for each {each.unit}, "
        f"from {date_format(each.starts_on)}"
        for each in dearer
    ]
    _announce(
        offering.platform,
        offering,
        kind=AnnouncementKind.PRICE,
        title=f"New prices of {offering}"[:160],
        words="\n".join([*lines, "Allocations keep the prices they were granted at."]),
        effective_on=min(each.starts_on for each in dearer),
        by=by,
        at=at,
    )


# --- retirement -------------------------------------------------------------------------------------------------------


def earliest_retirement(at: datetime) -> date:
    return at.date() + timedelta(days=settings.RETIREMENT_NOTICE_DAYS)


@transaction.atomic
def retire(
    offering: Offering,
    *,
    retires_on: date,
    replaced_by: Offering | None = None,
    words: str = "",
    by: User,
    at: datetime,
) -> None:
    """From ``retires_on`` the offering takes nothing new; what is running may be used, shrunk and ended until its end."""
    _lock_offering(offering, by)
    if offering.is_retired_on(at.date()):
        raise InvalidInput(f"{offering} is retired already.")
    if retires_on < earliest_retirement(at):
        raise InvalidInput(
            f"People need {settings.RETIREMENT_NOTICE_DAYS} days to find something else: choose "
            f"{date_format(earliest_retirement(at))} or later.",
            field="retires_on",
        )
    if replaced_by is not None and (replaced_by.pk == offering.pk or not replaced_by.is_listed):
        raise InvalidInput("Choose another offering that is in the catalogue.", field="replaced_by")
    offering.retires_on, offering.replaced_by, offering.updated_at = retires_on, replaced_by, at
    offering.save(update_fields=["retires_on", "replaced_by", "updated_at"])
    instead = f"{replaced_by} takes its place." if replaced_by else ""
    audit.record(
        OfferingEvent.RETIRE,
        by=by,
        about=offering,
        at=at,
        data={"retires_on": retires_on.isoformat(), "replaced_by": replaced_by.slug if replaced_by else ""},
    )
    _announce(
        offering.platform,
        offering,
        kind=AnnouncementKind.RETIREMENT,
        title=f"{offering} retires on {date_format(retires_on)}"[:160],
        words="\n".join(part for part in (words.strip(), instead, _WHAT_RETIREMENT_MEANS) if part),
        effective_on=retires_on,
        by=by,
        at=at,
    )


_WHAT_RETIREMENT_MEANS = (
    "From that day it takes no new requests. Existing allocations can be used until they end, or ended early."
)


@transaction.atomic
def keep(offering: Offering, *, by: User, at: datetime) -> None:
    """Take a retirement back, before its day."""
    _lock_offering(offering, by)
    if offering.retires_on is None:
        raise NotRetiring(f"{offering} is not going to retire.")
    if offering.is_retired_on(at.date()):
        raise NotRetiring(f"{offering} has retired. Offer it anew as another offering.")
    offering.retires_on, offering.replaced_by, offering.updated_at = None, None, at
    offering.save(update_fields=["retires_on", "replaced_by", "updated_at"])
    audit.record(OfferingEvent.KEEP, by=by, about=offering, at=at)
    _announce(
        offering.platform,
        offering,
        kind=AnnouncementKind.NOT_RETIRING,
        title=f"{offering} stays"[:160],
        words="It does not retire after all.",
        by=by,
        at=at,
    )


@transaction.atomic
def unlist_retired(*, at: datetime) -> int:
    """Take what has retired off the list; returns how many. Its page stays at its address."""
    due = Offering.objects.filter(is_listed=True, retires_on__lte=at.date())
    retired = list(due.select_for_update(no_key=True, skip_locked=True, of=("self",)).order_by("pk"))
    for offering in retired:
        offering.is_listed = False
        offering.updated_at = at
        offering.save(update_fields=["is_listed", "updated_at"])
        audit.record(OfferingEvent.UNLIST, by=CLOCK, about=offering, at=at)
        publish_version(offering, by=CLOCK, at=at, note="Retired.")
    return len(retired)


def _lock_offering(offering: Offering, by: User) -> None:
    lock(offering, rows=Offering.objects.defer("search"))
    _refuse_others(offering.platform, by)


# --- for this module --------------------------------------------------------------------------------------------------


def _refuse_others(platform: Platform, by: User) -> None:
    if not by.may(Permission.OFFERING_EDIT, platform):
        raise NotPermitted(f"Only the administrators of {platform.provider} can do this.")


def _announce(
    platform: Platform,
    offering: Offering | None,
    *,
    kind: AnnouncementKind,
    title: str,
    words: str = "",
    window: MaintenanceWindow | None = None,
    effective_on: date | None = None,
    by: User,
    at: datetime,
    due_at: datetime | None = None,
) -> Announcement:
    announcement = Announcement.objects.create(
        platform=platform,
        offering=offering,
        window=window,
        kind=kind,
        title=title[:160],
        words=words,
        effective_on=effective_on,
        announced_by=by,
        announced_at=at,
        due_at=due_at or at,
    )
    wake_after_commit(TELL_ANNOUNCEMENTS)
    return announcement


def _required(text: str, sentence: str, field: str, longest: int) -> str:
    text = text.strip()
    if not text:
        raise InvalidInput(sentence, field=field)
    if len(text) > longest:
        raise InvalidInput(f"Use at most {longest} characters.", field=field)
    return text
