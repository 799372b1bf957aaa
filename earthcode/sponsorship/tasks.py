"""What Celery wakes. The clock is read here."""

from celery import shared_task
from django.utils import timezone

from earthcode.sponsorship import actions, quotations

#: Also in ``settings.CELERY_BEAT_SCHEDULE``.
KEEP_DEADLINES = "sponsorship.keep_deadlines"


@shared_task(name=KEEP_DEADLINES)
def keep_deadlines() -> None:
    """End what was open for a time that is over, and remind those who promised something by now. Each is done once."""
    quotations.lapse_overdue(at=timezone.now())
    actions.lapse_offers(at=timezone.now())
    actions.remind_of_offers(at=timezone.now())
    quotations.remind_overdue(at=timezone.now())
