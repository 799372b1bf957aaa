"""One function for lines and one for texts, tried with what forms, programs and files send."""

import unicodedata

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from earthcode.lib.text import is_keepable, keepable, line, lines

INVISIBLE = [
    "\u200b",  # zero-width space
    "\u2060",  # word joiner
    "\ufeff",  # byte order mark
    "\u00ad",  # soft hyphen
    "\u200d",  # joiner that joins nothing
    "\u3164",  # Hangul filler, a letter
    "\u2800",  # empty Braille cell, a symbol
    "\ufe0f",  # variation selector
    "\u0301",  # an accent without a letter
    "\u180e",
    "\U000e0041",  # a tag
    "\0",
    "\u202e",  # overrides the direction
    "\u2066\u2069",
    " \t\u00a0\u3000",
]


@pytest.mark.parametrize("text", INVISIBLE, ids=ascii)
def test_text_that_nobody_can_see_is_empty(text: str) -> None:
    assert (line(text), lines(text)) == ("", "")


@pytest.mark.parametrize("text", INVISIBLE[:-1], ids=ascii)
def test_invisible_characters_do_not_make_two_names_of_one(text: str) -> None:
    if unicodedata.category(text[0]) in {"Cf", "Cc"}:
        assert line(f"Al{text}pine") == "Alpine"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Alpine\r\n\tsnow ", "Alpine snow"),
        ("e\u0301tude", "\u00e9tude"),
        ("Alpine\x07snow", "Alpine snow"),
        ("نمی\u200cخواهم", "نمی\u200cخواهم"),  # Persian needs the joiner's opposite
        ("क्\u200dष", "क्\u200dष"),
        ("👩\u200d🔬", "👩\u200d🔬"),
        ("user\u202egpj.exe", "usergpj.exe"),
        ("a\ud800b", "ab"),
    ],
    ids=ascii,
)
def test_a_line_is_one_clean_line(typed: str, kept: str) -> None:
    assert line(typed) == kept


def test_a_text_keeps_its_lines_and_what_they_begin_with() -> None:
    assert lines("\r\n Code:\r\n\n    code\r\nmore  \r\rend\u2028\0x\n\n") == "Code:\n\n    code\nmore\n\nend\nx"


@given(st.text())
def test_what_is_clean_stays_as_it_is(text: str) -> None:
    for clean in (line, lines):
        once = clean(text)
        assert clean(once) == once
        assert is_keepable(once)


@pytest.mark.django_db
@given(st.text(alphabet=st.characters(codec=None), max_size=20))
def test_postgresql_holds_what_is_kept(text: str) -> None:
    kept = [keepable(text), line(text), lines(text)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::text[]", [kept])
        assert cursor.fetchone() == (kept,)
