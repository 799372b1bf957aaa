"""From a decision to allocations: the credits set aside, and the work queued."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from earthcode.audit.models import Event
from earthcode.catalogue.models import Platform
from earthcode.identity.models import User
from earthcode.ledger import actions as ledger
from earthcode.ledger import chart
from earthcode.lib.errors import InvalidInput, NotPermitted
from earthcode.lib.money import as_text, credits
from earthcode.notifications.models import Message
from earthcode.provisioning import actions, operations
from earthcode.provisioning.models import Allocation, AllocationStatus, Operation, OperationKind, OperationStatus
from earthcode.sponsorship.models import Award, Call, RequestLine, ResourceRequest
from tests.support.credits import award_balance, award_held, call_balance
from tests.support.people import fresh

pytestmark = pytest.mark.django_db


def test_granting_places_an_allocation_for_each_line(
    sent_request: ResourceRequest, maria: User, hub_platform: Platform, batch_platform: Platform, now: datetime
) -> None:
    award = actions.grant(sent_request, reason="Good science.", by=maria, at=now)

    first, second = award.allocations.order_by("pk")
    assert (first.platform, second.platform) == (hub_platform, batch_platform)
    assert (first.reference, second.reference) == (f"{award.reference}-1", f"{award.reference}-2")
    assert first.amount + second.amount == award.amount
    assert {first.status, second.status} == {AllocationStatus.PROVISIONING}
    # Six months from the award's first day; the last day counts.
    assert (first.starts_on, first.ends_on) == (date(2026, 12, 1), date(2027, 6, 1))


def test_placing_sets_the_lines_credits_aside(award: Award, on_hub: Allocation, call: Call) -> None:
    hold = ledger.get_hold(on_hub.hold_id)

    assert award_balance(award.reference) == 0
    assert award_held(award.reference) == award.amount
    assert hold.remaining == on_hub.amount == on_hub.line.amount
    assert hold.payee.code == chart.provider_accounts("hub-house", call.slug).accrued
    # Usage is reported after it happened.
    assert hold.expires_at == datetime(2027, 8, 31, tzinfo=UTC)


def test_placing_queues_the_work_and_says_who_decided(on_hub: Allocation, maria: User, now: datetime) -> None:
    operation = on_hub.operations.get()

    assert operation.kind == OperationKind.PROVISION
    assert operation.status == OperationStatus.QUEUED
    assert operation.due_at == now
    event = Event.objects.get(name="allocation.place", subject_id=str(on_hub.pk))
    assert event.actor_id == maria.audit_id
    assert event.data["amount"] == on_hub.amount


def test_placing_a_line_again_changes_nothing(award: Award, on_hub: Allocation, maria: User, now: datetime) -> None:
    again = actions.place(award, on_hub.line, by=maria, at=now)

    assert again == on_hub
    assert Allocation.objects.count() == 2
    assert Operation.objects.count() == 2
    assert award_held(award.reference) == award.amount


def test_placing_refuses_those_who_do_not_decide(award: Award, on_hub: Allocation, alice: User, now: datetime) -> None:
    line = on_hub.line
    line.pk = None

    with pytest.raises(NotPermitted):
        actions.place(award, line, by=fresh(alice), at=now)

    assert Allocation.objects.count() == 2


def test_placing_refuses_a_line_of_another_request(
    award: Award, on_hub: Allocation, maria: User, now: datetime
) -> None:
    line = on_hub.line
    line.resource_request_id += 1

    with pytest.raises(InvalidInput):
        actions.place(award, line, by=maria, at=now)


def test_granting_is_all_or_nothing(sent_request: ResourceRequest, maria: User, call: Call, now: datetime) -> None:
    # The second line cannot be placed: it would end before it begins.
    last = sent_request.lines.order_by("pk").last()
    assert last is not None
    RequestLine.objects.filter(pk=last.pk).update(months=0)
    before, events = call_balance(call.slug), Event.objects.count()

    with pytest.raises(IntegrityError, match="provisioning_ends_after_start"):
        actions.grant(sent_request, reason="Good science.", by=maria, at=now)

    sent_request.refresh_from_db()
    assert sent_request.status == "in_review"
    assert not Award.objects.exists()
    assert not Allocation.objects.exists()
    assert not Operation.objects.exists()
    assert call_balance(call.slug) == before
    assert Event.objects.count() == events


def test_the_order_says_who_what_and_until_when(on_hub: Allocation, alice: User, ben: User) -> None:
    on_hub.plan.connector_settings = {"group": "nor-compute-large"}

    order = operations.order_for(on_hub)

    assert order.allocation == on_hub.reference
    assert order.key == str(on_hub.operations.get().key)
    assert [person.subject for person in order.people] == [alice.subject, ben.subject]
    assert order.people[0].username == "alice"
    assert order.starts_at == datetime(2026, 12, 1, tzinfo=UTC)
    assert order.ends_at == datetime(2027, 6, 2, tzinfo=UTC), "the last day counts"
    assert order.settings == {"group": "nor-compute-large"}
    # 8 vCPU for 60 hours in each of 6 months, and 500 GB for 6 months.
    assert {metric: Decimal(quantity) for metric, quantity in order.quantities.items()} == {
        "vcpu_hour": Decimal(2880),
        "gb_month": Decimal(3000),
    }


def test_people_who_may_not_sign_in_are_in_no_order(on_hub: Allocation, ben: User) -> None:
    ben.is_active = False
    ben.save()

    assert [person.username for person in operations.order_for(on_hub).people] == ["alice"]


def test_the_database_refuses_a_second_open_operation_of_a_kind(on_hub: Allocation, now: datetime) -> None:
    with pytest.raises(IntegrityError, match="provisioning_one_open_operation_of_a_kind"), transaction.atomic():
        actions._queue(on_hub, OperationKind.PROVISION, at=now)


def test_the_database_refuses_an_allocation_of_nothing(on_hub: Allocation) -> None:
    with pytest.raises(IntegrityError, match="provisioning_allocation_is_positive"), transaction.atomic():
        Allocation.objects.filter(pk=on_hub.pk).update(amount=0)


def test_amounts_are_those_of_the_quotes(on_hub: Allocation, on_batch: Allocation) -> None:
    # 2 880 vCPU-hours at 0.08 and 3 000 GB-months at 0.02; 2 880 vCPU-hours at 0.05.
    assert on_hub.amount == credits("290.4")
    assert on_batch.amount == credits("144")


def test_placing_tells_the_provider_of_the_order_and_not_of_the_request(
    sent_request: ResourceRequest, maria: User, petra: User, alice: User, now: datetime
) -> None:
    award = actions.grant(sent_request, reason="Good science.", by=maria, at=now)

    on_hub = award.allocations.get(platform__slug="hub")
    message = Message.objects.get(recipient=petra.public_id)
    assert message.link == on_hub.get_absolute_url()
    assert as_text(on_hub.amount) in message.body
    assert f"{award.project} ({alice.organisation})" in message.body
    for unseen in (sent_request.title, "Good science.", award.allocations.get(platform__slug="batch").reference):
        assert unseen not in message.subject + message.body


def test_placing_again_tells_nobody_anew(
    award: Award, on_hub: Allocation, maria: User, petra: User, now: datetime
) -> None:
    before = Message.objects.count()

    actions.place(award, on_hub.line, by=maria, at=now)

    assert Message.objects.count() == before
