"""SQL kept in readable files, run by migrations."""

from pathlib import Path

from django.db import migrations


def run_sql_file(path: Path) -> migrations.RunSQL:
    """A migration step that runs a whole file. It has no reverse: rules of the database are mended forwards."""
    return migrations.RunSQL(path.read_text(encoding="utf-8"))
