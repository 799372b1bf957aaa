"""What the nightly verification found."""

from pathlib import Path

from django.db import migrations, models

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent / "sql"


class Migration(migrations.Migration):

    dependencies = [("ledger", "0004_batches")]

    operations = [
        run_sql_file(SQL / "begin_later.sql", sha256="a87398818fb76c8a0e614ac9748e02d142cf13e7ba195d37e750e207a77e9bd9"),
        migrations.CreateModel(
            name="Verification",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField()),
                ("rules", models.IntegerField(help_text="How many rules were checked")),
                ("rules_broken", models.IntegerField()),
                ("entries", models.BigIntegerField(help_text="How many entries there were")),
                ("head", models.TextField(blank=True, help_text="Hash of the newest seal, in hexadecimal")),
            ],
            options={"db_table": "ledger_verification", "ordering": ["-pk"]},
        ),
        migrations.CreateModel(
            name="BrokenRow",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("rule", models.TextField()),
                ("row", models.TextField()),
                ("what", models.TextField()),
                ("found_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={"db_table": "ledger_broken_row", "ordering": ["pk"]},
        ),
        migrations.AddConstraint(
            model_name="brokenrow",
            constraint=models.UniqueConstraint(
                fields=["rule", "row"],
                condition=models.Q(("ended_at__isnull", True)),
                name="ledger_broken_row_is_found_once",
            ),
        ),
        run_sql_file(SQL / "0005/verifications.sql", sha256="5607de8b18e6b480a5947e0a04a1b742ad27b3ff3aa712d5e13dc5a4e5a1a14c"),
        run_sql_file(SQL / "end_later.sql", sha256="784c7200a4efb393da8c770605651ffdeefb9aedfd20c03b437dcb878ecca53c"),
    ]
