"""The functions and triggers of this release; and the books go to ledger_owner where they did not yet."""

from pathlib import Path

from django.db import migrations

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("ledger", "0006_spans")]

    operations = [
        run_sql_file(SQL / "hand_over_0007.sql", sha256="fa334dd738a0d3f0f7d8f82adfbc750548ae21f00f17aa35e4cea97fd3cbc9ca"),
        run_sql_file(SQL / "begin_later.sql", sha256="a87398818fb76c8a0e614ac9748e02d142cf13e7ba195d37e750e207a77e9bd9"),
        migrations.RunSQL("SET LOCAL check_function_bodies = off"),
        run_sql_file(SQL / "0007/accounts.sql", sha256="bb9df6edd84b1dfb323b9cfcd36729ed55754980322559b6c01f3b3c67f0c4aa"),
        run_sql_file(SQL / "0007/batches.sql", sha256="a2669cb39bcfe57bff6f843d2583d383d3071b3cf54c859e426adbcaf3c3b29e"),
        run_sql_file(SQL / "0007/checkpoints.sql", sha256="7014b85f1a7cbe9056711a6b45b03d65d50d81981df0cb9af58b7cf322a15109"),
        run_sql_file(SQL / "0007/corrections.sql", sha256="a394ca8ca44f5ae5aa46da951251fb54c0f52341acf2efcdee35182c2a3cfa92"),
        run_sql_file(SQL / "0007/guards.sql", sha256="aaede17fa9b042fbf6f8feb6432c2e3046480d386f2f479425717e95a35a50ee"),
        run_sql_file(SQL / "0007/holds.sql", sha256="4fea3ed08de614985789da9a55eb9d8fc3a0569a26f392dcae22f036e6239e00"),
        run_sql_file(SQL / "0007/leaves.sql", sha256="7e9bb4f61af5d3ac76d3faf2a0a7bc61a53a81f59c8ee6124dfd2647662d46bf"),
        run_sql_file(SQL / "0007/posting.sql", sha256="3fc780c358667fdc03269b4ac56427b666b3668aa707981c66d4d694ebbaa8b4"),
        run_sql_file(SQL / "0007/seals.sql", sha256="3d48395b90eaf7e21d9c2cdbac89bcc5957409e96ed74361ec44034c9e6f8e82"),
        run_sql_file(SQL / "0007/spans.sql", sha256="13149cc763d4337a8c24b68332ed65c6506d82f83e09c886f2555438ca1f2661"),
        run_sql_file(SQL / "0007/statements.sql", sha256="1067e83fe0da0563798f40295145dd09915489bfc603d0aa0551a7445ec7c069"),
        run_sql_file(SQL / "0007/tranches.sql", sha256="537eaef90ed3ac69e3b22d37a66560896ae0192a3a9f7bff08be2eca1c72da40"),
        run_sql_file(SQL / "0007/windows.sql", sha256="136f75bc63a9ec5231cc92c8643bef135313ad333a4166b7e0026e439b6c9e2d"),
        migrations.RunSQL("SET LOCAL check_function_bodies = on"),
        run_sql_file(SQL / "end_later.sql", sha256="784c7200a4efb393da8c770605651ffdeefb9aedfd20c03b437dcb878ecca53c"),
    ]
