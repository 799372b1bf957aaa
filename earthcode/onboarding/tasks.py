"""What Celery wakes. The clock is read here."""

from celery import shared_task
from django.utils import timezone

from earthcode.onboarding import running
from earthcode.onboarding.actions import RUN_CHECKS


@shared_task(name=RUN_CHECKS)
def run_checks() -> None:
    """Carry out the checks that wait."""
    running.run_due(clock=timezone.now)
