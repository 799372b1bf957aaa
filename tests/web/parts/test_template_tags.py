"""Tags and filters: numbers and dates as people read them, Markdown that can do no harm, drawings."""

from datetime import UTC, date, datetime

import pytest
from bs4 import BeautifulSoup
from django.template import Context, Template

from earthcode.lib.money import credits as cr
from earthcode.web.parts.charts import bar, monogram, price_strip, tile

THIN = "\u202f"


def drawn(source: str, **context: object) -> str:
    return Template(source).render(Context(context))


@pytest.mark.parametrize(
    ("amount", "text"),
    [(cr(2684), f"2{THIN}684"), (cr("17.4"), "17.4"), (0, "0"), (-cr("17.4"), "\u221217.4"), (None, "")],
)
def test_credits_are_written_with_thin_groups(amount: int | None, text: str) -> None:
    assert drawn("{{ amount|credits }}", amount=amount) == text


def test_credits_may_have_a_fixed_number_of_decimals() -> None:
    assert drawn("{{ amount|credits:2 }}", amount=cr(2684)) == f"2{THIN}684.00"


@pytest.mark.parametrize(
    ("amount", "text"), [(cr(1200), f"+1{THIN}200"), (-cr("17.4"), "\u221217.4"), (0, "0"), (None, "")]
)
def test_a_ledger_says_the_sign(amount: int | None, text: str) -> None:
    assert drawn("{{ amount|signed_credits }}", amount=amount) == text


def test_numbers_are_grouped_unless_they_are_to_be_plain() -> None:
    assert drawn("{{ number }} {{ number|plain }}", number=12345) == f"12{THIN}345 12345"


def test_dates_are_written_out() -> None:
    context = {"day": date(2027, 3, 12), "moment": datetime(2027, 3, 12, 9, 5, tzinfo=UTC)}

    assert (
        drawn("{{ day }} | {{ day|date }} | {{ moment }}", **context)
        == "12 Mar 2027 | 12 Mar 2027 | 12 Mar 2027, 09:05"
    )


def test_markdown_becomes_html() -> None:
    page = BeautifulSoup(
        drawn("{{ text|markdown }}", text="# Why\n\n- **snow**\n- [data](https://data.example/)"), "html.parser"
    )

    assert page.select_one("h3") is not None
    assert [each.get_text() for each in page.select("li")] == ["snow", "data"]
    link = page.a
    assert link is not None
    assert link["href"] == "https://data.example/"


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        '<img src=x onerror="alert(1)">',
        "![x](https://elsewhere.example/track.png)",
        '<a href="x" style="color:red">x</a>',
    ],
)
def test_markdown_lets_nothing_through_that_does_harm(text: str) -> None:
    page = BeautifulSoup(drawn("{{ text|markdown }}", text=text), "html.parser")

    assert page.select("script, img, [style], [onerror]") == []
    assert all(not str(link.get("href", "")).startswith("javascript") for link in page.select("a"))


def test_markdown_of_nothing_is_nothing() -> None:
    assert drawn("{{ text|markdown }}", text=None) == ""


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("openEO on an archive", "oEO"),
        ("Notebook Hub", "NH"),
        ("Virtual machines for all", "VMA"),
        ("archive", "ARC"),
        ("DeepESDL", "DES"),
        ("", ""),
    ],
)
def test_a_monogram_keeps_the_names_own_capitals(name: str, letters: str) -> None:
    assert monogram(name) == letters


def test_a_tile_always_looks_the_same() -> None:
    assert tile("oEO", "a") == tile("oEO", "a")
    assert tile("oEO", "a") != tile("oEO", "b")


def test_a_tile_escapes_its_letters() -> None:
    assert "<x>" not in tile("<x>", "a")


def test_a_price_lies_among_its_peers() -> None:
    page = BeautifulSoup(price_strip([cr(100), cr(200), cr(300)], cr(200), cr(250)), "html.parser")

    assert len(page.select(".tick")) == 3
    dot = page.select_one(".mine")
    assert dot is not None
    assert float(str(dot["cx"])) == pytest.approx(95)
    assert page.select_one(".balance-mark") is not None


@pytest.mark.parametrize("prices", [[], [cr(5)], [cr(5), cr(5)]])
def test_a_price_without_peers_has_no_strip(prices: list[int]) -> None:
    assert price_strip(prices, cr(5)) == ""


@pytest.mark.parametrize(("balance", "place"), [(cr(50), "184.0"), (0, "6.0"), (cr(1), "6.0")])
def test_a_strip_marks_a_balance_beyond_all_prices_at_its_end(balance: int, place: str) -> None:
    assert f'class="balance-mark" d="M{place} ' in price_strip([cr(1), cr(2)], cr(1), balance)


def test_a_bar_is_as_long_as_its_parts() -> None:
    page = BeautifulSoup(bar(200, [(50, "k2"), (25, "k3")]), "html.parser")

    widths = [float(str(each["width"])) for each in page.select("rect:not(.track)")]
    assert widths == [pytest.approx(150, abs=2), pytest.approx(75, abs=2)]


def test_a_bar_never_grows_over_its_end() -> None:
    page = BeautifulSoup(bar(100, [(80, "k2"), (500, "k3")]), "html.parser")

    ends = [float(str(each["x"])) + float(str(each["width"])) for each in page.select("rect:not(.track)")]
    assert max(ends) <= 600


def test_a_bar_of_nothing_is_empty() -> None:
    assert BeautifulSoup(bar(0, [(0, "k2")]), "html.parser").select("rect:not(.track)") == []


def test_an_icon_is_hidden_from_screen_readers() -> None:
    page = BeautifulSoup(drawn('{% icon "check" %}'), "html.parser")

    assert page.svg is not None
    assert page.svg["aria-hidden"] == "true"


def test_a_status_is_a_word_and_a_phase() -> None:
    page = BeautifulSoup(drawn('{% status "active" %}'), "html.parser")

    pill = page.select_one(".status.ok")
    assert pill is not None
    assert pill.get_text() == "Active"
    assert pill.select_one("use[href$='#ph4']") is not None
