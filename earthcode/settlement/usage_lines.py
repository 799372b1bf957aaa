"""What a line of a usage report says, and how it is read: everything that can be refused without looking into the books."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

TEXT_MAX: Final = 200
#: A platform's clock may be ahead of ours by so much.
AHEAD_MAX: Final = timedelta(seconds=60)
#: As many digits as are stored.
QUANTITY_MAX: Final = Decimal(10) ** 15
DECIMALS_MAX: Final = 18

#: Names of the fields, in the order of the template.
FIELDS: Final = (
    "id",
    "allocation",
    "component",
    "quantity",
    "unit",
    "used_from",
    "used_until",
    "person",
    "job",
    "kind",
    "replaces",
)
_REQUIRED: Final = FIELDS[:7]
KINDS: Final = ("closed", "growing")

_NUMBER = re.compile(r"[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a line was not taken: its number, the field at fault, a stable code, and what to do."""

    line: int
    record_id: str
    field: str
    code: str
    message: str

    def as_json(self) -> dict[str, Any]:
        return {
            "line": self.line,
            "id": self.record_id,
            "field": self.field,
            "code": self.code,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class UsageLine:
    """A line that can be read. ``quantity`` is in ``unit``; the period is half open, in UTC."""

    number: int
    record_id: str
    allocation: str
    component: str
    quantity: Decimal
    unit: str
    used_from: datetime
    used_until: datetime
    person: str = ""
    job: str = ""
    kind: str = "closed"
    replaces: str = ""

    @property
    def content_hash(self) -> bytes:
        """Of all that the line says, however it was written; never of where or when it was sent."""
        said = (
            self.allocation,
            self.component,
            f"{self.quantity.normalize():f}",
            self.unit,
            self.used_from.isoformat(),
            self.used_until.isoformat(),
            self.person,
            self.job,
            self.kind,
            self.replaces,
        )
        return hashlib.blake2b("\x1f".join(said).encode(), digest_size=16).digest()


class _Problem(Exception):
    def __init__(self, field: str, code: str, message: str) -> None:
        self.field, self.code, self.message = field, code, message


def read_line(number: int, data: object, *, at: datetime) -> UsageLine | Refusal:
    """The line, or the first thing that is wrong with it. ``data`` is what JSON, CSV or a connector gave."""
    if not isinstance(data, Mapping):
        return Refusal(number, "", "", "not_an_object", "Each line is an object with the fields of a usage line.")
    record_id = data.get("id")
    shown = record_id[:TEXT_MAX] if isinstance(record_id, str) else ""
    try:
        return _read(number, data, at)
    except _Problem as problem:
        return Refusal(number, shown, problem.field, problem.code, problem.message)


def _read(number: int, data: Mapping[str, Any], at: datetime) -> UsageLine:
    unknown = [str(name) for name in data if name not in FIELDS]
    if unknown:
        raise _Problem(
            unknown[0][:TEXT_MAX], "unknown_field", f"Leave this field out. A line has: {', '.join(FIELDS)}."
        )
    texts = {
        name: _text(name, data.get(name)) for name in FIELDS if name not in {"quantity", "used_from", "used_until"}
    }
    for name in _REQUIRED:
        if data.get(name) in (None, ""):
            raise _Problem(name, "missing", "Give this field.")
    used_from, used_until = _moment("used_from", data["used_from"]), _moment("used_until", data["used_until"])
    if used_until <= used_from:
        raise _Problem("used_until", "no_duration", "The end must be after the beginning.")
    if used_until > at + AHEAD_MAX:
        raise _Problem("used_until", "in_future", "Report usage after it happened; check the clock and the zone.")
    if texts["kind"] not in {"", *KINDS}:
        raise _Problem("kind", "unknown_kind", f"Write one of {', '.join(KINDS)}, or leave it out.")
    return UsageLine(
        number=number,
        record_id=texts["id"],
        allocation=texts["allocation"],
        component=texts["component"],
        quantity=quantity_of(data["quantity"]),
        unit=texts["unit"],
        used_from=used_from,
        used_until=used_until,
        person=texts["person"],
        job=texts["job"],
        kind=texts["kind"] or "closed",
        replaces=texts["replaces"],
    )


def _text(name: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _Problem(name, "not_text", "Write this as text.")
    text = value.strip()
    if len(text) > TEXT_MAX:
        raise _Problem(name, "too_long", f"Use at most {TEXT_MAX} characters.")
    if not text.isprintable():
        raise _Problem(name, "not_printable", "Leave out line breaks and characters that cannot be printed.")
    return text


def quantity_of(value: object) -> Decimal:
    """A quantity, exactly as it was written. Floats do not come here: JSON is read with ``parse_float=Decimal``."""
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise _Problem("quantity", "not_a_number", "Write a number.")
    text = str(value).strip()
    if text.startswith("-") and _NUMBER.fullmatch(text[1:]):
        raise _Problem(
            "quantity",
            "negative",
            "A quantity cannot be negative. To take usage back, send a line that replaces the first.",
        )
    if not _NUMBER.fullmatch(text):
        message = "Write a plain number with a decimal point, such as 1234.5: no comma, no spaces."
        raise _Problem("quantity", "not_a_number", message)
    quantity = Decimal(text)
    if quantity >= QUANTITY_MAX:
        raise _Problem("quantity", "too_large", "A quantity has at most 15 digits before the point.")
    exponent = quantity.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > DECIMALS_MAX:
        raise _Problem("quantity", "too_fine", f"A quantity has at most {DECIMALS_MAX} digits after the point.")
    return quantity


def _moment(name: str, value: object) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    if not isinstance(value, str) or not _MOMENT.fullmatch(value.strip()):
        raise _Problem(
            name,
            "no_zone_or_unreadable",
            "Write date, time and zone, such as 2026-12-01T16:00:00Z or …T17:00:00+01:00.",
        )
    try:
        return datetime.fromisoformat(value.strip()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _Problem(name, "no_such_time", "There is no such day or time.") from None


def json_with_decimals(text: str | bytes) -> object:
    """JSON whose numbers keep every digit. Raises ``ValueError``; NaN and infinities are not JSON."""
    return json.loads(text, parse_float=Decimal, parse_constant=_no_constant)


def _no_constant(word: str) -> object:
    raise ValueError(f"{word} is not a number in JSON")
