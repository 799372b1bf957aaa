from pathlib import Path

from django.db import migrations

from earthcode.lib.sqlfiles import run_sql_file


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [run_sql_file(Path(__file__).parent.parent / "sql" / "chain.sql")]
