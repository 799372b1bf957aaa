"""Headings that people write, below those of the page."""

import re

import pytest

from earthcode.web.parts.markdown import to_html


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("# A", "3"),
        ("## A", "3"),
        ("###### A", "3"),
        ("# A\n\n## B\n\n## C\n\n# D", "3443"),
        ("# A\n\n### B\n\n## C", "344"),
        ("## A\n\n# B", "33"),
        ("# A\n\n## B\n\n### C\n\n#### D\n\n##### E", "34566"),
        ("A\n=\n\nB\n-", "34"),
        ("no heading", ""),
    ],
)
def test_headings_step_down_one_level_at_a_time(text: str, levels: str) -> None:
    html = to_html(text)

    assert "".join(re.findall(r"<h(\d)>", html)) == levels
    assert "".join(re.findall(r"</h(\d)>", html)) == levels


def test_headings_start_where_the_page_says() -> None:
    assert "<h4>A</h4>" in to_html("# A", top=4)


def test_a_heading_that_is_code_stays_text() -> None:
    assert "<code>&lt;h1&gt;</code>" in to_html("`<h1>`")


def test_a_message_keeps_its_new_lines_and_a_text_does_not() -> None:
    assert "<br>" in to_html("one\ntwo", is_message=True)
    assert "<br>" not in to_html("one\ntwo")


def test_a_message_can_do_no_harm_either() -> None:
    assert "<script" not in to_html("<script>alert(1)</script>", is_message=True)
