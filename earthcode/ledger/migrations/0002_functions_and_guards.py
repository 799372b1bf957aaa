"""The functions that write the books, and the guards that refuse everybody else."""

from pathlib import Path

from django.db import migrations

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]

    operations = [
        run_sql_file(SQL / "0002/accounts.sql", sha256="5cbca901740f8dc79f65940cb81cf8eae28ec0edee5dc1fc033559f44f135cb9"),
        run_sql_file(SQL / "0002/posting.sql", sha256="c687efe2310d9e5df8266861442a439ed68d0bb908eefadb0ce2e9e34fec2913"),
        run_sql_file(SQL / "0002/windows.sql", sha256="9187b948fb96467e45fec5ab2fa01e9956f9cbe88785e82fb4e300f00a6c9e4c"),
        run_sql_file(SQL / "0002/holds.sql", sha256="9370a6cc81516145ea8a28d19b93cf1ea5ea84fbb121aed29b3c27517a050a98"),
        run_sql_file(SQL / "0002/tranches.sql", sha256="58bf8faa5ead90c6914cba664aa62a93dc3733dded91eb1987ec9bf356a3ba8b"),
        run_sql_file(SQL / "0002/corrections.sql", sha256="5b0d2625d1a825ee8f9a158ccba36ad9067db275403d0364cbf96f4345c41b38"),
        run_sql_file(SQL / "0002/checkpoints.sql", sha256="e189cc68861619911cbea6901a9ff0d6c88382aca9ecf519a94c5f415c4db2c1"),
        run_sql_file(SQL / "0002/statements.sql", sha256="866cb44a841f22111896b6c261d712f38d5c970e2dd1e2bcf47acfd1839806c9"),
        run_sql_file(SQL / "0002/guards.sql", sha256="5676170f56f12a45fdb4f791d40c5b84e9636622d087cf8d325080cb2a5e955c"),
        run_sql_file(SQL / "0002/rights.sql", sha256="3953439e8fd363dfba04cc26ab8d8becb14ee08c25bd5e61593cbfc7c0502ccc"),
    ]
