"""The clock of decisions runs in working days: Monday to Friday without ESA's holidays."""

from collections.abc import Container
from datetime import date, timedelta

_NONE: frozenset[date] = frozenset()


def is_working_day(day: date, holidays: Container[date] = _NONE) -> bool:
    return day.weekday() < 5 and day not in holidays


def working_days_after(day: date, count: int, holidays: Container[date] = _NONE) -> date:
    """The day that many working days after the given one."""
    while count > 0:
        day += timedelta(days=1)
        if is_working_day(day, holidays):
            count -= 1
    return day


def working_days_between(start: date, end: date, holidays: Container[date] = _NONE) -> int:
    """How many working days lie after ``start`` up to and with ``end``; negative where ``end`` is earlier."""
    if end < start:
        return -working_days_between(end, start, holidays)
    return sum(is_working_day(start + timedelta(days=n), holidays) for n in range(1, (end - start).days + 1))
