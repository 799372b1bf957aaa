"""Messages as rows: written with what they tell of, once for each key."""

import threading
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from earthcode.celery import app
from earthcode.notifications import actions, queries
from earthcode.notifications.actions import Recipient
from earthcode.notifications.models import Message, MessageStatus
from tests.notifications.conftest import Write


@pytest.mark.django_db
def test_a_message_waits_for_the_mail_server_and_is_in_the_site_at_once(write: Write, recipient: Recipient) -> None:
    message = write()

    assert message.status == MessageStatus.QUEUED
    assert list(queries.inbox(recipient.public_id)) == [message]
    assert queries.unread_count(recipient.public_id) == 1


@pytest.mark.django_db
def test_a_message_stands_or_falls_with_the_transaction_it_is_written_in(write: Write) -> None:
    @transaction.atomic
    def write_and_fail() -> None:
        write()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()

    assert not Message.objects.exists()


@pytest.mark.django_db
def test_the_same_key_again_is_the_same_message_and_no_error(write: Write) -> None:
    with transaction.atomic():
        first = write("ready", subject="First")
        again = write("ready", subject="Second")
        # The transaction is alive: an error inside it would have ended it.
        other = write("ended")

    assert again == first
    assert again.subject == "First"
    assert set(Message.objects.all()) == {first, other}


@pytest.mark.django_db(transaction=True)
def test_the_same_key_from_many_at_once_makes_one_message(write: Write) -> None:
    start = threading.Barrier(8)
    written = []

    def run() -> None:
        start.wait(timeout=30)
        try:
            with transaction.atomic():
                written.append(write("ready").pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert written == [Message.objects.get().pk] * 8


@pytest.mark.django_db
@pytest.mark.parametrize("email", ["", "not an address", "a@b", "x@science.example\nBcc: all@science.example"])
def test_without_a_usable_address_it_is_in_the_site_only(write: Write, recipient: Recipient, email: str) -> None:
    message = write(to=Recipient(recipient.public_id, email))

    assert message.status == MessageStatus.SITE_ONLY
    assert message.email == ""
    assert queries.unread_count(recipient.public_id) == 1


@pytest.mark.django_db
def test_a_subject_is_one_line_of_bearable_length(write: Write) -> None:
    message = write(subject="Alpine\r\nBcc: all@science.example\n" + "snow " * 100)

    assert message.subject.startswith("Alpine Bcc: all@science.example snow")
    assert len(message.subject) == 200


@pytest.mark.django_db
def test_the_worker_is_woken_after_commit_and_not_before(
    write: Write, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[str] = []
    monkeypatch.setattr(app, "send_task", lambda name, **_: woken.append(name))

    with django_capture_on_commit_callbacks(execute=True):
        write()
        assert woken == []

    assert woken == ["notifications.send_messages"]


@pytest.mark.django_db
def test_reading_marks_a_message_of_ones_own(write: Write, recipient: Recipient, now: datetime) -> None:
    first, second = write("ready"), write("ended")

    assert actions.mark_read(recipient=recipient.public_id, message=first.pk, at=now) == 1

    first.refresh_from_db()
    assert first.read_at == now
    assert queries.unread_count(recipient.public_id) == 1
    # Read again, it keeps its time.
    assert actions.mark_read(recipient=recipient.public_id, message=first.pk, at=now + timedelta(days=1)) == 0
    assert actions.mark_read(recipient=recipient.public_id, at=now) == 1
    second.refresh_from_db()
    assert second.read_at == now


@pytest.mark.django_db
def test_somebody_elses_message_cannot_be_marked_or_seen(write: Write, now: datetime) -> None:
    message = write()
    stranger = uuid.uuid4()

    assert actions.mark_read(recipient=stranger, message=message.pk, at=now) == 0

    message.refresh_from_db()
    assert message.read_at is None
    assert not queries.inbox(stranger).exists()


@pytest.mark.django_db
def test_the_inbox_begins_with_the_newest(write: Write, recipient: Recipient, now: datetime) -> None:
    old = write("old", at=now)
    new = write("new", at=now + timedelta(minutes=1))
    same_minute = write("newer", at=now + timedelta(minutes=1))

    assert list(queries.inbox(recipient.public_id)) == [same_minute, new, old]
