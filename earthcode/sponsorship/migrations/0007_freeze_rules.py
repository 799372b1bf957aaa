"""Requests that were sent before rules were kept with them go by those that their call has today."""

from django.db import migrations

RULES = (
    "ceiling",
    "months_max",
    "case_words_max",
    "decision_working_days",
    "project_ceiling",
    "countries",
    "project_types",
    "endorsed_tiers",
    "two_managers_above",
    "sent_with_open_quotations",
    "offer_days",
    "overdraft_percent",
    "grace_days",
    "final_report_days",
)


def freeze(apps, schema_editor):
    requests = apps.get_model("sponsorship", "ResourceRequest").objects
    for call in apps.get_model("sponsorship", "Call").objects.all():
        rules = {name: getattr(call, name) for name in RULES}
        requests.filter(call=call, submitted_at__isnull=False).update(frozen_rules=rules)


class Migration(migrations.Migration):
    dependencies = [("sponsorship", "0006_calls_as_data")]
    operations = [migrations.RunPython(freeze, migrations.RunPython.noop)]
