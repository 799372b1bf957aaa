"""What the catalogue costs: its offerings against the reader's credits, and its pages in queries, however many there are."""

from datetime import date, datetime
from typing import Any

import pytest
from django.test import Client
from psycopg.types.range import Range

from earthcode.catalogue import cached
from earthcode.catalogue.models import Component, Evidence, Offering, Plan, Rate
from earthcode.identity.models import User
from earthcode.lib.money import credits
from earthcode.provisioning import actions as provisioning
from earthcode.sponsorship.models import Award
from tests.support import allocations
from tests.support.catalogue import cards, page_of, price_of, words
from tests.support.people import fresh
from tests.support.queries import assert_queries_do_not_grow

pytestmark = pytest.mark.django_db


def more_offerings(plan: Plan, count: int, *, every_price_another: bool = False) -> None:
    """Offerings like that of ``plan``, until there are ``count``: each with two plans, one of them priced."""
    pattern = plan.offering
    for number in range(Offering.objects.count(), count):
        offering = Offering.objects.create(
            slug=f"offering-{number}",
            platform=pattern.platform,
            name=f"Offering {number}",
            summary="Work next to the data.",
            tier="platform",
            interfaces=["JupyterLab"],
            datasets=["Sentinel-2"],
            updated_at=pattern.updated_at,
        )
        more_plans(offering, 2, dearer_by=1000 * number if every_price_another else 0)


def more_plans(offering: Offering, count: int, *, dearer_by: int = 0) -> None:
    """Plans of an offering, until there are ``count``; every other one is priced, with one earlier rate."""
    for number in range(offering.plans.count(), count):
        plan = Plan.objects.create(
            offering=offering, slug=f"plan-{number}", name=f"Plan {number}", kind="service" if number % 3 else "general"
        )
        if number % 2 == 0:
            component = Component.objects.create(plan=plan, metric="vcpu_hour")
            for valid in (Range(date(2025, 1, 1), date(2026, 1, 1)), Range(date(2026, 1, 1), None)):
                Rate.objects.create(
                    component=component,
                    valid=valid,
                    micro_per_unit=50_000 + number + dearer_by,
                    evidence=Evidence.DEMONSTRATION,
                )


@pytest.fixture
def freed(award: Award, alice: User, now: datetime) -> Award:
    """Gave back the 290.4 credits for the hub; 144 are still set aside for the batch cluster."""
    allocation = award.allocations.get(amount=credits("290.4"))
    allocations.activate(allocation, at=now)
    provisioning.end(allocation, reason="Nearer to the data.", by=fresh(alice), at=now)
    allocations.close(allocation, at=now)
    return award


def test_a_scientist_sees_what_fits_their_free_credits(
    hub_plan: Plan, freed: Award, as_alice: Client, as_ben: Client, as_stranger: Client
) -> None:
    name = hub_plan.offering.name

    def price(client: Client, query: str) -> str:
        return price_of(cards(page_of(client, f"/catalogue/{query}"))[name])

    assert "Fits your 290 free credits" in price(as_alice, "")
    assert "You have 290 cr free: ask for 230 more" in price(as_alice, "?cpu=16")
    assert "more than you have" not in price(as_alice, "?cpu=16")
    # Only who leads the project can place its credits.
    assert "credits" not in price(as_ben, "")
    assert "credits" not in price(as_stranger, "")
    page = page_of(as_alice, f"/catalogue/{hub_plan.offering.slug}/?cpu=16")
    assert "You have 290 cr free: ask for 230 more" in words(page.select_one("#price-box"))
    assert "your free credits" in words(page.select_one("#price-box .strip-key"))


def test_the_list_is_filtered_by_what_the_readers_credits_pay_for(
    freed: Award, as_alice: Client, as_stranger: Client
) -> None:
    def found(client: Client, query: str) -> list[str]:
        return list(cards(page_of(client, f"/catalogue/{query}")))

    both = ["Batch on Batch Cluster", "Notebooks on Coastal Hub"]
    assert found(as_alice, "?credits=fit") == both
    # 16 vCPU cost 288 on the batch cluster and 520.8 on the hub.
    assert found(as_alice, "?credits=fit&cpu=16") == both[:1]
    assert "Pay for your workload 1" in words(page_of(as_alice, "/catalogue/?cpu=16").select_one(".facets"))
    # A shared address does not empty the list of somebody without credits.
    assert found(as_stranger, "?credits=fit&cpu=16") == both
    assert "Your free credits" not in words(page_of(as_stranger, "/catalogue/").select_one(".facets"))


def test_credits_beyond_all_prices_are_marked_at_the_end(freed: Award, as_alice: Client) -> None:
    page = page_of(as_alice, "/catalogue/?cpu=1")

    assert "your free credits" in words(page.select_one(".strip-key"))
    assert len(page.select(".offering-card .strip .balance-mark")) == 2


def test_a_card_says_where_its_price_stands(hub_plan: Plan, batch_plan: Plan, client: Client, clock: object) -> None:
    shown = cards(page_of(client, "/catalogue/"))

    assert "Lowest of 2 prices" in price_of(shown[batch_plan.offering.name])
    assert "1 of 2 prices is lower" in price_of(shown[hub_plan.offering.name])
    page = page_of(client, f"/catalogue/{hub_plan.offering.slug}/")
    assert "1 of 2 prices is lower" in words(page.select_one("#price-box"))


class AfterAChange(Client):
    """Comes when the catalogue has just changed: nothing of it is in memory."""

    def get(self, *args: Any, **kwargs: Any) -> Any:
        cached.forget_all()
        return super().get(*args, **kwargs)


QUERIES = ["", "?q=offering&interface=jupyterlab&sort=name&cpu=4"]


@pytest.mark.parametrize("query", QUERIES)
def test_the_list_makes_no_more_queries_with_more_offerings(
    hub_plan: Plan, award: Award, as_alice: Client, query: str
) -> None:
    page = f"/catalogue/{query}"

    def rows(count: int) -> None:
        more_offerings(hub_plan, count)
        as_alice.get(page)

    assert_queries_do_not_grow(as_alice, page, rows=rows, most=10)


@pytest.mark.parametrize("query", QUERIES)
def test_the_first_reader_after_a_change_makes_no_more_queries_with_more_offerings(
    hub_plan: Plan, award: Award, alice: User, clock: object, query: str
) -> None:
    client = AfterAChange()
    client.force_login(alice)

    assert_queries_do_not_grow(
        client, f"/catalogue/{query}", rows=lambda count: more_offerings(hub_plan, count), most=10
    )


def test_the_page_does_not_grow_with_the_prices_it_compares(hub_plan: Plan, client: Client, clock: object) -> None:
    sizes = []
    for count in (60, 200):
        more_offerings(hub_plan, count, every_price_another=True)
        page = page_of(client, "/catalogue/")
        strip = page.select_one(".offering-card .strip")
        assert strip is not None
        assert f"all {count} prices" in words(page.select_one(".strip-key"))
        sizes.append(len(strip.select(".tick")))

    assert sizes == [40, 40]


def test_an_offering_makes_no_more_queries_with_more_plans(hub_plan: Plan, award: Award, as_alice: Client) -> None:
    offering = hub_plan.offering

    page = f"/catalogue/{offering.slug}/"

    def rows(count: int) -> None:
        more_plans(offering, count)
        as_alice.get(page)

    assert_queries_do_not_grow(as_alice, page, rows=rows, most=10)
