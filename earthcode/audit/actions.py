"""The only way into the audit trail."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import models, transaction

from earthcode.audit.actors import Actor
from earthcode.audit.models import Event


def record(
    name: str,
    *,
    by: Actor,
    about: models.Model,
    at: datetime,
    data: Mapping[str, Any] | None = None,
) -> Event:
    """Add an event in the caller's transaction: it stands or falls with what it tells of.

    ``name`` is noun and verb (``resource_request.approve``). ``data`` must be JSON and hold no secrets. Raises
    ``RuntimeError`` outside a transaction.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError(f"{name} must be recorded in the transaction of the change it tells of")
    return Event.objects.create(
        name=name,
        at=at,
        actor_id=by.audit_id,
        actor_name=by.audit_name,
        subject_type=about._meta.label_lower,
        subject_id=str(about.pk),
        subject_label=str(about),
        data=dict(data or {}),
    )
