"""The pages of awards: what became of the credits, and using what is free of them."""

import uuid
from datetime import datetime

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from earthcode.catalogue.models import Plan
from earthcode.identity.models import User
from earthcode.lib.money import as_text
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning.models import Allocation
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import Award
from tests.conftest import plan_on
from tests.support.allocations import close, more_allocations
from tests.support.credits import award_balance
from tests.support.pages import in_one_line, soup
from tests.support.people import fresh
from tests.support.queries import assert_queries_do_not_grow
from tests.support.visits import page_of

WORKLOAD = "cpu=1&ram=1&hours=10&gb=0&months=3"


@pytest.fixture
def freed(award: Award, alice: User, now: datetime) -> Award:
    """The credits for the hub were given back."""
    allocation = award.allocations.get(platform__slug="hub")
    provisioning.end(allocation, reason="Another platform is nearer.", by=fresh(alice), at=now)
    close(allocation, at=now)
    return award


@pytest.fixture
def near(batch_plan: Plan, now: datetime) -> Plan:
    """30 credits for ``WORKLOAD``."""
    return plan_on(batch_plan.offering.platform, "Near", {"vcpu_hour": "1"}, tier="platform", at=now)


def address(plan: Plan) -> str:
    return f"/credits/use/?plan={plan.pk}&{WORKLOAD}"


def fields_of(page: BeautifulSoup) -> dict[str, str]:
    """What the form sends if nothing is changed."""
    form = page.select_one("main form[method=post]")
    assert form is not None
    return {
        str(field["name"]): str(field.get("value", ""))
        for field in form.select("input")
        if field.get("type") != "radio" or field.has_attr("checked")
    }


@pytest.mark.parametrize("who", ["as_alice", "as_ben", "as_maria"])
def test_the_project_and_esa_see_the_award(freed: Award, who: str, request: pytest.FixtureRequest) -> None:
    words = in_one_line(page_of(request.getfixturevalue(who), f"/awards/{freed.reference}/"))

    assert as_text(award_balance(freed.reference)) in words
    assert f"Returned by {freed.reference}-1" in words
    assert f"Set aside for {freed.reference}-2" in words
    assert "Granted by ESA" in words


@pytest.mark.parametrize("who", ["as_stranger", "as_petra"])
def test_to_others_the_award_does_not_exist(freed: Award, who: str, request: pytest.FixtureRequest) -> None:
    assert request.getfixturevalue(who).get(f"/awards/{freed.reference}/").status_code == 404


def test_only_the_leader_is_offered_to_use_what_is_free(freed: Award, as_alice: Client, as_ben: Client) -> None:
    url = f"/awards/{freed.reference}/"

    assert "Use what is free" in in_one_line(page_of(as_alice, url))
    assert "Use what is free" not in in_one_line(page_of(as_ben, url))


def test_a_long_statement_is_read_page_by_page(freed: Award, as_alice: Client, now: datetime) -> None:
    more_allocations(freed, 30, at=now)
    seen: list[str] = []
    url = f"/awards/{freed.reference}/"
    while url:
        page = page_of(as_alice, url)
        rows = page.select("table.ledger tbody tr")
        seen += [str(row.select_one(".reference")) for row in rows]
        older = page.select_one("#statement ~ * a[rel=next], section[aria-labelledby=statement] a[rel=next]")
        url = str(older["href"]).partition("#")[0] if older else ""

    # Granted twice, two lines set aside, one given back, thirty more set aside.
    assert len(seen) == len(set(seen)) == 35


def test_the_page_costs_the_same_however_much_there_is(freed: Award, as_alice: Client, now: datetime) -> None:
    def allocations(count: int) -> None:
        more_allocations(freed, count - freed.allocations.count(), at=now)

    assert_queries_do_not_grow(as_alice, f"/awards/{freed.reference}/", rows=allocations, few=3, most=13)


def test_free_credits_pay_for_another_platform(freed: Award, near: Plan, as_alice: Client) -> None:
    page = page_of(as_alice, address(near))
    assert "Set 30 credits aside" in in_one_line(page)
    fields = fields_of(page)
    assert fields["award"] == freed.reference

    response = as_alice.post(address(near), fields)
    again = as_alice.post(address(near), fields)

    allocation = Allocation.objects.get(line=None)
    assert response["Location"] == again["Location"] == allocation.get_absolute_url()
    assert allocation.amount == 30_000_000
    assert "30 credits are set aside" in in_one_line(page_of(as_alice, response["Location"]))


def test_the_request_page_offers_it_where_it_would_do(freed: Award, near: Plan, as_alice: Client) -> None:
    offered = page_of(as_alice, f"/requests/new/?plan={near.pk}&{WORKLOAD}")
    too_dear = page_of(as_alice, f"/requests/new/?plan={near.pk}&cpu=1000&hours=700&months=3")

    assert offered.select_one(f'a[href^="/credits/use/?plan={near.pk}"]') is not None
    assert too_dear.select_one('a[href^="/credits/use/"]') is None


def test_a_price_that_changed_is_shown_before_it_is_paid(freed: Award, near: Plan, as_alice: Client) -> None:
    fields = fields_of(page_of(as_alice, address(near))) | {"amount": "29000000"}

    response = as_alice.post(address(near), fields)

    assert response.status_code == 422
    page = soup(response)
    assert "30 credits now, not 29" in in_one_line(page)
    assert not Allocation.objects.filter(line=None).exists()
    assert as_alice.post(address(near), fields_of(page)).status_code == 302


def test_a_refusal_says_why(freed: Award, near: Plan, as_alice: Client) -> None:
    near.offering.sponsorable = False
    near.offering.save()

    response = as_alice.post(address(near), fields_of(page_of(as_alice, address(near))))

    assert response.status_code == 422
    assert "does not sponsor" in in_one_line(soup(response))
    assert not Allocation.objects.filter(line=None).exists()


@pytest.mark.parametrize("change", [{"award": "NOR-1999-0001"}, {"key": "x"}, {"amount": ""}])
def test_what_the_form_did_not_offer_is_refused(
    freed: Award, near: Plan, as_alice: Client, change: dict[str, str]
) -> None:
    fields = fields_of(page_of(as_alice, address(near))) | change

    assert as_alice.post(address(near), fields).status_code == 422
    assert not Allocation.objects.filter(line=None).exists()


def test_somebody_elses_credits_are_not_offered(freed: Award, near: Plan, as_ben: Client, as_alice: Client) -> None:
    fields = fields_of(page_of(as_alice, address(near)))

    assert "You have no free credits to place" in in_one_line(page_of(as_ben, address(near)))
    assert as_ben.post(address(near), fields | {"key": str(uuid.uuid4())}).status_code == 422
    assert not Allocation.objects.filter(line=None).exists()


def test_too_few_credits_lead_to_a_request(freed: Award, near: Plan, as_alice: Client) -> None:
    page = page_of(as_alice, f"/credits/use/?plan={near.pk}&cpu=1000&hours=700&months=3")

    assert "No award of yours has enough" in in_one_line(page)
    assert page.select_one(f'a[href^="/requests/new/?plan={near.pk}"]') is not None


def test_without_a_plan_the_page_leads_to_the_catalogue(freed: Award, as_alice: Client) -> None:
    assert "Choose a plan" in in_one_line(page_of(as_alice, "/credits/use/"))


# --- between awards --------------------------------------------------------------------------------------------------


@pytest.fixture
def second(freed: Award, alice: User, maria: User, now: datetime) -> Award:
    """One more award of the project in the same call; nothing of it is placed."""
    draft = sponsorship.copy(freed.resource_request, by=fresh(alice), at=now)
    sponsorship.save_period(draft, starts_on=freed.starts_on, by=fresh(alice), at=now)
    sponsorship.save_declarations(
        draft, non_commercial=True, no_provider_tie=True, will_publish=True, by=fresh(alice), at=now
    )
    sponsorship.submit(draft, by=fresh(alice), at=now)
    return sponsorship.approve(draft, reason="Again.", by=fresh(maria), at=now)


def test_free_credits_move_to_another_award(freed: Award, second: Award, as_alice: Client) -> None:
    before = award_balance(freed.reference), award_balance(second.reference)
    page = page_of(as_alice, f"/awards/{freed.reference}/")
    assert page.select_one(f'a[href="/awards/{freed.reference}/move/"]') is not None
    fields = fields_of(page_of(as_alice, f"/awards/{freed.reference}/move/"))
    sent = {"key": fields["key"], "target": str(second.pk), "amount": "12.5"}

    first = as_alice.post(f"/awards/{freed.reference}/move/", sent)
    again = as_alice.post(f"/awards/{freed.reference}/move/", sent)

    assert first["Location"] == again["Location"] == f"/awards/{second.reference}/"
    assert award_balance(freed.reference) == before[0] - 12_500_000
    assert award_balance(second.reference) == before[1] + 12_500_000
    words = in_one_line(page_of(as_alice, f"/awards/{second.reference}/"))
    assert "From another award" in words


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"amount": "1000000"}, "There are not enough credits"),
        ({"amount": "0"}, "or more for"),
        ({"amount": "1.0000001"}, "decimal"),
        ({"amount": ""}, "How many"),
        ({"target": "0"}, "Choose one of the list for"),
    ],
)
def test_a_move_that_cannot_be_says_why(
    freed: Award, second: Award, as_alice: Client, change: dict[str, str], said: str
) -> None:
    before = award_balance(freed.reference), award_balance(second.reference)
    sent = {"key": str(uuid.uuid4()), "target": str(second.pk), "amount": "1"} | change

    response = as_alice.post(f"/awards/{freed.reference}/move/", sent)

    assert response.status_code == 422
    assert said in in_one_line(soup(response))
    assert (award_balance(freed.reference), award_balance(second.reference)) == before


def test_without_another_award_the_page_says_so(freed: Award, as_alice: Client, as_stranger: Client) -> None:
    url = f"/awards/{freed.reference}/move/"

    assert "There is no award to move them to" in in_one_line(page_of(as_alice, url))
    assert as_stranger.get(url).status_code == 404


def test_those_who_only_see_the_award_move_nothing(freed: Award, second: Award, as_ben: Client) -> None:
    before = award_balance(freed.reference)
    sent = {"key": str(uuid.uuid4()), "target": str(second.pk), "amount": "1"}

    assert as_ben.post(f"/awards/{freed.reference}/move/", sent).status_code == 422
    assert award_balance(freed.reference) == before
