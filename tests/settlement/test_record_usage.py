"""Usage in: once, rated by the promise, never dropped."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earthcode.catalogue.models import Platform
from earthcode.identity.models import User
from earthcode.ledger import queries as books
from earthcode.lib.errors import NotPermitted
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning.models import Allocation
from earthcode.settlement.actions import ReportRefused, rate_waiting
from earthcode.settlement.models import Charge, Meter, Taken, UsageRecord, UsageReport
from earthcode.sponsorship.models import Award
from tests.settlement.conftest import JANUARY, Line, Report, credits_of, end, verify_charges
from tests.support.credits import award_balance
from tests.support.people import fresh

pytestmark = pytest.mark.django_db


def hold_of(allocation: Allocation) -> Any:
    return books.holds([allocation.hold_id])[allocation.hold_id]


def only_refusal(outcome: Any) -> tuple[int, str, str]:
    (refusal,) = outcome.refusals
    return refusal.line, refusal.field, refusal.code


# --- rated by the promise ----------------------------------------------------------------------------------------------


def test_a_line_is_rated_and_taken_from_the_hold(on_hub: Allocation, line: Line, report: Report) -> None:
    outcome = report(line("100"))

    assert (outcome.report.lines, outcome.report.charged, outcome.report.amount) == (1, 1, credits_of("100"))
    assert hold_of(on_hub).captured == credits_of("100")
    (charge,) = Charge.objects.all()
    assert (charge.label, charge.quantity, charge.month) == ("vCPU-hours", Decimal(100), date(2026, 12, 1))


def test_a_report_takes_from_each_hold_once(on_hub: Allocation, line: Line, report: Report) -> None:
    report(*(line("1") for _ in range(50)), line("3000000000000", unit="byte.s", component="gb_month"))

    assert Taken.objects.get().amount == hold_of(on_hub).captured == sum(each.amount for each in Charge.objects.all())
    assert Charge.objects.count() == 51


def test_usage_equal_to_the_quoted_workload_costs_exactly_the_quote(
    on_hub: Allocation, line: Line, report: Report
) -> None:
    lines = []
    for month in range(6):
        day = date(2026 + (11 + month) // 12, (11 + month) % 12 + 1, 5)
        lines += [
            line("480", day=day),
            line("500", day=day, component="gb_month", unit="gb_month"),
        ]

    outcome = report(*lines, at=datetime(2027, 6, 10, tzinfo=UTC))

    assert outcome.report.amount == on_hub.quote["total"]


def test_units_are_converted(on_hub: Allocation, line: Line, report: Report) -> None:
    report(
        line("3600", unit="core.s"),
        line("1", unit="vCPU-hour"),
        line("1", unit="GB.h", component="GB-months"),
    )

    used = {meter.metric: meter.quantity for meter in Meter.objects.all()}
    assert used == {"vcpu_hour": 2, "gb_month": (Decimal(1) / (31 * 24)).quantize(Decimal("1e-18"))}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
@given(st.lists(st.decimals(min_value="0.001", max_value="70", places=3), min_size=1, max_size=12), st.randoms())
def test_any_split_of_the_same_usage_costs_the_same(pieces: list[Decimal], shuffle: random.Random) -> None:
    """In whatever pieces, order and months: here at the level of the meter, which is all that a report adds to."""
    from earthcode.catalogue.terms import Term
    from earthcode.settlement.rating import Meter as Rating

    term = Term("vcpu_hour", "vCPU-hours", Decimal("80000.333333333"), included=Decimal(50), step=Decimal(8))
    whole = Rating(term)
    whole.add(0, sum(pieces, Decimal(0)))
    shuffle.shuffle(pieces)
    parts = Rating(term)
    amounts = [parts.add(0, piece).amount for piece in pieces]
    assert sum(amounts) == whole.amount
    assert all(amount >= 0 for amount in amounts)


def test_usage_before_the_period_and_after_it_counts_with_its_first_and_last_month() -> None:
    from earthcode.settlement.rating import month_of

    start = date(2026, 11, 15)
    days = [date(2026, 11, 2), date(2026, 11, 15), date(2026, 12, 14), date(2026, 12, 15), date(2027, 8, 1)]
    assert [month_of(day, starts_on=start, months=3) for day in days] == [0, 0, 0, 1, 2]


# --- once ----------------------------------------------------------------------------------------------------------------


def test_the_same_line_again_changes_nothing(on_hub: Allocation, line: Line, report: Report) -> None:
    one = line("100")
    report(one, one)
    again = report(one, {**one, "quantity": Decimal("100.0"), "used_from": "2026-12-03T09:00:00+01:00"})

    assert (again.report.repeated, again.report.charged, again.report.amount) == (2, 0, 0)
    assert hold_of(on_hub).captured == credits_of("100")


def test_the_same_id_with_other_content_is_a_conflict(on_hub: Allocation, line: Line, report: Report) -> None:
    one = line("100")
    report(one)

    outcome = report(line("1"), {**one, "quantity": "101"})

    assert only_refusal(outcome) == (2, "id", "conflict")
    assert hold_of(on_hub).captured == credits_of("101")


def test_a_growing_record_is_charged_the_difference(on_hub: Allocation, line: Line, report: Report) -> None:
    job = line("2", kind="growing")
    report(job)
    report({**job, "quantity": "5", "used_until": "2026-12-03T12:00:00Z"})
    report(job)
    back = report({**job, "quantity": "4"})

    assert only_refusal(back)[1:] == ("quantity", "went_back")
    assert hold_of(on_hub).captured == credits_of("5")
    assert UsageRecord.objects.filter(record_id=job["id"]).count() == 2


@pytest.mark.parametrize(("quantity", "spent"), [("60", "60"), ("140", "140"), ("0", "0")])
def test_a_correction_posts_the_difference_either_way(
    on_hub: Allocation, award: Award, line: Line, report: Report, quantity: str, spent: str
) -> None:
    first = line("100")
    report(first)

    outcome = report(line(quantity, replaces=first["id"]))

    assert outcome.report.amount == credits_of(spent) - credits_of("100")
    assert hold_of(on_hub).used == credits_of(spent)
    assert award_balance(award.reference) == max(0, credits_of("100") - credits_of(spent))
    assert only_refusal(report(line("1", replaces=first["id"])))[1:] == ("replaces", "already_replaced")
    assert only_refusal(report(line("1", replaces="nobody")))[1:] == ("replaces", "unknown_record")


def test_late_and_out_of_order_lines_count(on_hub: Allocation, line: Line, report: Report) -> None:
    report(line("1", day=date(2027, 1, 4)))
    report(line("2", day=date(2026, 12, 1)))

    assert {each.month for each in Charge.objects.all()} == {date(2026, 12, 1), date(2027, 1, 1)}
    assert hold_of(on_hub).captured == credits_of("3")


# --- nothing is dropped --------------------------------------------------------------------------------------------------


def test_what_no_hold_covers_becomes_debt(on_hub: Allocation, award: Award, line: Line, report: Report) -> None:
    more = on_hub.amount // 80_000 + 1_000

    report(line(str(more)))

    assert hold_of(on_hub).remaining == 0
    assert books.debt(award.reference) == more * 80_000 - on_hub.amount


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"allocation": "NOR-9999-1"}, "unknown_allocation"),
        ({"component": "gpu_hour"}, "unknown_component"),
        ({"unit": "bananas"}, "unknown_unit"),
        ({"used_from": "2026-10-01T00:00:00Z", "used_until": "2026-10-01T01:00:00Z"}, "not_active"),
    ],
)
def test_what_cannot_be_rated_waits_with_the_reason(
    on_hub: Allocation, line: Line, report: Report, fields: dict[str, Any], reason: str
) -> None:
    outcome = report(line(**fields), line("1"))

    assert (outcome.report.waiting, outcome.report.charged) == (1, 1)
    (record,) = UsageRecord.objects.waiting()
    assert record.waiting_for == reason
    assert hold_of(on_hub).captured == credits_of("1")


def test_what_waited_is_rated_when_the_reason_is_gone(
    on_hub: Allocation, hub_platform: Platform, line: Line, report: Report, petra: User, alice: User
) -> None:
    report(line("7", allocation="their-own-name"))
    assert rate_waiting(hub_platform, by=petra, at=JANUARY) == 0
    Allocation.objects.filter(pk=on_hub.pk).update(external_id="their-own-name")

    with pytest.raises(NotPermitted):
        rate_waiting(hub_platform, by=alice, at=JANUARY)
    assert rate_waiting(hub_platform, by=petra, at=JANUARY) == 1
    assert rate_waiting(hub_platform, by=petra, at=JANUARY) == 0

    verify_charges()
    assert hold_of(on_hub).captured == credits_of("7")


def test_a_waiting_line_can_be_taken_back(on_hub: Allocation, line: Line, report: Report) -> None:
    mistake = line("7", allocation="nobody")
    report(mistake)
    report(line("7", replaces=mistake["id"]))

    assert not UsageRecord.objects.waiting()
    assert hold_of(on_hub).captured == credits_of("7")


def test_an_ended_allocation_takes_late_usage_until_the_last_is_in(
    on_hub: Allocation, award: Award, line: Line, report: Report, maria: User, petra: User
) -> None:
    end(on_hub, by=maria, at=JANUARY)
    later = JANUARY + timedelta(days=2)
    report(line("10"), at=later)
    assert hold_of(on_hub).captured == credits_of("10")

    provisioning.close_usage(on_hub, by=fresh(petra), at=later)
    assert award_balance(award.reference) == on_hub.amount - credits_of("10")
    outcome = report(line("10"), at=later)

    assert outcome.report.waiting == 1
    assert hold_of(on_hub).used == credits_of("10")


# --- line by line or whole -----------------------------------------------------------------------------------------------

BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"quantity": "-1"}, "quantity", "negative"),
    ({"quantity": "NaN"}, "quantity", "not_a_number"),
    ({"quantity": "1e30"}, "quantity", "too_large"),
    ({"quantity": "1,5"}, "quantity", "not_a_number"),
    ({"quantity": True}, "quantity", "not_a_number"),
    ({"quantity": 1.5}, "quantity", "not_a_number"),
    ({"quantity": "0." + "1" * 19}, "quantity", "too_fine"),
    ({"quantity": ""}, "quantity", "missing"),
    ({"id": None}, "id", "missing"),
    ({"id": "x" * 201}, "id", "too_long"),
    ({"person": "a\x00b"}, "person", "not_printable"),
    ({"used_from": "2026-12-03T08:00:00"}, "used_from", "no_zone_or_unreadable"),
    ({"used_from": "2026-10-25T02:30:00 Europe/Berlin"}, "used_from", "no_zone_or_unreadable"),
    ({"used_from": "2026-02-30T08:00:00Z"}, "used_from", "no_such_time"),
    ({"used_until": "2026-12-03T08:00:00Z"}, "used_until", "no_duration"),
    ({"used_until": "2027-01-10T12:01:01Z"}, "used_until", "in_future"),
    ({"kind": "level"}, "kind", "unknown_kind"),
    ({"colour": "blue"}, "colour", "unknown_field"),
]


@pytest.mark.parametrize(("fields", "name", "code"), BAD)
def test_a_bad_line_is_refused_with_number_field_and_code(
    on_hub: Allocation, line: Line, report: Report, fields: dict[str, Any], name: str, code: str
) -> None:
    outcome = report(line("1"), line(**fields), line("2"))

    assert only_refusal(outcome) == (2, name, code)
    assert outcome.refusals[0].message
    assert outcome.report.refusals == [outcome.refusals[0].as_json()]
    assert UsageRecord.objects.count() == 2
    assert hold_of(on_hub).captured == credits_of("3")


def test_an_hour_that_daylight_saving_repeats_is_told_apart_by_its_offset(
    on_hub: Allocation, line: Line, report: Report
) -> None:
    Allocation.objects.filter(pk=on_hub.pk).update(active_from=datetime(2026, 10, 1, tzinfo=UTC))
    outcome = report(
        line("1", used_from="2026-10-25T02:30:00+02:00", used_until="2026-10-25T02:45:00+02:00"),
        line("1", used_from="2026-10-25T02:30:00+01:00", used_until="2026-10-25T02:45:00+01:00"),
    )

    assert outcome.report.charged == 2
    first, second = UsageRecord.objects.order_by("used_from")
    assert second.used_from - first.used_from == timedelta(hours=1)


def test_what_is_no_line_is_refused(on_hub: Allocation, report: Report) -> None:
    assert only_refusal(report("not a line")) == (1, "", "not_an_object")


def test_a_whole_report_is_taken_whole_or_not_at_all(on_hub: Allocation, line: Line, report: Report) -> None:
    with pytest.raises(ReportRefused) as refused:
        report(line("1"), line("-1"), whole=True)

    assert [refusal.line for refusal in refused.value.refusals] == [2]
    assert not UsageRecord.objects.exists()
    assert not UsageReport.objects.exists()
    assert hold_of(on_hub).captured == 0


def test_a_stream_that_breaks_off_leaves_nothing(
    on_hub: Allocation, hub_platform: Platform, line: Line, petra: User
) -> None:
    from earthcode.settlement.actions import record_usage

    def breaks_off() -> Any:
        yield line("1")
        raise EOFError

    with pytest.raises(EOFError):
        record_usage(hub_platform, breaks_off(), channel="api", by=petra, at=JANUARY)  # type: ignore[arg-type]
    assert not UsageRecord.objects.exists()


def test_only_the_provider_reports_and_only_its_own_platforms(
    on_hub: Allocation, batch_platform: Platform, line: Line, report: Report, alice: User, maria: User, petra: User
) -> None:
    from earthcode.settlement.actions import record_usage

    for person in (alice, maria):
        with pytest.raises(NotPermitted):
            report(line("1"), by=person)
    with pytest.raises(NotPermitted):
        record_usage(batch_platform, [line("1")], channel="api", by=petra, at=JANUARY)  # type: ignore[arg-type]
    assert not UsageReport.objects.exists()


def test_an_allocation_of_another_platform_is_unknown_here(on_batch: Allocation, line: Line, report: Report) -> None:
    outcome = report(line("1", allocation=on_batch.reference))

    assert outcome.report.waiting == 1
    assert hold_of(on_batch).captured == 0


def test_the_queries_of_a_report_do_not_grow_with_its_lines(
    on_hub: Allocation, line: Line, report: Report, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(40):
        report(*(line("0.01") for _ in range(1_500)))
