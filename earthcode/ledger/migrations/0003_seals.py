"""Seals over the books, and the openings and closings of accounts, which they cover too."""

from pathlib import Path

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

from earthcode.lib.sqlfiles import run_sql_file

SQL = Path(__file__).resolve().parent / "sql"


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0002_functions_and_guards'),
    ]

    operations = [
        run_sql_file(SQL / "begin_later.sql", sha256="a87398818fb76c8a0e614ac9748e02d142cf13e7ba195d37e750e207a77e9bd9"),
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
        run_sql_file(SQL / "0003/leaves.sql", sha256="8014a78535e0ebafba435ea356f37790545c948a3ec6ee3b49e7f9d3036e6730"),
        run_sql_file(SQL / "0003/seals.sql", sha256="10ed11cb08094ff6b79b0c735cedbf5925c2da5f8a0de9e3f5ec0deae78439bb"),
        run_sql_file(SQL / "end_later.sql", sha256="784c7200a4efb393da8c770605651ffdeefb9aedfd20c03b437dcb878ecca53c"),
    ]
