"""Allocations that are in use, and reports on them."""

import itertools
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction

from earthcode.catalogue.models import Platform
from earthcode.identity.models import User
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning.models import Allocation
from earthcode.settlement.actions import Outcome, record_usage
from earthcode.settlement.models import Channel
from earthcode.sponsorship.models import Award
from tests.support import allocations

Report = Callable[..., Outcome]
Line = Callable[..., dict[str, Any]]

JANUARY = datetime(2027, 1, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def on_hub(award: Award, hub_platform: Platform, now: datetime) -> Allocation:
    """In use from December on: 2 880 vCPU-hours at 0.08 and 3 000 GB-months at 0.02 in six months."""
    allocation = award.allocations.get(platform=hub_platform)
    allocations.activate(allocation, at=now)
    return Allocation.objects.get(pk=allocation.pk)


@pytest.fixture
def on_batch(award: Award, batch_platform: Platform, now: datetime) -> Allocation:
    allocation = award.allocations.get(platform=batch_platform)
    allocations.activate(allocation, at=now)
    return Allocation.objects.get(pk=allocation.pk)


@pytest.fixture
def line(on_hub: Allocation) -> Line:
    """Makes a line of an hour's use of the hub: ``line(quantity="8", day=date(2026, 12, 3))``."""
    numbers = itertools.count(1)

    def make(quantity: object = "10", *, day: date = date(2026, 12, 3), **fields: Any) -> dict[str, Any]:
        begin = datetime(day.year, day.month, day.day, 8, 0, tzinfo=UTC)
        return {
            "id": f"r{next(numbers)}",
            "allocation": on_hub.reference,
            "component": "vcpu_hour",
            "quantity": quantity,
            "unit": "vcpu_hour",
            "used_from": begin.isoformat(),
            "used_until": (begin + timedelta(hours=1)).isoformat(),
            **fields,
        }

    return make


@pytest.fixture
def report(hub_platform: Platform, petra: User) -> Report:
    """Sends lines to the hub as its provider does; the books are verified after each report."""

    def send(*lines: object, at: datetime = JANUARY, by: User = petra, **options: Any) -> Outcome:
        outcome = record_usage(hub_platform, _each(lines), channel=Channel.API, by=by, at=at, **options)
        verify_charges()
        return outcome

    return send


def _each(lines: Iterable[object]) -> Iterable[object]:
    """Read once, as a stream is."""
    yield from lines


def verify_charges() -> None:
    """Fails where charges and ledger differ."""
    call_command("verify_charges", stdout=StringIO())


@transaction.atomic
def end(allocation: Allocation, *, by: User, at: datetime) -> None:
    """Ended, and the platform has confirmed it; late usage is still taken."""
    provisioning.end(allocation, reason="Enough.", by=by, at=at)
    from earthcode.audit.actors import WORKER
    from earthcode.provisioning.lifecycle import ALLOCATION

    allocation.operations.filter(status="queued").update(status="succeeded", finished_at=at)
    ALLOCATION.advance(allocation, "close", by=WORKER, at=at, usage_until=at + provisioning.LATE_USAGE_WITHIN)


def credits_of(quantity: str, rate: str = "0.08") -> int:
    return int(Decimal(quantity) * Decimal(rate) * 1_000_000)
