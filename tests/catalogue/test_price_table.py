"""Fast totals: the same as those of full quotes, for every plan and every workload."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earthcode.catalogue.price_table import PlanTerms, PriceTable, Total
from earthcode.catalogue.pricing import PricedComponent, Quote, Workload, quote
from tests.catalogue.conftest import MakeComponent
from tests.catalogue.test_pricing import calmly, plans, workloads

terms = st.builds(PlanTerms, plans.map(tuple), st.none() | st.integers(1, 24))


def by_quotes(choices: list[list[PlanTerms]], workload: Workload) -> Total | None:
    """What the table promises, with the pricing that people read."""
    for choice in choices:
        answers = [quote(plan.components, workload, months_max=plan.months_max) for plan in choice]
        quotes = [answer for answer in answers if isinstance(answer, Quote)]
        if quotes:
            whole = [each.total for each in quotes if not each.not_covered]
            return Total(min(whole or [each.total for each in quotes]), is_whole=bool(whole))
    return None


@calmly
@given(st.lists(st.lists(terms, max_size=3), min_size=1, max_size=2), workloads)
def test_a_fast_total_is_the_total_of_the_quote(choices: list[list[PlanTerms]], workload: Workload) -> None:
    table = PriceTable([choices])

    assert table.totals(workload, [0]) == {0: by_quotes(choices, workload)}


@pytest.mark.parametrize("digits", ["0.0000001", "0.0000000000001"])
def test_a_conversion_finer_than_the_whole_numbers_is_still_exact(component: MakeComponent, digits: str) -> None:
    fine = component("openeo_credit", "1000000", conversion=(("vcpu_hour", Decimal(digits)),))
    plan = PlanTerms((fine,), None)

    assert PriceTable([[[plan]]]).totals(Workload(), [0]) == {0: by_quotes([[plan]], Workload())}


def test_plans_of_a_later_choice_count_only_where_no_earlier_one_has_a_price(component: MakeComponent) -> None:
    def plan(price: str | None) -> PlanTerms:
        components: list[PricedComponent] = [component("processing_hour", price), component("gb_month", "0")]
        return PlanTerms(tuple(components), None)

    table = PriceTable([[[plan("2")], [plan("1")]], [[plan(None)], [plan("1")]], [[plan(None)], []]])
    totals = table.totals(Workload(), range(3))

    assert [each and each.amount for each in totals.values()] == [720_000_000, 360_000_000, None]
