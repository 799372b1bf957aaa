"""Fills a database with the code of an earlier version, which it is run in: ``python fill.py`` with that version's folder as the
working directory. It uses what has been there since the first of these versions."""

import os
import sys
import uuid
from pathlib import Path


def main() -> None:
    sys.path.insert(0, str(Path.cwd()))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "earthcode.settings")
    os.environ.setdefault("DEMO", "1")
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import transaction
    from django.utils import timezone

    call_command("migrate", interactive=False, verbosity=0)
    call_command("seed_demo", verbosity=0)

    from earthcode.celery import app
    from earthcode.identity.models import User
    from earthcode.ledger import actions as ledger
    from earthcode.ledger import spans
    from earthcode.lib.money import credits
    from earthcode.provisioning import actions as provisioning
    from earthcode.provisioning import operations
    from earthcode.provisioning.models import Allocation
    from earthcode.sponsorship.models import ResourceRequest

    app.conf.broker_url = "memory://"
    now = timezone.now()
    maria = User.objects.get(preferred_username="maria")
    sent = ResourceRequest.objects.get(status="in_review")
    provisioning.grant(sent, reason="Peatlands matter.", by=maria, at=now)
    operations.run_all_due(clock=timezone.now)
    allocation = Allocation.objects.get(status="active")
    terms = {"by": maria, "at": timezone.now()}
    for _ in range(3):
        captured = ledger.capture(allocation.hold_id, credits(2), key=uuid.uuid4(), **terms)
    ledger.refund(captured.entry_id, credits(1), key=uuid.uuid4(), reason="Counted twice.", **terms)
    with transaction.atomic():
        provisioning.end(allocation, reason="The maps are done.", **terms)
    operations.run_all_due(clock=timezone.now)
    ledger.seal(at=timezone.now())
    ledger.roll_up()
    spans.write(limit=10)
    call_command("verify_ledger", verbosity=0)
    call_command("verify_audit", verbosity=0)


if __name__ == "__main__":
    main()
