"""The heads of trail and books are written outside by the clock, and what was rewritten since is found and told once."""

import logging
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.db import connection

from earthcode.audit import verify as trail
from earthcode.celery import app
from earthcode.identity.models import User
from earthcode.identity.roles import Role
from earthcode.ledger import actions as ledger
from earthcode.ledger import queries, seals
from earthcode.notifications.models import Message
from earthcode.settlement import heads
from earthcode.settlement.tasks import verify_books, write_heads
from earthcode.sponsorship.models import Call
from tests.conftest import Clock, MakePerson

# Links are written at commit, and a seal needs a transaction of its own.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def outside(settings: Any, tmp_path: Path) -> Path:
    settings.HEADS_FILE = str(tmp_path / "heads")
    return tmp_path / "heads"


@pytest.fixture
def auditor(person: MakePerson) -> User:
    return person("aline", "Aline Auditor", role=Role.AUDITOR)


@pytest.fixture
def kept(outside: Path, call: Call, clock: Clock) -> str:
    """A line of heads, written when the call was funded and sealed."""
    ledger.seal(at=clock.now)
    write_heads()
    return outside.read_text()


def as_superuser(*statements: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement)
        cursor.execute("SET session_replication_role = origin")


def broken() -> list[str]:
    return [str(one) for one in heads.finding().breaks]


def test_the_clock_writes_them_every_hour(settings: Any) -> None:
    (entry,) = [entry for entry in settings.CELERY_BEAT_SCHEDULE.values() if entry["task"] == "settlement.write_heads"]

    assert app.tasks["settlement.write_heads"] == write_heads
    assert entry["schedule"].total_seconds() == 3600


def test_a_line_has_both_heads_and_is_logged_and_appended(
    kept: str, outside: Path, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    write_heads()

    seal = seals.head()
    assert seal is not None
    assert kept == f"2026-11-02T10:00:00Z trail {trail.head()} books {seal.seal}:{seal.hash}\n".replace(
        str(trail.head()), kept.split()[2]
    )
    assert outside.read_text().startswith(kept)
    assert len(outside.read_text().splitlines()) == 2
    (logged,) = [record for record in caplog.records if record.name == "earthcode.heads"]
    assert outside.read_text().endswith(f"{logged.args[0]}\n")  # type: ignore[index]
    assert broken() == []


@pytest.mark.parametrize(
    ("statements", "what"),
    [
        (("TRUNCATE audit_event, audit_link",), "link"),
        (("DELETE FROM audit_link WHERE position > 0",), "link"),
        (("UPDATE audit_link SET hash = sha256(hash)",), "link"),
        (("TRUNCATE ledger_seal",), "seal 1"),
        (("UPDATE ledger_seal SET hash = sha256(hash)",), "seal 1"),
    ],
)
def test_what_was_cut_off_emptied_or_written_anew_is_found(kept: str, statements: tuple[str, ...], what: str) -> None:
    as_superuser(*statements)

    assert any(line.startswith(what) for line in broken()), broken()


def test_a_line_that_somebody_changed_is_named(kept: str, outside: Path) -> None:
    outside.write_text(f"{kept}nonsense\n{kept.replace('books 1:', 'books 2:')}")

    assert broken() == [
        "line 2 of the heads: it cannot be read",
        f"seal 2: the books do not have it as it was kept at 2026-11-02T10:00:00Z: {kept.split()[4].partition(':')[2]}",
    ]


def test_the_night_finds_it_tells_managers_and_auditors_once_and_mails_the_heads(
    kept: str, maria: User, auditor: User, alice: User, settings: Any, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    settings.HEADS_MAIL = ["auditors@esa.example"]
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    verify_books()
    assert not Message.objects.exists()
    (first,) = mail.outbox
    assert "Everything was verified and holds." in first.body
    assert "manage.py verify_audit --head " in first.body
    as_superuser("DELETE FROM audit_event", "DELETE FROM audit_link")

    clock.forward(days=1)
    verify_books()
    clock.forward(days=1)
    verify_books()

    last = queries.last_verification()
    assert last is not None
    assert not last.holds
    told = Message.objects.filter(subject__startswith="Ledger or audit trail broken")
    assert {message.recipient for message in told} == {maria.public_id, auditor.public_id}
    assert told.count() == 2
    assert heads.RULE in told[0].body
    assert "rules are broken" in mail.outbox[-1].body
    assert any(record.levelno == logging.CRITICAL and heads.RULE in record.getMessage() for record in caplog.records)


def test_a_mail_server_that_is_not_there_stops_nothing(kept: str, settings: Any, clock: Clock) -> None:
    settings.HEADS_MAIL = ["auditors@esa.example"]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

    verify_books()

    assert queries.last_verification() is not None
