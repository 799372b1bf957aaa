"""OWSLib, the client of QGIS and of many catalogues, on our records: as it is, over HTTP."""

import pytest
from owslib.ogcapi.records import Records

from earthcode.catalogue.models import Offering, Plan

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def records(hub_plan: Plan, batch_plan: Plan, unpriced_plan: Plan, live_server: object) -> Records:
    Offering.objects.filter(slug="hub-notebooks").update(longitude=8.68, latitude=50.11)
    return Records(f"{live_server}/ogc/")


def test_the_client_finds_its_way_from_the_landing_page(records: Records) -> None:
    assert records.records() == ["offerings"]
    assert records.collection("offerings")["title"] == "Offerings of the Network of Resources"
    assert any(each.endswith("/ogcapi-records-1/1.0/conf/record-core") for each in records.conformance()["conformsTo"])
    assert "/collections/{collectionId}/items" in records.api()["paths"]


def test_the_client_lists_page_by_page(records: Records) -> None:
    first = records.collection_items("offerings", limit=2)
    second = records.collection_items("offerings", limit=2, offset=2)

    assert first["numberMatched"] == 3
    assert [each["id"] for each in first["features"]] == ["batch-archive", "batch-batch"]
    assert [each["id"] for each in second["features"]] == ["hub-notebooks"]


def test_the_client_searches(records: Records) -> None:
    by_words = records.collection_items("offerings", q="notebooks")
    by_place = records.collection_items("offerings", bbox=[5, 45, 15, 55])
    by_time = records.collection_items("offerings", datetime_="../2020-01-01T00:00:00Z")

    assert [each["id"] for each in by_words["features"]] == ["hub-notebooks"]
    assert [each["id"] for each in by_place["features"]] == ["hub-notebooks"]
    assert by_time["features"] == []


def test_the_client_reads_one(records: Records) -> None:
    record = records.collection_item("offerings", "hub-notebooks")

    assert record["properties"]["type"] == "service"
    assert record["geometry"]["coordinates"] == [8.68, 50.11]


def test_the_client_is_told_what_is_wrong(records: Records) -> None:
    with pytest.raises(RuntimeError, match="no record with this id"):
        records.collection_item("offerings", "nothing")
    with pytest.raises(RuntimeError, match="limit"):
        records.collection_items("offerings", limit=0)
