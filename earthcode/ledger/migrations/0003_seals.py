"""Seals over the books, and the openings and closings of accounts, which they cover too."""

from pathlib import Path

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0002_functions_and_guards'),
    ]

    operations = [
        run_sql_file(SQL / "begin_later.sql"),
        migrations.CreateModel(
            name='Seal',
            fields=[
                ('id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('upto_id', models.BigIntegerField()),
                ('ids', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
                ('places', django.contrib.postgres.fields.ArrayField(base_field=models.SmallIntegerField(), size=None)),
                ('leaves', models.BinaryField()),
                ('hash', models.BinaryField()),
                ('sealed_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'ledger_seal',
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='AccountEvent',
            fields=[
                ('id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('kind', models.TextField(choices=[('open', 'opened'), ('close', 'closed'), ('reopen', 'opened again')])),
                ('recorded_at', models.DateTimeField()),
                ('account', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='events', db_index=False, to='ledger.account')),
            ],
            options={
                'db_table': 'ledger_account_event',
                'ordering': ['pk'],
            },
        ),
        migrations.RunSQL("CREATE VIEW ledger_leaf AS " + (SQL / "leaves.sql").read_text(encoding="utf-8")),
        run_sql_file(SQL / "seals.sql"),
        run_sql_file(SQL / "end_later.sql"),
    ]
