"""Files and streams as lines of usage, one at a time, so that a long report takes as little memory as a short one.

What cannot be read as a line is given as a refusal with its number; what makes the whole file useless (not UTF-8, no header,
cut short) raises ``InvalidInput``, and nothing of the report is recorded.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, Protocol

from earthcode.lib.errors import InvalidInput
from earthcode.settlement.usage_lines import FIELDS, Refusal, json_with_decimals

#: No line of usage is longer.
LINE_MAX_BYTES: Final = 64 * 1024


class TooLarge(InvalidInput):
    """The report is larger than what is taken at once."""

    code = "too_large"


class Truncated(InvalidInput):
    """Less arrived than was announced. Nothing was recorded: send it again."""

    code = "truncated"


class Numbered(NamedTuple):
    """A line with its number in the file that it came from."""

    number: int
    data: object


class Stream(Protocol):
    """What bytes are read from."""

    def read(self, size: int = ..., /) -> bytes:
        """At most so many bytes; none at the end."""


def whole_lines(stream: Stream, *, length: int | None, largest: int) -> Iterator[bytes]:
    """The lines of a stream without their ends. ``length`` is what was announced, in bytes.

    Raises :class:`TooLarge` at once where more than ``largest`` was announced or as soon as more arrives, :class:`Truncated`
    where less arrives than was announced, and ``InvalidInput`` for an endless line.
    """
    if length is not None and length > largest:
        raise TooLarge(f"Send at most {largest // 10**6} MB at once: cut the report into several.")
    arrived, rest, number = 0, b"", 0
    while block := stream.read(LINE_MAX_BYTES):
        arrived += len(block)
        if arrived > largest:
            raise TooLarge(f"Send at most {largest // 10**6} MB at once: cut the report into several.")
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            number += 1
            yield line.removesuffix(b"\r")
        if len(rest) > LINE_MAX_BYTES:
            raise InvalidInput(f"Line {number + 1} is longer than {LINE_MAX_BYTES} bytes.", field=f"lines.{number + 1}")
    if length is not None and arrived < length:
        raise Truncated("The report broke off before its end, so nothing of it was recorded. Send it again.")
    if rest:
        yield rest.removesuffix(b"\r")


def from_ndjson(lines: Iterable[bytes]) -> Iterator[object]:
    """One JSON object in each line; empty lines are passed over."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield Numbered(number, json_with_decimals(line.decode("utf-8-sig" if number == 1 else "utf-8")))
        except (ValueError, RecursionError):
            yield Refusal(number, "", "", "not_json", "Write one JSON object in each line, in UTF-8.")


def from_csv(lines: Iterable[bytes]) -> Iterator[object]:
    """A table with a header of the fields' names, separated by commas or semicolons, with or without a byte order mark."""
    rows = _rows(lines)
    header = [name.strip().lower() for name in next(rows, (0, []))[1]]
    unknown = [name for name in header if name not in FIELDS]
    missing = [name for name in FIELDS[:7] if name not in header]
    if unknown or missing or len(set(header)) < len(header):
        which = f"there is no column “{unknown[0][:40]}”" if unknown else f"“{', '.join(missing)}” is missing"
        if not unknown and not missing:
            which = "a column is there twice"
        raise InvalidInput(
            f"The first row names the columns, and {which}. Columns: {', '.join(FIELDS)}.", field="lines.1"
        )
    for number, row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            message = f"This row has {len(row)} cells and the first has {len(header)}."
            yield Refusal(number, "", "", "wrong_columns", message)
            continue
        yield Numbered(number, {name: cell for name, cell in zip(header, row, strict=True) if cell.strip()})


def _rows(lines: Iterable[bytes]) -> Iterator[tuple[int, list[str]]]:
    """Each row with the number of its line. A cell never spans lines: nothing that is reported has line breaks."""
    delimiter = ","
    for number, line in enumerate(lines, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise InvalidInput(
                f"Line {number} is not UTF-8. Save the file as UTF-8.", field=f"lines.{number}"
            ) from None
        if number == 1:
            delimiter = ";" if text.count(";") > text.count(",") else ","
        try:
            yield number, next(csv.reader([text], delimiter=delimiter, strict=True), [])
        except csv.Error:
            raise InvalidInput(f"Line {number} cannot be read: look at its quotes.", field=f"lines.{number}") from None


#: What of a FOCUS row says which meter it is of; the same row of a later export has the same.
_FOCUS_KEY: Final = (
    "SubAccountId",
    "ResourceId",
    "SkuId",
    "SkuPriceId",
    "RegionId",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ChargeDescription",
)
_FOCUS_NEEDED: Final = (
    "SubAccountId",
    "ChargeCategory",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ConsumedQuantity",
    "ConsumedUnit",
    "SkuId",
)


def from_focus(lines: Iterable[bytes]) -> Iterator[object]:
    """The usage rows of a cost export after FOCUS 1.2 or later, as CSV.

    ``SubAccountId`` is the allocation, ``SkuMeter`` or else ``SkuId`` the component, ``ConsumedQuantity`` in
    ``ConsumedUnit`` the usage; ``ResourceId`` is kept as the job. Exports repeat rows with more in them while their period is
    open, so each is a growing record. Rows that are no usage (taxes, purchases, credits) are none of ours and passed over;
    what the export calls a correction is refused, because it does not say what it corrects.
    """
    rows = _rows(lines)
    header = [name.strip() for name in next(rows, (0, []))[1]]
    missing = [name for name in _FOCUS_NEEDED if name not in header]
    if missing:
        raise InvalidInput(f"This is no FOCUS 1.2 export: “{', '.join(missing)}” is missing.", field="lines.1")
    for number, cells in rows:
        if len(cells) != len(header):
            message = f"This row has {len(cells)} cells and the first has {len(header)}."
            yield Refusal(number, "", "", "wrong_columns", message)
            continue
        row = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        if row["ChargeCategory"] != "Usage":
            continue
        if row.get("ChargeClass") == "Correction":
            message = "Send a correction as a usage line that names the record it replaces."
            yield Refusal(number, "", "ChargeClass", "correction", message)
            continue
        yield Numbered(number, _of_focus(row))


def _of_focus(row: Mapping[str, str]) -> dict[str, Any]:
    key = "\x1f".join(row.get(name, "") for name in _FOCUS_KEY)
    found = {
        "id": f"focus:{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}",
        "allocation": row["SubAccountId"],
        "component": row.get("SkuMeter") or row["SkuId"],
        "quantity": row["ConsumedQuantity"],
        "unit": row["ConsumedUnit"],
        "used_from": row["ChargePeriodStart"],
        "used_until": row["ChargePeriodEnd"],
        "job": row.get("ResourceId", "")[-200:],
        "kind": "growing",
    }
    return {name: value for name, value in found.items() if value}


def template(rows: Iterable[tuple[str, str, str]]) -> str:
    """A CSV file to fill in: a row for each allocation, component and unit."""
    made = io.StringIO()
    writer = csv.DictWriter(made, FIELDS, lineterminator="\r\n")
    writer.writeheader()
    for allocation, component, unit in rows:
        writer.writerow({"allocation": allocation, "component": component, "unit": unit})
    return made.getvalue()
