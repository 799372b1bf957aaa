"""Rows as a work queue.

Work that must not be lost is a row with a status. A worker claims a row for a limited time (the lease), commits, works
with no transaction open, and records the outcome. A worker that dies keeps nothing: when the lease runs out another one
claims the row. Celery only wakes workers; losing a wake-up delays work until the clock's next one and loses nothing.
"""

import uuid
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import models, transaction
from django.db.models import Q


class Claimable(models.Model):
    """The columns a table needs to serve as a queue.

    ``claim_token`` changes with every claim: whoever records an outcome must still hold it, so a worker that was
    thought dead and comes back late cannot overwrite what its successor did.
    """

    due_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    claimed_until = models.DateTimeField(null=True, blank=True)
    claim_token = models.UUIDField(null=True, blank=True)

    class Meta:
        abstract = True


Row = TypeVar("Row", bound=Claimable)


@transaction.atomic(durable=True)
def claim_next(waiting: models.QuerySet[Row], *, at: datetime, lease: timedelta) -> Row | None:
    """Claim the row of ``waiting`` that is due for longest and that nobody holds; None if there is none.

    The claim is committed when this returns, so it raises ``RuntimeError`` inside a transaction.
    """
    return claim_in_transaction(waiting, at=at, lease=lease)


def claim_in_transaction(waiting: models.QuerySet[Row], *, at: datetime, lease: timedelta) -> Row | None:
    """As :func:`claim_next`, for a caller whose own transaction has more to lock before it commits the claim."""
    unheld = Q(claimed_until__isnull=True) | Q(claimed_until__lte=at)
    row = (
        waiting.filter(unheld, due_at__lte=at)
        .order_by("due_at", "pk")
        .select_for_update(skip_locked=True, no_key=True, of=("self",))
        .first()
    )
    if row is None:
        return None
    row.claimed_until = at + lease
    row.claim_token = uuid.uuid4()
    row.attempts += 1
    row.save(update_fields=["claimed_until", "claim_token", "attempts"])
    return row


def still_mine(row: Row) -> Row | None:
    """Lock the claimed row for recording its outcome; None if the lease ran out and somebody else took it."""
    return (
        type(row)
        ._default_manager.select_for_update(no_key=True, of=("self",))
        .filter(pk=row.pk, claim_token=row.claim_token)
        .first()
    )
