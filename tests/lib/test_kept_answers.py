"""Answers kept as the bytes that were sent."""

import gzip

import brotli  # type: ignore[import-untyped]
import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from earthcode.lib.http.kept_answers import KeptAnswers

TEXT = b"<p>snow</p>" * 100


def an_answer(body: bytes = TEXT) -> HttpResponse:
    response = HttpResponse(body, headers={"ETag": '"1"', "Vary": "Cookie"})
    response.set_cookie("mine", "secret")
    return response


@pytest.mark.parametrize(
    ("accepts", "encoding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("", None),
        ("identity", None),
    ],
)
def test_what_is_kept_is_sent_as_the_reader_can_read_it(accepts: str, encoding: str | None) -> None:
    kept = KeptAnswers()
    kept.keep("page", an_answer())
    found = kept.get("page")
    assert found is not None

    answer = found.answer(RequestFactory().get("/", headers={"Accept-Encoding": accepts}))

    assert answer.headers.get("Content-Encoding") == encoding
    read = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[encoding]
    assert read(answer.content) == TEXT
    assert {"Cookie", "Accept-Encoding"} == {part.strip() for part in answer.headers["Vary"].split(",")}
    # What was for one reader goes to no other.
    assert not answer.cookies
    assert "Set-Cookie" not in answer.headers


def test_memory_is_bounded_and_what_nobody_asked_for_goes_first() -> None:
    kept = KeptAnswers(bytes_max=4000)
    for number in range(10):
        kept.keep(number, an_answer(b"x" * 1000))
        kept.get(0)

    assert kept.size <= 4000
    assert kept.get(0) is not None
    assert kept.get(9) is not None
    assert kept.get(4) is None
    kept.keep("large", an_answer(b"x" * 5000))
    assert kept.get("large") is None
    kept.keep(0, an_answer(b"y" * 1000))
    assert kept.size <= 4000
