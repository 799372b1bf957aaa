"""The audit trail in words, for timelines. The trail is complete; a timeline tells what people want to know."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from earthcode.audit.events import EventName, words_of
from earthcode.audit.models import Event
from earthcode.catalogue.events import OfferingEvent, PlatformEvent
from earthcode.connectors.registry import sentence
from earthcode.identity.events import OrganisationEvent, ProjectEvent, UserEvent
from earthcode.ledger.events import LedgerEvent
from earthcode.lib.money import amount_text
from earthcode.onboarding.events import ApplicationEvent, ItemEvent
from earthcode.provisioning.events import AllocationEvent, OperationEvent, PlatformUsernameEvent, TaskEvent
from earthcode.publishing.events import DraftEvent, MaintenanceEvent
from earthcode.science.events import ScienceEvent
from earthcode.settlement.events import ChargeEvent, ExhaustionEvent, StatementEvent, UsageReportEvent
from earthcode.sponsorship.events import (
    AttachmentEvent,
    AwardEvent,
    CallEvent,
    FundingEvent,
    HolidayEvent,
    QuotationEvent,
    RequestEvent,
)
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
class _Line:
    """How one kind of event is shown; ``quote`` names the part of its data with a person's own words.

    ``title`` where it says more than the event's own words, which do for the page of the thing itself. ``is_plain``: the quote
    is a machine's, in which no sign is Markdown.
    """

    icon: Phase
    title: Callable[[Event], str] | None = None
    quote: str = ""
    is_plain: bool = False

    def title_of(self, event: Event) -> str:
        return self.title(event) if self.title else words_of(event.name)


def _sent(event: Event) -> str:
    amount = amount_text(int(event.data.get("amount", 0)))
    if event.data.get("from") == "info_needed":
        return _("Answered and submitted for %(amount)s credits") % {"amount": amount}
    return _("Submitted for %(amount)s credits") % {"amount": amount}


def _of_allocation(words: Words) -> Callable[[Event], str]:
    return lambda event: str(words) % {"allocation": event.subject_label}


def _of_person(words: Words) -> Callable[[Event], str]:
    return lambda event: str(words) % {"name": event.data.get("name", "")}


def _of_item(words: Words) -> Callable[[Event], str]:
    return lambda event: str(words) % {"item": event.subject_label}


#: Events that people want to know about, as pages tell them.
_LINES: dict[str, _Line] = {
    RequestEvent.START: _Line("ph0"),
    RequestEvent.SUBMIT: _Line("ph1", _sent, quote="answer"),
    RequestEvent.ENDORSE: _Line("ph2", quote="note"),
    RequestEvent.ASK: _Line("ph-q", quote="reason"),
    RequestEvent.APPROVE: _Line("ph3", quote="reason"),
    RequestEvent.APPROVE_FIRST: _Line("ph2", quote="reason"),
    RequestEvent.OFFER: _Line("ph-q", quote="reason"),
    RequestEvent.ACCEPT: _Line("ph3"),
    RequestEvent.DECLINE: _Line("ph-x", quote="reason"),
    RequestEvent.LAPSE: _Line("ph-x"),
    RequestEvent.REJECT: _Line("ph-x", quote="reason"),
    RequestEvent.WITHDRAW: _Line("ph-x"),
    CallEvent.PLAN: _Line("ph0"),
    CallEvent.CHANGE: _Line("ph1"),
    CallEvent.OPEN: _Line("ph4"),
    CallEvent.PAUSE: _Line("ph-q", quote="reason"),
    CallEvent.RESUME: _Line("ph4"),
    CallEvent.CLOSE: _Line("ph4", quote="reason"),
    QuotationEvent.ASK: _Line("ph1"),
    QuotationEvent.ASK_BACK: _Line("ph1", quote="note"),
    QuotationEvent.ANSWER: _Line("ph2"),
    QuotationEvent.DECLINE: _Line("ph-x", quote="reason"),
    QuotationEvent.ACCEPT: _Line("ph4"),
    QuotationEvent.WITHDRAW: _Line("ph-x"),
    QuotationEvent.LAPSE: _Line("ph-x"),
    AllocationEvent.PLACE: _Line("ph3", _of_allocation(gettext_lazy("Setting up %(allocation)s"))),
    AllocationEvent.ACTIVATE: _Line("ph4", _of_allocation(gettext_lazy("%(allocation)s is active"))),
    AllocationEvent.FAIL: _Line(
        "ph-q", _of_allocation(gettext_lazy("%(allocation)s could not be set up")), quote="error", is_plain=True
    ),
    AllocationEvent.RETRY: _Line("ph3", _of_allocation(gettext_lazy("%(allocation)s is tried again"))),
    AllocationEvent.SUSPEND: _Line("ph-q", _of_allocation(gettext_lazy("%(allocation)s is suspended"))),
    AllocationEvent.RESUME: _Line("ph4", _of_allocation(gettext_lazy("%(allocation)s is resumed"))),
    TaskEvent.ASK: _Line("ph1", _of_allocation(gettext_lazy("Provider of %(allocation)s asked"))),
    TaskEvent.CONFIRM: _Line("ph4", _of_allocation(gettext_lazy("Provider of %(allocation)s confirmed"))),
    TaskEvent.DECLINE: _Line("ph-q", _of_allocation(gettext_lazy("Provider of %(allocation)s declined"))),
    AllocationEvent.SYNC_PEOPLE: _Line("ph4", _of_allocation(gettext_lazy("People of %(allocation)s updated"))),
    AllocationEvent.END: _Line("ph4", _of_allocation(gettext_lazy("%(allocation)s is ending")), quote="reason"),
    AllocationEvent.CLOSE: _Line("ph4", _of_allocation(gettext_lazy("%(allocation)s has ended"))),
    ApplicationEvent.START: _Line("ph0"),
    ApplicationEvent.SAVE_ABOUT: _Line("ph0"),
    ApplicationEvent.SUBMIT: _Line("ph2", quote="answer"),
    ApplicationEvent.RETURN: _Line("ph-q", quote="reason"),
    ApplicationEvent.ACCEPT: _Line("ph4", quote="reason"),
    ApplicationEvent.REJECT: _Line("ph-x", quote="reason"),
    ApplicationEvent.WITHDRAW: _Line("ph-x"),
    ItemEvent.GIVE: _Line("ph1", _of_item(gettext_lazy("Evidence given: %(item)s"))),
    ItemEvent.ACCEPT: _Line("ph3", _of_item(gettext_lazy("Item accepted: %(item)s")), quote="comment"),
    ItemEvent.RETURN: _Line("ph-q", _of_item(gettext_lazy("Item returned: %(item)s")), quote="comment"),
    OrganisationEvent.ADD_ADMINISTRATOR: _Line("ph2", _of_person(gettext_lazy("%(name)s became an administrator"))),
    OrganisationEvent.REMOVE_ADMINISTRATOR: _Line(
        "ph2", _of_person(gettext_lazy("%(name)s is no longer an administrator"))
    ),
    DraftEvent.START: _Line("ph0"),
    DraftEvent.SUBMIT: _Line("ph2", quote="note"),
    DraftEvent.TAKE_BACK: _Line("ph0"),
    DraftEvent.APPROVE: _Line("ph4", quote="comment"),
    DraftEvent.SEND_BACK: _Line("ph-q", quote="comment"),
    DraftEvent.PUBLISH: _Line("ph4"),
    DraftEvent.DISCARD: _Line("ph-x"),
    ProjectEvent.CREATE: _Line("ph0"),
    ProjectEvent.CHANGE: _Line("ph2"),
    ProjectEvent.ADD_MEMBER: _Line("ph2", _of_person(gettext_lazy("%(name)s joined"))),
    ProjectEvent.REMOVE_MEMBER: _Line("ph2", _of_person(gettext_lazy("%(name)s left"))),
}

#: The rest is only in the audit trail. Whoever adds an event puts it here or above: a test asks.
IN_THE_TRAIL_ONLY: frozenset[EventName] = frozenset(
    {
        # each saving of a draft
        *(each for each in RequestEvent if each.name.startswith("SAVE_")),
        DraftEvent.SAVE,
        DraftEvent.CATCH_UP,
        ApplicationEvent.CHECK,
        # each visit to a platform, and each piece of work there
        AllocationEvent.OPEN,
        AllocationEvent.CLOSE_USAGE,
        AllocationEvent.ASK_SUSPEND,
        AllocationEvent.ASK_RESUME,
        AllocationEvent.CHANGE,
        AllocationEvent.REVEAL,
        *PlatformUsernameEvent,
        *OperationEvent,
        *UsageReportEvent,
        *StatementEvent,
        *ChargeEvent,
        # the suspension, the resumption and the end that follow are told
        *ExhaustionEvent,
        # what has pages of its own
        *AwardEvent,
        *FundingEvent,
        *AttachmentEvent,
        *HolidayEvent,
        *MaintenanceEvent,
        *OfferingEvent,
        # what only those who keep the books and the accounts look for
        *LedgerEvent,
        *ScienceEvent,
        *PlatformEvent,
        *UserEvent,
        OrganisationEvent.REGISTER,
        OrganisationEvent.IMPORT,
    }
)

#: For queries: what no timeline shows need not be read.
IN_TIMELINES: frozenset[str] = frozenset(_LINES)

#: Where the thing is named on its own page, so that the title need not name it again.
_NAMED_ON_ITS_PAGE = frozenset(AllocationEvent)


def timeline(events: Iterable[Event], *, own_page: bool = False) -> list[TimelineEntry]:
    """What happened, the newest first. ``own_page``: on the page of the thing itself, whose name is not repeated."""
    return [
        _entry(event, line, own_page=own_page)
        for event in reversed(list(events))
        if (line := _LINES.get(event.name)) is not None
    ]


def words_for(event: Event) -> str:
    """What happened, beside the name of the thing it happened to; empty for an event that we have no words for."""
    line = _LINES.get(event.name)
    if line is None or event.name in _NAMED_ON_ITS_PAGE:
        return words_of(event.name)
    return line.title_of(event)


def _entry(event: Event, line: _Line, *, own_page: bool) -> TimelineEntry:
    on = date_format(event.at, "DATE_FORMAT")
    # A clock or a worker is nobody to name.
    by = "" if event.actor_id.startswith("system:") else event.actor_name
    quote: Any = event.data.get(line.quote, "") if line.quote else ""
    if line.quote == "error" and not quote and "code" in event.data:
        quote = sentence(event.data["code"], event.data.get("parameters", {}), kind=event.data.get("kind", ""))
    named = own_page and event.name in _NAMED_ON_ITS_PAGE
    return TimelineEntry(
        icon=line.icon,
        title=words_of(event.name) if named else line.title_of(event),
        text=f"{on}, {by}" if by else on,
        quote=str(quote),
        is_plain=line.is_plain,
    )
