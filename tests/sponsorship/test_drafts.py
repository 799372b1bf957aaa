"""Filling in a request."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from earthcode.audit.models import Event
from earthcode.catalogue.models import Plan
from earthcode.catalogue.pricing import Quote, Workload
from earthcode.identity import projects
from earthcode.identity.models import Project, User
from earthcode.lib.errors import InvalidInput, NotPermitted
from earthcode.lib.money import credits
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import RequestLine, RequestStatus, ResourceRequest
from tests.support.people import fresh

Everything = Callable[[], list[list[Any]]]


# --- starting --------------------------------------------------------------------------------------------------------


def test_a_draft_has_a_reference_of_its_year_from_the_start(alice: User, project: Project, now: datetime) -> None:
    first = sponsorship.start(title=" Snow ", project=project, by=alice, at=now)
    second = sponsorship.start(title="Ice", project=project, by=alice, at=now)

    assert first.title == "Snow"
    assert first.status == RequestStatus.DRAFT
    assert first.reference.startswith("NOR-2026-")
    assert first.reference != second.reference
    assert Event.objects.filter(name="resource_request.start", subject_id=str(first.pk)).count() == 1


def test_a_member_may_start_a_draft_too(ben: User, project: Project, now: datetime) -> None:
    draft = sponsorship.start(title="Ice", project=project, by=ben, at=now)

    assert draft.may_be_edited_by(ben)


@pytest.mark.parametrize("title", ["", "   ", "x" * 201])
def test_start_refuses_a_title_that_is_none(
    title: str, alice: User, project: Project, now: datetime, everything: Everything
) -> None:
    before = everything()

    with pytest.raises(InvalidInput) as refusal:
        sponsorship.start(title=title, project=project, by=alice, at=now)

    assert refusal.value.field == "title"
    assert everything() == before


def test_start_refuses_a_project_one_is_not_in(
    stranger: User, project: Project, now: datetime, everything: Everything
) -> None:
    before = everything()

    with pytest.raises(NotPermitted):
        sponsorship.start(title="Ice", project=project, by=stranger, at=now)

    assert everything() == before


# --- who may change it -----------------------------------------------------------------------------------------------


def test_every_member_changes_the_draft(draft: ResourceRequest, ben: User, now: datetime) -> None:
    sponsorship.save_case(draft, science_case="  Because.  ", by=ben, at=now)

    draft.refresh_from_db()
    assert draft.science_case == "Because."


def test_nobody_else_changes_the_draft(
    draft: ResourceRequest, stranger: User, maria: User, petra: User, now: datetime, everything: Everything
) -> None:
    before = everything()

    for other in (stranger, maria, petra):
        with pytest.raises(NotPermitted):
            sponsorship.save_case(draft, science_case="Mine now.", by=other, at=now)

    assert everything() == before


def test_whoever_left_the_project_neither_sees_nor_changes_its_drafts(
    project: Project, alice: User, ben: User, now: datetime, everything: Everything
) -> None:
    draft = sponsorship.start(title="Ice", project=project, by=ben, at=now)
    projects.remove_member(project, user=ben, by=alice, at=now)
    before = everything()

    with pytest.raises(NotPermitted):
        sponsorship.save_case(draft, science_case="Still mine.", by=fresh(ben), at=now)

    assert everything() == before
    assert not ResourceRequest.objects.visible_to(fresh(ben)).exists()
    assert ResourceRequest.objects.visible_to(fresh(alice)).get() == draft


def test_a_draft_without_a_project_is_its_authors_alone(
    project: Project, alice: User, ben: User, now: datetime
) -> None:
    draft = sponsorship.start(title="Ice", by=ben, at=now)

    assert list(ResourceRequest.objects.visible_to(fresh(ben))) == [draft]
    assert not ResourceRequest.objects.visible_to(fresh(alice)).exists()
    sponsorship.save_project(draft, title="Sea ice", project=project, by=fresh(ben), at=now)
    assert list(ResourceRequest.objects.visible_to(fresh(alice))) == [draft]


def test_a_sent_request_cannot_be_changed(
    sent_request: ResourceRequest,
    hub_plan: Plan,
    workload: Workload,
    alice: User,
    now: datetime,
    everything: Everything,
) -> None:
    project = sent_request.project
    assert project is not None
    before = everything()

    for change in (
        lambda: sponsorship.save_project(sent_request, title="Other", project=project, by=alice, at=now),
        lambda: sponsorship.save_line(sent_request, plan=hub_plan, workload=workload, by=alice, at=now),
        lambda: sponsorship.remove_line(sent_request, line=sent_request.lines.get(plan=hub_plan), by=alice, at=now),
        lambda: sponsorship.save_period(sent_request, starts_on=date(2026, 12, 24), by=alice, at=now),
        lambda: sponsorship.save_case(sent_request, science_case="Other", by=alice, at=now),
        lambda: sponsorship.save_declarations(
            sent_request, non_commercial=False, no_provider_tie=True, will_publish=True, by=alice, at=now
        ),
    ):
        with pytest.raises(sponsorship.NotEditable):
            change()

    assert everything() == before


def test_a_draft_cannot_move_to_a_project_one_is_not_in(
    draft: ResourceRequest, stranger: User, alice: User, now: datetime, everything: Everything
) -> None:
    theirs = projects.create_project(title="Peat", by=stranger, at=now)
    before = everything()

    with pytest.raises(NotPermitted) as refusal:
        sponsorship.save_project(draft, title="Snow", project=theirs, by=alice, at=now)

    assert refusal.value.field == "project"
    assert everything() == before


# --- lines -----------------------------------------------------------------------------------------------------------


def test_two_lines_on_two_platforms_add_up(
    draft: ResourceRequest, hub_plan: Plan, batch_plan: Plan, workload: Workload, alice: User, now: datetime
) -> None:
    for plan in (hub_plan, batch_plan):
        sponsorship.save_line(draft, plan=plan, workload=workload, by=alice, at=now)

    # 8 vCPU × 60 h × 6 months = 2 880 vCPU-hours, and 500 GB × 6 months.
    hub, batch = draft.lines.order_by("pk")
    assert hub.amount == credits("290.4")
    assert batch.amount == credits("144")
    draft.refresh_from_db()
    assert draft.amount == credits("434.4")


def test_a_line_keeps_the_rates_it_was_quoted(
    draft: ResourceRequest, hub_plan: Plan, workload: Workload, alice: User, now: datetime
) -> None:
    line = sponsorship.save_line(draft, plan=hub_plan, workload=workload, by=alice, at=now)

    line.refresh_from_db()
    quote = Quote.from_json(line.quote)
    assert quote.total == line.amount
    assert {each.rate_id for each in quote.lines} == {
        rate.pk for component in hub_plan.components.all() for rate in component.rates.all()
    }
    assert Workload.from_json(line.workload) == workload
    assert line.months == 6
    assert line.quoted_at == now


def test_saving_a_plan_again_replaces_its_line(
    draft: ResourceRequest, hub_plan: Plan, workload: Workload, alice: User, now: datetime
) -> None:
    sponsorship.save_line(draft, plan=hub_plan, workload=workload, by=alice, at=now)
    sponsorship.save_line(draft, plan=hub_plan, workload=replace(workload, months=3), by=alice, at=now)

    line = draft.lines.get()
    assert (line.months, line.amount) == (3, credits("145.2"))
    draft.refresh_from_db()
    assert draft.amount == credits("145.2")


def test_a_plan_without_a_known_price_cannot_be_asked_for(
    draft: ResourceRequest, unpriced_plan: Plan, workload: Workload, alice: User, now: datetime, everything: Everything
) -> None:
    before = everything()

    with pytest.raises(sponsorship.PriceUnknown) as refusal:
        sponsorship.save_line(draft, plan=unpriced_plan, workload=workload, by=alice, at=now)

    assert refusal.value.field == "plan"
    assert everything() == before


def test_a_plan_that_is_no_longer_offered_cannot_be_asked_for(
    draft: ResourceRequest, hub_plan: Plan, workload: Workload, alice: User, now: datetime, everything: Everything
) -> None:
    hub_plan.offering.is_listed = False
    hub_plan.offering.save()
    before = everything()

    with pytest.raises(InvalidInput) as refusal:
        sponsorship.save_line(draft, plan=hub_plan, workload=workload, by=alice, at=now)

    assert refusal.value.field == "plan"
    assert everything() == before


def test_removing_a_line_lowers_the_amount_and_twice_changes_nothing(
    complete_draft: ResourceRequest, hub_plan: Plan, alice: User, now: datetime, everything: Everything
) -> None:
    line = complete_draft.lines.get(plan=hub_plan)
    gone = RequestLine.objects.get(pk=line.pk)
    sponsorship.remove_line(complete_draft, line=line, by=alice, at=now)
    complete_draft.refresh_from_db()
    assert complete_draft.amount == credits("144")
    before = everything()

    sponsorship.remove_line(complete_draft, line=gone, by=alice, at=now)

    assert everything() == before


def test_a_line_of_another_request_stays(
    complete_draft: ResourceRequest, project: Project, alice: User, now: datetime, everything: Everything
) -> None:
    other = sponsorship.start(title="Other", project=project, by=alice, at=now)
    line = complete_draft.lines.first()
    assert line is not None
    before = everything()

    sponsorship.remove_line(other, line=line, by=alice, at=now)

    assert everything() == before


# --- period, case, declarations --------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [0, 1, 366])
def test_the_work_starts_within_a_year(draft: ResourceRequest, alice: User, now: datetime, days: int) -> None:
    sponsorship.save_period(draft, starts_on=now.date() + timedelta(days=days), by=alice, at=now)

    draft.refresh_from_db()
    assert draft.starts_on == now.date() + timedelta(days=days)


@pytest.mark.parametrize("days", [-1, 367])
def test_the_work_starts_neither_in_the_past_nor_after_a_year(
    draft: ResourceRequest, alice: User, now: datetime, days: int, everything: Everything
) -> None:
    before = everything()

    with pytest.raises(InvalidInput) as refusal:
        sponsorship.save_period(draft, starts_on=now.date() + timedelta(days=days), by=alice, at=now)

    assert refusal.value.field == "starts_on"
    assert everything() == before


def test_each_saving_is_on_record_with_its_person_and_time(draft: ResourceRequest, ben: User, now: datetime) -> None:
    later = now + timedelta(hours=1)
    sponsorship.save_declarations(
        draft, non_commercial=True, no_provider_tie=True, will_publish=False, by=ben, at=later
    )

    event = Event.objects.get(name="resource_request.save_declarations")
    assert (event.actor_id, event.at) == (ben.audit_id, later)
    draft.refresh_from_db()
    assert (draft.non_commercial, draft.no_provider_tie, draft.will_publish) == (True, True, False)
    assert draft.saved_at == later


# --- once more -------------------------------------------------------------------------------------------------------


def test_a_copy_asks_the_same_again_and_declares_nothing(
    sent_request: ResourceRequest, ben: User, now: datetime
) -> None:
    draft = sponsorship.copy(sent_request, by=ben, at=now)

    assert draft.status == RequestStatus.DRAFT
    assert draft.reference != sent_request.reference
    for field in ("title", "project", "starts_on", "science_case", "amount"):
        assert getattr(draft, field) == getattr(sent_request, field), field
    assert list(draft.lines.values_list("plan", "amount")) == list(sent_request.lines.values_list("plan", "amount"))
    assert [draft.non_commercial, draft.no_provider_tie, draft.will_publish] == [False, False, False]


def test_a_copy_has_the_prices_and_days_of_today(
    sent_request: ResourceRequest, hub_plan: Plan, batch_plan: Plan, alice: User, now: datetime
) -> None:
    batch_plan.is_listed = False
    batch_plan.save()

    draft = sponsorship.copy(sent_request, by=alice, at=now + timedelta(days=60))

    assert draft.lines.get().plan == hub_plan
    assert draft.lines.get().quoted_at == now + timedelta(days=60)
    assert draft.starts_on is None
    assert draft.amount == credits("290.4")


def test_only_the_projects_people_copy(
    sent_request: ResourceRequest, stranger: User, maria: User, now: datetime, everything: Everything
) -> None:
    before = everything()

    for other in (stranger, maria):
        with pytest.raises(NotPermitted):
            sponsorship.copy(sent_request, by=other, at=now)

    assert everything() == before


def test_a_draft_without_a_project_is_copied_by_its_author_only(
    alice: User, ben: User, now: datetime, everything: Everything
) -> None:
    lone = sponsorship.start(title="Ice", by=alice, at=now)
    sponsorship.copy(lone, by=alice, at=now)
    before = everything()

    with pytest.raises(NotPermitted):
        sponsorship.copy(lone, by=ben, at=now)

    assert everything() == before


@pytest.mark.parametrize(
    ("day", "months", "end"),
    [
        (date(2026, 11, 2), 6, date(2027, 5, 2)),
        (date(2026, 8, 31), 6, date(2027, 2, 28)),
        (date(2027, 8, 31), 6, date(2028, 2, 29)),
        (date(2026, 12, 31), 1, date(2027, 1, 31)),
        (date(2026, 1, 31), 3, date(2026, 4, 30)),
        (date(2026, 6, 15), 60, date(2031, 6, 15)),
    ],
)
def test_months_after_keeps_the_day_or_takes_the_months_last(day: date, months: int, end: date) -> None:
    assert sponsorship.months_after(day, months) == end
