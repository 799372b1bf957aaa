"""Estimates in the API."""

import json
from typing import Any

import pytest
from django.test import Client

from earthcode.catalogue import estimates
from earthcode.catalogue.models import Estimate, Plan
from earthcode.identity.models import User
from tests.support.queries import queries_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture
def body(hub_plan: Plan, batch_plan: Plan) -> dict[str, Any]:
    """The hub for the whole workload, the cluster for ten hours of it, and a tenth on top."""
    return {
        "plans": [
            {"offering": hub_plan.offering.slug, "plan": hub_plan.slug},
            {"offering": batch_plan.offering.slug, "plan": batch_plan.slug, "workload": {"hours": "10"}},
        ],
        "workload": {"cpu": "16"},
        "margin_percent": 10,
    }


def make(client: Client, body: object, **headers: str) -> Any:
    return client.post("/api/v1/estimates", json.dumps(body), content_type="application/json", headers=headers)


def test_a_program_makes_an_estimate_and_reads_it_again(client: Client, body: dict[str, Any]) -> None:
    response = make(client, body)

    assert response.status_code == 201
    said = response.json()
    assert response["Location"] == said["url"]
    assert (said["credits"], said["credits_without_margin"], said["today"]) == ("625.68", "568.8", "625.68")
    hub, batch = said["lines"]
    assert hub["quote"][0] == {
        "label": "vCPU-hours",
        "metric": "vcpu_hour",
        "quantity": "5760",
        "credits_per_unit": "0.08",
        "credits": "460.8",
        "credits_at_least": "460.8",
        "discount": "",
        "evidence": "demonstration",
        "detail": "960 vCPU-hours in each of 6 months",
    }
    assert batch["workload"]["hours"] == "10"
    assert batch["not_covered"] == ["500 GB of storage"]
    assert client.get(f"/api/v1/estimates/{said['token']}").json() == said
    assert client.get(f"/estimates/{said['token']}/").status_code == 200


def test_a_rate_finer_than_a_micro_credit_is_exact(client: Client, body: dict[str, Any], hub_plan: Plan) -> None:
    from earthcode.api.v1.estimates import EstimateQuoteLineSerializer

    line = {"label": "", "metric": "", "quantity": "1", "amount": 1, "evidence": "", "detail": ""}
    shown = {
        rate: EstimateQuoteLineSerializer({**line, "micro_per_unit": rate}).data["credits_per_unit"]
        for rate in ("0", "0.25", "1", "1500", "80000", "12000000", "12345678.9")
    }

    assert shown == {
        "0": "0",
        "0.25": "0.00000025",
        "1": "0.000001",
        "1500": "0.0015",
        "80000": "0.08",
        "12000000": "12",
        "12345678.9": "12.3456789",
    }


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"plans": []}, 400, "plans"),
        ({"plans": [{"offering": "nothing", "plan": "standard"}]}, 400, "plans.0.plan"),
        ({"margin_percent": 101}, 400, "margin_percent"),
        ({"workload": {"cpu": "0"}}, 422, "cpu"),
    ],
)
def test_what_cannot_be_used_is_named(
    client: Client, body: dict[str, Any], change: dict[str, Any], status: int, field: str
) -> None:
    response = make(client, body | change)

    assert response.status_code == status
    said = response.json()
    assert field in [said.get("field"), *(each["field"] for each in said.get("errors", []))]
    assert not Estimate.objects.exists()


def test_thirteen_plans_are_too_many(client: Client, body: dict[str, Any]) -> None:
    assert make(client, body | {"plans": body["plans"] * 7}).status_code == 400
    assert make(client, body | {"plans": body["plans"] * 2}).json()["code"] == "invalid_input"
    assert not Estimate.objects.exists()


def test_too_many_in_an_hour_are_answered_with_429(
    client: Client, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates, "PER_CLIENT_MAX", 1)
    make(client, body)

    response = make(client, body)

    assert (response.status_code, response.json()["code"]) == (429, "too_often")
    assert Estimate.objects.count() == 1


def test_it_says_nothing_of_who_made_it(client: Client, body: dict[str, Any], alice: User, now: Any) -> None:
    token = make(client, body).json()["token"]

    said = client.get(f"/api/v1/estimates/{token}").json()

    assert not [name for name in said if "by" in name.split("_")]
    assert client.get("/api/v1/estimates/nothing").status_code == 404
    assert client.get("/api/v1/estimates").status_code == 405


def test_reading_it_takes_a_few_queries(client: Client, body: dict[str, Any]) -> None:
    token = make(client, body).json()["token"]

    assert len(queries_of(client, f"/api/v1/estimates/{token}")) <= 4
