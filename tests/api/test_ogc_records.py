"""The catalogue as OGC API – Records."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.validation import validate_schema

from earthcode.api.ogc.query import LIMIT_MAX, PARAMETERS
from earthcode.audit.actors import System
from earthcode.catalogue.actions import import_files
from earthcode.catalogue.models import Offering, Plan, Platform
from earthcode.catalogue.records import BUNDLED, DEMONSTRATION
from earthcode.catalogue.search import index_on
from earthcode.identity.models import Organisation, User
from tests.support import ogc_published, ogc_schemas
from tests.support.queries import assert_queries_do_not_grow

ITEMS = "/ogc/collections/offerings/items"


@pytest.fixture
def catalogue(
    hub_plan: Plan, batch_plan: Plan, unpriced_plan: Plan, now: datetime, clock: object
) -> dict[str, Offering]:
    """Three offerings: notebooks in Frankfurt, batch processing in Warsaw, and an archive somewhere."""
    Offering.objects.filter(slug="hub-notebooks").update(
        interfaces=["JupyterLab", "openEO"],
        datasets=["Sentinel-2", "Sentinel-5P"],
        place="Frankfurt",
        country="DE",
        longitude=8.68,
        latitude=50.11,
        documentation_url="https://docs.hub.example/",
        support="A forum",
        support_hours="Weekdays",
        hardware="64 × NVIDIA L4",
        limits="At most 8 vCPU each",
        certifications=["ISO 27001"],
        updated_at=now - timedelta(days=30),
    )
    Offering.objects.filter(slug="batch-batch").update(place="Warsaw", longitude=21.01, latitude=52.23)
    Platform.objects.filter(slug="hub").update(registry_id="coastal-hub")
    return {each.slug: each for each in Offering.objects.all()}


def found(client: Client, query: str = "") -> list[str]:
    """The ids of the records."""
    response = client.get(f"{ITEMS}?{query}")
    assert response.status_code == 200, response.content
    return [record["id"] for record in response.json()["features"]]


def links(document: Mapping[str, Any]) -> dict[str, str]:
    return {link["rel"]: link["href"] for link in document["links"]}


def assert_of_the_standard(answer: object, schema: ogc_schemas.Schema, published: str) -> None:
    """As the standard asks, in our words and, where its own files are at hand, in those of OGC."""
    assert ogc_schemas.problems(answer, schema) == []
    if ogc_published.PLACE and published:
        assert ogc_published.problems(answer, published) == []


# --- what it says -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "schema", "published", "content_type"),
    [
        ("/ogc/", ogc_schemas.LANDING_PAGE, "landingPage.yaml", "application/json"),
        ("/ogc/conformance", ogc_schemas.CONFORMANCE, "", "application/json"),
        ("/ogc/collections", ogc_schemas.COLLECTIONS, "catalogs.yaml", "application/json"),
        ("/ogc/collections/offerings", ogc_schemas.COLLECTION, "catalog.yaml", "application/ogc-catalog+json"),
        (ITEMS, ogc_schemas.RECORDS, "recordCollectionGeoJSON.yaml", "application/geo+json"),
        (f"{ITEMS}/hub-notebooks", ogc_schemas.RECORD, "recordGeoJSON.yaml", "application/geo+json"),
        (f"{ITEMS}/batch-archive", ogc_schemas.RECORD, "recordGeoJSON.yaml", "application/geo+json"),
    ],
)
def test_an_answer_has_the_shape_of_the_standard(
    catalogue: object, client: Client, path: str, schema: ogc_schemas.Schema, published: str, content_type: str
) -> None:
    response = client.get(path, headers={"Authorization": "Bearer stale"})

    assert response.status_code == 200
    assert response.headers["Content-Type"] == content_type
    assert_of_the_standard(response.json(), schema, published)


def test_every_offering_that_we_ship_is_a_record_of_the_standard(db: None, client: Client, now: datetime) -> None:
    import_files([*BUNDLED, *DEMONSTRATION], by=System("import"), at=now)

    records = client.get(f"{ITEMS}?limit={LIMIT_MAX}").json()

    assert records["numberReturned"] == Offering.objects.listed().count() > 30
    assert_of_the_standard(records, ogc_schemas.RECORDS, "recordCollectionGeoJSON.yaml")
    assert any(record["geometry"] for record in records["features"])
    for record in records["features"]:
        assert client.get(f"/catalogue/{record['id']}.jsonld").json()["name"] == record["properties"]["title"]


def test_the_shape_is_really_checked(catalogue: object, client: Client) -> None:
    record = client.get(f"{ITEMS}/hub-notebooks").json()
    del record["time"]
    record["properties"]["contacts"][0].pop("organization")
    record["links"][0]["href"] = "nowhere"

    assert len(ogc_schemas.problems(record, ogc_schemas.RECORD)) == 3


def test_every_address_of_ours_that_a_client_can_follow_answers(catalogue: object, client: Client) -> None:
    ours, seen, waiting = "http://testserver", set(), ["http://testserver/ogc/"]
    while waiting:
        address = waiting.pop()
        seen.add(address)
        response = client.get(address.removeprefix(ours))
        assert response.status_code == 200, address
        if "/ogc/" in address and not address.endswith("/ogc/api"):
            document = response.json()
            nested = [*document.get("collections", []), *document.get("features", [])]
            for link in [link for part in (document, *nested) for link in part.get("links", [])]:
                if link["href"].startswith(ours) and link["href"] not in seen | set(waiting):
                    waiting.append(link["href"])

    assert {f"{ours}{ITEMS}/{slug}" for slug in ("hub-notebooks", "batch-batch", "batch-archive")} <= seen
    assert f"{ours}/catalogue/hub-notebooks.jsonld" in seen


def test_a_record_says_what_the_page_of_the_offering_says(catalogue: dict[str, Offering], client: Client) -> None:
    record = client.get(f"{ITEMS}/hub-notebooks").json()

    properties = record["properties"]
    assert record["geometry"] == {"type": "Point", "coordinates": [8.68, 50.11]}
    assert record["time"] is None
    assert properties["type"] == "service"
    assert properties["title"] == "Notebooks on Coastal Hub"
    assert properties["description"] == "Notebooks next to the data."
    assert properties["updated"] == "2026-10-03T10:00:00Z"
    assert properties["externalIds"] == [{"scheme": "earthcode-platform", "value": "coastal-hub"}]
    assert {"JupyterLab", "Sentinel-5P", "Integrated with EarthCODE", "ESA can sponsor it"} <= set(
        properties["keywords"]
    )
    assert properties["contacts"] == [
        {
            "identifier": "hub-house",
            "organization": "Hub House",
            "roles": ["provider"],
            "addresses": [{"country": "DE"}],
            "contactInstructions": "A forum",
            "hoursOfService": "Weekdays",
        }
    ]
    assert {name: value for name, value in properties.items() if name.startswith("nor:")} == {
        "nor:place": "Frankfurt",
        "nor:country": "DE",
        "nor:hardware": "64 × NVIDIA L4",
        "nor:limits": "At most 8 vCPU each",
        "nor:certifications": ["ISO 27001"],
    }
    assert links(record) == {
        "self": f"http://testserver{ITEMS}/hub-notebooks",
        "collection": "http://testserver/ogc/collections/offerings",
        "about": "http://testserver/catalogue/hub-notebooks/",
        "alternate": "http://testserver/catalogue/hub-notebooks.jsonld",
        "describedby": "http://testserver/api/v1/offerings/hub-notebooks",
        "service": "https://hub.platform.example/",
        "service-doc": "https://docs.hub.example/",
    }


def test_what_is_not_stated_is_not_there(catalogue: object, client: Client) -> None:
    record = client.get(f"{ITEMS}/batch-archive").json()

    assert record["geometry"] is None
    assert "externalIds" not in record["properties"]
    assert "license" not in record["properties"]
    assert "service-doc" not in links(record)


def test_no_record_names_a_person(catalogue: object, client: Client, petra: User, alice: User) -> None:
    everything = client.get(ITEMS).content.decode()

    assert "Hub House" in everything
    for person in (petra, alice):
        assert person.full_name not in everything
        assert person.email not in everything


def test_each_concept_is_a_filter_that_the_catalogue_knows(catalogue: object, client: Client, now: datetime) -> None:
    index = index_on(now.date())
    themes = client.get(f"{ITEMS}/hub-notebooks").json()["properties"]["themes"]

    concepts = {
        (theme["scheme"].partition("#")[2], each["id"], each["title"]) for theme in themes for each in theme["concepts"]
    }
    assert {name for name, _value, _title in concepts} == {"service", "tier", "interface", "data"}
    for name, value, title in concepts:
        assert index.label(name, value) == title


def test_what_is_not_listed_does_not_exist(catalogue: object, client: Client) -> None:
    Offering.objects.filter(slug="batch-batch").update(is_listed=False)

    assert found(client) == ["batch-archive", "hub-notebooks"]
    assert found(client, "ids=batch-batch") == []
    hidden = client.get(f"{ITEMS}/batch-batch")
    absent = client.get(f"{ITEMS}/never-was")
    assert (hidden.status_code, hidden.content) == (absent.status_code, absent.content)
    assert absent.status_code == 404
    assert absent.headers["Content-Type"] == "application/problem+json"
    assert ogc_schemas.problems(absent.json(), ogc_schemas.EXCEPTION) == []


@pytest.mark.parametrize(
    "path", ["/ogc/collections/people", "/ogc/collections/people/items", "/ogc/collections/people/items/1"]
)
def test_there_is_no_other_collection(catalogue: object, client: Client, path: str) -> None:
    response = client.get(path)

    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


def test_the_collection_says_where_the_data_centres_are(catalogue: object, client: Client) -> None:
    extent = client.get("/ogc/collections/offerings").json()["extent"]

    assert extent["spatial"]["bbox"] == [[8.68, 50.11, 21.01, 52.23]]


def test_an_empty_catalogue_is_a_catalogue(client: Client, db: None) -> None:
    records = client.get(ITEMS).json()
    collection = client.get("/ogc/collections/offerings").json()

    assert (records["numberMatched"], records["features"]) == (0, [])
    assert "extent" not in collection
    assert_of_the_standard(collection, ogc_schemas.COLLECTION, "catalog.yaml")


# --- what it finds ----------------------------------------------------------------------------------------------------

HUB, BATCH, ARCHIVE = "hub-notebooks", "batch-batch", "batch-archive"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [ARCHIVE, BATCH, HUB]),
        ("f=json", [ARCHIVE, BATCH, HUB]),
        # Words: parts of them, our names for things, any of several terms, all words of a term in their order.
        ("q=notebooks", [HUB]),
        ("q=NOTEB", [HUB]),
        ("q=S5P", [HUB]),
        ("q=sentinel-2", [HUB]),
        ("q=notebooks,archive", [ARCHIVE, HUB]),
        ("q=coastal+hub", [HUB]),
        ("q=hub+coastal", []),
        ("q=next+to+the+data", [ARCHIVE, BATCH, HUB]),
        ("q=the", [ARCHIVE, BATCH, HUB]),
        # No guesses: neither for a misspelt word nor for one of two.
        ("q=notebuks", []),
        ("q=notebooks+radar", []),
        ("q=!!!", []),
        # The place of the data centre.
        ("bbox=5,45,15,55", [HUB]),
        ("bbox=5,45,-100,15,55,9000", [HUB]),
        ("bbox=8.68,50.11,8.68,50.11", [HUB]),
        ("bbox=170,-90,10,90", [HUB]),
        ("bbox=-180,-90,180,90", [BATCH, HUB]),
        # When it was last changed.
        ("datetime=2026-11-02T10:00:00Z", [ARCHIVE, BATCH]),
        ("datetime=2026-11-02", [ARCHIVE, BATCH]),
        ("datetime=2026-11-02T11:00:00%2B01:00/..", [ARCHIVE, BATCH]),
        ("datetime=/2026-11-01", [HUB]),
        ("datetime=2026-10-01/2026-10-31", [HUB]),
        ("type=service", [ARCHIVE, BATCH, HUB]),
        ("type=dataset,service", [ARCHIVE, BATCH, HUB]),
        ("type=dataset", []),
        ("ids=hub-notebooks,batch-batch,nothing", [BATCH, HUB]),
        ("ids=hub-notebooks&ids=batch-batch", [BATCH, HUB]),
        ("externalIds=coastal-hub", [HUB]),
        ("externalIds=earthcode-platform:coastal-hub", [HUB]),
        ("externalIds=earthcode-platform:", [HUB]),
        ("externalIds=doi:coastal-hub", []),
        ("externalIds=polar-hub", []),
        # Everything that is asked for must be so, and what is empty is not asked for.
        ("q=data&bbox=5,45,15,55&ids=hub-notebooks,batch-batch&externalIds=coastal-hub", [HUB]),
        ("q=archive&bbox=5,45,15,55", []),
        ("q=&bbox=&datetime=&type=&ids=&externalIds=&limit=&offset=&f=", [ARCHIVE, BATCH, HUB]),
    ],
)
def test_records_are_found(catalogue: object, client: Client, query: str, expected: list[str]) -> None:
    assert found(client, query) == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("radius=5", "radius"),
        ("Q=notebooks", "Q"),
        ("f=html", "f"),
        ("q=a,b,c,d,e,f", "q"),
        ("bbox=1,2,3", "bbox"),
        ("bbox=1,2,3,4,5", "bbox"),
        ("bbox=a,b,c,d", "bbox"),
        ("bbox=nan,0,1,1", "bbox"),
        ("bbox=0,50,10,40", "bbox"),
        ("datetime=yesterday", "datetime"),
        ("datetime=2026-02-30", "datetime"),
        ("datetime=2026-11-02T10:00:00", "datetime"),
        ("datetime=../..", "datetime"),
        ("datetime=2026-11-02/2026-11-01", "datetime"),
        ("limit=0", "limit"),
        ("limit=ten", "limit"),
        ("limit=1_0", "limit"),
        ("offset=-1", "offset"),
        ("offset=99999999999", "offset"),
    ],
)
def test_what_makes_no_sense_is_refused(catalogue: object, client: Client, query: str, field: str) -> None:
    response = client.get(f"{ITEMS}?{query}")

    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert (problem["code"], problem["field"]) == ("invalid_parameter", field)
    assert ogc_schemas.problems(problem, ogc_schemas.EXCEPTION) == []


@pytest.mark.parametrize(
    "path", ["/ogc/", "/ogc/api", "/ogc/conformance", "/ogc/collections", "/ogc/collections/offerings"]
)
def test_a_parameter_that_is_not_described_is_refused_everywhere(catalogue: object, client: Client, path: str) -> None:
    assert client.get(f"{path}?f=json").status_code == 200
    assert client.get(f"{path}?q=notebooks").status_code == 400


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_lead_through_all_records_once(catalogue: object, client: Client, limit: int) -> None:
    address: str | None = f"http://testserver{ITEMS}?type=service&limit={limit}"
    walked, back = [], []
    while address is not None:
        page = client.get(address.removeprefix("http://testserver")).json()
        assert page["numberMatched"] == 3
        assert page["numberReturned"] == len(page["features"]) <= limit
        assert links(page)["self"] == address
        walked += [record["id"] for record in page["features"]]
        back.append(links(page).get("prev"))
        address = links(page).get("next")

    assert walked == [ARCHIVE, BATCH, HUB]
    assert back[0] is None
    assert all(back[1:])


def test_a_page_is_never_larger_than_we_say(catalogue: object, client: Client) -> None:
    _more(LIMIT_MAX + 10)

    page = client.get(f"{ITEMS}?limit={LIMIT_MAX + 5}").json()

    assert page["numberReturned"] == LIMIT_MAX
    assert page["numberMatched"] == LIMIT_MAX + 10


# --- how it is asked --------------------------------------------------------------------------------------------------


def test_the_openapi_document_is_valid_and_describes_everything(catalogue: object, client: Client) -> None:
    response = client.get("/ogc/api")

    assert response.headers["Content-Type"] == "application/vnd.oai.openapi+json;version=3.0"
    document = response.json()
    validate_schema(document)
    assert document["servers"] == [{"url": "http://testserver/ogc"}]
    filled = {"collectionId": "offerings", "recordId": "hub-notebooks"}
    for path in document["paths"]:
        assert client.get("/ogc" + path.format(**filled)).status_code == 200
    described = document["paths"]["/collections/{collectionId}/items"]["get"]["parameters"]
    assert {each["name"] for each in described if each["in"] == "query"} == {each.name for each in PARAMETERS} | {"f"}


@pytest.mark.parametrize(
    "path", ["/ogc/", "/ogc/api", "/ogc/conformance", "/ogc/collections", ITEMS, f"{ITEMS}/hub-notebooks"]
)
@pytest.mark.parametrize("header", [("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since")])
def test_who_has_the_answer_is_not_sent_it_again(
    catalogue: object, client: Client, path: str, header: tuple[str, str]
) -> None:
    given, asked = header
    answer = client.get(path)

    again = client.get(path, headers={asked: answer.headers[given]})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == answer.headers["ETag"]
    assert again.headers["Last-Modified"] == answer.headers["Last-Modified"]
    assert client.head(path).headers["ETag"] == answer.headers["ETag"]


@pytest.mark.parametrize("path", [ITEMS, f"{ITEMS}/hub-notebooks"])
def test_a_change_is_sent(catalogue: object, client: Client, path: str) -> None:
    before = client.get(path)
    Organisation.objects.filter(slug="hub-house").update(name="Hub Home")

    after = client.get(path, headers={"If-None-Match": before.headers["ETag"]})

    assert after.status_code == 200
    assert "Hub Home" in after.content.decode()


def test_scripts_of_other_sites_may_read(catalogue: object, client: Client) -> None:
    etag = client.get(ITEMS).headers["ETag"]
    answers = [
        client.get(ITEMS),
        client.get(ITEMS, headers={"If-None-Match": etag}),
        client.get(f"{ITEMS}/nothing"),
        client.options(ITEMS),
    ]

    assert [answer.status_code for answer in answers] == [200, 304, 404, 204]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "If-None-Match" in answers[-1].headers["Access-Control-Allow-Headers"]


def test_nobody_can_write(catalogue: object, client: Client) -> None:
    for method in (client.post, client.put, client.patch, client.delete):
        answer = method(f"{ITEMS}/hub-notebooks")
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_everybody_gets_the_same_and_only_a_visitors_is_kept_by_caches(
    catalogue: object, client: Client, alice: User, signed_in: Callable[[User], Client]
) -> None:
    visitors, hers = client.get(ITEMS), signed_in(alice).get(ITEMS)

    assert visitors.content == hers.content
    assert "public" in visitors.headers["Cache-Control"]
    assert "public" not in hers.headers["Cache-Control"]
    assert "private" in hers.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("query", "most"), [("limit=500", 2), ("limit=500&q=data&datetime=2026-01-01/..&externalIds=coastal-hub", 5)]
)
def test_a_page_costs_the_same_with_many_records(catalogue: object, client: Client, query: str, most: int) -> None:
    def rows(count: int) -> None:
        _more(count)
        # The first to ask after a change pays for reading the index, which is the same few queries for any number.
        client.get(ITEMS)

    assert_queries_do_not_grow(client, f"{ITEMS}?{query}", rows=rows, few=3, most=most)


def test_one_record_costs_two_queries(catalogue: object, client: Client) -> None:
    assert_queries_do_not_grow(client, f"{ITEMS}/hub-notebooks", rows=_more, few=3, most=2)


def _more(count: int) -> None:
    """Brings the number of offerings to ``count``."""
    first = Offering.objects.order_by("pk")[0]
    have = Offering.objects.count()
    Offering.objects.bulk_create(
        Offering(
            slug=f"more-{number}",
            platform=first.platform,
            name=f"More data {number}",
            summary="More next to the data.",
            tier="platform",
            service_types=["IDE"],
            updated_at=first.updated_at,
        )
        for number in range(have, count)
    )


# --- what the published standard asks (20-004r1) ---------------------------------------------------------------------


@pytest.mark.django_db
def test_every_class_we_claim_is_one_of_the_standards(client: Client) -> None:
    claimed = set(client.get("/ogc/conformance").json()["conformsTo"])

    records = {each.rpartition("/")[2] for each in claimed if "/ogcapi-records-1/1.0/conf/" in each}
    # /req/searchable-catalog/conformance, and the classes that it builds on. Not claimed: html, sorting, filtering.
    assert records == {
        "record-core",
        "record-collection",
        "record-core-query-parameters",
        "records-api",
        "searchable-catalog",
        "json",
        "oas30",
        "autodiscovery",
    }
    assert "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core" in claimed


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "application/ogc-catalog+json"),
        ("*/*", "application/ogc-catalog+json"),
        ("application/ogc-catalog+json", "application/ogc-catalog+json"),
        ("application/json", "application/json"),
        ("text/html", "application/ogc-catalog+json"),
    ],
)
def test_a_collection_comes_in_the_media_type_of_records_or_as_json(
    client: Client, accept: str, media_type: str
) -> None:
    response = client.get("/ogc/collections/offerings", headers={"Accept": accept} if accept else {})

    assert response["Content-Type"] == media_type
    assert "Accept" in response["Vary"]
    assert response.json()["id"] == "offerings"


@pytest.mark.django_db
def test_the_records_are_found_from_the_landing_page_and_from_the_catalogue_for_people(client: Client) -> None:
    relation = "http://www.opengis.net/def/rel/ogc/1.0/ogc-catalog"
    (found,) = [each for each in client.get("/ogc/").json()["links"] if each["rel"] == relation]
    assert found["href"].endswith("/ogc/collections/offerings/items")
    assert client.get(found["href"])["Content-Type"] == found["type"]

    head = client.get("/catalogue/").content.decode().partition("</head>")[0]

    assert f'rel="{relation}"' in head
    assert "/ogc/collections/offerings/items" in head


@pytest.mark.django_db
def test_an_id_that_no_record_can_have_is_not_found(client: Client) -> None:
    assert client.get("/ogc/collections/offerings/items/%00").status_code == 404
