"""Who may end an allocation, try again, and open a platform; and what pages are told about it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from earthcode.audit.actors import CLOCK
from earthcode.audit.models import Event
from earthcode.identity.models import User
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused
from earthcode.lifecycle import WrongState
from earthcode.provisioning import actions, queries
from earthcode.provisioning.models import Allocation, AllocationStatus, Operation, OperationKind, OperationStatus
from earthcode.sponsorship.models import Award
from tests.conftest import MakePerson
from tests.provisioning.conftest import stored
from tests.support import allocations
from tests.support.people import fresh

pytestmark = pytest.mark.django_db

People = Callable[[str], User]


@pytest.fixture
def who(request: pytest.FixtureRequest) -> People:
    """A person by name, as their next request knows them."""
    return lambda name: fresh(request.getfixturevalue(name))


@pytest.fixture
def active(on_hub: Allocation, now: datetime) -> Allocation:
    allocations.activate(on_hub, at=now)
    return on_hub


@pytest.fixture
def failed(on_hub: Allocation, now: datetime) -> Allocation:
    allocations.fail(on_hub, at=now)
    return on_hub


def everything(allocation: Allocation) -> list[Any]:
    """All there is about an allocation: equal before and after what was refused."""
    return [
        Allocation.objects.filter(pk=allocation.pk).values().get(),
        list(allocation.operations.order_by("pk").values()),
        list(Event.objects.order_by("pk").values_list("pk", flat=True)),
    ]


def refused(kind: type[Refused], allocation: Allocation, action: Callable[[], object]) -> Refused:
    before = everything(allocation)
    with pytest.raises(kind) as caught:
        action()
    assert everything(allocation) == before
    return caught.value


# --- ending ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alice", "maria", "marc"])
def test_the_principal_investigator_and_the_managers_may_end(
    name: str, active: Allocation, who: People, now: datetime
) -> None:
    actions.end(active, reason="Enough.", by=who(name), at=now)

    assert stored(active).status == AllocationStatus.ENDING
    operation = active.operations.get(kind=OperationKind.DEPROVISION)
    assert operation.status == OperationStatus.QUEUED
    event = Event.objects.get(name="allocation.end")
    assert event.actor_id == who(name).audit_id
    assert event.data["reason"] == "Enough."


@pytest.mark.parametrize("name", ["ben", "petra", "tomas", "stranger"])
def test_nobody_else_may_end(name: str, active: Allocation, who: People, now: datetime) -> None:
    by = who(name)

    refused(NotPermitted, active, lambda: actions.end(active, reason="Enough.", by=by, at=now))


def test_ending_asks_for_a_reason(active: Allocation, who: People, now: datetime) -> None:
    by = who("maria")

    refusal = refused(InvalidInput, active, lambda: actions.end(active, reason="  ", by=by, at=now))

    assert refusal.field == "reason"


def test_what_is_being_set_up_can_be_ended(on_hub: Allocation, who: People, now: datetime) -> None:
    actions.end(on_hub, reason="A mistake.", by=who("maria"), at=now)

    assert stored(on_hub).status == AllocationStatus.ENDING
    assert on_hub.operations.get(kind=OperationKind.PROVISION).status == OperationStatus.SUPERSEDED


def test_an_allocation_ends_once(active: Allocation, who: People, now: datetime) -> None:
    by = who("maria")
    actions.end(active, reason="Enough.", by=by, at=now)

    refused(WrongState, active, lambda: actions.end(active, reason="Again.", by=by, at=now))


def test_the_clock_leaves_alone_what_is_not_over(active: Allocation, now: datetime) -> None:
    before = everything(active)

    assert actions.end_overdue(at=now) == 0

    assert everything(active) == before


def test_the_clock_ends_what_is_over_once(active: Allocation, award: Award, now: datetime) -> None:
    later = now + timedelta(days=365)

    assert actions.end_overdue(at=later) == award.allocations.count() == 2
    assert actions.end_overdue(at=later) == 0

    assert stored(active).status == AllocationStatus.ENDING
    assert {event.actor_id for event in Event.objects.filter(name="allocation.end")} == {CLOCK.audit_id}


# --- trying again ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["petra", "maria", "marc"])
def test_the_provider_and_the_managers_may_try_again(name: str, failed: Allocation, who: People, now: datetime) -> None:
    actions.retry(failed.operations.get(), by=who(name), at=now + timedelta(hours=1))

    assert stored(failed).status == AllocationStatus.PROVISIONING
    operation = failed.operations.get()
    assert (operation.status, operation.attempts, operation.retries) == (OperationStatus.QUEUED, 0, 1)
    assert operation.due_at == now + timedelta(hours=1)
    assert Event.objects.get(name="operation.retry").actor_id == who(name).audit_id


@pytest.mark.parametrize("name", ["alice", "ben", "tomas", "stranger"])
def test_nobody_else_may_try_again(name: str, failed: Allocation, who: People, now: datetime) -> None:
    by = who(name)

    refused(NotPermitted, failed, lambda: actions.retry(failed.operations.get(), by=by, at=now))


def test_another_providers_administrator_may_not_try_again(
    failed: Allocation, person: MakePerson, other_provider: Any, now: datetime
) -> None:
    from earthcode.identity.roles import Role

    olga = person("olga", "Olga Other", role=Role.PROVIDER_ADMINISTRATOR, role_for=other_provider)

    refused(NotPermitted, failed, lambda: actions.retry(failed.operations.get(), by=olga, at=now))


def test_what_did_not_fail_cannot_be_tried_again(active: Allocation, who: People, now: datetime) -> None:
    by = who("maria")

    refused(WrongState, active, lambda: actions.retry(active.operations.get(), by=by, at=now))


def test_what_was_overtaken_cannot_be_tried_again(failed: Allocation, who: People, now: datetime) -> None:
    by = who("maria")
    set_up = failed.operations.get()
    actions.end(failed, reason="It never worked.", by=by, at=now + timedelta(hours=1))

    refused(WrongState, failed, lambda: actions.retry(set_up, by=by, at=now))


def test_trying_again_twice_is_refused(failed: Allocation, who: People, now: datetime) -> None:
    by = who("maria")
    actions.retry(failed.operations.get(), by=by, at=now)

    refused(WrongState, failed, lambda: actions.retry(failed.operations.get(), by=by, at=now))


# --- opening ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alice", "ben"])
def test_the_projects_people_may_open_the_platform_and_it_is_on_record(
    name: str, active: Allocation, who: People, now: datetime
) -> None:
    address = actions.open_platform(active, by=who(name), at=now)

    assert address == active.access_url
    event = Event.objects.get(name="allocation.open")
    assert (event.actor_id, event.subject_label) == (who(name).audit_id, active.reference)


@pytest.mark.parametrize("name", ["maria", "petra", "stranger"])
def test_nobody_else_may_open_the_platform(name: str, active: Allocation, who: People, now: datetime) -> None:
    by = who(name)

    refused(NotPermitted, active, lambda: actions.open_platform(active, by=by, at=now))


def test_only_an_active_allocation_can_be_opened(on_hub: Allocation, who: People, now: datetime) -> None:
    by = who("alice")

    refused(WrongState, on_hub, lambda: actions.open_platform(on_hub, by=by, at=now))


# --- what pages are told ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "steps", "use", "retry"),
    [
        ("alice", ["end"], False, False),
        ("ben", [], False, False),
        ("petra", [], False, True),
        ("maria", ["end"], False, True),
        ("stranger", [], False, False),
    ],
)
def test_the_open_steps_of_a_failed_allocation(
    name: str, steps: list[str], use: bool, retry: bool, failed: Allocation, who: People
) -> None:
    latest = queries.latest_operation(failed)

    found = queries.open_steps(failed, by=who(name), latest=latest)

    assert [step.name for step in found.steps] == steps
    assert found.use is use
    assert found.retry == (latest if retry else None)


@pytest.mark.parametrize(
    ("name", "steps", "use"),
    [("alice", ["end"], True), ("ben", [], True), ("petra", [], False), ("maria", ["end"], False)],
)
def test_the_open_steps_of_an_active_allocation(
    name: str, steps: list[str], use: bool, active: Allocation, who: People
) -> None:
    found = queries.open_steps(active, by=who(name), latest=queries.latest_operation(active))

    assert [step.name for step in found.steps] == steps
    assert found.use is use
    assert found.retry is None


def test_the_latest_operation_is_the_one_that_matters(active: Allocation, who: People, now: datetime) -> None:
    actions.end(active, reason="Enough.", by=who("maria"), at=now)

    latest = queries.latest_operation(active)

    assert latest is not None
    assert latest.kind == OperationKind.DEPROVISION


def test_the_history_tells_of_the_allocation_and_its_operations(
    failed: Allocation, on_batch: Allocation, who: People, now: datetime
) -> None:
    actions.retry(failed.operations.get(), by=who("petra"), at=now)

    names = [event.name for event in queries.history(failed)]

    assert names == ["allocation.place", "allocation.fail", "allocation.retry", "operation.retry"]


def test_each_sees_the_allocations_that_concern_them(
    on_hub: Allocation, on_batch: Allocation, who: People, person: MakePerson
) -> None:
    def seen(name: str) -> set[Allocation]:
        return set(queries.allocations_visible_to(who(name)))

    assert seen("alice") == seen("ben") == seen("maria") == {on_hub, on_batch}
    assert seen("petra") == {on_hub}
    assert seen("stranger") == seen("tomas") == set()


def test_a_list_of_allocations_is_one_query(
    award: Award, who: People, now: datetime, django_assert_num_queries: Any
) -> None:
    allocations.more_allocations(award, 5, at=now)
    alice = who("alice")
    _ = alice.grants

    with django_assert_num_queries(1):
        rows = [
            (each.platform.provider.name, each.plan.offering.name, each.award.project.title, each.award.call.title)
            for each in queries.allocations_visible_to(alice)
        ]

    assert len(rows) == 7


def test_an_operation_belongs_to_the_project_and_to_the_provider(on_hub: Allocation, award: Award) -> None:
    operation = Operation.objects.get(allocation=on_hub)

    assert operation.project_scope == award.project_id
    assert operation.provider_scope == {on_hub.platform.provider_id}
    assert str(operation) == f"Set up access for {on_hub.reference}"
