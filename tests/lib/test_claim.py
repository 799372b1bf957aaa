"""Rows as a work queue, tried on a table that is one: the messages."""

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from earthcode.lib.claim import claim_next, still_mine
from earthcode.notifications.models import Message, MessageStatus

# A claim is committed before the work begins.
pytestmark = pytest.mark.django_db(transaction=True)

AT = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
LEASE = timedelta(minutes=2)

Queue = Callable[..., Message]


@pytest.fixture
def queue() -> Queue:
    """Puts a row into the queue: ``queue(due_at=…)``."""

    def make(*, due_at: datetime = AT, status: str = MessageStatus.QUEUED) -> Message:
        return Message.objects.create(
            key=str(uuid.uuid4()),
            recipient=uuid.uuid4(),
            subject="",
            body="",
            status=status,
            created_at=AT,
            due_at=due_at,
        )

    return make


def claim(at: datetime = AT) -> Message | None:
    return claim_next(Message.objects.filter(status=MessageStatus.QUEUED), at=at, lease=LEASE)


def test_an_empty_queue_gives_nothing() -> None:
    assert claim() is None


def test_a_claim_is_written_down(queue: Queue) -> None:
    row = queue()

    claimed = claim()

    assert claimed == row
    row.refresh_from_db()
    assert row.claimed_until == AT + LEASE
    assert row.claim_token is not None
    assert row.attempts == 1


def test_what_is_due_for_longest_comes_first(queue: Queue) -> None:
    late = queue(due_at=AT)
    early = queue(due_at=AT - timedelta(hours=1))

    assert [claim(), claim(), claim()] == [early, late, None]


def test_what_is_not_due_is_left(queue: Queue) -> None:
    row = queue(due_at=AT + timedelta(seconds=1))

    assert claim(AT) is None
    assert claim(AT + timedelta(seconds=1)) == row


def test_only_rows_that_wait_are_claimed(queue: Queue) -> None:
    queue(status=MessageStatus.SENT)

    assert claim() is None


def test_a_claimed_row_is_left_alone_until_its_lease_runs_out(queue: Queue) -> None:
    row = queue()
    first = claim()

    assert claim(AT + LEASE - timedelta(microseconds=1)) is None
    second = claim(AT + LEASE)

    assert first is not None
    assert second == row
    assert second.claim_token != first.claim_token
    assert second.attempts == 2


def test_the_outcome_belongs_to_whoever_claimed_last(queue: Queue) -> None:
    queue()
    first = claim()
    second = claim(AT + LEASE)
    assert first is not None
    assert second is not None

    with transaction.atomic():
        assert still_mine(first) is None
        assert still_mine(second) == second


def test_a_claim_cannot_be_made_in_somebody_elses_transaction(queue: Queue) -> None:
    row = queue()

    with pytest.raises(RuntimeError), transaction.atomic():
        claim()

    row.refresh_from_db()
    assert row.claimed_until is None


def test_many_workers_at_once_share_the_rows_without_waiting_for_each_other(queue: Queue) -> None:
    rows = {queue().pk for _ in range(40)}
    start = threading.Barrier(8)
    claimed: list[int] = []

    def work() -> None:
        start.wait(timeout=30)
        try:
            while (row := claim()) is not None:
                claimed.append(row.pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert sorted(claimed) == sorted(rows)


def test_a_row_that_another_worker_is_just_claiming_is_passed_over(queue: Queue) -> None:
    first, second = queue(due_at=AT - timedelta(hours=1)), queue()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                Message.objects.select_for_update().get(pk=first.pk)
                held.set()
                done.wait(timeout=30)
        finally:
            connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(timeout=30)
    try:
        assert claim() == second
    finally:
        done.set()
        thread.join(timeout=30)
