"""The functions and triggers of this release; written by `make sql`."""

from pathlib import Path

from django.db import migrations

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_words_apart")]

    operations = [
        migrations.RunSQL("SET LOCAL check_function_bodies = off"),
        run_sql_file(SQL / "0005/chain.sql", sha256="56001d51e42e6208659e94f064be5753d568b69b35e2372ec5a8ec072d4d6c2f"),
        migrations.RunSQL("SET LOCAL check_function_bodies = on"),
    ]
