"""An offering as a record, and the offerings as a collection of records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest
from django.utils.http import urlencode
from django.utils.text import slugify

from earthcode.api.ogc.query import EARTHCODE_PLATFORM
from earthcode.api.ogc.standard import (
    CATALOG,
    COLLECTION,
    CONFORMS_TO,
    CRS84,
    GEOJSON,
    HTML,
    JSON,
    OURS,
    RECORD_CORE,
    SERVICE,
    Link,
    link,
)
from earthcode.api.public import address
from earthcode.catalogue.entries import OfferingEntry
from earthcode.catalogue.models import Offering

Json = dict[str, Any]

_ENGLISH = {"code": "en", "name": "English"}


def record_of(offering: Offering, request: HttpRequest) -> Json:
    """The record of an offering, which needs its platform and provider.

    Nothing but what the catalogue's pages show to everybody: organisations, and no people. What is not stated is left
    out; only the members that the standard requires are null.
    """
    return {
        "id": offering.slug,
        "type": "Feature",
        "conformsTo": [RECORD_CORE],
        # A service has no time of its own; when the record changed is in ``updated``.
        "time": None,
        "geometry": _geometry(offering),
        "properties": {
            "type": SERVICE,
            "title": offering.name,
            "description": offering.summary,
            "updated": moment(offering.updated_at),
            "language": _ENGLISH,
            "keywords": _keywords(offering),
            "themes": _themes(offering, request),
            "contacts": [_provider(offering)],
            **_external_ids(offering),
            **_further_facts(offering),
        },
        "links": _links(offering, request),
    }


def collection_of(entries: Sequence[OfferingEntry], changed_at: datetime, request: HttpRequest) -> Json:
    """The collection with these offerings."""
    items = address(request, "ogc_items", COLLECTION)
    return {
        "id": COLLECTION,
        "type": "Collection",
        "itemType": "record",
        "title": "Offerings of the Network of Resources",
        "description": (
            "Earth observation platforms and services that research projects can request, paid by ESA: notebooks, "
            "processing, virtual machines, storage and data, each with who provides it and where it runs."
        ),
        "conformsTo": list(CONFORMS_TO),
        "language": _ENGLISH,
        "updated": moment(changed_at),
        "crs": [CRS84],
        **_extent(entries),
        "links": [
            link(address(request, "ogc_collection", COLLECTION), "self", CATALOG, "This collection"),
            link(address(request, "ogc_landing"), "root", JSON, "The catalogue's landing page"),
            link(items, "items", GEOJSON, "The records"),
            link(address(request, "catalogue"), "alternate", HTML, "The catalogue for people"),
            link(address(request, "catalogue_feed"), "alternate", "application/atom+xml", "New and changed offerings"),
            link(
                address(request, "catalogue_platforms"),
                "related",
                JSON,
                "The platforms, as EarthCODE's explorer has them",
            ),
        ],
    }


def moment(at: datetime) -> str:
    """To the second, in UTC, as RFC 3339 writes it."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _geometry(offering: Offering) -> Json | None:
    """The place of the data centre, not what the data covers."""
    if offering.longitude is None or offering.latitude is None:
        return None
    return {"type": "Point", "coordinates": [offering.longitude, offering.latitude]}


def _extent(entries: Iterable[OfferingEntry]) -> Json:
    locations = [entry.location for entry in entries if entry.location is not None]
    if not locations:
        return {}
    longitudes, latitudes = zip(*locations, strict=True)
    box = [min(longitudes), min(latitudes), max(longitudes), max(latitudes)]
    return {"extent": {"spatial": {"bbox": [box], "crs": CRS84}}}


def _keywords(offering: Offering) -> list[str]:
    words = [
        *offering.service_types,
        *offering.interfaces,
        *offering.protocols,
        *offering.workflow_types,
        *offering.datasets,
    ]
    if offering.platform.is_open_science:
        words.append("FAIR Open Science platform")
    if offering.platform.is_infrastructure:
        words.append("FAIR Infrastructure platform")
    if offering.platform.earthcode_integrated:
        words.append("Integrated with EarthCODE")
    if offering.sponsorable:
        words.append("ESA can sponsor it")
    if offering.is_demonstration:
        words.append("Demonstration")
    return list(dict.fromkeys(words))


def _themes(offering: Offering, request: HttpRequest) -> list[Json]:
    """The catalogue's filters: each concept is the value of a filter, and its address shows what has it."""
    values = {
        "service": [(slugify(name), name) for name in offering.service_types],
        "tier": [(offering.tier.replace("_", "-"), offering.get_tier_display())],
        "interface": [(slugify(name), name) for name in offering.interfaces],
        "data": [(slugify(name), name) for name in offering.datasets],
    }
    catalogue = address(request, "catalogue")
    return [
        {
            "scheme": f"{catalogue}#{name}",
            "concepts": [
                {"id": value, "title": title, "url": f"{catalogue}?{urlencode({name: value})}"}
                for value, title in found
            ],
        }
        for name, found in values.items()
        if found
    ]


def _provider(offering: Offering) -> Json:
    """The organisation. Who works there is nobody's business here."""
    provider = offering.platform.provider
    contact: Json = {"identifier": provider.slug, "organization": provider.name, "roles": ["provider"]}
    if provider.country:
        contact["addresses"] = [{"country": provider.country}]
    if provider.website:
        contact["links"] = [link(provider.website, "about", HTML, provider.name)]
    if offering.support:
        contact["contactInstructions"] = offering.support
    if offering.support_hours:
        contact["hoursOfService"] = offering.support_hours
    return contact


def _further_facts(offering: Offering) -> Json:
    """What the standard has no member for, under names of our own, as the offering's page has it."""
    facts = {
        "place": offering.place,
        "country": offering.country,
        "hardware": offering.hardware,
        "availability": offering.availability,
        "limits": offering.limits,
        "maturity": offering.maturity,
        "certifications": offering.certifications,
    }
    return {f"{OURS}{name}": value for name, value in facts.items() if value}


def _external_ids(offering: Offering) -> Json:
    registry_id = offering.platform.registry_id
    return {"externalIds": [{"scheme": EARTHCODE_PLATFORM, "value": registry_id}]} if registry_id else {}


def _links(offering: Offering, request: HttpRequest) -> list[Link]:
    page = address(request, "offering", offering.slug)
    links = [
        link(address(request, "ogc_item", COLLECTION, offering.slug), "self", GEOJSON, "This record"),
        link(address(request, "ogc_collection", COLLECTION), "collection", CATALOG, "All offerings"),
        link(page, "about", HTML, "The offering, with its prices"),
        link(
            address(request, "offering_linked_data", offering.slug), "alternate", "application/ld+json", "As schema.org"
        ),
        link(address(request, "api_offering", offering.slug), "describedby", JSON, "Plans and rates"),
    ]
    if access := offering.access_url or offering.platform.access_url:
        links.append(link(access, SERVICE, HTML, "The platform"))
    if offering.documentation_url:
        links.append(link(offering.documentation_url, "service-doc", HTML, "Documentation"))
    return links
