"""Every event has words, and a place: in the timelines of pages or only in the audit trail."""

from earthcode.audit.events import EventName, words_of
from earthcode.onboarding.lifecycle import APPLICATION, APPLICATION_ITEM
from earthcode.provisioning.lifecycle import ALLOCATION
from earthcode.publishing.lifecycle import OFFERING_DRAFT
from earthcode.sponsorship.lifecycle import RESOURCE_REQUEST
from earthcode.web.parts.timeline import IN_THE_TRAIL_ONLY, IN_TIMELINES

EVENTS = [
    event for events in EventName.__subclasses__() if events.__module__.startswith("earthcode.") for event in events
]


def test_every_event_is_in_timelines_or_in_the_trail_only() -> None:
    names = {event.value for event in EVENTS}
    in_the_trail = {event.value for event in IN_THE_TRAIL_ONLY}

    assert names - IN_TIMELINES - in_the_trail == set(), "add these to earthcode/web/parts/timeline.py"
    assert IN_TIMELINES & in_the_trail == set()
    assert len(names) == len(EVENTS), "two apps have an event of one name"


def test_every_event_has_words() -> None:
    assert [event for event in EVENTS if not words_of(event.value)[:1].isupper()] == []


def test_every_step_that_people_wait_for_is_in_their_timeline() -> None:
    for lifecycle in (RESOURCE_REQUEST, ALLOCATION, OFFERING_DRAFT, APPLICATION, APPLICATION_ITEM):
        missing = {event.value for event in lifecycle.events.values()} - IN_TIMELINES
        assert not missing, lifecycle.noun
