"""The clock of decisions runs in working days: Monday to Friday. Public holidays differ by country and are not known here."""

from datetime import date, timedelta


def working_days_after(day: date, count: int) -> date:
    """The day that many working days after the given one."""
    while count > 0:
        day += timedelta(days=1)
        if day.weekday() < 5:
            count -= 1
    return day


def working_days_between(start: date, end: date) -> int:
    """How many working days lie after ``start`` up to and with ``end``; negative where ``end`` is earlier."""
    if end < start:
        return -working_days_between(end, start)
    return sum((start + timedelta(days=n)).weekday() < 5 for n in range(1, (end - start).days + 1))
