"""What the standards prescribe and we repeat: names, media types, and which parts we conform to."""

from __future__ import annotations

from typing import Any, Final

GEOJSON: Final = "application/geo+json"
JSON: Final = "application/json"
#: Of a collection of records (20-004r1, ``/req/json/collection-response``).
CATALOG: Final = "application/ogc-catalog+json"
HTML: Final = "text/html"
OPENAPI: Final = "application/vnd.oai.openapi+json;version=3.0"

#: The one collection.
COLLECTION: Final = "offerings"
#: What every record is (``properties.type``).
SERVICE: Final = "service"
#: Before the names of members that the standard does not have (20-004r1 lets a record have more).
OURS: Final = "nor:"

RECORD_CORE: Final = "http://www.opengis.net/spec/ogcapi-records-1/1.0/conf/record-core"
#: The conformance classes that we claim. HTML is not among them: people have the catalogue's own pages.
CONFORMS_TO: Final = (
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    RECORD_CORE,
    "http://www.opengis.net/spec/ogcapi-records-1/1.0/conf/record-collection",
    "http://www.opengis.net/spec/ogcapi-records-1/1.0/conf/record-core-query-parameters",
    "http://www.opengis.net/spec/ogcapi-records-1/1.0/conf/records-api",
    "http://www.opengis.net/spec/ogcapi-records-1/1.0/conf/searchable-catalog",
    "http://www.opengis.net/spec/ogcapi-records-1/1.0/conf/json",
    "http://www.opengis.net/spec/ogcapi-records-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-records-1/1.0/conf/autodiscovery",
)

CRS84: Final = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
#: Says of a link that it leads to the records of a catalogue (20-004r1, ``/req/autodiscovery/links``).
OGC_CATALOG: Final = "http://www.opengis.net/def/rel/ogc/1.0/ogc-catalog"

Link = dict[str, str]


def link(href: str, rel: str, media_type: str, title: str) -> Link:
    return {"href": href, "rel": rel, "type": media_type, "title": title}


def schema_of(standard: str, name: str) -> dict[str, Any]:
    """A schema that OGC publishes, by reference."""
    return {"$ref": f"https://schemas.opengis.net/ogcapi/{standard}/part1/1.0/openapi/schemas/{name}.yaml"}
