"""What Celery wakes. The clock is read here."""

from celery import shared_task
from django.utils import timezone

from earthcode.settlement import books


@shared_task(name="settlement.verify_books")
def verify_books() -> None:
    """Verify the whole books, and tell the ESA managers of each row that is broken."""
    books.verify_books(clock=timezone.now)
