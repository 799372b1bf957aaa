"""Sending a request, answering a question, taking it back."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from earthcode.audit.models import Event
from earthcode.catalogue.models import Plan, Tier
from earthcode.catalogue.pricing import Workload
from earthcode.identity.models import Project, RoleGrant, User
from earthcode.identity.roles import Role
from earthcode.lib.errors import InvalidInput, NotPermitted
from earthcode.lib.money import credits
from earthcode.lifecycle import WrongState
from earthcode.notifications.models import Message
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import Call, RequestStatus, ResourceRequest

Everything = Callable[[], list[list[Any]]]


def test_sending_records_call_amount_sender_and_the_day_of_the_answer(
    complete_draft: ResourceRequest, call: Call, alice: User, now: datetime
) -> None:
    sponsorship.submit(complete_draft, by=alice, at=now)

    stored = ResourceRequest.objects.get()
    assert stored.status == RequestStatus.IN_REVIEW
    assert (stored.call, stored.submitted_by, stored.submitted_at) == (call, alice, now)
    assert stored.amount == credits("434.4")
    # Ten working days after Monday 2 November.
    assert stored.decide_by == date(2026, 11, 16)
    assert stored.checks.count() > 0
    event = Event.objects.get(name="resource_request.submit")
    assert event.data["amount"] == stored.amount
    assert event.data["call"] == call.slug


def test_sending_writes_to_every_manager_and_to_nobody_else(
    complete_draft: ResourceRequest, call: Call, alice: User, maria: User, marc: User, petra: User, now: datetime
) -> None:
    sponsorship.submit(complete_draft, by=alice, at=now)

    messages = Message.objects.all()
    assert {message.recipient for message in messages} == {maria.public_id, marc.public_id}
    assert all(message.subject.startswith(complete_draft.reference) for message in messages)


def test_the_technical_officer_is_asked_where_the_endorsement_is_wanted(
    complete_draft: ResourceRequest, call: Call, hub_plan: Plan, alice: User, tomas: User, now: datetime
) -> None:
    assert complete_draft.project is not None
    complete_draft.project.technical_officer = tomas
    complete_draft.project.save()
    hub_plan.offering.tier = Tier.RESOURCE
    hub_plan.offering.save()

    sponsorship.submit(complete_draft, by=alice, at=now)

    assert Message.objects.get().recipient == tomas.public_id


def test_an_incomplete_request_is_not_sent(
    draft: ResourceRequest, call: Call, alice: User, now: datetime, everything: Everything
) -> None:
    before = everything()

    with pytest.raises(sponsorship.Incomplete) as refusal:
        sponsorship.submit(draft, by=alice, at=now)

    assert [each.task for each in refusal.value.missing][:3] == ["platforms", "period", "case"]
    assert everything() == before


def test_a_member_who_does_not_lead_cannot_send(
    complete_draft: ResourceRequest, call: Call, ben: User, now: datetime, everything: Everything
) -> None:
    before = everything()

    with pytest.raises(NotPermitted):
        sponsorship.submit(complete_draft, by=ben, at=now)

    assert everything() == before


def test_nothing_is_sent_while_no_call_is_open(
    complete_draft: ResourceRequest, alice: User, now: datetime, everything: Everything
) -> None:
    before = everything()

    with pytest.raises(sponsorship.NoOpenCall):
        sponsorship.submit(complete_draft, by=alice, at=now)

    assert everything() == before


def test_a_case_that_is_longer_than_the_call_reads_is_not_sent(
    complete_draft: ResourceRequest, call: Call, alice: User, now: datetime, everything: Everything
) -> None:
    sponsorship.save_case(complete_draft, science_case="word " * 301, by=alice, at=now)
    before = everything()

    with pytest.raises(sponsorship.CaseTooLong) as refusal:
        sponsorship.submit(complete_draft, by=alice, at=now)

    assert (refusal.value.code, refusal.value.field) == ("case_too_long", "case")
    assert everything() == before
    sponsorship.save_case(complete_draft, science_case="word " * 300, by=alice, at=now)
    sponsorship.submit(complete_draft, by=alice, at=now)
    assert complete_draft.status == RequestStatus.IN_REVIEW


def test_a_start_that_has_passed_since_is_refused(
    complete_draft: ResourceRequest, call: Call, alice: User, now: datetime, everything: Everything
) -> None:
    before = everything()

    with pytest.raises(InvalidInput) as refusal:
        sponsorship.submit(complete_draft, by=alice, at=now + timedelta(days=30))

    assert refusal.value.field == "period"
    assert everything() == before


def test_a_request_is_sent_once(
    sent_request: ResourceRequest, alice: User, now: datetime, everything: Everything
) -> None:
    before = everything()

    with pytest.raises(WrongState):
        sponsorship.submit(sent_request, by=alice, at=now)

    assert everything() == before


def test_a_request_against_a_rule_is_sent_and_carries_the_failed_check(
    complete_draft: ResourceRequest, call: Call, alice: User, now: datetime
) -> None:
    call.ceiling = credits(100)
    call.save()

    sponsorship.submit(complete_draft, by=alice, at=now)

    assert complete_draft.checks.get(outcome="fail").code == "ceiling"


# --- answering -------------------------------------------------------------------------------------------------------


@pytest.fixture
def asked(sent_request: ResourceRequest, maria: User, now: datetime) -> ResourceRequest:
    """Maria asked a question a day after it was sent."""
    sponsorship.ask(sent_request, reason="Which sites?", by=maria, at=now + timedelta(days=1))
    return sent_request


def test_an_answer_sends_the_request_again_and_starts_the_clock_anew(
    asked: ResourceRequest, alice: User, now: datetime
) -> None:
    later = now + timedelta(days=3)

    sponsorship.submit(asked, by=alice, at=later, answer="Those of last year.")

    stored = ResourceRequest.objects.get()
    assert stored.status == RequestStatus.IN_REVIEW
    assert stored.submitted_at == later
    assert stored.decide_by == date(2026, 11, 19)
    assert Event.objects.filter(name="resource_request.submit").last().data["answer"] == "Those of last year."  # type: ignore[union-attr]


def test_the_checks_are_those_of_the_last_sending(
    asked: ResourceRequest, hub_plan: Plan, workload: Workload, alice: User, now: datetime
) -> None:
    later = now + timedelta(days=3)
    sponsorship.save_line(asked, plan=hub_plan, workload=replace(workload, months=13), by=alice, at=now)

    sponsorship.submit(asked, by=alice, at=later)

    codes = list(asked.checks.values_list("code", flat=True))
    assert len(codes) == len(set(codes))
    assert asked.checks.get(outcome="fail").code == "period"


def test_the_request_can_be_changed_while_a_question_is_open(asked: ResourceRequest, ben: User, now: datetime) -> None:
    sponsorship.save_case(asked, science_case="Those of last year.", by=ben, at=now)

    asked.refresh_from_db()
    assert asked.science_case == "Those of last year."


# --- taking back -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fixture", ["draft", "sent_request", "asked"])
def test_the_lead_takes_a_request_back_and_it_stays_readable(
    request: pytest.FixtureRequest, alice: User, ben: User, now: datetime, fixture: str
) -> None:
    resource_request = request.getfixturevalue(fixture)

    sponsorship.withdraw(resource_request, by=alice, at=now)

    assert ResourceRequest.objects.get().status == RequestStatus.WITHDRAWN
    assert ResourceRequest.objects.visible_to(ben).get() == resource_request


def test_nobody_else_takes_it_back(
    sent_request: ResourceRequest, ben: User, maria: User, now: datetime, everything: Everything
) -> None:
    before = everything()

    for other in (ben, maria):
        with pytest.raises(NotPermitted):
            sponsorship.withdraw(sent_request, by=other, at=now)

    assert everything() == before


def test_a_decided_request_is_not_taken_back(
    sent_request: ResourceRequest, alice: User, maria: User, now: datetime, everything: Everything
) -> None:
    sponsorship.reject(sent_request, reason="No.", by=maria, at=now)
    before = everything()

    with pytest.raises(WrongState):
        sponsorship.withdraw(sent_request, by=alice, at=now)

    assert everything() == before


# --- who sees it -----------------------------------------------------------------------------------------------------


def test_a_draft_is_seen_by_its_project_only(
    draft: ResourceRequest,
    project: Project,
    alice: User,
    ben: User,
    maria: User,
    petra: User,
    tomas: User,
    stranger: User,
    now: datetime,
) -> None:
    project.technical_officer = tomas
    project.save()

    def seen_by(user: User) -> bool:
        return ResourceRequest.objects.visible_to(user).filter(pk=draft.pk).exists()

    assert seen_by(alice)
    assert seen_by(ben)
    assert not any(map(seen_by, [maria, petra, tomas, stranger]))
    sponsorship.withdraw(draft, by=alice, at=now)
    # Taken back before it was ever sent: still nobody else's business.
    assert not any(map(seen_by, [maria, petra, tomas, stranger]))


def test_a_sent_request_is_seen_by_its_project_its_officer_and_the_managers(
    sent_request: ResourceRequest,
    project: Project,
    alice: User,
    ben: User,
    maria: User,
    petra: User,
    tomas: User,
    stranger: User,
) -> None:
    project.technical_officer = tomas
    project.save()

    def seen_by(user: User) -> bool:
        return ResourceRequest.objects.visible_to(user).filter(pk=sent_request.pk).exists()

    assert all(map(seen_by, [alice, ben, maria, tomas]))
    assert not any(map(seen_by, [petra, stranger]))


def test_a_manager_is_not_told_of_a_request_they_sent_themselves(
    complete_draft: ResourceRequest, call: Call, alice: User, maria: User, now: datetime
) -> None:
    RoleGrant.objects.create(user=alice, role=Role.ESA_MANAGER, claim="managers", granted_at=now)

    sponsorship.submit(complete_draft, by=alice, at=now)

    assert Message.objects.get().recipient == maria.public_id
