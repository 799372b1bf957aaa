"""E-mail over a real mail server, also one that refuses, breaks off, dies and comes back."""

import threading
import uuid
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from django.db import connection, transaction

from earthcode.notifications import delivery
from earthcode.notifications.actions import Recipient
from earthcode.notifications.models import Message, MessageStatus
from earthcode.notifications.tasks import send_messages
from tests.conftest import Clock
from tests.notifications.conftest import Write
from tests.support.mail import MailServer

# Messages are claimed and recorded in transactions of their own.
pytestmark = pytest.mark.django_db(transaction=True)


def send_due(clock: Clock) -> int:
    return delivery.send_due(clock=clock.read)


def run_until_nothing_is_left(clock: Clock) -> None:
    """The clock's wake-ups, until no message waits."""
    while (waiting := Message.objects.filter(status=MessageStatus.QUEUED).order_by("due_at").first()) is not None:
        clock.now = max(clock.now, waiting.due_at, waiting.claimed_until or waiting.due_at)
        send_due(clock)


def test_a_message_arrives_as_it_was_written(
    write: Write, mail_server: MailServer, clock: Clock, settings: Any
) -> None:
    settings.SITE_URL = "https://nor.science.example"
    settings.DEFAULT_FROM_EMAIL = "Network of Resources <nor@science.example>"
    message = write(subject="Schnee für Alice", body="Zeile eins\nZeile zwei – ü")

    assert send_due(clock) == 1

    (mail,) = mail_server.taken
    assert mail_server.recipients == ["alice@science.example"]
    assert mail["Subject"] == "Schnee für Alice"
    assert mail["To"] == "alice@science.example"
    assert mail["From"] == "Network of Resources <nor@science.example>"
    assert mail["Message-ID"].endswith("@science.example>")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert parsedate_to_datetime(mail["Date"]) == message.created_at
    text = mail.get_content().replace("\r\n", "\n")
    assert "Zeile eins\nZeile zwei – ü" in text
    assert "https://nor.science.example/allocations/NOR-2026-0001-1/" in text
    message.refresh_from_db()
    assert message.status == MessageStatus.SENT
    assert message.sent_at == clock.now
    assert message.claim_token is None


def test_a_sent_message_is_not_sent_again(write: Write, mail_server: MailServer, clock: Clock) -> None:
    write()
    send_due(clock)

    clock.forward(days=1)
    assert send_due(clock) == 0

    assert len(mail_server.taken) == 1


def test_each_message_has_an_id_of_its_own(write: Write, mail_server: MailServer, clock: Clock) -> None:
    write("ready")
    write("ended")

    assert send_due(clock) == 2

    first, second = mail_server.taken
    assert first["Message-ID"] != second["Message-ID"]


def test_what_is_in_the_site_only_is_not_sent(write: Write, mail_server: MailServer, clock: Clock) -> None:
    message = write()
    Message.objects.filter(pk=message.pk).update(status=MessageStatus.SITE_ONLY)

    assert send_due(clock) == 0

    assert mail_server.taken == []


def test_the_task_sends_what_is_due_by_the_clock(write: Write, mail_server: MailServer, clock: Clock) -> None:
    write()

    send_messages()

    assert Message.objects.get().sent_at == clock.now


# --- a mail server that is down --------------------------------------------------------------------------------------


def test_a_dead_server_loses_nothing_and_sends_nothing_twice(
    write: Write, mail_server: MailServer, clock: Clock
) -> None:
    mail_server.stop()
    keys = [f"message-{number}" for number in range(5)]
    for key in keys:
        write(key)
    for _ in range(6):
        assert send_due(clock) == 0
        clock.forward(minutes=10)
    assert set(Message.objects.values_list("status", flat=True)) == {MessageStatus.QUEUED}

    mail_server.start()
    run_until_nothing_is_left(clock)

    assert set(Message.objects.values_list("status", flat=True)) == {MessageStatus.SENT}
    assert len(mail_server.taken) == 5
    assert len({mail["Message-ID"] for mail in mail_server.taken}) == 5


def test_a_dead_server_is_asked_once_a_run_and_later_each_time(
    write: Write, mail_server: MailServer, clock: Clock
) -> None:
    mail_server.stop()
    first, second = write("first"), write("second")

    send_due(clock)

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.attempts, second.attempts) == (1, 0)
    assert "cannot be used" in first.error
    pauses = []
    Message.objects.filter(pk=second.pk).delete()
    for _ in range(9):
        first.refresh_from_db()
        clock.now = first.due_at
        send_due(clock)
        first.refresh_from_db()
        pauses.append(first.due_at - clock.now)
    assert pauses == sorted(pauses)
    assert pauses[0] == timedelta(minutes=1)
    assert pauses[-1] == delivery.LONGEST_PAUSE


def test_a_message_is_given_up_after_days_and_stays_readable(
    write: Write, mail_server: MailServer, clock: Clock
) -> None:
    mail_server.stop()
    message = write()
    clock.forward(days=5, seconds=1)

    send_due(clock)

    message.refresh_from_db()
    assert message.status == MessageStatus.FAILED
    assert "5 days" in message.error
    clock.forward(days=1)
    mail_server.start()
    assert send_due(clock) == 0
    assert mail_server.taken == []


@pytest.mark.parametrize(
    "answers",
    [
        {"CONNECT": "554 go away"},
        {"EHLO": "250-mail.science.example\r\n250 AUTH PLAIN", "AUTH": "535 wrong password"},
        {"EHLO": "250 mail.science.example", "MAIL": "550 you may not send from there"},
    ],
    ids=["the server does not talk to us", "our password is wrong", "our sender address is wrong"],
)
def test_what_is_wrong_with_us_fails_no_message(
    write: Write, mail_server: MailServer, clock: Clock, settings: Any, answers: dict[str, str]
) -> None:
    if "AUTH" in answers:
        settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "nor", "wrong"
    mail_server.answers.update(answers)
    message = write()

    assert send_due(clock) == 0

    message.refresh_from_db()
    assert message.status == MessageStatus.QUEUED
    assert message.error


# --- a mail server that refuses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["RCPT", "BODY"])
def test_a_refusal_of_the_message_or_its_address_is_final(
    write: Write, mail_server: MailServer, clock: Clock, word: str
) -> None:
    refused = write("refused")
    mail_server.answers[word] = "550 no such mailbox"

    assert send_due(clock) == 0

    refused.refresh_from_db()
    assert refused.status == MessageStatus.FAILED
    assert "550" in refused.error
    del mail_server.answers[word]
    clock.forward(days=1)
    assert send_due(clock) == 0
    assert mail_server.taken == []


@pytest.mark.parametrize("word", ["RCPT", "BODY"])
def test_a_passing_refusal_is_tried_again(write: Write, mail_server: MailServer, clock: Clock, word: str) -> None:
    message = write()
    mail_server.answers[word] = "451 try again later"
    assert send_due(clock) == 0
    message.refresh_from_db()
    assert message.status == MessageStatus.QUEUED

    del mail_server.answers[word]
    run_until_nothing_is_left(clock)

    message.refresh_from_db()
    assert message.status == MessageStatus.SENT
    assert message.error == ""
    assert len(mail_server.taken) == 1


def test_one_refused_message_does_not_keep_back_the_next(write: Write, mail_server: MailServer, clock: Clock) -> None:
    mail_server.refused["gone@science.example"] = "550 no such mailbox"
    refused = write("first", to=Recipient(uuid.uuid4(), "gone@science.example"))
    taken = write("second")

    assert send_due(clock) == 1

    refused.refresh_from_db()
    taken.refresh_from_db()
    assert (refused.status, taken.status) == (MessageStatus.FAILED, MessageStatus.SENT)


# --- what breaks in between ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["MAIL", "RCPT", "DATA"])
def test_a_server_that_breaks_off_before_it_took_the_message_gets_it_once(
    write: Write, mail_server: MailServer, clock: Clock, word: str
) -> None:
    write()
    mail_server.answers[word] = None
    assert send_due(clock) == 0
    assert mail_server.taken == []

    del mail_server.answers[word]
    run_until_nothing_is_left(clock)

    assert len(mail_server.taken) == 1


def test_a_server_that_breaks_off_after_it_took_the_message_gets_the_very_same_again(
    write: Write, mail_server: MailServer, clock: Clock
) -> None:
    # Nobody can know whether it was taken. The second copy is the first one, so that it can be told to be.
    write()
    mail_server.answers["BODY"] = None
    assert send_due(clock) == 0

    del mail_server.answers["BODY"]
    run_until_nothing_is_left(clock)

    first, second = mail_server.raw
    assert second == first


def test_a_server_that_says_goodbye_badly_gets_the_message_once(
    write: Write, mail_server: MailServer, clock: Clock
) -> None:
    write()
    # Longer than a line may be, which the mail library takes for an error.
    mail_server.answers["QUIT"] = "221 " + "good" * 4000 + "bye"

    assert send_due(clock) == 1

    clock.forward(days=1)
    assert send_due(clock) == 0
    assert len(mail_server.taken) == 1


def test_a_worker_that_died_before_it_handed_over_loses_nothing(
    write: Write, mail_server: MailServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = write()

    def dies(message: Message) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(delivery, "hand_over", dies)
        with pytest.raises(KeyboardInterrupt):
            send_due(clock)

    assert send_due(clock) == 0, "the dead worker's lease still runs"
    clock.now += delivery.LEASE
    assert send_due(clock) == 1
    message.refresh_from_db()
    assert message.attempts == 2
    assert len(mail_server.taken) == 1


def test_a_late_worker_does_not_overwrite_what_its_successor_wrote(
    write: Write, mail_server: MailServer, clock: Clock
) -> None:
    message = write()
    later = clock.now + delivery.LEASE

    def somebody_else_takes_over() -> None:
        mail_server.before_answer = lambda: None
        thread = threading.Thread(target=successor)
        thread.start()
        thread.join(timeout=30)

    def successor() -> None:
        try:
            delivery.send_due(clock=lambda: later)
        finally:
            connection.close()

    mail_server.before_answer = somebody_else_takes_over

    send_due(clock)

    message.refresh_from_db()
    assert message.status == MessageStatus.SENT
    assert message.sent_at == later


def test_two_workers_at_once_send_each_message_once(write: Write, mail_server: MailServer, clock: Clock) -> None:
    for number in range(20):
        write(f"message-{number}")
    start = threading.Barrier(4)

    def work() -> None:
        start.wait(timeout=30)
        try:
            send_due(clock)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert len(mail_server.taken) == 20
    assert len({mail["Message-ID"] for mail in mail_server.taken}) == 20


def test_no_transaction_is_open_while_mail_is_handed_over(write: Write, mail_server: MailServer, clock: Clock) -> None:
    message = write()

    with pytest.raises(RuntimeError, match="no transaction open"), transaction.atomic():
        delivery.hand_over(message)

    assert mail_server.taken == []


def test_a_message_that_is_not_due_waits(write: Write, mail_server: MailServer, clock: Clock, now: datetime) -> None:
    write(at=now + timedelta(hours=1))

    assert send_due(clock) == 0
    clock.forward(hours=1)
    assert send_due(clock) == 1
