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
    # Two prices are too few for a strip.
    assert page.select_one("#price-box .strip-key") is None


def test_the_list_is_filtered_by_what_the_readers_credits_pay_for(
    freed: Award, as_alice: Client, as_stranger: Client
) -> None:
    def found(client: Client, query: str) -> list[str]:
        return list(cards(page_of(client, f"/catalogue/{query}")))

    both = ["Batch on Batch Cluster", "Notebooks on Coastal Hub"]
    assert found(as_alice, "?credits=fit&gb=0") == both
    # 16 vCPU cost 288 on the batch cluster and 460.8 on the hub.
    assert found(as_alice, "?credits=fit&cpu=16&gb=0") == both[:1]
    assert "Pay for your workload 1" in words(page_of(as_alice, "/catalogue/?cpu=16&gb=0").select_one(".facets"))
    # The cluster has no price for storage: nobody knows whether the credits pay for all of it.
    assert found(as_alice, "?credits=fit") == both[1:]
    # A shared address does not empty the list of somebody without credits.
    assert found(as_stranger, "?credits=fit&cpu=16&gb=0") == both
    assert "Your free credits" not in words(page_of(as_stranger, "/catalogue/").select_one(".facets"))


def test_credits_beyond_all_prices_are_marked_at_the_end(hub_plan: Plan, freed: Award, as_alice: Client) -> None:
    more_offerings(hub_plan, 4, every_price_another=True)
    page = page_of(as_alice, "/catalogue/?cpu=1&gb=0")

    assert "your free credits" in words(page.select_one(".strip-key"))
    assert len(page.select(".offering-card .strip .balance-mark")) == 4


def test_a_card_says_where_its_price_stands_among_four(
    hub_plan: Plan, batch_plan: Plan, client: Client, clock: object
) -> None:
    more_offerings(hub_plan, 4, every_price_another=True)
    shown = cards(page_of(client, "/catalogue/?gb=0"))

    assert "Lowest of 4 prices" in price_of(shown[batch_plan.offering.name])
    assert "3 of 4 prices are lower" in price_of(shown[hub_plan.offering.name])
    page = page_of(client, f"/catalogue/{hub_plan.offering.slug}/?gb=0")
    assert "3 of 4 prices are lower" in words(page.select_one("#price-box"))


def test_of_three_prices_none_has_a_place_or_a_strip(
    hub_plan: Plan, batch_plan: Plan, client: Client, clock: object
) -> None:
    more_offerings(hub_plan, 3, every_price_another=True)
    page = page_of(client, "/catalogue/?gb=0")

    assert len(cards(page)) == 3
    assert not page.select(".strip, .strip-key, .rank")
    assert "3 offerings publish a price for all of this workload: too few to rank." in words(
        page.select_one(".known-line")
    )
    assert not page_of(client, f"/catalogue/{hub_plan.offering.slug}/?gb=0").select("#price-box .price-standing")


def test_a_price_that_leaves_something_out_has_no_place_however_low_it_is(
    hub_plan: Plan, batch_plan: Plan, client: Client, clock: object
) -> None:
    """The cluster is the cheapest of five, and has no price for storage."""
    more_offerings(hub_plan, 5, every_price_another=True)
    for plan in Plan.objects.filter(offering__slug__startswith="offering-", kind="general"):
        storage = Component.objects.create(plan=plan, metric="gb_month")
        Rate.objects.create(
            component=storage,
            valid=Range(date(2026, 1, 1), None),
            micro_per_unit=20_000,
            evidence=Evidence.DEMONSTRATION,
        )
    page = page_of(client, "/catalogue/")
    shown = cards(page)
    cluster = shown[batch_plan.offering.name]

    assert list(shown)[-1] == batch_plan.offering.name
    assert price_of(cluster).startswith("144 cr for a part Without 500 GB of storage")
    assert not cluster.select(".strip, .rank, .fits.yes .icon[href*=check]")
    assert "of 4 prices" in price_of(shown[hub_plan.offering.name])
    group = cluster.find_previous(class_="group-head")
    assert "Priced in part" in words(group)  # type: ignore[arg-type]
    # What all of it would cost where the reader's other choice prices the rest.
    other = Offering.objects.get(slug="offering-2")
    page = page_of(client, f"/catalogue/?compare={other.slug}")
    assert f"All of it: 204 cr with {other.name}" in price_of(cards(page)[batch_plan.offering.name])


def test_a_made_up_price_has_no_place_and_is_counted_apart(
    hub_plan: Plan, batch_plan: Plan, client: Client, clock: object
) -> None:
    more_offerings(hub_plan, 5, every_price_another=True)
    Offering.objects.filter(pk=batch_plan.offering_id).update(is_demonstration=True)
    page = page_of(client, "/catalogue/?gb=0")
    shown = cards(page)

    assert list(shown)[-1] == batch_plan.offering.name
    assert not shown[batch_plan.offering.name].select(".strip, .rank")
    assert words(page.select_one("#results-title")) == "4 offerings and 1 demonstration"
    assert "4 priced in full" in words(page.select_one(".known-key"))
    assert "1 more is made up for the demonstration." in words(page.select_one(".hero"))
    assert "4 European Earth observation offerings" in words(page_of(client, "/").select_one(".hero"))


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
        page = page_of(client, "/catalogue/?gb=0")
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
