"""Functions and triggers of the database: today's text in ``<app>/sql/``, and frozen copies that migrations ran.

A file in ``<app>/sql/`` can be run again and again (``CREATE OR REPLACE``). A migration never runs it: it runs the copy in
``<app>/migrations/sql/<number>/`` that was made for it, and which nobody changes after that. To change a function, edit its
file and run ``make sql``. docs/decisions/changing-the-database.md says why.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.apps import AppConfig, apps
from django.db import migrations
from django.db.migrations.loader import MigrationLoader

#: Run around the files of an app whose objects belong to somebody else than who migrates.
BEGIN, END = "begin_later.sql", "end_later.sql"


class FrozenFileChanged(Exception):
    """A file that a migration runs is not the one it was written with."""


class RunSQLFile(migrations.RunSQL):
    """Runs a whole frozen file."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(text)
        self.path = path

    def describe(self) -> str:
        return f"Runs {self.path.name}"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run_sql_file(path: Path, *, sha256: str) -> RunSQLFile:
    """A migration step that runs a frozen file, and refuses (``FrozenFileChanged``) to be loaded when the file was changed.

    It has no reverse: rules of the database are mended forwards.
    """
    if digest(path) != sha256:
        raise FrozenFileChanged(
            f"{path} was changed after a migration was written that runs it. Take the change back; "
            "to change a function, edit the file of that name in the app's folder sql/ and run `make sql`."
        )
    return RunSQLFile(path, path.read_text(encoding="utf-8"))


# --- what is there ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A file of an app whose newest frozen copy says something else. ``frozen`` is empty for a new file."""

    file: str
    today: str
    frozen: str


def apps_with_sql() -> list[AppConfig]:
    return [app for app in apps.get_app_configs() if (Path(app.path) / "sql").is_dir()]


def changes(app: AppConfig) -> list[Change]:
    """The files in ``sql/`` that no migration has applied as they are now, and those that are gone, in the order of names."""
    folder = Path(app.path) / "sql"
    today = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql"))}
    frozen = _newest_copies(app)
    names = sorted(today.keys() | (frozen.keys() & _made_by_makesql(app)))
    return [
        Change(name, today.get(name, ""), frozen.get(name, ""))
        for name in names
        if today.get(name, "") != frozen.get(name, "")
    ]


def _steps(app: AppConfig) -> Iterator[tuple[str, RunSQLFile]]:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    names = sorted(name for label, name in loader.disk_migrations if label == app.label)
    for name in names:
        for step in loader.disk_migrations[app.label, name].operations:
            # What lies beside the folders with numbers is not a copy of anything.
            if isinstance(step, RunSQLFile) and step.path.parent.name != "sql":
                yield name, step


def _newest_copies(app: AppConfig) -> dict[str, str]:
    """The text of each file as the newest migration that runs a copy of it has it."""
    return {step.path.name: step.path.read_text(encoding="utf-8") for _, step in _steps(app)}


def _made_by_makesql(app: AppConfig) -> set[str]:
    """The files whose copies can be run again. Those of the first migrations made tables and types as well."""
    return {step.path.name for name, step in _steps(app) if name.endswith("_functions")}


# --- a migration for what was changed --------------------------------------------------------------------------------

_FUNCTION = re.compile(
    r"^CREATE OR REPLACE FUNCTION (\w+)(\(.*?\))\s*(RETURNS\s.*?)?\s*LANGUAGE", re.MULTILINE | re.DOTALL
)
_TRIGGER = re.compile(r"^CREATE (?:OR REPLACE |CONSTRAINT )TRIGGER (\w+)\s.*?\sON (\w+)", re.MULTILINE | re.DOTALL)

_MIGRATION = '''"""The functions and triggers of this release; written by `make sql`."""

from pathlib import Path

from django.db import migrations

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent / "sql"


class Migration(migrations.Migration):
    dependencies = [{dependencies}]

    operations = [
{operations}
    ]
'''


def write_migration(app: AppConfig) -> Path | None:
    """Freeze what was changed and write the migration that runs it; None if nothing was.

    What is gone, or has other parameters, is dropped first. Views and types that change their columns are for a hand-written
    migration.
    """
    found = changes(app)
    if not found:
        return None
    loader = MigrationLoader(None, ignore_no_migrations=True)
    newest = max(name for label, name in loader.disk_migrations if label == app.label)
    number = f"{int(newest[:4]) + 1:04}"
    folder = Path(app.path) / "migrations" / "sql"
    copies = folder / number
    copies.mkdir(parents=True)

    operations = [_call(folder / BEGIN, folder)] if (folder / BEGIN).exists() else []
    operations += [
        # Bodies may name functions of a later file.
        'migrations.RunSQL("SET LOCAL check_function_bodies = off"),',
        *(f'migrations.RunSQL("{drop}"),' for drop in _drops(found)),
    ]
    for change in found:
        if change.today:
            copy = copies / change.file
            copy.write_text(change.today, encoding="utf-8")
            operations.append(_call(copy, folder))
    operations.append('migrations.RunSQL("SET LOCAL check_function_bodies = on"),')
    if (folder / END).exists():
        operations.append(_call(folder / END, folder))
    migration = Path(app.path) / "migrations" / f"{number}_functions.py"
    migration.write_text(
        _MIGRATION.format(
            dependencies=f'("{app.label}", "{newest}")', operations="\n".join(" " * 8 + line for line in operations)
        ),
        encoding="utf-8",
    )
    return migration


def _call(path: Path, folder: Path) -> str:
    return f'run_sql_file(SQL / "{path.relative_to(folder)}", sha256="{digest(path)}"),'


def _drops(found: list[Change]) -> Iterator[str]:
    before = "\n".join(change.frozen for change in found)
    after = "\n".join(change.today for change in found)
    kept = {name for name, _ in _TRIGGER.findall(after)}
    for name, table in _TRIGGER.findall(before):
        if name not in kept:
            yield f"DROP TRIGGER {name} ON {table}"
    heads = {name: _spaces(head) for name, *head in _FUNCTION.findall(after)}
    for name, *head in _FUNCTION.findall(before):
        if heads.get(name) != _spaces(head):
            yield f"DROP FUNCTION {name}"


def _spaces(head: list[str]) -> list[str]:
    return [" ".join(part.split()) for part in head]
