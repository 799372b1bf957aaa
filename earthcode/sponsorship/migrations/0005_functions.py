"""The functions and triggers of this release; written by `make sql`."""

from pathlib import Path

from django.db import migrations

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("sponsorship", "0004_margin")]

    operations = [
        migrations.RunSQL("SET LOCAL check_function_bodies = off"),
        run_sql_file(SQL / "0005/decisions.sql", sha256="ae77709ff1815055b8d9c2c84b9afb112742bbd489d4750c54a7ad98a1f5d107"),
        migrations.RunSQL("SET LOCAL check_function_bodies = on"),
    ]
