"""The same usage many times, at once and in any order: each line counts once, and the books agree after each step."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earthcode.catalogue.models import Platform
from earthcode.identity.models import User
from earthcode.ledger import queries as books
from earthcode.provisioning.models import Allocation
from earthcode.settlement.actions import record_usage
from earthcode.settlement.models import Channel, Charge, UsageRecord
from tests.settlement.conftest import JANUARY, Line, credits_of, verify_charges
from tests.support.races import at_once


@pytest.mark.django_db(transaction=True)
def test_the_same_report_sent_by_eight_at_once_counts_once(
    on_hub: Allocation, hub_platform: Platform, line: Line, petra: User
) -> None:
    lines = [line("1") for _ in range(50)]

    outcomes = at_once(
        *[lambda: record_usage(hub_platform, lines, channel=Channel.API, by=petra, at=JANUARY) for _ in range(8)]
    )

    assert sum(each.report.charged for each in outcomes) == 50
    assert sum(each.report.repeated for each in outcomes) == 7 * 50
    assert UsageRecord.objects.count() == Charge.objects.count() == 50
    assert books.holds([on_hub.hold_id])[on_hub.hold_id].captured == credits_of("50")
    verify_charges()


#: What is sent: one of a few records, as new or as a correction of another, in some month, with some quantity.
steps = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "d"]),
        st.sampled_from(["closed", "growing"]),
        st.sampled_from(["", "a", "b", "c"]),
        st.sampled_from([date(2026, 11, 3), date(2026, 12, 3), date(2027, 1, 4)]),
        st.sampled_from([Decimal(0), Decimal("0.5"), Decimal(7), Decimal(100), Decimal(4_000)]),
    ),
    max_size=12,
)


@pytest.mark.django_db
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=40
)
@given(steps)
def test_whatever_is_sent_in_whatever_order_the_books_agree_with_a_plain_model(
    on_hub: Allocation, hub_platform: Platform, petra: User, steps: list[Any]
) -> None:
    """The model: what counts is the last version of each record that nothing has replaced."""
    counts: dict[str, tuple[Decimal, str, date]] = {}
    seen: dict[str, list[tuple[Any, ...]]] = {}
    replaced: set[str] = set()
    with transaction.atomic():
        for name, kind, replaces, day, quantity in steps:
            begin = datetime(day.year, day.month, day.day, 11, tzinfo=UTC)
            line = {
                "id": name,
                "allocation": on_hub.reference,
                "component": "vcpu_hour",
                "quantity": quantity,
                "unit": "vcpu_hour",
                "used_from": begin,
                "used_until": begin.replace(hour=13),
                "kind": kind,
                "replaces": replaces,
            }
            outcome = record_usage(hub_platform, [line], channel=Channel.API, by=petra, at=JANUARY)
            said = (kind, replaces, day, quantity)
            if said in seen.get(name, []):
                expected = "repeated"
            elif name in seen:
                last = seen[name][-1]
                grows = last[0] == "growing" and not replaces and last[2] == day and quantity >= last[3]
                expected = "charged" if grows and name not in replaced else "refused"
            elif replaces and (replaces not in seen or replaces in replaced):
                expected = "refused"
            else:
                expected = "charged"
            assert getattr(outcome.report, expected) == 1, (expected, outcome.refusals)
            if expected == "charged":
                seen.setdefault(name, []).append(said)
                counts[name] = (quantity, kind, day)
                if replaces:
                    replaced.add(replaces)
                    counts.pop(replaces, None)
            hold = books.holds([on_hub.hold_id])[on_hub.hold_id]
            assert hold.used == sum(int(each[0] * 80_000) for each in counts.values())
        verify_charges()
        transaction.set_rollback(True)
