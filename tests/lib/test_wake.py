"""Waking a worker: after commit, and never at the price of the page."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from celery import Celery
from django.db import transaction

from earthcode.celery import app
from earthcode.lib import wake
from earthcode.lib.wake import wake_after_commit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Makes the site use another broker: ``broker(url, **options)``."""
    others = []

    def use(url: str, *, connect_timeout_s: float = 2, **options: float) -> None:
        other = Celery(
            "test", broker=url, broker_transport_options=options, broker_connection_timeout=connect_timeout_s
        )
        others.append(other)
        other.set_current()

    monkeypatch.setattr(wake, "_paused_until", 0.0)
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)  # Celery prefers it to what it is given
    yield use
    app.set_current()
    for other in others:
        other.close()


def test_the_task_is_sent_at_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    monkeypatch.setattr(app, "send_task", lambda name, **_: sent.append(name))

    with transaction.atomic():
        wake_after_commit("work")
        assert sent == []

    assert sent == ["work"]


def test_nothing_is_sent_when_the_transaction_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    monkeypatch.setattr(app, "send_task", lambda name, **_: sent.append(name))

    @transaction.atomic
    def wake_and_fail() -> None:
        wake_after_commit("work")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        wake_and_fail()

    assert sent == []


@pytest.mark.parametrize(
    ("url", "level"),
    [
        ("amqp://guest:guest@127.0.0.1:1//", "WARNING"),
        ("redis://127.0.0.1:1/0", "WARNING"),
        ("redis://127.0.0.1:1/not-a-database", "ERROR"),
        ("redis://name.that.is.not.invalid:6379/0", "WARNING"),
        ("confluentkafka://127.0.0.1:1//", "ERROR"),  # its client is not installed
        ("nonsense://127.0.0.1/", "ERROR"),
    ],
)
def test_whatever_the_broker_is_the_page_is_served_and_the_log_says_why(
    url: str, level: str, broker: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    broker(url)

    with caplog.at_level(logging.WARNING, logger="earthcode.lib.wake"), transaction.atomic():
        wake_after_commit("work")

    (record,) = [each for each in caplog.records if each.name == "earthcode.lib.wake"]
    assert record.levelname == level
    assert "work" in record.getMessage()


def test_a_broker_that_failed_is_left_alone_for_a_while(
    broker: Callable[..., None], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker("redis://127.0.0.1:1/0")

    for _ in range(3):
        with transaction.atomic():
            wake_after_commit("work")

    assert len(caplog.records) == 1

    monkeypatch.setattr(wake, "_paused_until", 0.0)  # the while is over
    with transaction.atomic():
        wake_after_commit("work")

    assert len(caplog.records) == 2


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_takes_connections_and_says_nothing_is_given_up(
    scheme: str, broker: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        limits = {"socket_timeout": 0.2} if scheme == "redis" else {}
        broker(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}//", connect_timeout_s=0.2, **limits)

        with transaction.atomic():
            wake_after_commit("work")

    assert "did not take the wake-up for work" in caplog.text


def test_a_broker_that_breaks_off_is_tried_once_because_somebody_waits_for_the_page(
    broker: Callable[..., None],
) -> None:
    tried = []
    listener = socket.create_server(("127.0.0.1", 0))
    broker(f"amqp://guest:guest@127.0.0.1:{listener.getsockname()[1]}//")

    def hang_up() -> None:
        while True:
            try:
                connection, address = listener.accept()
            except OSError:
                return
            tried.append(address)
            connection.close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    try:
        with transaction.atomic():
            wake_after_commit("work")
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=10)

    assert len(tried) == 1
