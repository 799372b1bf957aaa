"""Calls on the site: what anybody reads, what a manager does, and how an applicant chooses."""

import uuid
from datetime import date, datetime
from typing import Any

import pytest
from django.test import Client

from earthcode.identity.models import User
from earthcode.lib.money import credits
from earthcode.sponsorship import calls
from earthcode.sponsorship.models import Call, CallFunding, CallStatus, ResourceRequest
from tests.support.credits import call_balance

pytestmark = pytest.mark.usefixtures("clock")

FORM = {
    "title": "Cryosphere 2027",
    "slug": "cryosphere-2027",
    "opens_on": "2026-11-01",
    "ceiling": "2000",
    "months_max": "12",
    "case_words_max": "300",
    "decision_working_days": "10",
    "offer_days": "14",
    "overdraft_percent": "0",
    "grace_days": "30",
    "final_report_days": "90",
    "sent_with_open_quotations": "on",
}


def text(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def test_anybody_reads_an_open_call_and_nobody_a_planned_one(
    client: Client, as_maria: Client, call: Call, maria: User, now: datetime
) -> None:
    planned = calls.plan_call(
        slug="later", title="A later call", opens_on=date(2027, 1, 1), ceiling=credits(5), by=maria, at=now
    )
    page = text(client, "/calls/")
    assert call.title in page
    assert planned.title not in page
    assert client.get("/calls/later/").status_code == 404
    assert planned.title in text(as_maria, "/calls/")
    rules = text(client, f"/calls/{call.slug}/")
    assert "Within 10 working days" in rules
    assert "Resource Tier" in rules
    assert "too few to say" in rules


def test_a_manager_plans_funds_by_four_eyes_and_opens_a_call(as_maria: Client, as_marc: Client, db: None) -> None:
    assert as_maria.post("/review/calls/new/", FORM).status_code == 302
    manage = "/review/calls/cryosphere-2027/"
    text(as_maria, manage)
    given = {"amount": "500.5", "source": "", "reason": "The budget.", "key": str(uuid.uuid4())}
    for _ in range(2):
        assert as_maria.post(manage, given).status_code == 302
    funding = CallFunding.objects.get()
    as_maria.post(f"{manage}credits/{funding.pk}/agree/")
    assert call_balance("cryosphere-2027") == 0
    assert "Agree to 500.5 credits" in text(as_marc, manage)
    as_marc.post(f"{manage}credits/{funding.pk}/agree/")
    assert call_balance("cryosphere-2027") == credits("500.5")
    as_maria.post(f"{manage}open/")
    assert Call.objects.get().status == CallStatus.OPEN
    as_maria.post(f"{manage}pause/", {"reason": ""})
    assert Call.objects.get().status == CallStatus.OPEN
    as_maria.post(f"{manage}pause/", {"reason": "We look at the budget."})
    assert Call.objects.get().status == CallStatus.PAUSED


def test_a_manager_changes_the_rules(as_maria: Client, call: Call) -> None:
    address = f"/review/calls/{call.slug}/change/"
    assert 'value="6000"' in text(as_maria, address)
    changed = {**FORM, "title": call.title, "opens_on": "2026-01-01", "months_max": "6", "countries": ["AT", "PL"]}
    assert as_maria.post(address, changed).status_code == 302
    call.refresh_from_db()
    assert (call.months_max, call.countries, call.version) == (6, ["AT", "PL"], 2)
    assert "Austria, Poland" in text(as_maria, f"/calls/{call.slug}/")


@pytest.mark.parametrize(
    ("field", "value"),
    [("ceiling", "0"), ("ceiling", "-1"), ("ceiling", "NaN"), ("months_max", "99"), ("closes_on", "2020-05-05")],
)
def test_a_rule_that_cannot_be_is_said_beside_its_field(as_maria: Client, db: None, field: str, value: str) -> None:
    answer = as_maria.post("/review/calls/new/", {**FORM, field: value})
    assert answer.status_code == 422
    assert f'id="id_{field}_error"' in answer.content.decode()
    assert not Call.objects.exists()


@pytest.mark.parametrize("who", ["alice", "petra", "tomas", "stranger"])
def test_others_find_no_page_to_look_after_calls(
    who: str, call: Call, request: pytest.FixtureRequest, signed_in: Any
) -> None:
    client = signed_in(request.getfixturevalue(who))
    manage = f"/review/calls/{call.slug}/"
    for address in ("/review/calls/new/", manage, f"{manage}change/"):
        assert client.get(address).status_code == 404
        assert client.post(address, FORM).status_code == 404
    assert client.post(f"{manage}close/", {"reason": "x"}).status_code == 404
    assert "Look after this call" not in text(client, f"/calls/{call.slug}/")


def test_an_applicant_chooses_the_call_and_reads_why_another_does_not_fit(
    as_alice: Client, complete_draft: ResourceRequest, call: Call, maria: User, now: datetime
) -> None:
    for slug, ceiling in (("small", 100), ("wide", 9_000)):
        other = calls.plan_call(
            slug=slug, title=slug.capitalize(), opens_on=date(2026, 1, 1), ceiling=credits(ceiling), by=maria, at=now
        )
        calls.open_call(other, by=maria, at=now)
    address = f"/requests/{complete_draft.reference}/edit/check/"
    page = text(as_alice, address)
    assert "Asks for 434.4 credits; Small allows 100 for one request." in page
    as_alice.post(address, {"call": "wide"})
    assert ResourceRequest.objects.get().call == Call.objects.get(slug="wide")
    assert "You chose Wide." in text(as_alice, address)
