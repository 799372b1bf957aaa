"""What happens in ``settlement``, by name."""

from earthcode.audit.events import EventName


class UsageReportEvent(EventName):
    TAKE = "usage_report.take", "Usage report accepted"
