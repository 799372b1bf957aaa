"""Allocations in the API: who reads them, ending one, trying an operation again."""

import uuid
from collections.abc import Callable
from datetime import datetime

import pytest
from rest_framework.test import APIClient

from earthcode.audit.actors import WORKER
from earthcode.identity.models import User
from earthcode.ledger import actions as ledger
from earthcode.lib.money import credits
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning.models import Allocation, AllocationStatus, OperationStatus
from earthcode.sponsorship.models import Award
from tests.support.allocations import activate, close, fail, more_allocations
from tests.support.queries import assert_queries_do_not_grow

ApiOf = Callable[[User], APIClient]
LIST = "/api/v1/allocations"


@pytest.fixture
def allocation(award: Award) -> Allocation:
    """On the hub, being set up."""
    return award.allocations.select_related("platform", "award").get(platform__slug="hub")


def url(allocation: Allocation) -> str:
    return f"{LIST}/{allocation.reference}"


# --- reading ---------------------------------------------------------------------------------------------------------


def test_a_token_is_needed(allocation: Allocation) -> None:
    client = APIClient()

    assert client.get(LIST).status_code == 401
    assert client.get(url(allocation)).status_code == 401
    assert client.post(f"{url(allocation)}/end", {"reason": "x"}, format="json").status_code == 401


def test_people_read_what_they_may_see(
    allocation: Allocation, api_of: ApiOf, ben: User, petra: User, maria: User, stranger: User
) -> None:
    for person, count in ((ben, 2), (petra, 1), (maria, 2), (stranger, 0)):
        client = api_of(person)
        assert client.get(LIST).json()["count"] == count
        assert client.get(url(allocation)).status_code == (200 if count else 404)


def test_an_allocation_is_read_in_full(allocation: Allocation, api_of: ApiOf, alice: User, now: datetime) -> None:
    activate(allocation, at=now)
    ledger.capture(allocation.hold_id, credits("2.5"), key=uuid.uuid4(), by=WORKER, at=now)

    said = api_of(alice).get(url(allocation)).json()

    assert said["status"] == "active"
    assert said["project"]["slug"] == "alpine-snow"
    assert (said["platform"], said["offering"], said["plan"]) == ("hub", "hub-notebooks", "standard")
    assert said["credits_used"] == "2.5"
    assert credits(said["credits"]) == allocation.amount
    assert credits(said["credits_left"]) == allocation.amount - credits("2.5")
    assert said["open_url"] == f"http://testserver/go/{allocation.reference}/"
    (operation,) = said["operations"]
    assert (operation["kind"], operation["status"], operation["error"]) == ("provision", "succeeded", "")


def test_only_those_who_may_open_it_are_told_where(
    allocation: Allocation, api_of: ApiOf, alice: User, petra: User, now: datetime
) -> None:
    assert api_of(alice).get(url(allocation)).json()["open_url"] is None
    activate(allocation, at=now)

    said = api_of(petra).get(url(allocation)).json()

    assert said["open_url"] is None
    assert allocation.access_url not in str(said)


def test_the_list_is_filtered(allocation: Allocation, api_of: ApiOf, alice: User, now: datetime) -> None:
    activate(allocation, at=now)
    client = api_of(alice)

    assert client.get(f"{LIST}?status=active").json()["count"] == 1
    assert client.get(f"{LIST}?platform=batch&project=alpine-snow").json()["count"] == 1
    assert client.get(f"{LIST}?project=another").json()["count"] == 0
    assert client.get(f"{LIST}?status=lost").status_code == 400


def test_the_list_makes_as_many_queries_for_many_allocations(
    award: Award, api_of: ApiOf, alice: User, now: datetime
) -> None:
    def rows(count: int) -> None:
        more_allocations(award, count - award.allocations.count(), at=now)

    assert_queries_do_not_grow(api_of(alice), f"{LIST}?page_size=200", rows=rows)


# --- steps -----------------------------------------------------------------------------------------------------------


def steps_of(client: APIClient, allocation: Allocation) -> dict[str, str]:
    return {step["name"]: step["url"] for step in client.get(url(allocation)).json()["steps"]}


def test_the_steps_are_those_one_can_take(
    allocation: Allocation, api_of: ApiOf, alice: User, ben: User, petra: User, maria: User, now: datetime
) -> None:
    fail(allocation, at=now)

    assert steps_of(api_of(alice), allocation).keys() == {"end"}
    assert steps_of(api_of(ben), allocation).keys() == set()
    assert steps_of(api_of(petra), allocation).keys() == {"retry"}
    assert steps_of(api_of(maria), allocation).keys() == {"end", "retry"}


def test_an_allocation_is_ended_with_its_reason(
    allocation: Allocation, api_of: ApiOf, alice: User, now: datetime
) -> None:
    activate(allocation, at=now)
    client = api_of(alice)

    response = client.post(steps_of(client, allocation)["end"], {"reason": "We are done."}, format="json")

    assert response.status_code == 200
    assert response.json()["status"] == "ending"
    assert response.json()["end_reason"] == "We are done."
    assert [each["kind"] for each in response.json()["operations"]] == ["deprovision", "provision"]


def test_what_was_not_used_is_no_longer_left_after_the_end(
    allocation: Allocation, api_of: ApiOf, alice: User, now: datetime
) -> None:
    activate(allocation, at=now)
    provisioning.end(allocation, reason="Done.", by=alice, at=now)
    close(allocation, at=now)

    said = api_of(alice).get(url(allocation)).json()

    assert (said["credits_left"], said["credits_used"]) == ("0", "0")
    assert said["steps"] == []


def test_ending_again_changes_nothing(allocation: Allocation, api_of: ApiOf, alice: User) -> None:
    client = api_of(alice)
    client.post(f"{url(allocation)}/end", {"reason": "We are done."}, format="json")

    response = client.post(f"{url(allocation)}/end", {"reason": "Really."}, format="json")

    assert response.status_code == 409
    assert response.json()["code"] == "wrong_state"
    allocation.refresh_from_db()
    assert allocation.end_reason == "We are done."
    assert allocation.operations.count() == 2


def test_ending_needs_a_reason_and_the_right(
    allocation: Allocation, api_of: ApiOf, alice: User, ben: User, petra: User, stranger: User
) -> None:
    body = {"reason": "No."}

    assert api_of(alice).post(f"{url(allocation)}/end", {}, format="json").status_code == 400
    assert api_of(ben).post(f"{url(allocation)}/end", body, format="json").status_code == 403
    assert api_of(petra).post(f"{url(allocation)}/end", body, format="json").status_code == 403
    assert api_of(stranger).post(f"{url(allocation)}/end", body, format="json").status_code == 404
    allocation.refresh_from_db()
    assert allocation.status == AllocationStatus.PROVISIONING


def test_the_provider_has_an_operation_tried_again(
    allocation: Allocation, api_of: ApiOf, petra: User, now: datetime
) -> None:
    fail(allocation, at=now)
    client = api_of(petra)

    response = client.post(steps_of(client, allocation)["retry"])

    assert response.status_code == 200
    assert response.json()["status"] == "provisioning"
    assert response.json()["operations"][0]["status"] == "queued"


def test_trying_again_twice_changes_nothing(allocation: Allocation, api_of: ApiOf, petra: User, now: datetime) -> None:
    fail(allocation, at=now)
    again = f"/api/v1/operations/{allocation.operations.get().key}/retry"
    api_of(petra).post(again)

    response = api_of(petra).post(again)

    assert response.status_code == 409
    assert response.json()["code"] == "wrong_state"
    assert allocation.operations.get().retries == 1


def test_trying_again_needs_the_right(
    allocation: Allocation, api_of: ApiOf, alice: User, stranger: User, now: datetime
) -> None:
    fail(allocation, at=now)
    again = f"/api/v1/operations/{allocation.operations.get().key}/retry"

    assert api_of(alice).post(again).status_code == 403
    assert api_of(stranger).post(again).status_code == 404
    assert api_of(alice).post(f"/api/v1/operations/{uuid.uuid4()}/retry").status_code == 404
    assert allocation.operations.get().status == OperationStatus.FAILED
