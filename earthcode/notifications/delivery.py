"""Hand queued messages to the mail server.

A message is claimed with a lease, handed over with no transaction open, and recorded as sent. Its ``Message-ID``
comes from its key and its ``Date`` is when it was written, so however often it is handed over it is the same message,
byte for byte.

What SMTP allows, and what we make of it:

- A server that is down, refuses for now, or breaks off before it has taken the message: the message stays queued and is
  tried again, later and later. Nothing is lost and nothing is sent twice.
- A server that refuses for good because of the message or its address (5xx): recorded as failed; it stays in the
  site. What is wrong with *us* (our password, our sender address) is not the message's fault: it stays queued.
- A server takes the message with its last answer. If the connection breaks while we wait for that answer, or we die
  before writing it down, nobody can know whether it was taken (RFC 1047). We then send again: between a message that
  never comes and one that may come twice with the same ``Message-ID``, which mail systems use to drop the second, the
  second is better.
"""

import logging
import smtplib
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import format_datetime, parseaddr

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction

from earthcode.lib.claim import claim_next, still_mine
from earthcode.notifications.models import Message, MessageStatus

logger = logging.getLogger(__name__)

#: Longer than a conversation with a mail server takes: a handful of commands of at most ``EMAIL_TIMEOUT`` seconds each.
LEASE = timedelta(minutes=5)
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
#: As long as mail servers try (RFC 5321, 4.5.4.1).
TRIED_FOR = timedelta(days=5)
#: After so long a run leaves the rest to the next one.
RUN_FOR = timedelta(minutes=1)

_MESSAGE_IDS = uuid.UUID("0b0e9a39-6f0c-4a07-8b53-5d9f3c6f3a64")


class Postponed(Exception):
    """The mail server did not take the message now."""

    def __init__(self, reason: str, *, server_down: bool = False) -> None:
        super().__init__(reason)
        self.server_down = server_down


class Undeliverable(Exception):
    """The mail server will never take this message."""


def send_due(*, clock: Callable[[], datetime]) -> int:
    """Send what is due; returns how many messages were sent. Stops early when the mail server is down."""
    sent, ends = 0, clock() + RUN_FOR
    while (at := clock()) < ends:
        message = claim_next(Message.objects.filter(status=MessageStatus.QUEUED), at=at, lease=LEASE)
        if message is None:
            break
        try:
            hand_over(message)
        except Undeliverable as error:
            _record(message, MessageStatus.FAILED, error=str(error), at=clock())
        except Postponed as error:
            _postpone(message, error=str(error), at=clock())
            if error.server_down:
                # It is down for all the others as well; the clock brings us back.
                break
        else:
            _record(message, MessageStatus.SENT, at=clock())
            sent += 1
    return sent


def hand_over(message: Message) -> None:
    """Give the message to the mail server; raises ``Postponed`` or ``Undeliverable``."""
    if transaction.get_connection().in_atomic_block:
        raise RuntimeError("mail is handed over with no transaction open")
    # A connection of its own, so that what happens on it is about this message.
    connection = get_connection()
    try:
        _open(connection)
        _send(connection, as_email(message))
    finally:
        _leave(connection)


def _open(connection: BaseEmailBackend) -> None:
    try:
        connection.open()
    except (smtplib.SMTPException, OSError) as error:
        raise Postponed(f"The mail server cannot be used: {type(error).__name__}.", server_down=True) from error


def _send(connection: BaseEmailBackend, mail: EmailMessage) -> None:
    try:
        connection.send_messages([mail])
    except smtplib.SMTPRecipientsRefused as error:
        (code, _), *_ = error.recipients.values()
        raise _refusal(code, "the address") from error
    except smtplib.SMTPDataError as error:
        raise _refusal(error.smtp_code, "the message") from error
    except (smtplib.SMTPException, OSError) as error:
        raise Postponed(f"The mail server broke off: {type(error).__name__}.") from error


def _leave(connection: BaseEmailBackend) -> None:
    try:
        connection.close()
    except (smtplib.SMTPException, OSError) as error:
        # What was taken is taken; failing to say goodbye must not make us send it again.
        logger.info("the mail server did not say goodbye: %s", error)


def as_email(message: Message) -> EmailMessage:
    """The message as an e-mail: the same each time."""
    _, sender = parseaddr(settings.DEFAULT_FROM_EMAIL)
    domain = sender.rpartition("@")[2] or "localhost"
    body = message.body
    if message.link:
        body += f"\n\n{settings.SITE_URL}{message.link}"
    return EmailMessage(
        subject=message.subject,
        body=f"{body}\n\n-- \nNetwork of Resources\n{settings.SITE_URL}\n",
        to=[message.email],
        headers={
            "Message-ID": f"<{uuid.uuid5(_MESSAGE_IDS, message.key)}@{domain}>",
            "Date": format_datetime(message.created_at),
            # No out-of-office replies, please (RFC 3834).
            "Auto-Submitted": "auto-generated",
        },
    )


def _refusal(code: int, what: str) -> Postponed | Undeliverable:
    if 500 <= code < 600:
        return Undeliverable(f"The mail server refuses {what} (code {code}).")
    return Postponed(f"The mail server does not take {what} for now (code {code}).")


def _postpone(claimed: Message, *, error: str, at: datetime) -> None:
    if at - claimed.created_at > TRIED_FOR:
        _record(claimed, MessageStatus.FAILED, error=f"{error} It was tried for {TRIED_FOR.days} days.", at=at)
        return
    pause = min(FIRST_PAUSE * 2 ** min(claimed.attempts - 1, 16), LONGEST_PAUSE)
    _record(claimed, MessageStatus.QUEUED, error=error, at=at, due_at=at + pause)


@transaction.atomic(durable=True)
def _record(
    claimed: Message, status: MessageStatus, *, error: str = "", at: datetime, due_at: datetime | None = None
) -> None:
    message = still_mine(claimed)
    if message is None:
        logger.warning("message %s took longer than its lease; somebody else has it now", claimed.pk)
        return
    message.status = status
    message.error = error
    message.claimed_until = None
    message.claim_token = None
    if status == MessageStatus.SENT:
        message.sent_at = at
    if due_at is not None:
        message.due_at = due_at
    message.save(update_fields=["status", "error", "claimed_until", "claim_token", "sent_at", "due_at"])
