"""What other sites and their programs find the catalogue by."""

import json
import xml.etree.ElementTree as ET
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db.backends.postgresql.psycopg_any import DateRange
from django.test import Client
from django.urls import Resolver404, resolve

from earthcode.catalogue import linked_data
from earthcode.catalogue.models import Component, Evidence, Offering, Plan, Platform, Rate
from tests.support.queries import assert_queries_do_not_grow

ATOM = "{http://www.w3.org/2005/Atom}"
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
EVERYTHING = [
    "/catalogue/hub-notebooks.jsonld",
    "/catalogue/platforms.json",
    "/catalogue/feed.atom",
    "/sitemap.xml",
    "/robots.txt",
]


@pytest.fixture
def catalogue(hub_plan: Plan, batch_plan: Plan, unpriced_plan: Plan, now: datetime, clock: object) -> list[Plan]:
    """The notebooks are the last that was changed."""
    Offering.objects.exclude(slug="hub-notebooks").update(updated_at=now - timedelta(days=30))
    return [hub_plan, batch_plan, unpriced_plan]


def publish(plan: Plan) -> None:
    """The plan's rates are no demonstration any more."""
    for component in plan.components.all():
        old = component.rates.get()
        component.rates.update(valid=DateRange(old.valid.lower, date(2026, 2, 1)))
        Rate.objects.create(
            component=component,
            valid=DateRange(date(2026, 2, 1), None),
            micro_per_unit=old.micro_per_unit,
            evidence=Evidence.SOURCED,
            source="https://prices.example/",
        )


# --- all of them ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EVERYTHING)
def test_it_is_public_and_is_not_sent_twice(catalogue: object, client: Client, path: str) -> None:
    answer = client.get(path, headers={"Authorization": "Bearer stale"})

    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    for given, asked in (("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since")):
        again = client.get(path, headers={asked: answer.headers[given]})
        assert (again.status_code, again.content) == (304, b""), asked
    stale = client.get(path, headers={"If-None-Match": '"another"'})
    assert (stale.status_code, stale.content) == (200, answer.content)


@pytest.mark.parametrize("path", EVERYTHING[1:4])
def test_it_costs_the_same_with_many_offerings(catalogue: object, client: Client, path: str) -> None:
    platform = Platform.objects.get(slug="hub")
    changed = Offering.objects.get(slug="hub-notebooks").updated_at

    def rows(count: int) -> None:
        have = Offering.objects.count()
        Offering.objects.bulk_create(
            Offering(slug=f"more-{n}", platform=platform, name=f"More {n}", tier="platform", updated_at=changed)
            for n in range(have, count)
        )

    assert_queries_do_not_grow(client, path, rows=rows, few=3, most=3)


# --- linked data ------------------------------------------------------------------------------------------------------


def test_an_offering_is_a_service_with_its_provider(catalogue: object, client: Client) -> None:
    response = client.get("/catalogue/hub-notebooks.jsonld")

    assert response.headers["Content-Type"] == "application/ld+json"
    said = response.json()
    assert (said["@context"], said["@type"]) == ("https://schema.org", "Service")
    assert said["url"] == "http://testserver/catalogue/hub-notebooks/"
    assert said["name"] == "Notebooks on Coastal Hub"
    assert said["provider"] == {
        "@type": "Organization",
        "name": "Hub House",
        "address": {"@type": "PostalAddress", "addressCountry": "DE"},
    }
    assert said["availableChannel"]["serviceUrl"] == "https://hub.platform.example/"
    assert "subjectOf" not in said


def test_published_prices_are_told_in_euro(catalogue: list[Plan], client: Client) -> None:
    publish(catalogue[0])

    (offer,) = client.get("/catalogue/hub-notebooks.jsonld").json()["offers"]

    prices = {each["unitText"]: (each["price"], each["priceCurrency"]) for each in offer["priceSpecification"]}
    assert prices == {"vCPU-hour": ("0.08", "EUR"), "GB-month": ("0.02", "EUR")}


def test_prices_that_were_made_up_or_are_unknown_are_not_told(catalogue: list[Plan], client: Client) -> None:
    Component.objects.create(plan=catalogue[2], metric="gb_month")

    for slug in ("hub-notebooks", "batch-archive"):
        (offer,) = client.get(f"/catalogue/{slug}.jsonld").json()["offers"]
        assert "priceSpecification" not in offer


def test_a_plan_that_is_not_listed_is_not_offered(catalogue: list[Plan], client: Client) -> None:
    Plan.objects.filter(pk=catalogue[0].pk).update(is_listed=False)

    assert "offers" not in client.get("/catalogue/hub-notebooks.jsonld").json()


def test_an_offering_that_is_not_listed_is_nowhere(catalogue: object, client: Client) -> None:
    Offering.objects.filter(slug="hub-notebooks").update(is_listed=False)

    assert client.get("/catalogue/hub-notebooks.jsonld").status_code == 404
    for path in EVERYTHING[1:]:
        assert "hub-notebooks" not in client.get(path).content.decode()


def test_nothing_in_the_block_can_end_it() -> None:
    nasty: dict[str, Any] = {"name": "</script><script>alert(1)</script><!-- & é"}

    text = linked_data.script_text(nasty)

    assert not set("<>&") & set(text)
    assert json.loads(text) == nasty


# --- the platform explorer --------------------------------------------------------------------------------------------


def test_platforms_are_as_the_explorer_reads_them(catalogue: object, client: Client) -> None:
    Platform.objects.filter(slug="hub").update(
        registry_id="coastal-hub", languages=["Python", "R"], features=["JupyterLab", "Dask"]
    )
    Offering.objects.filter(slug="hub-notebooks").update(datasets=["Sentinel-1", "Sentinel-5P"])
    Offering.objects.filter(slug="batch-archive").update(datasets=["Landsat"], interfaces=["STAC"])
    Offering.objects.filter(slug="batch-batch").update(datasets=["Landsat", "MODIS"], interfaces=["STAC", "openEO"])

    platforms = client.get("/catalogue/platforms.json").json()

    assert platforms == [
        {
            "id": "batch",
            "name": "Batch Cluster",
            "logo": "",
            "href": "http://testserver/catalogue/?q=Batch+Cluster",
            "datasets": ["Landsat", "MODIS"],
            "languages": [],
            "features": ["STAC", "openEO"],
        },
        {
            "id": "coastal-hub",
            "name": "Coastal Hub",
            "logo": "",
            "href": "http://testserver/catalogue/hub-notebooks/",
            "datasets": ["Sentinel-1", "Sentinel-5P"],
            "languages": ["Python", "R"],
            "features": ["JupyterLab", "Dask"],
        },
    ]


def test_only_integrated_platforms_with_an_offering_are_in_the_explorer(catalogue: object, client: Client) -> None:
    Platform.objects.filter(slug="hub").update(earthcode_integrated=False)
    Offering.objects.filter(platform__slug="batch").update(is_listed=False)

    assert client.get("/catalogue/platforms.json").json() == []


# --- the feed ---------------------------------------------------------------------------------------------------------


def test_the_feed_begins_with_the_latest_change(catalogue: object, client: Client) -> None:
    Offering.objects.filter(slug="hub-notebooks").update(summary="Cores < 8 & more.")

    response = client.get("/catalogue/feed.atom")

    assert response.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    feed = ET.fromstring(response.content)  # noqa: S314  (our own answer)
    assert feed.findtext(f"{ATOM}updated") == "2026-11-02T10:00:00+00:00"
    first, *others = feed.findall(f"{ATOM}entry")
    assert first.findtext(f"{ATOM}id") == "http://testserver/catalogue/hub-notebooks/"
    assert first.findtext(f"{ATOM}title") == "Notebooks on Coastal Hub"
    assert first.findtext(f"{ATOM}author/{ATOM}name") == "Hub House"
    # A summary is HTML, by its own word.
    assert first.findtext(f"{ATOM}summary") == "Cores &lt; 8 &amp; more."
    assert len(others) == 2
    assert all(each.findtext(f"{ATOM}updated") == "2026-10-03T10:00:00+00:00" for each in others)


# --- search engines ---------------------------------------------------------------------------------------------------


def test_the_sitemap_has_every_public_page_and_each_answers(catalogue: object, client: Client) -> None:
    sitemap = ET.fromstring(client.get("/sitemap.xml").content)  # noqa: S314  (our own answer)

    pages = {each.findtext(f"{SITEMAP}loc"): each.findtext(f"{SITEMAP}lastmod") for each in sitemap}
    assert pages["http://testserver/catalogue/hub-notebooks/"] == "2026-11-02"
    assert pages["http://testserver/catalogue/batch-archive/"] == "2026-10-03"
    assert pages["http://testserver/"] is None
    for page in pages:
        assert page is not None
        assert client.get(page.removeprefix("http://testserver")).status_code == 200, page


def test_robots_are_led_to_the_sitemap_and_away_from_what_is_not_public(catalogue: object, client: Client) -> None:
    lines = client.get("/robots.txt").content.decode().splitlines()

    assert lines[0] == "User-agent: *"
    assert lines[-1] == "Sitemap: http://testserver/sitemap.xml"
    closed = [line.removeprefix("Disallow: ") for line in lines[1:-1]]
    sitemap = client.get("/sitemap.xml").content.decode()
    for path in closed:
        assert f"http://testserver{path}" not in sitemap
    for path in ("/home/", "/requests/", "/review/", "/account/", "/audit/"):
        assert path in closed
        try:
            resolve(path)
        except Resolver404:
            pytest.fail(f"{path} is no page of ours")
