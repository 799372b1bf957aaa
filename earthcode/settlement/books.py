"""Whether the books hold. Here and not in the ledger, because those who must know are people."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from django.db import transaction
from django.urls import reverse

from earthcode.identity.models import User
from earthcode.identity.roles import Role
from earthcode.ledger import nightly
from earthcode.notifications import actions as notifications
from earthcode.notifications.actions import Recipient
from earthcode.settlement import verify

#: How many rows a message names.
NAMED_MAX = 10
FOUND = (
    "The nightly verification found rows of the credit ledger that break its rules. Nothing was changed; "
    "until it is known why, take the balances concerned for wrong."
)


def verify_books(*, clock: Callable[[], datetime]) -> None:
    """Check every rule of the ledger, and of the charges against it, and keep the result.

    ESA managers get one message for what was not broken before.
    """
    result = nightly.verify_books(clock=clock)
    result = replace(result, findings=(*result.findings, *verify.findings()), ended_at=clock())
    with transaction.atomic():
        verification, new = nightly.note(result)
        if new:
            _tell_managers(verification.pk, [f"{row} (rule: {row.rule})" for row in new], at=verification.ended_at)


def _tell_managers(verification: int, rows: Sequence[str], *, at: datetime) -> None:
    more = [f"… and {len(rows) - NAMED_MAX} more"] if len(rows) > NAMED_MAX else []
    body = "\n".join([FOUND, "", *rows[:NAMED_MAX], *more])
    for manager in User.objects.filter(role_grants__role=Role.ESA_MANAGER, is_active=True).distinct():
        notifications.send(
            key=f"books-broken:{verification}:{manager.public_id}",
            to=Recipient(manager.public_id, manager.email),
            subject=f"The credit ledger is broken in {len(rows)} place{'' if len(rows) == 1 else 's'}",
            body=body,
            link=reverse("ledger"),
            at=at,
        )
