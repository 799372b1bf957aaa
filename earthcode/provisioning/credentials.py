"""What a platform gives once: kept encrypted until a member has seen it, then removed.

The page asks for a new sign-in before. What was shown is gone from here; the audit says who saw it and when, and nothing of
what it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from earthcode.audit import actions as audit
from earthcode.connectors.base import Credential
from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.lib.errors import NotPermitted
from earthcode.lifecycle import WrongState
from earthcode.provisioning.events import AllocationEvent
from earthcode.provisioning.models import Allocation


@dataclass(frozen=True)
class Shown:
    label: str
    value: str
    subject: str
    expires_at: str


def kept(credentials: Iterable[Credential]) -> str:
    """As text for the column that encrypts it."""
    return json.dumps(
        [
            {
                "label": each.label,
                "value": each.value.reveal(),
                "subject": each.subject,
                "expires_at": each.expires_at.isoformat() if each.expires_at else "",
            }
            for each in credentials
        ]
    )


@transaction.atomic
def reveal(allocation: Allocation, *, by: User, at: datetime) -> list[Shown]:
    """What the person may see: theirs, and the project's. It is removed here, so a second time there is nothing."""
    if not by.may(Permission.ALLOCATION_USE, allocation):
        raise NotPermitted("Only the project's people can see its credentials.")
    locked = Allocation.objects.select_for_update(no_key=True, of=("self",)).get(pk=allocation.pk)
    everything = json.loads(locked.credentials or "[]")
    name = locked.names.get(by.subject, "")
    mine = [each for each in everything if each["subject"] in {"", name}]
    if not mine:
        raise WrongState("There is nothing to show: credentials are shown once.")
    left = [each for each in everything if each not in mine]
    locked.credentials = json.dumps(left) if left else ""
    locked.save(update_fields=["credentials"])
    audit.record(AllocationEvent.REVEAL, by=by, about=locked, at=at, data={"labels": [each["label"] for each in mine]})
    return [Shown(**each) for each in mine]
