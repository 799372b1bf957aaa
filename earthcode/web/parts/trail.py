"""Pages of the audit trail, newest first: all of it for ESA, one's own part for a provider.

A page goes on from the last event of the one before. Pages by number would shift while events are added, and would count a
table that only grows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from earthcode.audit.models import Event, Link
from earthcode.web.parts.lists import before_url
from earthcode.web.parts.timeline import words_for

PER_PAGE = 25


@dataclass(frozen=True)
class EventRow:
    """An event as ``parts/events.html`` shows it."""

    event: Event
    url: str = ""
    #: Where the event stands in the chain, and the start of its hash; None until its transaction has committed.
    link: Link | None = None

    @property
    def words(self) -> str:
        """What happened; empty where there is only the event's own name."""
        return words_for(self.event)

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What was recorded with the event, as it was recorded."""
        data = sorted(self.event.data.items())
        return [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in data]

    @property
    def fingerprint(self) -> str:
        return bytes(self.link.hash).hex()[:12] if self.link else ""


@dataclass(frozen=True)
class EventPage:
    """Some events, and the way to older ones and back to the newest; the addresses are empty where there is none."""

    events: Sequence[Event]
    older_url: str
    newest_url: str


def page_of(request: HttpRequest, events: QuerySet[Event]) -> EventPage:
    """The events that ``?before=`` asks for; nonsense is the newest page."""
    before = request.GET.get("before", "")
    if is_place := before.isascii() and before.isdecimal() and len(before) < 19:
        events = events.filter(pk__lt=int(before))
    found = list(events.order_by("-pk")[: PER_PAGE + 1])
    shown = found[:PER_PAGE]
    return EventPage(
        shown,
        older_url=before_url(request, str(shown[-1].pk)) if len(found) > PER_PAGE else "",
        newest_url=before_url(request, "") if is_place else "",
    )


def named(name: str) -> Q:
    """Events of this name, or of whatever this is the name of: "offering.retire", "maintenance"."""
    name = name.strip().replace(" ", "_")
    return Q(name=name) | Q(name__startswith=name if "." in name else f"{name}.")
