"""The brokers that a site may have, for real: woken through them, without them, and when they come back."""

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from celery import Celery

from earthcode.celery import app
from earthcode.identity.models import User
from earthcode.lib import wake
from earthcode.notifications import actions as notifications
from earthcode.notifications.models import Message, MessageStatus
from earthcode.provisioning.models import AllocationStatus
from earthcode.sponsorship.models import Award
from tests.support import brokers
from tests.support.brokers import Broker
from tests.support.workers import Worker

pytestmark = [pytest.mark.slow, pytest.mark.platform, pytest.mark.django_db(transaction=True)]


@pytest.fixture(params=["valkey", "rabbitmq"])
def broker(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    """Each of them, and the site uses it."""
    monkeypatch.setattr(wake, "_paused_until", 0.0)
    with getattr(brokers, request.param)(tmp_path) as server:
        monkeypatch.setenv("CELERY_BROKER_URL", server.url)
        site = Celery("test")
        site.config_from_object("django.conf:settings", namespace="CELERY")
        site.set_current()
        yield server
        app.set_current()
        site.close()


@pytest.fixture
def start(broker: Broker, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Starts a worker for some lanes, with no clock: only what is woken is done."""
    workers = []

    def make(lanes: str, **environment: str) -> Worker:
        worker = Worker(
            tmp_path,
            ["worker", f"--queues={lanes}", "--concurrency=1", f"--hostname={lanes}@%h"],
            name=f"worker-{lanes}",
            CELERY_BROKER_URL=broker.url,
            **environment,
        )
        workers.append(worker)
        worker.wait_for(lambda: " ready." in worker.said(), "it was ready")
        return worker

    yield make
    for worker in workers:
        worker.stop()


def _write_to(person: User, now: datetime, subject: str) -> Message:
    return notifications.send(key=subject, to=person, subject=subject, body="…", at=now)


def _is_sent(message: Message) -> bool:
    return Message.objects.filter(pk=message.pk, status=MessageStatus.SENT).exists()


def test_a_worker_hears_what_the_site_says_at_commit(start: Callable[..., Worker], alice: User, now: datetime) -> None:
    mail = start("mail")

    message = _write_to(alice, now, "first")

    mail.wait_for(lambda: _is_sent(message), "the message was sent")


def test_without_the_broker_pages_go_on_and_when_it_is_back_so_does_the_worker(
    broker: Broker,
    start: Callable[..., Worker],
    alice: User,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mail = start("mail")
    mail.wait_for(lambda: _is_sent(_write_to(alice, now, "before")), "the message before was sent")

    broker.kill()
    with caplog.at_level(logging.WARNING, logger="earthcode.lib.wake"):
        # A broker that was slow to start may have been left alone; and what is written first into a connection whose other
        # end is gone can be lost without a word.
        for _attempt in range(10):
            monkeypatch.setattr(wake, "_paused_until", 0.0)
            lost = _write_to(alice, now, "meanwhile")
            if caplog.text:
                break

    assert "did not take the wake-up for notifications.send_messages" in caplog.text
    assert lost.status == MessageStatus.QUEUED

    broker.start()

    def woken_again() -> bool:
        monkeypatch.setattr(wake, "_paused_until", 0.0)
        _write_to(alice, now, "afterwards")  # the same message each time: nothing is written twice
        return _is_sent(lost)

    mail.wait_for(woken_again, "the message of meanwhile was sent")
    assert mail.said().count(" ready.") == 1  # the same worker, which only waited


def test_a_mail_server_that_never_ends_its_greeting_delays_nobody_s_access(
    start: Callable[..., Worker], alice: User, now: datetime, request: pytest.FixtureRequest
) -> None:
    with _endless_mail_server() as (port, talking):
        mail = start("mail", EMAIL_URL=f"smtp://127.0.0.1:{port}")
        platforms = start("upkeep,platforms")
        _write_to(alice, now, "for the mail server to keep")
        mail.wait_for(talking.is_set, "the mail server was talked to")

        award: Award = request.getfixturevalue("award")

        platforms.wait_for(
            lambda: set(award.allocations.values_list("status", flat=True)) == {AllocationStatus.ACTIVE},
            "both allocations were active",
        )
        assert talking.is_set()
        assert not Message.objects.filter(status=MessageStatus.SENT).exists()


@contextmanager
def _endless_mail_server() -> Iterator[tuple[int, threading.Event]]:
    """Its greeting has always one line more. Gives its port, and whether somebody listens to it at the moment."""
    talking, over = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while not over.is_set():
                try:
                    wire, _ = listener.accept()
                except OSError:
                    return
                with wire, contextlib.suppress(OSError):
                    talking.set()
                    while not over.wait(0.1):
                        wire.sendall(b"220-just a moment\r\n")
                talking.clear()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], talking
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
