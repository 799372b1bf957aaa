"""The functions and triggers of this release; written by `make sql`."""

from pathlib import Path

from django.db import migrations

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("publishing", "0001_initial")]

    operations = [
        migrations.RunSQL("SET LOCAL check_function_bodies = off"),
        run_sql_file(SQL / "0002/state.sql", sha256="c299ed5c941e5485fe90d39fa6028b0b5ff4d2f23e32ac906bf9b628b455065b"),
        migrations.RunSQL("SET LOCAL check_function_bodies = on"),
    ]
