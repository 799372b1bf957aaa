"""Orders that people at the provider carry out, because no API does."""

from datetime import date, timedelta

import pytest

from earthcode.audit.actors import CLOCK
from earthcode.catalogue.connecting import set_up_possible
from earthcode.catalogue.models import Platform
from earthcode.connectors.base import SuspendStep
from earthcode.identity.models import Project, RoleGrant, User
from earthcode.lib.errors import InvalidInput, NotPermitted
from earthcode.lifecycle import WrongState
from earthcode.notifications.models import Message
from earthcode.provisioning import actions, tasks_for_people
from earthcode.provisioning.models import (
    Allocation,
    AllocationStatus,
    Operation,
    OperationStatus,
    PlatformUsername,
    Task,
    TaskStatus,
)
from earthcode.provisioning.people import add_member
from tests.conftest import Clock
from tests.provisioning.conftest import run, stored

pytestmark = pytest.mark.django_db(transaction=True)

PLACE = "https://console.platform.example/projects/42"


@pytest.fixture
def asked(on_hub: Allocation, hub_platform: Platform, petra: User, maria: User, clock: Clock) -> Task:
    """The hub is set up by people, and they were asked."""
    Platform.objects.filter(pk=hub_platform.pk).update(connector="", connector_config={})
    run(clock)
    return Task.objects.get(operation__allocation=on_hub)


def test_an_order_becomes_a_task_with_a_promised_day_and_no_failure(
    asked: Task, on_hub: Allocation, petra: User, maria: User
) -> None:
    assert asked.status == TaskStatus.OPEN
    assert asked.due_on == date(2026, 11, 16), "ten working days after Monday 2 November"
    assert on_hub.operations.get().status == OperationStatus.NEEDS_PERSON
    assert stored(on_hub).status == AllocationStatus.PROVISIONING
    assert Message.objects.filter(recipient=petra.public_id, subject__contains="Set up access").count() == 1
    assert not Message.objects.filter(recipient=maria.public_id, subject__contains="Set up access").exists()


def test_a_confirmed_order_is_active_with_what_the_provider_said(
    asked: Task, on_hub: Allocation, petra: User, alice: User, clock: Clock
) -> None:
    tasks_for_people.confirm(
        asked, access_url=PLACE, facts={"Project": "42"}, names={alice.subject: "alice42"}, by=petra, at=clock.now
    )
    tasks_for_people.confirm(asked, access_url="https://other.example", by=petra, at=clock.now)
    run(clock)

    found = stored(on_hub)
    assert found.status == AllocationStatus.ACTIVE
    assert (found.access_url, found.details, found.names) == (PLACE, {"Project": "42"}, {alice.subject: "alice42"})
    assert found.active_from == clock.now
    assert Task.objects.filter(operation__allocation=on_hub).count() == 1


def test_a_declined_order_fails_with_the_reason_and_is_asked_anew_when_tried_again(
    asked: Task, on_hub: Allocation, petra: User, alice: User, clock: Clock
) -> None:
    with pytest.raises(InvalidInput):
        tasks_for_people.decline(asked, reason=" ", by=petra, at=clock.now)
    tasks_for_people.decline(asked, reason="We are full until March.", by=petra, at=clock.now)
    run(clock)

    operation = on_hub.operations.get()
    assert stored(on_hub).status == AllocationStatus.FAILED
    assert operation.error_code == "manual.declined"
    assert "We are full until March." in operation.error
    assert operation.error_for == "project"
    with pytest.raises(WrongState):
        tasks_for_people.confirm(asked, access_url=PLACE, by=petra, at=clock.now)

    actions.retry(operation, by=petra, at=clock.now)
    run(clock)
    again = Task.objects.open().get(operation__allocation=on_hub)
    tasks_for_people.confirm(again, access_url=PLACE, by=petra, at=clock.now)
    run(clock)
    assert stored(on_hub).status == AllocationStatus.ACTIVE


@pytest.mark.parametrize("address", ["", "console", "ftp://x.example", "javascript:alert(1)"])
def test_a_place_to_go_is_needed(asked: Task, petra: User, clock: Clock, address: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        tasks_for_people.confirm(asked, access_url=address, by=petra, at=clock.now)

    assert caught.value.field == "access_url"
    assert Task.objects.get(pk=asked.pk).status == TaskStatus.OPEN


def test_only_those_who_run_the_platform_answer(asked: Task, alice: User, clock: Clock) -> None:
    with pytest.raises(NotPermitted):
        tasks_for_people.confirm(asked, access_url=PLACE, by=alice, at=clock.now)
    with pytest.raises(NotPermitted):
        tasks_for_people.decline(asked, reason="No.", by=alice, at=clock.now)


def test_where_the_provider_has_nobody_esa_is_asked_and_the_message_says_so(
    on_hub: Allocation, hub_platform: Platform, petra: User, maria: User, clock: Clock
) -> None:
    RoleGrant.objects.filter(user=petra).delete()
    Platform.objects.filter(pk=hub_platform.pk).update(connector="manual", connector_config={"promise_days": 3})
    hub_platform.refresh_from_db()
    run(clock)

    message = Message.objects.get(recipient=maria.public_id, subject__contains="Set up access")
    assert "has nobody here, so you are asked in its place" in message.body
    assert Task.objects.get(operation__allocation=on_hub).due_on == date(2026, 11, 5)
    assert set_up_possible(hub_platform).by_esa

    RoleGrant.objects.filter(user=maria).delete()
    possible = set_up_possible(hub_platform)
    assert not possible.possible
    assert possible.code == "manual.nobody"
    assert "Nobody is here" in possible.message


def test_reminders_go_out_once_a_day_from_the_day_before(asked: Task, petra: User, clock: Clock) -> None:
    assert tasks_for_people.remind(at=clock.now) == 0
    clock.now += timedelta(days=13)
    assert tasks_for_people.remind(at=clock.now) == 1
    assert tasks_for_people.remind(at=clock.now) == 0
    clock.now += timedelta(days=2)
    assert tasks_for_people.remind(at=clock.now) == 1

    subjects = set(Message.objects.filter(recipient=petra.public_id).values_list("subject", flat=True))
    assert any("Due soon" in subject for subject in subjects)
    assert any("Overdue" in subject for subject in subjects)


def test_people_suspension_and_the_end_are_asked_for_in_order(
    asked: Task,
    on_hub: Allocation,
    project: Project,
    petra: User,
    alice: User,
    stranger: User,
    clock: Clock,
) -> None:
    tasks_for_people.confirm(asked, access_url=PLACE, by=petra, at=clock.now)
    run(clock)
    add_member(project, user=stranger, by=alice, at=clock.now)
    run(clock)
    actions.suspend(stored(on_hub), SuspendStep.NO_NEW_WORK, reason="exhausted", by=CLOCK, at=clock.now)
    run(clock)

    people = Task.objects.open().get(operation__allocation=on_hub)
    assert people.asks == "people", "the suspension waits until the people are answered"
    tasks_for_people.confirm(people, by=petra, at=clock.now)
    _run_until_asked(clock)
    suspension = Task.objects.open().get(operation__allocation=on_hub)
    assert suspension.asks == "suspend"
    tasks_for_people.confirm(suspension, by=petra, at=clock.now)
    run(clock)
    assert stored(on_hub).status == AllocationStatus.SUSPENDED
    assert stored(on_hub).access_url == PLACE

    actions.end(stored(on_hub), reason="Over.", by=CLOCK, at=clock.now)
    run(clock)
    last = Task.objects.open().get(operation__allocation=on_hub)
    assert last.asks == "revoke"
    tasks_for_people.confirm(last, by=petra, at=clock.now)
    run(clock)
    assert stored(on_hub).status == AllocationStatus.CLOSED


def test_ending_takes_the_question_off_the_desk(asked: Task, on_hub: Allocation, petra: User, clock: Clock) -> None:
    actions.end(on_hub, reason="Not needed.", by=CLOCK, at=clock.now)

    assert Task.objects.get(pk=asked.pk).status == TaskStatus.WITHDRAWN
    with pytest.raises(WrongState):
        tasks_for_people.confirm(asked, access_url=PLACE, by=petra, at=clock.now)


def test_a_stated_name_goes_to_the_platform(
    on_hub: Allocation, hub_platform: Platform, alice: User, clock: Clock
) -> None:
    from earthcode.provisioning.operations import order_for

    PlatformUsername.objects.create(user=alice, platform=hub_platform, name="alice-on-hub", stated_at=clock.now)

    names = {person.subject: person.platform_name for person in order_for(on_hub).people}
    assert names[alice.subject] == "alice-on-hub"


def _run_until_asked(clock: Clock) -> None:
    for _ in range(5):
        run(clock)
        if not Operation.objects.waiting().exists():
            return
        clock.forward(seconds=10)
