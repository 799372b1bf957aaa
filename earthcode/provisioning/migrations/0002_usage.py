from django.db import migrations, models


# Access that was there is on record with its operation; what had ended gave its credits back at once until now.
SINCE_WHEN = """
UPDATE provisioning_allocation AS allocation
SET active_from = (
        SELECT min(finished_at) FROM provisioning_operation
        WHERE allocation_id = allocation.id AND kind = 'provision' AND status = 'succeeded'
    ),
    usage_closed_at = CASE WHEN status = 'closed' THEN status_since END
"""


class Migration(migrations.Migration):

    dependencies = [
        ('catalogue', '0008_further_facts'),
        ('provisioning', '0001_initial'),
        ('sponsorship', '0004_margin'),
    ]

    operations = [
        migrations.AddField(
            model_name='allocation',
            name='active_from',
            field=models.DateTimeField(blank=True, help_text='When access was there; usage counts from then on', null=True),
        ),
        migrations.AddField(
            model_name='allocation',
            name='terms',
            field=models.JSONField(default=list, help_text='For each component what usage is rated by: catalogue.terms.Term, as on the day of the quote'),
        ),
        migrations.AddField(
            model_name='allocation',
            name='usage_closed_at',
            field=models.DateTimeField(blank=True, help_text='When the last usage was in and what was left went back to the award', null=True),
        ),
        migrations.AddField(
            model_name='allocation',
            name='usage_until',
            field=models.DateTimeField(blank=True, help_text='After access ended: until when late usage is still taken; set when it ended', null=True),
        ),
        migrations.AddConstraint(
            model_name='allocation',
            constraint=models.CheckConstraint(condition=models.Q(('usage_closed_at__isnull', True), ('status', 'closed'), _connector='OR'), name='provisioning_usage_closes_after_access'),
        ),
        migrations.RunSQL(SINCE_WHEN, migrations.RunSQL.noop),
    ]
