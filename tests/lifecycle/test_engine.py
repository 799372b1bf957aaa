"""The engine that moves things from state to state, tried on the real tables of the apps."""

import ast
from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.db import transaction

from earthcode.audit.actors import CLOCK, WORKER
from earthcode.audit.models import Event
from earthcode.identity.models import User
from earthcode.lib.errors import NotPermitted
from earthcode.lifecycle import Group, Lifecycle, State, WrongState, step
from earthcode.onboarding.lifecycle import APPLICATION, APPLICATION_ITEM
from earthcode.onboarding.models import ApplicationStatus, ItemStatus
from earthcode.provisioning.lifecycle import ALLOCATION
from earthcode.provisioning.models import AllocationStatus
from earthcode.publishing.lifecycle import OFFERING_DRAFT
from earthcode.publishing.models import DraftStatus
from earthcode.settlement.models import StatementStatus
from earthcode.settlement.statements import STATEMENT
from earthcode.sponsorship.events import RequestEvent
from earthcode.sponsorship.lifecycle import CALL, CALL_FUNDING, QUOTATION, RESOURCE_REQUEST
from earthcode.sponsorship.models import (
    CallStatus,
    FundingStatus,
    QuotationStatus,
    RequestStatus,
    ResourceRequest,
)

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


#: Each lifecycle with the states of its things, and the modules whose functions take its steps.
TABLES = [
    (RESOURCE_REQUEST, RequestStatus, "sponsorship"),
    (CALL, CallStatus, "sponsorship"),
    (CALL_FUNDING, FundingStatus, "sponsorship"),
    (QUOTATION, QuotationStatus, "sponsorship"),
    (ALLOCATION, AllocationStatus, "provisioning"),
    (OFFERING_DRAFT, DraftStatus, "publishing"),
    (APPLICATION, ApplicationStatus, "onboarding"),
    (APPLICATION_ITEM, ItemStatus, "onboarding"),
    (STATEMENT, StatementStatus, "settlement"),
]
each_table = pytest.mark.parametrize(("lifecycle", "states", "app"), TABLES, ids=lambda each: getattr(each, "noun", ""))


@each_table
def test_the_table_and_the_model_have_the_same_states(lifecycle: Lifecycle, states: type[State], app: str) -> None:  # type: ignore[type-arg]
    named = {state for each in lifecycle.steps.values() for state in (*each.sources, each.target)}

    assert named == set(states.values)


@each_table
def test_every_state_has_a_group_and_words(lifecycle: Lifecycle, states: type[State], app: str) -> None:  # type: ignore[type-arg]
    assert {each for each in states if not isinstance(each.group, Group) or not each.label} == set()
    assert [states.of(code) for code in states.values] == list(states.within(*Group)) == list(states)


def steps_taken(app: str, table: str) -> set[str]:
    """What is said in calls in the modules of the app that advance things of this table."""
    found = set()
    for path in (settings.BASE_DIR / "earthcode" / app).rglob("*.py"):
        if f"{table}.advance(" not in (text := path.read_text()):
            continue
        calls = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
        said = (argument for call in calls for argument in (*call.args, *(each.value for each in call.keywords)))
        found |= {each.value for each in said if isinstance(each, ast.Constant) and isinstance(each.value, str)}
    return found


@each_table
def test_every_step_is_taken_by_an_action(lifecycle: Lifecycle, states: type[State], app: str) -> None:  # type: ignore[type-arg]
    assert set(lifecycle.steps) - steps_taken(app, lifecycle.noun.upper()) == set()


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
        STATEMENT,
    ):
        assert lifecycle.diagram() in page
