"""Sums over spans of an account's postings, so that balances at past moments need not read all of them."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("ledger", "0005_verifications")]

    operations = [
        run_sql_file(SQL / "begin_later.sql", sha256="a87398818fb76c8a0e614ac9748e02d142cf13e7ba195d37e750e207a77e9bd9"),
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
        run_sql_file(SQL / "0006/spans.sql", sha256="d07db4c4b0e0547666b5b7b55e5b8b67d0af3891e0ed2b2ec8de14904cdbccf3"),
        run_sql_file(SQL / "end_later.sql", sha256="784c7200a4efb393da8c770605651ffdeefb9aedfd20c03b437dcb878ecca53c"),
    ]
