"""What happens in ``science``, by name."""

from earthcode.audit.events import EventName


class ScienceEvent(EventName):
    ADDED = "science.added", "Record imported"
    CHANGED = "science.changed", "Record changed"
    WITHDRAWN = "science.withdrawn", "Record withdrawn from the catalog"
