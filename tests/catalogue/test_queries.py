"""Quotes from what is stored."""

from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from psycopg.types.range import Range

from earthcode.catalogue.models import Component, Evidence, Plan, Rate
from earthcode.catalogue.pricing import CannotPrice, Quote, Workload
from earthcode.catalogue.queries import quote_plan, quotes_for
from earthcode.lib.money import credits
from tests.catalogue.conftest import TODAY

pytestmark = pytest.mark.django_db


def test_plans_are_quoted_with_the_rates_of_the_day(hub_plan: Plan, batch_plan: Plan, workload: Workload) -> None:
    quotes = quotes_for([hub_plan, batch_plan], workload, TODAY)

    # 2 880 vCPU-hours at 0.08 and 3 000 GB-months at 0.02; 2 880 vCPU-hours at 0.05 and no storage.
    assert {pk: answer.total for pk, answer in quotes.items() if isinstance(answer, Quote)} == {
        hub_plan.pk: credits("290.4"),
        batch_plan.pk: credits("144"),
    }
    answer = quotes[batch_plan.pk]
    assert isinstance(answer, Quote)
    assert answer.not_covered == ("500 GB of storage",)
    assert {line.rate_id for line in answer.lines} == {Rate.objects.get(component__plan=batch_plan).pk}


def test_a_plan_without_components_has_no_price(unpriced_plan: Plan, workload: Workload) -> None:
    assert quote_plan(unpriced_plan, workload, TODAY) == CannotPrice(("The provider has not published a price.",))


def test_before_the_first_rate_there_is_no_price(hub_plan: Plan, workload: Workload) -> None:
    answer = quote_plan(hub_plan, workload, date(2025, 12, 31))

    assert answer == CannotPrice(
        ("The price of vCPU-hours is not published.", "The price of GB-months is not published.")
    )


def test_a_component_that_is_no_longer_metered_costs_nothing(hub_plan: Plan, workload: Workload) -> None:
    hub_plan.components.filter(metric="gb_month").update(in_use=False)

    answer = quote_plan(hub_plan, workload, TODAY)

    assert isinstance(answer, Quote)
    assert answer.total == credits("230.4")


def test_the_longest_time_of_a_plan_holds(hub_plan: Plan, workload: Workload) -> None:
    hub_plan.months_max = 3

    assert isinstance(quote_plan(hub_plan, workload, TODAY), CannotPrice)


def test_any_number_of_plans_takes_one_query(hub_plan: Plan, workload: Workload) -> None:
    plans = [hub_plan]
    for number in range(30):
        plan = Plan.objects.create(offering=hub_plan.offering, slug=f"plan-{number}", name=f"Plan {number}")
        component = Component.objects.create(plan=plan, metric="vcpu_hour")
        Rate.objects.create(
            component=component,
            valid=Range(date(2026, 1, 1), None),
            micro_per_unit=number,
            evidence=Evidence.DEMONSTRATION,
        )
        plans.append(plan)

    with CaptureQueriesContext(connection) as captured:
        quotes = quotes_for(plans, workload, TODAY)

    assert len(captured) == 1
    assert sum(isinstance(answer, Quote) for answer in quotes.values()) == 31
