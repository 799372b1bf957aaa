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
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import psycopg
from hypothesis import Phase, settings
from psycopg import sql

from earthcode.demo.postgres import Server

ROOT = Path(__file__).resolve().parents[2]
PRISTINE = "pristine"
MUTATED = "mutated"
WORKERS = int(os.environ.get("MUTATION_WORKERS", "2"))
#: How long the tests may take without a guard, in seconds: many times what they take with it. Without the index that a guard
#: is, a plan can be so bad that they never end, which nobody overlooks.
LIMIT = 600
ENDLESS = "the tests do not end"
#: Without autovacuum nobody notes that tables are empty between two tests, which makes plans for tables that are not.
OPTIONS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=256MB", "autovacuum=off")
#: The tests that run, and which of them come first for guards whose names say so.
TESTS = (
    *("guards", "verify", "holds", "corrections", "postings", "batches", "windows", "window_guards", "window_races"),
    *("seals", "reading", "reading_holds", "spans", "statements", "tasks", "model", "races"),
)
FIRST = {
    "trigger": "verify",
    "constraint": "verify",
    "index": "verify",
    "rule: ": "verify",
    "batch": "batches",
    "window": "windows",
    "tranche": "windows",
    "debt": "windows",
    "repay": "windows",
    "transfer": "windows",
    "lapse": "windows",
    "join_call": "windows",
    "seal": "seals",
    "giving_back": "corrections",
    "reverse": "corrections",
    "refund": "corrections",
    "hold": "holds",
    "capture": "holds",
    "release": "holds",
}


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

    def __str__(self) -> str:
        if self.noticed_by:
            return f"noticed   {self.mutant.name}   ({self.noticed_by})"
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


def _tests_for(mutant: Mutant) -> Iterator[list[str]]:
    """The tests whose business the guard is, and then all."""
    first = [test for word, test in FIRST.items() if word in mutant.name] or ["guards"]
    for names in (first[:1], TESTS):
        yield [str(ROOT / "tests" / "ledger" / f"test_{name}.py") for name in names]


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
        timeout=LIMIT,
    )


def pytest_configure() -> None:
    """As a plugin of pytest: the rule of ``verify_ledger`` that finds nothing; and that a test fails is enough to know."""
    settings.register_profile(
        "first failure", phases=[Phase.explicit, Phase.generate]
    )  # not its smallest example, which takes minutes
    settings.load_profile("first failure")
    if os.environ.get("WITHOUT_RULE"):
        from dataclasses import replace

        from earthcode.ledger import verify

        rules, number = list(verify.RULES), int(os.environ["WITHOUT_RULE"])
        rules[number] = replace(rules[number], breaks="SELECT '', '' WHERE false")
        verify.RULES = tuple(rules)  # type: ignore[misc,assignment]


def _try(server: Server, mutant: Mutant) -> Outcome:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(MUTATED)))
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(MUTATED), sql.Identifier(PRISTINE))
        )
    with psycopg.connect(server.url(MUTATED), autocommit=True) as connection:
        if mutant.change:
            connection.execute(mutant.change.encode())
    for tests in _tests_for(mutant):
        try:
            done = _run_tests(server, MUTATED, tests, mutant.rule)
        except subprocess.TimeoutExpired:
            return Outcome(mutant, ENDLESS)
        failed = re.search(r"^(?:FAILED|ERROR) \S*?([^/\s]+::\S+)", done.stdout, re.MULTILINE)
        if failed:
            return Outcome(mutant, failed[1])
        if done.returncode != 0:
            raise RuntimeError(f"{mutant.name}: the tests did not run:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return Outcome(mutant, "")


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


def outcomes(servers: Sequence[Server], chosen: Sequence[Mutant]) -> Iterator[Outcome]:
    """What became of each, as it is known."""
    free: SimpleQueue[Server] = SimpleQueue()
    for server in servers:
        free.put(server)

    def one(mutant: Mutant) -> Outcome:
        server = free.get()
        try:
            return _try(server, mutant)
        finally:
            free.put(server)

    with ThreadPoolExecutor(len(servers)) as pool:
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
    with ExitStack() as stack:
        # A server each: seals and checkpoints wait for every transaction of their server, also for those of other tests.
        servers = [stack.enter_context(server_with_pristine_books()) for _ in range(WORKERS)]
        every = all_mutants(servers[0])
        chosen = [mutant for mutant in every if not words or any(word in mutant.name for word in words)]
        for outcome in outcomes(servers, chosen):
            print(outcome, flush=True)  # noqa: T201  # what it is for
            survived += not outcome.noticed_by
        print(f"{len(chosen)} guards taken away, {survived} of them unnoticed")  # noqa: T201
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
