"""Days and months of awards."""

from datetime import UTC, date, datetime, time, timedelta


def end_of(day: date) -> datetime:
    """The moment a last day is over (UTC)."""
    return datetime.combine(day + timedelta(days=1), time.min, tzinfo=UTC)


def months_after(day: date, months: int) -> date:
    """The same day of the month that many months later, or the month's last day where there is no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(day.day, last))
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")
