"""The functions and triggers of this release; written by `make sql`."""

from pathlib import Path

from django.db import migrations

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_chain")]

    operations = [
        migrations.RunSQL("SET LOCAL check_function_bodies = off"),
        run_sql_file(SQL / "0003/chain.sql", sha256="5a9dd7d0b3d3d4371f43f357c5c841f3b18c75b2aa16abc0a543ab4d30f1cea1"),
        migrations.RunSQL("SET LOCAL check_function_bodies = on"),
    ]
