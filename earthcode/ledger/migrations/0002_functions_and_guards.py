"""The functions that write the books, and the guards that refuse everybody else."""

from pathlib import Path

from django.db import migrations

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]

    operations = [
        run_sql_file(SQL / "accounts.sql"),
        run_sql_file(SQL / "posting.sql"),
        run_sql_file(SQL / "windows.sql"),
        run_sql_file(SQL / "holds.sql"),
        run_sql_file(SQL / "tranches.sql"),
        run_sql_file(SQL / "corrections.sql"),
        run_sql_file(SQL / "checkpoints.sql"),
        run_sql_file(SQL / "statements.sql"),
        run_sql_file(SQL / "guards.sql"),
        run_sql_file(SQL / "rights.sql"),
    ]
