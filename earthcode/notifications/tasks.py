"""What Celery wakes. The clock is read here."""

from celery import shared_task
from django.utils import timezone

from earthcode.notifications import delivery
from earthcode.notifications.actions import SEND_MESSAGES


@shared_task(name=SEND_MESSAGES)
def send_messages() -> None:
    """Send what is due."""
    delivery.send_due(clock=timezone.now)
