"""The addresses below ``/ogc/``."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from earthcode.api.ogc import openapi
from earthcode.api.ogc.query import RecordQuery, refuse_unknown
from earthcode.api.ogc.records import collection_of, record_of
from earthcode.api.ogc.standard import (
    CATALOG,
    COLLECTION,
    CONFORMS_TO,
    GEOJSON,
    HTML,
    JSON,
    OGC_CATALOG,
    OPENAPI,
    Link,
    link,
)
from earthcode.api.public import NotThere, address, json_document, public_document
from earthcode.catalogue.models import Offering
from earthcode.catalogue.search import Index, State, catalogue_state, index_on


@public_document
def landing(request: HttpRequest) -> HttpResponse:
    """Where a client begins."""
    refuse_unknown(request.GET)
    return json_document(
        {
            "title": "EarthCODE Network of Resources",
            "description": "Earth observation platforms and services that research projects can request, paid by ESA.",
            "links": [
                link(address(request, "ogc_landing"), "self", JSON, "This document"),
                link(address(request, "ogc_openapi"), "service-desc", OPENAPI, "The API, as OpenAPI"),
                link(address(request, "ogc_conformance"), "conformance", JSON, "What this conforms to"),
                link(address(request, "ogc_collections"), "data", JSON, "The collections of records"),
                link(address(request, "ogc_items", COLLECTION), OGC_CATALOG, GEOJSON, "The catalogue of offerings"),
                link(address(request, "catalogue"), "alternate", HTML, "The catalogue for people"),
            ],
        },
        catalogue_state(),
    )


@public_document
def api(request: HttpRequest) -> HttpResponse:
    """The OpenAPI document."""
    refuse_unknown(request.GET)
    return json_document(openapi.document(request), catalogue_state(), content_type=OPENAPI)


@public_document
def conformance(request: HttpRequest) -> HttpResponse:
    refuse_unknown(request.GET)
    return json_document({"conformsTo": list(CONFORMS_TO)}, catalogue_state())


@public_document
def collections(request: HttpRequest) -> HttpResponse:
    """All collections, of which there is one."""
    refuse_unknown(request.GET)
    state, index = _catalogue()
    links = [
        link(address(request, "ogc_collections"), "self", JSON, "This document"),
        link(address(request, "ogc_landing"), "root", JSON, "The landing page"),
    ]
    found = [collection_of(index.entries, state.changed_at, request)]
    return json_document({"links": links, "collections": found}, state)


@public_document
def collection(request: HttpRequest, collection_id: str) -> HttpResponse:
    """In the media type of Records, or as plain JSON for clients of Features that ask for nothing else."""
    _refuse_other(collection_id)
    refuse_unknown(request.GET)
    state, index = _catalogue()
    media_type = request.get_preferred_type([CATALOG, JSON]) or CATALOG
    response = json_document(collection_of(index.entries, state.changed_at, request), state, content_type=media_type)
    patch_vary_headers(response, ["Accept"])
    return response


@public_document
def items(request: HttpRequest, collection_id: str) -> HttpResponse:
    """The records that were asked for, a page at a time, by name."""
    _refuse_other(collection_id)
    query = RecordQuery.read(request.GET)
    state, index = _catalogue()
    found = query.entries(index)
    page = found[query.offset : query.offset + query.limit]
    rows = _offerings().in_bulk([entry.pk for entry in page])
    # Whoever is taken off the list in between is in the index still, and not among the rows.
    records = [record_of(rows[entry.pk], request) for entry in page if entry.pk in rows]
    return json_document(
        {
            "type": "FeatureCollection",
            "numberMatched": len(found),
            "numberReturned": len(records),
            "features": records,
            "links": _page_links(request, query, count=len(found)),
        },
        state,
        content_type=GEOJSON,
    )


@public_document
def item(request: HttpRequest, collection_id: str, record_id: str) -> HttpResponse:
    """One record."""
    _refuse_other(collection_id)
    refuse_unknown(request.GET)
    state = catalogue_state()
    # No text of the database has a NUL in it.
    offering = _offerings().filter(slug=record_id).first() if "\x00" not in record_id else None
    if offering is None:
        raise NotThere("There is no record with this id.")
    return json_document(record_of(offering, request), state, content_type=GEOJSON)


def _catalogue() -> tuple[State, Index]:
    state = catalogue_state()
    return state, index_on(timezone.localdate(), state)


def _offerings() -> QuerySet[Offering]:
    return Offering.objects.listed().select_related("platform__provider").defer("search")


def _refuse_other(collection_id: str) -> None:
    if collection_id != COLLECTION:
        raise NotThere(f"The only collection is “{COLLECTION}”.")


def _page_links(request: HttpRequest, query: RecordQuery, *, count: int) -> list[Link]:
    links = [link(request.build_absolute_uri(), "self", GEOJSON, "This page")]
    if query.offset + query.limit < count:
        links.append(link(_page(request, query.offset + query.limit), "next", GEOJSON, "Next page"))
    if query.offset:
        links.append(link(_page(request, max(0, query.offset - query.limit)), "prev", GEOJSON, "Previous page"))
    links.append(link(address(request, "ogc_collection", COLLECTION), "collection", CATALOG, "The collection"))
    links.append(link(address(request, "catalogue"), "alternate", HTML, "The catalogue for people"))
    return links


def _page(request: HttpRequest, offset: int) -> str:
    """This address, from another record on."""
    params = request.GET.copy()
    params["offset"] = str(offset)
    return f"{request.build_absolute_uri(request.path)}?{params.urlencode()}"
