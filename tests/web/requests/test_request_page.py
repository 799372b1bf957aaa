"""One request: what was asked, what ESA said, what may be done with it."""

from datetime import datetime, timedelta

import pytest
from django.test import Client

from earthcode.catalogue.models import Plan, Tier
from earthcode.catalogue.pricing import Workload
from earthcode.identity.models import Project, User
from earthcode.provisioning import actions as provisioning
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import Award, Call, RequestStatus, ResourceRequest
from tests.support.many import line_of
from tests.support.pages import errors, in_one_line, soup, words
from tests.support.queries import assert_queries_do_not_grow
from tests.support.requests import ANSWERS, NARROW, stored, url


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
        "Answered and submitted for 434.4 credits 4 Nov 2026, Alice Martin All of them.",
        "ESA asked a question 3 Nov 2026, Maria Rossi Which sites?",
        "Submitted for 434.4 credits 2 Nov 2026, Alice Martin",
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
    assert "Access is being set up" in next_words("closed", "provisioning")
    assert next_words("closed", "ending") == "Access is being removed automatically."
    assert next_words("closed", "closed") == "Nothing more happens. The allocations have ended."


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

    assert f"{sent_request.reference} was withdrawn." in page
    assert stored(sent_request).status == RequestStatus.WITHDRAWN


def test_a_member_does_not_withdraw_and_reads_why(as_ben: Client, sent_request: ResourceRequest) -> None:
    assert "Withdraw" not in words(as_ben.get(url(sent_request)))

    page = words(as_ben.post(url(sent_request, "withdraw/"), follow=True))

    assert "You do not have permission" in page
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
