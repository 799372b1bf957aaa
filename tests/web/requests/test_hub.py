"""The hub of a request, and the tasks but those about platforms and sending."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from earthcode.catalogue.models import Plan
from earthcode.identity import projects
from earthcode.identity.models import Project, User
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import Call, RequestStatus, ResourceRequest
from tests.support.many import line_of
from tests.support.pages import errors, soup, words
from tests.support.queries import assert_queries_do_not_grow
from tests.support.requests import ANSWERS, stored, url


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
    assert "Submit request" not in words(check)
    assert as_alice.post(url(complete_draft, "edit/check/"), ANSWERS).status_code == 422
    assert stored(complete_draft).status == RequestStatus.DRAFT


@pytest.mark.parametrize("text", ["", "   ", "x" * 20_001])
def test_a_case_that_cannot_be_kept_is_refused(as_alice: Client, complete_draft: ResourceRequest, text: str) -> None:
    answer = as_alice.post(url(complete_draft, "edit/case/"), {"science_case": text, "do": "save"})

    assert answer.status_code == 422
    assert stored(complete_draft).science_case == complete_draft.science_case


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
