"""A real Celery worker, killed without warning between the platform's work and the recording of its answer."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from earthcode.catalogue.models import Platform
from earthcode.ledger import chart
from earthcode.ledger import queries as books
from earthcode.notifications.models import Message
from earthcode.provisioning.models import Allocation, AllocationStatus, OperationStatus
from earthcode.sponsorship.models import Award
from tests.provisioning.conftest import Behave, Look, stored, the_operation
from tests.support.brokers import valkey
from tests.support.credits import award_held
from tests.support.workers import Worker

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

LEASE_S = 3


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[Callable[[], Worker]]:
    """Starts worker and clock as one program."""
    workers = []

    with valkey(tmp_path) as broker:

        def start() -> Worker:
            worker = Worker(
                tmp_path,
                ["worker", "--beat", "--concurrency=1"],
                CELERY_BROKER_URL=broker.url,
                OPERATION_LEASE_S=str(LEASE_S),
            )
            workers.append(worker)
            return worker

        yield start
        for worker in workers:
            worker.stop()


def test_a_worker_killed_between_call_and_record_provisions_once_and_holds_once(
    award: Award,
    on_hub: Allocation,
    on_batch: Allocation,
    hub_platform: Platform,
    behave: Behave,
    platform_side: Look,
    start_worker: Callable[[], Worker],
    tmp_path: Path,
) -> None:
    # The platform does the work and then keeps the worker waiting for its answer, for longer than the worker will live.
    folder = str(tmp_path / "simulated")
    behave(hub_platform, "loses_answers", hang_s=600, state_folder=folder)
    on_hub.refresh_from_db()

    first = start_worker()
    first.wait_for(lambda: platform_side(on_hub)["done"] == {"provision": 1}, "the platform had done its work")
    first.kill()

    assert the_operation(on_hub).status == OperationStatus.QUEUED
    assert the_operation(on_hub).claim_token is not None
    assert stored(on_hub).status == AllocationStatus.PROVISIONING

    second = start_worker()
    second.wait_for(
        lambda: set(award.allocations.values_list("status", flat=True)) == {AllocationStatus.ACTIVE},
        "both allocations were active",
    )
    second.wait_for(lambda: not Message.objects.filter(status="queued").exists(), "the messages about it had been sent")
    second.stop()

    operation = the_operation(on_hub)
    assert (operation.status, operation.attempts) == (OperationStatus.SUCCEEDED, 2)
    assert platform_side(on_hub)["done"] == {"provision": 1}
    assert platform_side(on_hub)["attempts"] == {"provision": 1}
    assert platform_side(on_hub)["granted"]["key"] == str(operation.key)
    holds = books.open_holds(chart.award_accounts(award.reference).held)
    assert {hold.pk for hold in holds} == {on_hub.hold_id, on_batch.hold_id}
    assert award_held(award.reference) == award.amount
    assert Message.objects.filter(subject__contains="Coastal Hub is ready").count() == 2
