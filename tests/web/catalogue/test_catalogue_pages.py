"""The public catalogue and the offerings' pages: what they say, what they keep in the address, and what they cost."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from io import StringIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from bs4 import BeautifulSoup, Tag
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from psycopg.types.range import Range
from pytest_django.plugin import DjangoDbBlocker

from earthcode.catalogue.models import Evidence, Offering, Plan, Rate
from earthcode.identity.models import User
from earthcode.lib.http.kept_answers import answers
from tests.support.catalogue import cards, link, page_of, price_of, words
from tests.support.queries import queries_of

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def _all_offerings(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock(), transaction.atomic():
        call_command("import_offerings", "--demonstration", stdout=StringIO())
        yield
        transaction.set_rollback(True)


@pytest.fixture
def offerings(_all_offerings: None, db: None) -> None:
    """The real offerings and those of the demonstration; what a test changes of them is undone after it."""


def query_of(address: object) -> dict[str, list[str]]:
    return parse_qs(urlsplit(str(address)).query)


# --- the list --------------------------------------------------------------------------------------------------------


def every_card(client: Client, query: str = "") -> dict[str, Tag]:
    """The cards of all pages of a list."""
    found: dict[str, Tag] = {}
    for number in (1, 2, 3):
        found |= cards(page_of(client, f"/catalogue/?{query}&page={number}"))
    return found


def test_the_catalogue_is_public_and_prices_every_offering_for_the_workload(offerings: None, client: Client) -> None:
    page = page_of(client, "/catalogue/")

    assert words(page.select_one("#results-title")) == "31 offerings and 2 demonstrations"
    shown = every_card(client)
    assert price_of(shown["Demonstration notebooks"]).startswith("273 cr 45.52 cr a month A made-up price")
    assert price_of(shown["CDSE openEO Federation"]).startswith(
        "Free tier Without 500 GB of storage Up to 10\u202f000 openEO credits a month"
    )
    assert price_of(shown["Geohazards TEP, FLEX pack"]).startswith("1.5 to 6 cr for each input product")


def test_an_unknown_price_reads_price_on_request_and_never_zero(offerings: None, client: Client) -> None:
    everything = every_card(client)

    assert len(everything) == 33
    assert price_of(everything["DeepESDL"]).startswith("Price on request")
    assert price_of(everything["DeepESDL"]).endswith("Ask for a price DeepESDL")
    assert sum(price_of(card).startswith("Price on request") for card in everything.values()) == 19
    for name, card in everything.items():
        assert not price_of(card).startswith("0 cr"), name


def test_another_workload_changes_the_prices_and_stays_in_the_address(offerings: None, client: Client) -> None:
    page = page_of(client, "/catalogue/?cpu=16&hours=100&products=10")

    shown = every_card(client, "cpu=16&hours=100&products=10")
    # 16 vCPU × 100 h × 6 × 0.05 + 32 GB × 100 h × 6 × 0.006 + 500 GB × 6 × 0.02
    assert price_of(shown["Demonstration notebooks"]).startswith("655 cr")
    assert price_of(shown["Geohazards TEP, FLEX pack"]).startswith("15 cr for a part Without 500 GB of storage")
    assert "Service: Burned area severity" in price_of(
        shown["Geohazards TEP, FLEX pack"]
    ) or "OpenSARToolkit" in price_of(shown["Geohazards TEP, FLEX pack"])
    to_offering = shown["Demonstration notebooks"].select_one("h3 a")
    assert to_offering is not None
    assert query_of(to_offering["href"]) == {"cpu": ["16"], "hours": ["100"], "products": ["10"]}
    field = page.select_one("#workload-cpu")
    assert field is not None
    assert field["value"] == "16"


def test_the_request_button_takes_the_plan_and_the_whole_workload_along(offerings: None, client: Client) -> None:
    button = link(every_card(client, "cpu=16")["Demonstration notebooks"], "Request Demonstration notebooks")
    assert button is not None
    plan = Plan.objects.get(offering__slug="demo-notebooks", slug="pay-per-use")
    assert urlsplit(str(button["href"])).path == "/requests/new/"
    assert query_of(button["href"]) == {
        "plan": [str(plan.pk)],
        "cpu": ["16"],
        "ram": ["32"],
        "hours": ["60"],
        "gb": ["500"],
        "months": ["6"],
    }
    # There is nothing to ask for where the price is not known.
    assert link(cards(page_of(client, "/catalogue/?q=insula"))["Insula"], "Request Insula") is None


def test_a_value_that_cannot_be_used_is_told_and_the_rest_still_counts(offerings: None, client: Client) -> None:
    page = page_of(client, "/catalogue/?cpu=16&months=0&hours=much")

    notice = page.select_one("#results .notice")
    assert notice is not None
    assert "Duration : Enter a whole number for months, from 1 to 60." in words(notice)
    assert "Running time : Enter a number for hours a month, from 0 to 744." in words(notice)
    field = page.select_one("#workload-months")
    assert field is not None
    assert field["aria-invalid"] == "true"
    assert words(page.title).startswith("Error:")
    # 16 vCPU for the usual 60 hours and 6 months.
    assert price_of(every_card(client, "cpu=16&months=0&hours=much")["Demonstration notebooks"]).startswith("417 cr")


def test_search_corrects_what_was_misspelt_and_says_so(offerings: None, client: Client) -> None:
    page = page_of(client, "/catalogue/?q=jupiter")

    assert "DeepESDL" in cards(page)
    assert words(page.select_one(".found-note")) == "No offering says “jupiter”; these say jupyter ."
    box = page.select_one("#q")
    assert box is not None
    assert box["value"] == "jupiter"


def test_what_is_chosen_stays_in_place_repeats_as_a_chip_and_can_be_taken_away(offerings: None, client: Client) -> None:
    page = page_of(client, "/catalogue/?interface=jupyterlab&data=sentinel-2&cpu=4")

    assert words(page.select_one("#results-title")) == "9 offerings and 1 demonstration"
    assert [each["value"] for each in page.select(".facets input[checked]")] == ["jupyterlab", "sentinel-2"]
    chips = {words(chip): query_of(chip["href"]) for chip in page.select(".chips a")}
    assert chips == {
        "JupyterLab remove this filter": {"data": ["sentinel-2"], "cpu": ["4"]},
        "Sentinel-2 remove this filter": {"interface": ["jupyterlab"], "cpu": ["4"]},
        "Clear all": {"cpu": ["4"]},
    }
    dimmed = [words(label) for label in page.select(".facet label.none")]
    assert any(text.startswith("Warsaw 0") for text in dimmed)


def test_nothing_found_says_what_to_do(offerings: None, client: Client) -> None:
    page = page_of(client, "/catalogue/?q=xyzzyq&cpu=4")

    assert words(page.select_one("#results-title")) == "0 offerings"
    way_out = link(page, "Show all offerings")
    assert way_out is not None
    assert query_of(way_out["href"]) == {"cpu": ["4"]}


@pytest.mark.parametrize(
    ("query", "chosen", "first"),
    [
        ("", "Price for your workload", "CDSE openEO Federation"),
        ("?sort=name", "Name", "APEx Code Server"),
        ("?q=creodias+spot", "Best match", "CREODIAS spot machines"),
        ("?q=creodias&sort=name", "Name", "CDSE openEO Federation"),
        ("?sort=relevance", "Price for your workload", "CDSE openEO Federation"),
        ("?sort=nonsense", "Price for your workload", "CDSE openEO Federation"),
    ],
)
def test_the_list_is_sorted_as_asked(offerings: None, client: Client, query: str, chosen: str, first: str) -> None:
    page = page_of(client, f"/catalogue/{query}")

    assert words(page.select_one("#sort option[selected]")) == chosen
    assert next(iter(cards(page))) == first


def test_pages_follow_each_other_and_keep_the_view(offerings: None, client: Client) -> None:
    first = page_of(client, "/catalogue/?sort=name&cpu=4")
    onward = first.select_one("a[rel=next]")
    assert onward is not None
    second = page_of(client, str(onward["href"]))

    assert query_of(onward["href"]) == {"sort": ["name"], "cpu": ["4"], "page": ["2"]}
    assert words(second.select_one(".pager p")) == "13 to 24 of 33"
    assert not set(cards(first)) & set(cards(second))
    assert list(cards(page_of(client, "/catalogue/?sort=name&cpu=4&page=99"))) == list(
        cards(page_of(client, "/catalogue/?sort=name&cpu=4&page=3"))
    )


@pytest.mark.parametrize(
    "query",
    [
        "q=%00",
        "interface=%00&provider=%3Cscript%3E",
        "page=-1",
        "page=99999999999999999999",
        "cpu=%F0%9F%8C%8D",
        "gpu=quantum",
        "&".join(f"data=x{number}" for number in range(500)),
        "q=" + "%20".join("ab" for _ in range(300)),
    ],
)
def test_no_address_breaks_the_page(offerings: None, client: Client, query: str) -> None:
    assert client.get(f"/catalogue/?{query}").status_code == 200
    assert client.get(f"/catalogue/deepesdl/?{query}").status_code == 200


def test_the_page_only_answers_reading(offerings: None, client: Client) -> None:
    assert client.post("/catalogue/").status_code == 405
    assert client.head("/catalogue/").status_code == 200


def test_made_up_offerings_are_marked(offerings: None, client: Client) -> None:
    flagged = {
        name
        for name, card in every_card(client).items()
        if "Demonstration" in [words(each) for each in card.select(".status")]
    }
    assert flagged == {"Demonstration notebooks", "Demonstration batch processing"}


def test_data_centres_are_on_the_map_only_where_they_are_known(offerings: None, client: Client) -> None:
    page = page_of(client, "/catalogue/")

    assert sorted(words(each) for each in page.select(".data-centres text")) == ["Frankfurt 2", "Warsaw 2"]


# --- htmx ------------------------------------------------------------------------------------------------------------


def ask(client: Client, address: str, *, on: str = "/catalogue/") -> tuple[BeautifulSoup, dict[str, str]]:
    response = client.get(
        address, headers={"HX-Request": "true", "HX-Target": "results", "HX-Current-URL": f"http://testserver{on}"}
    )
    assert response.status_code == 200
    return BeautifulSoup(response.content, "html.parser"), dict(response.headers)


def test_htmx_gets_the_results_and_what_changes_with_them(offerings: None, client: Client) -> None:
    part, _headers = ask(client, "/catalogue/?interface=jupyterlab&cpu=4")

    assert part.html is None
    assert part.h1 is None
    assert words(part.select_one("#results-title")) == "13 offerings and 1 demonstration"
    assert [each["id"] for each in part.select("[hx-swap-oob]")] == [
        "facet-groups",
        "filters-chosen",
        "workload-summary",
        "results-status",
        "tray",
    ]
    assert list(cards(part)) == list(cards(page_of(client, "/catalogue/?interface=jupyterlab&cpu=4")))


def test_a_choice_is_a_step_to_go_back_to_and_typing_is_not(offerings: None, client: Client) -> None:
    noise = "q=jup&cpu=8&ram=32&gpu=&hours=60&gb=500&months=6&km2=&sort="

    _part, chosen = ask(client, f"/catalogue/?{noise}&interface=jupyterlab", on="/catalogue/?q=jup")
    _part, typed = ask(client, f"/catalogue/?{noise.replace('cpu=8', 'cpu=9')}", on="/catalogue/?q=ju")

    assert chosen["HX-Push-Url"] == "/catalogue/?q=jup&interface=jupyterlab"
    assert "HX-Replace-Url" not in chosen
    assert typed["HX-Replace-Url"] == "/catalogue/?q=jup&cpu=9"
    assert "HX-Push-Url" not in typed


# --- one offering ----------------------------------------------------------------------------------------------------


def plans_of(page: BeautifulSoup) -> dict[str, Tag]:
    return {words(plan.h3): plan for plan in page.select(".plans > li")}


def test_an_offering_says_what_who_where_how_and_how_much(offerings: None, client: Client) -> None:
    page = page_of(client, "/catalogue/deepesdl/")

    text = words(page)
    assert words(page.h1) == "DeepESDL"
    assert "by Brockmann Consult Frankfurt Platform Tier" in text
    assert "Data centre Frankfurt, Germany" in text
    assert "Sign in with GitHub; the team is set up from its GitHub names." in text
    unstated = words(page.select_one("#not-stated"))
    assert {"hardware", "certifications"} <= set(unstated.removeprefix("Not stated ").split(". ")[0].split(", "))
    assert words(page.select_one("#price-box")) == "Price on request Ask for a price Compare with others"
    assert link(page, "Documentation") is not None
    facts = {words(row.dt): words(row.dd) for row in page.select("#facts dl.fact-list > div")}
    assert facts["ESA can sponsor it"].startswith("Yes Source")
    assert facts["Support"].startswith("By e-mail; the address is in the documentation")
    # What nobody states has no row of its own.
    assert "Not stated" not in facts.values()
    # Each place that the menu names is there, and what the card's button leads to.
    for anchor in [str(each["href"]) for each in page.select(".page-menu a")] + ["#ask"]:
        assert page.select_one(anchor) is not None, anchor
    assert link(page, "Ask Brockmann Consult") is not None


def test_a_price_is_itemised_by_component(offerings: None, client: Client) -> None:
    page = page_of(client, "/catalogue/demo-notebooks/?hours=100")

    plan = plans_of(page)["Pay per use"]
    lines = [words(line) for line in plan.select(".breakdown li")]
    assert lines == [
        "vCPU-hours 800 vCPU-hours in each of 6 months 240",
        "GB-hours of memory 3\u202f200 GB-hours of memory in each of 6 months 115.2",
        "GB-months 500 GB-months in each of 6 months 60",
        "Total 415.2 credits",
    ]
    request = link(page, "Request “Pay per use”")
    assert request is not None
    assert query_of(request["href"])["hours"] == ["100"]


def test_each_figure_has_its_source_one_click_away(offerings: None, client: Client) -> None:
    page = page_of(client, "/catalogue/cdse-openeo-federation/")

    figures = plans_of(page)["openEO credits"].select_one("details.plan-rates")
    assert figures is not None
    text = words(figures)
    assert "openEO credits: 0.01 cr for each openEO credit" in text
    assert "Published, 2024-03. Used here since 1 Mar 2024." in text
    assert "About 1.62 openEO credits for each vCPU-hour" in text
    assert (
        figures.select_one('a[href="https://github.com/WorldCereal/worldcereal-classification/issues/28"]') is not None
    )
    for row in page.select("table.services tbody tr"):
        assert row.select_one("details.source a[href^='https://github.com/ESA-APEx/apex_algorithms/']") is not None, (
            words(row)
        )
    for plan in plans_of(page).values():
        assert plan.select_one("details a[href^=https]") is not None


def test_long_tables_fold_after_five_rows(offerings: None, client: Client) -> None:
    page = page_of(client, "/catalogue/cdse-openeo-federation/")

    folded = page.select("#services details:not(.source) table.services tbody tr")
    every = page.select("#services table.services tbody tr")
    assert len(every) - len(folded) == 5
    assert (
        words(page.select_one("#services details:not(.source) > summary")) == f"Show all {len(every)} services"
        or folded
    )
    assert page_of(client, "/catalogue/demo-notebooks/").select("#ask") == []


def test_every_real_offering_shows_a_source_for_each_published_figure(offerings: None, client: Client) -> None:
    for slug in Offering.objects.filter(is_demonstration=False).values_list("slug", flat=True):
        page = page_of(client, f"/catalogue/{slug}/")
        for rates in page.select(".rates > li"):
            assert rates.select_one(".source-words a[href^=https]") is not None, slug


def test_a_plan_that_cannot_be_priced_says_why(offerings: None, client: Client) -> None:
    page = page_of(client, "/catalogue/sentinel-hub-edc/")

    plans = plans_of(page)
    assert (
        words(plans["Basic, one year"].select_one(".plan-price"))
        == "Counted in processing units: say how many you need."
    )
    assert words(plans["Enterprise-S"].select_one(".plan-price")) == "Price on request Ask for a price Enterprise-S"
    page = page_of(client, "/catalogue/sentinel-hub-edc/?pu=80000")
    assert words(plans_of(page)["Basic, one year"].select_one(".plan-price")).startswith("1\u202f149 cr")


def test_an_earlier_rate_stays_on_the_page(offerings: None, client: Client, clock: object) -> None:
    rate = Rate.objects.get(
        component__plan__offering__slug="demo-notebooks", component__plan__slug="large", component__metric="gb_month"
    )
    rate.valid = Range(date(2026, 1, 1), date(2026, 9, 1))
    rate.save(update_fields=["valid"])
    Rate.objects.create(
        component=rate.component,
        valid=Range(date(2026, 9, 1), None),
        micro_per_unit=Decimal(30_000),
        evidence=Evidence.DEMONSTRATION,
    )

    text = words(plans_of(page_of(client, "/catalogue/demo-notebooks/"))["Large servers"])

    assert "GB-months: 0.03 cr for each GB-month" in text
    assert "Used here since 1 Sep 2026. Before: 0.02 until 2026-09-01." in text


def test_an_offering_that_is_not_listed_does_not_exist(offerings: None, client: Client) -> None:
    Offering.objects.filter(slug="insula").update(is_listed=False)

    assert client.get("/catalogue/insula/").status_code == 404
    assert client.get("/catalogue/nothing/").status_code == 404
    assert words(page_of(client, "/catalogue/?q=insula").select_one("#results-title")) == "0 offerings"


def test_htmx_gets_the_prices_alone(offerings: None, client: Client) -> None:
    part, headers = ask(client, "/catalogue/demo-notebooks/?hours=100", on="/catalogue/demo-notebooks/")

    assert part.html is None
    assert words(plans_of(part)["Pay per use"].select_one(".plan-price")).startswith("415 cr")
    assert words(part.select_one("#price-box .price-total")) == "415 cr"
    assert headers["HX-Replace-Url"].startswith("/catalogue/demo-notebooks/?")
    assert "hours=100" in headers["HX-Replace-Url"]


# --- asking again ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/catalogue/", "/catalogue/?q=openeo&cpu=4", "/catalogue/deepesdl/"])
def test_a_visitor_who_has_the_page_is_told_so_with_one_query(offerings: None, client: Client, path: str) -> None:
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert "no-cache" in first.headers["Cache-Control"]
    assert {"HX-Request", "Cookie"} <= {part.strip() for part in first.headers["Vary"].split(",")}
    assert first.headers["Last-Modified"]


@pytest.mark.parametrize("path", ["/catalogue/", "/catalogue/deepesdl/"])
def test_a_page_is_new_when_the_catalogue_the_reader_or_the_day_changes(
    offerings: None, client: Client, path: str, clock: Any
) -> None:
    tag = client.get(path).headers["ETag"]

    def is_new(query: str = "", **headers: str) -> bool:
        return client.get(path + query, headers={"If-None-Match": tag, **headers}).status_code == 200

    assert not is_new()
    assert is_new("?cpu=4")
    assert is_new(**{"HX-Request": "true"})
    client.cookies["nor_theme"] = "dark"
    assert is_new()
    del client.cookies["nor_theme"]
    clock.forward(days=1)
    assert is_new()
    clock.forward(days=-1)
    assert not is_new()
    Offering.objects.filter(slug="deepesdl").update(summary="Other words.")
    assert is_new()


def test_the_page_of_somebody_signed_in_is_never_kept_for_others(offerings: None, as_alice: Client) -> None:
    response = as_alice.get("/catalogue/")

    assert "ETag" not in response.headers
    assert {"private", "no-cache"} <= {part.strip() for part in response.headers["Cache-Control"].split(",")}


# --- what it costs ---------------------------------------------------------------------------------------------------


def test_a_visitor_costs_one_query_and_two_more_for_words(offerings: None, client: Client) -> None:
    # Pages kept by other tests would leave the catalogue unread.
    answers.forget_all()
    client.get("/catalogue/")

    assert len(queries_of(client, "/catalogue/?cpu=3&interface=jupyterlab&page=2")) == 1
    assert len(queries_of(client, "/catalogue/?q=jupiter+sentinal+2")) == 3


def test_the_first_reader_after_a_change_reads_the_catalogue(offerings: None, client: Client) -> None:
    client.get("/catalogue/")
    Offering.objects.filter(slug="insula").update(name="Insula Magna")

    # The state, the offerings with their plans and rates, and the maintenance that is near.
    assert len(queries_of(client, "/catalogue/")) == 3
    assert "Insula Magna" in words(page_of(client, "/catalogue/?q=magna"))


def test_a_person_without_script_gets_the_same_through_one_form(offerings: None, alice: User, client: Client) -> None:
    page = page_of(client, "/catalogue/?q=openeo&cpu=4&interface=openeo")

    form = page.select_one("form#filters")
    assert form is not None
    assert (form["method"], form["action"]) == ("get", "/catalogue/")
    fields = [*form.select("input, select"), *page.select("[form=filters]")]
    values = {
        str(field["name"]): str(field.get("value", ""))
        for field in fields
        if field.name == "input" and (field.get("type") != "checkbox" or field.has_attr("checked"))
    }
    assert {"q": "openeo", "cpu": "4", "interface": "openeo", "months": "6"}.items() <= values.items()
    assert len(page.select("button[form=filters]")) >= 2
