"""A real Celery worker, killed without warning between the platform's work and the recording of its answer."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection

from earthcode.catalogue.models import Platform
from earthcode.ledger import chart
from earthcode.ledger import queries as books
from earthcode.notifications.models import Message
from earthcode.provisioning.models import Allocation, AllocationStatus, OperationStatus
from earthcode.sponsorship.models import Award
from tests.provisioning.conftest import Behave, Look, stored, the_operation
from tests.support.credits import award_held

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).resolve().parents[2]
LEASE_S = 3


class Worker:
    """Worker and clock as one program, in a process group of its own."""

    def __init__(self, folder: Path) -> None:
        (folder / "queue" / "control").mkdir(parents=True, exist_ok=True)
        database = connection.settings_dict
        person = ":".join(quote(part, safe="") for part in (database["USER"], database["PASSWORD"]) if part)
        self._log = (folder / "worker.log").open("ab")
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "celery",
                "-A",
                "earthcode",
                "worker",
                "--beat",
                "--concurrency=1",
                "--loglevel=INFO",
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": f"postgres://{person}@{database['HOST']}:{database['PORT']}/{database['NAME']}",
                "CELERY_BROKER_URL": "filesystem://",
                "LOCAL_DIR": str(folder),
                "OPERATION_LEASE_S": str(LEASE_S),
                "EMAIL_URL": "dummymail://",
            },
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def kill(self) -> None:
        """``kill -9`` of the worker, its clock and its children at one stroke."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=30)

    def stop(self) -> None:
        if self._process.poll() is None:
            self.kill()
        self._log.close()

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 120
        while not condition():
            assert self._process.poll() is None, f"the worker ended:\n{self._tail()}"
            assert time.monotonic() < deadline, f"waited in vain until {what}:\n{self._tail()}"
            time.sleep(0.05)

    def _tail(self) -> str:
        return Path(self._log.name).read_text(errors="replace")[-4000:]


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[Callable[[], Worker]]:
    workers = []

    def start() -> Worker:
        worker = Worker(tmp_path)
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
