"""Credits that are used up: what is taken back stage by stage, and what gives it back."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from earthcode.audit.actors import CLOCK, WORKER
from earthcode.audit.models import Event
from earthcode.catalogue.models import Platform
from earthcode.connectors.base import Capabilities, SuspendStep
from earthcode.connectors.simulated import Simulated
from earthcode.identity.models import User
from earthcode.ledger import queries as books
from earthcode.notifications.models import Message
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning import operations
from earthcode.provisioning.models import Allocation, AllocationStatus, OperationKind
from earthcode.settlement import alerts, exhaustion, refunds
from earthcode.settlement.actions import Outcome, record_usage
from earthcode.settlement.models import Channel, Charge, Exhaustion
from earthcode.sponsorship.models import Award, ResourceRequest
from tests.conftest import Clock
from tests.settlement.conftest import verify_charges
from tests.support.races import at_once

# The worker's steps and the clock's are transactions of their own.
pytestmark = pytest.mark.django_db(transaction=True)

Use = Callable[..., Outcome]
GRACE = timedelta(days=30)


@pytest.fixture
def in_use(award: Award, hub_platform: Platform, clock: Clock, settings: Any, tmp_path: Path) -> Allocation:
    """Set up on the simulated platform by the worker."""
    settings.LOCAL_DIR = tmp_path
    operations.run_all_due(clock=clock.read)
    clock.forward(seconds=24 * 3600)
    return Allocation.objects.get(award=award, platform=hub_platform)


@pytest.fixture
def use(in_use: Allocation, clock: Clock) -> Use:
    """Reports so many percent of what was set aside, under an id; ``replaces`` corrects an earlier report."""

    def report(percent: int, record: str = "r1", **more: Any) -> Outcome:
        begin = in_use.active_from
        assert begin is not None
        line = {
            "id": record,
            "allocation": in_use.reference,
            "component": "vcpu_hour",
            "quantity": str(in_use.amount * percent // 100 // 80_000 + 1),
            "unit": "vcpu_hour",
            "used_from": begin.isoformat(),
            "used_until": (begin + timedelta(hours=1)).isoformat(),
            **more,
        }
        outcome = record_usage(in_use.platform, [line], channel=Channel.API, by=WORKER, at=clock.now)
        assert not outcome.refusals
        return outcome

    return report


def keep(clock: Clock) -> int:
    """The clock comes by, and then the worker."""
    changed = exhaustion.keep_due(at=clock.now)
    alerts.tell_due(at=clock.now)
    operations.run_all_due(clock=clock.read)
    verify_charges()
    return changed


def stored(allocation: Allocation) -> Allocation:
    return Allocation.objects.get(pk=allocation.pk)


def operations_of(allocation: Allocation, kind: OperationKind) -> int:
    return allocation.operations.filter(kind=kind).count()


def test_nothing_is_taken_back_below_the_limit_nor_for_want_of_data(in_use: Allocation, use: Use, clock: Clock) -> None:
    use(99)
    for _ in range(3):
        assert keep(clock) == 0
        clock.forward(seconds=40 * 24 * 3600)

    assert stored(in_use).status == AllocationStatus.ACTIVE
    assert not Exhaustion.objects.exists()


def test_at_the_limit_nothing_new_starts_and_access_ends_after_the_grace(
    in_use: Allocation, use: Use, clock: Clock, alice: User
) -> None:
    use(100)
    seen_at = clock.now

    assert keep(clock) == 1
    assert stored(in_use).status == AllocationStatus.SUSPENDED
    assert stored(in_use).suspend_step == SuspendStep.NO_NEW_WORK
    known = Exhaustion.objects.get(allocation=in_use)
    last_day = seen_at.date() + GRACE
    assert known.used_up_at == seen_at
    assert known.ends_at == datetime(last_day.year, last_day.month, last_day.day, tzinfo=UTC) + timedelta(days=1)
    assert exhaustion.last_day_of(in_use, known) == last_day
    told = Message.objects.get(recipient=alice.public_id, key__contains="used-100:")
    assert f"access ends after {last_day:%-d %B %Y}" in told.body
    assert keep(clock) == 0

    clock.now = known.ends_at - timedelta(seconds=1)
    assert keep(clock) == 0
    assert stored(in_use).status == AllocationStatus.SUSPENDED

    clock.now = known.ends_at
    assert keep(clock) == 1
    ended = stored(in_use)
    assert ended.status == AllocationStatus.CLOSED
    assert "All credits were used" in ended.end_reason
    assert keep(clock) == 0


def test_each_stage_is_announced_once(in_use: Allocation, use: Use, clock: Clock, alice: User) -> None:
    use(100)
    for _ in range(3):
        keep(clock)
    ends_at = Exhaustion.objects.get().ends_at
    assert ends_at is not None
    for before in (7, 7, 1, 0, 0):
        clock.now = ends_at - timedelta(days=before)
        keep(clock)

    subjects = list(
        Message.objects.filter(recipient=alice.public_id, key__startswith=in_use.reference)
        .order_by("pk")
        .values_list("subject", flat=True)
    )
    for words in ("All credits", "ends in 7 days", "ends in 1 day"):
        assert len([each for each in subjects if words in each]) == 1, (words, subjects)
    assert Message.objects.filter(recipient=alice.public_id, subject__contains="is suspended").count() == 1
    assert Event.objects.filter(name="exhaustion.begin").count() == 1
    assert Event.objects.filter(name="exhaustion.end").count() == 1


def test_a_refund_gives_it_back_and_using_it_up_again_takes_it_back_again(
    in_use: Allocation, use: Use, clock: Clock, petra: User, alice: User
) -> None:
    use(100)
    keep(clock)
    assert stored(in_use).status == AllocationStatus.SUSPENDED

    clock.forward(seconds=24 * 3600)
    charge = Charge.objects.get(allocation=in_use)
    refunds.refund(charge, 2_000_000, reason="A failed job.", key=uuid.uuid4(), by=petra, at=clock.now)
    assert keep(clock) == 1
    assert stored(in_use).status == AllocationStatus.ACTIVE
    assert stored(in_use).suspend_step == ""
    assert not Exhaustion.objects.exists()
    assert keep(clock) == 0

    use(5, "r2")
    assert keep(clock) == 1
    assert stored(in_use).status == AllocationStatus.SUSPENDED
    assert Message.objects.filter(recipient=alice.public_id, key__contains="used-100:").count() == 2
    assert Event.objects.filter(name="exhaustion.undo").count() == 1


def test_a_corrected_report_gives_it_back(in_use: Allocation, use: Use, clock: Clock) -> None:
    use(1000)
    keep(clock)
    assert stored(in_use).status == AllocationStatus.SUSPENDED

    use(10, "r2", replaces="r1")
    keep(clock)

    assert stored(in_use).status == AllocationStatus.ACTIVE


def test_what_the_provider_suspended_for_another_reason_stays_suspended(
    in_use: Allocation, use: Use, clock: Clock
) -> None:
    provisioning.suspend(in_use, SuspendStep.STOP_RUNNING, reason="security", by=CLOCK, at=clock.now)
    operations.run_all_due(clock=clock.read)
    use(100)
    keep(clock)
    assert stored(in_use).suspend_step == SuspendStep.STOP_RUNNING, "a milder step does not take its place"

    use(10, "r2", replaces="r1")
    keep(clock)

    assert stored(in_use).status == AllocationStatus.SUSPENDED
    assert operations_of(in_use, OperationKind.RESUME) == 0


def test_a_platform_that_cannot_suspend_goes_on_and_people_are_told(
    in_use: Allocation, use: Use, clock: Clock, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(self: Simulated) -> Capabilities:
        return Capabilities()

    monkeypatch.setattr(Simulated, "capabilities", property(cannot))
    use(100)
    assert keep(clock) == 1
    clock.now += GRACE * 2
    assert keep(clock) == 0

    assert stored(in_use).status == AllocationStatus.ACTIVE
    assert operations_of(in_use, OperationKind.SUSPEND) == 0
    known = Exhaustion.objects.get()
    assert (known.step, known.ends_at) == ("", None)
    told = Message.objects.get(recipient=alice.public_id, key__contains="used-100:")
    assert "This platform cannot suspend access" in told.body


@pytest.mark.parametrize(("rule", "value"), [("grace_days", 0), ("grace_days", 3), ("overdraft_percent", 10)])
def test_the_rules_are_those_the_request_was_sent_under(
    in_use: Allocation, use: Use, clock: Clock, rule: str, value: int
) -> None:
    request = ResourceRequest.objects.get(pk=in_use.award.resource_request_id)
    request.frozen_rules[rule] = value
    request.save(update_fields=["frozen_rules"])
    use(100)

    if rule == "overdraft_percent":
        assert keep(clock) == 0
        assert stored(in_use).status == AllocationStatus.ACTIVE
        use(10, "r2")
        assert keep(clock) == 1
        assert stored(in_use).status == AllocationStatus.SUSPENDED
        return
    keep(clock)
    clock.forward(seconds=value * 24 * 3600)
    keep(clock)
    assert stored(in_use).status == AllocationStatus.SUSPENDED, "to the end of the last day"
    clock.forward(seconds=24 * 3600)
    keep(clock)
    assert stored(in_use).status == AllocationStatus.CLOSED


def test_two_clocks_at_once_are_one(in_use: Allocation, use: Use, clock: Clock) -> None:
    use(100)

    def look() -> int:
        return exhaustion.keep_due(at=clock.now)

    assert sorted(at_once(*[look] * 4)) == [0, 0, 0, 1]
    assert operations_of(in_use, OperationKind.SUSPEND) == 1

    clock.now += GRACE + timedelta(days=1)
    assert sorted(at_once(*[look] * 4)) == [0, 0, 0, 1]
    assert operations_of(in_use, OperationKind.DEPROVISION) == 1
    assert Event.objects.filter(name="exhaustion.end").count() == 1


@pytest.mark.parametrize(
    "broken",
    [{"step": "", "ends": True}, {"step": "no_new_work", "ends": False}, {"step": "no_new_work", "ends": "before"}],
)
def test_the_database_knows_no_grace_without_a_suspension(
    in_use: Allocation, broken: dict[str, Any], clock: Clock
) -> None:
    ends: datetime | None = {True: clock.now, False: None, "before": clock.now - GRACE}[broken["ends"]]
    with pytest.raises(IntegrityError), transaction.atomic():
        Exhaustion.objects.create(allocation=in_use, used_up_at=clock.now, step=broken["step"], ends_at=ends)
    assert connection.in_atomic_block is False
    assert books.holds([in_use.hold_id])[in_use.hold_id].used == 0
