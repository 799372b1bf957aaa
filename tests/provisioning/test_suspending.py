"""Suspending and resuming, as the platform confirms it."""

from typing import Any

import pytest

from earthcode.audit.actors import CLOCK
from earthcode.audit.models import Event
from earthcode.catalogue.models import Platform
from earthcode.connectors.base import SuspendStep
from earthcode.identity.models import User
from earthcode.lib.errors import NotPermitted
from earthcode.lifecycle import WrongState
from earthcode.notifications.models import Message
from earthcode.provisioning import actions
from earthcode.provisioning.models import Allocation, AllocationStatus, Operation, OperationKind, OperationStatus
from tests.conftest import Clock
from tests.provisioning.conftest import Behave, Look, run, run_until_quiet, stored

pytestmark = pytest.mark.django_db(transaction=True)


def test_suspended_is_said_when_the_platform_has_done_it_and_not_before(
    on_hub: Allocation, clock: Clock, platform_side: Look
) -> None:
    run_until_quiet(clock)

    actions.suspend(on_hub, SuspendStep.NO_NEW_WORK, reason="exhausted", by=CLOCK, at=clock.now)
    assert stored(on_hub).status == AllocationStatus.ACTIVE
    run_until_quiet(clock)

    assert stored(on_hub).status == AllocationStatus.SUSPENDED
    assert platform_side(on_hub)["suspended"] == "no_new_work"
    assert stored(on_hub).suspend_reason == "exhausted"
    assert Message.objects.filter(subject__contains="is suspended").count() == 2

    actions.resume(on_hub, reason="topped_up", by=CLOCK, at=clock.now)
    run_until_quiet(clock)
    assert stored(on_hub).status == AllocationStatus.ACTIVE
    assert platform_side(on_hub)["suspended"] is None


def test_asking_twice_is_asking_once(on_hub: Allocation, clock: Clock, platform_side: Look) -> None:
    run_until_quiet(clock)

    first = actions.suspend(on_hub, SuspendStep.NO_NEW_WORK, reason="exhausted", by=CLOCK, at=clock.now)
    second = actions.suspend(on_hub, SuspendStep.NO_NEW_WORK, reason="exhausted", by=CLOCK, at=clock.now)
    run_until_quiet(clock)
    third = actions.suspend(on_hub, SuspendStep.NO_NEW_WORK, reason="exhausted", by=CLOCK, at=clock.now)

    assert first is not None
    assert (second, third) == (None, None)
    assert platform_side(on_hub)["done"] == {"provision": 1, "suspend": 1}
    assert Event.objects.filter(name="allocation.ask_suspend").count() == 1


def test_the_later_word_counts(on_hub: Allocation, clock: Clock, platform_side: Look) -> None:
    run_until_quiet(clock)

    actions.suspend(on_hub, SuspendStep.NO_NEW_WORK, reason="exhausted", by=CLOCK, at=clock.now)
    actions.resume(on_hub, reason="topped_up", by=CLOCK, at=clock.now)
    run_until_quiet(clock)

    assert stored(on_hub).status == AllocationStatus.ACTIVE
    assert platform_side(on_hub)["suspended"] is None
    kinds = dict(on_hub.operations.values_list("kind", "status"))
    assert kinds["suspend"] == OperationStatus.SUPERSEDED
    assert kinds["resume"] == OperationStatus.SUCCEEDED


def test_a_suspended_allocation_can_go_a_step_further_and_be_ended(
    on_hub: Allocation, clock: Clock, platform_side: Look
) -> None:
    run_until_quiet(clock)
    for step in (SuspendStep.NO_NEW_WORK, SuspendStep.STOP_RUNNING):
        actions.suspend(on_hub, step, reason="expired", by=CLOCK, at=clock.now)
        run_until_quiet(clock)
    assert platform_side(on_hub)["suspended"] == "stop_running"

    actions.end(stored(on_hub), reason="Over.", by=CLOCK, at=clock.now)
    run_until_quiet(clock)

    assert stored(on_hub).status == AllocationStatus.CLOSED
    assert platform_side(on_hub)["granted"] is None


def test_what_has_no_access_cannot_be_suspended_and_strangers_suspend_nothing(
    on_hub: Allocation, clock: Clock, stranger: User
) -> None:
    with pytest.raises(WrongState):
        actions.suspend(on_hub, SuspendStep.NO_NEW_WORK, reason="exhausted", by=CLOCK, at=clock.now)
    run_until_quiet(clock)
    with pytest.raises(NotPermitted):
        actions.suspend(on_hub, SuspendStep.NO_NEW_WORK, reason="exhausted", by=stranger, at=clock.now)

    assert not on_hub.operations.filter(kind=OperationKind.SUSPEND).exists()
    assert actions.resume(on_hub, reason="topped_up", by=CLOCK, at=clock.now) is None


def test_a_platform_that_is_at_it_is_asked_again_and_no_attempt_is_counted(
    on_hub: Allocation, on_batch: Allocation, hub_platform: Platform, behave: Behave, clock: Clock
) -> None:
    behave(hub_platform, "takes_its_time", failures=30)

    run(clock)
    operation = on_hub.operations.get()
    assert operation.status == OperationStatus.WAITING
    assert operation.attempts == 0
    assert operation.error == ""

    _go_on(clock)
    assert stored(on_hub).status == AllocationStatus.ACTIVE


def test_a_connector_that_breaks_is_recorded_and_takes_nothing_with_it(
    on_hub: Allocation, on_batch: Allocation, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from earthcode.connectors.simulated import Simulated

    def breaks(self: Simulated, order: Any) -> Any:
        raise KeyError("a shape nobody expected")

    with monkeypatch.context() as patch:
        patch.setattr(Simulated, "ensure", breaks)
        run(clock)

    for allocation in (on_hub, on_batch):
        operation = allocation.operations.get()
        assert (operation.status, operation.error_code) == (OperationStatus.QUEUED, "connector_broken")
        assert operation.claimed_until is None
        assert "shape" not in operation.error
    _go_on(clock)
    assert stored(on_hub).status == stored(on_batch).status == AllocationStatus.ACTIVE


def test_a_dead_platform_rests_and_delays_nobody_else(
    on_hub: Allocation, on_batch: Allocation, hub_platform: Platform, behave: Behave, clock: Clock
) -> None:
    behave(hub_platform, "hangs")
    run(clock)
    for _ in range(8):
        clock.forward(seconds=10)
        run(clock)

    assert stored(on_batch).status == AllocationStatus.ACTIVE
    hub_platform.refresh_from_db()
    rest = hub_platform.rest  # type: ignore[attr-defined]
    assert rest.until > clock.now
    assert rest.code == "too_slow"

    behave(hub_platform, "works")
    clock.now = rest.until
    _go_on(clock)
    assert stored(on_hub).status == AllocationStatus.ACTIVE
    rest.refresh_from_db()
    assert (rest.failures, rest.until) == (0, None)


def _go_on(clock: Clock) -> None:
    for _ in range(60):
        if not Operation.objects.waiting().exists():
            return
        clock.forward(seconds=60)
        run(clock)
    raise AssertionError("it never came to an end")
