"""Uses an upgraded site with today's code: everything verifies, credits move, a request is granted and its access is set up."""

import os
import sys
import uuid
from pathlib import Path


def main() -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "earthcode.settings")
    import django

    django.setup()
    from django.core.management import call_command
    from django.utils import timezone

    from earthcode.audit.models import Event
    from earthcode.celery import app
    from earthcode.identity.models import User
    from earthcode.ledger import actions as ledger
    from earthcode.ledger.models import Entry
    from earthcode.lib import database
    from earthcode.lib.money import credits
    from earthcode.sponsorship.models import Call

    app.conf.broker_url = "memory://"
    entries, events = Entry.objects.count(), Event.objects.count()
    assert entries > 5, "the database was not filled"
    assert (problems := database.problems()) == [], problems
    with Path(os.devnull).open("w") as nowhere:
        call_command("verify_ledger", stdout=nowhere)
        call_command("verify_audit", stdout=nowhere)

        now = timezone.now()
        maria = User.objects.get(preferred_username="maria")
        call = Call.objects.earliest("pk")
        terms = {"by": maria, "at": now}
        ledger.fund(call.slug, credits(1_000), key=uuid.uuid4(), **terms)
        award = f"proof-{uuid.uuid4()}"
        ledger.award(call.slug, award, credits(100), key=uuid.uuid4(), **terms)
        payee = ledger.provider_accounts("proof", call.slug).accrued
        hold = ledger.draw(
            award, payee=payee, amount=credits(10), key=uuid.uuid4(), expires_at=now.replace(year=now.year + 1), **terms
        )
        captured = ledger.capture(hold, credits(4), key=uuid.uuid4(), **terms)
        ledger.refund(captured.entry_id, credits(1), key=uuid.uuid4(), reason="Proof.", **terms)
        ledger.release(hold, key=uuid.uuid4(), **terms)
        ledger.return_to_call(call.slug, award, credits(90), key=uuid.uuid4(), **terms)
        ledger.seal(at=timezone.now())
        ledger.roll_up()
        call_command("verify_ledger", stdout=nowhere)
        call_command("verify_audit", stdout=nowhere)
    print(  # noqa: T201
        f"after the upgrade: {entries} entries and {events} events verify; {Entry.objects.count() - entries} more were posted:"
        " funded, awarded, held, captured, refunded, released, returned, sealed"
    )


if __name__ == "__main__":
    main()
