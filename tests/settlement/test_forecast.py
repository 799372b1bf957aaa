"""How long credits last: nothing is said from too little, and the range is wide where days differ."""

from datetime import date, timedelta

from earthcode.settlement.forecast import forecast

UNTIL = date(2026, 12, 31)


def days(*amounts: int) -> dict[date, int]:
    return {UNTIL - timedelta(days=len(amounts) - 1 - number): amount for number, amount in enumerate(amounts)}


def test_an_even_pace_has_no_range() -> None:
    ahead = forecast(days(*[10] * 21), left=100, until=UNTIL, reports=3)

    assert ahead is not None
    assert ahead.lasts_until == ahead.early == ahead.late == UNTIL + timedelta(days=10)
    assert (ahead.per_day, ahead.is_early_estimate) == (10, False)


def test_uneven_days_have_a_range_around_the_likely_day() -> None:
    ahead = forecast(days(*[0, 20] * 10), left=1_000, until=UNTIL, reports=9)

    assert ahead is not None
    assert ahead.early is not None
    assert ahead.lasts_until is not None
    assert ahead.late is not None
    assert ahead.early < ahead.lasts_until < ahead.late


def test_only_the_last_three_weeks_count() -> None:
    assert forecast(days(*[1_000] * 30, *[10] * 21), left=100, until=UNTIL, reports=3) == forecast(
        days(*[10] * 21), left=100, until=UNTIL, reports=3
    )


def test_few_days_are_an_early_estimate() -> None:
    ahead = forecast(days(10, 10, 10), left=100, until=UNTIL, reports=3)
    assert ahead is not None
    assert ahead.is_early_estimate


def test_there_is_no_forecast_from_too_little() -> None:
    assert forecast(days(10, 10), left=100, until=UNTIL, reports=2) is None
    assert forecast({}, left=100, until=UNTIL, reports=5) is None
    assert forecast(days(10, 10), left=0, until=UNTIL, reports=5) is None
    assert forecast({UNTIL - timedelta(days=60): 10}, left=10, until=UNTIL, reports=5) is None


def test_nobody_is_promised_more_than_ten_years() -> None:
    ahead = forecast(days(1, 1, 1), left=10**9, until=UNTIL, reports=3)
    assert ahead is not None
    assert ahead.lasts_until is None
