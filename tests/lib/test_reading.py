"""Values of others, by type."""

import json
from typing import Any

import pytest

from earthcode.lib import reading

WRONG: list[Any] = [None, 0, 1, 2.5, "", "yes", "1", [], [True], {}, {"value": True}, "null"]


@pytest.mark.parametrize("value", WRONG, ids=repr)
def test_what_is_neither_true_nor_false_is_neither(value: Any) -> None:
    assert reading.flag(value) is None


@pytest.mark.parametrize(("value", "meant"), [(True, True), ("true", True), (" False ", False), (False, False)])
def test_true_and_false_may_be_text(value: Any, meant: bool) -> None:
    assert reading.flag(value) is meant


@pytest.mark.parametrize("value", [None, 5, ["a"], {"a": 1}, True], ids=repr)
def test_what_is_no_text_is_none(value: Any) -> None:
    assert reading.text(value) == ""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[" * 100 + "]" * 100, "deep"),
        ("[" * 200_000, "deep"),
        ('{"a":' * 200_000, "deep"),
        ("9" * 400, "digits"),
        ("-" + "9" * 5000, "digits"),
        ("1e400", "too large"),
        ("NaN", "no number"),
        ("-Infinity", "no number"),
        ("{", "no JSON"),
        (b"\xff\xfe\xfa", "not UTF-8"),
        ("", "no JSON"),
    ],
    ids=lambda content: repr(content)[:12],
)
def test_a_document_that_cannot_be_used_is_refused_in_words(content: str, words: str) -> None:
    with pytest.raises(reading.Unreadable, match=words):
        reading.json_of(content)


def test_a_fault_of_one_line_has_its_number() -> None:
    with pytest.raises(reading.Unreadable) as caught:
        reading.json_of('{\n "a": 1,\n "b" 2}')

    assert caught.value.line_number == 3


@pytest.mark.parametrize("document", [{"a": [1, 2.5, "x", None, True]}, [[]] * 5, 12345678901234567890])
def test_what_can_be_used_comes_as_it_is(document: Any) -> None:
    assert reading.json_of(json.dumps(document)) == document


@pytest.mark.parametrize(
    "value",
    ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "0001-01-01", "9999-12-31T23:59", "1066-10-14"],
)
def test_an_instant_that_no_calendar_here_can_show_is_none(value: str) -> None:
    assert reading.moment(value) is None
    assert reading.is_beyond_the_calendar(value)


@pytest.mark.parametrize("value", ["", "spring", "2026-13-01T00:00Z", "2026-02-30", 20260301, None, ["2026-03-01"]])
def test_what_is_no_instant_says_nothing(value: Any) -> None:
    assert reading.moment(value) is None
    assert not reading.is_beyond_the_calendar(value)


def test_an_instant_is_in_utc() -> None:
    assert str(reading.moment("2026-03-01T01:30:00+02:00")) == "2026-02-28 23:30:00+00:00"
