"""A site is set up as docs/upgrading.md says: an owner who is no superuser migrates, and another login serves."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest

from earthcode.demo.postgres import Server
from tests.upgrade import prove, record

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with prove.server(tmp_path_factory.mktemp("logins")) as server:
        yield server


def sql(running: Server, *statements: str, database: str = "postgres") -> None:
    with psycopg.connect(running.url(database), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def manage(running: Server, login: str, database: str, *words: str) -> subprocess.CompletedProcess[str]:
    url = running.url(database).replace("//earthcode@", f"//{login}@")
    environment = {**os.environ, "DATABASE_URL": url, "SITE_URL": "http://127.0.0.1:8000"}
    command = [sys.executable, "-W", "ignore", "manage.py", *words]
    return subprocess.run(command, cwd=record.ROOT, env=environment, capture_output=True, text=True)


def test_an_owner_without_the_right_to_make_roles_is_told_what_to_have_run(running: Server) -> None:
    sql(running, "CREATE ROLE plain LOGIN", "CREATE DATABASE plain_site OWNER plain")

    refused = manage(running, "plain", "plain_site", "migrate")

    assert refused.returncode == 1
    assert 'CREATE ROLE "ledger_owner" NOLOGIN;' in refused.stderr
    assert 'CREATE ROLE "earthcode_site" NOLOGIN;' in refused.stderr
    with psycopg.connect(running.url("plain_site")) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)

    statements = [line.strip() for line in refused.stderr.splitlines() if line.strip().endswith(";")]
    sql(running, *statements, database="plain_site")
    migrated = manage(running, "plain", "plain_site", "migrate", "--verbosity=0")

    assert migrated.returncode == 0, migrated.stderr


def test_the_owner_migrates_and_the_site_serves(running: Server) -> None:
    sql(running, "CREATE ROLE nor_owner LOGIN CREATEROLE", "CREATE DATABASE nor OWNER nor_owner")
    # Where the test above ran before, the roles are another login's.
    for role in ("ledger_owner", "ledger_user", "earthcode_site"):
        sql(running, f"DO $$ BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    sql(running, "GRANT ledger_owner, ledger_user TO nor_owner WITH ADMIN TRUE, INHERIT FALSE, SET TRUE")

    migrated = manage(running, "nor_owner", "nor", "migrate", "--verbosity=0")
    assert migrated.returncode == 0, migrated.stderr
    sql(running, "CREATE ROLE nor_site LOGIN IN ROLE earthcode_site")
    seeded = manage(running, "nor_site", "nor", "seed_demo")
    as_site = manage(running, "nor_site", "nor", "check", "--database", "default", "--fail-level", "WARNING")
    as_owner = manage(running, "nor_owner", "nor", "check", "--database", "default", "--fail-level", "WARNING")
    books = manage(running, "nor_site", "nor", "verify_ledger")
    again = manage(running, "nor_site", "nor", "migrate")

    assert seeded.returncode == 0, seeded.stderr
    assert as_site.returncode == 0, as_site.stderr
    assert as_owner.returncode == 1
    assert "it can become nor_owner, who owns tables" in as_owner.stderr
    assert books.returncode == 0, books.stderr
    assert again.returncode == 1
    assert "let an administrator" in again.stderr.lower()
