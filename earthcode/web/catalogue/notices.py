"""What a provider announced, as pages of the catalogue and of allocations show it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any, Final

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from earthcode.catalogue.cached import Cached
from earthcode.catalogue.entries import OfferingEntry
from earthcode.catalogue.models import Offering
from earthcode.catalogue.search import State
from earthcode.publishing.models import Announcement, MaintenanceWindow
from earthcode.publishing.queries import announced_for, announced_on, maintenance_near


def when(window: MaintenanceWindow) -> str:
    """From when to when, in UTC; the day once where both are on it."""
    starts_at, ends_at = window.starts_at.astimezone(UTC), window.ends_at.astimezone(UTC)
    until = date_format(ends_at, "H:i") if ends_at.date() == starts_at.date() else _moment(ends_at)
    return _("%(start)s to %(end)s UTC") % {"start": _moment(starts_at), "end": until}


def _moment(at: datetime) -> str:
    return date_format(at, "j M, H:i")


def retirement_notice(offering: Offering, today: date) -> list[dict[str, Any]]:
    """With what takes its place; no query where that was selected with the offering."""
    if offering.retires_on is None:
        return []
    other = offering.replaced_by
    retired = offering.is_retired_on(today)
    text = _("It takes no new requests from then on. Existing allocations can be used until they end, or ended early.")
    notice = {
        "kind": "warn",
        "title": (_("Retired on %(day)s") if retired else _("Retires on %(day)s"))
        % {"day": date_format(offering.retires_on)},
        "text": text,
    }
    if other is not None:
        notice |= {"url": other.get_absolute_url(), "action": _("See %(offering)s instead") % {"offering": other}}
    return [notice]


def notices_of(offering: Offering, today: date, *, news: bool = True) -> list[dict[str, Any]]:
    """What a reader should know first, for ``components/notice.html``: retirement, maintenance, news; one query."""
    return _notices(offering, today, announced_for(offering, today), news=news)


def notices_in(state: State, offering: Offering, today: date) -> list[dict[str, Any]]:
    """As ``notices_of``, for the catalogue's own page: those of all offerings are read once for each state of the catalogue.

    Announcing changes the state (``publishing/sql/state.sql``).
    """
    everything = _announced.get((state.number, today), lambda: tuple(announced_on(today)))
    mine = (each for each in everything if each.concerns(offering))
    return _notices(offering, today, mine, news=True)


_announced: Final[Cached[tuple[Announcement, ...]]] = Cached()


def _notices(offering: Offering, today: date, found: Iterable[Announcement], *, news: bool) -> list[dict[str, Any]]:
    return [
        *retirement_notice(offering, today),
        *(_notice(each) for each in found if news or each.window is not None),
    ]


def _notice(announcement: Announcement) -> dict[str, Any]:
    window = announcement.window
    if window is None:
        return {"kind": "info", "title": announcement.title, "text": announcement.words}
    return {
        "kind": "warn",
        "title": _("Maintenance %(when)s") % {"when": when(window)},
        "text": ". ".join(part.strip().rstrip(".") for part in (window.affects, window.words) if part) + ".",
    }


Flags = dict[tuple[str, str], dict[str, str]]


_near: Final[Cached[tuple[MaintenanceWindow, ...]]] = Cached()


def maintenance_flags(state: State, today: date) -> Flags:
    """What cards say of near maintenance, for :func:`flag_of`. The next window comes first.

    Read once for each state of the catalogue: announcing changes it (``publishing/sql/state.sql``).
    """
    flags: Flags = {}
    near = maintenance_near(today).select_related("offering", "platform__provider")
    for window in _near.get((state.number, today), lambda: tuple(near)):
        key = ("", window.offering.slug) if window.offering else (window.platform.provider.slug, window.platform.name)
        flags.setdefault(
            key, {"label": _("Maintenance %(when)s") % {"when": when(window)}, "tone": "warn", "icon": "alert"}
        )
    return flags


def flag_of(entry: OfferingEntry, flags: Flags) -> dict[str, str] | None:
    """The offering's own maintenance, or that of its whole platform."""
    return flags.get(("", entry.slug)) or flags.get((entry.provider_slug, entry.platform))
