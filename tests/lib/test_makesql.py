"""A function is changed in a copy of the code: ``makesql`` notices, writes the migration, and freezes what it wrote."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", "static")
    shutil.copytree(ROOT / "earthcode", tmp_path / "earthcode", ignore=ignored)
    shutil.copy(ROOT / "manage.py", tmp_path)
    return tmp_path


def manage(copy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "manage.py", *words]
    return subprocess.run(command, cwd=copy, capture_output=True, text=True)


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.slow
def test_a_changed_file_is_noticed_and_applied_by_a_migration_of_its_own(copy: Path) -> None:
    ledger = copy / "earthcode" / "ledger"
    newest = int(max(path.name for path in (ledger / "migrations").glob("0*.py"))[:4])
    edit(
        ledger / "sql" / "windows.sql",
        "p_wallet bigint, p_before timestamptz, p_actor text",
        "p_wallet bigint, p_actor text",
    )
    guards = (ledger / "sql" / "guards.sql").read_text()
    start = guards.index("CREATE OR REPLACE TRIGGER ledger_hold_part_not_deleted")
    (ledger / "sql" / "guards.sql").write_text(guards[:start] + guards[guards.index("CREATE OR REPLACE", start + 1) :])

    noticed = manage(copy, "makesql", "--check")
    written = manage(copy, "makesql", "--no-list")
    again = manage(copy, "makesql", "--check")

    assert noticed.returncode == 1
    assert "ledger/sql/guards.sql, ledger/sql/windows.sql: no migration applies this text" in noticed.stderr
    assert written.stdout == f"ledger: wrote migrations/{newest + 1:04}_functions.py\n", written.stderr
    assert again.returncode == 0
    migration = (ledger / "migrations" / f"{newest + 1:04}_functions.py").read_text()
    steps = [line.strip() for line in migration.splitlines() if "run_sql_file(" in line or "DROP" in line]
    assert [step.partition(", sha256")[0] for step in steps] == [
        'run_sql_file(SQL / "begin_later.sql"',
        'migrations.RunSQL("DROP TRIGGER ledger_hold_part_not_deleted ON ledger_hold_part"),',
        'migrations.RunSQL("DROP FUNCTION ledger_lapse"),',
        f'run_sql_file(SQL / "{newest + 1:04}/guards.sql"',
        f'run_sql_file(SQL / "{newest + 1:04}/windows.sql"',
        'run_sql_file(SQL / "end_later.sql"',
    ]


@pytest.mark.slow
def test_what_a_migration_ran_cannot_be_changed(copy: Path) -> None:
    frozen = copy / "earthcode" / "ledger" / "migrations" / "sql" / "0007" / "posting.sql"
    edit(frozen, "amount", "quantity")

    refused = manage(copy, "makemigrations", "--check", "--dry-run")

    assert refused.returncode == 1
    assert f"{frozen} was changed after a migration was written that runs it" in refused.stderr
    assert manage(copy, "makesql", "--check").returncode == 1


def test_every_file_beside_the_migrations_is_run_by_one() -> None:
    """A file that none names is not frozen, and does nothing."""
    unnamed = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "earthcode").glob("*/migrations/sql/**/*.sql")
        if not any(
            f'"{path.relative_to(path.parents[path.parts[::-1].index("sql") - 1]).as_posix()}", sha256='
            in migration.read_text()
            for migration in (ROOT / "earthcode" / path.relative_to(ROOT).parts[1] / "migrations").glob("0*.py")
        )
    ]

    assert unnamed == []
