"""A part award and a decision by two officers, on the pages and in the API's document."""

from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from earthcode.identity.models import User
from earthcode.lib.money import credits
from earthcode.sponsorship import actions, calls
from earthcode.sponsorship.models import Award, Call, RequestStatus, ResourceRequest

pytestmark = pytest.mark.usefixtures("clock")


def text(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def offer_form(resource_request: ResourceRequest, *amounts: str) -> dict[str, Any]:
    lines = resource_request.lines.order_by("pk")
    given = {f"line-{line.pk}": amount for line, amount in zip(lines, amounts, strict=True)}
    return {"decision": "offer", "reason": "One platform is enough.", **given}


def test_a_part_is_offered_and_accepted(as_maria: Client, as_alice: Client, sent_request: ResourceRequest) -> None:
    review = f"/review/{sent_request.reference}/"
    page = text(as_maria, review)
    assert 'value="290.4"' in page
    assert "Offer a part" in page
    assert as_maria.post(review, offer_form(sent_request, "100", "0")).status_code == 302

    address = f"/requests/{sent_request.reference}/"
    page = text(as_alice, address)
    assert "ESA offers 100 of the 434.4 credits" in page
    assert "Accept 100 credits" in page
    assert "Offer to accept" in text(as_alice, "/requests/?state=open")
    text(as_maria, "/review/?state=waiting")
    assert as_alice.post(f"{address}accept/").status_code == 302
    assert Award.objects.get().amount == credits(100)
    assert "Accept 100 credits" not in text(as_alice, address)
    text(as_maria, review)


def test_an_offer_is_declined(as_maria: Client, as_alice: Client, sent_request: ResourceRequest) -> None:
    as_maria.post(f"/review/{sent_request.reference}/", offer_form(sent_request, "100", "0"))
    assert as_alice.post(f"/requests/{sent_request.reference}/decline/", {"reason": "Too little."}).status_code == 302
    assert ResourceRequest.objects.get().status == RequestStatus.DECLINED
    assert "Too little." in text(as_alice, f"/requests/{sent_request.reference}/")
    text(as_maria, "/review/?state=decided")


@pytest.mark.parametrize("amounts", [("900", "0"), ("-1", "0"), ("NaN", "0"), ("", "x"), ("0", "0"), ("290.4", "144")])
def test_an_offer_that_cannot_be_is_said_on_the_page(
    as_maria: Client, sent_request: ResourceRequest, amounts: tuple[str, str]
) -> None:
    answer = as_maria.post(f"/review/{sent_request.reference}/", offer_form(sent_request, *amounts))
    assert answer.status_code == 422
    assert "There is a problem" in answer.content.decode()
    assert ResourceRequest.objects.get().status == RequestStatus.IN_REVIEW


def test_two_officers_approve_a_large_amount(
    as_maria: Client,
    as_marc: Client,
    complete_draft: ResourceRequest,
    call: Call,
    alice: User,
    maria: User,
    now: datetime,
) -> None:
    calls.change_call(call, two_managers_above=credits(400), by=maria, at=now)
    actions.submit(complete_draft, by=alice, at=now)
    review = f"/review/{complete_draft.reference}/"
    assert "Approve, as the first of two" in text(as_maria, review)
    as_maria.post(review, {"decision": "approve_first", "reason": "Good."})
    assert 'value="approve"' not in text(as_maria, review)
    assert 'value="approve"' in text(as_marc, review)
    as_marc.post(review, {"decision": "approve", "reason": "I agree."})
    assert Award.objects.get().amount == credits("434.4")
