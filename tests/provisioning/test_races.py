"""Workers and people at the same moment, each on a connection of their own."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from earthcode.catalogue.models import Platform
from earthcode.connectors.base import Order
from earthcode.connectors.simulated import Simulated
from earthcode.identity.models import User
from earthcode.lib.errors import Refused
from earthcode.provisioning import actions, operations
from earthcode.provisioning.models import Allocation, AllocationStatus, Operation, OperationStatus
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import Award, RequestLine, ResourceRequest
from tests.conftest import Clock
from tests.provisioning.conftest import Look, run_until_quiet, stored
from tests.support import allocations
from tests.support.credits import award_balance, award_held
from tests.support.races import at_once

pytestmark = pytest.mark.django_db(transaction=True)


class Watched:
    """Watches the simulated platforms: how often each piece of work was asked for, and how many at once on a platform."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: Counter[str] = Counter()
        self.most_at_once = 0
        self._now: Counter[str] = Counter()
        self._lock = threading.Lock()
        for verb in ("ensure", "people", "revoke"):
            monkeypatch.setattr(Simulated, verb, self._watch(getattr(Simulated, verb), verb))

    def _watch(self, call: Callable[..., Any], verb: str) -> Callable[..., Any]:
        def watched(connector: Simulated, order: Order) -> Any:
            platform = Allocation.objects.get(reference=order.allocation).platform.slug
            with self._lock:
                self.asked[f"{verb} {order.allocation}"] += 1
                self._now[platform] += 1
                self.most_at_once = max(self.most_at_once, self._now[platform])
            try:
                time.sleep(0.01)  # long enough for another worker to come in between, if it could
                return call(connector, order)
            finally:
                with self._lock:
                    self._now[platform] -= 1

        return watched


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


@pytest.fixture
def many(award: Award, hub_platform: Platform, batch_platform: Platform, now: datetime) -> list[Allocation]:
    """Twenty-two allocations on two platforms, each with an operation that waits."""
    more = allocations.more_allocations(award, 20, at=now)
    for number, allocation in enumerate(more):
        Allocation.objects.filter(pk=allocation.pk).update(
            status=AllocationStatus.PROVISIONING, platform=(hub_platform, batch_platform)[number % 2]
        )
        allocation.operations.update(
            status=OperationStatus.QUEUED, attempts=0, finished_at=None, key=actions.provisioning_key(allocation)
        )
    return list(Allocation.objects.all())


def test_placing_at_once_places_each_line_once(
    sent_request: ResourceRequest, maria: User, marc: User, now: datetime
) -> None:
    award = sponsorship.approve(sent_request, reason="Good science.", by=maria, at=now)
    lines = list(sent_request.lines.order_by("pk"))

    at_once(
        *[
            lambda line=line, by=by: actions.place(  # type: ignore[misc]
                Award.objects.get(pk=award.pk),
                RequestLine.objects.get(pk=line.pk),
                by=User.objects.get(pk=by.pk),
                at=now,
            )
            for by in (maria, marc)
            for line in lines
        ]
    )

    assert set(award.allocations.values_list("reference", flat=True)) == {
        f"{award.reference}-1",
        f"{award.reference}-2",
    }
    assert set(award.allocations.values_list("line", flat=True)) == {line.pk for line in lines}
    assert award_held(award.reference) == award.amount


@pytest.mark.slow
def test_many_workers_do_each_operation_once_and_one_at_a_time_on_a_platform(
    many: list[Allocation], watched: Watched, clock: Clock
) -> None:
    def work() -> None:
        # A worker that finds both platforms busy is done; the clock would wake it again.
        while Operation.objects.filter(status=OperationStatus.QUEUED).exists():
            if operations.run_next(clock=clock.read) is None:
                time.sleep(0.005)

    at_once(*[work] * 6)

    assert watched.asked == {f"ensure {allocation.reference}": 1 for allocation in many}
    assert watched.most_at_once == 1
    assert {stored(allocation).status for allocation in many} == {AllocationStatus.ACTIVE}
    assert set(Operation.objects.values_list("attempts", flat=True)) == {1}


def test_two_workers_never_claim_on_one_platform_at_once(many: list[Allocation], now: datetime) -> None:
    for _ in range(5):
        claimed = [each for each in at_once(*[lambda: operations._claim(now)] * 8) if each is not None]

        assert len(claimed) <= 2
        assert len({each.allocation.platform_id for each in claimed}) == len(claimed)
        Operation.objects.update(claimed_until=None, claim_token=None)


def test_a_claim_that_was_committed_while_we_looked_is_seen(
    many: list[Allocation], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of free platforms is older than the lock on one of them."""
    first: list[Operation | None] = []
    select_for_update = type(Platform.objects.all()).select_for_update

    def somebody_is_faster(queryset: Any, **options: Any) -> Any:
        monkeypatch.undo()

        def claim() -> None:
            try:
                first.append(operations._claim(now))
                first.append(operations._claim(now))
            finally:
                connection.close()

        thread = threading.Thread(target=claim)
        thread.start()
        thread.join(timeout=30)
        return select_for_update(queryset, **options)

    monkeypatch.setattr(type(Platform.objects.all()), "select_for_update", somebody_is_faster)

    assert operations._claim(now) is None

    assert len([each for each in first if each is not None]) == 2


def test_a_platform_that_is_just_being_edited_is_passed_over(
    many: list[Allocation], hub_platform: Platform, batch_platform: Platform, now: datetime
) -> None:
    with transaction.atomic():
        Platform.objects.select_for_update().get(pk=hub_platform.pk)
        (claimed,) = at_once(lambda: operations._claim(now))

    assert claimed.allocation.platform == batch_platform


def test_ending_and_recording_at_once_end_in_an_ended_allocation(
    award: Award,
    on_hub: Allocation,
    on_batch: Allocation,
    clock: Clock,
    maria: User,
    platform_side: Look,
) -> None:
    outcomes = at_once(
        lambda: operations.run_all_due(clock=clock.read),
        lambda: actions.end(stored(on_hub), reason="A mistake.", by=maria, at=clock.now),
        lambda: operations.run_all_due(clock=clock.read),
        lambda: actions.end(stored(on_hub), reason="A mistake.", by=maria, at=clock.now),
    )
    run_until_quiet(clock)

    assert [each.code for each in outcomes if isinstance(each, Refused)] == ["wrong_state"]
    assert stored(on_hub).status == AllocationStatus.CLOSED
    assert stored(on_batch).status == AllocationStatus.ACTIVE
    assert platform_side(on_hub)["granted"] is None
    assert award_balance(award.reference) == on_hub.amount
    assert award_held(award.reference) == on_batch.amount


def test_trying_again_at_once_is_trying_again_once(on_hub: Allocation, maria: User, marc: User, now: datetime) -> None:
    allocations.fail(on_hub, at=now)
    operation = on_hub.operations.get()

    outcomes = at_once(
        *[
            lambda by=by: actions.retry(  # type: ignore[misc]
                Operation.objects.get(pk=operation.pk), by=User.objects.get(pk=by.pk), at=now + timedelta(minutes=1)
            )
            for by in (maria, marc, maria, marc)
        ]
    )

    assert [each.code for each in outcomes if isinstance(each, Refused)] == ["wrong_state"] * 3
    operation.refresh_from_db()
    assert operation.retries == 1
