"""Resource requests in the API: who reads them, and the steps."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from earthcode.api.v1.resource_requests import STEPS
from earthcode.catalogue.models import Offering
from earthcode.identity.models import Project, User
from earthcode.provisioning.models import Allocation
from earthcode.sponsorship.lifecycle import RESOURCE_REQUEST
from earthcode.sponsorship.models import Award, Call, Decision, Endorsement, RequestStatus, ResourceRequest
from tests.conftest import Clock
from tests.support.queries import assert_queries_do_not_grow

ApiOf = Callable[[User], APIClient]
LIST = "/api/v1/resource_requests"


def url(resource_request: ResourceRequest, step: str = "") -> str:
    return f"{LIST}/{resource_request.reference}" + (f"/{step}" if step else "")


def steps_of(client: APIClient, resource_request: ResourceRequest) -> set[str]:
    return {step["name"] for step in client.get(url(resource_request)).json()["steps"]}


# --- reading ---------------------------------------------------------------------------------------------------------


def test_a_token_is_needed(sent_request: ResourceRequest) -> None:
    for path in (LIST, url(sent_request)):
        response = APIClient().get(path)
        assert response.status_code == 401
        assert response["WWW-Authenticate"].startswith("Bearer")
    assert APIClient().post(url(sent_request, "approve"), {"reason": "x"}, format="json").status_code == 401


def test_people_read_what_they_may_see(
    sent_request: ResourceRequest, api_of: ApiOf, ben: User, maria: User, petra: User, stranger: User
) -> None:
    for person, count in ((ben, 1), (maria, 1), (petra, 0), (stranger, 0)):
        client = api_of(person)
        assert client.get(LIST).json()["count"] == count
        assert client.get(url(sent_request)).status_code == (200 if count else 404)


def test_a_draft_is_for_its_people_only(draft: ResourceRequest, api_of: ApiOf, alice: User, maria: User) -> None:
    assert api_of(alice).get(url(draft)).status_code == 200
    assert api_of(maria).get(url(draft)).status_code == 404


def test_a_request_is_read_in_full(sent_request: ResourceRequest, api_of: ApiOf, alice: User) -> None:
    said = api_of(alice).get(url(sent_request)).json()

    assert said["status"] == "in_review"
    assert said["project"] == {"slug": "alpine-snow", "title": "Alpine snow"}
    assert said["call"]["slug"] == "open-science-2026"
    assert {line["platform"] for line in said["lines"]} == {"hub", "batch"}
    total = sum(float(line["credits"]) for line in said["lines"])
    assert float(said["credits"]) == pytest.approx(total)
    assert said["lines"][0]["quote"][0]["credits"]
    assert {check["code"] for check in said["checks"]} >= {"ceiling", "period"}
    assert said["endorsement"] is None
    assert said["page"] == f"http://testserver/requests/{sent_request.reference}/"


def test_the_list_is_filtered(sent_request: ResourceRequest, api_of: ApiOf, alice: User) -> None:
    client = api_of(alice)

    assert client.get(f"{LIST}?status=in_review&project=alpine-snow").json()["count"] == 1
    assert client.get(f"{LIST}?status=draft").json()["count"] == 0
    assert client.get(f"{LIST}?project=another").json()["count"] == 0
    assert client.get(f"{LIST}?status=lost").status_code == 400


def test_the_list_makes_as_many_queries_for_many_requests(
    sent_request: ResourceRequest, api_of: ApiOf, alice: User
) -> None:
    def rows(count: int) -> None:
        first = ResourceRequest.objects.get(pk=sent_request.pk)
        for number in range(ResourceRequest.objects.count(), count):
            first.pk, first.reference = None, f"NOR-2025-{number:04d}"
            first.save(force_insert=True)

    assert_queries_do_not_grow(api_of(alice), f"{LIST}?page_size=200", rows=rows)


# --- steps -----------------------------------------------------------------------------------------------------------


def test_every_step_that_people_take_has_an_address() -> None:
    assert set(STEPS) == {name for name, step in RESOURCE_REQUEST.steps.items() if step.needs is not None}


def test_the_steps_are_those_one_can_take(
    sent_request: ResourceRequest, api_of: ApiOf, alice: User, ben: User, maria: User
) -> None:
    assert steps_of(api_of(alice), sent_request) == {"withdraw"}
    assert steps_of(api_of(ben), sent_request) == set()
    assert steps_of(api_of(maria), sent_request) == {"ask", "approve", "offer", "reject"}


def test_each_step_says_where_to_post(sent_request: ResourceRequest, api_of: ApiOf, maria: User) -> None:
    client = api_of(maria)
    approve = next(step for step in client.get(url(sent_request)).json()["steps"] if step["name"] == "approve")

    response = client.post(approve["url"], {"reason": "Good science."}, format="json")

    assert response.status_code == 200
    assert response.json()["status"] == "approved"


def test_a_request_is_sent(complete_draft: ResourceRequest, call: Call, api_of: ApiOf, alice: User) -> None:
    response = api_of(alice).post(url(complete_draft, "submit"))

    assert response.status_code == 200
    assert response.json()["status"] == "in_review"
    assert response.json()["steps"] == [
        {
            "name": "withdraw",
            "label": "Withdraw",
            "url": f"http://testserver{url(complete_draft, 'withdraw')}",
        }
    ]


def test_an_incomplete_request_is_not_sent(draft: ResourceRequest, call: Call, api_of: ApiOf, alice: User) -> None:
    response = api_of(alice).post(url(draft, "submit"))

    assert response.status_code == 409
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "incomplete_request"
    draft.refresh_from_db()
    assert draft.status == RequestStatus.DRAFT


def test_approving_grants_the_credits_and_places_the_allocations(
    sent_request: ResourceRequest, api_of: ApiOf, maria: User
) -> None:
    response = api_of(maria).post(url(sent_request, "approve"), {"reason": "Good science."}, format="json")

    assert response.status_code == 200
    (decision,) = response.json()["decisions"]
    assert decision["kind"] == "approve"
    assert decision["by"] == "Maria Rossi"
    assert Award.objects.get().amount == sent_request.amount
    assert Allocation.objects.count() == 2


def test_approving_again_changes_nothing(sent_request: ResourceRequest, api_of: ApiOf, maria: User) -> None:
    client = api_of(maria)
    client.post(url(sent_request, "approve"), {"reason": "Good science."}, format="json")

    response = client.post(url(sent_request, "approve"), {"reason": "Good science."}, format="json")

    assert response.status_code == 409
    assert response.json()["code"] == "wrong_state"
    assert Award.objects.count() == 1
    assert Allocation.objects.count() == 2


def test_a_decision_needs_a_reason(sent_request: ResourceRequest, api_of: ApiOf, maria: User) -> None:
    for body in ({}, {"reason": " "}):
        response = api_of(maria).post(url(sent_request, "approve"), body, format="json")
        assert response.status_code == 400
        assert response.json()["errors"][0]["field"] == "reason"
    sent_request.refresh_from_db()
    assert sent_request.status == RequestStatus.IN_REVIEW
    assert not Decision.objects.exists()


@pytest.mark.parametrize("step", ["approve", "reject", "ask"])
def test_those_who_may_not_decide_are_refused(
    sent_request: ResourceRequest, api_of: ApiOf, alice: User, stranger: User, step: str
) -> None:
    response = api_of(alice).post(url(sent_request, step), {"reason": "Mine."}, format="json")

    assert response.status_code == 403
    assert response.json()["code"] == "not_permitted"
    assert api_of(stranger).post(url(sent_request, step), {"reason": "x"}, format="json").status_code == 404
    sent_request.refresh_from_db()
    assert sent_request.status == RequestStatus.IN_REVIEW


def test_nobody_decides_on_their_own_request(sent_request: ResourceRequest, api_of: ApiOf, maria: User) -> None:
    ResourceRequest.objects.filter(pk=sent_request.pk).update(submitted_by=maria)

    response = api_of(maria).post(url(sent_request, "approve"), {"reason": "Mine."}, format="json")

    assert response.status_code == 409
    assert response.json()["code"] == "conflict_of_interest"
    assert not Award.objects.exists()


def test_a_question_is_asked_and_answered(
    sent_request: ResourceRequest, api_of: ApiOf, alice: User, maria: User
) -> None:
    asked = api_of(maria).post(url(sent_request, "ask"), {"reason": "Which years?"}, format="json")
    assert asked.json()["status"] == "info_needed"

    answered = api_of(alice).post(url(sent_request, "submit"), {"answer": "2020 to 2025."}, format="json")

    assert answered.status_code == 200
    assert answered.json()["status"] == "in_review"


def test_a_request_is_rejected_with_its_reason(sent_request: ResourceRequest, api_of: ApiOf, maria: User) -> None:
    response = api_of(maria).post(url(sent_request, "reject"), {"reason": "Out of scope."}, format="json")

    assert response.json()["status"] == "rejected"
    assert response.json()["decisions"][0]["reason"] == "Out of scope."


def test_a_request_is_withdrawn_by_its_leader_only(
    sent_request: ResourceRequest, api_of: ApiOf, alice: User, ben: User
) -> None:
    assert api_of(ben).post(url(sent_request, "withdraw")).status_code == 403
    assert api_of(alice).post(url(sent_request, "withdraw")).json()["status"] == "withdrawn"


def test_the_technical_officer_endorses(
    sent_request: ResourceRequest, project: Project, api_of: ApiOf, tomas: User, maria: User
) -> None:
    Project.objects.filter(pk=project.pk).update(technical_officer=tomas)

    assert api_of(maria).post(url(sent_request, "endorse")).status_code == 403
    response = api_of(tomas).post(url(sent_request, "endorse"), {"note": "In our interest."}, format="json")

    assert response.status_code == 200
    assert response.json()["endorsement"]["by"] == "Tomas Lindberg"
    assert Endorsement.objects.count() == 1


def test_steps_need_a_post(sent_request: ResourceRequest, api_of: ApiOf, maria: User) -> None:
    for step in STEPS:
        assert api_of(maria).get(url(sent_request, step)).status_code == 405


# --- offerings that take nothing new ----------------------------------------------------------------------------------


def test_a_retired_offering_is_asked_for_by_no_program(
    complete_draft: ResourceRequest, call: Call, api_of: ApiOf, alice: User, clock: Clock
) -> None:
    line = complete_draft.lines.select_related("plan__offering").earliest("pk")
    Offering.objects.filter(pk=line.plan.offering_id).update(retires_on=clock.now.date())

    answer = api_of(alice).post(url(complete_draft, "submit"), {}, format="json")

    assert answer.status_code == 409
    assert answer.json()["code"] == "offering_retired"
    complete_draft.refresh_from_db()
    assert complete_draft.status == RequestStatus.DRAFT


def test_a_retired_offering_is_granted_by_no_program(
    sent_request: ResourceRequest, api_of: ApiOf, maria: User, clock: Clock
) -> None:
    line = sent_request.lines.select_related("plan__offering").earliest("pk")
    Offering.objects.filter(pk=line.plan.offering_id).update(retires_on=clock.now.date())

    answer = api_of(maria).post(url(sent_request, "approve"), {"reason": "Good."}, format="json")

    assert answer.status_code == 409
    assert answer.json()["code"] == "offering_retired"
    assert not Award.objects.exists()


def test_a_part_is_offered_and_accepted_by_programs(
    sent_request: ResourceRequest, api_of: ApiOf, alice: User, maria: User
) -> None:
    lines = list(sent_request.lines.order_by("pk"))
    amounts = {str(line.pk): "100" if line == lines[0] else "0" for line in lines}
    offer = {"reason": "One platform.", "amounts": amounts}
    wrong = api_of(maria).post(url(sent_request, "offer"), {**offer, "amounts": {"x": "1"}}, format="json")
    assert wrong.status_code == 400
    offered = api_of(maria).post(url(sent_request, "offer"), offer, format="json")
    assert offered.status_code == 200, offered.content
    assert offered.json()["status"] == "offered"
    assert api_of(maria).post(url(sent_request, "accept")).status_code == 403
    assert api_of(alice).post(url(sent_request, "accept")).json()["status"] == "approved"
