"""Part awards, decisions by two managers, and checks that are made again when credits move."""

import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from earthcode.audit.actors import System
from earthcode.identity.models import Organisation, RoleGrant, User
from earthcode.identity.roles import Role
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused
from earthcode.lib.money import credits
from earthcode.lifecycle import WrongState
from earthcode.notifications.models import Message
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning.models import Allocation
from earthcode.sponsorship import actions, calls
from earthcode.sponsorship.models import Award, Call, Decision, RequestStatus, ResourceRequest
from tests.support.credits import call_balance
from tests.support.people import fresh
from tests.support.races import at_once

Everything = Callable[[], list[list[Any]]]


def part_of(resource_request: ResourceRequest, *amounts: str) -> dict[int, int]:
    """Line → micro-credits, in the order of the lines."""
    lines = resource_request.lines.order_by("pk")
    return {line.pk: credits(amount) for line, amount in zip(lines, amounts, strict=True)}


@pytest.fixture
def offered(sent_request: ResourceRequest, maria: User, now: datetime) -> ResourceRequest:
    """100 of 290.4 credits for the first line, nothing of 144 for the second."""
    actions.offer(sent_request, amounts=part_of(sent_request, "100", "0"), reason="One platform.", by=maria, at=now)
    return sent_request


# --- a part award ----------------------------------------------------------------------------------------------------


def test_an_offer_keeps_its_credits_until_it_is_answered(offered: ResourceRequest, call: Call, alice: User) -> None:
    assert offered.status == RequestStatus.OFFERED
    assert offered.offer_until == date(2026, 11, 16)
    assert call_balance(call.slug) == credits(99_900)
    assert not Award.objects.exists()
    assert Message.objects.filter(recipient=alice.public_id, subject__contains="100 credits offered").exists()


def test_an_accepted_offer_is_an_award_of_what_was_offered(
    offered: ResourceRequest, call: Call, alice: User, now: datetime
) -> None:
    award = provisioning.accept_offer(offered, by=alice, at=now)

    assert (award.amount, offered.status) == (credits(100), RequestStatus.APPROVED)
    (allocation,) = Allocation.objects.all()
    assert allocation.amount == credits(100)
    assert allocation.terms
    assert call_balance(call.slug) == credits(99_900)


def test_a_declined_offer_gives_its_credits_back(
    offered: ResourceRequest, call: Call, alice: User, now: datetime
) -> None:
    actions.decline(offered, reason="Too little.", by=alice, at=now)
    assert offered.status == RequestStatus.DECLINED
    assert call_balance(call.slug) == credits(100_000)
    with pytest.raises(WrongState):
        provisioning.accept_offer(offered, by=alice, at=now)


def test_an_offer_lapses_by_the_clock(offered: ResourceRequest, call: Call, alice: User, now: datetime) -> None:
    last_day, later = now + timedelta(days=14), now + timedelta(days=15)
    assert actions.lapse_offers(at=last_day) == 0
    with pytest.raises(actions.OfferOver):
        provisioning.accept_offer(offered, by=alice, at=later)
    for _ in range(2):
        actions.remind_of_offers(at=last_day)
    assert Message.objects.filter(subject__contains="accept the offer by", recipient=alice.public_id).count() == 1
    assert [actions.lapse_offers(at=later) for _ in range(2)] == [1, 0]
    offered.refresh_from_db()
    assert offered.status == RequestStatus.DECLINED
    assert call_balance(call.slug) == credits(100_000)


@pytest.mark.parametrize(
    ("amounts", "field"),
    [
        (("290.400001", "0"), "line-"),
        (("-1", "5"), "line-"),
        (("0", "0"), "amounts"),
        (("290.4", "144"), "amounts"),
    ],
)
def test_an_offer_that_cannot_be_is_refused(
    sent_request: ResourceRequest,
    everything: Everything,
    maria: User,
    now: datetime,
    amounts: tuple[str, str],
    field: str,
) -> None:
    before = everything()
    with pytest.raises(InvalidInput) as refused:
        actions.offer(sent_request, amounts=part_of(sent_request, *amounts), reason="Part.", by=maria, at=now)
    assert (refused.value.field or "").startswith(field)
    assert everything() == before


def test_an_offer_says_something_of_every_line(sent_request: ResourceRequest, maria: User, now: datetime) -> None:
    some = dict(list(part_of(sent_request, "100", "0").items())[:1])
    with pytest.raises(InvalidInput):
        actions.offer(sent_request, amounts=some, reason="Part.", by=maria, at=now)


def test_more_than_the_call_has_is_not_offered(
    complete_draft: ResourceRequest, alice: User, maria: User, now: datetime
) -> None:
    call = calls.plan_call(
        slug="empty", title="Empty", opens_on=date(2026, 1, 1), ceiling=credits(6_000), by=maria, at=now
    )
    calls.open_call(call, by=maria, at=now)
    actions.submit(complete_draft, by=alice, at=now)
    with pytest.raises(Refused) as refused:
        actions.offer(complete_draft, amounts=part_of(complete_draft, "100", "0"), reason="P.", by=maria, at=now)
    assert refused.value.code == "insufficient_credits"
    assert not Decision.objects.exists()


@pytest.mark.parametrize("who", ["ben", "maria", "petra", "stranger"])
def test_only_the_leader_answers_an_offer(
    offered: ResourceRequest, everything: Everything, who: str, request: pytest.FixtureRequest, now: datetime
) -> None:
    by = fresh(request.getfixturevalue(who))
    before = everything()
    for answer in (provisioning.accept_offer, actions.decline):
        with pytest.raises(NotPermitted):
            answer(offered, by=by, at=now)
    assert everything() == before


@pytest.mark.parametrize("who", ["alice", "petra", "tomas", "stranger"])
def test_only_a_manager_without_interest_offers(
    sent_request: ResourceRequest, everything: Everything, who: str, request: pytest.FixtureRequest, now: datetime
) -> None:
    by = request.getfixturevalue(who)
    before = everything()
    with pytest.raises(Refused):
        actions.offer(sent_request, amounts=part_of(sent_request, "100", "0"), reason="Part.", by=by, at=now)
    assert everything() == before


# --- two managers ----------------------------------------------------------------------------------------------------


@pytest.fixture
def large(complete_draft: ResourceRequest, call: Call, alice: User, maria: User, now: datetime) -> ResourceRequest:
    """Asks for more than one manager may grant."""
    calls.change_call(call, two_managers_above=credits(400), by=maria, at=now)
    actions.submit(complete_draft, by=alice, at=now)
    return complete_draft


def test_a_large_amount_needs_two_managers(large: ResourceRequest, maria: User, marc: User, now: datetime) -> None:
    for manager in (maria, marc):
        with pytest.raises(Refused) as refused:
            provisioning.grant(large, reason="Good.", by=manager, at=now)
        assert refused.value.code == "second_manager_needed"

    actions.approve_first(large, reason="Good.", by=maria, at=now)
    assert not Award.objects.exists()
    assert Message.objects.filter(recipient=marc.public_id, subject__contains="second officer").exists()
    with pytest.raises(Refused) as again:
        provisioning.grant(large, reason="Good.", by=maria, at=now)
    assert again.value.code == "second_manager_needed"
    with pytest.raises(WrongState):
        actions.approve_first(large, reason="Good.", by=marc, at=now)

    assert provisioning.grant(large, reason="I agree.", by=marc, at=now).amount == credits("434.4")


def test_a_first_approval_is_of_what_was_asked_then(
    large: ResourceRequest, alice: User, maria: User, marc: User, now: datetime
) -> None:
    actions.approve_first(large, reason="Good.", by=maria, at=now)
    actions.ask(large, reason="How much?", by=marc, at=now)
    actions.submit(large, by=alice, at=now + timedelta(hours=1), answer="This much.")
    with pytest.raises(Refused) as refused:
        provisioning.grant(large, reason="Good.", by=marc, at=now + timedelta(hours=2))
    assert refused.value.code == "second_manager_needed"


def test_one_manager_is_enough_for_a_small_amount(sent_request: ResourceRequest, maria: User, now: datetime) -> None:
    with pytest.raises(WrongState):
        actions.approve_first(sent_request, reason="Good.", by=maria, at=now)


# --- today's facts ---------------------------------------------------------------------------------------------------


def join(project: Any, user: User, by: User, at: datetime) -> None:
    from earthcode.identity import projects

    projects.add_member(project, user=user, by=by, at=at)


def test_who_joined_after_the_sending_counts_at_the_decision(
    sent_request: ResourceRequest, everything: Everything, alice: User, petra: User, maria: User, now: datetime
) -> None:
    assert sent_request.checks.get(code="provider_tie").outcome == "pass"
    join(sent_request.project, petra, alice, now)
    before = everything()
    for decide in (
        lambda: provisioning.grant(sent_request, reason="Good.", by=maria, at=now),
        lambda: actions.offer(
            sent_request, amounts=part_of(sent_request, "100", "0"), reason="Part.", by=maria, at=now
        ),
    ):
        with pytest.raises(Refused) as refused:
            decide()
        assert refused.value.code == "check_failed"
        assert "Hub House" in refused.value.message
    assert everything() == before


def test_who_joined_after_the_offer_counts_when_it_is_accepted(
    offered: ResourceRequest, alice: User, petra: User, now: datetime
) -> None:
    join(offered.project, petra, alice, now)
    with pytest.raises(Refused) as refused:
        provisioning.accept_offer(offered, by=fresh(alice), at=now)
    assert refused.value.code == "check_failed"
    assert not Award.objects.exists()


def test_what_the_checks_said_on_the_day_is_kept_with_the_decision(
    sent_request: ResourceRequest, maria: User, now: datetime
) -> None:
    provisioning.grant(sent_request, reason="Good.", by=maria, at=now)
    found = {each["code"]: each["outcome"] for each in Decision.objects.get().findings}
    assert found["provider_tie"] == "pass"
    assert set(found) >= {"ceiling", "budget", "period", "case", "prices"}


# --- conflicts of interest, as one table -----------------------------------------------------------------------------

TIES: dict[str, Callable[..., None]] = {
    "none": lambda _person, **_: None,
    "member of the project": lambda person, project, alice, now, **_: join(project, person, alice, now),
    "works for the organisation that asks": lambda person, institute, **_: _work_for(person, institute),
    "works for the provider": lambda person, provider, **_: _work_for(person, provider),
    "looks after the provider": lambda person, provider, now, **_: _look_after(person, provider, now),
}


def _work_for(person: User, organisation: Organisation) -> None:
    person.organisation = organisation
    person.save(update_fields=["organisation"])


def _look_after(person: User, provider: Organisation, now: datetime) -> None:
    RoleGrant.objects.create(
        user=person, role=Role.PROVIDER_ADMINISTRATOR, organisation=provider, claim="groups=x", granted_at=now
    )


@pytest.mark.parametrize("moment", ["before sending", "after sending", "after an offer"])
@pytest.mark.parametrize("role", ["manager", "member"])
@pytest.mark.parametrize("tie", TIES)
def test_nobody_decides_or_gains_by_a_tie(
    complete_draft: ResourceRequest,
    call: Call,
    provider: Organisation,
    institute: Organisation,
    alice: User,
    ben: User,
    maria: User,
    marc: User,
    now: datetime,
    tie: str,
    role: str,
    moment: str,
) -> None:
    """A tie of the manager refuses the manager; a tie of a member to a provider refuses the award, whenever it came about."""
    person = maria if role == "manager" else ben
    given = {
        "project": complete_draft.project,
        "alice": alice,
        "institute": institute,
        "provider": provider,
        "now": now,
    }

    def tied() -> None:
        TIES[tie](person, **given)

    if moment == "before sending":
        tied()
    actions.submit(complete_draft, by=fresh(alice), at=now)
    if moment == "after sending":
        tied()
    if moment == "after an offer":
        part = part_of(complete_draft, "100", "0")
        actions.offer(complete_draft, amounts=part, reason="Part.", by=fresh(marc), at=now)
        tied()
        award = lambda: provisioning.accept_offer(complete_draft, by=fresh(alice), at=now)  # noqa: E731
    else:
        award = lambda: provisioning.grant(complete_draft, reason="Good.", by=fresh(maria), at=now)  # noqa: E731
    to_a_provider = tie in ("works for the provider", "looks after the provider")
    if role == "manager":
        # A manager who joins the project, or works for those who ask, is nobody's provider.
        in_project_and_provider = False
        refused = tie != "none" if moment != "after an offer" else in_project_and_provider
    else:
        refused = to_a_provider
    if refused:
        with pytest.raises(Refused) as refusal:
            award()
        assert refusal.value.code in ("conflict_of_interest", "check_failed")
        assert not Award.objects.exists()
    else:
        assert award().amount


# --- at once ---------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_accepting_declining_and_lapsing_at_once_is_one_answer(
    offered: ResourceRequest, call: Call, alice: User, now: datetime
) -> None:
    def copy() -> ResourceRequest:
        return ResourceRequest.objects.get(pk=offered.pk)

    outcomes = at_once(
        *(lambda: provisioning.accept_offer(copy(), by=fresh(alice), at=now) for _ in range(4)),
        *(lambda: actions.decline(copy(), by=fresh(alice), at=now) for _ in range(4)),
    )
    assert sum(isinstance(outcome, Refused) for outcome in outcomes) == 7
    accepted = copy().status == RequestStatus.APPROVED
    assert Award.objects.count() == accepted
    assert call_balance(call.slug) == credits(99_900 if accepted else 100_000)


@pytest.mark.django_db(transaction=True)
def test_agreeing_to_a_funding_at_once_moves_it_once(call: Call, maria: User, marc: User, now: datetime) -> None:
    funding = calls.propose_funding(
        call, amount=credits(5), reason="More.", key=uuid.uuid4(), by=System("operator"), at=now
    )

    def copy() -> Any:
        return type(funding).objects.get(pk=funding.pk)

    outcomes = at_once(*(lambda by=by: calls.agree_funding(copy(), by=fresh(by), at=now) for by in (maria, marc) * 4))
    assert sum(isinstance(outcome, Refused) for outcome in outcomes) == 7
    assert call_balance(call.slug) == credits(100_005)
