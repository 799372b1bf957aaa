"""Estimates: what is kept, what never reaches it afterwards, and what is refused."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.range import Range

from earthcode.catalogue import estimates
from earthcode.catalogue.estimates import Wanted
from earthcode.catalogue.models import Component, Estimate, EstimateLine, EstimateTally, Offering, Plan, Rate
from earthcode.catalogue.pricing import Workload, margin_on
from earthcode.identity.models import User
from earthcode.lib.errors import InvalidInput, TooOften
from earthcode.lib.money import credits

pytestmark = pytest.mark.django_db


@pytest.fixture
def wanted(hub_plan: Plan, batch_plan: Plan, workload: Workload) -> list[Wanted]:
    """Notebooks for 290.4 credits and a batch cluster, with twice the processors, for 288."""
    return [Wanted(hub_plan, workload), Wanted(batch_plan, replace(workload, vcpu=16))]


def save(wanted: Sequence[Wanted], at: datetime, **rest: Any) -> Estimate:
    return estimates.save(wanted, workload=wanted[0].workload, at=at, **({"by": None, "client": "somebody"} | rest))


def told(estimate: Estimate) -> dict[str, Any]:
    """All that is kept, read anew."""
    row = Estimate.objects.filter(pk=estimate.pk).values().get()
    return {**row, "lines": list(estimate.lines.order_by("place").values())}


def change_every_rate(day: date, factor: Decimal, component: Component | None = None) -> None:
    """Close the rates of today and put others in their place, as a provider does."""
    rates = Rate.objects.filter(valid__contains=day)
    for rate in rates.filter(component=component) if component else rates:
        Rate.objects.filter(pk=rate.pk).update(valid=Range(rate.valid.lower, day + timedelta(days=1)))
        Rate.objects.create(
            component=rate.component,
            valid=Range(day + timedelta(days=1), None),
            micro_per_unit=rate.micro_per_unit * factor,
            evidence=rate.evidence,
        )


# --- saving ----------------------------------------------------------------------------------------------------------


def test_an_estimate_keeps_plans_prices_workloads_and_facts(wanted: list[Wanted], alice: User, now: datetime) -> None:
    estimate = save(wanted, now, by=alice, margin_percent=10)

    assert (estimate.amount, estimate.margin, estimate.total) == (credits("578.4"), credits("57.84"), credits("636.24"))
    assert (estimate.created_by, estimate.priced_on, len(estimate.token)) == (alice, now.date(), 22)
    hub, batch = estimates.lines_of(estimate)
    assert hub.priced is not None
    assert [(line.label, line.amount) for line in hub.priced.lines] == [
        ("vCPU-hours", credits("230.4")),
        ("GB-months", credits(60)),
    ]
    assert batch.workload["cpu"] == "16"
    assert hub.facts["offering_name"] == "Notebooks on Coastal Hub"
    assert hub.facts["provider_name"] == "Hub House"
    assert [source["since"] for source in hub.sources] == ["2026-01-01", "2026-01-01"]


def test_a_plan_without_a_price_is_kept_with_the_reason(
    wanted: list[Wanted], unpriced_plan: Plan, now: datetime
) -> None:
    estimate = save([*wanted, Wanted(unpriced_plan, Workload())], now)

    line = estimates.lines_of(estimate)[2]
    assert (line.priced, line.amount) == (None, None)
    assert line.reasons == ["The provider has not published a price."]
    assert estimate.amount == credits("578.4")


def test_every_estimate_has_a_link_of_its_own(wanted: list[Wanted], now: datetime) -> None:
    assert len({save(wanted, now).token for _ in range(5)}) == 5


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ((), "at least one plan"),
        ((0, 1, 0), "only once"),
        ((0, 1) * 7, "at most 12 plans"),
    ],
)
def test_a_list_of_plans_that_makes_no_sense_is_refused(
    wanted: list[Wanted], now: datetime, chosen: tuple[int, ...], message: str
) -> None:
    plans = [wanted[place] for place in chosen]
    with pytest.raises(InvalidInput, match=message) as refusal:
        estimates.save(plans, workload=Workload(), by=None, client="somebody", at=now)

    assert refusal.value.field == "plan"
    assert not Estimate.objects.exists()
    assert not EstimateTally.objects.exists()


@pytest.mark.parametrize("margin", [-1, 101])
def test_a_margin_that_makes_no_sense_is_refused(wanted: list[Wanted], now: datetime, margin: int) -> None:
    with pytest.raises(InvalidInput, match="margin from 0 to 100"):
        save(wanted, now, margin_percent=margin)

    assert not Estimate.objects.exists()


def test_an_estimate_of_nothing_that_has_a_price_is_refused(unpriced_plan: Plan, now: datetime) -> None:
    with pytest.raises(InvalidInput, match="has not published a price"):
        save([Wanted(unpriced_plan, Workload())], now)

    assert not Estimate.objects.exists()


def test_a_plan_that_is_no_longer_offered_is_refused(wanted: list[Wanted], now: datetime) -> None:
    Offering.objects.filter(pk=wanted[0].plan.offering_id).update(is_listed=False)
    wanted[0].plan.offering.refresh_from_db()

    with pytest.raises(InvalidInput, match="no longer offered"):
        save(wanted, now)


def test_somebody_without_an_account_saves_so_many_an_hour(
    wanted: list[Wanted], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates, "PER_CLIENT_MAX", 2)
    save(wanted, now)
    save(wanted, now)

    with pytest.raises(TooOften), transaction.atomic():
        save(wanted, now + timedelta(minutes=59))

    assert Estimate.objects.count() == 2
    assert save(wanted, now, client="somebody else")
    assert save(wanted, now + timedelta(hours=1))
    # What was counted in an hour that is over is forgotten.
    assert EstimateTally.objects.get().hour == now + timedelta(hours=1)


def test_all_without_an_account_together_save_so_many_an_hour(
    wanted: list[Wanted], alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates, "WITHOUT_ACCOUNT_MAX", 2)
    save(wanted, now, client="one")
    save(wanted, now, client="two")

    with pytest.raises(TooOften), transaction.atomic():
        save(wanted, now, client="three")

    assert save(wanted, now, by=alice)


def test_one_person_saves_so_many_an_hour(
    wanted: list[Wanted], alice: User, ben: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates, "PER_PERSON_MAX", 2)
    save(wanted, now, by=alice)
    save(wanted, now, by=alice)

    with pytest.raises(TooOften):
        save(wanted, now, by=alice)

    assert save(wanted, now, by=ben)
    assert save(wanted, now + timedelta(hours=2), by=alice)


# --- what is kept does not change ------------------------------------------------------------------------------------


def test_no_change_of_the_catalogue_reaches_an_estimate(wanted: list[Wanted], now: datetime) -> None:
    estimate = save(wanted, now)
    before = told(estimate)

    change_every_rate(now.date(), Decimal(3))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE catalogue_offering SET name = 'Another name', place = 'Elsewhere', is_listed = false")
        cursor.execute("UPDATE catalogue_plan SET name = 'Another plan', is_listed = false")
        cursor.execute("UPDATE catalogue_component SET included = 1000000, step = 7")
        cursor.execute("UPDATE identity_organisation SET name = 'Another provider'")

    assert told(estimate) == before
    assert estimates.lines_of(estimate)[0].facts["offering_name"] == "Notebooks on Coastal Hub"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    factors=st.lists(st.decimals("0.1", "10", places=2), min_size=2, max_size=2),
    margin=st.integers(0, 100),
    hours=st.integers(1, 744),
)
def test_whatever_rates_come_later_an_estimate_stays_as_it_was(
    wanted: list[Wanted], now: datetime, factors: list[Decimal], margin: int, hours: int
) -> None:
    with transaction.atomic():
        this = [replace(each, workload=replace(each.workload, hours=Decimal(hours))) for each in wanted]
        estimate = save(this, now, client=str(factors), margin_percent=margin)
        before = told(estimate)
        later = now
        for factor in factors:
            change_every_rate(later.date(), factor)
            later += timedelta(days=1)
        again = estimates.price_again(estimates.lines_of(estimate), margin_percent=margin, on=later.date())

        assert told(estimate) == before
        # That the rates did change is seen by who asks what it costs now.
        assert (again.total == estimate.total) == (factors[0] * factors[1] == 1)
        transaction.set_rollback(True)


def test_what_it_costs_today_is_told_apart(wanted: list[Wanted], now: datetime) -> None:
    estimate = save(wanted, now, margin_percent=10)
    tomorrow = now.date() + timedelta(days=1)
    change_every_rate(now.date(), Decimal(2))
    Plan.objects.filter(pk=wanted[1].plan.pk).update(is_listed=False)

    same = estimates.price_again(estimates.lines_of(estimate), margin_percent=10, on=now.date())
    today = estimates.price_again(estimates.lines_of(estimate), margin_percent=10, on=tomorrow)

    assert same.items[0].quote == estimates.lines_of(estimate)[0].priced
    assert today.total == credits("580.8") + credits("58.08")
    assert today.items[1].reasons == ("This plan is no longer offered.",)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE catalogue_estimate SET amount = 1",
        "UPDATE catalogue_estimate SET created_by_id = NULL",
        "DELETE FROM catalogue_estimate",
        "TRUNCATE catalogue_estimate CASCADE",
        "UPDATE catalogue_estimateline SET quote = '{}'",
        "UPDATE catalogue_estimateline SET facts = '{}'",
        "DELETE FROM catalogue_estimateline",
        "TRUNCATE catalogue_estimateline",
    ],
)
def test_the_database_refuses_to_change_an_estimate(wanted: list[Wanted], now: datetime, statement: str) -> None:
    estimate = save(wanted, now)
    before = told(estimate)
    with connection.cursor() as cursor:
        # TRUNCATE would otherwise be refused for the checks that wait for the end of the transaction.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    with (
        pytest.raises(DatabaseError, match="never changed or removed"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)

    assert told(estimate) == before


def test_an_estimate_is_not_changed_through_the_orm(wanted: list[Wanted], now: datetime) -> None:
    estimate = save(wanted, now)
    line = estimates.lines_of(estimate)[0]
    line.facts = {}

    for change in (estimate.save, line.save, line.delete, estimate.lines.all().delete):
        with pytest.raises(DatabaseError, match="never changed or removed"), transaction.atomic():
            change()

    assert told(estimate)["lines"][0]["facts"] != {}


@pytest.mark.parametrize("place", [2, 0])
def test_no_line_is_added_later(wanted: list[Wanted], unpriced_plan: Plan, now: datetime, place: int) -> None:
    estimate = save(wanted, now)

    with pytest.raises(DatabaseError, match=r"has no place|place_once"), transaction.atomic():
        EstimateLine.objects.create(
            estimate=estimate, place=place, plan=unpriced_plan, facts={}, workload={}, reasons=["Because."]
        )

    assert estimate.lines.count() == 2


def write(plan: Plan, at: datetime, line: dict[str, Any], **values: int) -> None:
    """An estimate with one line, past all that ``save`` sees to, as the end of a transaction would find it."""
    estimate = Estimate.objects.create(
        token="short", created_at=at, priced_on=at.date(), workload={}, **({"plan_count": 1, "amount": 0} | values)
    )
    EstimateLine.objects.create(estimate=estimate, place=0, plan=plan, facts={}, workload={}, **line)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.parametrize("values", [{"plan_count": 2}, {"amount": credits(1)}])
def test_an_estimate_without_all_its_lines_is_not_kept(hub_plan: Plan, now: datetime, values: dict[str, int]) -> None:
    with pytest.raises(DatabaseError, match="lines, which make"), transaction.atomic():
        write(hub_plan, now, {"reasons": ["Because."]}, **values)

    assert not Estimate.objects.exists()


@pytest.mark.parametrize(
    "line",
    [
        {"quote": None, "amount": None, "reasons": []},
        {"quote": {"total": 5}, "amount": None, "reasons": []},
        {"quote": {"total": 5}, "amount": -5, "reasons": []},
        {"quote": {"total": 5}, "amount": 5, "reasons": ["Because."]},
    ],
)
def test_a_line_has_a_price_or_a_reason(hub_plan: Plan, now: datetime, line: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match="priced_or_says_why_not"), transaction.atomic():
        write(hub_plan, now, line)

    assert not Estimate.objects.exists()


@given(amount=st.integers(0, 10**15), percent=st.integers(0, 100))
def test_a_margin_is_never_negative_and_grows_with_both(amount: int, percent: int) -> None:
    margin = margin_on(amount, percent)

    assert 0 <= margin <= amount
    assert margin_on(amount + 1000, percent) >= margin
    assert margin_on(amount, 0) == 0
