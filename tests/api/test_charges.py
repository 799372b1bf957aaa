"""Charges and statements over the API."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from earthcode.audit.actors import CLOCK
from earthcode.identity.models import User
from earthcode.provisioning.models import Allocation
from earthcode.settlement import statements
from tests.conftest import Clock
from tests.settlement.conftest import JANUARY, Line, Report

pytestmark = pytest.mark.django_db

Api = Callable[[User], APIClient]


@pytest.fixture
def charged(on_hub: Allocation, line: Line, report: Report, clock: Clock) -> Allocation:
    clock.now = JANUARY
    report(line("100", person="alice"), at=datetime(2026, 12, 20, tzinfo=UTC))
    return on_hub


def test_charges_are_read_by_those_who_see_the_allocation(
    charged: Allocation, api_of: Api, alice: User, petra: User, person: Any
) -> None:
    address = f"/api/v1/allocations/{charged.reference}/charges"
    for reader in (alice, petra):
        (charge,) = api_of(reader).get(address).json()["results"]
        assert (charge["quantity"], charge["credits"], charge["person"]) == ("100", "8", "alice")
    assert api_of(person("eve")).get(address).status_code == 404


def test_a_provider_gives_a_charge_back_once(charged: Allocation, api_of: Api, alice: User, petra: User) -> None:
    address = f"/api/v1/charges/{charged.charges.get().pk}/refund"
    wanted = {"key": str(uuid.uuid4()), "credits": "3.5", "reason": "Outage"}

    assert api_of(alice).post(address, wanted, format="json").status_code == 403
    for _ in range(2):
        assert api_of(petra).post(address, wanted, format="json").json()["credits"] == "-3.5"
    assert charged.charges.count() == 2
    for bad, field in (({"credits": "0"}, "credits"), ({"credits": "5"}, "amount"), ({"reason": " "}, "errors")):
        answer = api_of(petra).post(address, {**wanted, "key": str(uuid.uuid4()), **bad}, format="json")
        assert answer.status_code in (400, 422)
        assert field in answer.content.decode()


def test_statements_are_read_by_those_they_concern(
    charged: Allocation, api_of: Api, alice: User, petra: User, maria: User
) -> None:
    (issued,) = statements.issue_due(by=CLOCK, at=JANUARY)
    for reader, status in ((petra, 200), (maria, 200), (alice, 404)):
        assert api_of(reader).get(f"/api/v1/statements/{issued.number}").status_code == status
    said = api_of(petra).get("/api/v1/statements").json()["results"]
    assert [(each["number"], each["credits"], each["status"]) for each in said] == [(issued.number, "8", "issued")]
    assert api_of(petra).get(f"/api/v1/statements/{issued.number}").json()["lines"][0]["credits"] == "8"
    assert api_of(alice).get("/api/v1/statements").json()["count"] == 0
