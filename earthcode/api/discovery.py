"""How other sites and their programs find the catalogue: feed, sitemap, linked data, EarthCODE's platform explorer."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.feedgenerator import Atom1Feed
from django.utils.html import escape
from django.utils.http import urlencode

from earthcode.api.public import NotThere, address, json_document, public_document, stamped
from earthcode.catalogue import linked_data
from earthcode.catalogue.models import Offering, Plan, Platform
from earthcode.catalogue.queries import components_on
from earthcode.catalogue.search import catalogue_state
from earthcode.catalogue.vocabulary import all_normalised
from earthcode.science.models import Record

JSON_LD: Final = "application/ld+json"
#: Entries in the feed.
FEED_MAX: Final = 50


@public_document
def offering_linked_data(request: HttpRequest, slug: str) -> HttpResponse:
    """An offering in the words of schema.org, with what its plans cost today."""
    state = catalogue_state()
    plans = Prefetch("plans", Plan.objects.filter(is_listed=True))
    offering = _offerings().prefetch_related(plans).filter(slug=slug).first()
    if offering is None:
        raise NotThere("There is no such offering.")
    listed = list(offering.plans.all())
    components = components_on((plan.pk for plan in listed), timezone.localdate())
    document = linked_data.service_of(offering, listed, components, url=address(request, "offering", slug))
    return json_document(document, state, content_type=JSON_LD, dated=True)


@public_document
def platforms(request: HttpRequest) -> HttpResponse:
    """The platforms integrated with EarthCODE, in the form its platform explorer reads.

    The explorer's own files have these members and no others. We keep no logos; an empty one shows none.
    """
    state = catalogue_state()
    offerings = Prefetch("offerings", Offering.objects.listed().defer("search").order_by("name", "pk"))
    found = Platform.objects.filter(earthcode_integrated=True).prefetch_related(offerings).order_by("name", "pk")
    return json_document([_platform(platform, request) for platform in found if platform.offerings.all()], state)


def _platform(platform: Platform, request: HttpRequest) -> dict[str, Any]:
    offerings = list(platform.offerings.all())
    if len(offerings) == 1:
        href = address(request, "offering", offerings[0].slug)
    else:
        href = f"{address(request, 'catalogue')}?{urlencode({'q': platform.name})}"
    return {
        "id": platform.registry_id or platform.slug,
        "name": platform.name,
        "logo": "",
        "href": href,
        "datasets": all_normalised(name for offering in offerings for name in offering.datasets),
        "languages": platform.languages,
        "features": platform.features or all_normalised(name for each in offerings for name in each.interfaces),
    }


@public_document
def feed(request: HttpRequest) -> HttpResponse:
    """New and changed offerings, the latest first."""
    state = catalogue_state()
    document = Atom1Feed(
        title="Network of Resources: new and changed offerings",
        subtitle="Earth observation platforms and services that research projects can request, paid by ESA.",
        description="",
        link=address(request, "catalogue"),
        feed_url=address(request, "catalogue_feed"),
        language="en",
        author_name="EarthCODE Network of Resources",
    )
    for offering in _offerings().order_by("-updated_at", "-pk")[:FEED_MAX]:
        page = address(request, "offering", offering.slug)
        document.add_item(
            title=offering.name,
            link=page,
            unique_id=page,
            # Django calls every summary HTML, and ours is text.
            description=escape(offering.summary),
            author_name=offering.platform.provider.name,
            categories=offering.service_types,
            updateddate=offering.updated_at,
        )
    return stamped(HttpResponse(document.writeString("utf-8"), content_type=document.content_type), state)


#: The public pages that are not offerings.
_PAGES: Final = ("public_home", "catalogue", "science", "help", "accessibility", "privacy")


@public_document
def sitemap(request: HttpRequest) -> HttpResponse:
    """The public pages, for search engines (sitemaps.org)."""
    state = catalogue_state()
    offerings = Offering.objects.listed().order_by("slug").values_list("slug", "updated_at")
    pages: list[dict[str, Any]] = [{"address": address(request, name)} for name in _PAGES]
    pages += [{"address": address(request, "offering", slug), "changed": changed} for slug, changed in offerings]
    records = Record.objects.current().order_by("kind", "osc_id").values_list("kind", "osc_id", "fetched_at")
    pages += [{"address": address(request, kind, osc_id), "changed": changed} for kind, osc_id, changed in records]
    return stamped(render(request, "api/sitemap.xml", {"pages": pages}, content_type="application/xml"), state)


#: What is behind the sign-in, and the catalogue's filters, which make more addresses than anybody wants to visit.
_NOT_FOR_ROBOTS: Final = (
    "/account/", "/accounts/", "/allocations/", "/audit/", "/audience/", "/catalogue/?", "/gallery/", "/go/", "/home/",
    "/notifications/", "/projects/", "/provider/", "/requests/", "/review/", "/science/?", "/shortcuts/", "/theme/",
)  # fmt: skip


@public_document
def robots(request: HttpRequest) -> HttpResponse:
    lines = [
        "User-agent: *",
        *(f"Disallow: {path}" for path in _NOT_FOR_ROBOTS),
        f"Sitemap: {address(request, 'sitemap')}",
    ]
    response = HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")
    return stamped(response, catalogue_state())


def _offerings() -> QuerySet[Offering]:
    return Offering.objects.listed().select_related("platform__provider").defer("search")
