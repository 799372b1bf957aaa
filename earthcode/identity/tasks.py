"""What Celery wakes."""

from celery import shared_task
from django.core.management import call_command


@shared_task(name="identity.forget_sessions")
def forget_sessions() -> None:
    """Delete the sessions that have ended."""
    call_command("clearsessions")
