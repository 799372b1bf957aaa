"""Reading what a platform answered, whatever it is: each wrong shape is a ``ConnectorError``, never an accident of ours.

``decoded`` turns bytes into JSON with exact numbers; the others take a value out of it and say what it has to be.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

from earthcode.connectors import reasons
from earthcode.connectors.base import ConnectorError

#: No text of an API is longer than this where we keep it.
TEXT_MAX = 10_000
#: Deeper than any answer of an API that makes sense, and far from Python's own limit.
DEPTH_MAX = 60
_EPOCH_MAX = 253402300799


def not_its_own() -> ConnectorError:
    return ConnectorError(reasons.NOT_ITS_OWN)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def decoded(content: bytes | str) -> Any:
    """The JSON value with fractions as ``Decimal``; raises ``ValueError`` for what is no JSON, is nested absurdly deep, or has
    numbers that nothing can hold."""
    try:
        value = json.loads(content, parse_float=_decimal, parse_constant=_no_constant)
        if _depth(value) > DEPTH_MAX:
            raise ValueError("nested too deep")
    except RecursionError:
        raise ValueError("nested too deep") from None
    return value


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError("no number") from None
    if abs(number.adjusted()) > 40:
        raise ValueError("a number that nothing can hold")
    return number


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level and deepest <= DEPTH_MAX:
        deepest += 1
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
    return deepest


def mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise not_its_own()
    return value


def items(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise not_its_own()
    return value


def mappings(value: Any) -> list[dict[str, Any]]:
    return [mapping(each) for each in items(value)]


def texts(value: Any) -> list[str]:
    return [text(each) for each in items(value)]


def text(value: Any, *, at_most: int = TEXT_MAX) -> str:
    if not isinstance(value, str) or len(value) > at_most or "\x00" in value:
        raise not_its_own()
    return value


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise not_its_own()
    return value


def whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise not_its_own()
    return value


def number(value: Any) -> Decimal:
    """A number of zero or more, also where it is written as text."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise not_its_own()
    try:
        found = Decimal(value)
    except InvalidOperation:
        raise not_its_own() from None
    if not found.is_finite() or found < 0 or abs(found.adjusted()) > 40:
        raise not_its_own()
    return found


def moment(value: Any) -> datetime:
    """A time of RFC 3339, in UTC; without a zone it is taken for UTC. ``+00:00Z``, as JupyterHub writes it, is understood."""
    written = text(value, at_most=64).replace("+00:00Z", "+00:00")
    try:
        found = datetime.fromisoformat(written)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise not_its_own() from None


def epoch(value: Any) -> datetime:
    """Seconds since 1970."""
    seconds = number(value)
    if seconds > _EPOCH_MAX:
        raise not_its_own()
    return datetime.fromtimestamp(int(seconds), tz=UTC)


def date_header(headers: Mapping[str, str]) -> datetime | None:
    """The platform's clock as its ``Date`` header gives it."""
    try:
        found = parsedate_to_datetime(headers.get("date", ""))
    except (TypeError, ValueError, OverflowError):
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
