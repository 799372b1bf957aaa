"""The catalogue in the API."""

from datetime import date
from decimal import Decimal

import pytest
from django.db.backends.postgresql.psycopg_any import DateRange
from django.test import Client

from earthcode.catalogue.models import Component, Evidence, Offering, Plan, Rate
from tests.support.queries import assert_queries_do_not_grow


@pytest.fixture
def catalogue(hub_plan: Plan, batch_plan: Plan, unpriced_plan: Plan, clock: object) -> list[Plan]:
    return [hub_plan, batch_plan, unpriced_plan]


def test_everybody_reads_the_catalogue(catalogue: list[Plan], client: Client) -> None:
    said = client.get("/api/v1/offerings").json()

    assert said["count"] == 3
    assert [each["slug"] for each in said["results"]] == ["batch-archive", "batch-batch", "hub-notebooks"]
    assert said["results"][2]["platform"]["provider"]["slug"] == "hub-house"
    assert said["results"][2]["url"] == "http://testserver/catalogue/hub-notebooks/"


def test_a_stale_token_does_not_keep_anybody_out(catalogue: list[Plan], client: Client) -> None:
    response = client.get("/api/v1/offerings", headers={"Authorization": "Bearer stale"})

    assert response.status_code == 200


def test_what_is_not_listed_does_not_exist(catalogue: list[Plan], client: Client) -> None:
    Offering.objects.filter(slug="batch-batch").update(is_listed=False)
    Plan.objects.filter(pk=catalogue[0].pk).update(is_listed=False)

    assert client.get("/api/v1/offerings").json()["count"] == 2
    response = client.get("/api/v1/offerings/batch-batch")
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"
    assert client.get("/api/v1/offerings/hub-notebooks").json()["plans"] == []


def test_an_offering_has_its_plans_and_the_rates_of_today(catalogue: list[Plan], client: Client) -> None:
    component = Component.objects.get(plan=catalogue[0], metric="vcpu_hour")
    Rate.objects.filter(component=component).update(valid=DateRange(date(2026, 1, 1), date(2026, 12, 1)))
    Rate.objects.create(
        component=component,
        valid=DateRange(date(2026, 12, 1), None),
        micro_per_unit=Decimal(90_000),
        evidence=Evidence.DEMONSTRATION,
    )

    (plan,) = client.get("/api/v1/offerings/hub-notebooks").json()["plans"]

    vcpu = next(each for each in plan["components"] if each["metric"] == "vcpu_hour")
    assert vcpu["unit"] == "vCPU-hour"
    assert vcpu["rate"]["credits_per_unit"] == "0.08"
    assert vcpu["rate"]["valid_from"] == "2026-01-01"
    assert vcpu["rate"]["valid_until"] == "2026-12-01"
    assert vcpu["rate"]["evidence"] == "demonstration"


def test_what_a_plan_no_longer_meters_is_not_shown(catalogue: list[Plan], client: Client) -> None:
    Component.objects.filter(plan=catalogue[0], metric="gb_month").update(in_use=False)

    (plan,) = client.get("/api/v1/offerings/hub-notebooks").json()["plans"]

    assert [each["metric"] for each in plan["components"]] == ["vcpu_hour"]


def test_a_price_that_nobody_stated_is_null_and_never_zero(catalogue: list[Plan], client: Client) -> None:
    Component.objects.create(plan=catalogue[2], metric="gb_month")

    (plan,) = client.get("/api/v1/offerings/batch-archive").json()["plans"]

    assert plan["components"][0]["rate"] is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("tier=platform", {"batch-archive", "batch-batch", "hub-notebooks"}),
        ("tier=resource", set()),
        ("provider=hub-house", {"hub-notebooks"}),
        ("q=notebooks", {"hub-notebooks"}),
        ("q=next+ARCHIVE", {"batch-archive"}),
        ("q=notbooks", {"hub-notebooks"}),
        ("q=archiv", {"batch-archive"}),
        ("q=xyzzyq", set()),
    ],
)
def test_the_list_is_filtered(catalogue: list[Plan], client: Client, query: str, found: set[str]) -> None:
    assert {each["slug"] for each in client.get(f"/api/v1/offerings?{query}").json()["results"]} == found


@pytest.mark.parametrize("url", ["/api/v1/offerings", "/api/v1/offerings/hub-notebooks"])
def test_who_has_the_answer_is_told_that_nothing_changed(catalogue: list[Plan], client: Client, url: str) -> None:
    first = client.get(url)
    assert first["Access-Control-Allow-Origin"] == "*"
    assert client.get(url, headers={"If-None-Match": first["ETag"]}).status_code == 304
    assert client.get(url, headers={"If-Modified-Since": first["Last-Modified"]}).status_code == 304

    Offering.objects.filter(slug="hub-notebooks").update(summary="Something else.")

    again = client.get(url, headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 200
    assert again["ETag"] != first["ETag"]


def test_a_wrong_filter_is_named(catalogue: list[Plan], client: Client) -> None:
    response = client.get("/api/v1/offerings?tier=cheap")

    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["errors"][0]["field"] == "tier"


def test_nothing_is_written_here(catalogue: list[Plan], client: Client) -> None:
    assert client.post("/api/v1/offerings", {}, content_type="application/json").status_code == 405
    assert client.delete("/api/v1/offerings/hub-notebooks").status_code == 405


def test_the_list_makes_as_many_queries_for_many_offerings(catalogue: list[Plan], client: Client) -> None:
    def rows(count: int) -> None:
        first = catalogue[0]
        for number in range(Offering.objects.count(), count):
            offering = Offering.objects.get(pk=first.offering_id)
            offering.pk, offering.slug = None, f"more-{number}"
            offering.save(force_insert=True)
            plan = Plan.objects.create(offering=offering, slug="standard", name="Standard")
            component = Component.objects.create(plan=plan, metric="vcpu_hour")
            Rate.objects.create(
                component=component,
                valid=DateRange(date(2026, 1, 1), None),
                micro_per_unit=Decimal(1),
                evidence=Evidence.DEMONSTRATION,
            )

    assert_queries_do_not_grow(client, "/api/v1/offerings?page_size=200", rows=rows, few=4)
