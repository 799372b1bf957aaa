"""Usage over the API, as a provider's machine sends it."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import override_settings
from rest_framework.test import APIClient

from earthcode.catalogue.models import Platform
from earthcode.identity.models import User
from earthcode.provisioning.models import Allocation
from earthcode.settlement.models import UsageRecord, UsageReport
from tests.conftest import Clock
from tests.settlement.conftest import JANUARY, Line

pytestmark = pytest.mark.django_db

Api = Callable[[User], APIClient]

NDJSON, CSV = "application/x-ndjson", "text/csv"
ADDRESS = "/api/v1/usage_reports?platform=hub"


@pytest.fixture
def send(api_of: Api, petra: User, on_hub: Allocation, clock: Clock) -> Callable[..., Any]:
    clock.now = JANUARY

    def post(body: str | bytes, content_type: str = NDJSON, *, more: str = "", by: User = petra, **extra: Any) -> Any:
        return api_of(by).post(ADDRESS + more, data=body, content_type=content_type, **extra)

    return post


def ndjson(*lines: dict[str, Any]) -> str:
    return "".join(json.dumps(each) + "\n" for each in lines)


def test_lines_are_taken_and_the_answer_names_what_was_not(send: Callable[..., Any], line: Line) -> None:
    answer = send(ndjson(line("1.5"), line("-1")) + "not json\n\n" + ndjson(line(2)))

    assert answer.status_code == 201
    said = answer.json()
    assert (said["lines"], said["charged"], said["refused"], said["credits"]) == (4, 2, 2, "0.28")
    assert [(each["line"], each["field"], each["code"]) for each in said["refusals"]] == [
        (2, "quantity", "negative"),
        (3, "", "not_json"),
    ]


def test_numbers_keep_every_digit(send: Callable[..., Any], line: Line) -> None:
    body = json.dumps(line("@")).replace('"@"', "0.49277777777777776")
    assert send(body).status_code == 201
    assert str(UsageRecord.objects.get().quantity) == "0.492777777777777760"
    assert send(json.dumps(line("@")).replace('"@"', "NaN")).json()["refusals"][0]["code"] == "not_json"


def test_a_document_and_a_table_say_the_same(send: Callable[..., Any], line: Line) -> None:
    one, two = line("1"), line("2")
    assert send(json.dumps({"lines": [one, two]}), "application/json").json()["charged"] == 2

    for separator, bom, end in ((",", "", "\n"), (";", "\ufeff", "\r\n")):
        rows = [one.keys(), one.values(), two.values()]
        table = bom + end.join(separator.join(map(str, row)) for row in rows) + end
        assert send(table.encode(), CSV).json()["repeated"] == 2


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        ("", NDJSON, "invalid_input"),
        ("{", "application/json", "invalid_input"),
        ("[]", "application/json", "invalid_input"),
        ("id,colour\n1,2\n", CSV, "invalid_input"),
        ("id,allocation\n1,2\n", CSV, "invalid_input"),
        (b"id,allocation,component,quantity,unit,used_from,used_until\n\xff,,,,,,\n", CSV, "invalid_input"),
        ("x" * 200_000, NDJSON, "invalid_input"),
    ],
)
def test_what_cannot_be_read_at_all_is_refused_and_leaves_nothing(
    send: Callable[..., Any], body: str, content_type: str, code: str
) -> None:
    answer = send(body, content_type)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["field"]
    assert not UsageReport.objects.exists()


def test_a_row_with_other_cells_than_the_header_is_refused_alone(send: Callable[..., Any], line: Line) -> None:
    one = line("1")
    table = ",".join(one) + "\n" + ",".join(map(str, one.values())) + "\nr2,cut\n"
    said = send(table, CSV).json()
    assert (said["charged"], said["refusals"][0]["line"], said["refusals"][0]["code"]) == (1, 3, "wrong_columns")


def test_a_decimal_comma_is_refused(send: Callable[..., Any], line: Line) -> None:
    one = line("1,5")
    table = ";".join(one) + "\n" + ";".join(map(str, one.values())) + "\n"
    assert send(table, CSV).json()["refusals"][0]["code"] == "not_a_number"


def test_a_report_that_is_too_large_is_refused_by_its_size(send: Callable[..., Any], line: Line) -> None:
    with override_settings(USAGE_REPORT_MAX_BYTES=1_000):
        answer = send(ndjson(*(line("1") for _ in range(10))))
    assert (answer.status_code, answer.json()["code"]) == (422, "too_large")
    assert not UsageRecord.objects.exists()


def test_nothing_counts_of_a_report_that_broke_off(
    on_hub: Allocation,
    hub_platform: Platform,
    line: Line,
    petra: User,
) -> None:
    from earthcode.settlement import readers
    from earthcode.settlement.actions import record_usage

    body = ndjson(line("1"), line("2")).encode()
    lines = readers.whole_lines(io.BytesIO(body[:-10]), length=len(body), largest=10**6)
    with pytest.raises(readers.Truncated):
        record_usage(hub_platform, readers.from_ndjson(lines), channel="api", by=petra, at=JANUARY)  # type: ignore[arg-type]
    assert not UsageRecord.objects.exists()


def test_whole_or_nothing(send: Callable[..., Any], line: Line) -> None:
    answer = send(ndjson(line("1"), line("-1")), more="&whole=true")

    assert (answer.status_code, answer.json()["code"]) == (422, "report_refused")
    assert answer.json()["refusals"][0]["line"] == 2
    assert not UsageRecord.objects.exists()


def test_a_platform_of_somebody_else_does_not_exist(
    send: Callable[..., Any],
    api_of: Api,
    line: Line,
    on_batch: Allocation,
    alice: User,
    maria: User,
    petra: User,
) -> None:
    for person in (alice, maria):
        assert send(ndjson(line("1")), by=person).status_code == 404
    other = api_of(petra).post("/api/v1/usage_reports?platform=batch", data=ndjson(line("1")), content_type=NDJSON)
    assert other.status_code == 404


def test_reports_can_be_read_by_those_they_concern(
    send: Callable[..., Any],
    api_of: Api,
    line: Line,
    petra: User,
    alice: User,
    maria: User,
) -> None:
    number = send(ndjson(line("1"))).json()["id"]

    for person, status in ((petra, 200), (maria, 200), (alice, 404)):
        assert api_of(person).get(f"/api/v1/usage_reports/{number}").status_code == status
    assert api_of(petra).get("/api/v1/usage_reports?platform=hub").json()["count"] == 1
    assert api_of(alice).get("/api/v1/usage_reports").json()["count"] == 0


def test_a_focus_export_is_usage(send: Callable[..., Any], on_hub: Allocation) -> None:
    header = (
        "BilledCost,ChargeCategory,ChargeClass,ChargePeriodStart,ChargePeriodEnd,ConsumedQuantity,ConsumedUnit,"
        "ResourceId,SkuId,SkuMeter,SubAccountId"
    )

    def row(quantity: str, category: str = "Usage", kind: str = "") -> str:
        return (
            f"1.0,{category},{kind},2026-12-03T00:00:00Z,2026-12-04T00:00:00Z,{quantity},vCPU-Hours,vm-1,cpu,vcpu_hour,"
            f"{on_hub.reference}"
        )

    first = send(
        "\n".join([header, row("10"), row("", "Tax"), row("1", kind="Correction")]), CSV, more="&standard=focus"
    )
    assert (first.json()["charged"], first.json()["refused"]) == (1, 1)
    later = send("\n".join([header, row("25")]), CSV, more="&standard=focus").json()
    assert (later["charged"], later["credits"]) == (1, "1.2")
    assert send("a,b\n1,2\n", CSV, more="&standard=focus").status_code == 422
