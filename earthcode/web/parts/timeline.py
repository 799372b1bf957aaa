"""The audit trail in words, for timelines. The trail is complete; a timeline tells what people want to know."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from earthcode.audit.models import Event
from earthcode.lib.money import as_text
from earthcode.web.parts.statuses import Phase, Words


@dataclass(frozen=True)
class TimelineEntry:
    """One entry of ``components/timeline.html``."""

    icon: Phase
    title: Words
    text: str = ""
    quote: str = ""
    is_plain: bool = False
    now: bool = False


@dataclass(frozen=True)
class _Telling:
    """How one kind of event is told; ``quote`` names the part of its data that holds a person's own words.

    ``is_plain``: the words are a machine's, in which no sign is Markdown. ``own``: the title on the page of the thing
    itself, which need not name it.
    """

    icon: Phase
    title: Words | Callable[[Event], str]
    quote: str = ""
    is_plain: bool = False
    own: Words = ""


def _sent(event: Event) -> str:
    amount = as_text(int(event.data.get("amount", 0)))
    if event.data.get("from") == "info_needed":
        return _("Answered, and sent for %(amount)s credits") % {"amount": amount}
    return _("Sent for %(amount)s credits") % {"amount": amount}


def _of_allocation(words: Words) -> Callable[[Event], str]:
    return lambda event: str(words) % {"allocation": event.subject_label}


def _of_item(words: Words) -> Callable[[Event], str]:
    return lambda event: str(words) % {"item": event.subject_label}


#: Events that are not here (each saving of a draft, each visit to a platform) are in the trail only.
_TELLINGS: dict[str, _Telling] = {
    "resource_request.start": _Telling("ph0", gettext_lazy("Draft started")),
    "resource_request.submit": _Telling("ph1", _sent, quote="answer"),
    "resource_request.endorse": _Telling("ph2", gettext_lazy("Endorsed by the Technical Officer"), quote="note"),
    "resource_request.ask": _Telling("ph-q", gettext_lazy("ESA asked a question"), quote="reason"),
    "resource_request.approve": _Telling("ph3", gettext_lazy("Approved in full"), quote="reason"),
    "resource_request.reject": _Telling("ph-x", gettext_lazy("Rejected"), quote="reason"),
    "resource_request.withdraw": _Telling("ph-x", gettext_lazy("Withdrawn")),
    "allocation.place": _Telling(
        "ph3", _of_allocation(gettext_lazy("Setting up %(allocation)s")), own=gettext_lazy("Credits set aside")
    ),
    "allocation.activate": _Telling(
        "ph4", _of_allocation(gettext_lazy("%(allocation)s is active")), own=gettext_lazy("Access set up")
    ),
    "allocation.fail": _Telling(
        "ph-q",
        _of_allocation(gettext_lazy("%(allocation)s could not be set up")),
        quote="error",
        is_plain=True,
        own=gettext_lazy("Set-up problem"),
    ),
    "allocation.retry": _Telling(
        "ph3", _of_allocation(gettext_lazy("%(allocation)s is tried again")), own=gettext_lazy("Tried again")
    ),
    "allocation.sync_people": _Telling(
        "ph4", _of_allocation(gettext_lazy("People of %(allocation)s updated")), own=gettext_lazy("People updated")
    ),
    "allocation.end": _Telling(
        "ph4", _of_allocation(gettext_lazy("%(allocation)s is ending")), quote="reason", own=gettext_lazy("Ending")
    ),
    "allocation.close": _Telling(
        "ph4",
        _of_allocation(gettext_lazy("%(allocation)s has ended")),
        own=gettext_lazy("Access removed, credits given back"),
    ),
    "application.start": _Telling("ph0", gettext_lazy("Application started")),
    "application.save_about": _Telling("ph0", gettext_lazy("Organisation, platform or kind changed")),
    "application.submit": _Telling("ph2", gettext_lazy("Sent to ESA"), quote="answer"),
    "application.return": _Telling("ph-q", gettext_lazy("Returned to the applicant"), quote="reason"),
    "application.accept": _Telling("ph4", gettext_lazy("Application accepted"), quote="reason"),
    "application.reject": _Telling("ph-x", gettext_lazy("Application rejected"), quote="reason"),
    "application.withdraw": _Telling("ph-x", gettext_lazy("Application withdrawn")),
    "application_item.give": _Telling("ph1", _of_item(gettext_lazy("Evidence given: %(item)s"))),
    "application_item.accept": _Telling("ph3", _of_item(gettext_lazy("Item accepted: %(item)s")), quote="comment"),
    "application_item.return": _Telling("ph-q", _of_item(gettext_lazy("Item returned: %(item)s")), quote="comment"),
    "organisation.add_administrator": _Telling(
        "ph2", lambda event: _("%(name)s became an administrator") % {"name": event.data.get("name", "")}
    ),
    "organisation.remove_administrator": _Telling(
        "ph2", lambda event: _("%(name)s is no administrator any more") % {"name": event.data.get("name", "")}
    ),
    "offering_draft.start": _Telling("ph0", gettext_lazy("Draft started")),
    "offering_draft.submit": _Telling("ph2", gettext_lazy("Sent to ESA"), quote="note"),
    "offering_draft.take_back": _Telling("ph0", gettext_lazy("Taken back")),
    "offering_draft.approve": _Telling("ph4", gettext_lazy("Approved and published"), quote="comment"),
    "offering_draft.send_back": _Telling("ph-q", gettext_lazy("Returned by ESA"), quote="comment"),
    "offering_draft.publish": _Telling("ph4", gettext_lazy("Published")),
    "offering_draft.discard": _Telling("ph-x", gettext_lazy("Discarded")),
    "project.create": _Telling("ph0", gettext_lazy("Project started")),
    "project.change": _Telling("ph2", gettext_lazy("Title or summary changed")),
    "project.add_member": _Telling("ph2", lambda event: _("%(name)s joined") % {"name": event.data.get("name", "")}),
    "project.remove_member": _Telling("ph2", lambda event: _("%(name)s left") % {"name": event.data.get("name", "")}),
}


#: For those who read the trail itself: what is in no timeline.
_IN_THE_TRAIL: dict[str, Words] = {
    "allocation.open": gettext_lazy("Platform opened"),
    "operation.succeed": gettext_lazy("Work on the platform done"),
    "operation.postpone": gettext_lazy("Work on the platform put off"),
    "operation.fail": gettext_lazy("Work on the platform failed"),
    "operation.retry": gettext_lazy("Work on the platform tried again"),
    "resource_request.save_project": gettext_lazy("Project of a request saved"),
    "resource_request.save_platforms": gettext_lazy("Platforms of a request saved"),
    "resource_request.save_period": gettext_lazy("Period of a request saved"),
    "resource_request.save_case": gettext_lazy("Science case saved"),
    "maintenance.announce": gettext_lazy("Maintenance announced"),
    "maintenance.cancel": gettext_lazy("Maintenance cancelled"),
    "maintenance.shorten": gettext_lazy("Maintenance shortened"),
    "offering.announce": gettext_lazy("Announced"),
    "offering.import": gettext_lazy("Offering changed in the catalogue"),
    "offering.keep": gettext_lazy("Retirement taken back"),
    "offering.retire": gettext_lazy("Retirement announced"),
    "offering.unlist": gettext_lazy("Taken off the list"),
    "offering_draft.catch_up": gettext_lazy("Draft brought up to date"),
    "offering_draft.save": gettext_lazy("Draft saved"),
    "application.check": gettext_lazy("Addresses of an application looked at again"),
    "organisation.register": gettext_lazy("Organisation taken on as a provider"),
    "platform.register": gettext_lazy("Platform taken on"),
    "user.sign_in": gettext_lazy("Signed in"),
    "user.role_granted": gettext_lazy("Role given by the single sign-on"),
    "user.role_removed": gettext_lazy("Role taken away by the single sign-on"),
}

#: For queries: what is told nowhere need not be read.
IN_TIMELINES = frozenset(_TELLINGS)


def timeline(events: Iterable[Event], *, own_page: bool = False) -> list[TimelineEntry]:
    """What happened, the newest first. ``own_page``: on the page of the thing itself, whose name is not repeated."""
    return [
        _told(event, telling, own_page=own_page)
        for event in reversed(list(events))
        if (telling := _TELLINGS.get(event.name))
    ]


def words_for(event: Event) -> str:
    """What happened, beside the name of the thing it happened to; empty for an event that we have no words for."""
    telling = _TELLINGS.get(event.name)
    if telling is None:
        return str(_IN_THE_TRAIL.get(event.name, ""))
    if telling.own:
        return str(telling.own)
    return telling.title(event) if callable(telling.title) else str(telling.title)


def _told(event: Event, telling: _Telling, *, own_page: bool) -> TimelineEntry:
    on = date_format(event.at, "DATE_FORMAT")
    # A clock or a worker is nobody to name.
    by = "" if event.actor_id.startswith("system:") else event.actor_name
    quote: Any = event.data.get(telling.quote, "") if telling.quote else ""
    title = telling.title(event) if callable(telling.title) else telling.title
    return TimelineEntry(
        icon=telling.icon,
        title=telling.own if own_page and telling.own else title,
        text=f"{on}, {by}" if by else on,
        quote=str(quote),
        is_plain=telling.is_plain,
    )
