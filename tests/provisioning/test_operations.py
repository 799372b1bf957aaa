"""The runner, against platforms that work, are busy, refuse, hang and lose their answers."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from earthcode.audit.models import Event
from earthcode.catalogue.models import Platform
from earthcode.connectors import reasons
from earthcode.connectors.base import Order
from earthcode.connectors.registry import connector_for
from earthcode.connectors.simulated import Simulated
from earthcode.identity import projects
from earthcode.identity.models import Project, User
from earthcode.lib.errors import NotPermitted
from earthcode.lifecycle import WrongState
from earthcode.notifications.models import Message
from earthcode.provisioning import actions, operations
from earthcode.provisioning.models import Allocation, AllocationStatus, Operation, OperationStatus
from earthcode.provisioning.tasks import run_operations
from earthcode.sponsorship.models import Award
from tests.conftest import Clock
from tests.provisioning.conftest import Behave, Look, run, run_until_quiet, stored, the_operation
from tests.support.credits import award_balance, award_held
from tests.support.people import fresh

# Operations are claimed and recorded in transactions of their own.
pytestmark = pytest.mark.django_db(transaction=True)


def told(person: User, words: str) -> list[Message]:
    return list(Message.objects.filter(recipient=person.public_id, subject__contains=words))


# --- a platform that works -------------------------------------------------------------------------------------------


def test_what_is_queued_is_carried_out_and_recorded(
    on_hub: Allocation, on_batch: Allocation, clock: Clock, platform_side: Look
) -> None:
    assert run(clock) == 2

    for allocation in (on_hub, on_batch):
        now = stored(allocation)
        assert now.status == AllocationStatus.ACTIVE
        assert now.external_id == f"simulated:{allocation.reference}"
        assert now.access_url.endswith(f"/simulated-platform/{allocation.reference}/")
        operation = the_operation(allocation)
        assert operation.status == OperationStatus.SUCCEEDED
        assert operation.finished_at == clock.now
        assert operation.claim_token is None
        assert platform_side(allocation)["done"] == {"provision": 1}
        assert platform_side(allocation)["granted"]["key"] == str(operation.key)
    assert run(clock) == 0


def test_the_projects_people_are_told_that_the_platform_is_ready(
    on_hub: Allocation, clock: Clock, alice: User, ben: User, maria: User
) -> None:
    run(clock)

    for person in (alice, ben):
        (message,) = told(person, "Coastal Hub is ready")
        assert message.link == on_hub.get_absolute_url()
    assert not told(maria, "is ready")


def test_every_step_is_on_record(on_hub: Allocation, clock: Clock) -> None:
    run(clock)

    names = Event.objects.filter(subject_label__contains=on_hub.reference).order_by("pk").values_list("name", flat=True)
    assert list(names) == ["allocation.place", "operation.succeed", "allocation.activate"]


def test_the_task_runs_what_is_due_by_the_clock(on_hub: Allocation, clock: Clock) -> None:
    run_operations()

    assert stored(on_hub).status == AllocationStatus.ACTIVE
    assert the_operation(on_hub).finished_at == clock.now


def test_what_is_not_due_waits(on_hub: Allocation, clock: Clock) -> None:
    Operation.objects.update(due_at=clock.now + timedelta(minutes=1))

    assert run(clock) == 0
    clock.forward(minutes=1)
    assert run(clock) == 2


def test_a_run_takes_on_nothing_new_after_its_time(on_hub: Allocation, on_batch: Allocation, clock: Clock) -> None:
    def every_look_costs_a_minute() -> datetime:
        return clock.forward(minutes=1)

    assert operations.run_all_due(clock=every_look_costs_a_minute) == 0
    assert operations.run_all_due(clock=clock.read) == 2


# --- no transaction --------------------------------------------------------------------------------------------------


def test_the_platform_is_called_with_no_transaction_open(
    on_hub: Allocation, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    provision = Simulated.ensure

    def looks_around(self: Simulated, order: Order) -> Any:
        seen.append((connection.in_atomic_block, _claimed_for_all_to_see(order)))
        return provision(self, order)

    monkeypatch.setattr(Simulated, "ensure", looks_around)

    run(clock)

    assert seen == [(False, True), (False, True)]


def _claimed_for_all_to_see(order: Order) -> bool:
    """Whether another connection sees the claim."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT claimed_until IS NOT NULL FROM provisioning_operation WHERE key = %s", [order.key])
            return bool(cursor.fetchone()[0])
    finally:
        other.close()


def test_the_runner_refuses_to_run_inside_a_transaction(on_hub: Allocation, clock: Clock, platform_side: Look) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        run(clock)

    assert platform_side(on_hub)["attempts"] == {}


def test_a_platform_cannot_be_called_inside_a_transaction(on_hub: Allocation, platform_side: Look) -> None:
    connector = connector_for("simulated", on_hub.platform.connector_config)

    with pytest.raises(RuntimeError, match="no transaction open"), transaction.atomic():
        operations._carry_out(connector, "provision", operations.order_for(on_hub))  # type: ignore[arg-type]

    assert platform_side(on_hub)["attempts"] == {}


# --- a platform that fails -------------------------------------------------------------------------------------------


def test_a_busy_platform_is_asked_again_later_and_works_in_the_end(
    on_hub: Allocation, hub_platform: Platform, behave: Behave, clock: Clock, platform_side: Look
) -> None:
    behave(hub_platform, "fails_for_a_while", failures=2)

    run(clock)

    operation = the_operation(on_hub)
    assert operation.status == OperationStatus.QUEUED
    assert "busy" in operation.error
    assert not operation.error_permanent
    assert clock.now < operation.due_at <= clock.now + operations.FIRST_PAUSE
    assert stored(on_hub).status == AllocationStatus.PROVISIONING
    assert run(clock) == 0, "it is not due yet"

    run_until_quiet(clock)

    operation.refresh_from_db()
    assert operation.status == OperationStatus.SUCCEEDED
    assert operation.attempts == 3
    assert operation.error == ""
    assert stored(on_hub).status == AllocationStatus.ACTIVE
    assert platform_side(on_hub)["done"] == {"provision": 1}


def test_pauses_grow_to_a_limit_and_the_attempts_end(
    on_hub: Allocation, hub_platform: Platform, behave: Behave, clock: Clock, alice: User, petra: User
) -> None:
    behave(hub_platform, "hangs")
    pauses = []
    operation = the_operation(on_hub)
    while operation.status == OperationStatus.QUEUED:
        clock.now = max(clock.now, operation.due_at)
        run(clock)
        operation.refresh_from_db()
        pauses.append(operation.due_at - clock.now)

    assert operation.status == OperationStatus.FAILED
    assert operation.attempts == operations.ATTEMPTS_MAX == len(pauses)
    for number, pause in enumerate(pauses[:-1]):
        longest = min(operations.FIRST_PAUSE * 2**number, operations.LONGEST_PAUSE)
        assert 0.8 * longest <= pause <= longest
    assert stored(on_hub).status == AllocationStatus.FAILED
    assert told(alice, "could not be set up")
    assert told(petra, "could not be set up")


def test_a_refusal_fails_at_once_with_the_reason_and_tells_those_concerned(
    on_hub: Allocation,
    hub_platform: Platform,
    behave: Behave,
    clock: Clock,
    alice: User,
    ben: User,
    petra: User,
    maria: User,
) -> None:
    behave(hub_platform, "fails_for_good")

    run(clock)

    operation = the_operation(on_hub)
    assert operation.status == OperationStatus.FAILED
    assert operation.error_permanent
    assert "refuses" in operation.error
    assert operation.finished_at == clock.now
    assert stored(on_hub).status == AllocationStatus.FAILED
    assert [operation.error in message.body for message in told(alice, "could not be set up")] == [True]
    assert [operation.error in message.body for message in told(petra, "could not be set up")] == [True]
    assert told(ben, "could not be set up"), "all of the project are told of a failure, as of a success"
    assert not told(maria, "could not be set up")
    clock.forward(days=30)
    assert run(clock) == 0


def test_where_a_provider_has_nobody_here_the_managers_are_told(
    on_batch: Allocation, batch_platform: Platform, behave: Behave, clock: Clock, maria: User, petra: User
) -> None:
    behave(batch_platform, "fails_for_good")

    run(clock)

    assert told(maria, "could not be set up")
    assert not told(petra, "could not be set up")


@pytest.mark.parametrize("changes", [{"connector": "carrier-pigeon"}, {"connector_config": {"behaviour": "dances"}}])
def test_a_platform_that_is_not_set_up_here_fails_at_once(
    on_hub: Allocation, hub_platform: Platform, clock: Clock, changes: dict[str, Any]
) -> None:
    Platform.objects.filter(pk=hub_platform.pk).update(**changes)

    run(clock)

    assert the_operation(on_hub).error_permanent
    assert stored(on_hub).status == AllocationStatus.FAILED


def test_one_platforms_trouble_does_not_keep_back_another(
    on_hub: Allocation, on_batch: Allocation, hub_platform: Platform, behave: Behave, clock: Clock
) -> None:
    behave(hub_platform, "hangs")

    run(clock)

    assert stored(on_hub).status == AllocationStatus.PROVISIONING
    assert stored(on_batch).status == AllocationStatus.ACTIVE


def test_a_failed_set_up_keeps_the_credits_set_aside(
    on_hub: Allocation, hub_platform: Platform, award: Award, behave: Behave, clock: Clock
) -> None:
    behave(hub_platform, "fails_for_good")

    run(clock)

    assert award_held(award.reference) == award.amount


# --- "did it already happen?" ----------------------------------------------------------------------------------------


def test_a_lost_answer_costs_an_attempt_and_no_second_provisioning(
    on_hub: Allocation, hub_platform: Platform, behave: Behave, clock: Clock, platform_side: Look
) -> None:
    behave(hub_platform, "loses_answers")
    run(clock)
    assert the_operation(on_hub).status == OperationStatus.QUEUED
    assert platform_side(on_hub)["done"] == {"provision": 1}

    run_until_quiet(clock)

    assert stored(on_hub).status == AllocationStatus.ACTIVE
    assert the_operation(on_hub).attempts == 2
    assert platform_side(on_hub)["done"] == {"provision": 1}
    assert platform_side(on_hub)["attempts"] == {"provision": 1}


def test_what_a_worker_did_before_it_died_is_found_by_its_successor(
    on_hub: Allocation, on_batch: Allocation, clock: Clock, platform_side: Look, settings: Any, award: Award
) -> None:
    _die_after_the_call(clock, award)
    assert {platform_side(each).get("done", {}).get("provision") for each in (on_hub, on_batch)} == {1, None}

    assert run(clock) == 1, "the dead worker's lease runs; the other platform is free"
    clock.forward(seconds=settings.OPERATION_LEASE_S)
    assert run(clock) == 1

    for allocation in (on_hub, on_batch):
        assert stored(allocation).status == AllocationStatus.ACTIVE
        assert platform_side(allocation)["attempts"] == {"provision": 1}
    assert award_held(award.reference) == award.amount
    assert Event.objects.filter(name="allocation.activate").count() == 2


def _die_after_the_call(clock: Clock, award: Award) -> None:
    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "_record_success", dies)
        with pytest.raises(KeyboardInterrupt):
            run(clock)


def test_workers_that_die_of_an_operation_again_and_again_end_it(
    on_hub: Allocation, on_batch: Allocation, clock: Clock, settings: Any, award: Award
) -> None:
    on_batch.operations.update(due_at=clock.now + timedelta(days=9))
    for _ in range(operations.ATTEMPTS_MAX):
        _die_after_the_call(clock, award)
        clock.forward(seconds=settings.OPERATION_LEASE_S)

    run(clock)

    operation = the_operation(on_hub)
    assert operation.status == OperationStatus.FAILED
    assert operation.error == reasons.sentence(reasons.INTERRUPTED)
    assert stored(on_hub).status == AllocationStatus.FAILED


def test_a_late_worker_records_nothing_once_another_has_taken_over(
    on_hub: Allocation, on_batch: Allocation, clock: Clock, settings: Any
) -> None:
    first = operations._claim(clock.now)
    assert first is not None
    order = operations.order_for(first.allocation)
    clock.forward(seconds=settings.OPERATION_LEASE_S)
    second = operations._claim(clock.now)
    assert second == first
    grant = connector_for("simulated", {}).ensure(order)

    operations._record_success(first, order, grant, at=clock.now)
    assert stored(first.allocation).status == AllocationStatus.PROVISIONING
    assert Operation.objects.get(pk=first.pk).claim_token == second.claim_token

    operations._record_success(second, order, grant, at=clock.now)
    assert stored(first.allocation).status == AllocationStatus.ACTIVE


# --- people who come and go ------------------------------------------------------------------------------------------


def leaves(project: Project, person: User, by: User, clock: Clock) -> None:
    with transaction.atomic():
        projects.remove_member(project, user=person, by=fresh(by), at=clock.now)
        actions.people_changed(project, by=by, at=clock.now)


def joins(project: Project, person: User, by: User, clock: Clock) -> None:
    with transaction.atomic():
        projects.add_member(project, user=person, by=fresh(by), at=clock.now)
        actions.people_changed(project, by=by, at=clock.now)


def names_on(allocation: Allocation, platform_side: Look) -> set[str]:
    granted = platform_side(allocation)["granted"]
    return {person.split()[-1] for person in granted["people"]} if granted else set()


def test_whoever_leaves_the_project_loses_access_on_each_platform(
    project: Project,
    on_hub: Allocation,
    on_batch: Allocation,
    clock: Clock,
    platform_side: Look,
    alice: User,
    ben: User,
) -> None:
    run(clock)
    assert names_on(on_hub, platform_side) == {alice.subject, ben.subject}

    leaves(project, ben, alice, clock)
    assert run(clock) == 2

    for allocation in (on_hub, on_batch):
        assert names_on(allocation, platform_side) == {alice.subject}
        assert stored(allocation).status == AllocationStatus.ACTIVE
        assert stored(allocation).details == {"people": 1}


def test_whoever_comes_and_goes_before_the_set_up_needs_no_second_one(
    project: Project, on_hub: Allocation, clock: Clock, platform_side: Look, alice: User, ben: User
) -> None:
    leaves(project, ben, alice, clock)
    assert Operation.objects.count() == 2

    run(clock)

    assert names_on(on_hub, platform_side) == {alice.subject}
    assert Operation.objects.count() == 2


@pytest.mark.parametrize("kind", ["provision", "sync_people"])
def test_whoever_leaves_while_the_platform_is_being_called_loses_access_after_it(
    kind: str,
    project: Project,
    on_hub: Allocation,
    clock: Clock,
    platform_side: Look,
    alice: User,
    ben: User,
    stranger: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if kind == "sync_people":
        run(clock)
        joins(project, stranger, alice, clock)
    verb = {"provision": "ensure", "sync_people": "people"}[kind]
    call: Callable[..., Any] = getattr(Simulated, verb)

    def meanwhile(self: Simulated, order: Order) -> Any:
        monkeypatch.setattr(Simulated, verb, call)
        grant = call(self, order)
        leaves(project, ben, alice, clock)
        return grant

    monkeypatch.setattr(Simulated, verb, meanwhile)

    run_until_quiet(clock)

    for allocation in Allocation.objects.all():
        assert ben.subject not in names_on(allocation, platform_side)
        assert alice.subject in names_on(allocation, platform_side)
        assert allocation.status == AllocationStatus.ACTIVE


def test_two_changes_in_a_row_are_one_update(
    project: Project, on_hub: Allocation, clock: Clock, platform_side: Look, alice: User, ben: User, stranger: User
) -> None:
    run(clock)

    leaves(project, ben, alice, clock)
    joins(project, stranger, alice, clock)
    run(clock)

    assert on_hub.operations.filter(kind="sync_people").count() == 1
    assert names_on(on_hub, platform_side) == {alice.subject, stranger.subject}


def test_an_update_goes_on_for_as_long_as_it_takes(
    project: Project,
    on_hub: Allocation,
    hub_platform: Platform,
    behave: Behave,
    clock: Clock,
    platform_side: Look,
    alice: User,
    ben: User,
    petra: User,
) -> None:
    run(clock)
    behave(hub_platform, "fails_for_a_while", failures=operations.ATTEMPTS_MAX + 5)
    leaves(project, ben, alice, clock)

    run_until_quiet(clock)

    operation = the_operation(on_hub, "sync_people")
    assert operation.status == OperationStatus.SUCCEEDED
    assert operation.attempts == operations.ATTEMPTS_MAX + 6
    assert names_on(on_hub, platform_side) == {alice.subject}
    assert len(told(petra, "still not done")) == 1


def test_people_can_only_change_in_a_transaction_with_what_follows(project: Project, alice: User, clock: Clock) -> None:
    with pytest.raises(RuntimeError, match="inside the transaction"):
        actions.people_changed(project, by=alice, at=clock.now)


# --- the end ---------------------------------------------------------------------------------------------------------


def test_ending_takes_the_access_away_at_once_and_gives_the_credits_back_with_the_last_usage(
    on_hub: Allocation, award: Award, clock: Clock, platform_side: Look, alice: User, ben: User, maria: User
) -> None:
    run(clock)

    actions.end(on_hub, reason="The data were withdrawn.", by=maria, at=clock.now)
    assert stored(on_hub).status == AllocationStatus.ENDING
    assert award_balance(award.reference) == 0, "not before the platform has confirmed it"
    run(clock)

    now = stored(on_hub)
    assert now.status == AllocationStatus.CLOSED
    assert now.end_reason == "The data were withdrawn."
    assert platform_side(on_hub)["granted"] is None
    assert now.usage_until == clock.now + actions.LATE_USAGE_WITHIN
    assert award_balance(award.reference) == 0, "late usage may still come"
    for person in (alice, ben):
        (message,) = told(person, "has ended")
        assert "The data were withdrawn." in message.body
        assert "on 16 November 2026 at the latest" in message.body

    clock.forward(days=13)
    run_operations()
    assert award_balance(award.reference) == 0
    clock.forward(days=1)
    run_operations()

    assert stored(on_hub).usage_closed_at == clock.now
    assert award_balance(award.reference) == on_hub.amount
    assert award_held(award.reference) == award.amount - on_hub.amount
    assert told(alice, "last usage")
    assert actions.close_overdue_usage(at=clock.now) == 0


def test_the_provider_says_that_the_last_usage_is_in(
    on_hub: Allocation, award: Award, clock: Clock, alice: User, maria: User, petra: User
) -> None:
    run(clock)
    with pytest.raises(WrongState, match="end it first"):
        actions.close_usage(on_hub, by=fresh(petra), at=clock.now)
    actions.end(on_hub, reason="Enough.", by=maria, at=clock.now)
    run(clock)

    with pytest.raises(NotPermitted):
        actions.close_usage(on_hub, by=fresh(alice), at=clock.now)
    actions.close_usage(on_hub, by=fresh(petra), at=clock.now)
    actions.close_usage(on_hub, by=fresh(petra), at=clock.now)

    assert award_balance(award.reference) == on_hub.amount
    assert len(told(alice, "last usage")) == 1
    assert Event.objects.filter(name="allocation.close_usage").count() == 1


def test_ending_one_allocation_leaves_the_other(
    on_hub: Allocation, on_batch: Allocation, clock: Clock, platform_side: Look, maria: User
) -> None:
    run(clock)

    actions.end(on_hub, reason="Enough.", by=maria, at=clock.now)
    run(clock)

    assert stored(on_batch).status == AllocationStatus.ACTIVE
    assert platform_side(on_batch)["granted"] is not None


def test_ending_is_tried_for_as_long_as_it_takes(
    on_hub: Allocation,
    hub_platform: Platform,
    behave: Behave,
    clock: Clock,
    platform_side: Look,
    maria: User,
    petra: User,
) -> None:
    run(clock)
    behave(hub_platform, "fails_for_a_while", failures=operations.ATTEMPTS_MAX + 5)
    actions.end(on_hub, reason="Enough.", by=maria, at=clock.now)

    run_until_quiet(clock)

    assert stored(on_hub).status == AllocationStatus.CLOSED
    assert platform_side(on_hub)["granted"] is None
    assert len(told(petra, "still not done")) == 1


def test_a_platform_that_refuses_the_ending_leaves_it_open_and_tells_those_concerned(
    on_hub: Allocation,
    hub_platform: Platform,
    award: Award,
    behave: Behave,
    clock: Clock,
    alice: User,
    maria: User,
    petra: User,
) -> None:
    run(clock)
    behave(hub_platform, "fails_for_good")
    actions.end(on_hub, reason="Enough.", by=maria, at=clock.now)

    run(clock)

    assert stored(on_hub).status == AllocationStatus.ENDING
    assert the_operation(on_hub, "deprovision").status == OperationStatus.FAILED
    assert award_balance(award.reference) == 0
    assert told(petra, "could not be removed")
    assert told(alice, "could not be removed")


def test_ending_what_could_not_be_set_up_gives_the_credits_back(
    on_hub: Allocation, hub_platform: Platform, award: Award, behave: Behave, clock: Clock, alice: User
) -> None:
    behave(hub_platform, "fails_for_good")
    run(clock)

    actions.end(on_hub, reason="It never worked.", by=fresh(alice), at=clock.now)
    run(clock)

    assert stored(on_hub).status == AllocationStatus.CLOSED
    assert award_balance(award.reference) == on_hub.amount


def test_ending_while_the_platform_is_being_called_wins(
    on_hub: Allocation,
    on_batch: Allocation,
    award: Award,
    clock: Clock,
    platform_side: Look,
    maria: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on_batch.operations.update(due_at=clock.now + timedelta(days=1))
    provision = Simulated.ensure
    under_way: list[Operation | None] = []

    def meanwhile(self: Simulated, order: Order) -> Any:
        if order.allocation == on_hub.reference:
            actions.end(stored(on_hub), reason="A mistake.", by=maria, at=clock.now)
            # The ending is due and another worker is free; but this platform is being called.
            under_way.append(operations._claim(clock.now + timedelta(seconds=1)))
        return provision(self, order)

    monkeypatch.setattr(Simulated, "ensure", meanwhile)

    run_until_quiet(clock)

    assert under_way == [None]
    assert stored(on_hub).status == AllocationStatus.CLOSED
    assert the_operation(on_hub).status == OperationStatus.SUPERSEDED
    assert platform_side(on_hub)["granted"] is None
    assert platform_side(on_hub)["done"] == {"provision": 1, "deprovision": 1}
    assert award_balance(award.reference) == on_hub.amount


def test_the_clock_ends_what_is_past_its_last_day(
    on_hub: Allocation, on_batch: Allocation, clock: Clock, platform_side: Look
) -> None:
    run(clock)
    Allocation.objects.filter(pk=on_batch.pk).update(ends_on=on_hub.ends_on + timedelta(days=30))
    clock.now = clock.now.replace(year=2027, month=6, day=1, hour=23, minute=59)
    run_operations()
    assert stored(on_hub).status == AllocationStatus.ACTIVE, "the last day counts"

    clock.forward(minutes=1)
    run_operations()

    assert stored(on_hub).status == AllocationStatus.CLOSED
    assert stored(on_hub).end_reason == "The period is over."
    assert platform_side(on_hub)["granted"] is None
    assert stored(on_batch).status == AllocationStatus.ACTIVE


# --- trying again ----------------------------------------------------------------------------------------------------


def test_trying_again_after_a_failure_works_under_the_same_key(
    on_hub: Allocation,
    hub_platform: Platform,
    behave: Behave,
    clock: Clock,
    platform_side: Look,
    petra: User,
    alice: User,
) -> None:
    behave(hub_platform, "fails_for_good")
    run(clock)
    key = the_operation(on_hub).key
    behave(hub_platform, "works")

    actions.retry(the_operation(on_hub), by=petra, at=clock.now)
    assert stored(on_hub).status == AllocationStatus.PROVISIONING
    run(clock)

    operation = the_operation(on_hub)
    assert operation.status == OperationStatus.SUCCEEDED
    assert (operation.key, operation.retries, operation.attempts) == (key, 1, 1)
    assert stored(on_hub).status == AllocationStatus.ACTIVE
    assert platform_side(on_hub)["granted"]["key"] == str(key)


def test_each_failure_is_told_once(
    on_hub: Allocation, hub_platform: Platform, behave: Behave, clock: Clock, petra: User
) -> None:
    behave(hub_platform, "fails_for_good")
    run(clock)
    actions.retry(the_operation(on_hub), by=petra, at=clock.now)
    run(clock)

    assert len(told(petra, "could not be set up")) == 2


def test_trying_the_ending_again_closes_the_allocation(
    on_hub: Allocation, hub_platform: Platform, behave: Behave, clock: Clock, maria: User, petra: User
) -> None:
    run(clock)
    behave(hub_platform, "fails_for_good")
    actions.end(on_hub, reason="Enough.", by=maria, at=clock.now)
    run(clock)
    behave(hub_platform, "works")

    actions.retry(the_operation(on_hub, "deprovision"), by=petra, at=clock.now)
    assert stored(on_hub).status == AllocationStatus.ENDING
    run(clock)

    assert stored(on_hub).status == AllocationStatus.CLOSED
