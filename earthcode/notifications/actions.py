"""Write messages, and mark them as read."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from earthcode.lib.wake import wake_after_commit
from earthcode.notifications.models import Message, MessageStatus

#: The task that sends what is queued; also in ``settings.CELERY_BEAT_SCHEDULE``.
SEND_MESSAGES = "notifications.send_messages"


@dataclass(frozen=True)
class Recipient:
    """Who a message is for. Without a usable address it is in the site only."""

    public_id: UUID
    email: str


@transaction.atomic
def send(*, key: str, to: Recipient, subject: str, body: str, link: str = "", at: datetime) -> Message:
    """Write a message in the caller's transaction; e-mail goes out after commit. The same key again changes nothing.

    ``key`` says what the message tells and to whom, ``link`` is a path on this site. Returns the message of the key,
    which is the first one written.
    """
    address = _usable(to.email)
    Message.objects.bulk_create(
        [
            Message(
                key=key,
                recipient=to.public_id,
                email=address,
                # Titles end up here, and a line break would end the header.
                subject=" ".join(subject.split())[:200],
                body=body.strip(),
                link=link,
                status=MessageStatus.QUEUED if address else MessageStatus.SITE_ONLY,
                created_at=at,
                due_at=at,
            )
        ],
        # "On conflict do nothing": an error would take the caller's whole transaction with it.
        ignore_conflicts=True,
    )
    message = Message.objects.get(key=key)
    if message.status == MessageStatus.QUEUED:
        wake_after_commit(SEND_MESSAGES)
    return message


def mark_read(*, recipient: UUID, at: datetime, message: int | None = None, link: str | None = None) -> int:
    """Mark one message (by primary key), those with this link, or all of them as read; returns how many were unread.

    Somebody else's message is as good as none. It is one statement, and so a transaction of its own.
    """
    unread = Message.objects.filter(recipient=recipient, read_at=None)
    if message is not None:
        unread = unread.filter(pk=message)
    if link is not None:
        unread = unread.filter(link=link)
    return unread.update(read_at=at)


def _usable(email: str) -> str:
    try:
        validate_email(email)
    except ValidationError:
        return ""
    return email
