"""Terms charge what is really used by the same rules that a quote is made by."""

import dataclasses
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from earthcode.catalogue.metrics import Metric
from earthcode.catalogue.pricing import Discount, PricedComponent, Quote, Workload, quote
from earthcode.catalogue.terms import Term, _term, terms_as_json, terms_from_json
from earthcode.lib.money import from_decimal

amounts = st.decimals(min_value=0, max_value=5_000, places=3)

components = st.builds(
    PricedComponent,
    component_id=st.just(1),
    rate_id=st.just(7),
    metric=st.sampled_from([Metric.VCPU_HOUR, Metric.GB_MONTH, Metric.PROCESSING_UNIT, Metric.PRODUCT]),
    label=st.just(""),
    included=amounts,
    micro_per_unit=st.decimals(min_value=0, max_value=10_000_000, places=9),
    evidence=st.just("sourced"),
    step=st.sampled_from([Decimal(0), Decimal(1), Decimal("2.5"), Decimal(100)]),
    free_months=st.integers(0, 3),
    block_months=st.integers(0, 4),
    discounts=st.sampled_from([(), (Discount(9, "esa_project", "ESA pays half", Decimal(5), "sourced"),)]),
)
workloads = st.builds(
    Workload,
    vcpu=st.integers(1, 64),
    hours=st.decimals(min_value=1, max_value=744, places=2),
    storage_gb=st.integers(1, 5_000),
    months=st.integers(1, 24),
    processing_units=amounts,
    products=amounts,
    audiences=st.sampled_from([(), ("esa_project",)]),
)


def used_as_quoted(term: Term, workload: Workload) -> dict[int, Decimal]:
    a_month = workload.in_a_month(term.metric)
    assert a_month is not None
    return {0: a_month} if term.counts_once else dict.fromkeys(range(workload.months), a_month)


@given(components, workloads)
def test_usage_equal_to_the_quoted_workload_costs_the_quote(component: PricedComponent, workload: Workload) -> None:
    companion = PricedComponent(2, 8, Metric.PROCESSING_HOUR, "", Decimal(0), Decimal(1), "sourced")
    quoted = quote([component, companion], workload)
    assert isinstance(quoted, Quote)
    line = next((line for line in quoted.lines if line.metric == component.metric), None)
    term = _term(component, workload)
    assert term.micro_per_unit is not None

    charged = term.charged(used_as_quoted(term, workload))

    assert from_decimal(charged * term.micro_per_unit) == (line.amount if line else 0)


@given(components, workloads, st.lists(st.tuples(st.integers(0, 23), amounts), max_size=8))
def test_more_use_never_costs_less(
    component: PricedComponent, workload: Workload, uses: list[tuple[int, Decimal]]
) -> None:
    term = _term(component, workload)
    by_month: dict[int, Decimal] = {}
    last = Decimal(0)
    for month, amount in uses:
        by_month[month] = by_month.get(month, Decimal(0)) + amount
        assert term.charged(by_month) >= last
        last = term.charged(by_month)


@given(components, workloads)
def test_terms_read_back_as_they_were_stored(component: PricedComponent, workload: Workload) -> None:
    term = _term(component, workload)
    unpriced = dataclasses.replace(term, micro_per_unit=None)

    assert terms_from_json(terms_as_json([term, unpriced])) == (term, unpriced)
