"""Take each guard of the ledger away in turn: some test must notice. ``python -m tests.ledger.mutations [HOW_MANY]``

The mutants come from the database and from ``verify.RULES``, so a guard that is added is tried without being listed here:
each trigger, each constraint and unique index, each ``RAISE EXCEPTION`` of each function, and each rule of ``verify_ledger``.
For each one the unit tests of the ledger run on a database without it, until one fails.
"""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import psycopg
from psycopg import sql

from earthcode.demo.postgres import Server

ROOT = Path(__file__).resolve().parents[2]
PRISTINE = "pristine"
WORKERS = 2
OPTIONS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=256MB")
#: The tests that run, and which of them come first for guards whose names say so.
TESTS = (
    *("guards", "verify", "holds", "corrections", "postings", "batches", "windows", "tranches", "transfers", "debts"),
    *("seals", "reading", "reading_holds", "statements", "tasks", "model", "races"),
)
FIRST = {
    "batch": "batches",
    "window": "windows",
    "tranche": "tranches",
    "debt": "debts",
    "transfer": "transfers",
    "seal": "seals",
    "noted": "seals",
    "note_account": "seals",
    "rule": "verify",
    "hold": "holds",
    "capture": "holds",
    "release": "holds",
    "reverse": "corrections",
    "refund": "corrections",
    "giving_back": "corrections",
}
#: Guards that nothing can notice, and why.
NEVER_NOTICED: dict[str, str] = {}


@dataclass(frozen=True)
class Mutant:
    """One guard fewer: a change of the database, or the number of a rule that finds nothing any more."""

    name: str
    change: str = ""
    rule: int | None = None


@dataclass(frozen=True)
class Outcome:
    mutant: Mutant
    noticed_by: str
    seconds: float

    def __str__(self) -> str:
        if self.noticed_by:
            return f"noticed   {self.mutant.name}   ({self.noticed_by})"
        if self.mutant.name in NEVER_NOTICED:
            return f"cannot be {self.mutant.name}   ({NEVER_NOTICED[self.mutant.name]})"
        return f"SURVIVED  {self.mutant.name}"


# --- which ones ------------------------------------------------------------------------------------------------------


def mutants(connection: psycopg.Connection[tuple[str, ...]]) -> Iterator[Mutant]:
    """Every guard that can be taken away."""
    triggers = connection.execute(
        r"""
        SELECT tgname, tgrelid::regclass::text FROM pg_trigger
        WHERE NOT tgisinternal AND tgrelid::regclass::text LIKE 'ledger\_%' ORDER BY 2, 1
        """
    )
    for name, table in triggers.fetchall():
        yield Mutant(f"trigger {name}", f"DROP TRIGGER {name} ON {table}")
    constraints = connection.execute(
        r"""
        SELECT conname, conrelid::regclass::text FROM pg_constraint
        WHERE conrelid::regclass::text LIKE 'ledger\_%' AND contype IN ('c', 'u', 'x') ORDER BY 2, 1
        """
    )
    for name, table in constraints.fetchall():
        yield Mutant(f"constraint {name}", f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    indexes = connection.execute(
        r"""
        SELECT indexrelid::regclass::text FROM pg_index
        WHERE indrelid::regclass::text LIKE 'ledger\_%' AND indisunique
          AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid) ORDER BY 1
        """
    )
    for (name,) in indexes.fetchall():
        yield Mutant(f"index {name}", f"DROP INDEX {name}")
    functions = connection.execute(
        r"SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE proname LIKE 'ledger\_%' AND prokind = 'f' ORDER BY 1"
    )
    for name, definition in functions.fetchall():
        yield from _without_a_refusal(name, definition)
    yield from _without_a_rule()


def _without_a_refusal(function: str, definition: str) -> Iterator[Mutant]:
    for found in re.finditer(r"RAISE EXCEPTION '((?:[^']|'')*)'[^;]*;", definition):
        mutated = f"{definition[: found.start()]}NULL;{definition[found.end() :]}"
        yield Mutant(f"refusal in {function}: {found[1]} #{definition.count(chr(10), 0, found.start())}", mutated)


def _without_a_rule() -> Iterator[Mutant]:
    from earthcode.ledger import verify

    for number, rule in enumerate(verify.RULES):
        yield Mutant(f"rule: {rule.words}", rule=number)


# --- trying them -----------------------------------------------------------------------------------------------------


def _tests_for(mutant: Mutant) -> list[str]:
    first = [test for word, test in FIRST.items() if word in mutant.name]
    names = list(dict.fromkeys([*first, *TESTS]))
    files = [ROOT / "tests" / "ledger" / f"test_{name}.py" for name in names]
    return [str(file) for file in files if file.exists()]


def _run_tests(
    server: Server, database: str, tests: Sequence[str], rule: int | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-x", "--reuse-db", "--no-header", "-m", "not slow"),
            *("-p", "tests.ledger.mutations", *tests),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": server.url(),
            "TEST_DATABASE_NAME": database,
            "WITHOUT_RULE": "" if rule is None else str(rule),
            "CI": "",
        },
        capture_output=True,
        text=True,
    )


def pytest_configure() -> None:
    """As a plugin of pytest: the rule of ``verify_ledger`` that finds nothing."""
    if os.environ.get("WITHOUT_RULE"):
        from dataclasses import replace

        from earthcode.ledger import verify

        rules, number = list(verify.RULES), int(os.environ["WITHOUT_RULE"])
        rules[number] = replace(rules[number], breaks="SELECT '', '' WHERE false")
        verify.RULES = tuple(rules)  # type: ignore[misc,assignment]


def _try(server: Server, worker: str, mutant: Mutant) -> Outcome:
    started = time.monotonic()
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(worker)))
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(worker), sql.Identifier(PRISTINE))
        )
    with psycopg.connect(server.url(worker), autocommit=True) as connection:
        if mutant.change:
            connection.execute(mutant.change.encode())
    done = _run_tests(server, worker, _tests_for(mutant), mutant.rule)
    failed = re.search(r"^(?:FAILED|ERROR) \S*?([^/\s]+::\S+)", done.stdout, re.MULTILINE)
    if done.returncode not in (0, 1) or (done.returncode == 1 and failed is None):
        raise RuntimeError(f"{mutant.name}: the tests did not run:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return Outcome(mutant, failed[1] if failed else "", time.monotonic() - started)


@contextmanager
def server_with_pristine_books() -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as temporary, socket.socket() as probe:
        folder = Path(temporary)
        folder.chmod(0o755)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        server = Server(folder / "postgres", port, OPTIONS)
        server.start()
        try:
            server.create_database()
            done = _run_tests(server, PRISTINE, [str(ROOT / "tests" / "ledger" / "test_tasks.py")])
            assert done.returncode == 0, done.stdout
            yield server
        finally:
            server.stop()


def outcomes(server: Server, chosen: Sequence[Mutant]) -> Iterator[Outcome]:
    """What became of each, as it is known."""
    workers: SimpleQueue[str] = SimpleQueue()
    for number in range(WORKERS):
        workers.put(f"worker{number}")

    def one(mutant: Mutant) -> Outcome:
        worker = workers.get()
        try:
            return _try(server, worker, mutant)
        finally:
            workers.put(worker)

    with ThreadPoolExecutor(WORKERS) as pool:
        for done in as_completed([pool.submit(one, mutant) for mutant in chosen]):
            yield done.result()


def all_mutants(server: Server) -> list[Mutant]:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "earthcode.settings")
    django.setup()
    with psycopg.connect(server.url(PRISTINE)) as connection:
        return list(mutants(connection))


def main(words: Sequence[str]) -> int:
    survived = 0
    with server_with_pristine_books() as server:
        chosen = [mutant for mutant in all_mutants(server) if not words or any(word in mutant.name for word in words)]
        for outcome in outcomes(server, chosen):
            print(outcome, flush=True)  # noqa: T201  # what it is for
            survived += not outcome.noticed_by and outcome.mutant.name not in NEVER_NOTICED
        print(f"{len(chosen)} guards taken away, {survived} of them unnoticed")  # noqa: T201
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
