"""What the demo starts with: nothing that a second start repeats, and something to see on every side."""

import pytest
from django.core.management import CommandError, call_command

from earthcode.audit.models import Event
from earthcode.catalogue.models import Platform
from earthcode.identity.models import User
from earthcode.onboarding.models import Application, ApplicationStatus, CheckRun, ItemStatus
from earthcode.provisioning.models import Allocation, AllocationStatus
from earthcode.settlement.models import Statement, StatementStatus, UsageRecord
from earthcode.settlement.spending import spending_of
from earthcode.sponsorship.models import Call

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def test_a_site_with_people_of_its_own_is_refused_and_left_as_it_is(alice: User) -> None:
    with pytest.raises(CommandError, match="not of the demonstration"):
        call_command("seed_demo", verbosity=0)

    assert list(User.objects.all()) == [alice]
    assert not Platform.objects.exists()
    assert not Call.objects.exists()


def told() -> list[str]:
    """What happened to requests and applications; that the catalogue was looked through again is told each time."""
    names = Event.objects.filter(name__regex="^(resource_request|application|organisation|user|project)")
    return list(names.order_by("pk").values_list("name", flat=True))


def test_a_second_start_repeats_nothing_and_an_application_waits_for_esa() -> None:
    call_command("seed_demo", verbosity=0)
    application = Application.objects.get()
    before = told()

    call_command("seed_demo", verbosity=0)

    assert told() == before
    assert application.status == ApplicationStatus.SUBMITTED
    assert application.platform_name == "Demonstration Archive"
    assert {item.status for item in application.items_in_order()} == {ItemStatus.GIVEN, ItemStatus.ACCEPTED}
    # Every address of the evidence waits for a worker.
    assert CheckRun.objects.filter(done_at=None).count() >= 6


def test_the_demo_has_a_past_in_which_credits_were_used_and_a_provider_was_paid() -> None:
    call_command("seed_demo", verbosity=0)

    call_command("verify_charges", verbosity=0)
    call_command("verify_ledger", verbosity=0)
    assert {each.status for each in Allocation.objects.all()} == {AllocationStatus.ACTIVE, AllocationStatus.CLOSED}
    used = {each.award.project.title: spending_of(each).percent for each in Allocation.objects.all()}
    assert 40 < used["Lake ice phenology"] < 75
    assert used["Coastal turbidity"] > 75
    assert {StatementStatus.PAID, StatementStatus.ISSUED} <= {each.status for each in Statement.objects.all()}
    assert not UsageRecord.objects.waiting().exists()
