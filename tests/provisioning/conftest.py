"""Allocations on platforms that misbehave on request."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from earthcode.catalogue.models import Platform
from earthcode.connectors.simulated import state_of
from earthcode.provisioning import operations
from earthcode.provisioning.models import Allocation, Operation
from earthcode.sponsorship.models import Award
from tests.conftest import Clock

Behave = Callable[..., None]
Look = Callable[[Allocation], dict[str, Any]]


@pytest.fixture(autouse=True)
def _platforms_of_its_own(settings: Any, tmp_path: Path) -> None:
    """The simulated platforms keep what they know here."""
    settings.LOCAL_DIR = tmp_path


@pytest.fixture
def on_hub(award: Award, hub_platform: Platform) -> Allocation:
    return award.allocations.get(platform=hub_platform)


@pytest.fixture
def on_batch(award: Award, batch_platform: Platform) -> Allocation:
    return award.allocations.get(platform=batch_platform)


@pytest.fixture
def behave() -> Behave:
    """Sets what a platform does from now on: ``behave(hub_platform, "fails_for_good")``."""

    def make(platform: Platform, behaviour: str, **config: Any) -> None:
        platform.connector_config = {"behaviour": behaviour, "hang_s": 0, **config}
        platform.save(update_fields=["connector_config"])

    return make


@pytest.fixture
def platform_side() -> Look:
    """What the platform knows of an allocation: ``granted``, ``done``, ``attempts``."""

    def look(allocation: Allocation) -> dict[str, Any]:
        return dict(state_of(allocation.platform.connector_config, allocation.reference))

    return look


def run(clock: Clock) -> int:
    """One wake-up of the worker."""
    return operations.run_all_due(clock=clock.read)


def run_until_quiet(clock: Clock) -> None:
    """The clock's wake-ups, until nothing waits any more."""
    while (waiting := Operation.objects.filter(status="queued").order_by("due_at").first()) is not None:
        clock.now = max(clock.now, waiting.due_at, waiting.claimed_until or waiting.due_at)
        run(clock)


def stored(allocation: Allocation) -> Allocation:
    """As it is in the database now."""
    return Allocation.objects.get(pk=allocation.pk)


def the_operation(allocation: Allocation, kind: str = "provision") -> Operation:
    return allocation.operations.get(kind=kind)
