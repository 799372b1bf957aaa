"""What the clock does to the books."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from earthcode.celery import app
from earthcode.ledger import tasks
from earthcode.ledger.models import Checkpoint, Entry, Seal, Span

from .conftest import Books, committing, short_spans


@pytest.mark.parametrize("task", [tasks.give_back, tasks.roll_up, tasks.seal, tasks.write_spans])
def test_the_clock_wakes_the_task(task: object) -> None:
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}

    assert {name for name, known in app.tasks.items() if known == task} & scheduled


def test_holds_that_ran_out_are_given_back_as_of_the_moment_they_did(books: Books) -> None:
    books.now = timezone.now() - timedelta(days=2)
    over, running = books.hold(10, expires_at=books.now + timedelta(days=1)), books.hold(20)

    tasks.give_back()
    tasks.give_back()

    assert (books.balances()["available"], books.balances()["held"]) == (80, 20)
    entry = Entry.objects.get(kind="expire")
    assert (entry.hold, entry.effective_at, entry.actor) == (over, over.expires_at, "system:clock")
    assert running.is_open


@committing
def test_the_rows_of_deferred_accounts_are_brought_up_to_date(committed_books: Books) -> None:
    tasks.roll_up()

    assert Checkpoint.objects.filter(account__code=committed_books.call.commitment).exists()


@committing
def test_the_books_are_sealed(committed_books: Books) -> None:
    tasks.seal()

    assert Seal.objects.get().upto_id >= Entry.objects.latest("pk").pk


def test_spans_are_written(books: Books) -> None:
    books.grant(1)
    with short_spans():
        tasks.write_spans()

    assert Span.objects.get().account.code == books.call.available
