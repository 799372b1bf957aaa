"""What Celery wakes. The clock is read here."""

from celery import shared_task
from django.utils import timezone

from earthcode.notifications import delivery
from earthcode.notifications.actions import SEND_MESSAGES

#: A mail server that talks without end costs us that process, which is replaced. Its message is sent again when its lease
#: has run out.
TIME_LIMIT_S = int((delivery.RUN_FOR + delivery.LEASE).total_seconds())


@shared_task(name=SEND_MESSAGES, time_limit=TIME_LIMIT_S)
def send_messages() -> None:
    """Send what is due."""
    delivery.send_due(clock=timezone.now)
