"""How the site is doing, for whoever runs it: what waits too long, and what was not looked at. ``manage.py status`` prints it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import Error
from kombu import Connection

from earthcode.ledger import queries as books
from earthcode.lib import database
from earthcode.notifications.models import Message, MessageStatus
from earthcode.provisioning.models import Operation, OperationStatus

#: What is due is done within seconds. So late, nobody does it: the worker of the lane is not running, or the clock.
LATE = timedelta(minutes=15)
#: The books are verified every night.
UNVERIFIED = timedelta(hours=36)


@dataclass(frozen=True)
class Line:
    what: str
    words: str
    holds: bool = True


def lines(*, at: datetime) -> Iterator[Line]:
    """One after the other; ``holds`` is whether it is as it should be. Without the database there is nothing else to say."""
    try:
        problems = database.problems()
    except Error as error:
        yield Line("Database", f"does not answer: {str(error).strip()}", holds=False)
        return
    yield Line("Database", "; ".join(problems) or "of this release", holds=not problems)
    yield _broker()
    if any("not been migrated" in problem for problem in problems):
        return
    waiting = Operation.objects.filter(status=OperationStatus.QUEUED)
    yield _queue("Operations on platforms", waiting.order_by("due_at").values_list("due_at", flat=True).first(), at)
    yield Line("Operations waiting", str(waiting.count()))
    unsent = Message.objects.filter(status=MessageStatus.QUEUED)
    yield _queue("Messages", unsent.order_by("due_at").values_list("due_at", flat=True).first(), at)
    yield Line("Messages not sent", str(unsent.count()))
    sealed = books.last_sealed_at()
    yield Line("Last seal of the books", _ago(sealed, at))
    verified = books.last_verification()
    if verified is None:
        yield Line("Last verification of the books", "never", holds=sealed is None)
    else:
        found = "holds" if verified.holds else f"{verified.rules_broken} rules broken"
        fresh = at - verified.ended_at <= UNVERIFIED
        yield Line(
            "Last verification of the books", f"{_ago(verified.ended_at, at)}, {found}", verified.holds and fresh
        )


def _broker() -> Line:
    try:
        with Connection(settings.CELERY_BROKER_URL, connect_timeout=5) as connection:
            connection.ensure_connection(max_retries=0)
    except Exception as error:
        return Line("Broker", f"does not answer: {error or type(error).__name__}", holds=False)
    return Line("Broker", "answers")


def _queue(what: str, oldest: datetime | None, at: datetime) -> Line:
    if oldest is None or oldest > at:
        return Line(f"{what}, oldest that is due", "none")
    return Line(f"{what}, oldest that is due", _ago(oldest, at), holds=at - oldest <= LATE)


def _ago(then: datetime | None, at: datetime) -> str:
    if then is None:
        return "never"
    seconds = int((at - then).total_seconds())
    return f"{seconds // 3600} h {seconds // 60 % 60} min ago" if seconds >= 60 else f"{seconds} s ago"
