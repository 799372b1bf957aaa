"""The provider's desk: what people are asked to do, and their answers."""

from datetime import datetime

import pytest
from django.test import Client

from earthcode.catalogue.models import Platform
from earthcode.connectors.base import Ask
from earthcode.identity.models import User
from earthcode.provisioning import tasks_for_people
from earthcode.provisioning.models import Allocation, OperationStatus, Task, TaskStatus
from earthcode.sponsorship.models import Award
from tests.support.pages import in_one_line
from tests.support.visits import page_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def task(award: Award, hub_platform: Platform, petra: object, now: datetime) -> Task:
    Platform.objects.filter(pk=hub_platform.pk).update(connector="manual")
    allocation = Allocation.objects.get(award=award, platform=hub_platform)
    operation = allocation.operations.get()
    operation.status = OperationStatus.NEEDS_PERSON
    operation.save()
    return tasks_for_people.ask(operation, Ask.ENSURE, at=now)


def test_the_list_and_the_page_have_what_is_needed(task: Task, as_petra: Client) -> None:
    page = in_one_line(page_of(as_petra, "/provider/tasks/"))
    assert task.operation.allocation.reference in page
    assert "16 Nov 2026" in page

    page = in_one_line(page_of(as_petra, f"/provider/tasks/{task.pk}/"))
    assert "Alice Martin" in page
    assert "vCPU-hours" in page
    assert "Confirm or decline" in in_one_line(page_of(as_petra, task.operation.allocation.get_absolute_url()))


def test_it_waits_on_the_first_page_until_it_is_answered(
    task: Task, as_petra: Client, as_alice: Client, petra: User, now: datetime
) -> None:
    address = f"/provider/tasks/{task.pk}/"
    assert page_of(as_petra, "/home/").select_one(f'a[href="{address}"]') is not None
    assert page_of(as_alice, "/home/").select_one(f'a[href="{address}"]') is None
    tasks_for_people.decline(task, reason="The cluster is full.", by=petra, at=now)
    assert page_of(as_petra, "/home/").select_one(f'a[href="{address}"]') is None


@pytest.mark.parametrize("address", ["/provider/tasks/", "/quotations/"])
def test_the_orders_lead_to_what_people_answer(address: str, as_petra: Client) -> None:
    assert page_of(as_petra, "/provider/orders/").select_one(f'main a[href="{address}"]') is not None
    assert as_petra.get(address).status_code == 200


def test_to_others_it_does_not_exist_and_their_desk_is_empty(task: Task, as_alice: Client) -> None:
    assert as_alice.get(f"/provider/tasks/{task.pk}/").status_code == 404
    assert "Nothing waits for your answer" in in_one_line(page_of(as_alice, "/provider/tasks/"))


def test_it_is_confirmed_with_a_place_to_go(task: Task, as_petra: Client) -> None:
    url = f"/provider/tasks/{task.pk}/"
    refused = as_petra.post(url, {"answer": "confirm", "access_url": "", "note": "Kept when refused"})
    assert refused.status_code == 422
    assert "Give the address" in refused.content.decode()
    assert "Kept when refused" in refused.content.decode()

    assert as_petra.post(url, {"answer": "confirm", "access_url": "https://go.example"}).status_code == 302

    task.refresh_from_db()
    assert task.status == TaskStatus.DONE
    assert task.operation.status == OperationStatus.QUEUED


def test_it_is_declined_with_a_reason(task: Task, as_petra: Client) -> None:
    url = f"/provider/tasks/{task.pk}/"
    assert as_petra.post(url, {"answer": "decline", "reason": ""}).status_code == 422
    assert as_petra.post(url, {"answer": "decline", "reason": "Full."}).status_code == 302

    task.refresh_from_db()
    assert (task.status, task.reason) == (TaskStatus.DECLINED, "Full.")
