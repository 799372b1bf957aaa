"""What the nightly verification found."""

from pathlib import Path

from django.db import migrations, models

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):

    dependencies = [("ledger", "0004_batches")]

    operations = [
        run_sql_file(SQL / "begin_later.sql"),
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
        run_sql_file(SQL / "verifications.sql"),
        run_sql_file(SQL / "end_later.sql"),
    ]
