"""What Celery wakes. The clock is read here.

None of these is urgent, and each starts where the last one stopped: a wake-up that is lost only delays.
"""

from celery import shared_task
from django.utils import timezone

from earthcode.audit.actors import CLOCK
from earthcode.ledger import actions, spans


@shared_task(name="ledger.give_back")
def give_back() -> None:
    """Give back what holds that ran out have left, and then to the calls what awards have left that ended."""
    now = timezone.now()
    while actions.expire(before=now, by=CLOCK):
        pass
    while actions.lapse(before=now, by=CLOCK):
        pass


@shared_task(name="ledger.seal")
def seal() -> None:
    """Seal what was committed since the last seal. ``settlement.tasks`` has the nightly verification, which tells people."""
    actions.seal(at=timezone.now())


@shared_task(name="ledger.roll_up")
def roll_up() -> None:
    """Bring the rows of deferred accounts up to date."""
    actions.roll_up()


#: Of a thousand postings each: some seconds of work. What is left is for the next wake-up.
SPANS_MAX = 1_000


@shared_task(name="ledger.write_spans")
def write_spans() -> None:
    """Add up postings, so that balances at past moments stay cheap to read."""
    spans.write(limit=SPANS_MAX)
