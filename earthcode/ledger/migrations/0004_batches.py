"""Many entries in one call."""

from pathlib import Path

from django.db import migrations

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_seals")]

    operations = [
        run_sql_file(SQL / "begin_later.sql", sha256="a87398818fb76c8a0e614ac9748e02d142cf13e7ba195d37e750e207a77e9bd9"),
        run_sql_file(SQL / "0004/batches.sql", sha256="4be856c513beef874c570f1e0a953469594aea743a97338aed7c8f6fc81ae953"),
        run_sql_file(SQL / "end_later.sql", sha256="784c7200a4efb393da8c770605651ffdeefb9aedfd20c03b437dcb878ecca53c"),
    ]
