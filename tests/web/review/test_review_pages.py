"""The review queue and the decision, as an ESA manager sees them."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from earthcode.catalogue.models import Plan, Tier
from earthcode.identity import projects
from earthcode.identity.models import Organisation, Project, User
from earthcode.identity.roles import Role
from earthcode.lib.money import credits
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning.models import Allocation
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import Award, Call, Decision, RequestStatus, ResourceRequest
from earthcode.web.review.requests import compare
from tests.support.credits import call_balance
from tests.support.many import bring_requests_to
from tests.support.pages import errors, soup, words
from tests.support.queries import assert_queries_do_not_grow


def url(resource_request: ResourceRequest) -> str:
    return f"/review/{resource_request.reference}/"


def titles(page: Any) -> list[str]:
    return [each.get_text().strip() for each in soup(page).select(".queue a")]


def stored(resource_request: ResourceRequest) -> ResourceRequest:
    return ResourceRequest.objects.get(pk=resource_request.pk)


@pytest.fixture
def send(
    alice: User, project: Project, hub_plan: Plan, batch_plan: Plan, call: Call, workload: Any
) -> Callable[..., ResourceRequest]:
    """Sends another request of Alice's: ``send("Peat", at=…)``."""

    def make(title: str, *, at: datetime) -> ResourceRequest:
        draft = sponsorship.start(title=title, project=project, by=alice, at=at)
        for plan in (hub_plan, batch_plan):
            sponsorship.save_line(draft, plan=plan, workload=workload, by=alice, at=at)
        sponsorship.save_period(draft, starts_on=date(2026, 12, 1), by=alice, at=at)
        sponsorship.save_case(draft, science_case="Because.", by=alice, at=at)
        sponsorship.save_declarations(
            draft, non_commercial=True, no_provider_tie=True, will_publish=True, by=alice, at=at
        )
        sponsorship.submit(draft, by=alice, at=at)
        return draft

    return make


# --- who -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alice", "ben", "petra", "tomas", "stranger"])
def test_the_queue_exists_for_managers_and_reviewers_only(
    request: pytest.FixtureRequest, sent_request: ResourceRequest, name: str
) -> None:
    client: Client = request.getfixturevalue(f"as_{name}")

    assert client.get("/review/").status_code == 404
    assert client.get(url(sent_request)).status_code == 404
    answer = client.post(url(sent_request), {"decision": "approve", "reason": "Mine."})
    assert answer.status_code == 404
    assert stored(sent_request).status == RequestStatus.IN_REVIEW


def test_a_reviewer_reads_along_and_does_not_decide(
    as_stranger: Client, stranger: User, sent_request: ResourceRequest, now: datetime
) -> None:
    stranger.role_grants.create(role=Role.REVIEWER, claim="groups=reviewer", granted_at=now)

    assert titles(as_stranger.get("/review/")) == [sent_request.title]
    page = as_stranger.get(url(sent_request))
    assert "You read along" in words(page)
    assert soup(page).select("form.decision") == []
    assert soup(page).select("article a[href^='/projects/']") == []
    refused = as_stranger.post(url(sent_request), {"decision": "reject", "reason": "Mine."})
    assert refused.status_code == 422
    assert errors(refused)
    assert stored(sent_request).status == RequestStatus.IN_REVIEW


def test_visitors_are_sent_to_sign_in(client: Client, db: None) -> None:
    assert client.get("/review/")["Location"].startswith("/accounts/")


def test_a_draft_is_not_in_the_queue(as_maria: Client, complete_draft: ResourceRequest, call: Call) -> None:
    assert "Nothing waits for a decision." in words(as_maria.get("/review/"))
    assert as_maria.get(url(complete_draft)).status_code == 404


def test_a_reference_nobody_has_is_not_found(as_maria: Client) -> None:
    assert as_maria.get("/review/NOR-2026-9999/").status_code == 404


# --- the list --------------------------------------------------------------------------------------------------------


def test_the_oldest_request_is_first_and_open(
    as_maria: Client, send: Callable[..., ResourceRequest], now: datetime
) -> None:
    send("Young", at=now)
    send("Old", at=now - timedelta(days=5))

    page = as_maria.get("/review/")

    assert titles(page) == ["Old", "Young"]
    assert page.context["resource_request"].title == "Old"
    assert "2 requests need a decision." in words(page)


def test_each_request_says_how_long_there_is(
    as_maria: Client, send: Callable[..., ResourceRequest], now: datetime
) -> None:
    for title, days in (("Late", 16), ("Today", 14), ("Soon", 12), ("New", 0)):
        send(title, at=now - timedelta(days=days))

    page = soup(as_maria.get("/review/"))

    due = [(each.get_text().strip(), (each.get("class") or [""])[-1]) for each in page.select(".queue-due")]
    assert due == [
        ("1 working day late", "late"),
        ("due today", "soon"),
        ("2 working days left", "soon"),
        ("10 working days left", "queue-due"),
    ]
    assert "1 is past its day." in page.get_text()


def test_the_tabs_tell_who_must_act(
    as_maria: Client, send: Callable[..., ResourceRequest], maria: User, alice: User, now: datetime
) -> None:
    send("Waits for ESA", at=now)
    sponsorship.ask(send("Waits for the applicant", at=now), reason="Which?", by=maria, at=now)
    sponsorship.reject(send("Turned down", at=now), reason="No.", by=maria, at=now)
    sponsorship.withdraw(send("Taken back", at=now), by=alice, at=now + timedelta(minutes=1))

    assert titles(as_maria.get("/review/")) == ["Waits for ESA"]
    assert titles(as_maria.get("/review/?state=waiting")) == ["Waits for the applicant"]
    assert titles(as_maria.get("/review/?state=decided")) == ["Taken back", "Turned down"]
    counts = [each.get_text() for each in soup(as_maria.get("/review/?state=nonsense")).select(".tab-count")]
    assert counts == ["1", "1", "2"]


def test_the_tab_follows_the_request_that_is_open(
    as_maria: Client, send: Callable[..., ResourceRequest], maria: User, now: datetime
) -> None:
    asked = send("Waits for the applicant", at=now)
    sponsorship.ask(asked, reason="Which?", by=maria, at=now)

    page = soup(as_maria.get(url(asked)))

    current = page.select_one("nav[aria-label='Queue'] a[aria-current]")
    assert current is not None
    assert "Waiting for applicant" in current.get_text()


def test_one_goes_on_to_the_neighbours(as_maria: Client, send: Callable[..., ResourceRequest], now: datetime) -> None:
    first, second, third = (send(name, at=now + timedelta(minutes=n)) for n, name in enumerate("abc"))

    page = soup(as_maria.get(url(second)))

    keys = {str(link["data-key"]): str(link["href"]) for link in page.select("a[data-key]") if link["data-key"] in "jk"}
    assert keys == {"k": url(first), "j": url(third)}
    assert soup(as_maria.get(url(first))).select("a[data-key=k]") == []


def test_long_queues_have_pages_and_keep_them(
    as_maria: Client, project: Project, call: Call, hub_plan: Plan, alice: User, now: datetime
) -> None:
    bring_requests_to(30, project=project, call=call, plans=[hub_plan], by=alice, at=now)

    page = as_maria.get("/review/?page=2")

    assert titles(page) == [f"Request {number}" for number in range(25, 30)]
    link = soup(page).select_one(".queue a")
    assert link is not None
    opened = as_maria.get(str(link["href"]))
    assert titles(opened) == titles(page)


@pytest.mark.parametrize("path", ["/review/", "/review/?state=decided", "/review/NOR-2026-80000/"])
def test_the_queue_asks_the_database_the_same_however_long_it_is(
    as_maria: Client,
    project: Project,
    call: Call,
    hub_plan: Plan,
    batch_plan: Plan,
    alice: User,
    now: datetime,
    path: str,
) -> None:
    status = RequestStatus.REJECTED if "decided" in path else RequestStatus.IN_REVIEW
    assert_queries_do_not_grow(
        as_maria,
        path,
        rows=lambda count: bring_requests_to(
            count, project=project, call=call, plans=[hub_plan, batch_plan], by=alice, at=now, status=status
        ),
    )


def test_the_queue_asks_the_same_however_many_calls_and_providers_there_are(
    as_maria: Client, sent_request: ResourceRequest
) -> None:
    from earthcode.catalogue.models import Platform

    def rows(count: int) -> None:
        for number in range(Call.objects.count(), count):
            Call.objects.create(slug=f"c{number}", title=f"C {number}", opens_on=date(2026, 1, 1), ceiling=1)
            organisation = Organisation.objects.create(slug=f"o{number}", name=f"O {number}")
            Platform.objects.create(slug=f"p{number}", name=f"P {number}", provider=organisation)

    assert_queries_do_not_grow(as_maria, url(sent_request), rows=rows, many=30)


# --- the calls -------------------------------------------------------------------------------------------------------


def test_the_calls_show_what_is_free_committed_and_asked(
    as_maria: Client, send: Callable[..., ResourceRequest], maria: User, call: Call, now: datetime
) -> None:
    provisioning.grant(send("Granted", at=now), reason="Yes.", by=maria, at=now)
    send("Asked", at=now)

    page = words(as_maria.get("/review/"))

    assert "99\u202f565.6 cr free" in page
    assert "434.4 committed" in page
    assert "434.4 in this request" in page
    assert "Leaves 99\u202f131.2 credits in Open Science 2026." in page


def test_a_call_that_has_too_little_left_says_so(
    as_maria: Client, complete_draft: ResourceRequest, alice: User, maria: User, now: datetime
) -> None:
    import uuid

    from earthcode.ledger import actions as ledger

    small = Call.objects.create(slug="small", title="Small", opens_on=date(2026, 1, 1), ceiling=credits(1000))
    ledger.fund(small.slug, credits(100), key=uuid.uuid4(), by=maria, at=now)
    sponsorship.submit(complete_draft, by=alice, at=now)

    assert "Small has only 100 credits left." in words(as_maria.get(url(complete_draft)))
    refused = as_maria.post(url(complete_draft), {"decision": "approve", "reason": "Yes."})

    assert refused.status_code == 422
    assert len(errors(refused)) == 1
    assert "In review" in words(refused)
    assert stored(complete_draft).status == RequestStatus.IN_REVIEW
    assert not Award.objects.exists()


# --- the dossier -----------------------------------------------------------------------------------------------------


def test_the_dossier_has_all_that_a_decision_needs(as_maria: Client, sent_request: ResourceRequest) -> None:
    page = words(as_maria.get(url(sent_request)))

    for part in (
        "Alice Martin, Alpine Institute",
        "434.4 credits",
        "6 months from 1 Dec 2026",
        "We measure snow mass from Sentinel-1.",
        "290.4 credits",
        "144 credits",
        "Nobody in the project belongs to a provider it asks for.",
        "Ben Okafor",
        "The project has no Technical Officer.",
    ):
        assert part in page


def test_the_comparison_is_shown_only_when_there_are_others(
    as_maria: Client, sent_request: ResourceRequest, send: Callable[..., ResourceRequest], now: datetime
) -> None:
    assert "similar" not in words(as_maria.get(url(sent_request)))

    send("Another", at=now)

    assert "Against 1 similar request" in words(as_maria.get(url(sent_request)))


def test_a_comparison_says_where_the_request_stands_and_what_others_were_granted() -> None:
    similar: list[dict[str, Any]] = [
        {"asked": credits(100), "granted": credits(100)},
        {"asked": credits(200), "granted": credits(150)},
        {"asked": credits(900), "granted": None},
    ]

    found = compare(credits(300), similar)

    assert found is not None
    assert found["caption"] == (
        "Asks for more than 2 of 3 similar requests. Their median grant was 125 credits (orange mark)."
    )
    assert found["median"] == credits(125)
    assert compare(credits(300), []) is None
    without_grants = compare(credits(300), similar[2:])
    assert without_grants is not None
    assert without_grants["caption"] == "The one similar request asked for as much or more."


def test_an_answer_is_read_in_the_dossier(
    as_maria: Client, sent_request: ResourceRequest, maria: User, alice: User, now: datetime
) -> None:
    sponsorship.ask(sent_request, reason="Which sites?", by=maria, at=now)
    sponsorship.submit(sent_request, by=alice, at=now, answer="All of them.")

    page = soup(as_maria.get(url(sent_request)))

    history = page.select_one("details.more[open]")
    assert history is not None
    assert "All of them." in history.get_text()


def test_the_endorsement_stands_with_its_note(
    as_maria: Client,
    complete_draft: ResourceRequest,
    call: Call,
    project: Project,
    hub_plan: Plan,
    alice: User,
    tomas: User,
    now: datetime,
) -> None:
    project.technical_officer = tomas
    project.save()
    hub_plan.offering.tier = Tier.RESOURCE
    hub_plan.offering.save()
    sponsorship.submit(complete_draft, by=alice, at=now)

    before = as_maria.get(url(complete_draft))
    assert "Tomas Lindberg has not endorsed it." in words(before)
    assert "needs the Technical Officer's endorsement" in words(before)
    assert [str(each["value"]) for each in soup(before).select("[name=decision]")] == ["ask", "reject"]
    sponsorship.endorse(complete_draft, note="They need it.", by=tomas, at=now)
    after = as_maria.get(url(complete_draft))

    assert "Tomas Lindberg, Technical Officer, endorsed it on 2 Nov 2026. They need it." in words(after)
    assert [str(each["value"]) for each in soup(after).select("[name=decision]")] == [
        "approve",
        "offer",
        "ask",
        "reject",
    ]


# --- the decision ----------------------------------------------------------------------------------------------------


def test_approving_grants_and_starts_the_set_up(
    as_maria: Client, sent_request: ResourceRequest, call: Call, maria: User
) -> None:
    answer = as_maria.post(url(sent_request), {"decision": "approve", "reason": "Good science."}, follow=True)

    assert answer.redirect_chain == [("/review/", 302)]
    assert f"{sent_request.reference}: 434.4 credits granted." in words(answer)
    assert stored(sent_request).status == RequestStatus.APPROVED
    assert Decision.objects.get().by == maria
    assert call_balance(call.slug) == credits("99565.6")
    assert Allocation.objects.count() == 2


@pytest.mark.parametrize(
    ("decision", "status"), [("ask", RequestStatus.INFO_NEEDED), ("reject", RequestStatus.REJECTED)]
)
def test_asking_and_rejecting_move_no_credits(
    as_maria: Client, sent_request: ResourceRequest, call: Call, decision: str, status: str
) -> None:
    as_maria.post(url(sent_request), {"decision": decision, "reason": "Too vague."})

    assert stored(sent_request).status == status
    assert Decision.objects.get().reason == "Too vague."
    assert call_balance(call.slug) == credits(100_000)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"decision": "approve"},
        {"decision": "approve", "reason": "   "},
        {"reason": "Good science."},
        {"decision": "offer", "reason": "Half."},
        {"decision": "approve", "reason": "x" * 5001},
    ],
)
def test_a_decision_needs_a_choice_and_a_reason(
    as_maria: Client, sent_request: ResourceRequest, data: dict[str, str]
) -> None:
    answer = as_maria.post(url(sent_request), data)

    assert answer.status_code == 422
    assert errors(answer)
    assert stored(sent_request).status == RequestStatus.IN_REVIEW
    assert not Decision.objects.exists()


def test_a_question_that_is_not_written_is_called_a_question(as_maria: Client, sent_request: ResourceRequest) -> None:
    answer = as_maria.post(url(sent_request), {"decision": "ask", "reason": ""})

    assert errors(answer) == ["Your question: Enter your question. The applicant will see it."]


def test_an_amount_under_one_credit_has_its_decimals_in_the_queue(
    as_maria: Client, sent_request: ResourceRequest
) -> None:
    ResourceRequest.objects.filter(pk=sent_request.pk).update(amount=credits("0.72"))

    assert "0.72" in soup(as_maria.get("/review/")).select_one(".queue-amount").get_text()  # type: ignore[union-attr]


def test_what_was_typed_stays_when_it_was_refused(as_maria: Client, sent_request: ResourceRequest) -> None:
    page = soup(as_maria.post(url(sent_request), {"decision": "reject", "reason": ""}))

    assert page.select_one("input[value=reject][checked]") is not None
    assert page.select_one("input[value=approve][checked]") is None


def test_a_manager_with_an_interest_reads_why_they_may_not_decide(
    as_maria: Client, sent_request: ResourceRequest, institute: Organisation, maria: User
) -> None:
    maria.organisation = institute
    maria.save()

    page = as_maria.get(url(sent_request))

    assert "You work for Alpine Institute, which asks. Someone else has to decide." in words(page)
    assert soup(page).select("form.decision") == []
    refused = as_maria.post(url(sent_request), {"decision": "approve", "reason": "Ours."})
    assert refused.status_code == 422
    assert "You work for Alpine Institute" in " ".join(errors(refused))
    assert stored(sent_request).status == RequestStatus.IN_REVIEW


def test_the_second_manager_reads_that_it_was_decided(
    as_maria: Client, as_marc: Client, sent_request: ResourceRequest
) -> None:
    as_maria.post(url(sent_request), {"decision": "reject", "reason": "No."})

    answer = as_marc.post(url(sent_request), {"decision": "approve", "reason": "Yes."})

    assert answer.status_code == 422
    assert errors(answer) == ["This resource request is “Rejected”, so this is not possible now."]
    assert soup(answer).select("form.decision") == []
    assert Decision.objects.count() == 1


def test_a_failed_check_closes_the_approval_and_says_so(
    as_maria: Client, complete_draft: ResourceRequest, call: Call, alice: User, now: datetime
) -> None:
    call.ceiling = credits(100)
    call.save()
    sponsorship.submit(complete_draft, by=alice, at=now)

    page = as_maria.get(url(complete_draft))

    assert "Ask the applicant to change this, or reject the request." in words(page)
    assert [str(each["value"]) for each in soup(page).select("[name=decision]")] == ["offer", "ask", "reject"]
    refused = as_maria.post(url(complete_draft), {"decision": "approve", "reason": "Anyway."})
    assert refused.status_code == 422
    assert stored(complete_draft).status == RequestStatus.IN_REVIEW


def test_a_decided_request_shows_the_decision_and_no_form(
    as_maria: Client, sent_request: ResourceRequest, maria: User, now: datetime
) -> None:
    sponsorship.reject(sent_request, reason="Too vague.", by=maria, at=now)

    page = as_maria.get(url(sent_request))

    assert "Too vague." in words(page)
    assert soup(page).select("form.decision") == []


def test_a_manager_in_the_asking_project_sees_the_request_locked(
    as_maria: Client, sent_request: ResourceRequest, project: Project, alice: User, maria: User, now: datetime
) -> None:
    projects.add_member(project, user=maria, by=alice, at=now)

    page = as_maria.get(url(sent_request))

    assert "You are a member of the project that asks. Someone else has to decide." in words(page)
    assert soup(page).select("[name=decision]") == []
