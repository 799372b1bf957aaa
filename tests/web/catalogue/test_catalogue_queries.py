"""What the catalogue's pages ask of the database, one by one: with their data in memory, and the first time after a change."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

import pytest
from django.test import Client

from earthcode.audit.actors import System
from earthcode.catalogue import cached, estimates
from earthcode.catalogue.estimates import Wanted
from earthcode.catalogue.models import Plan
from earthcode.catalogue.pricing import Workload
from earthcode.catalogue.versions import publish_versions
from earthcode.identity.models import User
from earthcode.publishing.models import Announcement, AnnouncementKind, MaintenanceWindow
from earthcode.science.models import Record
from earthcode.sponsorship.models import Award
from tests.support.queries import in_short, queries_of
from tests.web.catalogue.test_catalogue_costs import more_offerings

pytestmark = pytest.mark.django_db

QUERIES_MAX: Final = 10

HUB: Final = "hub-notebooks"
#: A page of every kind; ``{plan}`` and ``{token}`` are of a plan and of a kept estimate.
PAGES: Final[Mapping[str, str]] = {
    "list": "/catalogue/",
    "words": "/catalogue/?q=notebooks",
    "words with an error": "/catalogue/?q=notbooks+costal",
    "words that are a workload": "/catalogue/?q=notebooks+16+cores+60+hours",
    "filters": "/catalogue/?interface=jupyterlab&data=sentinel-2&cpu=16",
    "no such filter": "/catalogue/?interface=nothing",
    "by price": "/catalogue/?cpu=4&sort=price&price=priced",
    "what my credits pay for": "/catalogue/?credits=fit&cpu=2",
    "second page": "/catalogue/?sort=name&page=2",
    "ticked": f"/catalogue/?compare={HUB}&compare=offering-3&q=notbooks",
    "offering": f"/catalogue/{HUB}/",
    "offering for a workload": f"/catalogue/{HUB}/?cpu=16&compare=offering-3",
    "offering without a plan": "/catalogue/bare/",
    "offering that has retired": "/catalogue/retired/",
    "versions": f"/catalogue/{HUB}/versions/",
    "version": f"/catalogue/{HUB}/versions/1/",
    "compare": f"/compare/?offering={HUB}&offering=offering-2&offering=offering-3&cpu=8",
    "differences": f"/compare/?offering={HUB}&offering=bare&differences=1",
    "new estimate": "/estimates/new/",
    "estimate with plans": "/estimates/new/?plan={plan}&plan={other}&cpu=16&find=notbooks",
    "kept estimate": "/estimates/{token}/",
    "own estimates": "/estimates/",
    "workflows": "/science/",
    "workflows with an error": "/science/?q=ice+wrkflow&kind=workflow",
    "workflows on an offering": f"/science/?on={HUB}",
    "workflow": "/science/workflows/ice-0/",
    "feed": "/catalogue/feed.atom",
    "sitemap": "/sitemap.xml",
    "linked data": f"/catalogue/{HUB}.jsonld",
    "platform explorer": "/catalogue/platforms.json",
    "OGC landing page": "/ogc/",
    "OGC collections": "/ogc/collections",
    "OGC collection": "/ogc/collections/offerings",
    "OGC records": "/ogc/collections/offerings/items?limit=50",
    "OGC records by words": "/ogc/collections/offerings/items?q=notbooks&bbox=-10,40,30,60",
    "OGC record": f"/ogc/collections/offerings/items/{HUB}",
    "API list": "/api/v1/offerings?q=notbooks",
    "API offering": f"/api/v1/offerings/{HUB}",
    "API estimate": "/api/v1/estimates/{token}",
}


@pytest.fixture
def addresses(
    hub_plan: Plan, batch_plan: Plan, petra: User, award: Award, alice: User, now: datetime
) -> dict[str, str]:
    """All of ``PAGES``, in a catalogue that has something to show on each of them."""
    hub = hub_plan.offering
    more_offerings(hub_plan, 20)
    for slug, plans in (("bare", ()), ("retired", ("Once",))):
        this = type(hub).objects.get(pk=hub.pk)
        this.pk, this.slug, this.name = None, slug, slug.capitalize()
        this.retires_on = now.date() if slug == "retired" else None
        this.is_listed = slug != "retired"
        this.save()
        for name in plans:
            Plan.objects.create(offering=this, slug="once", name=name)
    for number in range(8):
        Record.objects.create(
            osc_id=f"ice-{number}",
            kind="workflow",
            title=f"Workflow of ice {number}",
            description="Made for a test.",
            application_type="Jupyter notebook",
            fetched_at=now,
        )
    hub.interfaces = ["JupyterLab"]
    hub.save()
    window = MaintenanceWindow.objects.create(
        platform=hub.platform,
        starts_at=now + timedelta(hours=30),
        ends_at=now + timedelta(hours=32),
        affects="Sign-in",
        announced_by=petra,
        announced_at=now,
    )
    for kind, of_window in ((AnnouncementKind.MAINTENANCE, window), (AnnouncementKind.NEWS, None)):
        Announcement.objects.create(
            platform=hub.platform,
            offering=hub,
            window=of_window,
            kind=kind,
            title="Something new",
            announced_by=petra,
            announced_at=now,
            due_at=now,
        )
    publish_versions([hub.pk], by=System("catalogue"), at=now)
    kept_estimate = estimates.save(
        [Wanted(hub_plan, Workload()), Wanted(batch_plan, Workload())], workload=Workload(), by=alice, at=now
    )
    values = {"plan": hub_plan.pk, "other": batch_plan.pk, "token": kept_estimate.token}
    return {name: address.format(**values) for name, address in PAGES.items()}


@pytest.mark.parametrize("who", ["visitor", "scientist"])
def test_no_page_of_the_catalogue_makes_more_than_ten_queries(
    addresses: dict[str, str], signed_in: Callable[[User], Client], alice: User, who: str
) -> None:
    client = signed_in(alice) if who == "scientist" else Client()
    if who == "visitor":
        # It leads to the sign-in.
        del addresses["own estimates"]
    # What is known for the process, whatever the catalogue says, is no page's.
    client.get("/catalogue/")
    made: dict[str, list[str]] = {}
    for name, address in addresses.items():
        cached.forget_all()
        made[f"{name}, the first after a change"] = queries_of(client, address)
        made[f"{name}, later"] = queries_of(client, address)

    too_many = {name: queries for name, queries in made.items() if len(queries) > QUERIES_MAX}
    assert not too_many, "\n".join(
        line
        for name, queries in too_many.items()
        for line in (f"{name}: {len(queries)} queries", *in_short(queries), "")
    )
    # It would say nothing if nothing were read anew.
    assert len(made["list, the first after a change"]) > len(made["list, later"])
