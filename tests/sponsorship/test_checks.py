"""What is looked at automatically."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest

from earthcode.catalogue.models import Plan, Rate, Tier
from earthcode.catalogue.pricing import Workload
from earthcode.identity import projects
from earthcode.identity.models import Organisation, User
from earthcode.lib.money import credits
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship import checks
from earthcode.sponsorship.models import Call, Outcome, ResourceRequest

PASS, WARN, FAIL = Outcome.PASS, Outcome.WARN, Outcome.FAIL


def outcome_of(resource_request: ResourceRequest, call: Call, code: str, on: date) -> Outcome | None:
    found = [each for each in checks.findings_for(resource_request, call, on=on) if each.code == code]
    assert len(found) <= 1
    assert all(each.sentence.endswith(".") for each in found)
    return found[0].outcome if found else None


@pytest.fixture
def outcome(complete_draft: ResourceRequest, call: Call, now: datetime) -> Callable[[str], Outcome | None]:
    """``outcome("country")``: what that check says of the complete draft now."""

    def look(code: str) -> Outcome | None:
        stored = ResourceRequest.objects.get(pk=complete_draft.pk)
        return outcome_of(stored, Call.objects.get(pk=call.pk), code, now.date())

    return look


# --- what is missing -------------------------------------------------------------------------------------------------


def test_nothing_is_missing_from_a_complete_draft(complete_draft: ResourceRequest) -> None:
    assert checks.missing_from(complete_draft) == []


def test_an_empty_draft_lacks_every_task_in_the_order_of_the_hub(alice: User, now: datetime) -> None:
    draft = sponsorship.start(title="Ice", by=alice, at=now)

    tasks = [each.task for each in checks.missing_from(draft)]
    assert tasks == ["project", "platforms", "period", "case", "check", "check"]


@pytest.mark.parametrize(
    ("change", "task"),
    [
        ({"project": None}, "project"),
        ({"starts_on": None}, "period"),
        ({"science_case": " \n "}, "case"),
        ({"non_commercial": False}, "check"),
        ({"no_provider_tie": False}, "check"),
    ],
)
def test_each_task_is_missed(complete_draft: ResourceRequest, change: dict[str, Any], task: str) -> None:
    for name, value in change.items():
        setattr(complete_draft, name, value)

    assert [each.task for each in checks.missing_from(complete_draft)] == [task]


def test_the_promise_to_publish_may_be_left_out(complete_draft: ResourceRequest) -> None:
    complete_draft.will_publish = False

    assert checks.missing_from(complete_draft) == []


# --- which call ------------------------------------------------------------------------------------------------------


def test_the_smallest_call_that_covers_the_request_is_chosen(
    complete_draft: ResourceRequest, call: Call, now: datetime
) -> None:
    small = Call.objects.create(slug="small", title="Small", opens_on=date(2026, 1, 1), ceiling=credits(500))
    tiny = Call.objects.create(slug="tiny", title="Tiny", opens_on=date(2026, 1, 1), ceiling=credits(400))

    assert checks.call_for(complete_draft, on=now.date()) == small
    small.delete()
    assert checks.call_for(complete_draft, on=now.date()) == call
    call.delete()
    # None covers the 434.4 credits: the request goes to the largest, where the check says that it asks too much.
    assert checks.call_for(complete_draft, on=now.date()) == tiny


@pytest.mark.parametrize(
    ("opens_on", "closes_on", "is_open"),
    [
        (date(2026, 11, 2), None, True),
        (date(2026, 11, 3), None, False),
        (date(2026, 1, 1), date(2026, 11, 2), True),
        (date(2026, 1, 1), date(2026, 11, 1), False),
    ],
)
def test_only_open_calls_take_requests(
    complete_draft: ResourceRequest, now: datetime, opens_on: date, closes_on: date | None, is_open: bool
) -> None:
    call = Call.objects.create(slug="c", title="C", opens_on=opens_on, closes_on=closes_on, ceiling=credits(6000))

    assert checks.call_for(complete_draft, on=now.date()) == (call if is_open else None)


# --- findings --------------------------------------------------------------------------------------------------------


def test_a_sound_request_passes_every_check(complete_draft: ResourceRequest, call: Call, now: datetime) -> None:
    findings = checks.findings_for(complete_draft, call, on=now.date())

    assert {each.outcome for each in findings} == {PASS}


@pytest.mark.parametrize(("countries", "expected"), [([], None), (["AT", "DE"], PASS), (["FR"], FAIL)])
def test_the_country_of_the_organisation_counts(
    outcome: Callable[[str], Outcome | None], call: Call, countries: list[str], expected: Outcome | None
) -> None:
    call.countries = countries
    call.save()

    assert outcome("country") == expected


def test_an_unknown_country_is_pointed_out(
    outcome: Callable[[str], Outcome | None], call: Call, institute: Organisation
) -> None:
    call.countries = ["AT"]
    call.save()
    institute.country = ""
    institute.save()

    assert outcome("country") == WARN


def test_a_member_who_works_for_a_provider_is_a_tie(
    outcome: Callable[[str], Outcome | None],
    complete_draft: ResourceRequest,
    petra: User,
    alice: User,
    now: datetime,
) -> None:
    assert outcome("provider_tie") == PASS
    assert complete_draft.project is not None

    projects.add_member(complete_draft.project, user=petra, by=alice, at=now)

    assert outcome("provider_tie") == FAIL


def test_a_project_of_a_provider_is_a_tie(
    outcome: Callable[[str], Outcome | None], complete_draft: ResourceRequest, other_provider: Organisation
) -> None:
    assert complete_draft.project is not None
    complete_draft.project.organisation = other_provider
    complete_draft.project.save()

    assert outcome("provider_tie") == FAIL


@pytest.mark.parametrize(("ceiling", "expected"), [("434.4", PASS), ("434.399999", FAIL)])
def test_the_ceiling_of_the_call(
    outcome: Callable[[str], Outcome | None], call: Call, ceiling: str, expected: Outcome
) -> None:
    call.ceiling = credits(ceiling)
    call.save()

    assert outcome("ceiling") == expected


@pytest.mark.parametrize(
    ("budget", "expected"), [("434.399999", WARN), ("434.4", WARN), ("1085.999999", WARN), ("1086", PASS)]
)
def test_the_share_of_what_is_left_in_the_call(
    complete_draft: ResourceRequest, now: datetime, budget: str, expected: Outcome, alice: User
) -> None:
    import uuid

    from earthcode.ledger import actions as ledger

    call = Call.objects.create(slug="c", title="C", opens_on=date(2026, 1, 1), ceiling=credits(6000))
    ledger.fund(call.slug, credits(budget), key=uuid.uuid4(), by=alice, at=now)

    assert outcome_of(complete_draft, call, "budget", now.date()) == expected


def test_a_call_without_any_credits_is_pointed_out(complete_draft: ResourceRequest, now: datetime) -> None:
    call = Call.objects.create(slug="c", title="C", opens_on=date(2026, 1, 1), ceiling=credits(6000))

    assert outcome_of(complete_draft, call, "budget", now.date()) == WARN


@pytest.mark.parametrize(("months_max", "expected"), [(6, PASS), (5, FAIL)])
def test_the_longest_line_must_fit_the_call(
    outcome: Callable[[str], Outcome | None], call: Call, months_max: int, expected: Outcome
) -> None:
    call.months_max = months_max
    call.save()

    assert outcome("period") == expected


@pytest.mark.parametrize(("words", "expected"), [(300, PASS), (301, FAIL)])
def test_the_length_of_the_science_case(
    outcome: Callable[[str], Outcome | None],
    complete_draft: ResourceRequest,
    alice: User,
    now: datetime,
    words: int,
    expected: Outcome,
) -> None:
    sponsorship.save_case(complete_draft, science_case="word " * words, by=alice, at=now)

    assert outcome("case") == expected


def test_prices_that_changed_since_the_estimate_are_pointed_out(
    outcome: Callable[[str], Outcome | None], hub_plan: Plan, now: datetime
) -> None:
    assert outcome("prices") == PASS
    rate = Rate.objects.filter(component__plan=hub_plan).first()
    assert rate is not None

    Rate.objects.filter(pk=rate.pk).update(valid=type(rate.valid)(rate.valid.lower, now.date()))
    rate.pk = None
    rate.valid = type(rate.valid)(now.date(), None)
    rate.micro_per_unit *= 2
    rate.save()

    assert outcome("prices") == WARN


def test_an_offering_that_is_not_sponsored_fails(outcome: Callable[[str], Outcome | None], hub_plan: Plan) -> None:
    assert outcome("sponsorable") is None

    hub_plan.offering.sponsorable = False
    hub_plan.offering.save()

    assert outcome("sponsorable") == FAIL


def test_an_offering_of_an_endorsed_tier_is_pointed_out(
    outcome: Callable[[str], Outcome | None], hub_plan: Plan
) -> None:
    assert outcome("endorsement") is None

    hub_plan.offering.tier = Tier.RESOURCE
    hub_plan.offering.save()

    assert outcome("endorsement") == WARN


def test_no_promise_to_publish_is_pointed_out(
    outcome: Callable[[str], Outcome | None], complete_draft: ResourceRequest
) -> None:
    complete_draft.will_publish = False
    complete_draft.save()

    assert outcome("publication") == WARN


def test_each_line_is_priced_for_its_own_workload(
    outcome: Callable[[str], Outcome | None],
    complete_draft: ResourceRequest,
    hub_plan: Plan,
    workload: Workload,
    alice: User,
    now: datetime,
) -> None:
    sponsorship.save_line(complete_draft, plan=hub_plan, workload=replace(workload, vcpu=16), by=alice, at=now)

    assert outcome("prices") == PASS
