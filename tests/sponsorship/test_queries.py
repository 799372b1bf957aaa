"""What a call's budget has come to, and what a manager looks at beside a request."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext

from earthcode.catalogue.models import Plan
from earthcode.catalogue.pricing import Workload
from earthcode.identity.models import Project, User
from earthcode.ledger import actions as books
from earthcode.lib.money import credits
from earthcode.provisioning.models import Allocation
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import Award, Call, RequestStatus, ResourceRequest
from earthcode.sponsorship.queries import budgets, calls_in_use, dossiers, with_offerings


def test_a_fresh_call_is_all_free(call: Call) -> None:
    (budget,) = budgets(Call.objects.all())

    assert (budget.total, budget.free, budget.committed, budget.spent) == (credits(100_000), credits(100_000), 0, 0)


def test_what_was_granted_is_committed_and_what_was_used_is_spent(call: Call, award: Award, now: datetime) -> None:
    allocation = Allocation.objects.order_by("pk").first()
    assert allocation is not None
    books.capture(allocation.hold_id, credits(100), key=uuid.uuid4(), by=award.resource_request.created_by, at=now)

    (budget,) = budgets(Call.objects.all())

    assert budget.total == credits(100_000)
    assert budget.free == credits("99565.6")
    assert budget.spent == credits(100)
    assert budget.committed == credits("334.4")


def test_the_budgets_of_calls_do_not_mix(call: Call, award: Award, maria: User, now: datetime) -> None:
    other = Call.objects.create(slug="open-science-2026-b", title="Other", opens_on=date(2026, 1, 1), ceiling=1)
    books.fund(other.slug, credits(5), key=uuid.uuid4(), by=maria, at=now)

    found = {budget.call.slug: budget for budget in budgets(Call.objects.all())}

    assert (found[other.slug].total, found[other.slug].committed) == (credits(5), 0)
    assert found[call.slug].committed == credits("434.4")


def test_budgets_take_two_queries_however_many_calls_there_are(
    call: Call, hub_plan: Plan, django_assert_num_queries: Callable[[int], CaptureQueriesContext]
) -> None:
    for number in range(20):
        Call.objects.create(slug=f"c{number}", title=f"C {number}", opens_on=date(2026, 1, 1), ceiling=1)

    with django_assert_num_queries(2):
        assert len(budgets(Call.objects.all())) == 21


@pytest.mark.parametrize(
    ("opens_on", "closes_on", "shown"),
    [
        (date(2026, 1, 1), None, True),
        (date(2026, 1, 1), date(2026, 11, 2), True),
        (date(2026, 1, 1), date(2026, 11, 1), False),
        (date(2026, 12, 1), None, False),
    ],
)
def test_calls_in_use_are_the_open_ones(
    db: None, now: datetime, opens_on: date, closes_on: date | None, shown: bool
) -> None:
    Call.objects.create(slug="c", title="C", opens_on=opens_on, closes_on=closes_on, ceiling=1)

    assert calls_in_use(now.date()).exists() == shown


def test_a_closed_call_is_in_use_while_it_has_requests_to_decide(
    sent_request: ResourceRequest, call: Call, maria: User, now: datetime
) -> None:
    call.closes_on = date(2026, 10, 31)
    call.save()
    assert list(calls_in_use(now.date())) == [call]

    sponsorship.reject(sent_request, reason="No.", by=maria, at=now)

    assert not calls_in_use(now.date()).exists()


def test_the_offerings_come_in_the_order_of_the_lines(complete_draft: ResourceRequest) -> None:
    found = with_offerings(ResourceRequest.objects.all()).get()

    assert found.offering_names == ["Notebooks on Coastal Hub", "Batch on Batch Cluster"]  # type: ignore[attr-defined]  # annotated


# --- the dossier -----------------------------------------------------------------------------------------------------


def similar_to(resource_request: ResourceRequest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dossiers().get(pk=resource_request.pk).similar  # type: ignore[attr-defined]  # annotated
    return found


@pytest.fixture
def another(
    project: Project, batch_plan: Plan, workload: Workload, call: Call, alice: User, now: datetime
) -> ResourceRequest:
    """A second request, for the batch cluster alone, sent."""
    other = sponsorship.start(title="Second", project=project, by=alice, at=now)
    sponsorship.save_line(other, plan=batch_plan, workload=replace(workload, vcpu=16), by=alice, at=now)
    sponsorship.save_period(other, starts_on=date(2026, 12, 1), by=alice, at=now)
    sponsorship.save_case(other, science_case="Why.", by=alice, at=now)
    sponsorship.save_declarations(other, non_commercial=True, no_provider_tie=True, will_publish=True, by=alice, at=now)
    sponsorship.submit(other, by=alice, at=now)
    return other


def test_similar_requests_share_a_platform(
    sent_request: ResourceRequest, another: ResourceRequest, maria: User, now: datetime
) -> None:
    assert similar_to(sent_request) == [{"asked": credits(288), "granted": None}]
    assert similar_to(another) == [{"asked": credits("434.4"), "granted": None}]

    sponsorship.approve(another, reason="Yes.", by=maria, at=now)

    assert similar_to(sent_request) == [{"asked": credits(288), "granted": credits(288)}]


def test_a_request_is_not_similar_to_itself_nor_to_drafts_nor_to_what_was_taken_back(
    sent_request: ResourceRequest, another: ResourceRequest, alice: User, now: datetime
) -> None:
    sponsorship.copy(sent_request, by=alice, at=now)
    sponsorship.withdraw(another, by=alice, at=now)

    assert similar_to(sent_request) == []


def test_requests_on_other_platforms_are_not_similar(
    sent_request: ResourceRequest, another: ResourceRequest, batch_plan: Plan, hub_plan: Plan
) -> None:
    sent_request.lines.filter(plan=batch_plan).delete()

    assert similar_to(sent_request) == []


def test_the_leader_is_first_among_the_people(sent_request: ResourceRequest) -> None:
    people = dossiers().get(pk=sent_request.pk).people  # type: ignore[attr-defined]  # annotated

    assert [(each["name"], each["role"], each["organisation"]) for each in people] == [
        ("Alice Martin", "pi", "Alpine Institute"),
        ("Ben Okafor", "member", "Alpine Institute"),
    ]


def test_dossiers_take_three_queries(
    sent_request: ResourceRequest,
    another: ResourceRequest,
    django_assert_num_queries: Callable[[int], CaptureQueriesContext],
) -> None:
    with django_assert_num_queries(3):
        for dossier in dossiers():
            assert dossier.project is not None
            assert [line.plan.offering.platform.provider for line in dossier.lines.all()]
            assert dossier.checks.all()
            assert not hasattr(dossier, "endorsement")


def test_editable_by_says_the_same_as_may_be_edited_by(
    draft: ResourceRequest,
    sent_request: ResourceRequest,
    alice: User,
    ben: User,
    maria: User,
    stranger: User,
    now: datetime,
) -> None:
    sponsorship.start(title="Without a project", by=stranger, at=now)
    sponsorship.start(title="Without a project", by=ben, at=now)

    for user in (alice, ben, maria, stranger):
        editable = set(ResourceRequest.objects.editable_by(user))
        assert editable == {each for each in ResourceRequest.objects.all() if each.may_be_edited_by(user)}
    assert ResourceRequest.objects.exclude(status=RequestStatus.DRAFT).get() == sent_request
