"""The burn-down: what is left day by day, how far the rest reaches, and where the period ends.

Drawn on the server like the other charts: lengths are attributes, colours are classes (``static/css/usage.css``). The page has
the same numbers as a table; the drawing's ``title`` and ``desc`` tell the finding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from earthcode.lib.money import as_text

#: A curve has at most so many points.
POINTS_MAX = 200


@dataclass(frozen=True)
class Burndown:
    """What is drawn. Amounts in micro-credits; ``points`` are (day, left at its end), the first is what there was."""

    title: str
    words: str
    start: date
    end: date
    today: date
    points: Sequence[tuple[date, int]]
    set_aside: int
    early: date | None = None
    likely: date | None = None
    late: date | None = None


def points_of(
    by_day: Mapping[date, int], *, start: date, until: date, set_aside: int, left: int
) -> list[tuple[date, int]]:
    """What was left at the end of each day, at most ``POINTS_MAX`` of them; ends at what is left now."""
    first = min([start, *by_day])
    days = (until - first).days
    step = max(1, -(-days // POINTS_MAX))
    points, rest, day = [(first, set_aside)], set_aside, first
    for number in range(days + 1):
        day = first + timedelta(days=number)
        rest -= by_day.get(day, 0)
        if number % step == 0 or day == until:
            points.append((day, max(0, rest)))
    points.append((until, left))
    return points


def drawing(chart: Burndown, *, uid: str, narrow: bool) -> SafeString:
    """One of the two drawings; the style sheet shows the one that fits."""
    width, height = (360, 260) if narrow else (860, 330)
    x0, x1, y0, y1 = (44 if narrow else 56), width - 14, 34, height - 30
    first = min(chart.start, chart.points[0][0])
    last = max(
        [chart.end, chart.today, *(each for each in (chart.likely,) if each and each <= chart.end + timedelta(days=60))]
    )
    span = max(1, (last - first).days + max(3, (last - first).days // 20))
    top = max(chart.set_aside, 1)

    def x(day: date) -> str:
        return f"{x0 + (x1 - x0) * min(max((day - first).days, 0), span) / span:.1f}"

    def y(amount: int) -> str:
        return f"{y1 - (y1 - y0) * min(max(amount, 0), top) / top:.1f}"

    def level_words(percent: int) -> str:
        return _("%(percent)d%% used") % {"percent": percent}

    grid = format_html_join(
        "",
        '<line class="grid" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/><text x="{3}" y="{4}" text-anchor="end">{5}</text>',
        (
            (
                x0,
                x1,
                y(top * part // 4),
                x0 - 7,
                f"{float(y(top * part // 4)) + 4:.1f}",
                as_text(top * part // 4, decimals=0),
            )
            for part in range(5)
        ),
    )
    months = format_html_join(
        "",
        '<line class="grid" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/><text x="{0}" y="{3}" text-anchor="middle">{4}</text>',
        ((x(day), y0, y1, y1 + 18, date_format(day, "M")) for day in _months(first, span, at_most=5 if narrow else 12)),
    )
    thresholds = format_html_join(
        "",
        '<line class="threshold" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/><text class="t-small" x="{3}" y="{4}">{5}</text>',
        (
            (
                x0,
                x1,
                y(top - top * percent // 100),
                x0 + 5,
                f"{float(y(top - top * percent // 100)) - 4:.1f}",
                level_words(percent),
            )
            for percent in (75, 90)
        ),
    )
    line = "L".join(f"{x(day)} {y(left)}" for day, left in chart.points)
    now_day, now_left = chart.points[-1]
    curve = format_html(
        '<path class="fall" d="M{line}V{foot}H{begin}z"/><path class="line" d="M{line}"/>',
        line=line,
        foot=y(0),
        begin=x(chart.points[0][0]),
    )
    even = format_html('<path class="even" d="M{} {}L{} {}"/>', x(chart.start), y(top), x(chart.end), y(0))
    ahead = SafeString("")
    if chart.likely is not None:
        early, late = chart.early or chart.likely, chart.late or first + timedelta(days=span)
        ahead = format_html(
            '<path class="cone" d="M{nx} {ny}L{e} {foot}H{l}z"/><path class="forecast" d="M{nx} {ny}L{m} {foot}"/>'
            '<circle class="dot likely" cx="{m}" cy="{foot}" r="4.5"/>',
            nx=x(now_day),
            ny=y(now_left),
            e=x(early),
            l=x(late),
            m=x(chart.likely),
            foot=y(0),
        )
    end = format_html(
        '<line class="end" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>'
        '<text class="strong" x="{3}" y="{4}" text-anchor="end">{5}</text>',
        x(chart.end),
        y0 - 8,
        y1,
        f"{float(x(chart.end)) - 6:.1f}",
        y0 - 1,
        _("Ends %(day)s") % {"day": date_format(chart.end, "j M")},
    )
    now = format_html(
        '<line class="now" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/><circle class="dot" cx="{3}" cy="{4}" r="4.5"/>',
        x(chart.today),
        y0 + 4,
        y1,
        x(now_day),
        y(now_left),
    )
    return format_html(
        '<svg class="burndown {kind}" viewBox="0 0 {width} {height}" role="img" aria-labelledby="{uid}-t {uid}-d">'
        '<title id="{uid}-t">{title}</title><desc id="{uid}-d">{words}</desc>{parts}</svg>',
        kind="only-narrow" if narrow else "only-wide",
        width=width,
        height=height,
        uid=uid,
        title=chart.title,
        words=chart.words,
        parts=format_html_join(
            "", "{}", ((each,) for each in (grid, months, even, thresholds, curve, ahead, end, now))
        ),
    )


def _months(first: date, span: int, *, at_most: int) -> list[date]:
    """The first days of months in sight, every second or third where there are too many."""
    found, day = [], date(first.year, first.month, 1)
    while True:
        day = (day + timedelta(days=32)).replace(day=1)
        if (day - first).days > span:
            break
        found.append(day)
    return found[:: max(1, -(-len(found) // at_most))]
