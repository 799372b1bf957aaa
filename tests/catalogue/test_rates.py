"""What the database itself refuses about rates, plans and places, however it is written to."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from psycopg.types.range import Range

from earthcode.catalogue.metrics import Evidence
from earthcode.catalogue.models import Component, Offering, Plan, Rate

pytestmark = pytest.mark.django_db

FIRST = Range(date(2026, 1, 1), date(2026, 7, 1))


@pytest.fixture
def metered(unpriced_plan: Plan) -> Component:
    """What a plan counts, without a price so far."""
    return Component.objects.create(plan=unpriced_plan, metric="vcpu_hour")


def add(component: Component, valid: Range[date], **of_rate: Any) -> Rate:
    values = {"micro_per_unit": Decimal(50_000), "evidence": Evidence.SOURCED, "source": "https://prices.example/"}
    return Rate.objects.create(component=component, valid=valid, **(values | of_rate))


def sql(statement: str, *values: object) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)


@pytest.mark.parametrize(
    "valid",
    [
        Range(date(2026, 6, 30), None),
        Range(date(2025, 1, 1), date(2026, 1, 2)),
        Range(None, None),
        Range(date(2026, 3, 1), date(2026, 4, 1)),
    ],
)
def test_two_rates_of_a_component_cannot_overlap(metered: Component, valid: Range[date]) -> None:
    add(metered, FIRST)

    with pytest.raises(IntegrityError, match="catalogue_rates_never_overlap"), transaction.atomic():
        add(metered, valid)
    with pytest.raises(IntegrityError, match="catalogue_rates_never_overlap"):
        sql(
            "INSERT INTO catalogue_rate (component_id, valid, micro_per_unit, evidence, source, source_date)"
            " VALUES (%s, %s, 1, 'sourced', 'x', '')",
            metered.pk,
            valid,
        )

    assert [rate.valid for rate in metered.rates.all()] == [FIRST]


def test_rates_may_follow_each_other_and_those_of_others_do_not_matter(metered: Component, hub_plan: Plan) -> None:
    add(metered, FIRST)
    add(metered, Range(date(2026, 7, 1), None))
    add(Component.objects.create(plan=hub_plan, metric="km2"), FIRST)

    assert metered.rates.count() == 2


@pytest.mark.parametrize(
    "change",
    ["micro_per_unit = 1", "source = 'elsewhere'", "valid = '[2025-01-01,)'", "component_id = component_id + 1"],
)
def test_a_rate_is_not_edited_by_sql(metered: Component, change: str) -> None:
    rate = add(metered, Range(date(2026, 1, 1), None))

    with pytest.raises(DatabaseError, match="never changed or removed"):
        sql(f"UPDATE catalogue_rate SET {change} WHERE id = %s", rate.pk)

    before = rate.micro_per_unit, rate.source, rate.valid
    rate.refresh_from_db()
    assert (rate.micro_per_unit, rate.source, rate.valid) == before


def test_a_rate_is_not_edited_nor_removed_through_the_orm(metered: Component) -> None:
    rate = add(metered, Range(date(2026, 1, 1), None))
    rate.micro_per_unit = Decimal(1)

    with pytest.raises(DatabaseError, match="never changed or removed"), transaction.atomic():
        rate.save()
    with pytest.raises(DatabaseError, match="never changed or removed"), transaction.atomic():
        rate.delete()

    assert metered.rates.get().micro_per_unit == 50_000


def test_a_rate_is_closed_once(metered: Component) -> None:
    rate = add(metered, Range(date(2026, 1, 1), None))
    rate.valid = Range(date(2026, 1, 1), date(2026, 9, 1))
    rate.save(update_fields=["valid"])

    rate.valid = Range(date(2026, 1, 1), date(2026, 12, 1))
    with pytest.raises(DatabaseError, match="never changed or removed"), transaction.atomic():
        rate.save(update_fields=["valid"])

    assert metered.rates.get().valid.upper == date(2026, 9, 1)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"valid": Range(empty=True)}, "catalogue_rate_period_not_empty"),
        ({"micro_per_unit": Decimal(-1)}, "catalogue_rate_not_negative"),
        ({"source": ""}, "catalogue_rate_has_source"),
    ],
)
def test_a_rate_must_make_sense(metered: Component, values: dict[str, Any], rule: str) -> None:
    with pytest.raises(IntegrityError, match=rule), transaction.atomic():
        add(metered, **({"valid": FIRST} | values))

    assert not metered.rates.exists()


def test_a_made_up_rate_needs_no_source(metered: Component) -> None:
    assert add(metered, FIRST, evidence=Evidence.DEMONSTRATION, source="").pk


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"metric": "magic"}, "catalogue_component_metric_is_known"),
        ({"included": -1}, "catalogue_component_not_negative"),
        ({"limit": -1}, "catalogue_component_not_negative"),
        ({"conversion": {"vcpu_hour": "2"}}, "catalogue_conversion_has_source"),
    ],
)
def test_a_component_must_make_sense(unpriced_plan: Plan, values: dict[str, Any], rule: str) -> None:
    with pytest.raises(IntegrityError, match=rule), transaction.atomic():
        Component.objects.create(**({"plan": unpriced_plan, "metric": "vcpu_hour"} | values))

    assert not unpriced_plan.components.exists()


@pytest.mark.parametrize(("longitude", "latitude"), [(8.7, None), (None, 50.1), (181.0, 50.0), (8.7, -91.0)])
def test_a_place_has_two_coordinates_on_earth_or_none(
    unpriced_plan: Plan, longitude: float | None, latitude: float | None
) -> None:
    offerings = Offering.objects.filter(pk=unpriced_plan.offering_id)

    with pytest.raises(IntegrityError, match="catalogue_offering_is_somewhere_or_unknown"), transaction.atomic():
        offerings.update(longitude=longitude, latitude=latitude)

    assert offerings.update(longitude=8.7, latitude=50.1) == 1


# --- discounts and ranges ---------------------------------------------------------------------------------------------


def test_a_discount_stands_beside_the_list_price_and_those_of_others(metered: Component) -> None:
    always = Range(date(2026, 1, 1), None)
    add(metered, always)
    add(metered, always, audience="anybody", reason="Sale", micro_per_unit=Decimal(40_000))
    add(metered, always, audience="esa_project", reason="Agreement", micro_per_unit=Decimal(30_000))

    assert metered.rates.count() == 3


@pytest.mark.parametrize("audience", ["", "anybody", "first_time", "esa_project"])
def test_two_prices_for_the_same_people_cannot_overlap_even_by_sql(metered: Component, audience: str) -> None:
    add(metered, FIRST, audience=audience, reason="Sale" if audience else "")

    with pytest.raises(IntegrityError, match="catalogue_rates_never_overlap"):
        sql(
            "INSERT INTO catalogue_rate"
            " (component_id, valid, audience, reason, micro_per_unit, evidence, source, source_date)"
            " VALUES (%s, '[2026-06-30,)', %s, %s, 1, 'sourced', 'x', '')",
            metered.pk,
            audience,
            "Another sale" if audience else "",
        )

    assert metered.rates.count() == 1


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"audience": "first_time", "reason": ""}, "catalogue_discount_has_reason"),
        ({"audience": "", "reason": "Sale"}, "catalogue_discount_has_reason"),
        ({"audience": "friends", "reason": "Sale"}, "catalogue_rate_audience_is_known"),
        ({"micro_low": Decimal(50_000)}, "catalogue_rate_range_is_one"),
        ({"micro_low": Decimal(60_000)}, "catalogue_rate_range_is_one"),
        ({"micro_low": Decimal(-1)}, "catalogue_rate_range_is_one"),
    ],
)
def test_a_discount_has_a_reason_and_a_range_two_ends(
    metered: Component, values: dict[str, Any], constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        add(metered, FIRST, **values)

    assert not metered.rates.exists()


def test_only_what_is_sold_in_blocks_expires(metered: Component) -> None:
    with pytest.raises(IntegrityError, match="catalogue_what_expires_is_sold_in_blocks"), transaction.atomic():
        Component.objects.filter(pk=metered.pk).update(block_months=3)

    Component.objects.filter(pk=metered.pk).update(block_months=3, step=100)


@pytest.mark.parametrize("change", ["audience = 'anybody'", "reason = 'Sale'", "micro_low = 1"])
def test_nothing_of_a_discount_is_edited(metered: Component, change: str) -> None:
    rate = add(metered, FIRST, audience="esa_project", reason="Agreement")

    with pytest.raises(DatabaseError, match="closed, never changed"):
        sql(f"UPDATE catalogue_rate SET {change} WHERE id = %s", rate.pk)

    assert Rate.objects.get() == rate
