"""Reading whatever a platform answers."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earthcode.connectors import reading, reasons
from earthcode.connectors.base import ConnectorError

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
READERS = [
    reading.mapping,
    reading.items,
    reading.mappings,
    reading.texts,
    reading.text,
    reading.flag,
    reading.whole,
    reading.number,
    reading.moment,
    reading.epoch,
]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
@given(value=ANYTHING)
def test_a_value_is_read_or_is_a_reason(reader: Any, value: Any) -> None:
    try:
        reader(value)
    except ConnectorError as error:
        assert error.code == reasons.NOT_ITS_OWN  # noqa: PT017  # either way is right


def test_fractions_are_exact() -> None:
    assert reading.decoded('{"hours": 0.49277777777777776}') == {"hours": Decimal("0.49277777777777776")}


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, "[" * 1000 + "]" * 1000, "NaN", '{"a": Infinity}', "1e999999999", "9" * 5000, "{", "", b"\xff"],
)
def test_what_nothing_can_hold_is_no_value(content: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whichever kind
        reading.decoded(content)


def test_times_as_platforms_write_them() -> None:
    expected = datetime(2026, 12, 1, 16, 31, 55, 216723, tzinfo=UTC)
    for written in (
        "2026-12-01T16:31:55.216723+00:00Z",
        "2026-12-01T16:31:55.216723Z",
        "2026-12-01T17:31:55.216723+01:00",
        "2026-12-01T16:31:55.216723",
    ):
        assert reading.moment(written) == expected
    assert reading.epoch(1796140800) == datetime(2026, 12, 1, 16, tzinfo=UTC)
    assert reading.date_header({"date": "Tue, 01 Dec 2026 16:00:00 GMT"}) == datetime(2026, 12, 1, 16, tzinfo=UTC)
    assert reading.date_header({"date": "soon"}) is None


@pytest.mark.parametrize("value", ["-1", -1, "1e50", "x", True, None, "", "NaN", "Infinity"])
def test_what_is_no_quantity_is_none(value: Any) -> None:
    with pytest.raises(ConnectorError):
        reading.number(value)
