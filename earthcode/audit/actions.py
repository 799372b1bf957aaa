"""The only way into the audit trail."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, models, transaction

from earthcode.audit.actors import Actor
from earthcode.audit.events import EventName
from earthcode.audit.models import Event


def record(
    name: EventName,
    *,
    by: Actor,
    about: models.Model,
    at: datetime,
    data: Mapping[str, Any] | None = None,
) -> Event:
    """Add an event in the caller's transaction: it stands or falls with what it tells of.

    ``name`` is a member of the app's events (``RequestEvent.APPROVE``); anything else is a ``TypeError``. ``data`` must be JSON
    and contain no secrets. Raises ``RuntimeError`` outside a transaction.
    """
    if not isinstance(name, EventName):
        raise TypeError(f"{name!r} is not a member of an app's events")
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError(f"{name} must be recorded in the transaction of the change it tells of")
    return Event.objects.create(
        name=name.value,
        at=at,
        actor_id=by.audit_id,
        actor_name=by.audit_name,
        subject_type=about._meta.label_lower,
        subject_id=str(about.pk),
        subject_label=str(about),
        data=dict(data or {}),
    )


def forget(actor_id: str, *, names: Sequence[str], pseudonym: str) -> list[int]:
    """Put a pseudonym in place of an actor's names wherever events have them; returns the numbers of those events.

    In the caller's transaction, which must also record the numbers in ``data["events"]`` of an event whose name ends with
    ``.erase``: the verification takes words for lost that no such event names. The chain goes on to hold, and shows
    that nothing else was changed.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("what is forgotten must be recorded in the same transaction")
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_forget(%s, %s::text[], %s)", [actor_id, list(names), pseudonym])
        (events,) = cursor.fetchone()
    return list(events)
