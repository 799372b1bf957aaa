"""The list of requests, and a new one."""

from datetime import datetime

import pytest
from django.test import Client

from earthcode.catalogue.models import Plan
from earthcode.identity.models import Project, User
from earthcode.lib.money import credits
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import Call, ResourceRequest
from tests.support.many import bring_requests_to
from tests.support.pages import soup, words
from tests.support.queries import assert_queries_do_not_grow
from tests.support.requests import url


def test_the_list_shows_the_projects_requests_and_nobody_elses(
    as_ben: Client, draft: ResourceRequest, stranger: User, now: datetime
) -> None:
    sponsorship.start(title="Somebody else's", by=stranger, at=now)

    page = words(as_ben.get("/requests/"))

    assert draft.title in page
    assert "Somebody else's" not in page


def test_the_list_of_a_newcomer_says_what_will_be_here(as_stranger: Client, draft: ResourceRequest) -> None:
    page = as_stranger.get("/requests/")

    assert "No requests yet" in words(page)
    assert soup(page).select_one("main a.button[href^='/catalogue/']") is not None


@pytest.mark.parametrize(
    ("state", "shown"), [("", True), ("in_review", True), ("open", False), ("approved", False), ("nonsense", True)]
)
def test_the_tabs_divide_the_list(as_alice: Client, sent_request: ResourceRequest, state: str, shown: bool) -> None:
    page = as_alice.get("/requests/", {"state": state})

    assert (sent_request.title in words(page)) == shown
    counts = [each.get_text() for each in soup(page).select(".tab-count")]
    assert counts == ["1", "0", "1", "0", "0"]


def test_managers_see_what_was_sent_and_no_drafts(
    as_maria: Client, sent_request: ResourceRequest, project: Project, alice: User, now: datetime
) -> None:
    sponsorship.start(title="Still secret", project=project, by=alice, at=now)

    page = words(as_maria.get("/requests/"))

    assert sent_request.title in page
    assert "Still secret" not in page


def test_the_list_asks_the_database_the_same_however_long_it_is(
    as_alice: Client, project: Project, call: Call, hub_plan: Plan, batch_plan: Plan, alice: User, now: datetime
) -> None:
    assert_queries_do_not_grow(
        as_alice,
        "/requests/",
        rows=lambda count: bring_requests_to(
            count, project=project, call=call, plans=[hub_plan, batch_plan], by=alice, at=now
        ),
    )


def test_a_long_list_has_pages(
    as_alice: Client, project: Project, call: Call, hub_plan: Plan, alice: User, now: datetime
) -> None:
    bring_requests_to(30, project=project, call=call, plans=[hub_plan], by=alice, at=now)

    page = as_alice.get("/requests/", {"page": "2", "state": "in_review"})

    assert "26 to 30 of 30" in words(page)
    assert len(soup(page).select("tbody tr")) == 5


@pytest.mark.parametrize("path", ["/requests/", "/requests/new/", "/requests/NOR-2026-0001/"])
def test_visitors_are_sent_to_sign_in(client: Client, db: None, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/")


def test_a_request_starts_with_a_title_and_a_project(as_alice: Client, project: Project, alice: User) -> None:
    answer = as_alice.post("/requests/new/", {"title": "Snow", "project": project.pk})

    draft = ResourceRequest.objects.get()
    assert answer["Location"] == url(draft, "edit/")
    assert (draft.title, draft.project, draft.created_by) == ("Snow", project, alice)


def test_a_newcomers_first_request_makes_the_project(as_stranger: Client, stranger: User) -> None:
    as_stranger.post("/requests/new/", {"title": "Peat", "project": "new"})

    draft = ResourceRequest.objects.get()
    assert draft.project is not None
    assert draft.project.title == "Peat"
    assert draft.project.memberships.get().user == stranger


def test_the_estimate_of_the_catalogue_becomes_the_first_line(
    as_alice: Client, project: Project, hub_plan: Plan
) -> None:
    address = f"/requests/new/?plan={hub_plan.pk}&cpu=4&hours=100&gb=0&months=3"

    assert "96 credits" in words(as_alice.get(address))
    as_alice.post(address, {"title": "Snow", "project": project.pk})

    line = ResourceRequest.objects.get().lines.get()
    assert (line.plan, line.months, line.amount) == (hub_plan, 3, credits(96))


def test_the_estimate_can_be_added_to_a_draft(as_alice: Client, draft: ResourceRequest, hub_plan: Plan) -> None:
    page = as_alice.get(f"/requests/new/?plan={hub_plan.pk}&cpu=4&hours=100&gb=0&months=3")

    link = soup(page).select_one(f"a[href^='{url(draft, 'edit/platforms/')}']")
    assert link is not None
    shown = as_alice.get(str(link["href"]).split("#")[0])
    assert "Add for 96 credits" in words(shown)
    assert not draft.lines.exists()


def test_a_plan_without_a_price_starts_a_request_and_leads_to_the_provider(
    as_alice: Client, project: Project, unpriced_plan: Plan
) -> None:
    address = f"/requests/new/?plan={unpriced_plan.pk}"

    assert "There is no price for this workload" in words(as_alice.get(address))
    answer = as_alice.post(address, {"title": "Snow", "project": "new"})

    started = ResourceRequest.objects.get()
    assert not started.lines.exists()
    assert answer.headers["Location"].startswith(f"{url(started, 'edit/price/')}?plan={unpriced_plan.pk}&")
    assert "Ask for a price of" in words(as_alice.get(answer.headers["Location"]))


@pytest.mark.parametrize("plan", ["", "x", "-1", "0", "9" * 30, "²"])
def test_a_plan_that_is_none_is_left_aside(as_alice: Client, project: Project, plan: str) -> None:
    answer = as_alice.post(f"/requests/new/?plan={plan}", {"title": "Snow", "project": project.pk})

    assert answer.status_code == 302
    assert not ResourceRequest.objects.get().lines.exists()


def test_a_workload_that_cannot_be_is_said_so(as_alice: Client, project: Project, hub_plan: Plan) -> None:
    page = as_alice.get(f"/requests/new/?plan={hub_plan.pk}&cpu=-3")

    assert page.status_code == 200
    assert "Enter a whole number for processors" in words(page)


@pytest.mark.parametrize(
    ("title", "field"), [("", "title"), ("x" * 201, "title"), ("Snow", "project")], ids=["empty", "long", "not mine"]
)
def test_a_new_request_that_cannot_be_is_refused(as_stranger: Client, project: Project, title: str, field: str) -> None:
    # The project is Alice's.
    answer = as_stranger.post("/requests/new/", {"title": title, "project": project.pk if title == "Snow" else "new"})

    assert answer.status_code == 422
    assert field in answer.context["form"].errors
    assert soup(answer).title.get_text().startswith("Error:")  # type: ignore[union-attr]
    assert not ResourceRequest.objects.exists()
