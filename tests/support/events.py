"""Events that no app has, for tests of the audit trail itself."""

import functools

from earthcode.audit.events import EventName


@functools.cache
def event(name: str) -> EventName:
    """A member of this name."""
    return EventName("MadeUpEvent", {"ONLY": name}, module=__name__)["ONLY"]  # type: ignore[call-overload,no-any-return]
