"""Find by science: the list, the pages of workflows and experiments, and the way from there to a request."""

import json
from collections.abc import Iterator
from datetime import datetime
from io import StringIO
from urllib.parse import parse_qs, urlsplit

import pytest
from bs4 import BeautifulSoup, Tag
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from earthcode.catalogue.models import Offering
from earthcode.identity.models import Project
from earthcode.science.models import PlannedRun, Record
from earthcode.sponsorship.models import ResourceRequest
from tests.support.catalogue import link, page_of, words
from tests.support.queries import assert_queries_do_not_grow

pytestmark = pytest.mark.django_db

SNOW = "/science/workflows/demo-snow-cover/"


@pytest.fixture(scope="module")
def _all_records(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock(), transaction.atomic():
        call_command("import_offerings", "--demonstration", stdout=StringIO())
        call_command("import_science", "--demonstration", stdout=StringIO())
        yield
        transaction.set_rollback(True)


@pytest.fixture
def records(_all_records: None, db: None) -> None:
    """The made-up records, and the offerings; what a test changes of them is undone after it."""


def titles(page: BeautifulSoup) -> list[str]:
    return [words(each) for each in page.select(".record h3")]


def places(page: BeautifulSoup) -> dict[str, Tag]:
    """The offerings that can run it, in their order."""
    return {words(each.h3): each for each in page.select(".run-places > li")}


# --- the list --------------------------------------------------------------------------------------------------------


def test_the_list_is_public_and_every_state_of_it_is_an_address(records: None, client: Client) -> None:
    assert len(titles(page_of(client, "/science/"))) == 4

    page = page_of(client, "/science/?q=snow&kind=workflow&theme=land&type=jupyter-notebook")

    assert titles(page) == ["Snow cover by week, as a notebook"]
    assert [words(each) for each in page.select(".chips .chip")] == [
        "“snow” remove this filter",
        "Workflow remove this filter",
        "Land remove this filter",
        "Jupyter notebook remove this filter",
    ]
    without_theme = next(str(each["href"]) for each in page.select(".chips .chip") if "Land" in words(each))
    assert parse_qs(urlsplit(without_theme).query) == {
        "q": ["snow"],
        "kind": ["workflow"],
        "type": ["jupyter-notebook"],
    }


def test_a_misspelling_finds_and_nothing_found_says_what_to_do(records: None, client: Client) -> None:
    page = page_of(client, "/science/?q=sentinal")
    assert titles(page)
    assert "None says “sentinal”" in words(page.select_one(".found-note"))

    page = page_of(client, "/science/?q=xyzzyq")
    assert "No workflow or experiment has all of this" in words(page.main)


def test_without_any_record_the_page_says_so(records: None, client: Client) -> None:
    Record.objects.all().delete()

    assert "No workflows yet" in words(page_of(client, "/science/").main)


@pytest.mark.parametrize(
    "query", ["page=999", "page=x", "kind=%00", "theme=%00&q=%00", "on=%00", "on=nowhere", "type=🛰"]
)
def test_nonsense_in_the_address_is_answered(records: None, client: Client, query: str) -> None:
    assert client.get(f"/science/?{query}").status_code == 200


def test_the_list_pages_and_its_queries_do_not_grow(records: None, client: Client, now: datetime) -> None:
    def bring_to(count: int) -> None:
        have = Record.objects.count()
        Record.objects.bulk_create(
            Record(
                kind="workflow",
                osc_id=f"more-{number}",
                title=f"More {number}",
                application_type="Jupyter notebook",
                platforms=[{"role": "made", "title": "DeepESDL", "url": "https://deep.earthsystemdatalab.net/"}],
                source_url="https://osc.example/",
                fetched_at=now,
                words="more",
            )
            for number in range(have, count)
        )
        # What is read once after a change and kept in memory is not the page's.
        client.get(SNOW)
        client.get("/catalogue/deepesdl/")

    for url in ("/science/?q=more", SNOW, "/catalogue/deepesdl/"):
        few = Record.objects.count() + 2
        assert_queries_do_not_grow(client, url, rows=bring_to, few=few, many=few + 100, most=10)
    page = page_of(client, "/science/?q=more&page=2")
    assert len(titles(page)) == 12
    assert link(page, "Next") is not None


# --- one of them -----------------------------------------------------------------------------------------------------


def test_a_workflow_says_where_it_runs_why_and_for_how_much(records: None, client: Client) -> None:
    page = page_of(client, SNOW)

    shown = places(page)
    # The only one that has a price for all of the workload, although others are free for a part of it.
    first = shown[next(iter(shown))]
    assert words(first.h3) == "Demonstration notebooks"
    assert [words(each) for each in first.select(".run-reasons li")] == [
        "Made on “Demonstration hub” (matched by its name)",
        "Runs Jupyter notebooks",
        "Has Sentinel-2 on site",
    ]
    assert "273 cr" in words(first.select_one(".run-price"))
    assert "Price on request" in words(shown["DeepESDL"])


def test_another_workload_changes_prices_and_order_and_stays_in_the_links(records: None, client: Client) -> None:
    page = page_of(client, f"{SNOW}?hours=120")

    place = places(page)["Demonstration notebooks"]
    run_here = place.select_one(".run-price a")
    assert run_here is not None
    query = parse_qs(urlsplit(str(run_here["href"])).query)
    assert (query["hours"], query["run"]) == (["120"], ["workflow:demo-snow-cover"])
    assert "hours=120" in str(place.h3.a["href"] if place.h3 and place.h3.a else "")


def test_a_platform_in_the_editors_address_is_named(records: None, client: Client) -> None:
    shown = places(page_of(client, "/science/workflows/demo-crop-extent/"))

    assert "Opens on this platform" in words(shown["CDSE openEO Federation"])


def test_an_unknown_type_says_so(records: None, client: Client) -> None:
    page = page_of(client, "/science/workflows/demo-lake-drift/")

    assert "is not stated, so we cannot tell where it runs" in words(page.select_one("#run"))
    assert places(page) == {}
    assert link(page, "Run this workflow") is None


def test_workflow_and_experiment_lead_to_each_other(records: None, client: Client) -> None:
    page = page_of(client, SNOW)
    experiment = link(page, "Snow cover of the Alps, winter 2025/26")
    assert experiment is not None

    back = link(page_of(client, str(experiment["href"])), "Snow cover by week, as a notebook")

    assert back is not None
    assert back["href"] == SNOW
    # It states no platform and no type of its own.
    assert "Demonstration notebooks" in places(page_of(client, str(experiment["href"])))


def test_what_was_withdrawn_stays_to_read_and_is_not_listed(records: None, client: Client, now: datetime) -> None:
    Record.objects.filter(osc_id="demo-snow-cover").update(withdrawn_at=now)

    assert "No longer in the Open Science Catalog" in words(page_of(client, SNOW).main)
    assert "Snow cover by week, as a notebook" not in titles(page_of(client, "/science/"))
    assert SNOW not in client.get("/sitemap.xml").content.decode()


@pytest.mark.parametrize("path", ["workflows/nowhere", "experiments/demo-snow-cover", "workflows/%00"])
def test_what_is_not_there_is_not_found(records: None, client: Client, path: str) -> None:
    assert client.get(f"/science/{path}/").status_code == 404


def test_texts_of_the_catalogue_cannot_bring_markup_in(records: None, client: Client) -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    Record.objects.filter(osc_id="demo-snow-cover").update(
        title=evil,
        description=evil,
        keywords=[evil],
        links=[{"role": "code", "title": evil, "url": "https://x.example/"}],
    )

    for url in (SNOW, "/science/"):
        page = page_of(client, url)
        assert "alert(1)" not in "".join(
            each.get_text() for each in page.select("script:not([type='application/ld+json'])")
        )
        assert page.select("[onerror]") == []


def test_search_engines_and_caches_get_what_they_need(records: None, client: Client) -> None:
    response = client.get(SNOW)
    block = BeautifulSoup(response.content, "html.parser").select_one("script[type='application/ld+json']")
    assert block is not None
    document = json.loads(block.get_text())
    assert (document["@type"], document["programmingLanguage"]) == ("SoftwareSourceCode", ["Python"])
    assert document["codeRepository"] == "https://workflows.example/snow.git"
    assert f"http://testserver{SNOW}" in client.get("/sitemap.xml").content.decode()

    for url in (SNOW, "/science/"):
        first = client.get(url)
        assert client.get(url, headers={"If-None-Match": first["ETag"]}).status_code == 304
        Record.objects.filter(osc_id="demo-snow-cover").update(license="CC0")
        assert client.get(url, headers={"If-None-Match": first["ETag"]}).status_code == 200


# --- from and to other pages -----------------------------------------------------------------------------------------


def test_an_offering_names_the_workflows_it_runs(records: None, client: Client) -> None:
    page = page_of(client, "/catalogue/demo-notebooks/")

    panel = page.select_one("#science")
    assert panel is not None
    assert "Snow cover by week, as a notebook" in words(panel)
    assert page_of(client, "/catalogue/creodias-iaas/").select_one("#science") is None
    on = page_of(client, "/science/?on=demo-notebooks")
    assert set(titles(on)) == {"Snow cover by week, as a notebook", "Snow cover of the Alps, winter 2025/26"}
    assert "Runs on Demonstration notebooks" in words(on.select_one(".chips"))


def test_the_home_page_and_the_catalogue_lead_there(records: None, client: Client) -> None:
    # The home page counts what is in the Open Science Catalog, which made-up records are not.
    assert not [each for each in page_of(client, "/").select("main a") if each["href"] == "/science/"]
    Record.objects.update(is_demonstration=False)
    for url in ("/", "/catalogue/"):
        assert [each for each in page_of(client, url).select("main a") if each["href"] == "/science/"], url


def test_run_it_here_is_a_request_with_its_plan_title_and_the_beginning_of_its_case(
    records: None, as_alice: Client, project: Project
) -> None:
    Record.objects.filter(osc_id="demo-snow-cover").update(is_demonstration=False, title="Snow [weekly]")
    place = places(page_of(as_alice, f"{SNOW}?hours=120"))["Demonstration notebooks"]
    run_here = place.select_one(".run-price a")
    assert run_here is not None
    form = page_of(as_alice, str(run_here["href"]))
    title = form.select_one("#id_title")
    assert title is not None
    assert title["value"] == "Run: Snow [weekly]"

    as_alice.post(str(run_here["href"]), {"title": title["value"], "project": str(project.pk)})

    request = ResourceRequest.objects.get()
    assert request.lines.get().plan.offering == Offering.objects.get(slug="demo-notebooks")
    assert request.lines.get().workload["hours"] == "120"
    case = page_of(as_alice, f"/requests/{request.reference}/edit/case/")
    box = case.select_one("textarea")
    assert box is not None
    assert box.get_text().strip() == (
        "We will run the workflow [Snow \\[weekly\\]](https://esa-earthcode.github.io/open-science-catalog-metadata/"
        "workflows/demo-snow-cover/record.json) of the Open Science Catalog."
    )
    assert "Nothing is saved until you save" in words(case.main)
    # A suggestion is no answer.
    assert request.science_case == ""
    assert link(page_of(as_alice, f"/requests/{request.reference}/"), "Snow [weekly]") is not None


@pytest.mark.parametrize("run", ["workflow:nowhere", "offering:x", "workflow", "workflow:%00", ""])
def test_a_run_that_is_none_is_left_out(records: None, as_alice: Client, project: Project, run: str) -> None:
    as_alice.post(f"/requests/new/?run={run}", {"title": "Mine", "project": str(project.pk)})

    assert ResourceRequest.objects.count() == 1
    assert not PlannedRun.objects.exists()
