"""How long credits last at the present pace. Pure: days and micro-credits in, dates out.

The pace is the mean of the last three weeks, or of the days since the first usage where those are fewer. The range is that of
the mean's own uncertainty (80 %): wide where days differ much and few are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, sqrt
from typing import Final

#: So many days of usage say what the pace is.
PACE_DAYS: Final = 21
#: There is no forecast from fewer reports.
REPORTS_MIN: Final = 3
#: Forecasts from fewer days are early estimates.
SURE_DAYS: Final = 14
#: Nobody plans further than this.
DAYS_MAX: Final = 3_660
#: How many standard errors make an 80 % range.
_80_PERCENT: Final = 1.2816


@dataclass(frozen=True)
class Forecast:
    """``lasts_until`` is the day on which nothing is left; None: more is left than could be used in ten years.

    ``per_day`` is in micro-credits. ``early`` and ``late`` are the ends of the range; None as above.
    """

    per_day: int
    lasts_until: date | None
    early: date | None
    late: date | None
    is_early_estimate: bool


def forecast(by_day: Mapping[date, int], *, left: int, until: date, reports: int) -> Forecast | None:
    """From what was used each day up to ``until``; None where too little is known to say anything.

    A day without usage counts as nothing used, since the data says so.
    """
    if reports < REPORTS_MIN or not by_day or left <= 0:
        return None
    first = max(min(by_day), until - timedelta(days=PACE_DAYS - 1))
    days = [by_day.get(first + timedelta(days=number), 0) for number in range((until - first).days + 1)]
    if not days or sum(days) <= 0:
        return None
    mean = sum(days) / len(days)
    spread = sqrt(sum((each - mean) ** 2 for each in days) / max(1, len(days) - 1)) / sqrt(len(days)) * _80_PERCENT
    return Forecast(
        per_day=round(mean),
        lasts_until=_day(left, mean, until),
        early=_day(left, mean + spread, until),
        late=_day(left, mean - spread, until),
        is_early_estimate=len(days) < SURE_DAYS,
    )


def _day(left: int, per_day: float, until: date) -> date | None:
    if per_day <= 0 or left / per_day > DAYS_MAX:
        return None
    return until + timedelta(days=ceil(left / per_day))
