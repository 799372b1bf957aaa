"""What can happen, by name. Each app lists its events once, with the words that people read for them.

An event is a member of one of these classes: ``audit.record`` takes nothing else, and a step of a ``Lifecycle`` has an event of
its name. So a name cannot be misspelt, and whoever adds one is asked for its words.
"""

from django.db import models


class EventName(models.TextChoices):
    """Base of the events of one kind of thing: ``APPROVE = "resource_request.approve", "Approved in full"``."""


def words_of(name: str) -> str:
    """What happened, in a few words; empty for a name that no app has any more (the trail outlives the code)."""
    for events in EventName.__subclasses__():
        if name in events.values:
            return str(events(name).label)
    return ""
