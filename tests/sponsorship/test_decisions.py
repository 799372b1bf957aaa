"""Endorsing and deciding: who may, who may not, and what it moves."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from earthcode.audit.actors import CLOCK
from earthcode.audit.models import Event
from earthcode.catalogue.models import Plan, Tier
from earthcode.identity import projects
from earthcode.identity.models import Organisation, Project, RoleGrant, User
from earthcode.identity.roles import Role
from earthcode.ledger import actions as ledger
from earthcode.ledger import queries as books
from earthcode.ledger.actions import InsufficientCredits
from earthcode.lib.errors import InvalidInput, NotPermitted
from earthcode.lib.money import MicroCredits, credits
from earthcode.lifecycle import WrongState
from earthcode.notifications.models import Message
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.lifecycle import (
    RESOURCE_REQUEST,
    CheckFailed,
    ConflictOfInterest,
    EndorsementMissing,
    NotTheTechnicalOfficer,
    WasEndorsed,
)
from earthcode.sponsorship.models import (
    Award,
    Call,
    Decision,
    DecisionKind,
    Endorsement,
    RequestStatus,
    ResourceRequest,
)
from tests.support.credits import award_balance, call_balance
from tests.support.people import fresh

Everything = Callable[[], list[list[Any]]]
Decide = Callable[..., Any]

DECIDING: list[Decide] = [sponsorship.approve, sponsorship.ask, sponsorship.reject]
each_decision = pytest.mark.parametrize("decide", DECIDING, ids=lambda action: action.__name__)


# --- approving -------------------------------------------------------------------------------------------------------


def test_approving_moves_the_credits_from_the_call_to_an_award(
    sent_request: ResourceRequest, call: Call, maria: User, now: datetime
) -> None:
    award = sponsorship.approve(sent_request, reason="Good science.", by=maria, at=now)

    assert ResourceRequest.objects.get().status == RequestStatus.APPROVED
    assert award.reference == sent_request.reference
    assert (award.amount, award.project, award.call) == (credits("434.4"), sent_request.project, call)
    assert (award.starts_on, award.ends_on) == (date(2026, 12, 1), date(2027, 6, 1))
    assert call_balance(call.slug) == credits("99565.6")
    assert award_balance(award.reference) == credits("434.4")


def test_what_an_award_has_left_goes_back_to_the_call_after_its_last_day(
    sent_request: ResourceRequest, maria: User, now: datetime
) -> None:
    award = sponsorship.approve(sent_request, reason="Good science.", by=maria, at=now)
    before, end = call_balance(award.call.slug), sponsorship.end_of(award.ends_on)

    assert ledger.lapse(before=end - timedelta(seconds=1), by=CLOCK) == []
    assert len(ledger.lapse(before=end, by=CLOCK)) == 1

    assert call_balance(award.call.slug) == before + award.amount
    assert books.award_balances([award.reference])[award.reference] == books.AwardBalance(*[MicroCredits(0)] * 4)


def test_a_decision_has_a_person_a_time_and_a_reason(sent_request: ResourceRequest, maria: User, now: datetime) -> None:
    sponsorship.approve(sent_request, reason="  Good science.  ", by=maria, at=now)

    decision = Decision.objects.get()
    assert (decision.kind, decision.reason, decision.by, decision.at) == ("approve", "Good science.", maria, now)
    assert decision.amount == credits("434.4")
    assert Event.objects.get(name="resource_request.approve").actor_id == maria.audit_id


def test_the_projects_people_are_told(
    sent_request: ResourceRequest, alice: User, ben: User, maria: User, now: datetime
) -> None:
    before = Message.objects.count()

    sponsorship.approve(sent_request, reason="Good science.", by=maria, at=now)

    told = Message.objects.order_by("-pk")[: Message.objects.count() - before]
    assert {message.recipient for message in told} == {alice.public_id, ben.public_id}
    assert all("Good science." in message.body for message in told)


def test_an_award_starts_no_earlier_than_its_decision(
    sent_request: ResourceRequest, maria: User, now: datetime
) -> None:
    award = sponsorship.approve(sent_request, reason="Late.", by=maria, at=now + timedelta(days=60))

    assert (award.starts_on, award.ends_on) == (date(2027, 1, 1), date(2027, 7, 1))


def test_more_than_the_call_has_left_is_not_granted(
    sent_request: ResourceRequest, call: Call, maria: User, now: datetime, everything: Everything
) -> None:
    import uuid

    from earthcode.ledger import actions as books

    books.award(call.slug, "NOR-2026-9999", credits(99_900), key=uuid.uuid4(), by=maria, at=now)
    before = everything()

    with pytest.raises(InsufficientCredits):
        sponsorship.approve(sent_request, reason="Good science.", by=maria, at=now)

    assert everything() == before


def test_a_request_that_fails_a_check_is_not_approved_but_may_be_asked_about_or_rejected(
    complete_draft: ResourceRequest, call: Call, alice: User, maria: User, now: datetime, everything: Everything
) -> None:
    call.ceiling = credits(100)
    call.save()
    sponsorship.submit(complete_draft, by=alice, at=now)
    before = everything()

    with pytest.raises(CheckFailed):
        sponsorship.approve(complete_draft, reason="Anyway.", by=maria, at=now)

    assert everything() == before
    complete_draft.refresh_from_db()
    steps = [step.name for step in RESOURCE_REQUEST.open_to(complete_draft, by=maria)]
    assert steps == ["ask", "offer", "reject"]


# --- every decision --------------------------------------------------------------------------------------------------


@each_decision
def test_a_decision_needs_a_reason(
    decide: Decide, sent_request: ResourceRequest, maria: User, now: datetime, everything: Everything
) -> None:
    before = everything()

    with pytest.raises(InvalidInput) as refusal:
        decide(sent_request, reason="  ", by=maria, at=now)

    assert refusal.value.field == "reason"
    assert everything() == before


@each_decision
def test_only_managers_decide(
    decide: Decide,
    sent_request: ResourceRequest,
    stranger: User,
    petra: User,
    tomas: User,
    alice: User,
    now: datetime,
    everything: Everything,
) -> None:
    before = everything()

    for other in (stranger, petra, tomas, alice):
        with pytest.raises(NotPermitted):
            decide(sent_request, reason="Mine.", by=other, at=now)

    assert everything() == before


@each_decision
def test_a_draft_is_not_decided_on(
    decide: Decide, complete_draft: ResourceRequest, maria: User, now: datetime, everything: Everything
) -> None:
    before = everything()

    with pytest.raises(WrongState):
        decide(complete_draft, reason="Early.", by=maria, at=now)

    assert everything() == before


@each_decision
@pytest.mark.parametrize("first", [sponsorship.approve, sponsorship.reject], ids=lambda action: action.__name__)
def test_what_was_decided_is_not_decided_again(
    first: Decide,
    decide: Decide,
    sent_request: ResourceRequest,
    maria: User,
    marc: User,
    now: datetime,
    everything: Everything,
) -> None:
    first(sent_request, reason="First.", by=maria, at=now)
    before = everything()

    with pytest.raises(WrongState):
        decide(sent_request, reason="Second.", by=marc, at=now)

    assert everything() == before


@each_decision
def test_nobody_decides_on_their_own_request(
    decide: Decide, sent_request: ResourceRequest, alice: User, now: datetime, everything: Everything
) -> None:
    RoleGrant.objects.create(user=alice, role=Role.ESA_MANAGER, claim="groups=x", granted_at=now)
    before = everything()

    with pytest.raises(ConflictOfInterest, match="wrote this request"):
        decide(sent_request, reason="Mine.", by=fresh(alice), at=now)

    assert everything() == before


@each_decision
def test_nobody_decides_for_a_project_they_are_in(
    decide: Decide,
    sent_request: ResourceRequest,
    project: Project,
    alice: User,
    maria: User,
    now: datetime,
    everything: Everything,
) -> None:
    projects.add_member(project, user=maria, by=alice, at=now)
    before = everything()

    with pytest.raises(ConflictOfInterest, match="member of the project"):
        decide(sent_request, reason="Ours.", by=fresh(maria), at=now)

    assert everything() == before


@each_decision
def test_nobody_decides_for_the_organisation_they_work_for(
    decide: Decide,
    sent_request: ResourceRequest,
    institute: Organisation,
    maria: User,
    now: datetime,
    everything: Everything,
) -> None:
    maria.organisation = institute
    maria.save()
    before = everything()

    with pytest.raises(ConflictOfInterest, match="Alpine Institute, which asks"):
        decide(sent_request, reason="Ours.", by=fresh(maria), at=now)

    assert everything() == before


@each_decision
def test_nobody_decides_for_a_platform_of_their_organisation(
    decide: Decide,
    sent_request: ResourceRequest,
    other_provider: Organisation,
    maria: User,
    now: datetime,
    everything: Everything,
) -> None:
    maria.organisation = other_provider
    maria.save()
    before = everything()

    with pytest.raises(ConflictOfInterest, match="Cluster Works, which would be paid"):
        decide(sent_request, reason="Ours.", by=fresh(maria), at=now)

    assert everything() == before


@each_decision
def test_nobody_decides_for_a_platform_they_administer(
    decide: Decide, sent_request: ResourceRequest, petra: User, now: datetime, everything: Everything
) -> None:
    RoleGrant.objects.create(user=petra, role=Role.ESA_MANAGER, claim="groups=x", granted_at=now)
    petra.organisation = None
    petra.save()
    before = everything()

    with pytest.raises(ConflictOfInterest, match="Hub House, which would be paid"):
        decide(sent_request, reason="Ours.", by=fresh(petra), at=now)

    assert everything() == before


def test_a_manager_without_interest_may_take_every_decision(sent_request: ResourceRequest, maria: User) -> None:
    assert [step.name for step in RESOURCE_REQUEST.open_to(sent_request, by=maria)] == [
        "ask",
        "approve",
        "offer",
        "reject",
    ]


def test_a_question_goes_back_to_the_applicant(sent_request: ResourceRequest, maria: User, now: datetime) -> None:
    sponsorship.ask(sent_request, reason="Which sites?", by=maria, at=now)

    assert ResourceRequest.objects.get().status == RequestStatus.INFO_NEEDED
    assert Decision.objects.get().kind == DecisionKind.ASK
    assert not Award.objects.exists()


def test_several_questions_may_be_asked(
    sent_request: ResourceRequest, alice: User, maria: User, marc: User, now: datetime
) -> None:
    sponsorship.ask(sent_request, reason="Which sites?", by=maria, at=now)
    sponsorship.submit(sent_request, by=alice, at=now, answer="All.")
    sponsorship.ask(sent_request, reason="Which years?", by=marc, at=now)

    assert list(Decision.objects.values_list("reason", flat=True)) == ["Which sites?", "Which years?"]


def test_a_rejection_moves_no_credits(sent_request: ResourceRequest, call: Call, maria: User, now: datetime) -> None:
    sponsorship.reject(sent_request, reason="Too vague.", by=maria, at=now)

    assert ResourceRequest.objects.get().status == RequestStatus.REJECTED
    assert call_balance(call.slug) == credits(100_000)
    assert not Award.objects.exists()


@pytest.mark.parametrize(
    "statement", ["UPDATE sponsorship_decision SET reason = 'x'", "DELETE FROM sponsorship_decision"]
)
def test_the_database_keeps_decisions_as_they_were(
    sent_request: ResourceRequest, maria: User, now: datetime, statement: str
) -> None:
    sponsorship.reject(sent_request, reason="Too vague.", by=maria, at=now)

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)

    assert Decision.objects.get().reason == "Too vague."


# --- endorsing -------------------------------------------------------------------------------------------------------


@pytest.fixture
def needs_endorsement(
    complete_draft: ResourceRequest, call: Call, hub_plan: Plan, alice: User, tomas: User, now: datetime
) -> ResourceRequest:
    """Sent; one line is in the Resource Tier, and Tomas supervises the project."""
    assert complete_draft.project is not None
    complete_draft.project.technical_officer = tomas
    complete_draft.project.save()
    hub_plan.offering.tier = Tier.RESOURCE
    hub_plan.offering.save()
    sponsorship.submit(complete_draft, by=alice, at=now)
    return complete_draft


def test_the_resource_tier_is_granted_only_with_the_endorsement(
    needs_endorsement: ResourceRequest, maria: User, tomas: User, now: datetime, everything: Everything
) -> None:
    before = everything()
    with pytest.raises(EndorsementMissing):
        sponsorship.approve(needs_endorsement, reason="Good science.", by=maria, at=now)
    assert everything() == before

    sponsorship.endorse(needs_endorsement, note=" Needed. ", by=tomas, at=now)
    sponsorship.approve(needs_endorsement, reason="Good science.", by=maria, at=now)

    assert ResourceRequest.objects.get().status == RequestStatus.APPROVED
    assert Endorsement.objects.get().note == "Needed."


def test_only_the_projects_own_technical_officer_endorses(
    needs_endorsement: ResourceRequest,
    person: Callable[..., User],
    alice: User,
    maria: User,
    now: datetime,
    everything: Everything,
) -> None:
    other = person("olga", "Olga Officer", role=Role.TECHNICAL_OFFICER)
    before = everything()

    for someone, refused in ((other, NotTheTechnicalOfficer), (alice, NotPermitted), (maria, NotPermitted)):
        with pytest.raises(refused):
            sponsorship.endorse(needs_endorsement, by=someone, at=now)

    assert everything() == before


def test_nobody_endorses_their_own_request(
    needs_endorsement: ResourceRequest, project: Project, alice: User, now: datetime, everything: Everything
) -> None:
    RoleGrant.objects.create(user=alice, role=Role.TECHNICAL_OFFICER, claim="groups=x", granted_at=now)
    project.refresh_from_db()
    project.technical_officer = alice
    project.save()
    before = everything()

    with pytest.raises(ConflictOfInterest):
        sponsorship.endorse(needs_endorsement, by=fresh(alice), at=now)

    assert everything() == before


def test_a_request_is_endorsed_once(
    needs_endorsement: ResourceRequest, tomas: User, now: datetime, everything: Everything
) -> None:
    sponsorship.endorse(needs_endorsement, by=tomas, at=now)
    before = everything()

    with pytest.raises(WasEndorsed):
        sponsorship.endorse(needs_endorsement, by=tomas, at=now)

    assert everything() == before


def test_an_endorsement_outlives_a_question_that_changed_nothing(
    needs_endorsement: ResourceRequest, alice: User, maria: User, tomas: User, now: datetime
) -> None:
    sponsorship.endorse(needs_endorsement, by=tomas, at=now + timedelta(hours=1))
    sponsorship.ask(needs_endorsement, reason="Which sites?", by=maria, at=now + timedelta(hours=2))
    sponsorship.submit(needs_endorsement, by=alice, at=now + timedelta(hours=3), answer="All.")

    sponsorship.approve(needs_endorsement, reason="Good science.", by=maria, at=now + timedelta(hours=4))

    assert ResourceRequest.objects.get().status == RequestStatus.APPROVED


def test_an_endorsement_does_not_cover_what_was_changed_after_it(
    needs_endorsement: ResourceRequest, alice: User, maria: User, tomas: User, now: datetime
) -> None:
    sponsorship.endorse(needs_endorsement, by=tomas, at=now + timedelta(hours=1))
    sponsorship.ask(needs_endorsement, reason="Which sites?", by=maria, at=now + timedelta(hours=2))
    sponsorship.save_case(needs_endorsement, science_case="Another one.", by=alice, at=now + timedelta(hours=3))
    sponsorship.submit(needs_endorsement, by=alice, at=now + timedelta(hours=4))

    with pytest.raises(EndorsementMissing):
        sponsorship.approve(needs_endorsement, reason="Good science.", by=maria, at=now + timedelta(hours=5))

    sponsorship.endorse(needs_endorsement, by=tomas, at=now + timedelta(hours=5))
    assert Endorsement.objects.count() == 1
