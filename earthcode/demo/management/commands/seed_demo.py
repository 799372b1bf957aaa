"""Fills an empty site with what the demo needs: offerings, people, a funded call, a project, a request to decide.

Run at every start of the demo: what is there already stays as it is, but for the address of the demo's own hub.
"""

import os
import uuid
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from earthcode.audit.actors import System
from earthcode.catalogue.metrics import Evidence, Metric
from earthcode.catalogue.models import Offering, Plan, Platform
from earthcode.catalogue.pricing import Workload
from earthcode.demo import past, people
from earthcode.identity import actions as identity
from earthcode.identity import projects
from earthcode.identity.models import Organisation, User
from earthcode.identity.oidc import Claims
from earthcode.ledger import actions as ledger
from earthcode.lib.money import credits
from earthcode.onboarding import actions as onboarding
from earthcode.publishing import actions as publishing
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import Call

SEED = System("demonstration data")
#: Names the idempotency keys of the seed: funding the call twice is one funding.
KEYS = uuid.UUID("9b2f5a64-0d6c-4c1b-9f5e-0c6f2a4f7d31")

#: slug → name, country, usernames of the people who work there
ORGANISATIONS = {
    "alpine-institute": ("Alpine Institute (demonstration)", "AT", ("alice", "ben")),
    "esa": ("European Space Agency", "", ("maria", "marc", "tomas")),
    people.PROVIDER_SLUG: (None, "", ("petra",)),
}

PEAT_CASE = """\
Drained peatlands release carbon when their **water table** falls. We map the water table of twelve sites from
Sentinel-1 backscatter and compare it with wells.

- Monthly maps, 2018 to 2026
- Published as a data cube with the workflow that made it
"""


def _refuse_a_real_site() -> None:
    """Invented people and offerings go into an empty database, or into one that has them already."""
    if Platform.objects.filter(slug="demo-hub").exists():
        return
    if User.objects.exists() or Call.objects.exists():
        raise CommandError(
            "This database has people or calls that are not of the demonstration. Nothing was written: demonstration data"
            " goes into an empty database only."
        )


class Command(BaseCommand):
    help = __doc__ or ""

    def handle(self, *args: Any, **options: Any) -> None:
        _refuse_a_real_site()
        at = timezone.now()
        call_command("import_offerings", demonstration=True, verbosity=0)
        call_command("import_science", demonstration=True, verbosity=0)
        with transaction.atomic():
            _point_platforms_at_this_machine()
            users = _people(at)
            if not Call.objects.exists():
                _call(at - timedelta(days=past.DAYS + 1))
                past.make(users, at=at)
                _alices_project(users, at)
                _bens_request(users, at)
                _petras_application(users, at)
                _petras_draft(users, at)
        self.stdout.write("demonstration data is there")


def _point_platforms_at_this_machine() -> None:
    hub = os.environ.get("HUB_URL", "http://127.0.0.1:8001").rstrip("/")
    Platform.objects.filter(slug="demo-hub").update(
        access_url=hub,
        connector="jupyterhub",
        connector_config={"api_url": f"{hub}/hub/api", "public_url": hub},
        connector_secret="demo-hub",  # noqa: S106  # the name of a secret
    )


def _people(at: datetime) -> dict[str, User]:
    """Everybody the demo's single sign-on knows, as if they had signed in once, so that they can be added to projects."""
    users: dict[str, User] = {}
    for persona in people.PEOPLE:
        known = User.objects.by_subject(settings.OIDC_ISSUER, persona.subject)
        users[persona.username] = known or identity.sign_in(
            Claims(
                issuer=settings.OIDC_ISSUER,
                subject=persona.subject,
                full_name=persona.name,
                email=persona.email,
                preferred_username=persona.username,
                said={"groups": list(persona.groups)},
            ),
            at=at,
        )
    for slug, (name, country, usernames) in ORGANISATIONS.items():
        if name is not None:
            Organisation.objects.get_or_create(slug=slug, defaults={"name": name, "country": country})
        organisation = Organisation.objects.get(slug=slug)
        for username in usernames:
            if users[username].organisation_id is None:
                users[username].organisation = organisation
                users[username].save(update_fields=["organisation"])
    return users


def _call(at: datetime) -> None:
    call = Call.objects.create(
        slug=f"open-science-{at.year}",
        title=f"Open Science {at.year}",
        summary="Research with Earth observation data that earns no revenue and is published openly.",
        opens_on=date(at.year, 1, 1),
        ceiling=credits(5_000),
        endorsed_tiers=["resource"],
    )
    ledger.fund(call.slug, credits(100_000), key=uuid.uuid5(KEYS, f"fund:{call.slug}"), by=SEED, at=at)


def _alices_project(users: dict[str, User], at: datetime) -> None:
    project = projects.create_project(
        title="Alpine snow mass balance",
        summary="How much water the snow of the Alps holds, week by week, from Sentinel-1 and Sentinel-2.",
        by=users["alice"],
        at=at,
    )
    projects.add_member(project, user=users["ben"], by=users["alice"], at=at)


def _bens_request(users: dict[str, User], at: datetime) -> None:
    """A request that waits for a decision, so that the managers' queue is not empty."""
    ben = users["ben"]
    project = projects.create_project(
        title="Peatland water table",
        summary="The water table of drained peatlands from Sentinel-1.",
        technical_officer=users["tomas"],
        by=ben,
        at=at,
    )
    request = sponsorship.start(title="Water table of twelve peatlands", project=project, by=ben, at=at)
    plan = Plan.objects.filter(offering__platform__slug="demo-batch").earliest("pk")
    workload = Workload.from_params({"cpu": "16", "ram": "64", "hours": "80", "gb": "500", "months": "6"})
    sponsorship.save_line(request, plan=plan, workload=workload, by=ben, at=at)
    sponsorship.save_period(request, starts_on=at.date() + timedelta(days=7), by=ben, at=at)
    sponsorship.save_case(request, science_case=PEAT_CASE, by=ben, at=at)
    sponsorship.save_declarations(request, non_commercial=True, no_provider_tie=True, will_publish=True, by=ben, at=at)
    sponsorship.submit(request, by=ben, at=at)


def _petras_application(users: dict[str, User], at: datetime) -> None:
    """A second platform of Petra's organisation waits for ESA. Its addresses are the demo's own, so the checks find something."""
    petra, provider = users["petra"], Organisation.objects.get(slug=people.PROVIDER_SLUG)
    application = onboarding.start(
        organisation_name=provider.name,
        platform_name="Demonstration Archive",
        is_open_science=False,
        is_infrastructure=True,
        country=provider.country,
        by=petra,
        at=at,
    )
    for code, evidence in _archive_evidence().items():
        onboarding.give(application, code, evidence=evidence, by=petra, at=at)
    onboarding.submit(application, by=petra, at=at)
    onboarding.accept_item(application, "sla", comment="Clear and measured from outside.", by=users["maria"], at=at)


def _archive_evidence() -> dict[str, dict[str, str]]:
    hub = os.environ.get("HUB_URL", "http://127.0.0.1:8001").rstrip("/")
    return {
        "standing": {
            "platform_url": hub,
            "users": "Since 2023, about 140 people of 20 projects, mostly time series of snow and ice.",
            "mandate": "I lead the service desk; the imprint of the platform names me.",
        },
        "registration": {
            "esa_star": "Registered since 2022",
            "state": "Our hub is in the portfolio, the archive is not.",
        },
        "sso": {
            "sign_in_url": f"{hub}/hub/oauth_login",
            "issuer_url": settings.OIDC_ISSUER,
            "redirects": f"{hub}/hub/oauth_callback. We read preferred_username and groups.",
        },
        "documentation": {
            "documentation_url": f"{settings.SITE_URL}/help/",
            "covers": "Getting in, sizes, data and support. Tutorials for R are missing.",
        },
        "data": {
            "ogc_url": f"{settings.SITE_URL}/ogc/",
            "stac_url": f"{settings.SITE_URL}/ogc/collections",
            "collections": "Sentinel-1 and Sentinel-2 of the Alps since 2015, as cloud-optimised files.",
        },
        "execution": {
            "other": "JupyterHub with Dask",
            "how": "Notebooks that name their environment; up to 64 processors.",
        },
        "access": {
            "interface": "jupyterhub",
            "api_url": hub,
            "rights": "One group for each allocation; a quota by group; files are kept for 90 days after the end.",
        },
        "sla": {
            "availability": "99.5 % a month, measured from outside every five minutes",
            "notice": "Three months, a year before the end",
        },
        "support": {
            "contact": "desk@provider.example",
            "hours": "Working days 9 to 17, answer within one working day.",
        },
        "reporting": {
            "metered": "Processor hours and gigabytes, every hour.",
            "per_project": "By the group that the server was started under.",
            "delivery": "A file each morning; an interface by next spring.",
        },
    }


def _petras_draft(users: dict[str, User], at: datetime) -> None:
    """A new plan that waits for ESA's approval."""
    petra = users["petra"]
    offering = Offering.objects.get(slug="demo-notebooks")
    draft = publishing.edit(offering, by=petra, at=at)
    rate = {"credits": "18", "from": at.date().isoformat(), "evidence": Evidence.DEMONSTRATION}
    component = {
        "metric": Metric.SUBSCRIPTION_MONTH,
        "label": "",
        "included": "0",
        "step": "0",
        "free_months": 0,
        "rate": {**rate, "source": "Demonstration data.", "source_date": ""},
    }
    publishing.save_plan(
        draft,
        slug="",
        values={"name": "Course", "summary": "A small server for each participant.", "components": [component]},
        by=petra,
        at=at,
    )
    publishing.submit(draft, note="For summer schools, by the month.", by=petra, at=at)
