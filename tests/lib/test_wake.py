"""Waking a worker: after commit, and never at the price of the page."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import Celery
from django.db import transaction

from earthcode.celery import app
from earthcode.lib.wake import wake_after_commit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def broker() -> Iterator[Callable[..., None]]:
    """Makes the site use another broker: ``broker(url, **options)``."""
    others = []

    def use(url: str, **options: str) -> None:
        other = Celery("test", broker=url, broker_transport_options=options)
        others.append(other)
        other.set_current()

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


def test_the_file_queue_gets_the_message(broker: Callable[..., None], tmp_path: Path) -> None:
    broker("filesystem://", data_folder_in=str(tmp_path), data_folder_out=str(tmp_path), control_folder=str(tmp_path))

    with transaction.atomic():
        wake_after_commit("work")

    (message,) = tmp_path.glob("*.msg")
    assert '"task": "work"' in message.read_text()


@pytest.mark.parametrize("kind", ["nobody listens", "no folder for the file queue"])
def test_a_dead_broker_is_logged_and_never_raised(
    kind: str, broker: Callable[..., None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    missing = str(tmp_path / "missing" / "queue")
    if kind == "nobody listens":
        broker("amqp://guest:guest@127.0.0.1:1//")
    else:
        broker("filesystem://", data_folder_in=missing, data_folder_out=missing, control_folder=f"{missing}/control")

    with caplog.at_level(logging.WARNING, logger="earthcode.lib.wake"), transaction.atomic():
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
