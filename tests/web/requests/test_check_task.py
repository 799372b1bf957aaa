"""The task "Check and submit"."""

from datetime import datetime

from django.test import Client

from earthcode.identity.models import User
from earthcode.lib.money import credits
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import Call, RequestStatus, ResourceRequest
from tests.support.pages import errors, soup, words
from tests.support.requests import ANSWERS, stored, url


def test_before_sending_one_sees_the_call_and_what_esa_will_see(
    as_alice: Client, complete_draft: ResourceRequest, call: Call
) -> None:
    page = words(as_alice.get(url(complete_draft, "edit/check/")))

    assert "Open Science 2026 is the smallest open call that covers 434.4 credits" in page
    assert "Nobody in the project belongs to a provider it asks for." in page
    assert "Submit request for 434.4 credits" in page


def test_sending_gives_a_receipt_with_reference_date_and_what_happens_next(
    as_alice: Client, complete_draft: ResourceRequest, call: Call
) -> None:
    receipt = as_alice.post(url(complete_draft, "edit/check/"), ANSWERS, follow=True)

    assert receipt.redirect_chain == [(url(complete_draft), 302)]
    page = words(receipt)
    assert complete_draft.reference in page
    assert "Submitted for 434.4 credits. You hear from ESA by 16 Nov 2026." in page
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
    assert "Submit request" not in words(page)
    assert as_alice.post(url(draft, "edit/check/"), ANSWERS).status_code == 422
    assert stored(draft).status == RequestStatus.DRAFT


def test_a_member_reads_who_sends_it(as_ben: Client, complete_draft: ResourceRequest, call: Call) -> None:
    page = as_ben.get(url(complete_draft, "edit/check/"))

    assert "Alice Martin leads the project and submits its requests." in words(page)
    assert soup(page).select("main form[method=post]") == []
    refused = as_ben.post(url(complete_draft, "edit/check/"), ANSWERS)
    assert refused.status_code == 422
    assert errors(refused)
    assert stored(complete_draft).status == RequestStatus.DRAFT


def test_without_an_open_call_nothing_can_be_sent(as_alice: Client, complete_draft: ResourceRequest) -> None:
    assert "No call is open for requests at the moment" in words(as_alice.get(url(complete_draft, "edit/check/")))
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
    assert "ESA cannot approve the request while a check fails." in page
