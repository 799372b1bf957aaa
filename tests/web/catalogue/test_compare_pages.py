"""Comparing offerings, and choosing which; a workload said in plain words."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from earthcode.catalogue.models import Offering, Plan
from tests.support.catalogue import cards, link, page_of, price_of, words
from tests.support.queries import queries_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

TWO = "/compare/?offering=hub-notebooks&offering=batch-batch"


@pytest.fixture(autouse=True)
def three(hub_plan: Plan, batch_plan: Plan, unpriced_plan: Plan) -> None:
    """Notebooks, batch, and an archive without a price."""
    Offering.objects.filter(slug="hub-notebooks").update(
        interfaces=["JupyterLab"],
        datasets=["Sentinel-2"],
        place="Frankfurt",
        country="DE",
        sources={"datasets": {"source": "https://hub.example/data", "date": "2026-01"}},
    )
    offering = Offering.objects.get(slug="hub-notebooks")
    offering.save()


def rows(page: BeautifulSoup) -> dict[str, list[str]]:
    return {
        words(row.select_one("th[scope=row]")): [words(cell) for cell in row.select("td")]
        for row in page.select("table.compare tr")
        if row.select_one("th[scope=row]")
    }


# --- side by side ----------------------------------------------------------------------------------------------------


def test_costs_are_side_by_side_by_component(client: Client) -> None:
    shown = rows(page_of(client, f"{TWO}&cpu=16"))

    assert shown["Total"][0].startswith("521 cr")
    # It leaves out the storage, so it is not the lower price; and two prices are too few to mark one.
    assert shown["Total"][1].startswith("288 cr for a part Without 500 GB of storage")
    assert not any("Lowest" in cell for cell in shown["Total"])
    assert shown["Cheapest plan that fits"] == ["Standard", "Standard"]
    assert shown["vCPU-hours"] == [
        "461 cr 960 vCPU-hours in each of 6 months",
        "288 cr 960 vCPU-hours in each of 6 months",
    ]
    assert shown["GB-months"] == ["60 cr 500 GB-months in each of 6 months", "No price of its own"]


def test_what_is_not_known_is_said_so(client: Client) -> None:
    shown = rows(page_of(client, "/compare/?offering=hub-notebooks&offering=batch-archive"))

    assert shown["Total"][1] == "Price on request"
    assert shown["Data on site"] == [
        "Sentinel-2 Source : Data on site https://hub.example/data As of 2026-01.",
        "Not stated",
    ]
    assert shown["Data centre"] == ["Frankfurt, Germany", "Not stated"]
    assert shown["Support"] == ["Not stated", "Not stated"]


def test_further_facts_are_compared_each_with_its_source(client: Client) -> None:
    facts = {"hardware": "64 × NVIDIA L4", "maturity": "Operational", "support_hours": "Weekdays", "limits": "8 vCPU"}
    Offering.objects.filter(slug="hub-notebooks").update(
        **facts,
        certifications=["ISO 27001"],
        availability="99.5 % of each month",
        sources={"hardware": {"source": "https://hub.example/machines", "date": "2026-02"}},
    )
    Offering.objects.filter(slug="batch-batch").update(maturity="Operational")

    page = page_of(client, TWO)
    shown = rows(page)

    assert shown["Hardware"][0].startswith("64 × NVIDIA L4")
    assert "https://hub.example/machines" in str(page)
    assert shown["Maturity"] == ["Operational", "Operational"]
    for label in ("Hardware", "Limits", "Availability", "Support hours", "Certifications"):
        assert shown[label][1] == "Not stated"
    different = rows(page_of(client, f"{TWO}&differences=1"))
    assert "Hardware" in different
    assert "Maturity" not in different


def test_only_differences_leaves_out_what_is_the_same(client: Client) -> None:
    everything = rows(page_of(client, TWO))
    page = page_of(client, f"{TWO}&differences=1")
    shown = rows(page)

    assert "Tier" in everything
    assert "Tier" not in shown
    assert "Provider" in shown
    assert all(len(set(cells)) > 1 for cells in shown.values())
    left_out = len(everything) - len(shown)
    assert f"{left_out} rows are the same for all and left out." in words(page)
    box = page.select_one("#differences")
    assert box is not None
    assert box.has_attr("checked")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("/compare/", "Nothing to compare yet"),
        ("/compare/?offering=hub-notebooks", "One offering has nothing to be compared with"),
        ("/compare/?offering=hub-notebooks&offering=hub-notebooks", "One offering has nothing to be compared with"),
        ("/compare/?offering=hub-notebooks&offering=nothing", "There is no offering “nothing”"),
    ],
)
def test_too_few_are_told_what_to_do(client: Client, address: str, told: str) -> None:
    page = page_of(client, address)

    assert told in words(page.select_one("main"))
    assert page.select_one("table") is None
    more = link(page, "Choose more") or link(page, "Browse the catalogue")
    assert more is not None
    if "hub-notebooks" in address:
        assert "compare=hub-notebooks" in str(more["href"])


def test_five_are_too_many_and_each_can_be_taken_out(client: Client, hub_plan: Plan) -> None:
    offering = hub_plan.offering
    for number in range(3):
        offering.pk, offering.slug, offering.name = None, f"more-{number}", f"More {number}"
        offering.save(force_insert=True)
    five = "&".join(f"offering={slug}" for slug in ("hub-notebooks", "batch-batch", "more-0", "more-1", "more-2"))

    page = page_of(client, f"/compare/?{five}&cpu=16")

    assert "5 offerings do not fit side by side: take some out, so that at most 4 are left" in words(page)
    out = link(page, "Take out More 1")
    assert out is not None
    four = page_of(client, str(out["href"]))
    assert len(four.select("table.compare thead th")) == 4
    assert "cpu=16" in str(out["href"])


def test_what_was_ticked_without_script_leads_to_its_address(client: Client) -> None:
    response = client.get("/compare/?q=&cpu=16&ram=32&compare=hub-notebooks&compare=batch-batch")

    assert response["Location"] == f"{TWO}&cpu=16"


def test_an_estimate_takes_the_plans_along(client: Client, hub_plan: Plan, batch_plan: Plan) -> None:
    button = link(page_of(client, f"{TWO}&cpu=16"), "Estimate with these plans")

    assert button is not None
    query = parse_qs(urlsplit(str(button["href"])).query)
    assert query == {"plan": [str(hub_plan.pk), str(batch_plan.pk)], "cpu": ["16"]}


def test_htmx_gets_the_table_alone(client: Client) -> None:
    response = client.get(f"{TWO}&cpu=16&ram=32&differences=1", headers={"HX-Request": "true"})

    part = BeautifulSoup(response.content, "html.parser")
    assert part.html is None
    assert rows(part)["Provider"] == ["Hub House", "Cluster Works"]
    assert response["HX-Replace-Url"] == f"{TWO}&cpu=16&differences=1"


def test_it_is_not_sent_again_and_four_cost_as_many_queries_as_two(
    client: Client, as_alice: Client, hub_plan: Plan
) -> None:
    offering = hub_plan.offering
    for number in range(2):
        offering.pk, offering.slug = None, f"more-{number}"
        offering.save(force_insert=True)
    first = client.get(TWO)
    assert client.get(TWO, headers={"If-None-Match": first["ETag"]}).status_code == 304

    as_alice.get(TWO)
    assert len(queries_of(as_alice, f"{TWO}&offering=more-0&offering=more-1")) == len(queries_of(as_alice, TWO)) <= 8


# --- choosing --------------------------------------------------------------------------------------------------------


def test_what_is_ticked_is_in_the_tray_and_in_the_address(client: Client) -> None:
    page = page_of(client, "/catalogue/?cpu=16&compare=hub-notebooks&compare=batch-batch")

    tray = page.select_one(".tray")
    assert tray is not None
    assert words(tray).startswith("2 of 4 to compare Notebooks on Coastal Hub")
    assert [box["value"] for box in page.select("input[name=compare][checked]")] == ["hub-notebooks", "batch-batch"]
    go, out = link(tray, "Compare side by side"), tray.select_one(".tray-names a")
    assert go is not None
    assert go["href"] == f"{TWO}&cpu=16"
    assert out is not None
    assert out["href"] == "/catalogue/?cpu=16&compare=batch-batch"
    # It is kept on the way to an offering and to other filters.
    card = cards(page)["Notebooks on Coastal Hub"].select_one("h3 a")
    assert card is not None
    assert card["href"] == "/catalogue/hub-notebooks/?cpu=16&compare=hub-notebooks&compare=batch-batch"


def test_what_is_ticked_is_not_lost_by_filters_that_hide_it(client: Client) -> None:
    page = page_of(client, "/catalogue/?interface=jupyterlab&compare=batch-batch")

    hidden = page.select_one("input[type=hidden][name=compare]")
    assert hidden is not None
    assert hidden["value"] == "batch-batch"
    assert "Tick one more." in words(page.select_one(".tray"))


def test_an_offerings_page_has_the_box_too(client: Client) -> None:
    page = page_of(client, "/catalogue/hub-notebooks/?compare=hub-notebooks&compare=batch-batch")
    other = page_of(client, "/catalogue/hub-notebooks/?compare=batch-batch")

    box, empty = page.select_one("#compare-this"), other.select_one("#compare-this")
    assert box is not None
    assert box.has_attr("checked")
    assert empty is not None
    assert not empty.has_attr("checked")
    assert link(page, "Compare side by side") is not None
    assert [each["value"] for each in other.select("input[type=hidden][name=compare]")] == ["batch-batch"]


def test_nothing_ticked_is_no_tray(client: Client) -> None:
    assert page_of(client, "/catalogue/").select_one(".tray") is None
    assert page_of(client, "/catalogue/?compare=nothing").select_one(".tray") is None


# --- a workload in plain words ---------------------------------------------------------------------------------------

SENTENCE = "cheapest place to run 60 hours of a 16-core notebook next to Sentinel-2"


def asked(client: Client, **query: Any) -> BeautifulSoup:
    response = client.get("/catalogue/", query)
    assert response.status_code == 200
    return BeautifulSoup(response.content, "html.parser")


def value(page: BeautifulSoup, name: str) -> str:
    field = page.select_one(f"#workload-{name}")
    assert field is not None
    return str(field["value"])


def test_a_sentence_gives_a_priced_filtered_and_sorted_list(client: Client) -> None:
    page = asked(client, q=SENTENCE)

    assert (value(page, "cpu"), value(page, "hours"), value(page, "months")) == ("16", "60", "1")
    assert list(cards(page)) == ["Notebooks on Coastal Hub"]
    # 16 × 60 × 0.08 + 500 × 0.02
    assert price_of(cards(page)["Notebooks on Coastal Hub"]).startswith("86.8 cr")
    parts = [words(each).removesuffix(" do not read this out of my words") for each in page.select(".understood .chip")]
    assert parts == ["16 vCPU", "60 h a month", "1 month", "cheapest first"]
    sort = page.select_one("#sort option[selected]")
    assert words(sort) == "Price for your workload"
    field = page.select_one("#q")
    assert field is not None
    assert field["value"] == SENTENCE


def test_the_home_page_leads_there(client: Client) -> None:
    form = page_of(client, "/").select_one("form.search")

    assert form is not None
    assert form["action"] == "/catalogue/"
    field = form.select_one("input[name=q]")
    assert field is not None
    assert int(str(field["maxlength"])) >= len(SENTENCE)


def test_a_number_that_was_read_can_be_changed_in_the_form(client: Client) -> None:
    read = asked(client, q=SENTENCE).select_one("input[name=read]")
    assert read is not None

    page = asked(client, q=SENTENCE, read=read["value"], cpu="32", hours="60", months="1")

    assert value(page, "cpu") == "32"
    assert "16 vCPU" not in words(page.select_one(".understood"))
    # Other words are read anew.
    assert value(asked(client, q="8 cores", read=read["value"], cpu="32"), "cpu") == "8"


def test_each_part_can_be_taken_back(client: Client) -> None:
    page = asked(client, q=SENTENCE)
    chips = page.select(".understood .chip")

    without_cpu = page_of(client, str(chips[0]["href"]))
    by_relevance = page_of(client, str(chips[3]["href"]))

    assert (value(without_cpu, "cpu"), value(without_cpu, "hours")) == ("8", "60")
    assert words(by_relevance.select_one("#sort option[selected]")) == "Best match"
    assert value(by_relevance, "cpu") == "16"


def test_all_of_it_can_be_taken_back_and_forth(client: Client) -> None:
    literal = link(asked(client, q=SENTENCE), "Search for all the words instead")
    assert literal is not None
    page = page_of(client, str(literal["href"]))

    assert value(page, "cpu") == "8"
    assert "Searched for all the words as they are." in words(page.select_one(".understood"))
    again = link(page, "Read the numbers as a workload")
    assert again is not None
    assert value(page_of(client, str(again["href"])), "cpu") == "16"


def test_plain_words_are_left_alone(client: Client) -> None:
    page = asked(client, q="sentinel 2")

    assert page.select_one(".understood") is None
    assert words(page.select_one("#sort option[selected]")) == "Best match"


def test_htmx_puts_the_numbers_into_the_workload_only_when_they_are_new(client: Client) -> None:
    first = client.get("/catalogue/", {"q": SENTENCE, "cpu": "8"}, headers={"HX-Request": "true"})
    part = BeautifulSoup(first.content, "html.parser")
    read = part.select_one("input[name=read]")
    assert read is not None
    assert value(part, "cpu") == "16"

    later = client.get(
        "/catalogue/", {"q": SENTENCE, "cpu": "32", "read": read["value"]}, headers={"HX-Request": "true"}
    )

    assert BeautifulSoup(later.content, "html.parser").select_one("#workload-main") is None
    assert "cpu=16" in first["HX-Replace-Url"]
    assert "cpu=32" in later["HX-Replace-Url"]
