from pathlib import Path

from django.db import migrations

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [run_sql_file(SQL / "0002/chain.sql", sha256="595b9af266ad01ad0c8497952acc684e7f1304cc76489e857b331dfc4d5740dd")]
