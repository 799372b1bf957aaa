"""The one price that stands for an offering: which plan, and what comes first in the list."""

from decimal import Decimal

from earthcode.catalogue.entries import PlanEntry
from earthcode.catalogue.metrics import Evidence
from earthcode.catalogue.models import PlanKind
from earthcode.catalogue.pricing import Discount, PricedComponent, Workload
from earthcode.catalogue.search import OfferingPrice, PriceKind, price_of
from earthcode.lib.money import credits
from earthcode.web.catalogue import price_words
from tests.catalogue.conftest import MakeComponent

STORES_NOTHING = Workload.from_params({"gb": "0"})


def a_plan(*components: PricedComponent, pk: int = 1, audience: str = "") -> PlanEntry:
    return PlanEntry(pk, f"plan-{pk}", f"Plan {pk}", PlanKind.GENERAL, audience, None, components)


def notes(price: OfferingPrice) -> list[str]:
    return [note.text for note in price_words.headline(price).notes]


def test_a_free_tier_that_leaves_out_a_part_is_not_cheaper_than_what_covers_all(component: MakeComponent) -> None:
    free = price_of([a_plan(component("processing_hour", "0", limit=100))], Workload())
    whole = price_of([a_plan(component("processing_hour", "1"), component("gb_month", "0.02"))], Workload())

    assert (free.kind, free.total) == (PriceKind.FREE_PART, None)
    assert sorted([free, whole], key=lambda price: price.sort_key) == [whole, free]
    assert "Covers a part of your workload" in notes(free)
    assert "Without 500 GB of storage" in notes(free)


def test_a_free_tier_that_covers_everything_comes_first(component: MakeComponent) -> None:
    free = price_of([a_plan(component("processing_hour", "0", limit=100))], STORES_NOTHING)
    priced_one = price_of([a_plan(component("processing_hour", "1"))], STORES_NOTHING)

    assert (free.kind, free.total) == (PriceKind.FREE, 0)
    assert free.sort_key < priced_one.sort_key


def test_of_two_free_plans_the_one_that_covers_everything_speaks_for_the_offering(component: MakeComponent) -> None:
    part = a_plan(component("processing_hour", "0"))
    whole = a_plan(component("processing_hour", "0"), component("gb_month", "0"), pk=2)

    price = price_of([part, whole], Workload())

    assert (price.kind, price.plan) == (PriceKind.FREE, whole)


def test_an_uncertain_price_stands_where_its_upper_end_does(component: MakeComponent) -> None:
    uncertain = price_of([a_plan(component("processing_hour", "3", micro_low=Decimal(credits(1))))], STORES_NOTHING)
    certain = price_of([a_plan(component("processing_hour", "2"))], STORES_NOTHING)

    assert certain.sort_key < uncertain.sort_key
    assert price_words.headline(uncertain).total == credits(1080)
    assert "At most; between 360 and 1\u202f080 cr" in notes(uncertain)


def test_a_discounted_price_says_the_list_price_and_the_reason(component: MakeComponent) -> None:
    agreement = Discount(9, "esa_project", "Framework agreement", Decimal(credits(1)), Evidence.SOURCED)
    plan = a_plan(component("processing_hour", "2", discounts=(agreement,)))

    price = price_of([plan], Workload.from_params({"gb": "0", "who": "esa_project"}))

    assert price.total == credits(360)
    assert "List price 720 cr; Framework agreement (ESA-funded projects)" in notes(price)
