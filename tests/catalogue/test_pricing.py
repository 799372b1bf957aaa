"""What a workload costs: a table of examples, and what holds for every workload and every plan."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earthcode.catalogue.component_terms import PRICE_TERMS, ComponentTerm, Kind
from earthcode.catalogue.metrics import Evidence, Metric
from earthcode.catalogue.pricing import (
    CannotPrice,
    Discount,
    PricedComponent,
    Quote,
    QuoteLine,
    quote,
)
from earthcode.catalogue.workload import NUMBERS, Workload
from earthcode.lib.errors import InvalidInput
from earthcode.lib.money import credits
from tests.catalogue.conftest import MakeComponent

#: 8 vCPU and 32 GB for 60 hours a month, 500 GB, 6 months: 480 vCPU-hours and 1 920 GB-hours a month.
USUAL = Workload()


def priced(components: list[PricedComponent], workload: Workload = USUAL, **of_plan: Any) -> Quote:
    answer = quote(components, workload, **of_plan)
    assert isinstance(answer, Quote), answer
    return answer


def priced_for(components: list[PricedComponent], **params: str) -> Quote:
    """For a workload as an address says it."""
    return priced(components, Workload.from_params(params))


def reasons(components: list[PricedComponent], workload: Workload = USUAL, **of_plan: Any) -> tuple[str, ...]:
    answer = quote(components, workload, **of_plan)
    assert isinstance(answer, CannotPrice), answer
    return answer.reasons


# --- examples --------------------------------------------------------------------------------------------------------

EXAMPLES: list[tuple[str, list[tuple[str, str, dict[str, Any]]], dict[str, Any], str]] = [
    ("vCPU-hours of every month", [("vcpu_hour", "0.05", {})], {}, "144"),
    ("memory as well", [("vcpu_hour", "0.05", {}), ("memory_gb_hour", "0.01", {})], {}, "259.2"),
    ("what is stored, in every month", [("vcpu_hour", "0", {}), ("gb_month", "0.02", {})], {}, "60"),
    ("only what goes beyond what is included", [("vcpu_hour", "0.05", {"included": 400})], {}, "24"),
    ("nothing where all is included", [("vcpu_hour", "0.05", {"included": 480})], {}, "0"),
    ("a processing hour is one whatever the size", [("processing_hour", "2", {})], {"vcpu": 64}, "720"),
    ("a GPU of the kind that is asked for", [("gpu_hour", "1.5", {"label": "NVIDIA L4"})], {"gpu": "l4"}, "540"),
    ("no GPU where none is asked for", [("vcpu_hour", "0.05", {}), ("gpu_hour", "9", {"label": "L4"})], {}, "144"),
    ("area once, not in every month", [("km2", "0.001", {})], {"area_km2": Decimal(5000)}, "5"),
    ("products once", [("product", "6", {})], {"products": Decimal(25)}, "150"),
    ("tiles in every month", [("tile_month", "15", {})], {"tiles": Decimal(10)}, "900"),
    (
        "a subscription and what it does not hold",
        [("subscription_month", "30", {}), ("vcpu_hour", "0.05", {})],
        {},
        "324",
    ),
    ("a fee once", [("one_time", "999", {"label": "Year"}), ("vcpu_hour", "0.05", {})], {}, "1143"),
    (
        "more units than the subscription holds, in whole blocks",
        [
            ("one_time", "999", {"label": "Year"}),
            ("processing_unit", "0.0015", {"included": 70_000, "step": 50_000}),
        ],
        # 10 000 more in each of 6 months are 60 000, which are two blocks.
        {"processing_units": Decimal(80_000)},
        "1149",
    ),
    (
        "hectares by the started year, in hundreds",
        [("hectare_year", "1.5", {"step": 100})],
        {"hectares": Decimal(50)},
        "150",
    ),
    (
        "two started years",
        [("hectare_year", "1.5", {"step": 100})],
        {"hectares": Decimal(50), "months": 13},
        "150",
    ),
    ("the first months free", [("vcpu_hour", "0.05", {"free_months": 4})], {}, "48"),
    ("all months free", [("vcpu_hour", "0.05", {"free_months": 12})], {}, "0"),
    (
        "units of the platform's own, converted",
        [
            (
                "openeo_credit",
                "0.01",
                {"conversion": (("memory_gb_hour", Decimal("1.07")), ("vcpu_hour", Decimal("1.62")))},
            )
        ],
        {},
        # 480 × 1.62 + 1920 × 1.07 = 2832 a month.
        "169.92",
    ),
    (
        "units of the platform's own, said",
        [("openeo_credit", "0.01", {"conversion": (("vcpu_hour", Decimal("1.62")),)})],
        {"openeo_credits": Decimal(1000)},
        "60",
    ),
    (
        "a free tier that is large enough",
        [("openeo_credit", "0", {"limit": 1000})],
        {"openeo_credits": Decimal(1000)},
        "0",
    ),
]


@pytest.mark.parametrize(
    ("metered", "workload", "total"),
    [pytest.param(metered, workload, total, id=name) for name, metered, workload, total in EXAMPLES],
)
def test_a_plan_costs(
    component: MakeComponent, metered: list[tuple[str, str, dict[str, Any]]], workload: dict[str, Any], total: str
) -> None:
    components = [component(metric, rate, **rest) for metric, rate, rest in metered]

    assert priced(components, replace(USUAL, **workload)).total == credits(total)


def test_a_line_is_rounded_once_half_up(component: MakeComponent) -> None:
    third = replace(component("vcpu_hour", "1"), micro_per_unit=Decimal("0.333333"))

    # 2 880 × 0.333333 = 959.999…; rounding each of the hours would give nothing at all.
    assert priced([third]).total == 960
    half = replace(component("vcpu_hour", "1"), micro_per_unit=Decimal("0.5"))
    assert priced([half], replace(USUAL, vcpu=1, hours=Decimal(1), months=1, storage_gb=0)).total == 1


def test_a_line_says_what_is_charged_and_how_it_came_about(component: MakeComponent) -> None:
    vcpu = component("vcpu_hour", "0.05", included=80)

    [line] = priced([vcpu]).lines

    assert line == QuoteLine(
        rate_id=vcpu.rate_id,
        label="vCPU-hours",
        metric="vcpu_hour",
        quantity=Decimal(2400),
        micro_per_unit=Decimal(50_000),
        amount=credits(120),
        evidence=Evidence.SOURCED,
        detail="480 vCPU-hours in each of 6 months, 80 a month included",
    )


def test_a_part_of_the_workload_without_a_price_is_named(component: MakeComponent) -> None:
    compute = component("vcpu_hour", "0.05")

    assert priced([compute]).not_covered == ("500 GB of storage",)
    assert priced([compute], replace(USUAL, storage_gb=0)).not_covered == ()
    assert priced([compute, component("gb_month", "0.01")]).not_covered == ()


def test_a_quote_is_known_no_better_than_its_worst_line(component: MakeComponent) -> None:
    sourced = component("vcpu_hour", "0.05")
    made_up = component("gb_month", "0.01", evidence=Evidence.DEMONSTRATION)
    converted = component("openeo_credit", "0.01", conversion=(("vcpu_hour", Decimal(2)),))

    assert priced([sourced]).evidence == Evidence.SOURCED
    assert priced([sourced, made_up]).evidence == Evidence.DEMONSTRATION
    assert priced([converted]).evidence == Evidence.DERIVED
    assert priced([converted], replace(USUAL, openeo_credits=Decimal(5))).evidence == Evidence.SOURCED


# --- what cannot be priced -------------------------------------------------------------------------------------------


def test_a_plan_that_meters_nothing_has_no_published_price() -> None:
    assert reasons([]) == ("The provider has not published a price.",)


def test_a_price_that_nobody_stated_is_not_zero(component: MakeComponent) -> None:
    assert reasons([component("vcpu_hour", "0.05"), component("gb_month", None)]) == (
        "The price of GB-months is not published.",
    )


def test_a_quantity_that_the_workload_does_not_say_is_not_zero(component: MakeComponent) -> None:
    assert reasons([component("product", "6")]) == ("Counted in input products: say how many you need.",)
    assert reasons([component("km2_observation", "6")]) == (
        "Counted in km² times observations, which a workload does not say.",
    )


def test_a_free_tier_that_is_too_small_is_no_price(component: MakeComponent) -> None:
    free = component("openeo_credit", "0", limit=1000)

    assert priced([free], replace(USUAL, openeo_credits=Decimal(1000))).is_free
    assert reasons([free], replace(USUAL, openeo_credits=Decimal(1001))) == (
        "Gives at most 1\u202f000 openEO credits a month; your workload needs about 1\u202f001.",
    )


def test_a_plan_without_processing_cannot_be_set_against_work(component: MakeComponent) -> None:
    storage = component("gb_month", "0.02")

    assert reasons([storage]) == (
        "This plan states no price for processing, so it cannot be set against your workload.",
    )
    assert priced([storage], replace(USUAL, hours=Decimal(0))).total == credits(60)


def test_a_plan_without_the_gpu_cannot_be_set_against_work_that_needs_it(component: MakeComponent) -> None:
    compute, l4 = component("vcpu_hour", "0.05"), component("gpu_hour", "1.5", label="NVIDIA L4")

    assert reasons([compute], replace(USUAL, gpu="l4")) == ("This plan has no price for a GPU of the kind L4.",)
    assert reasons([compute, l4], replace(USUAL, gpu="h100")) == ("This plan has no price for a GPU of the kind H100.",)
    assert priced([compute, l4], replace(USUAL, gpu="l4")).total == credits("684")


def test_an_algorithm_paid_by_area_needs_no_gpu(component: MakeComponent) -> None:
    assert priced([component("km2", "0.1")], replace(USUAL, gpu="l4", area_km2=Decimal(10))).total == credits(1)


def test_a_plan_cannot_be_had_for_longer_than_it_runs(component: MakeComponent) -> None:
    compute = component("vcpu_hour", "0.05")

    assert priced([compute], replace(USUAL, months=6), months_max=6).months == 6
    assert reasons([compute], replace(USUAL, months=7), months_max=6) == ("This plan runs for at most 6 months.",)


def test_an_empty_workload_costs_nothing_to_name(component: MakeComponent) -> None:
    empty = replace(USUAL, hours=Decimal(0), storage_gb=0)

    assert reasons([component("vcpu_hour", "0.05"), component("gb_month", "0.02")], empty) == (
        "Nothing in your workload is what this plan counts.",
    )


# --- ranges, blocks and discounts -------------------------------------------------------------------------------------


def test_of_a_stated_range_the_upper_end_counts_and_the_lower_is_kept(component: MakeComponent) -> None:
    answer = priced_for([component("vcpu_hour", "0.06", micro_low=Decimal(credits("0.05")))], hours="10", months="2")

    assert (answer.total_low, answer.total, answer.is_range) == (credits(8), credits("9.6"), True)
    assert (answer.lines[0].low, answer.lines[0].amount) == (credits(8), credits("9.6"))


def test_an_uncertain_conversion_gives_a_range_and_says_so(component: MakeComponent) -> None:
    unit = component(
        "openeo_credit",
        "0.01",
        conversion=(("vcpu_hour", Decimal(2)),),
        conversion_low=(("vcpu_hour", Decimal(1)),),
    )

    answer = priced_for([unit], hours="10", months="1")

    assert (answer.total_low, answer.total) == (credits("0.8"), credits("1.6"))
    assert answer.lines[0].detail == "80 to 160 openEO credits in 1 month"
    assert answer.lines[0].evidence == Evidence.DERIVED


def test_a_free_amount_that_may_be_too_small_is_no_price(component: MakeComponent) -> None:
    unit = component(
        "openeo_credit",
        "0",
        limit=100,
        conversion=(("vcpu_hour", Decimal(2)),),
        conversion_low=(("vcpu_hour", Decimal(1)),),
    )

    answer = quote([unit], Workload.from_params({"hours": "10", "months": "1"}))

    assert isinstance(answer, CannotPrice)


@pytest.mark.parametrize(
    ("months", "blocks"),
    [("1", 1), ("3", 2), ("4", 3), ("6", 4), ("7", 5)],
)
def test_a_block_that_expires_is_bought_anew(component: MakeComponent, months: str, blocks: int) -> None:
    """60 hours a month from blocks of 100 for three months: 180 hours need two, what is left is lost with them."""
    answer = priced_for([component("processing_hour", "2", step=100, block_months=3)], hours="60", months=months)

    assert answer.total == credits(blocks * 200)
    assert "each to be used within 3 months" in answer.lines[0].detail


def test_a_block_without_an_end_is_used_up_over_all_months(component: MakeComponent) -> None:
    assert priced_for([component("processing_hour", "2", step=100)], hours="60", months="7").total == credits(1000)


def a_discount(price: str, audience: str, reason: str = "First year") -> Discount:
    return Discount(900, audience, reason, Decimal(credits(price)), Evidence.SOURCED)


def test_a_discount_is_for_those_who_say_that_they_are_meant(component: MakeComponent) -> None:
    hours = component("processing_hour", "2", discounts=(a_discount("1.5", "first_time"),))

    anybody = priced_for([hours], hours="10", months="1")
    first_time = priced_for([hours], hours="10", months="1", who="first_time")
    esa_project = priced_for([hours], hours="10", months="1", who="esa_project")

    assert anybody.total == esa_project.total == credits(20)
    assert (first_time.total, first_time.list_total, first_time.saved) == (credits(15), credits(20), credits(5))
    [line] = first_time.discounts
    assert (line.discount, line.audience_label, line.rate_id) == ("First year", "First-time users of the platform", 900)


def test_the_best_discount_counts_and_one_above_the_list_price_is_none(component: MakeComponent) -> None:
    of_all = (a_discount("1.5", "anybody", "Sale"), a_discount("1", "esa_project", "Agreement"))

    sale = priced_for([component("processing_hour", "2", discounts=of_all)], hours="10", months="1")
    agreement = priced_for(
        [component("processing_hour", "2", discounts=of_all)], hours="10", months="1", who="esa_project"
    )
    none = priced_for([component("processing_hour", "1.2", discounts=of_all[:1])], hours="10", months="1")

    assert [each.total for each in (sale, agreement, none)] == [credits(15), credits(10), credits(12)]
    assert [each.lines[0].discount for each in (sale, agreement, none)] == ["Sale", "Agreement", ""]


def test_a_discount_from_an_unpublished_price_is_no_price(component: MakeComponent) -> None:
    answer = quote([component("processing_hour", None, discounts=(a_discount("1", "anybody"),))], Workload())

    assert isinstance(answer, CannotPrice)


def test_a_quote_stored_before_there_were_ranges_and_discounts_reads_as_it_was() -> None:
    stored = {
        "lines": [
            {
                "rate_id": 7,
                "label": "vCPU-hours",
                "metric": "vcpu_hour",
                "quantity": "480",
                "micro_per_unit": "50000",
                "amount": 24_000_000,
                "evidence": "sourced",
                "detail": "80 vCPU-hours in each of 6 months",
            }
        ],
        "total": 24_000_000,
        "months": 6,
        "evidence": "sourced",
        "not_covered": [],
    }

    kept = Quote.from_json(stored)

    assert kept.as_json() == stored
    assert (kept.total_low, kept.list_total) == (kept.total, kept.total)


def test_a_line_that_costs_at_least_more_than_at_most_cannot_exist(component: MakeComponent) -> None:
    stored = priced([component("vcpu_hour", "0.05")]).as_json()
    stored["lines"][0]["low"] = stored["lines"][0]["amount"] + 1

    with pytest.raises(ValueError, match="at least"):
        Quote.from_json(stored)


# --- what always holds -----------------------------------------------------------------------------------------------

amounts = st.decimals(min_value=0, max_value=10**6, places=3)
maybe = st.none() | amounts
maybe_whole = st.none() | st.integers(0, 10**6).map(Decimal)
workloads = st.builds(
    Workload,
    vcpu=st.integers(1, 4096),
    memory_gb=st.integers(1, 65536),
    gpu=st.sampled_from(["", "l4", "a100"]),
    hours=st.decimals(min_value=0, max_value=744, places=2),
    storage_gb=st.integers(0, 10**7),
    months=st.integers(1, 60),
    area_km2=maybe,
    products=maybe_whole,
    tiles=maybe_whole,
    hectares=maybe,
    processing_units=maybe_whole,
    openeo_credits=maybe_whole,
    egress_gb=maybe_whole,
    audiences=st.sampled_from([(), ("first_time",), ("esa_project",), ("first_time", "esa_project")]),
)
conversions = st.lists(
    st.tuples(
        st.sampled_from(["vcpu_hour", "memory_gb_hour"]), st.decimals(min_value=Decimal("0.01"), max_value=10, places=2)
    ),
    max_size=2,
).map(tuple)
prices = st.decimals(min_value=0, max_value=10**9, places=6)
some_discounts = st.builds(
    Discount,
    rate_id=st.just(2),
    audience=st.sampled_from(["anybody", "first_time", "esa_project"]),
    reason=st.just("A reason"),
    micro_per_unit=prices,
    evidence=st.sampled_from(Evidence.values),
)


def _with_a_range(component: PricedComponent, share: Decimal) -> PricedComponent:
    """The same component, with lower ends below the figures it has."""
    return replace(
        component,
        micro_low=None if component.micro_per_unit is None else component.micro_per_unit * share,
        conversion_low=tuple((name, units * share) for name, units in component.conversion),
        discounts=tuple(replace(each, micro_low=each.micro_per_unit * share) for each in component.discounts),
    )


#: By kind, so that a term which is added is drawn as well.
OF_A_KIND: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.AMOUNT: amounts,
    Kind.MONTHS: st.integers(0, 24),
    Kind.UNITS: conversions,
}


def _drawn(term: ComponentTerm) -> st.SearchStrategy[Any]:
    if term.name == "conversion_low":
        # Never above the conversion: see ``_with_a_range``.
        return st.just(())
    if term.name == "step":
        return st.just(Decimal(0)) | st.decimals(min_value=Decimal("0.5"), max_value=1000, places=1)
    return maybe if term.absent is None else OF_A_KIND[term.kind]


exact_components = st.builds(
    PricedComponent,
    component_id=st.just(1),
    rate_id=st.just(1),
    metric=st.sampled_from(Metric.values),
    label=st.sampled_from(["", "NVIDIA L4"]),
    micro_per_unit=st.none() | st.decimals(min_value=0, max_value=10**9, places=6),
    evidence=st.sampled_from(Evidence.values),
    discounts=st.lists(some_discounts, max_size=2).map(tuple),
    **{term.name: _drawn(term) for term in PRICE_TERMS},
)
some_components = exact_components | st.builds(
    _with_a_range, exact_components, st.decimals(min_value=0, max_value=1, places=2)
)
plans = st.lists(some_components, max_size=4)

#: A busy machine is no fault of the examples.
calmly = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
QUANTITIES = [parameter.field for parameter in NUMBERS.values()]


@calmly
@given(plans, workloads)
def test_a_price_is_never_negative_and_the_total_is_the_sum_of_its_lines(
    components: list[PricedComponent], workload: Workload
) -> None:
    answer = quote(components, workload)

    if isinstance(answer, Quote):
        assert answer.lines
        assert all(line.amount >= 0 and line.quantity >= 0 for line in answer.lines)
        assert answer.total == sum(line.amount for line in answer.lines)
        assert answer.months == workload.months
        assert 0 <= answer.total_low <= answer.total <= answer.list_total
        assert all(line.low is None or 0 <= line.low < line.amount for line in answer.lines)
    else:
        assert answer.reasons
        assert all(answer.reasons)


@calmly
@given(plans, workloads, st.sampled_from(QUANTITIES), st.integers(1, 1000))
def test_a_price_never_falls_when_a_quantity_rises(
    components: list[PricedComponent], workload: Workload, name: str, more: int
) -> None:
    said = getattr(workload, name)
    larger = replace(workload, **{name: more if said is None else said + more})

    before, after = quote(components, workload), quote(components, larger)

    if isinstance(before, Quote) and isinstance(after, Quote) and said is not None:
        assert after.total >= before.total
        assert after.total_low >= before.total_low


@calmly
@given(plans, workloads)
def test_work_that_costs_something_is_never_free(components: list[PricedComponent], workload: Workload) -> None:
    answer = quote(components, workload)
    costs_something = any(
        component.micro_per_unit
        and component.micro_per_unit >= 1
        and component.included == component.free_months == 0
        and component.metric != Metric.GPU_HOUR
        and not component.discounts
        and (workload.quantity(component.metric) or 0) >= 1
        for component in components
    )

    if isinstance(answer, Quote) and costs_something:
        assert answer.total > 0


@calmly
@given(plans, workloads)
def test_a_stored_quote_is_the_quote(components: list[PricedComponent], workload: Workload) -> None:
    answer = quote(components, workload)

    if isinstance(answer, Quote):
        assert Quote.from_json(answer.as_json()) == answer


def test_a_quote_whose_total_is_not_the_sum_of_its_lines_cannot_exist(component: MakeComponent) -> None:
    stored = priced([component("vcpu_hour", "0.05")]).as_json()

    with pytest.raises(ValueError, match="sum of its lines"):
        Quote.from_json({**stored, "total": stored["total"] - 1})


# --- the workload ----------------------------------------------------------------------------------------------------


@calmly
@given(workloads)
def test_an_address_carries_the_whole_workload(workload: Workload) -> None:
    assert Workload.from_params(workload.as_params()) == workload
    assert Workload.from_json(workload.as_json()) == workload


def test_what_an_address_leaves_out_is_as_usual() -> None:
    assert Workload.from_params({}) == Workload()
    assert Workload.from_params({"cpu": "", "gpu": "none", "page": "7"}) == Workload()
    assert Workload.from_params({"cpu": "16", "km2": "1\u202f000.5"}) == Workload(vcpu=16, area_km2=Decimal("1000.5"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cpu", "0"),
        ("cpu", "4097"),
        ("cpu", "8.5"),
        ("cpu", "-8"),
        ("cpu", "eight"),
        ("hours", "745"),
        ("hours", "NaN"),
        ("hours", "1e2"),
        ("hours", "١"),
        ("months", "0"),
        ("months", "61"),
        ("gb", "99999999999999999999"),
        ("km2", "1.23456"),
        ("gpu", "quantum"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Workload.from_params({name: value})

    assert refused.value.field == name
    assert str(refused.value).endswith(".")


def test_a_quantity_counts_all_months_and_what_is_not_said_is_not_zero() -> None:
    assert USUAL.quantity(Metric.VCPU_HOUR) == 2880
    assert USUAL.quantity(Metric.GB_MONTH) == 3000
    assert USUAL.quantity(Metric.ONE_TIME) == 1
    assert USUAL.quantity(Metric.GPU_HOUR) == 0
    assert USUAL.quantity(Metric.KM2) is None
    assert USUAL.quantity(Metric.PLATFORM_CREDIT) is None
    assert replace(USUAL, area_km2=Decimal(7)).quantity(Metric.KM2) == 7


def test_a_workload_is_one_line_for_people() -> None:
    assert USUAL.summary == "8 vCPU, 32 GB memory, 60 h a month, 500 GB stored, 6 months"
    assert replace(USUAL, gpu="l4", months=1, area_km2=Decimal(1000)).summary == (
        "8 vCPU, 32 GB memory, 1 × L4, 60 h a month, 500 GB stored, 1\u202f000 km², 1 month"
    )


def test_every_metric_has_a_plural() -> None:
    assert all(metric.plural for metric in Metric)
