"""The functions and triggers of this release; written by `make sql`."""

from pathlib import Path

from django.db import migrations

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("science", "0001_workflows_and_experiments")]

    operations = [
        migrations.RunSQL("SET LOCAL check_function_bodies = off"),
        run_sql_file(SQL / "0002/state.sql", sha256="72dfc1863c77a7889aa4bcabdeb4007128eae5880d49f840ca754447f6de0e85"),
        migrations.RunSQL("SET LOCAL check_function_bodies = on"),
    ]
