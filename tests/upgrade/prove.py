"""Upgrades filled databases of earlier versions and compares each with a new one: ``make prove-upgrade``.

The versions are those with a dump beside this file (``record.py`` made them), and the newest tag, whose code is run. Exits with 1
where something differs, or where the upgraded site does not work.
"""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from earthcode.demo.postgres import Server, running
from tests.upgrade import catalogue, record

NAMED_MAX = 40


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with running(folder / "postgres", port, "fsync=off", "full_page_writes=off") as started:
        yield started


def manage(url: str, *words: str) -> str:
    """Run a command of this version; returns what it says."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *words],
        cwd=record.ROOT,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done.stdout


def newest_tag() -> str | None:
    done = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0", "HEAD^"],  # noqa: S607
        cwd=record.ROOT,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip() or None


def versions() -> list[str]:
    """The versions to upgrade from, the earliest first."""
    kept = sorted(
        file.name.removeprefix("filled-").removesuffix(".sql.gz") for file in record.HERE.glob("filled-*.sql.gz")
    )
    tag = newest_tag()
    return kept + ([tag] if tag and tag not in kept else [])


def prove(running: Server, version: str, new: dict[str, dict[str, str]]) -> list[str]:
    """Upgrade a filled database of a version; returns what is not as in a new one."""
    name = f"from_{version.replace('.', '_').replace('-', '_')}"
    running.create_database(name)
    url = running.url(name)
    dump = record.HERE / f"filled-{version}.sql.gz"
    if dump.exists():
        record.restore(dump, url)
    else:
        record.fill(version, url)
    say(f"{version}: {_rows(url)} rows")
    say(f"{version}: {len(manage(url, 'manage.py', 'migrate', '--plan').splitlines())} steps of migrations to come")
    manage(url, "manage.py", "migrate", "--verbosity=0")
    found = list(catalogue.differences(things(running, name), new))
    say(manage(url, "tests/upgrade/after.py").strip())
    return found


def things(running: Server, name: str) -> dict[str, dict[str, str]]:
    running.create_database(f"{name}_copy")
    return catalogue.things(running.url(name), running.url(f"{name}_copy"))


def _rows(url: str) -> int:
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT format('%I', tablename) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        return sum(connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()[0] for (table,) in tables)


def main() -> int:
    failed = 0
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as running:
        running.create_database("new")
        # It makes the roles as well, which the dumps name.
        manage(running.url("new"), "manage.py", "migrate", "--verbosity=0")
        new = things(running, "new")
        say("a new database: " + ", ".join(f"{len(names)} × {kind}" for kind, names in new.items()))
        for version in versions():
            try:
                found = prove(running, version, new)
            except record.UnknownVersionError as problem:
                say(
                    f"{version}: NOT PROVED: this clone does not have that version ({problem}). Fetch the whole history first."
                )
                failed += 1
                continue
            for line in found[:NAMED_MAX]:
                say(f"  {line}")
            if len(found) > NAMED_MAX:
                say(f"  and {len(found) - NAMED_MAX} more")
            verdict = (
                "is the same as a new database" if not found else f"differs from a new database in {len(found)} places"
            )
            say(f"{version}: upgraded, it {verdict}")
            failed += bool(found)
    return 1 if failed else 0


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
