"""Small drawings as SVG, made on the server: no script, no inline style, so they hold under the strict CSP.

Lengths are attributes, colours are classes (``static/css/charts.css``). Every drawing is hidden from screen readers: the page
says the same numbers in words beside it.
"""

import functools
import re
from collections.abc import Sequence
from hashlib import blake2b

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from earthcode.lib import money

_WIDTH, _HEIGHT = 600, 16
_STRIP_WIDTH = 190
#: They say nothing in a monogram.
_SMALL_WORDS = {"a", "an", "and", "at", "by", "for", "in", "of", "on", "the", "to", "with"}
_TILE_TONES = ("deep", "rust", "sea", "dusk", "wine", "moss")


def price_strip(prices: Sequence[int], price: int | None, balance: int | None = None) -> SafeString:
    """A tick for each price, a dot for this one, an orange mark for the reader's credits; amounts in micro-credits.

    Empty when there is nothing to compare: fewer than two different prices.
    """
    low, high = (min(prices), max(prices)) if prices else (0, 0)
    if low == high:
        return SafeString("")
    width = _STRIP_WIDTH

    def x(value: int) -> str:
        return _on_strip(value, low, high)

    ticks = _ticks(tuple(sorted(set(prices))))
    mark = SafeString("")
    if balance is not None:
        # Credits beyond the prices are marked at the end: the strip's key promises the mark.
        mark = format_html('<path class="balance-mark" d="M{} 3v18"/>', x(min(max(balance, low), high)))
    dot = SafeString("")
    if price is not None:
        dot = format_html('<circle class="mine" cx="{}" cy="12" r="6"/>', x(min(max(price, low), high)))
    return format_html(
        '<svg class="strip" viewBox="0 0 {width} 30" aria-hidden="true">'
        '<line class="base" x1="6" x2="{end}" y1="12" y2="12"/>{ticks}{mark}{dot}'
        '<text x="0" y="28">{low}</text><text x="{width}" y="28" text-anchor="end">{high} cr</text></svg>',
        width=width,
        end=width - 6,
        ticks=ticks,
        mark=mark,
        dot=dot,
        low=money.as_text(low, decimals=0),
        high=money.as_text(high, decimals=0),
    )


def _on_strip(value: int, low: int, high: int) -> str:
    return f"{6 + (_STRIP_WIDTH - 12) * (value - low) / (high - low):.1f}"


@functools.lru_cache(maxsize=64)
def _ticks(prices: tuple[int, ...]) -> SafeString:
    """The same on every card of a list, so they are drawn once."""
    places = ((_on_strip(each, prices[0], prices[-1]),) for each in prices)
    return format_html_join("", '<line class="tick" x1="{0}" x2="{0}" y1="8" y2="16"/>', places)


def bar(total: int, parts: Sequence[tuple[int, str]], *, tall: bool = False) -> SafeString:
    """A stacked bar: ``parts`` of ``total`` with a class each (``k1`` … ``k6``, ``hatched``); the rest is free.

    Parts that together exceed the total fill the bar and are cut at its end.
    """
    drawn: list[SafeString] = []
    at = 0.0
    for value, name in parts:
        width = _WIDTH * max(value, 0) / total if total > 0 else 0.0
        width = min(width, _WIDTH - at)
        if width > 0:
            # A gap keeps neighbours apart; a part that exists is never invisible.
            drawn.append(_part(at, max(width - 1.5, 1.0), name))
        at += width
    return format_html(
        '<svg class="bar{}" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="{}" height="{}"/>{}</svg>',
        " tall" if tall else "",
        _WIDTH,
        _HEIGHT,
        _WIDTH,
        _HEIGHT,
        format_html_join("", "{}", ((each,) for each in drawn)),
    )


def _part(x: float, width: float, name: str) -> SafeString:
    if name != "hatched":
        return format_html(
            '<rect class="{}" x="{}" width="{}" height="{}"/>', name, f"{x:.1f}", f"{width:.1f}", _HEIGHT
        )
    # Slanted lines instead of a pattern: a pattern needs an id, and a page has many bars.
    end = x + width
    lines: list[tuple[str, str, str, str]] = []
    start = x - _HEIGHT
    while start < end:
        left, right = max(start, x), min(start + _HEIGHT, end)
        if right > left:
            lines.append(
                (f"{left:.1f}", f"{_HEIGHT - (left - start):.1f}", f"{right:.1f}", f"{_HEIGHT - (right - start):.1f}")
            )
        start += 7
    return format_html(
        "{}{}",
        format_html_join("", '<line class="hatch" x1="{}" y1="{}" x2="{}" y2="{}"/>', lines),
        format_html(
            '<rect class="hatch-edge" x="{}" y="0.75" width="{}" height="{}"/>',
            f"{x + 0.75:.1f}",
            f"{max(width - 1.5, 0.5):.1f}",
            _HEIGHT - 1.5,
        ),
    )


@functools.lru_cache(maxsize=1024)
def tile(code: str, seed: str) -> SafeString:
    """A monogram over orbits that stands in for a logo; the same seed always gives the same drawing, kept for the next page."""
    digest = blake2b(seed.encode(), digest_size=8).digest()

    def between(byte: int, low: int, high: int) -> int:
        return low + digest[byte] * (high - low) // 255

    first = between(0, -40, 40)
    second = first + between(1, 35, 80)
    orbits = format_html_join(
        "",
        '<ellipse class="orbit" cx="28" cy="28" rx="{}" ry="{}" transform="rotate({} 28 28)"/>',
        (
            (between(2, 30, 38), between(3, 9, 15), first),
            (between(4, 26, 36), between(5, 14, 22), second),
        ),
    )
    return format_html(
        '<svg class="tile {}" viewBox="0 0 56 56" aria-hidden="true"><rect class="ground" width="56" height="56"/>{}'
        '<circle class="craft" cx="{}" cy="{}" r="2.4"/><text x="28" y="35">{}</text></svg>',
        _TILE_TONES[digest[7] % len(_TILE_TONES)],
        orbits,
        between(6, 8, 48),
        9 if digest[6] % 2 else 47,
        code[:4],
    )


def monogram(name: str) -> str:
    """Up to three letters that stand for a name: its capitals if it has two or more, else its initials."""
    words = [word for word in re.findall(r"[^\W_]+", name) if word.lower() not in _SMALL_WORDS]
    first = words[0] if words else ""
    if len(first) > 1 and any(letter.isupper() for letter in first[1:]):
        capitals = "".join(letter for letter in first[1:] if letter.isupper())
        return (first[0] + capitals)[:3]
    if len(words) > 1:
        return "".join(word[0] for word in words[:3]).upper()
    return first[:3].upper()


def pairs(values: Sequence[object]) -> list[tuple[int, str]]:
    """``[71, "k2", 34, "hatched"]`` as ``[(71, "k2"), (34, "hatched")]``, for template tags."""
    return [(int(str(value)), str(name)) for value, name in zip(values[::2], values[1::2], strict=True)]
