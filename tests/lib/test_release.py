"""Functions, triggers and rights in the database are those of the release; what is not is named."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test import override_settings

from earthcode.lib import checks, database, objects, rights

pytestmark = pytest.mark.django_db


def change(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_a_new_database_is_the_one_of_the_release() -> None:
    assert database.problems() == [], "if a file in sql/ was changed or added, run: make sql"


def test_every_function_and_trigger_belongs_to_an_app_and_no_function_has_a_namesake() -> None:
    found = objects.found()

    assert found.get("", {}) == {}
    functions = [
        thing.partition("(")[0] for things in found.values() for thing in things if thing.startswith("function")
    ]
    assert len(functions) > 60
    assert len(functions) == len(set(functions))


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("ALTER FUNCTION ledger_lapse SECURITY INVOKER", "function ledger_lapse("),
        ("ALTER FUNCTION ledger_write() RESET ALL", "function ledger_write() is not the one of this release"),
        ("DROP FUNCTION audit_canonical CASCADE", "function audit_canonical(e audit_event) is missing"),
        (
            "CREATE FUNCTION ledger_debit(text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "function ledger_debit(text) is not of this release",
        ),
        (
            "CREATE FUNCTION pull() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "function pull() is not of this release",
        ),
        (
            "ALTER TABLE audit_event DISABLE TRIGGER audit_event_append_only",
            "trigger audit_event_append_only on audit_event is switched off",
        ),
        (
            "DROP TRIGGER audit_event_is_linked ON audit_event",
            "trigger audit_event_is_linked on audit_event is missing",
        ),
        (
            "GRANT UPDATE ON audit_event TO earthcode_site",
            "table audit_event: earthcode_site may UPDATE, and should not",
        ),
        ("GRANT TRUNCATE ON audit_link TO PUBLIC", "table audit_link: earthcode_site may TRUNCATE, and should not"),
        ("REVOKE INSERT ON audit_event FROM earthcode_site", "table audit_event: earthcode_site may not INSERT"),
        (
            "REVOKE ALL ON sponsorship_award FROM earthcode_site",
            "table sponsorship_award: earthcode_site may not DELETE",
        ),
        ("GRANT CREATE ON SCHEMA public TO PUBLIC", "schema public: earthcode_site may make things in it"),
        (
            "REVOKE EXECUTE ON FUNCTION ledger_lapse FROM earthcode_site",
            "function ledger_lapse(bigint,timestamp with time zone,text): earthcode_site may not call it",
        ),
        ("CREATE TABLE web_new (id int)", "table web_new: earthcode_site may not DELETE, INSERT, SELECT, UPDATE"),
        (
            "DELETE FROM django_migrations WHERE app = 'ledger' AND name LIKE '0007%'",
            "The database has not been migrated: ",
        ),
    ],
)
def test_what_differs_is_named(statement: str, problem: str) -> None:
    change(statement)

    assert any(found.startswith(problem) for found in database.problems()), database.problems()
    assert [message.id for message in checks.release(databases=["default"])] != []
    with checks.put_off():
        assert checks.release(databases=["default"]) == []


def test_migrating_gives_the_rights_that_are_missing_and_takes_those_that_are_too_much() -> None:
    change(
        "CREATE TABLE web_new (id bigserial PRIMARY KEY)",
        "GRANT ALL ON audit_event, ledger_posting TO earthcode_site",
        "GRANT UPDATE (amount) ON ledger_posting TO earthcode_site",
        "REVOKE ALL ON sponsorship_award FROM earthcode_site",
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        "REVOKE EXECUTE ON FUNCTION ledger_lapse FROM earthcode_site",
    )

    call_command("migrate", verbosity=0)

    assert rights.differences() == []
    assert rights.give() == []


def test_a_login_that_could_change_the_books_is_refused_where_others_can_reach_the_site() -> None:
    """The tests' own login is a superuser."""
    with override_settings(SITE_URL="https://nor.example"):
        (message,) = checks.serving_login(databases=["default"])
    (warning,) = checks.serving_login(databases=["default"])

    assert (message.id, message.is_serious()) == ("lib.E002", True)
    assert "it is a superuser" in message.msg
    assert warning.id == "lib.W003"
    assert checks.serving_login(databases=None) == []


@pytest.mark.parametrize(
    ("given", "excess"),
    [
        ("GRANT earthcode_site TO serving", []),
        (
            "GRANT earthcode_site, ledger_user TO serving",
            ["table ledger_entry: serving may REFERENCES, and should not"],
        ),
        ("GRANT earthcode_site, ledger_owner TO serving", ["can become ledger_owner, who owns tables"]),
        ("GRANT earthcode_site, pg_write_all_data TO serving", ["is a member of pg_write_all_data"]),
        (
            "GRANT earthcode_site TO serving; GRANT DELETE ON audit_event TO serving",
            ["table audit_event: serving may DELETE, and should not"],
        ),
        ("GRANT earthcode_site TO serving; ALTER ROLE serving CREATEROLE", ["may make roles"]),
    ],
)
def test_what_a_serving_login_could_do_is_named(given: str, excess: list[str]) -> None:
    change("CREATE ROLE serving LOGIN", *given.split(";"), "SET SESSION AUTHORIZATION serving")

    found = rights.excess_of_this_login()
    change("RESET SESSION AUTHORIZATION")

    assert [one for one in excess if one not in found] == []
    assert bool(found) == bool(excess), found


def test_a_login_that_may_not_make_roles_is_told_what_an_administrator_has_to_run() -> None:
    change("CREATE ROLE plain_owner LOGIN", "SET LOCAL ROLE plain_owner")

    with override_settings(DATABASE_SITE_ROLE="site_of_another"), pytest.raises(CommandError) as refused:
        call_command("migrate", verbosity=0)

    assert 'CREATE ROLE "site_of_another" NOLOGIN;' in str(refused.value)
    assert 'GRANT "ledger_owner" TO "plain_owner" WITH INHERIT FALSE, SET TRUE;' in str(refused.value)


def test_the_list_of_changed_files_is_empty() -> None:
    """The counterpart of ``makemigrations --check``."""
    out = StringIO()

    call_command("makesql", "--check", stdout=out)

    assert "as its file says" in out.getvalue()


def test_an_old_server_is_refused_with_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import NotSupportedError

    monkeypatch.setattr(connections["default"], "get_database_version", lambda: (16, 4))

    with pytest.raises(NotSupportedError, match=r"PostgreSQL 17 or later is required \(found 16\.4\)"):
        connection.check_database_version_supported()


@pytest.mark.django_db(transaction=True)
def test_migrating_does_not_stumble_over_what_it_is_about_to_put_right() -> None:
    """The checks of the database run before every command, and ``migrate`` is the one that makes it new."""
    change("GRANT UPDATE ON audit_event TO earthcode_site")

    call_command("migrate", verbosity=0, skip_checks=False)

    assert database.problems() == []
