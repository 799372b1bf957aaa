"""What Celery wakes. The clock is read here."""

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from earthcode.provisioning import actions, announcements, operations, tasks_for_people
from earthcode.publishing import notices

#: A platform that keeps a worker beyond all its time limits costs us that process, which is replaced. Its operation is
#: done by another one when the lease has run out.
TIME_LIMIT_S = operations.RUN_FOR.total_seconds() + settings.OPERATION_TIME_S


@shared_task(name=actions.RUN_OPERATIONS, time_limit=TIME_LIMIT_S)
def run_operations() -> None:
    """End what is past its last day, close what waited long enough for usage, and carry out what is due."""
    actions.end_overdue(at=timezone.now())
    actions.close_overdue_usage(at=timezone.now())
    tasks_for_people.remind(at=timezone.now())
    operations.run_all_due(clock=timezone.now)


@shared_task(name=notices.TELL_ANNOUNCEMENTS)
def tell_announcements() -> None:
    """Tell those concerned what is due, and take what has retired off the list."""
    announcements.tell_due(at=timezone.now())
    notices.unlist_retired(at=timezone.now())
