"""Usage read from a platform by the clock, and what people are told of it."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from earthcode.catalogue.models import Platform
from earthcode.connectors import simulated
from earthcode.connectors.usage import RecordKind
from earthcode.identity.models import User
from earthcode.ledger import queries as books
from earthcode.notifications.models import Message
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning import operations
from earthcode.provisioning.models import Allocation, AllocationStatus
from earthcode.settlement import alerts, polling
from earthcode.settlement.models import Alert, Feed, UsageReport
from earthcode.sponsorship.models import Award
from tests.conftest import Clock
from tests.settlement.conftest import Line, Report, credits_of, verify_charges
from tests.support.credits import award_balance

# Feeds are claimed and recorded in transactions of their own.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def metered(award: Award, hub_platform: Platform, clock: Clock, settings: Any, tmp_path: Path) -> Allocation:
    """Set up on the simulated platform by the worker."""
    settings.LOCAL_DIR = tmp_path
    operations.run_all_due(clock=clock.read)
    clock.now = datetime.now(UTC)  # the simulated platform has a clock of its own
    long_ago = clock.now - timedelta(days=2)
    Allocation.objects.update(active_from=long_ago, created_at=long_ago)
    return Allocation.objects.get(award=award, platform=hub_platform)


def use(allocation: Allocation, record: str, core_s: int, clock: Clock, **more: Any) -> None:
    begin = allocation.created_at + timedelta(hours=1)
    simulated.use(
        allocation.platform.connector_config,
        allocation.reference,
        record=record,
        quantity=str(core_s),
        used_from=begin,
        used_until=begin + timedelta(seconds=core_s),
        **more,
    )


def read(clock: Clock) -> None:
    clock.forward(seconds=1)
    Feed.objects.update(due_at=clock.now)
    polling.read_all_due(clock=clock.read)
    verify_charges()


def used(allocation: Allocation) -> int:
    return books.holds([allocation.hold_id])[allocation.hold_id].used


def test_what_the_platform_tells_is_charged_once(metered: Allocation, clock: Clock) -> None:
    use(metered, "j1", 36_000, clock)
    use(metered, "j2", 3_600, clock, kind=RecordKind.GROWING)
    read(clock)
    assert used(metered) == credits_of("11")

    use(metered, "j2", 7_200, clock, kind=RecordKind.CLOSED)
    read(clock)
    Feed.objects.update(cursor="")
    read(clock)

    assert used(metered) == credits_of("12")
    assert UsageReport.objects.filter(platform=metered.platform).count() == 2, "what is known already leaves no report"


def test_a_platform_that_fails_is_asked_again_and_nothing_is_taken_away(
    metered: Allocation, hub_platform: Platform, clock: Clock
) -> None:
    hub_platform.connector_config = {"behaviour": "hangs", "hang_s": 0}
    hub_platform.save(update_fields=["connector_config"])
    read(clock)

    feed = Feed.objects.get(allocation=metered)
    assert feed.error
    assert feed.due_at > clock.now
    assert Allocation.objects.get(pk=metered.pk).status == AllocationStatus.ACTIVE


def test_after_the_end_the_last_reading_gives_the_rest_back(
    metered: Allocation, award: Award, clock: Clock, maria: User
) -> None:
    use(metered, "j1", 36_000, clock)
    provisioning.end(metered, reason="Enough.", by=maria, at=clock.now - timedelta(days=40))
    operations.run_all_due(clock=lambda: clock.now - timedelta(days=40))
    assert award_balance(award.reference) == 0

    read(clock)

    now = Allocation.objects.get(pk=metered.pk)
    assert now.usage_closed_at == clock.now
    assert award_balance(award.reference) == metered.amount - credits_of("10")


def test_each_level_is_told_once(
    on_hub: Allocation, line: Line, report: Report, clock: Clock, alice: User, ben: User
) -> None:
    clock.now = datetime(2026, 12, 21, 9, 0, tzinfo=UTC)
    hold = books.holds([on_hub.hold_id])[on_hub.hold_id].authorised

    def use_up_to(percent: int) -> list[str]:
        wanted = hold * percent // 100 - used(on_hub)
        report(line(f"{wanted // 80_000}", day=date(2026, 12, 3)), at=clock.now)
        before = set(Message.objects.values_list("key", flat=True))
        alerts.tell_due(at=clock.now)
        alerts.tell_due(at=clock.now)
        new = Message.objects.exclude(key__in=before).order_by("key")
        return [
            f"{each.subject.partition(': ')[2].split()[0]} {User.objects.get(public_id=each.recipient)}" for each in new
        ]

    assert use_up_to(40) == []
    assert use_up_to(80) == [f"75% {alice}"]
    assert use_up_to(85) == []
    assert sorted(use_up_to(101)) == sorted([f"All {alice}", f"All {ben}"])
    assert set(Alert.objects.values_list("level", flat=True)) == {50, 75, 90, 100}


def test_the_end_is_told_in_time(on_hub: Allocation, clock: Clock, alice: User) -> None:
    for day, level in ((31, None), (30, 30), (20, None), (7, 7), (1, 1)):
        clock.now = datetime(2027, 6, 1, 9, 0, tzinfo=UTC) - timedelta(days=day)
        assert alerts.tell_due(at=clock.now) == (1 if level else 0), day
        if level:
            assert Message.objects.filter(recipient=alice.public_id, key__contains=f"ends-{level}:").count() == 1
