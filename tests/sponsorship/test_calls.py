"""Calls as data: planned, opened, changed, paused, closed; and how credits reach them."""

import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from earthcode.audit.actors import System
from earthcode.audit.models import Event
from earthcode.identity.models import Organisation, User
from earthcode.ledger.actions import InsufficientCredits
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused
from earthcode.lib.money import credits
from earthcode.lifecycle import WrongState
from earthcode.notifications.models import Message
from earthcode.sponsorship import actions, calls, checks
from earthcode.sponsorship.models import Call, CallFunding, CallStatus, FundingStatus, ResourceRequest
from earthcode.sponsorship.rules import FIELDS, Rules
from tests.support.credits import call_balance

OPERATOR = System("operator")


def plan(by: Any, at: datetime, **terms: Any) -> Call:
    given = {"title": "Cryosphere 2027", "opens_on": date(2026, 11, 1), "ceiling": credits(2_000), **terms}
    return calls.plan_call(slug=given.pop("slug", "cryosphere-2027"), by=by, at=at, **given)


# --- the rules as values ---------------------------------------------------------------------------------------------


def test_rules_come_back_from_where_they_are_stored() -> None:
    rules = Rules(ceiling=5, months_max=6, case_words_max=300, decision_working_days=10, countries=("AT", "DE"))
    assert Rules.from_json(rules.as_json()) == rules
    assert Rules.from_json({**rules.as_json(), "a rule that was given up": 1}) == rules


def test_a_call_has_a_column_for_each_rule() -> None:
    assert set(FIELDS) <= {field.name for field in Call._meta.get_fields()}


# --- from planned to closed ------------------------------------------------------------------------------------------


def test_a_planned_call_takes_requests_once_it_is_opened(maria: User, now: datetime) -> None:
    call = plan(maria, now)
    assert call.status == CallStatus.PLANNED
    assert not Call.objects.open_on(now.date()).exists()  # type: ignore[attr-defined]

    calls.open_call(call, by=maria, at=now)

    assert list(Call.objects.open_on(now.date())) == [call]  # type: ignore[attr-defined]
    assert call.takes_requests_on(now.date())


@pytest.mark.parametrize("path", [("open", "pause"), ("open", "close"), ("close",)])
def test_a_paused_or_closed_call_takes_none(maria: User, now: datetime, path: tuple[str, ...]) -> None:
    call = plan(maria, now)
    for step in path:
        reason = {} if step == "open" else {"reason": "Enough for this year."}
        getattr(calls, f"{step}_call")(call, by=maria, at=now, **reason)
    assert not Call.objects.open_on(now.date()).exists()  # type: ignore[attr-defined]
    assert not call.takes_requests_on(now.date())


def test_a_paused_call_is_resumed_and_a_closed_one_is_not(maria: User, now: datetime) -> None:
    call = plan(maria, now)
    calls.open_call(call, by=maria, at=now)
    calls.pause_call(call, reason="The budget is looked at.", by=maria, at=now)
    calls.resume_call(call, by=maria, at=now)
    assert call.status == CallStatus.OPEN
    calls.close_call(call, reason="It is spent.", by=maria, at=now)
    with pytest.raises(WrongState):
        calls.resume_call(call, by=maria, at=now)
    with pytest.raises(calls.CallClosed):
        calls.change_call(call, title="Again", by=maria, at=now)


def test_a_call_whose_last_day_has_passed_is_not_opened(maria: User, now: datetime) -> None:
    call = plan(maria, now, closes_on=date(2026, 11, 1))
    with pytest.raises(InvalidInput) as refused:
        calls.open_call(call, by=maria, at=now)
    assert refused.value.field == "closes_on"
    assert Call.objects.get().status == CallStatus.PLANNED


def test_the_operator_of_the_site_may_plan_and_open(db: None, now: datetime) -> None:
    call = plan(OPERATOR, now)
    calls.open_call(call, by=OPERATOR, at=now)
    assert set(Event.objects.values_list("name", "actor_id")) == {
        ("call.plan", "system:operator"),
        ("call.open", "system:operator"),
    }


ACTIONS: dict[str, Callable[[Call, User, datetime], Any]] = {
    "plan": lambda _call, by, at: plan(by, at, slug="another"),
    "change": lambda call, by, at: calls.change_call(call, title="Other", by=by, at=at),
    "open": lambda call, by, at: calls.open_call(call, by=by, at=at),
    "close": lambda call, by, at: calls.close_call(call, reason="Why not.", by=by, at=at),
    "fund": lambda call, by, at: calls.propose_funding(call, amount=1, reason="Why.", key=uuid.uuid4(), by=by, at=at),
    "holiday": lambda _call, by, at: calls.add_holiday(day=date(2026, 12, 25), name="Christmas", by=by, at=at),
}


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("who", ["alice", "petra", "tomas", "stranger"])
def test_only_managers_look_after_calls(
    name: str, who: str, request: pytest.FixtureRequest, maria: User, now: datetime
) -> None:
    call = plan(maria, now)
    before = list(Call.objects.values()), Event.objects.count()
    with pytest.raises(NotPermitted):
        ACTIONS[name](call, request.getfixturevalue(who), now)
    assert (list(Call.objects.values()), Event.objects.count()) == before
    assert not CallFunding.objects.exists()


# --- its terms -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "  "),
        ("title", "x" * 201),
        ("opens_on", None),
        ("opens_on", date(1999, 1, 1)),
        ("closes_on", date(2026, 10, 31)),
        ("ceiling", 0),
        ("ceiling", -credits(1)),
        ("ceiling", 10**16),
        ("project_ceiling", credits(1)),
        ("two_managers_above", -1),
        ("months_max", 0),
        ("months_max", 61),
        ("decision_working_days", 0),
        ("case_words_max", 0),
        ("offer_days", 0),
        ("overdraft_percent", 101),
        ("grace_days", 366),
        ("final_report_days", -1),
        ("countries", ["AT", "Austria"]),
        ("countries", ["XX"]),
        ("project_types", ["military"]),
        ("endorsed_tiers", ["gold"]),
        ("summary", "x" * 20_001),
    ],
)
def test_a_term_that_cannot_be_is_refused_by_name(maria: User, now: datetime, field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        plan(maria, now, **{field: value})
    assert refused.value.field == field
    assert not Call.objects.exists()

    call = plan(maria, now)
    with pytest.raises(InvalidInput) as refused:
        calls.change_call(call, by=maria, at=now, **{field: value})
    assert refused.value.field == field
    assert Call.objects.get().version == 1


@pytest.mark.parametrize("slug", ["", "Two Words", "UPPER", "new", "x" * 61, "ein-ümlaut"])
def test_an_address_is_of_small_letters(maria: User, now: datetime, slug: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        plan(maria, now, slug=slug)
    assert refused.value.field == "slug"


def test_two_calls_of_one_address_are_refused(maria: User, now: datetime) -> None:
    plan(maria, now)
    with pytest.raises(calls.CallExists):
        plan(maria, now, title="Another")


def test_the_database_refuses_rules_beyond_reason(maria: User, now: datetime) -> None:
    call = plan(maria, now)
    for change in ({"months_max": 61}, {"project_ceiling": 1}, {"status": "gone"}, {"overdraft_percent": 200}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Call.objects.filter(pk=call.pk).update(**change)


def test_a_change_says_what_was_before_and_counts(maria: User, now: datetime) -> None:
    call = plan(maria, now)
    assert calls.change_call(call, months_max=6, countries=["DE", "AT", "DE"], by=maria, at=now)
    assert not calls.change_call(call, months_max=6, by=maria, at=now)
    assert (call.version, call.months_max, call.countries) == (2, 6, ["AT", "DE"])
    (event,) = Event.objects.filter(name="call.change")
    assert event.data["changes"]["months_max"] == {"before": 12, "after": 6}


# --- a change never alters a request that was sent -------------------------------------------------------------------


def test_a_request_keeps_the_rules_it_was_sent_under(
    sent_request: ResourceRequest, call: Call, alice: User, maria: User, now: datetime
) -> None:
    decide_by = sent_request.decide_by
    calls.change_call(
        call,
        ceiling=credits(1),
        months_max=1,
        case_words_max=1,
        decision_working_days=1,
        countries=["PL"],
        by=maria,
        at=now,
    )
    sent_request = ResourceRequest.objects.get()
    assert sent_request.rules is not None
    assert (sent_request.rules.ceiling, sent_request.decide_by) == (credits(6_000), decide_by)
    failed = [
        each.code
        for each in checks.findings_for(sent_request, sent_request.call, on=now.date())  # type: ignore[arg-type]
        if each.outcome == "fail"
    ]
    assert failed == []

    # A question is answered under the same rules, also where the call was closed since.
    actions.ask(sent_request, reason="How large?", by=maria, at=now)
    calls.close_call(call, reason="Spent.", by=maria, at=now)
    actions.submit(sent_request, by=alice, at=now + timedelta(days=1), answer="Very.")
    assert ResourceRequest.objects.get().rules == sent_request.rules
    actions.approve(sent_request, reason="Good.", by=maria, at=now + timedelta(days=1))
    assert sent_request.award.rules.ceiling == credits(6_000)


# --- which call fits -------------------------------------------------------------------------------------------------


def test_an_applicant_reads_why_a_call_does_not_fit(
    complete_draft: ResourceRequest, call: Call, maria: User, now: datetime
) -> None:
    for slug, terms in {
        "small": {"ceiling": credits(100)},
        "short": {"ceiling": credits(5_000), "months_max": 3},
        "polish": {"ceiling": credits(4_000), "countries": ["PL"]},
        "esa": {"ceiling": credits(3_000), "project_types": ["esa"]},
    }.items():
        other = plan(maria, now, slug=slug, title=slug.capitalize(), **terms)
        calls.open_call(other, by=maria, at=now)
    Organisation.objects.filter(slug="alpine-institute").update(country="AT")

    fits = checks.fits_for(ResourceRequest.objects.get(), on=now.date())

    assert [fit.call for fit in fits if fit.fits] == [call]
    reasons = {fit.call.slug: " ".join(fit.reasons) for fit in fits if not fit.fits}
    assert reasons == {
        "small": "Asks for 434.4 credits; Small allows 100 for one request.",
        "short": "Runs for 6 months; Short allows 3.",
        "polish": "Alpine Institute (Austria) is not in a country that Polish is for.",
        "esa": "Esa is for projects that are funded by ESA.",
    }
    assert checks.call_for(complete_draft, on=now.date()) == call


def test_the_applicant_chooses_the_call(
    complete_draft: ResourceRequest, call: Call, alice: User, maria: User, now: datetime
) -> None:
    wide = plan(maria, now, ceiling=credits(9_000))
    with pytest.raises(InvalidInput) as refused:
        actions.save_call(complete_draft, call=wide, by=alice, at=now)
    assert refused.value.field == "call"
    calls.open_call(wide, by=maria, at=now)
    actions.save_call(complete_draft, call=wide, by=alice, at=now)
    calls.pause_call(wide, reason="Later.", by=maria, at=now)
    with pytest.raises(actions.NoOpenCall) as closed:
        actions.submit(complete_draft, by=alice, at=now)
    assert closed.value.field == "call"
    actions.save_call(complete_draft, call=None, by=alice, at=now)
    actions.submit(complete_draft, by=alice, at=now)
    assert complete_draft.call == call


def test_earlier_awards_count_towards_the_ceiling_of_a_project(
    award: Any, call: Call, alice: User, maria: User, now: datetime
) -> None:
    calls.change_call(call, project_ceiling=credits(6_000), by=maria, at=now)
    second = actions.copy(award.resource_request, by=alice, at=now)
    assert checks.fits_for(second, on=now.date())[0].fits
    calls.change_call(call, ceiling=credits(500), project_ceiling=credits(500), by=maria, at=now)
    (fit,) = checks.fits_for(second, on=now.date())
    assert "434.4" in fit.reasons[0]


# --- credits by four eyes --------------------------------------------------------------------------------------------


def test_credits_reach_a_call_when_a_second_manager_agrees(maria: User, marc: User, now: datetime) -> None:
    call = plan(maria, now)
    key = uuid.uuid4()
    funding = calls.propose_funding(call, amount=credits(500), reason="The budget of 2027.", key=key, by=maria, at=now)
    assert call_balance(call.slug) == 0
    assert list(Message.objects.values_list("recipient", flat=True)) == [marc.public_id]
    again = calls.propose_funding(call, amount=credits(500), reason="The budget of 2027.", key=key, by=maria, at=now)
    assert again == funding

    with pytest.raises(Refused) as refused:
        calls.agree_funding(funding, by=maria, at=now)
    assert refused.value.code == "one_manager_only"
    assert call_balance(call.slug) == 0

    calls.agree_funding(funding, by=marc, at=now)
    assert call_balance(call.slug) == credits(500)
    with pytest.raises(WrongState):
        calls.agree_funding(funding, by=marc, at=now)
    assert call_balance(call.slug) == credits(500)


def test_what_the_operator_proposes_a_manager_agrees_to(maria: User, now: datetime) -> None:
    call = plan(OPERATOR, now)
    funding = calls.propose_funding(call, amount=credits(5), reason="Start.", key=uuid.uuid4(), by=OPERATOR, at=now)
    calls.agree_funding(funding, by=maria, at=now)
    assert call_balance(call.slug) == credits(5)


def test_a_proposal_that_is_declined_moves_nothing(maria: User, marc: User, now: datetime) -> None:
    call = plan(maria, now)
    funding = calls.propose_funding(call, amount=credits(5), reason="Start.", key=uuid.uuid4(), by=maria, at=now)
    calls.decline_funding(funding, reason="Not this year.", by=marc, at=now)
    with pytest.raises(WrongState):
        calls.agree_funding(funding, by=marc, at=now)
    assert call_balance(call.slug) == 0


def test_a_key_stands_for_one_proposal(maria: User, now: datetime) -> None:
    call = plan(maria, now)
    key = uuid.uuid4()
    calls.propose_funding(call, amount=credits(5), reason="Start.", key=key, by=maria, at=now)
    with pytest.raises(InvalidInput, match="different values"):
        calls.propose_funding(call, amount=credits(6), reason="Start.", key=key, by=maria, at=now)


@pytest.mark.parametrize("amount", [0, -1, 10**15 + 1, 10**30])
def test_an_amount_that_cannot_be_is_refused(maria: User, now: datetime, amount: int) -> None:
    call = plan(maria, now)
    with pytest.raises(InvalidInput) as refused:
        calls.propose_funding(call, amount=amount, reason="Start.", key=uuid.uuid4(), by=maria, at=now)
    assert refused.value.field == "amount"
    assert not CallFunding.objects.exists()


def test_credits_move_from_one_call_to_another(call: Call, maria: User, marc: User, now: datetime) -> None:
    target = plan(maria, now)
    move = calls.propose_funding(
        target, amount=credits(30_000), source=call, reason="More is asked there.", key=uuid.uuid4(), by=maria, at=now
    )
    calls.agree_funding(move, by=marc, at=now)
    assert (call_balance(call.slug), call_balance(target.slug)) == (credits(70_000), credits(30_000))


def test_more_than_the_other_call_has_free_is_not_moved(call: Call, maria: User, marc: User, now: datetime) -> None:
    target = plan(maria, now)
    move = calls.propose_funding(
        target, amount=credits(100_001), source=call, reason="All.", key=uuid.uuid4(), by=maria, at=now
    )
    with pytest.raises(InsufficientCredits):
        calls.agree_funding(move, by=marc, at=now)
    assert (call_balance(call.slug), call_balance(target.slug)) == (credits(100_000), 0)
    assert CallFunding.objects.get().status == FundingStatus.WAITING


def test_closing_a_call_declines_what_waits_for_it(maria: User, marc: User, now: datetime) -> None:
    call = plan(maria, now)
    funding = calls.propose_funding(call, amount=credits(5), reason="Start.", key=uuid.uuid4(), by=maria, at=now)
    calls.close_call(call, reason="Not held.", by=maria, at=now)
    with pytest.raises(WrongState):
        calls.agree_funding(funding, by=marc, at=now)
    with pytest.raises(calls.CallClosed):
        calls.propose_funding(call, amount=credits(5), reason="Start.", key=uuid.uuid4(), by=maria, at=now)


def test_the_database_has_four_eyes_as_well(maria: User, now: datetime) -> None:
    call = plan(maria, now)
    funding = calls.propose_funding(call, amount=credits(5), reason="Start.", key=uuid.uuid4(), by=maria, at=now)
    with pytest.raises(IntegrityError), transaction.atomic():
        CallFunding.objects.filter(pk=funding.pk).update(status=FundingStatus.AGREED, decided_by=maria)


# --- the clock -------------------------------------------------------------------------------------------------------


def test_holidays_stop_the_clock_of_decisions(
    complete_draft: ResourceRequest, call: Call, alice: User, maria: User, now: datetime
) -> None:
    for day in (date(2026, 11, 3), date(2026, 11, 16), date(2026, 11, 7)):
        calls.add_holiday(day=day, name="A holiday", by=maria, at=now)
    extra = calls.add_holiday(day=date(2026, 11, 4), name="A mistake", by=maria, at=now)
    calls.remove_holiday(extra, by=maria, at=now)
    actions.submit(complete_draft, by=alice, at=now)
    # Monday 16 November without holidays; two of the three fall on working days, and the 16th is one of them.
    assert complete_draft.decide_by == date(2026, 11, 18)
