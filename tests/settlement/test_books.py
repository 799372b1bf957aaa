"""The nightly verification: what it found is kept, and each broken row is told once."""

import logging

import pytest
from django.conf import settings
from django.db import connection

from earthcode.audit.models import Event
from earthcode.celery import app
from earthcode.identity.models import User
from earthcode.ledger import queries as ledger
from earthcode.notifications.models import Message
from earthcode.settlement.tasks import verify_books
from earthcode.sponsorship.models import Call
from tests.conftest import Clock


@pytest.fixture(autouse=True)
def _links_are_written_at_once(db: None) -> None:
    """And not at a commit that never comes."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS audit_event_is_linked IMMEDIATE")


def _behind_the_guards(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql)
        cursor.execute("SET LOCAL session_replication_role = origin")


RAISE = "UPDATE ledger_account SET credits = credits + 5, debits = debits + 5 WHERE code LIKE 'call:%:available'"
LOWER = RAISE.replace("+", "-")


def test_the_clock_wakes_it_every_night() -> None:
    (entry,) = [entry for entry in settings.CELERY_BEAT_SCHEDULE.values() if entry["task"] == "settlement.verify_books"]

    assert app.tasks["settlement.verify_books"] == verify_books
    assert (entry["schedule"].hour, entry["schedule"].minute) == ({1}, {30})


def test_sound_books_are_kept_as_verified_and_nobody_is_told(call: Call, maria: User, clock: Clock) -> None:
    assert ledger.last_verification() is None

    verify_books()

    found = ledger.last_verification()
    assert found is not None
    assert (found.holds, found.ended_at, found.entries) == (True, clock.now, 1)
    assert found.rules >= 17
    assert not Message.objects.exists()
    assert not Event.objects.filter(name="ledger.break").exists()


def test_a_broken_row_is_audited_logged_and_told_to_each_manager(
    call: Call, maria: User, marc: User, alice: User, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    _behind_the_guards(RAISE)

    verify_books()

    found = ledger.last_verification()
    assert found is not None
    assert not found.holds
    messages = Message.objects.all()
    assert {message.recipient for message in messages} == {maria.public_id, marc.public_id}
    assert f"account call:{call.slug}:available: says debits" in messages[0].body
    event = Event.objects.get(name="ledger.break")
    assert event.data["rows"][0]["row"] == f"account call:{call.slug}:available"
    assert {record.levelno for record in caplog.records if record.name == "earthcode.ledger.nightly"} == {
        logging.CRITICAL
    }


def test_a_broken_row_is_told_once_and_again_only_after_it_was_mended(call: Call, maria: User, clock: Clock) -> None:
    _behind_the_guards(RAISE)
    verify_books()
    _behind_the_guards(RAISE)  # the same row says something else now
    clock.forward(days=1)
    verify_books()
    assert Message.objects.count() == Event.objects.filter(name="ledger.break").count() == 1

    _behind_the_guards(LOWER)
    _behind_the_guards(LOWER)
    clock.forward(days=1)
    verify_books()
    assert Message.objects.count() == 1
    found = ledger.last_verification()
    assert found is not None
    assert found.holds

    _behind_the_guards(RAISE)
    clock.forward(days=1)
    verify_books()
    assert Message.objects.count() == Event.objects.filter(name="ledger.break").count() == 2


def test_another_broken_row_is_told_by_itself(call: Call, maria: User, clock: Clock) -> None:
    _behind_the_guards(RAISE)
    verify_books()

    _behind_the_guards("UPDATE ledger_entry SET reverses_id = id")
    verify_books()

    second = Message.objects.latest("pk")
    assert Message.objects.count() == 2
    assert "entry " in second.body
    assert "account " not in second.body


def test_the_page_of_the_ledger_says_when_the_books_were_verified(call: Call, as_maria: object, clock: Clock) -> None:
    from django.test import Client

    assert isinstance(as_maria, Client)
    assert "have not been verified yet" in as_maria.get("/ledger/").text
    verify_books()
    assert "Last verified on 2 November 2026, 10:00: all" in as_maria.get("/ledger/").text

    _behind_the_guards(RAISE)
    verify_books()
    assert "rules failed" in as_maria.get("/ledger/").text
