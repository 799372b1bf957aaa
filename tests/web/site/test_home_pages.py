"""A person's own first page: what it lists depends on what they may do."""

from collections.abc import Callable
from datetime import date, datetime

import pytest
from bs4 import BeautifulSoup, Tag
from django.test import Client

from earthcode.identity.models import Project, User
from earthcode.provisioning import actions as provisioning
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import Award, Call, RequestStatus, ResourceRequest
from earthcode.web.parts.chrome import credits_of
from tests.support.allocations import activate, close, fail, more_allocations
from tests.support.pages import in_one_line
from tests.support.people import fresh
from tests.support.queries import assert_queries_do_not_grow
from tests.support.visits import link, page_of


def panel(page: BeautifulSoup, heading: str) -> Tag | None:
    found = next((h2 for h2 in page.select("h2") if in_one_line(h2) == heading), None)
    return found.find_parent("section") if found else None


def panel_words(page: BeautifulSoup, heading: str) -> str:
    found = panel(page, heading)
    assert found is not None, f"there is no panel “{heading}”"
    return in_one_line(found)


def test_a_newcomer_is_shown_where_to_start(as_stranger: Client) -> None:
    page = page_of(as_stranger, "/home/")

    assert "Nothing waits for you." in in_one_line(page)
    assert "No allocations yet" in in_one_line(page)
    assert "No messages yet." in in_one_line(page)
    assert link(page, "New request") is not None
    assert panel(page, "To decide") is None


def test_a_visitor_is_asked_to_sign_in(client: Client, db: None) -> None:
    assert client.get("/home/").status_code == 302


def test_a_draft_is_to_be_finished_by_its_people_only(
    draft: ResourceRequest, as_alice: Client, as_ben: Client, as_stranger: Client, as_maria: Client
) -> None:
    for client in (as_alice, as_ben):
        page = page_of(client, "/home/")
        assert "Finish “Alpine snow mass balance”" in panel_words(page, "Needs you")
        way = link(page, "Finish “Alpine snow mass balance”")
        assert way is not None
        assert way["href"] == f"/requests/{draft.reference}/edit/"
    for client in (as_stranger, as_maria):
        assert draft.reference not in in_one_line(page_of(client, "/home/"))


def test_a_question_comes_before_drafts(
    sent_request: ResourceRequest, project: Project, alice: User, maria: User, as_alice: Client, now: datetime
) -> None:
    sponsorship.start(title="Another one", project=project, by=alice, at=now)
    sponsorship.ask(sent_request, reason="Which years?", by=maria, at=now)

    needs = panel_words(page_of(as_alice, "/home/"), "Needs you")

    assert needs.index("ESA has a question about") < needs.index("Finish “Another one”")


def test_what_esa_has_is_on_its_way(sent_request: ResourceRequest, as_ben: Client) -> None:
    with_esa = panel_words(page_of(as_ben, "/home/"), "With ESA")

    assert sent_request.reference in with_esa
    assert "You have an answer by" in with_esa


def test_managers_decide_but_not_on_their_own(
    sent_request: ResourceRequest, maria: User, as_maria: Client, as_marc: Client, as_alice: Client
) -> None:
    ResourceRequest.objects.filter(pk=sent_request.pk).update(submitted_by=maria)

    assert sent_request.reference in panel_words(page_of(as_marc, "/home/"), "To decide")
    assert "No request waits for a decision of yours." in panel_words(page_of(as_maria, "/home/"), "To decide")
    assert panel(page_of(as_alice, "/home/"), "To decide") is None


@pytest.mark.parametrize(
    ("decide_by", "said"),
    [
        (date(2026, 11, 13), "9 working days left"),
        (date(2026, 11, 3), "1 working day left"),
        (date(2026, 11, 2), "due today"),
        (date(2026, 10, 29), "2 days late"),
    ],
)
def test_the_queue_says_how_urgent_a_request_is(
    sent_request: ResourceRequest, as_maria: Client, decide_by: date, said: str
) -> None:
    ResourceRequest.objects.filter(pk=sent_request.pk).update(decide_by=decide_by)

    assert said in panel_words(page_of(as_maria, "/home/"), "To decide")


def test_the_technical_officer_is_asked_where_the_endorsement_is_needed(
    complete_draft: ResourceRequest,
    call: Call,
    project: Project,
    tomas: User,
    alice: User,
    as_tomas: Client,
    now: datetime,
) -> None:
    Project.objects.filter(pk=project.pk).update(technical_officer=tomas)
    Call.objects.filter(pk=call.pk).update(endorsed_tiers=["platform"])
    sponsorship.submit(complete_draft, by=alice, at=now)

    assert "Your endorsement is asked for" in panel_words(page_of(as_tomas, "/home/"), "Needs you")

    sponsorship.endorse(complete_draft, by=tomas, at=now)
    assert "Nothing waits for you." in panel_words(page_of(as_tomas, "/home/"), "Needs you")


def test_the_technical_officer_is_not_asked_where_it_is_not_needed(
    sent_request: ResourceRequest, project: Project, tomas: User, as_tomas: Client
) -> None:
    Project.objects.filter(pk=project.pk).update(technical_officer=tomas)

    assert "Nothing waits for you." in panel_words(page_of(as_tomas, "/home/"), "Needs you")


def test_a_problem_is_shown_to_the_project_and_to_the_provider_who_can_try_again(
    award: Award, as_alice: Client, as_petra: Client, as_tomas: Client, now: datetime
) -> None:
    hub = award.allocations.get(platform__slug="hub")
    fail(hub, at=now, error="The platform is full.")

    for_alice = panel_words(page_of(as_alice, "/home/"), "Needs you")
    for_petra = panel_words(page_of(as_petra, "/home/"), "Needs you")

    assert "The platform is full." in for_alice
    assert "the provider is on it" in for_alice
    assert "The platform is full." in for_petra
    assert "try it again" in for_petra
    assert "The platform is full." not in in_one_line(page_of(as_tomas, "/home/"))


def test_a_problem_is_gone_when_somebody_has_taken_it_up(
    award: Award, petra: User, as_petra: Client, now: datetime
) -> None:
    hub = award.allocations.get(platform__slug="hub")
    fail(hub, at=now, error="The platform is full.")
    provisioning.retry(hub.operations.get(), by=petra, at=now)

    assert "The platform is full." not in in_one_line(page_of(as_petra, "/home/"))


def test_there_is_a_row_for_each_allocation_in_use(
    award: Award, alice: User, as_ben: Client, as_petra: Client, now: datetime
) -> None:
    hub, batch = award.allocations.get(platform__slug="hub"), award.allocations.get(platform__slug="batch")
    activate(hub, at=now)
    provisioning.end(batch, reason="Done.", by=alice, at=now)
    close(batch, at=now)

    of_ben = panel_words(page_of(as_ben, "/home/"), "Your allocations")
    assert hub.reference in of_ben
    assert "ends in 211 days" in of_ben
    assert "credits left" in of_ben
    assert batch.reference not in of_ben
    assert hub.reference in panel_words(page_of(as_petra, "/home/"), "On your platforms")


def test_the_latest_messages_are_shown(award: Award, as_alice: Client) -> None:
    assert f"{award.reference}:" in panel_words(page_of(as_alice, "/home/"), "Messages")


def test_the_bar_says_what_the_projects_have_left(
    award: Award, alice: User, ben: User, stranger: User, as_alice: Client, now: datetime
) -> None:
    assert credits_of(fresh(alice)).unspent == award.amount
    assert credits_of(fresh(ben)).unspent == award.amount
    assert credits_of(fresh(stranger)).unspent is None
    balance = page_of(as_alice, "/home/").select_one(".top-bar .balance")
    assert balance is not None
    assert "cr left" in in_one_line(balance)


def test_a_project_without_an_award_has_no_balance(project: Project, alice: User) -> None:
    assert credits_of(fresh(alice)).unspent is None


# --- queries ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["alice", "petra"])
def test_allocations_cost_no_more_queries(
    award: Award, who: str, signed_in: Callable[[User], Client], request: pytest.FixtureRequest, now: datetime
) -> None:
    def rows(count: int) -> None:
        more_allocations(award, count - award.allocations.count(), at=now)

    # The provider's page has its statements and what its people are asked to do as well.
    assert_queries_do_not_grow(signed_in(request.getfixturevalue(who)), "/home/", rows=rows, most=13)


def test_drafts_cost_no_more_queries(project: Project, alice: User, as_alice: Client, now: datetime) -> None:
    def rows(count: int) -> None:
        while ResourceRequest.objects.count() < count:
            sponsorship.start(title="One more", project=project, by=alice, at=now)

    assert_queries_do_not_grow(as_alice, "/home/", rows=rows)


def test_the_queue_costs_no_more_queries(sent_request: ResourceRequest, as_maria: Client) -> None:
    def rows(count: int) -> None:
        first = ResourceRequest.objects.get(pk=sent_request.pk)
        for number in range(ResourceRequest.objects.count(), count):
            first.pk = None
            first.reference = f"NOR-2025-{number:04d}"
            first.save(force_insert=True)
        assert ResourceRequest.objects.filter(status=RequestStatus.IN_REVIEW).count() == count

    assert_queries_do_not_grow(as_maria, "/home/", rows=rows)
