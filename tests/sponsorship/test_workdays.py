"""Working days."""

from datetime import date, timedelta

import pytest

from earthcode.sponsorship.workdays import working_days_after, working_days_between

FRIDAY = date(2026, 11, 6)
MONDAY = date(2026, 11, 9)


@pytest.mark.parametrize(
    ("start", "count", "end"),
    [
        (FRIDAY, 0, FRIDAY),
        (FRIDAY, 1, MONDAY),
        (FRIDAY - timedelta(days=1), 1, FRIDAY),
        (FRIDAY + timedelta(days=1), 1, MONDAY),
        (FRIDAY + timedelta(days=2), 1, MONDAY),
        (FRIDAY, 5, FRIDAY + timedelta(days=7)),
        (MONDAY, 10, MONDAY + timedelta(days=14)),
    ],
)
def test_working_days_after_steps_over_weekends(start: date, count: int, end: date) -> None:
    assert working_days_after(start, count) == end


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [
        (MONDAY, MONDAY, 0),
        (FRIDAY, MONDAY, 1),
        (MONDAY, FRIDAY, -1),
        (FRIDAY, FRIDAY + timedelta(days=2), 0),
        (MONDAY, MONDAY + timedelta(days=14), 10),
    ],
)
def test_working_days_between_counts_the_days_after_the_start(start: date, end: date, count: int) -> None:
    assert working_days_between(start, end) == count


@pytest.mark.parametrize("day", [MONDAY + timedelta(days=n) for n in range(7)])
@pytest.mark.parametrize("count", range(1, 12))
def test_the_two_functions_agree(day: date, count: int) -> None:
    end = working_days_after(day, count)

    assert end.weekday() < 5
    assert working_days_between(day, end) == count
