"""What Celery wakes. The clock is read here."""

from celery import shared_task
from django.utils import timezone

from earthcode.audit.actors import CLOCK
from earthcode.catalogue.models import Platform
from earthcode.settlement import actions, alerts, books, exhaustion, heads, polling, statements
from earthcode.settlement.models import UsageRecord


@shared_task(name="settlement.verify_books")
def verify_books() -> None:
    """Verify the whole books and the audit trail, and tell ESA managers and auditors of each row that is broken."""
    books.verify_books(clock=timezone.now)


@shared_task(name="settlement.write_heads")
def write_heads() -> None:
    """Write the heads of the audit trail and the books where the site cannot rewrite them."""
    heads.write(at=timezone.now())


@shared_task(name="settlement.rate_waiting")
def rate_waiting() -> None:
    """Look again at usage that could not be rated; one platform's trouble does not keep back another."""
    waiting = UsageRecord.objects.waiting().values("platform")
    for platform in Platform.objects.filter(pk__in=waiting).order_by("pk"):
        actions.rate_waiting(platform, by=CLOCK, at=timezone.now())


@shared_task(name="settlement.read_usage")
def read_usage() -> None:
    """Read usage from the platforms that tell it, as far as it is due."""
    polling.read_all_due(clock=timezone.now)


@shared_task(name="settlement.tell_alerts")
def tell_alerts() -> None:
    """Stop new work where all credits are used, undo it where some are back, and tell projects what runs out."""
    exhaustion.keep_due(at=timezone.now())
    alerts.tell_due(at=timezone.now())


@shared_task(name="settlement.issue_statements")
def issue_statements() -> None:
    """Issue the statements of the month that is over."""
    statements.issue_due(by=CLOCK, at=timezone.now())
