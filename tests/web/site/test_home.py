"""The page that everybody sees first."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from earthcode.catalogue.models import Offering, Plan
from earthcode.identity.models import User
from earthcode.sponsorship.models import Call, Decision, DecisionKind, RequestStatus, ResourceRequest
from earthcode.web.site import home
from tests.support.catalogue import page_of, words
from tests.support.queries import assert_queries_do_not_grow

Decide = Callable[[int, timedelta], None]


@pytest.fixture
def decide(alice: User, maria: User, call: Call, draft: ResourceRequest, now: datetime) -> Decide:
    """Makes decisions that each took so long: ``decide(3, timedelta(days=4))``."""

    def make(count: int, took: timedelta) -> None:
        for number in range(count):
            sent = ResourceRequest.objects.create(
                reference=f"NOR-2026-{took.days:02}{number:02}",
                title="Snow",
                project=draft.project,
                call=call,
                status=RequestStatus.REJECTED,
                status_since=now,
                created_by=alice,
                created_at=now,
                saved_at=now,
                submitted_by=alice,
                submitted_at=now,
            )
            Decision.objects.create(
                resource_request=sent, kind=DecisionKind.REJECT, reason="Out of scope.", by=maria, at=now + took
            )

    return make


def numbers(client: Client) -> dict[str, str]:
    page = BeautifulSoup(client.get("/").content, "html.parser")
    return {
        row.dt.get_text(strip=True): row.dd.get_text(strip=True)
        for row in page.select(".numbers > div")
        if row.dt and row.dd
    }


@pytest.mark.usefixtures("hub_plan", "unpriced_plan")
def test_it_counts_what_is_listed(client: Client, batch_plan: Plan) -> None:
    Offering.objects.filter(pk=batch_plan.offering_id).update(is_listed=False)

    hero = words(page_of(client, "/").select_one(".hero"))

    assert "2 European Earth observation offerings of 2 providers." in hero
    assert "1 of 2 publish a price or a free tier; 1 answer with a quotation" in hero


@pytest.mark.usefixtures("clock")
def test_it_says_how_long_a_decision_may_take(client: Client, call: Call) -> None:
    assert numbers(client)["working days to a decision, at most"] == str(call.decision_working_days)


@pytest.mark.django_db
def test_without_anything_it_promises_nothing(client: Client) -> None:
    page = page_of(client, "/")

    assert numbers(client) == {}
    assert not page.select(".known-block, .listing")
    assert "offerings of" not in words(page.select_one(".hero"))


def test_a_few_decisions_say_nothing_about_the_next(decide: Decide) -> None:
    decide(home.DECISIONS_FOR_A_MEDIAN - 1, timedelta(days=4))

    assert home.decision_days_median() is None


def test_with_enough_decisions_it_says_the_median(client: Client, decide: Decide) -> None:
    decide(home.DECISIONS_FOR_A_MEDIAN, timedelta(days=3, hours=5))
    decide(2, timedelta(days=30))

    assert home.decision_days_median() == 4
    assert numbers(client)["days from request to decision (median)"] == "4"


@pytest.mark.usefixtures("hub_plan")
def test_it_shows_some_offerings(client: Client) -> None:
    page = BeautifulSoup(client.get("/").content, "html.parser")

    link = page.select_one(".listing a")
    assert link is not None
    assert link.get_text() == "Notebooks on Coastal Hub"
    assert client.get(str(link["href"])).status_code == 200


def test_those_who_signed_in_have_a_page_of_their_own(as_alice: Client) -> None:
    response = as_alice.get("/")

    assert response.status_code == 302
    assert response.headers["Location"] == "/home/"


def test_its_queries_do_not_grow_with_the_catalogue(client: Client, hub_plan: Plan) -> None:
    def offerings(count: int) -> None:
        start = Offering.objects.count()
        Offering.objects.bulk_create(
            Offering(
                slug=f"more-{number}",
                platform=hub_plan.offering.platform,
                name=f"More {number}",
                summary="More.",
                tier=hub_plan.offering.tier,
                updated_at=hub_plan.offering.updated_at,
            )
            for number in range(start, count)
        )
        # The first reader after a change reads the catalogue; it is the others that are counted.
        client.get("/")

    assert_queries_do_not_grow(client, "/", rows=offerings, most=5)
