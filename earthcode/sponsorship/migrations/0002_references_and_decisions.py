from pathlib import Path

from django.db import migrations

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("sponsorship", "0001_initial")]
    operations = [run_sql_file(SQL / "0002/references.sql", sha256="6af8105550cb32f7c53d045bca5e861c28b420dc4cdeea858112d91c8d3f4378"), run_sql_file(SQL / "0002/decisions.sql", sha256="9f9aa3fd74e3ba8025bf2ede4dfbd1c1413fdb945c2876e3e15c365e242b5814")]
