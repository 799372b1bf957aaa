"""The site works with the rights of ``DATABASE_SITE_ROLE``, and cannot touch what was written to the books and the trail."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client

from earthcode.audit.models import Event, Link
from earthcode.ledger import actions as ledger
from earthcode.ledger import verify
from earthcode.lib import database, rights
from earthcode.sponsorship.models import Award


@pytest.fixture(autouse=True)
def as_the_site(db: None) -> Iterator[None]:
    """Everything in the test, its people and things included, is done with the rights of the site."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET ROLE {rights.role()}")
    yield
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")


def test_a_request_is_granted_and_everything_verifies(award: Award, as_alice: Client, now: datetime) -> None:
    ledger.expire(before=now + timedelta(days=3650), by=award.resource_request.submitted_by)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    assert as_alice.get("/home/").status_code == 200
    assert Link.objects.count() == Event.objects.count() > 10
    assert [finding.rule for finding in verify.findings() if not finding.holds] == []
    assert database.problems() == []


@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE audit_event SET actor_id = 'x'",
        "DELETE FROM audit_event",
        "TRUNCATE audit_event CASCADE",
        "DROP TABLE audit_event CASCADE",
        "ALTER TABLE audit_event DISABLE TRIGGER ALL",
        "ALTER TABLE audit_event RENAME TO other",
        "INSERT INTO audit_link (position, event_id, hash) VALUES (1, 1, 'x')",
        "UPDATE audit_link SET hash = 'x'",
        "DELETE FROM audit_link",
        "CREATE OR REPLACE FUNCTION audit_add_link() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "DROP FUNCTION audit_append_only CASCADE",
        "UPDATE ledger_posting SET amount = 1",
        "DELETE FROM ledger_seal",
        "TRUNCATE ledger_entry",
        "ALTER TABLE ledger_posting DISABLE TRIGGER ALL",
        "DELETE FROM ledger_verification",
        "CREATE TABLE mine (id int)",
        "SET session_replication_role = replica",
        "SET LOCAL ROLE ledger_owner",
        "DELETE FROM django_migrations",
    ],
)
def test_what_was_written_is_out_of_reach(award: Award, attempt: str) -> None:
    """``SET ROLE`` is refused to a login that is a member of the site's role only; here the session is the tests' own."""
    login = "SET SESSION AUTHORIZATION serving" if "ROLE" in attempt else f"SET ROLE {rights.role()}"
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
        cursor.execute(f"CREATE ROLE serving IN ROLE {rights.role()}")
        cursor.execute(login)
        try:
            with pytest.raises(DatabaseError, match=r"permission denied|must be owner"), transaction.atomic():
                cursor.execute(attempt)
        finally:
            cursor.execute("RESET SESSION AUTHORIZATION")


def test_the_checks_say_that_this_login_is_fit_to_serve() -> None:
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
        cursor.execute(f"CREATE ROLE serving IN ROLE {rights.role()}")
        cursor.execute("SET SESSION AUTHORIZATION serving")
        try:
            assert rights.excess_of_this_login() == []
        finally:
            cursor.execute("RESET SESSION AUTHORIZATION")
