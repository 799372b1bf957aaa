"""Many entries in one call."""

from pathlib import Path

from django.db import migrations

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_seals")]

    operations = [
        run_sql_file(SQL / "begin_later.sql"),
        run_sql_file(SQL / "batches.sql"),
        run_sql_file(SQL / "end_later.sql"),
    ]
