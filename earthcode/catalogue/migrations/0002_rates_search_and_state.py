from pathlib import Path

from django.db import migrations

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("catalogue", "0001_initial")]
    operations = [
        run_sql_file(SQL / "0002/rates.sql", sha256="92808a0b1483bcced8f03d49997caae649de7f1d982bec444103f2b56e936ac9"),
        run_sql_file(SQL / "0002/search.sql", sha256="666074af4b5fcb14b3a510766ad1fbe15887300e7850e4f315f72e603bbc38d5"),
        run_sql_file(SQL / "0002/state.sql", sha256="d5f4a03ebf0d195546ac3d88c1859d8ad9c688e2cf09af3dea9b998392f69970"),
    ]
