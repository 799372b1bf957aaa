from pathlib import Path

from django.db import migrations

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("onboarding", "0001_initial")]
    operations = [run_sql_file(SQL / "references.sql")]
