"""The pages of those who ask: the list, a new request, the hub and its tasks, one request."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from earthcode.catalogue.models import Plan, Tier
from earthcode.catalogue.pricing import Workload
from earthcode.identity import projects
from earthcode.identity.models import Project, User
from earthcode.lib.money import credits
from earthcode.provisioning import actions as provisioning
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import Award, Call, RequestStatus, ResourceRequest
from tests.support.many import bring_requests_to, line_of
from tests.support.pages import errors, in_one_line, soup, words
from tests.support.queries import assert_queries_do_not_grow

#: What a browser shows for the narrow space in numbers.
NARROW = "\u202f"


def url(resource_request: ResourceRequest, rest: str = "") -> str:
    return f"/requests/{resource_request.reference}/{rest}"


def stored(resource_request: ResourceRequest) -> ResourceRequest:
    return ResourceRequest.objects.get(pk=resource_request.pk)


ANSWERS = {"non_commercial": "on", "no_provider_tie": "on", "will_publish": "on"}


# --- the list --------------------------------------------------------------------------------------------------------


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


# --- a new one -------------------------------------------------------------------------------------------------------


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


def test_a_plan_without_a_price_for_the_workload_starts_nothing(
    as_alice: Client, project: Project, unpriced_plan: Plan
) -> None:
    address = f"/requests/new/?plan={unpriced_plan.pk}"

    assert "There is no price for this workload" in words(as_alice.get(address))
    answer = as_alice.post(address, {"title": "Snow", "project": "new"})

    assert answer.status_code == 422
    assert any("cannot be priced" in error for error in errors(answer))
    assert not ResourceRequest.objects.exists()
    assert Project.objects.get() == project


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


# --- the hub ---------------------------------------------------------------------------------------------------------


def states(page: Any) -> list[str]:
    return [task.state for task in page.context["tasks"]]


def test_the_hub_of_a_fresh_draft_has_one_task_done(as_alice: Client, draft: ResourceRequest, call: Call) -> None:
    page = as_alice.get(url(draft, "edit/"))

    assert states(page) == ["completed", "not_started", "not_started", "not_started", "cannot_start"]
    assert "1 of 5 done" in words(page)


def test_the_hub_of_a_complete_draft_opens_the_last_task(
    as_alice: Client, complete_draft: ResourceRequest, call: Call
) -> None:
    page = as_alice.get(url(complete_draft, "edit/"))

    assert states(page) == ["completed"] * 4 + ["not_started"]
    assert "434.4 credits on 2 platforms" in words(page)


def test_a_case_that_is_too_long_is_not_done(
    as_alice: Client, complete_draft: ResourceRequest, call: Call, alice: User, now: datetime
) -> None:
    sponsorship.save_case(complete_draft, science_case="word " * 301, by=alice, at=now)

    page = as_alice.get(url(complete_draft, "edit/"))

    assert states(page)[3:] == ["in_progress", "cannot_start"]


def test_a_first_day_that_has_passed_is_not_done(
    signed_in: Callable[[User], Client], alice: User, complete_draft: ResourceRequest, call: Call, clock: Any
) -> None:
    clock.forward(days=40)

    page = signed_in(alice).get(url(complete_draft, "edit/"))

    assert states(page)[2] == "in_progress"


TASKS = ("", "project/", "platforms/", "period/", "case/", "check/")


@pytest.mark.parametrize("task", TASKS)
def test_every_page_of_the_hub_opens_for_the_team(
    as_ben: Client, complete_draft: ResourceRequest, call: Call, task: str
) -> None:
    assert as_ben.get(url(complete_draft, f"edit/{task}")).status_code == 200


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("method", ["get", "post"])
def test_no_page_of_the_hub_exists_for_others(
    as_stranger: Client, as_maria: Client, as_petra: Client, complete_draft: ResourceRequest, task: str, method: str
) -> None:
    for client in (as_stranger, as_maria, as_petra):
        answer = getattr(client, method)(url(complete_draft, f"edit/{task}"))
        assert answer.status_code in ((404, 405) if task == "" and method == "post" else (404,))


@pytest.mark.parametrize("task", TASKS)
def test_a_sent_request_leads_from_the_hub_back_to_its_page(
    as_alice: Client, sent_request: ResourceRequest, task: str
) -> None:
    answer = as_alice.get(url(sent_request, f"edit/{task}"))

    assert answer["Location"] == url(sent_request)


def test_what_is_posted_to_a_sent_request_is_refused(
    as_alice: Client, sent_request: ResourceRequest, project: Project, hub_plan: Plan
) -> None:
    before = ResourceRequest.objects.values().get(), list(sent_request.lines.values())

    for task, data in (
        ("project/", {"title": "Other", "project": project.pk}),
        ("platforms/", {"plan": hub_plan.pk, "cpu": 1, "hours": 1, "gb": 0, "months": 1, "do": "save"}),
        ("period/", {"starts_on": "2026-12-24"}),
        ("case/", {"science_case": "Other"}),
    ):
        answer = as_alice.post(url(sent_request, f"edit/{task}"), data)
        assert answer.status_code == 422, task
        assert "can no longer be changed" in words(answer), task

    assert (ResourceRequest.objects.values().get(), list(sent_request.lines.values())) == before


@pytest.mark.parametrize("task", TASKS)
def test_the_pages_of_the_hub_ask_the_same_however_many_lines_there_are(
    as_alice: Client,
    complete_draft: ResourceRequest,
    call: Call,
    hub_plan: Plan,
    batch_plan: Plan,
    task: str,
    now: datetime,
) -> None:
    def rows(count: int) -> None:
        for number in range(complete_draft.lines.count(), count):
            plan = Plan.objects.create(offering=hub_plan.offering, slug=f"p{number}", name=f"Plan {number}")
            line_of(complete_draft, plan, 1, now).save()

    assert_queries_do_not_grow(as_alice, url(complete_draft, f"edit/{task}"), rows=rows, many=40)


def test_a_button_that_is_pressed_twice_sends_once_and_shows_the_request(
    as_alice: Client, complete_draft: ResourceRequest, call: Call
) -> None:
    as_alice.post(url(complete_draft, "edit/check/"), ANSWERS)
    before = ResourceRequest.objects.values().get()

    again = as_alice.post(url(complete_draft, "edit/check/"), ANSWERS, follow=True)

    assert again.redirect_chain == [(url(complete_draft), 302)]
    assert "can no longer be changed" in words(again)
    assert ResourceRequest.objects.values().get() == before


# --- project and team ------------------------------------------------------------------------------------------------


def test_the_project_task_saves_and_returns_to_the_hub(
    as_alice: Client, draft: ResourceRequest, alice: User, now: datetime
) -> None:
    other = projects.create_project(title="Peat", by=alice, at=now)

    answer = as_alice.post(url(draft, "edit/project/"), {"title": "Bogs", "project": other.pk})

    assert answer["Location"] == url(draft, "edit/")
    assert (stored(draft).title, stored(draft).project) == ("Bogs", other)


def test_the_project_task_offers_only_ones_own_projects(
    as_alice: Client, draft: ResourceRequest, stranger: User, now: datetime
) -> None:
    theirs = projects.create_project(title="Theirs", by=stranger, at=now)

    assert "Theirs" not in words(as_alice.get(url(draft, "edit/project/")))
    answer = as_alice.post(url(draft, "edit/project/"), {"title": "Bogs", "project": theirs.pk})

    assert answer.status_code == 422
    assert stored(draft).title == draft.title


# --- platforms and cost ----------------------------------------------------------------------------------------------


def add(client: Client, resource_request: ResourceRequest, plan: Plan, **numbers: object) -> Any:
    return client.post(url(resource_request, "edit/platforms/"), {"plan": plan.pk, "do": "save", **numbers})


def change(client: Client, resource_request: ResourceRequest, plan: Plan, **sent: object) -> Any:
    """Press a button of the lines, with numbers for this plan (``cpu=…``) and what the button sends (``do=…``)."""
    names = {name: name if name in ("do", "save", "remove", "another") else f"{plan.pk}-{name}" for name in sent}
    data = {names[name]: value for name, value in sent.items()}
    return client.post(url(resource_request, "edit/platforms/"), data)


def test_a_plan_is_chosen_from_those_with_a_price(
    as_alice: Client, draft: ResourceRequest, hub_plan: Plan, batch_plan: Plan, unpriced_plan: Plan
) -> None:
    batch_plan.offering.sponsorable = False
    batch_plan.offering.save()

    page = soup(as_alice.get(url(draft, "edit/platforms/")))

    assert [option["value"] for option in page.select("#id_plan option")] == [str(hub_plan.pk)]


def test_a_plan_asks_only_for_what_its_price_depends_on(
    as_alice: Client, draft: ResourceRequest, hub_plan: Plan, batch_plan: Plan
) -> None:
    def fields(plan: Plan) -> list[str]:
        page = soup(as_alice.get(url(draft, "edit/platforms/"), {"plan": plan.pk}))
        return [str(each["name"]) for each in page.select("form[method=post] .field input")]

    assert fields(hub_plan) == ["cpu", "hours", "gb", "months", "margin"]
    assert fields(batch_plan) == ["cpu", "hours", "months", "margin"]


def test_a_plan_that_costs_nothing_is_not_asked_for(
    as_alice: Client, draft: ResourceRequest, batch_platform: Any, now: datetime
) -> None:
    from tests.conftest import plan_on

    free = plan_on(batch_platform, "Free", {"vcpu_hour": "0"}, tier="platform", at=now)

    assert soup(as_alice.get(url(draft, "edit/platforms/"))).select("#id_plan option") == []
    page = words(as_alice.get(url(draft, "edit/platforms/"), {"plan": free.pk}))
    assert "It costs nothing for this workload, so there is nothing to ask for." in page
    refused = add(as_alice, draft, free, cpu=8, hours=60, months=6)

    assert refused.status_code == 422
    assert not draft.lines.exists()


def test_two_plans_on_two_platforms_add_up(
    as_alice: Client, draft: ResourceRequest, hub_plan: Plan, batch_plan: Plan
) -> None:
    add(as_alice, draft, hub_plan, cpu=8, hours=60, gb=500, months=6)
    add(as_alice, draft, batch_plan, cpu=8, hours=60, months=6)

    page = as_alice.get(url(draft, "edit/platforms/"))
    assert page.context["total"] == credits("434.4")
    assert "[ 434.4 ]" not in words(page)
    assert "434.4" in words(page)
    assert stored(draft).amount == credits("434.4")


def test_a_changed_number_changes_the_price(
    as_alice: Client, complete_draft: ResourceRequest, batch_plan: Plan, hub_plan: Plan
) -> None:
    answer = change(as_alice, complete_draft, batch_plan, cpu=16, hours=60, months=6, save=batch_plan.pk)

    assert answer["Location"] == url(complete_draft, "edit/platforms/")
    assert complete_draft.lines.get(plan=batch_plan).amount == credits(288)
    assert complete_draft.lines.get(plan=hub_plan).amount == credits("290.4")


def test_a_line_is_removed(as_alice: Client, complete_draft: ResourceRequest, batch_plan: Plan) -> None:
    data = {"remove": batch_plan.pk}

    as_alice.post(url(complete_draft, "edit/platforms/"), data)
    again = as_alice.post(url(complete_draft, "edit/platforms/"), data)

    assert again.status_code == 302
    assert stored(complete_draft).amount == credits("290.4")


def test_a_line_of_a_plan_that_is_no_longer_offered_can_be_removed_and_not_changed(
    as_alice: Client, complete_draft: ResourceRequest, batch_plan: Plan
) -> None:
    batch_plan.is_listed = False
    batch_plan.save()

    refused = change(as_alice, complete_draft, batch_plan, cpu=16, hours=60, months=6, do="done")
    assert refused.status_code == 422
    assert any("no longer offered" in error for error in errors(refused))
    assert complete_draft.lines.get(plan=batch_plan).amount == credits(144)
    change(as_alice, complete_draft, batch_plan, cpu=16, hours=60, months=6, remove=batch_plan.pk)

    assert not complete_draft.lines.filter(plan=batch_plan).exists()


@pytest.mark.parametrize(
    "numbers",
    [
        {"cpu": "", "hours": 60, "months": 6},
        {"cpu": "x", "hours": 60, "months": 6},
        {"cpu": -1, "hours": 60, "months": 6},
        {"cpu": 8, "hours": 745, "months": 6},
        {"cpu": 8, "hours": "1e2", "months": 6},
        {"cpu": 8, "hours": 60, "months": 61},
        {"cpu": 8, "hours": "0", "months": 6},
    ],
)
def test_numbers_that_give_no_price_are_refused_beside_their_line(
    as_alice: Client, complete_draft: ResourceRequest, batch_plan: Plan, numbers: dict[str, object]
) -> None:
    before = list(complete_draft.lines.values())

    answer = change(as_alice, complete_draft, batch_plan, **numbers, do="done")

    assert answer.status_code == 422
    panel = soup(answer).select_one(f"section[aria-labelledby='plan-{batch_plan.pk}'] .error-summary")
    assert panel is not None
    assert list(complete_draft.lines.values()) == before


@pytest.mark.parametrize("button", [{"do": "done"}, {"do": "choose"}, {"save": "hub"}, {"remove": "hub"}])
def test_numbers_that_were_typed_are_kept_whatever_is_pressed(
    as_alice: Client, complete_draft: ResourceRequest, hub_plan: Plan, batch_plan: Plan, button: dict[str, str]
) -> None:
    sent = {name: hub_plan.pk if value == "hub" else value for name, value in button.items()}
    hub = {f"{hub_plan.pk}-{name}": value for name, value in {"cpu": 8, "hours": 60, "gb": 500, "months": 6}.items()}
    batch = {f"{batch_plan.pk}-{name}": value for name, value in {"cpu": 16, "hours": 60, "months": 6}.items()}

    answer = as_alice.post(url(complete_draft, "edit/platforms/"), {**hub, **batch, **sent, "another": batch_plan.pk})

    assert answer.status_code == 302
    assert complete_draft.lines.get(plan=batch_plan).amount == credits(288)
    assert complete_draft.lines.filter(plan=hub_plan).exists() == ("remove" not in button)


def test_done_saves_nothing_where_one_number_is_wrong(
    as_alice: Client, complete_draft: ResourceRequest, hub_plan: Plan, batch_plan: Plan
) -> None:
    before = list(complete_draft.lines.values())
    hub = {f"{hub_plan.pk}-{name}": value for name, value in {"cpu": 4, "hours": 60, "gb": 500, "months": 6}.items()}
    batch = {f"{batch_plan.pk}-{name}": value for name, value in {"cpu": "x", "hours": 60, "months": 6}.items()}

    answer = as_alice.post(url(complete_draft, "edit/platforms/"), {**hub, **batch, "do": "done"})

    assert answer.status_code == 422
    assert list(complete_draft.lines.values()) == before
    # What was typed for the other plan is there still.
    typed = soup(answer).select_one(f"input[name='{hub_plan.pk}-cpu']")
    assert typed is not None
    assert typed["value"] == "4"


def test_done_without_a_change_leaves_the_prices_of_the_day_they_were_asked(
    as_alice: Client, complete_draft: ResourceRequest
) -> None:
    before = list(complete_draft.lines.values())
    page = soup(as_alice.get(url(complete_draft, "edit/platforms/")))
    data = {str(each["name"]): str(each["value"]) for each in page.select("#lines .field input")}

    answer = as_alice.post(url(complete_draft, "edit/platforms/"), {**data, "do": "done"})

    assert answer["Location"] == url(complete_draft, "edit/")
    assert list(complete_draft.lines.values()) == before


def test_while_a_plan_is_added_there_is_no_number_of_another_to_lose(
    as_alice: Client, complete_draft: ResourceRequest, batch_plan: Plan
) -> None:
    complete_draft.lines.get(plan=batch_plan).delete()

    page = soup(as_alice.get(url(complete_draft, "edit/platforms/"), {"plan": batch_plan.pk}))

    assert page.select("#lines input:not([type=hidden])") == []
    assert "Done with platforms" not in page.get_text()


def test_a_plan_that_stores_only_needs_no_price_for_machines(
    as_alice: Client, draft: ResourceRequest, batch_platform: Any, now: datetime
) -> None:
    from tests.conftest import plan_on

    store = plan_on(batch_platform, "Store", {"gb_month": "0.01"}, tier="platform", at=now)

    answer = add(as_alice, draft, store, gb=1000, months=3)

    assert answer.status_code == 302
    assert draft.lines.get().amount == credits(30)


@pytest.mark.parametrize("plan", ["", "x", "0", "9" * 30])
def test_a_plan_that_does_not_exist_is_not_found(as_alice: Client, draft: ResourceRequest, plan: str) -> None:
    assert as_alice.post(url(draft, "edit/platforms/"), {"plan": plan, "do": "save"}).status_code == 404


# --- period ----------------------------------------------------------------------------------------------------------


def test_the_period_is_saved(as_alice: Client, complete_draft: ResourceRequest) -> None:
    answer = as_alice.post(url(complete_draft, "edit/period/"), {"starts_on": "2027-01-15"})

    assert answer["Location"] == url(complete_draft, "edit/")
    assert stored(complete_draft).starts_on == date(2027, 1, 15)
    assert "until 15 Jul 2027" in words(as_alice.get(url(complete_draft, "edit/period/")))


@pytest.mark.parametrize("day", ["", "soon", "2026-11-01", "2028-01-01", "2026-02-30"])
def test_a_first_day_that_cannot_be_is_refused(as_alice: Client, complete_draft: ResourceRequest, day: str) -> None:
    answer = as_alice.post(url(complete_draft, "edit/period/"), {"starts_on": day})

    assert answer.status_code == 422
    assert len(errors(answer)) == 1
    assert stored(complete_draft).starts_on == date(2026, 12, 1)


# --- science case ----------------------------------------------------------------------------------------------------


def test_the_preview_shows_the_markdown_and_saves_nothing(
    as_alice: Client, complete_draft: ResourceRequest, call: Call
) -> None:
    page = as_alice.post(
        url(complete_draft, "edit/case/"), {"science_case": "It is **new**. <script>x</script>", "do": "preview"}
    )

    assert page.status_code == 200
    assert [each.get_text() for each in soup(page).select(".prose strong")] == ["new"]
    assert soup(page).select(".prose script") == []
    assert "4 of at most 300 words" in words(page)
    assert "It is **new**." in soup(page).textarea.get_text()  # type: ignore[union-attr]
    assert stored(complete_draft).science_case == complete_draft.science_case


def test_the_case_is_saved(as_alice: Client, complete_draft: ResourceRequest) -> None:
    answer = as_alice.post(url(complete_draft, "edit/case/"), {"science_case": "Because.", "do": "save"})

    assert answer["Location"] == url(complete_draft, "edit/")
    assert stored(complete_draft).science_case == "Because."


def test_words_beyond_what_the_call_reads_are_pointed_out(
    as_alice: Client, complete_draft: ResourceRequest, call: Call
) -> None:
    page = as_alice.post(url(complete_draft, "edit/case/"), {"science_case": "word " * 307, "do": "preview"})

    assert "307 of at most 300 words" in words(page)
    assert soup(page).select_one(".over span[hidden]") is None
    assert "more than Open Science 2026 reads" in words(page)


def test_a_case_that_is_too_long_is_kept_and_not_sent(
    as_alice: Client, complete_draft: ResourceRequest, call: Call
) -> None:
    answer = as_alice.post(
        url(complete_draft, "edit/case/"), {"science_case": "word " * 301, "do": "save"}, follow=True
    )

    assert answer.redirect_chain == [(url(complete_draft, "edit/case/"), 302)]
    assert "The text is saved, but the request cannot be sent like this." in words(answer)
    assert len(stored(complete_draft).science_case.split()) == 301

    check = as_alice.get(url(complete_draft, "edit/check/"))
    assert [str(link["href"]) for link in soup(check).select(".notice a")] == [url(complete_draft, "edit/case/")]
    assert "Send request" not in words(check)
    assert as_alice.post(url(complete_draft, "edit/check/"), ANSWERS).status_code == 422
    assert stored(complete_draft).status == RequestStatus.DRAFT


@pytest.mark.parametrize("text", ["", "   ", "x" * 20_001, "a\0b"])
def test_a_case_that_cannot_be_kept_is_refused(as_alice: Client, complete_draft: ResourceRequest, text: str) -> None:
    answer = as_alice.post(url(complete_draft, "edit/case/"), {"science_case": text, "do": "save"})

    assert answer.status_code == 422
    assert stored(complete_draft).science_case == complete_draft.science_case


# --- check and send --------------------------------------------------------------------------------------------------


def test_before_sending_one_sees_the_call_and_what_esa_will_see(
    as_alice: Client, complete_draft: ResourceRequest, call: Call
) -> None:
    page = words(as_alice.get(url(complete_draft, "edit/check/")))

    assert "Open Science 2026 is the smallest open call that covers 434.4 credits" in page
    assert "Nobody in the project belongs to a provider it asks for." in page
    assert "Send request for 434.4 credits" in page


def test_sending_gives_a_receipt_with_reference_date_and_what_happens_next(
    as_alice: Client, complete_draft: ResourceRequest, call: Call
) -> None:
    receipt = as_alice.post(url(complete_draft, "edit/check/"), ANSWERS, follow=True)

    assert receipt.redirect_chain == [(url(complete_draft), 302)]
    page = words(receipt)
    assert complete_draft.reference in page
    assert "Sent for 434.4 credits. You hear from ESA by 16 Nov 2026." in page
    assert "ESA decides by 16 Nov 2026: 10 working days left." in page
    assert "Access is set up" in page
    assert stored(complete_draft).status == RequestStatus.IN_REVIEW


def test_what_must_be_declared_is_asked_for_and_nothing_is_kept(
    as_alice: Client, complete_draft: ResourceRequest, call: Call, alice: User, now: datetime
) -> None:
    sponsorship.save_declarations(
        complete_draft, non_commercial=False, no_provider_tie=False, will_publish=False, by=alice, at=now
    )

    answer = as_alice.post(url(complete_draft, "edit/check/"), {"will_publish": "on"})

    assert answer.status_code == 422
    assert "Confirm that the work earns no revenue." in words(answer)
    assert stored(complete_draft).status == RequestStatus.DRAFT
    assert not stored(complete_draft).will_publish
    # Beside the boxes they speak of, and linked to them.
    links = [str(link["href"]) for link in soup(answer).select(".error-summary a")]
    assert links == ["#id_non_commercial", "#id_no_provider_tie"]
    for name in ("non_commercial", "no_provider_tie"):
        box = soup(answer).select_one(f"input[name={name}][aria-invalid=true]")
        assert box is not None
        assert f"id_{name}_error" in str(box["aria-describedby"])
    # What was ticked stays ticked.
    assert soup(answer).select_one("input[name=will_publish][checked]") is not None


def test_a_promise_that_was_not_asked_for_yet_is_no_finding(
    as_alice: Client, complete_draft: ResourceRequest, call: Call, alice: User, now: datetime
) -> None:
    sponsorship.save_declarations(
        complete_draft, non_commercial=True, no_provider_tie=True, will_publish=False, by=alice, at=now
    )

    assert "Does not promise to publish" not in words(as_alice.get(url(complete_draft, "edit/check/")))
    as_alice.post(url(complete_draft, "edit/check/"), {**ANSWERS, "will_publish": ""})
    assert "Does not promise to publish" in words(as_alice.get(url(complete_draft)))


def test_an_incomplete_request_shows_what_is_missing(as_alice: Client, draft: ResourceRequest, call: Call) -> None:
    page = as_alice.get(url(draft, "edit/check/"))

    links = [str(link["href"]) for link in soup(page).select(".notice a")]
    assert links == [url(draft, f"edit/{task}/") for task in ("platforms", "period", "case")]
    assert "Send request" not in words(page)
    assert as_alice.post(url(draft, "edit/check/"), ANSWERS).status_code == 422
    assert stored(draft).status == RequestStatus.DRAFT


def test_a_member_reads_who_sends_it(as_ben: Client, complete_draft: ResourceRequest, call: Call) -> None:
    page = as_ben.get(url(complete_draft, "edit/check/"))

    assert "Alice Martin leads the project and sends its requests." in words(page)
    assert soup(page).select("main form[method=post]") == []
    refused = as_ben.post(url(complete_draft, "edit/check/"), ANSWERS)
    assert refused.status_code == 422
    assert errors(refused)
    assert stored(complete_draft).status == RequestStatus.DRAFT


def test_without_an_open_call_nothing_can_be_sent(as_alice: Client, complete_draft: ResourceRequest) -> None:
    assert "No call takes requests at the moment" in words(as_alice.get(url(complete_draft, "edit/check/")))
    refused = as_alice.post(url(complete_draft, "edit/check/"), ANSWERS)

    assert refused.status_code == 422
    assert stored(complete_draft).status == RequestStatus.DRAFT


def test_a_check_that_fails_is_shown_before_sending(
    as_alice: Client, complete_draft: ResourceRequest, call: Call
) -> None:
    call.ceiling = credits(100)
    call.save()

    page = words(as_alice.get(url(complete_draft, "edit/check/")))

    assert "Asks for 434.4 credits; Open Science 2026 allows 100 for one request." in page
    assert "ESA cannot approve the request while a check does not hold." in page


# --- one request -----------------------------------------------------------------------------------------------------


def test_the_page_shows_what_was_asked_and_who_acts_next(as_ben: Client, sent_request: ResourceRequest) -> None:
    page = words(as_ben.get(url(sent_request)))

    for part in (
        "In review",
        "Notebooks on Coastal Hub",
        "Batch on Batch Cluster",
        "290.4",
        "snow mass",
        "Alice Martin",
    ):
        assert part in page
    assert "ESA decides by 16 Nov 2026" in page


@pytest.mark.parametrize("name", ["", "withdraw/", "answer/", "endorse/", "copy/"])
def test_a_request_does_not_exist_for_strangers_and_providers(
    as_stranger: Client, as_petra: Client, sent_request: ResourceRequest, name: str
) -> None:
    for client in (as_stranger, as_petra):
        answer = client.post(url(sent_request, name)) if name else client.get(url(sent_request))
        assert answer.status_code == 404


def test_the_timeline_tells_the_story_with_peoples_words(
    as_alice: Client, sent_request: ResourceRequest, alice: User, maria: User, now: datetime
) -> None:
    sponsorship.ask(sent_request, reason="Which sites?", by=maria, at=now + timedelta(days=1))
    sponsorship.submit(sent_request, by=alice, at=now + timedelta(days=2), answer="All of them.")
    provisioning.grant(sent_request, reason="Good science.", by=maria, at=now + timedelta(days=3))

    timeline = [in_one_line(each) for each in soup(as_alice.get(url(sent_request))).select(".timeline li")]

    told = " | ".join(timeline)
    for part in (
        "Approved in full 5 Nov 2026, Maria Rossi Good science.",
        "Answered, and sent for 434.4 credits 4 Nov 2026, Alice Martin All of them.",
        "ESA asked a question 3 Nov 2026, Maria Rossi Which sites?",
        "Sent for 434.4 credits 2 Nov 2026, Alice Martin",
    ):
        assert part in told
    assert told.index("Approved in full") < told.index("Which sites?")


def test_a_granted_request_leads_to_its_allocations(as_alice: Client, award: Award) -> None:
    page = as_alice.get(f"/requests/{award.reference}/")

    assert "ESA granted 434.4 credits" in words(page)
    assert "Good science." in words(page)
    links = [str(link["href"]) for link in soup(page).select(".rows a")]
    assert links == [allocation.get_absolute_url() for allocation in award.allocations.order_by("pk")]


def test_who_acts_next_follows_the_allocations(as_alice: Client, award: Award) -> None:
    first, second = award.allocations.order_by("pk")

    def next_words(one: str, other: str) -> str:
        for allocation, status in ((first, one), (second, other)):
            type(allocation).objects.filter(pk=allocation.pk).update(status=status)
        return str(as_alice.get(f"/requests/{award.reference}/").context["next"])

    assert next_words("active", "active") == "The project: its platforms are open."
    assert next_words("closed", "active") == f"The project: {second.plan.offering} is open, the rest has ended."
    assert "access is being set up" in next_words("closed", "provisioning")
    assert next_words("closed", "ending") == "Nobody has to do anything: access is being removed."
    assert next_words("closed", "closed") == "Nobody. The allocations have ended."


def test_a_withdrawn_request_does_not_lead_to_the_queue(
    as_maria: Client, sent_request: ResourceRequest, alice: User, now: datetime
) -> None:
    assert "Open in the review queue" in words(as_maria.get(url(sent_request)))
    sponsorship.withdraw(sent_request, by=alice, at=now)

    assert "Open in the review queue" not in words(as_maria.get(url(sent_request)))


def test_a_line_shows_only_numbers_that_its_price_depends_on(
    as_alice: Client, complete_draft: ResourceRequest, call: Call
) -> None:
    for page in (as_alice.get(url(complete_draft)), as_alice.get(url(complete_draft, "edit/check/"))):
        assert "8 vCPU, 60 h a month, 6 months" in words(page)
        assert "8 vCPU, 60 h a month, 500 GB stored, 6 months" in words(page)
        assert "32 GB" not in words(page)


def test_a_rejected_request_says_why_and_can_be_used_again(
    as_alice: Client, sent_request: ResourceRequest, maria: User, now: datetime
) -> None:
    sponsorship.reject(sent_request, reason="Too vague.", by=maria, at=now)
    assert "ESA did not grant this request Too vague." in words(as_alice.get(url(sent_request)))

    answer = as_alice.post(url(sent_request, "copy/"))

    draft = ResourceRequest.objects.get(status=RequestStatus.DRAFT)
    assert answer["Location"] == url(draft, "edit/")
    assert draft.lines.count() == 2
    assert draft.science_case == sent_request.science_case
    assert not draft.non_commercial


def test_a_copy_leaves_out_what_has_no_price_any_more_and_says_so(
    as_alice: Client, sent_request: ResourceRequest, batch_plan: Plan
) -> None:
    batch_plan.is_listed = False
    batch_plan.save()
    as_alice.post(url(sent_request, "withdraw/"))

    page = words(as_alice.post(url(sent_request, "copy/"), follow=True))

    assert "were left out: Batch on Batch Cluster, Standard" in page
    assert ResourceRequest.objects.get(status=RequestStatus.DRAFT).lines.count() == 1


def test_a_manager_cannot_use_somebodys_request_as_a_draft(as_maria: Client, sent_request: ResourceRequest) -> None:
    page = words(as_maria.post(url(sent_request, "copy/"), follow=True))

    assert "You are not in this project." in page
    assert ResourceRequest.objects.count() == 1


def test_the_leader_withdraws(as_alice: Client, sent_request: ResourceRequest) -> None:
    page = words(as_alice.post(url(sent_request, "withdraw/"), follow=True))

    assert f"{sent_request.reference} is withdrawn." in page
    assert stored(sent_request).status == RequestStatus.WITHDRAWN


def test_a_member_does_not_withdraw_and_reads_why(as_ben: Client, sent_request: ResourceRequest) -> None:
    assert "Withdraw" not in words(as_ben.get(url(sent_request)))

    page = words(as_ben.post(url(sent_request, "withdraw/"), follow=True))

    assert "You do not have the role" in page
    assert stored(sent_request).status == RequestStatus.IN_REVIEW


@pytest.fixture
def asked(sent_request: ResourceRequest, maria: User, now: datetime) -> ResourceRequest:
    sponsorship.ask(sent_request, reason="Which sites?", by=maria, at=now)
    return sent_request


def test_a_question_is_answered_on_the_page(as_alice: Client, asked: ResourceRequest) -> None:
    assert "ESA asks Which sites?" in words(as_alice.get(url(asked)))

    as_alice.post(url(asked, "answer/"), {"answer": "All of them."})

    assert stored(asked).status == RequestStatus.IN_REVIEW
    assert "All of them." in words(as_alice.get(url(asked)))


def test_a_question_is_answered_when_the_changed_request_is_sent(as_alice: Client, asked: ResourceRequest) -> None:
    without = as_alice.post(url(asked, "edit/check/"), ANSWERS)
    assert without.status_code == 422
    assert stored(asked).status == RequestStatus.INFO_NEEDED

    as_alice.post(url(asked, "edit/check/"), {**ANSWERS, "answer": "All of them."})

    assert stored(asked).status == RequestStatus.IN_REVIEW


def test_an_empty_answer_is_refused(as_alice: Client, asked: ResourceRequest) -> None:
    answer = as_alice.post(url(asked, "answer/"), {"answer": " "})

    assert answer.status_code == 422
    assert len(errors(answer)) == 1
    assert stored(asked).status == RequestStatus.INFO_NEEDED


def test_a_half_typed_answer_is_there_after_a_look_at_the_request(as_alice: Client, asked: ResourceRequest) -> None:
    button = soup(as_alice.get(url(asked))).select_one("button[value=change]")
    assert button is not None
    assert button["form"] == "answering"

    answer = as_alice.post(url(asked, "answer/"), {"answer": "All of", "do": "change"})

    assert answer["Location"] == url(asked, "edit/")
    assert stored(asked).status == RequestStatus.INFO_NEEDED
    for page in (as_alice.get(url(asked)), as_alice.get(url(asked, "edit/check/"))):
        box = soup(page).select_one("textarea[name=answer]")
        assert box is not None
        assert box.get_text().strip() == "All of"
    as_alice.post(url(asked, "answer/"), {"answer": "All of them."})
    assert not any(key.startswith("answer_to_") for key in as_alice.session.keys())  # noqa: SIM118


def test_an_answer_nobody_asked_for_is_refused(as_alice: Client, sent_request: ResourceRequest) -> None:
    answer = as_alice.post(url(sent_request, "answer/"), {"answer": "By the way."})

    assert answer.status_code == 422
    assert "not possible now" in " ".join(errors(answer))


def test_the_technical_officer_endorses(
    as_tomas: Client,
    as_alice: Client,
    complete_draft: ResourceRequest,
    call: Call,
    hub_plan: Plan,
    project: Project,
    alice: User,
    tomas: User,
    now: datetime,
) -> None:
    project.technical_officer = tomas
    project.save()
    hub_plan.offering.tier = Tier.RESOURCE
    hub_plan.offering.save()
    sponsorship.submit(complete_draft, by=alice, at=now)
    assert "Tomas Lindberg endorses it, then ESA decides" in words(as_alice.get(url(complete_draft)))
    assert "Your endorsement" in words(as_tomas.get(url(complete_draft)))

    as_tomas.post(url(complete_draft, "endorse/"), {"note": "Needed."})

    assert stored(complete_draft).endorsement.note == "Needed."
    assert "Your endorsement" not in words(as_tomas.get(url(complete_draft)))
    again = as_tomas.post(url(complete_draft, "endorse/"), {"note": "Twice."})
    assert again.status_code == 422
    assert errors(again) == ["This request is endorsed already."]


def test_the_team_cannot_endorse(as_alice: Client, sent_request: ResourceRequest) -> None:
    answer = as_alice.post(url(sent_request, "endorse/"), {"note": ""})

    assert answer.status_code == 422
    assert not hasattr(stored(sent_request), "endorsement")


def test_the_page_of_a_request_asks_the_same_however_many_lines_there_are(
    as_alice: Client, award: Award, hub_plan: Plan, now: datetime
) -> None:
    granted = award.resource_request

    def rows(count: int) -> None:
        for number in range(granted.lines.count(), count):
            plan = Plan.objects.create(offering=hub_plan.offering, slug=f"p{number}", name=f"Plan {number}")
            line_of(granted, plan, 1, now).save()

    assert_queries_do_not_grow(as_alice, url(granted), rows=rows, many=40)


def test_a_title_with_markup_is_text(as_alice: Client, project: Project, alice: User, now: datetime) -> None:
    draft = sponsorship.start(title="<b>Snow</b>", project=project, by=alice, at=now)

    page = soup(as_alice.get(url(draft)))

    heading = page.h1
    assert heading is not None
    assert heading.get_text() == "<b>Snow</b>"


def test_a_large_amount_is_grouped(
    as_alice: Client, draft: ResourceRequest, batch_plan: Plan, alice: User, now: datetime
) -> None:
    sponsorship.save_line(draft, plan=batch_plan, workload=Workload(vcpu=128, months=10), by=alice, at=now)

    assert f"3{NARROW}840 credits" in words(as_alice.get(url(draft)))


def test_what_people_write_to_each_other_is_read_as_markdown_with_its_new_lines(
    as_alice: Client, sent_request: ResourceRequest, alice: User, maria: User, now: datetime
) -> None:
    sponsorship.ask(sent_request, reason="**Which** sites?\n<b>All</b>\nof them?", by=maria, at=now)
    asked = soup(as_alice.get(f"/requests/{sent_request.reference}/"))
    said = asked.select_one(".notice .said")
    assert said is not None
    assert [in_one_line(each) for each in said.select("strong")] == ["Which"]
    assert len(said.select("br")) == 2
    assert said.select("b") == []

    sponsorship.submit(sent_request, answer="- Two\n- Three", by=alice, at=now + timedelta(hours=1))

    page = soup(as_alice.get(f"/requests/{sent_request.reference}/"))
    assert [in_one_line(each) for each in page.select(".timeline .said li")] == ["Two", "Three"]


# --- leaving a task keeps what was typed, without any script ----------------------------------------------------------


def fields_of(page: BeautifulSoup, form_id: str) -> dict[str, str]:
    """What a form would send as it stands, without its buttons."""
    form = page.select_one(f"form#{form_id}")
    assert form is not None
    sent = {}
    for each in form.select("input[name], textarea[name], select[name]"):
        if each.get("type") == "checkbox" and not each.has_attr("checked"):
            continue
        chosen = each.select_one("option[selected]")
        sent[str(each["name"])] = str(chosen["value"] if chosen else each.get("value", each.get_text()))
    return sent


def test_another_plan_is_chosen_with_the_numbers_that_were_typed(
    as_alice: Client, draft: ResourceRequest, hub_plan: Plan, batch_plan: Plan
) -> None:
    url = f"/requests/{draft.reference}/edit/platforms/"

    answer = as_alice.post(
        f"{url}?plan={hub_plan.pk}",
        {"plan": str(hub_plan.pk), "cpu": "12", "hours": "34", "gb": "50", "months": "3", "do": "another"},
    )

    assert draft.lines.count() == 0
    page = soup(as_alice.get(answer["Location"].partition("#")[0]))
    hidden = {str(each["name"]): str(each["value"]) for each in page.select("form[method=get] input[type=hidden]")}
    assert (hidden["cpu"], hidden["hours"], hidden["months"]) == ("12", "34", "3")
    query = urlencode({**hidden, "plan": str(batch_plan.pk)})
    new = soup(as_alice.get(f"{url}?{query}"))
    assert [new.select_one(f"#id_{batch_plan.pk}_{name}")["value"] for name in ("cpu", "hours")] == ["12", "34"]  # type: ignore[index]  # they are there


def test_a_number_that_cannot_be_used_stays_with_its_plan(
    as_alice: Client, draft: ResourceRequest, hub_plan: Plan
) -> None:
    url = f"/requests/{draft.reference}/edit/platforms/?plan={hub_plan.pk}"

    answer = as_alice.post(url, {"plan": str(hub_plan.pk), "cpu": "many", "do": "another"})

    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("task", "then", "field", "value", "leads_to"),
    [
        ("project", "people", "title", "Another title", "/projects/"),
        ("project", "new_project", "title", "Another title", "/projects/new/"),
        ("period", "platforms", "starts_on", "2026-12-24", "/edit/platforms/"),
        ("period", "nowhere", "starts_on", "2026-12-24", "/edit/"),
    ],
)
def test_a_task_is_saved_before_it_is_left(
    as_alice: Client, complete_draft: ResourceRequest, task: str, then: str, field: str, value: str, leads_to: str
) -> None:
    url = f"/requests/{complete_draft.reference}/edit/{task}/"
    page = soup(as_alice.get(url))
    if then != "nowhere":
        assert page.select_one(f"button[form=task][name=then][value={then}]") is not None

    answer = as_alice.post(url, {**fields_of(page, "task"), field: value, "then": then})

    assert answer.status_code == 302
    assert leads_to in answer["Location"]
    complete_draft.refresh_from_db()
    assert str(getattr(complete_draft, field)) == value


@pytest.mark.parametrize(
    ("then", "leads_to"),
    [("case", "/edit/case/"), ("platforms", "/edit/platforms/"), ("project", "/edit/project/"), ("", "/edit/")],
)
def test_what_was_ticked_is_kept_while_something_else_is_changed(
    as_alice: Client, complete_draft: ResourceRequest, call: Call, then: str, leads_to: str
) -> None:
    url = f"/requests/{complete_draft.reference}/edit/check/"
    assert soup(as_alice.get(url)).select_one(f'button[name=then][value="{then}"]') is not None

    answer = as_alice.post(url, {"no_provider_tie": "on", "then": then})

    assert answer["Location"].endswith(leads_to)
    complete_draft.refresh_from_db()
    assert complete_draft.status == RequestStatus.DRAFT
    assert (complete_draft.non_commercial, complete_draft.no_provider_tie) == (False, True)


def test_a_begun_answer_is_kept_while_something_else_is_changed(
    as_alice: Client, sent_request: ResourceRequest, maria: User, now: datetime
) -> None:
    sponsorship.ask(sent_request, reason="Which sites?", by=maria, at=now + timedelta(hours=1))
    url = f"/requests/{sent_request.reference}/edit/check/"

    as_alice.post(url, {"non_commercial": "on", "no_provider_tie": "on", "answer": "Two of", "then": "case"})

    box = soup(as_alice.get(url)).select_one("textarea[name=answer]")
    assert box is not None
    assert box.get_text().strip() == "Two of"
    sent_request.refresh_from_db()
    assert sent_request.status == RequestStatus.INFO_NEEDED
