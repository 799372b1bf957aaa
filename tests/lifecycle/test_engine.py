"""The engine that moves things from state to state, tried on the real tables of the apps."""

from datetime import UTC, datetime

import pytest
from django.db import transaction

from earthcode.audit.actors import CLOCK, WORKER
from earthcode.audit.models import Event
from earthcode.identity.models import User
from earthcode.lib.errors import NotPermitted
from earthcode.lifecycle import Lifecycle, WrongState, step
from earthcode.onboarding.lifecycle import APPLICATION, APPLICATION_ITEM
from earthcode.provisioning.lifecycle import ALLOCATION
from earthcode.publishing.lifecycle import OFFERING_DRAFT
from earthcode.sponsorship.events import RequestEvent
from earthcode.sponsorship.lifecycle import CALL, CALL_FUNDING, QUOTATION, RESOURCE_REQUEST
from earthcode.sponsorship.models import RequestStatus, ResourceRequest

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def person(db: None) -> User:
    return User.objects.create(issuer="https://sso.example", subject="p-1", full_name="Person One", created_at=AT)


@pytest.fixture
def request_of_person(person: User) -> ResourceRequest:
    return ResourceRequest.objects.create(
        reference="NOR-2026-0001", title="T", created_by=person, created_at=AT, saved_at=AT, status_since=AT
    )


TOY = Lifecycle[ResourceRequest](
    "resource_request",
    RequestEvent,
    step("withdraw", {RequestStatus.DRAFT}, RequestStatus.WITHDRAWN, by_system=True),
)


def test_advance_saves_the_state_and_audits_it(request_of_person: ResourceRequest) -> None:
    with transaction.atomic():
        TOY.advance(request_of_person, "withdraw", by=CLOCK, at=AT, data={"why": "late"})

    stored = ResourceRequest.objects.get()
    assert stored.status == RequestStatus.WITHDRAWN
    assert stored.status_since == AT
    event = Event.objects.get(name="resource_request.withdraw")
    assert event.actor_id == "system:clock"
    assert event.data == {"from": "draft", "to": "withdrawn", "why": "late"}


def test_advance_rests_on_what_is_stored_not_on_what_a_page_showed(request_of_person: ResourceRequest) -> None:
    stale = ResourceRequest.objects.get()
    with transaction.atomic():
        TOY.advance(request_of_person, "withdraw", by=CLOCK, at=AT)

    with pytest.raises(WrongState), transaction.atomic():
        TOY.advance(stale, "withdraw", by=CLOCK, at=AT)
    assert Event.objects.count() == 1


def test_a_step_of_the_system_is_refused_to_people(request_of_person: ResourceRequest, person: User) -> None:
    with pytest.raises(NotPermitted), transaction.atomic():
        TOY.advance(request_of_person, "withdraw", by=person, at=AT)
    assert ResourceRequest.objects.get().status == RequestStatus.DRAFT
    assert not Event.objects.exists()


def test_a_step_of_people_is_refused_to_the_system(request_of_person: ResourceRequest) -> None:
    assert isinstance(RESOURCE_REQUEST.refusal(request_of_person, "approve", by=WORKER), NotPermitted)


def test_a_step_without_an_event_is_a_mistake_that_names_it() -> None:
    with pytest.raises(ValueError, match=r"resource_request\.hold"):
        Lifecycle("resource_request", RequestEvent, step("hold", {"draft"}, "draft"))


def test_two_steps_of_one_name_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="two steps"):
        Lifecycle("thing", RequestEvent, step("go", {"a"}, "b"), step("go", {"b"}, "c"))


@pytest.mark.parametrize("lifecycle", [RESOURCE_REQUEST, ALLOCATION, OFFERING_DRAFT], ids=lambda each: each.noun)
def test_every_state_of_the_table_is_known_to_the_model(lifecycle: Lifecycle) -> None:  # type: ignore[type-arg]
    from earthcode.provisioning.models import AllocationStatus
    from earthcode.publishing.models import DraftStatus

    known = set(RequestStatus.values) | set(AllocationStatus.values) | set(DraftStatus.values)
    named = {state for each in lifecycle.steps.values() for state in (*each.sources, each.target)}
    assert named <= known


def test_the_diagrams_in_the_documentation_are_those_of_the_tables(request: pytest.FixtureRequest) -> None:
    page = (request.config.rootpath / "docs" / "lifecycles.md").read_text()
    for lifecycle in (
        CALL,
        CALL_FUNDING,
        QUOTATION,
        RESOURCE_REQUEST,
        ALLOCATION,
        OFFERING_DRAFT,
        APPLICATION,
        APPLICATION_ITEM,
    ):
        assert lifecycle.diagram() in page
