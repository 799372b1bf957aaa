from pathlib import Path

from django.db import migrations

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("onboarding", "0001_initial")]
    operations = [run_sql_file(SQL / "0002/references.sql", sha256="3cc5bce2bf7048b307a3481ddf897ff1ad3e2a0678945e9b6e35b45e80d1f8b1")]
