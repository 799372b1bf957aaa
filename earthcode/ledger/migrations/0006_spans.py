"""Sums over spans of an account's postings, so that balances at past moments need not read all of them."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("ledger", "0005_verifications")]

    operations = [
        run_sql_file(SQL / "begin_later.sql"),
        migrations.CreateModel(
            name="Span",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id", "upto", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("after", models.BigIntegerField(help_text="The last place before it")),
                ("upto", models.BigIntegerField(help_text="Its last place")),
                ("seq", models.BigIntegerField(help_text="How many postings the account has up to its last place")),
                ("debits", models.BigIntegerField()),
                ("credits", models.BigIntegerField()),
                (
                    "first_at",
                    models.DateTimeField(help_text="The first moment from which one of its postings counts"),
                ),
                ("last_at", models.DateTimeField(help_text="The last moment from which one of its postings counts")),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="spans",
                        to="ledger.account",
                    ),
                ),
            ],
            options={"db_table": "ledger_span", "ordering": ["account_id", "upto"]},
        ),
        run_sql_file(SQL / "spans.sql"),
        run_sql_file(SQL / "end_later.sql"),
    ]
