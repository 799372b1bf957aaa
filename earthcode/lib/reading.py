"""What others say, read by type: JSON of other sites, claims of the single sign-on.

A value of another type than the one expected says nothing: it is never the generous answer, and never an error further on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from django.utils.dateparse import parse_datetime

from earthcode.lib.text import line

#: Deeper than any document we read, and far from the depth at which Python gives up.
DEPTH_MAX: Final = 64
#: Years that a thing on this site can be of.
YEAR_MIN: Final = 1900
YEAR_MAX: Final = 2199
#: The digits of the longest whole number that is a number to us; ``float`` ends at 309.
_DIGITS_MAX: Final = 40


class Unreadable(ValueError):
    """No JSON that can be used; the message is a sentence. ``line_number`` where it is about one line, else 0."""

    def __init__(self, message: str, line_number: int = 0) -> None:
        super().__init__(message)
        self.line_number = line_number


def flag(value: object) -> bool | None:
    """True or false, also as text, as some programs send it; None for anything else, which is neither."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return None


def text(value: object) -> str:
    """One clean line; empty for what is no text."""
    return line(value) if isinstance(value, str) else ""


def mapping(value: object) -> Mapping[str, Any]:
    """An object; empty for what is none."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: object) -> list[Any]:
    """A list; empty for what is none."""
    return value if isinstance(value, list) else []


def moment(value: object) -> datetime | None:
    """An instant in UTC, as ISO 8601 writes it (without an offset: in UTC); None for what is none that we could show.

    Those of the first and the last year are none: elsewhere on Earth they lie outside of what calendars here can count.
    """
    try:
        found = parse_datetime(text(value))
        if found is None:
            return None
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if YEAR_MIN <= found.year <= YEAR_MAX else None


def is_beyond_the_calendar(value: object) -> bool:
    """Whether it is written like an instant and is none that we could show: what says nothing is not."""
    try:
        return parse_datetime(text(value)) is not None and moment(value) is None
    except ValueError:
        return False


def json_of(content: str | bytes, *, depth_max: int = DEPTH_MAX) -> Any:
    """A JSON document with numbers that are numbers, no deeper than ``depth_max``; raises :class:`Unreadable`.

    ``NaN`` and ``Infinity`` are no JSON, and neither are numbers of hundreds of digits a number that anybody means.
    """
    if isinstance(content, str):
        content = content.removeprefix("\ufeff")
    try:
        found = json.loads(content, parse_int=_whole, parse_float=_decimal, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise Unreadable(f"is no JSON ({error.msg})", error.lineno) from error
    except RecursionError:
        raise Unreadable(f"is nested more than {depth_max} deep") from None
    except UnicodeDecodeError:
        raise Unreadable("is not UTF-8") from None
    if _is_deeper(found, depth_max):
        raise Unreadable(f"is nested more than {depth_max} deep")
    return found


def _is_deeper(value: Any, depth_max: int) -> bool:
    """Level by level, because a walk by recursion would meet the limit it is to keep away from."""
    level = [value]
    for _depth in range(depth_max + 1):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS_MAX:
        raise Unreadable(f"holds a number of more than {_DIGITS_MAX} digits")
    return int(digits)


def _decimal(digits: str) -> float:
    found = float(digits)
    if not math.isfinite(found):
        raise Unreadable("holds a number that is too large")
    return found


def _no_number(name: str) -> float:
    raise Unreadable(f"holds {name}, which is no number")
