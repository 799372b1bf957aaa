"""Whether the books and the audit trail hold. Here and not in the ledger, because those who must know are people."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from django.db import transaction
from django.urls import reverse

from earthcode.audit import verify as trail
from earthcode.audit.models import Event
from earthcode.identity.models import User
from earthcode.identity.roles import Role
from earthcode.ledger import nightly
from earthcode.ledger.seals import Break
from earthcode.ledger.verify import Finding
from earthcode.notifications import actions as notifications
from earthcode.notifications.actions import Recipient
from earthcode.settlement import heads, verify

#: How many rows a message names.
NAMED_MAX = 10
TRAIL = "the audit trail is what was written"
FOUND = (
    "The nightly verification found that the credit ledger or the audit trail is not as its rules say. Nothing was changed; "
    "until it is known why, take the balances and events concerned for wrong."
)


def verify_books(*, clock: Callable[[], datetime]) -> None:
    """Check every rule of the ledger, of the charges against it and of the audit trail, and what was kept outside of both.

    The result is kept. ESA managers and auditors get one message for what was not broken before, and those who keep the heads
    of trail and books a mail with them.
    """
    result = nightly.verify_books(clock=clock)
    others = (*verify.findings(), _trail(), heads.finding())
    result = replace(result, findings=(*result.findings, *others), ended_at=clock())
    with transaction.atomic():
        verification, new = nightly.note(result)
        if new:
            _tell(verification.pk, [f"{row} (rule: {row.rule})" for row in new], at=verification.ended_at)
    heads.mail(heads.write(at=result.ended_at), broken=len(result.broken))


def _trail() -> Finding:
    """Whether the audit trail is what was written."""
    found = trail.breaks()
    named = list(islice(found, NAMED_MAX))
    breaks = tuple(Break(one.place, one.what) for one in named)
    return Finding(TRAIL, "audit_event", Event.objects.count(), breaks, len(named) + sum(1 for _ in found))


def _tell(verification: int, rows: Sequence[str], *, at: datetime) -> None:
    more = [f"… and {len(rows) - NAMED_MAX} more"] if len(rows) > NAMED_MAX else []
    body = "\n".join([FOUND, "", *rows[:NAMED_MAX], *more])
    for person in User.objects.filter(
        role_grants__role__in=[Role.ESA_MANAGER, Role.AUDITOR], is_active=True
    ).distinct():
        notifications.send(
            key=f"books-broken:{verification}:{person.public_id}",
            to=Recipient(person.public_id, person.email),
            subject=f"Ledger or audit trail broken in {len(rows)} place{'' if len(rows) == 1 else 's'}",
            body=body,
            link=reverse("ledger"),
            at=at,
        )
