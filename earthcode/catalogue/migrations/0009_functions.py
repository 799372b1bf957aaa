"""The functions and triggers of this release; written by `make sql`."""

from pathlib import Path

from django.db import migrations

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("catalogue", "0008_further_facts")]

    operations = [
        migrations.RunSQL("SET LOCAL check_function_bodies = off"),
        run_sql_file(SQL / "0009/estimates.sql", sha256="f78039bc341a654ccfe7fcc074ae4eea8dd8bc61c685b3c1b686b9da70c2c8aa"),
        run_sql_file(SQL / "0009/rates.sql", sha256="6306a2409a21dddb98dc79fafc5d929ee94f81dfc7b51bbf089cd5258be765ba"),
        run_sql_file(SQL / "0009/search.sql", sha256="aca1cece30a98e509367766fa59c2285c840bc99a0b3302e54a352cadca97bf8"),
        run_sql_file(SQL / "0009/state.sql", sha256="087baf0f3e81b0657b4e73e77206aecc77b9c43ff58e7b2e03ecc79421f0ea5b"),
        run_sql_file(SQL / "0009/versions.sql", sha256="b72eac317aa7339d30ccaf1254e2774a31b5fd83c5c08cf0126f07cf02e4832f"),
        migrations.RunSQL("SET LOCAL check_function_bodies = on"),
    ]
