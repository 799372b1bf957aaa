from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

from earthcode.lib.sqlfiles import run_sql_file


SQL = Path(__file__).resolve().parent / "sql"


class Migration(migrations.Migration):

    dependencies = [
        ('catalogue', '0004_estimates'),
    ]

    operations = [
        migrations.CreateModel(
            name='OfferingVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('content', models.JSONField()),
                ('published_at', models.DateTimeField()),
                ('by', models.CharField(help_text='Who published it, as the audit trail names them', max_length=200)),
                ('note', models.TextField(blank=True)),
                ('offering', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='versions', to='catalogue.offering')),
            ],
            options={
                'ordering': ['offering', '-number'],
                'constraints': [models.UniqueConstraint(models.F('offering'), models.F('number'), name='catalogue_version_once')],
            },
        ),
        migrations.AddField(
            model_name='estimateline',
            name='version',
            field=models.ForeignKey(blank=True, help_text='What the offering said when it was estimated', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='catalogue.offeringversion'),
        ),
        run_sql_file(SQL / "0005/versions.sql", sha256="3996ddf18556c38ea522fbd0b84805adf625e16ef97886181540c4e8c8538d19"),
    ]
