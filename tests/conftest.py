"""People and things that any test may ask for by name.

Everything hangs on ``now``, one Monday morning. Pages read the clock themselves, so a test of a page asks for ``clock`` (or
for a client, which does), and the pages then live on that Monday too.
"""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.db.backends.postgresql.operations import DatabaseOperations
from django.db.backends.postgresql.psycopg_any import DateRange
from django.test import Client, override_settings
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

if TYPE_CHECKING:
    from earthcode.catalogue.models import Plan, Platform
    from earthcode.catalogue.pricing import Workload
    from earthcode.identity.models import Organisation, Project, User
    from earthcode.identity.roles import Role
    from earthcode.sponsorship.models import Award, Call, ResourceRequest

ISSUER = "https://sso.science.example/realms/earthcode"

MakePerson = Callable[..., "User"]


@pytest.fixture(autouse=True)
def _a_site_of_its_own(settings: Any) -> None:
    """Static files without ``collectstatic``, and a broker that no running site listens to."""
    from earthcode.celery import app

    storages = {**settings.STORAGES}
    storages["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = storages
    # All tests come from one address.
    settings.RATE_LIMITS = {}
    app.conf.broker_url = "memory://"
    app.conf.broker_transport_options = {}


@pytest.fixture(scope="session", autouse=True)
def _a_folder_for_static_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """WhiteNoise warns where there is none. For the whole session, because the live server starts before any test."""
    with override_settings(STATIC_ROOT=tmp_path_factory.mktemp("static")):
        yield


@pytest.fixture(scope="session", autouse=True)
def _emptying_tables_between_tests() -> Iterator[None]:
    """Tests that commit (races, live servers) are followed by a TRUNCATE, which the ledger and the audit trail refuse."""
    original = DatabaseOperations.execute_sql_flush

    def execute_sql_flush(self: DatabaseOperations, sql_list: list[str]) -> None:
        original(self, ["SET LOCAL session_replication_role = replica", *sql_list])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "execute_sql_flush", execute_sql_flush)
        yield


# --- time ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def now() -> datetime:
    """Monday 2 November 2026, ten in the morning."""
    return datetime(2026, 11, 2, 10, 0, tzinfo=UTC)


@pytest.fixture
def clock(now: datetime, monkeypatch: pytest.MonkeyPatch) -> "Clock":
    """What pages, the API and tasks read as the time; ``clock.now`` may be set."""
    hands = Clock(now)
    monkeypatch.setattr(timezone, "now", hands.read)
    return hands


class Clock:
    """A clock that stands still until somebody moves it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def read(self) -> datetime:
        return self.now

    def forward(self, **of_timedelta: float) -> datetime:
        self.now += timedelta(**of_timedelta)
        return self.now


# --- organisations ---------------------------------------------------------------------------------------------------


@pytest.fixture
def institute(db: None) -> "Organisation":
    """Where Alice and Ben work."""
    from earthcode.identity.models import Organisation

    return Organisation.objects.create(slug="alpine-institute", name="Alpine Institute", country="AT")


@pytest.fixture
def esa(db: None) -> "Organisation":
    from earthcode.identity.models import Organisation

    return Organisation.objects.create(slug="esa", name="European Space Agency")


@pytest.fixture
def provider(db: None) -> "Organisation":
    """Runs the hub; Petra is its administrator."""
    from earthcode.identity.models import Organisation

    return Organisation.objects.create(slug="hub-house", name="Hub House", country="DE")


@pytest.fixture
def other_provider(db: None) -> "Organisation":
    """Runs the batch cluster."""
    from earthcode.identity.models import Organisation

    return Organisation.objects.create(slug="cluster-works", name="Cluster Works", country="PL")


# --- people ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def person(db: None, now: datetime) -> MakePerson:
    """Makes a person who has signed in before: ``person("carla", "Carla Ruiz", organisation=…, role=…)``."""
    from earthcode.identity.models import RoleGrant, User

    def make(
        username: str,
        full_name: str = "",
        *,
        organisation: "Organisation | None" = None,
        role: "Role | None" = None,
        role_for: "Organisation | None" = None,
    ) -> User:
        user = User.objects.create(
            issuer=ISSUER,
            subject=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{ISSUER}/{username}")),
            preferred_username=username,
            full_name=full_name or f"{username.capitalize()} Example",
            email=f"{username}@science.example",
            organisation=organisation,
            created_at=now,
        )
        user.set_unusable_password()
        user.save(update_fields=["password"])
        if role is not None:
            RoleGrant.objects.create(
                user=user, role=role, organisation=role_for, claim=f"groups={role}", granted_at=now
            )
        return user

    return make


@pytest.fixture
def alice(person: MakePerson, institute: "Organisation") -> "User":
    """The principal investigator."""
    return person("alice", "Alice Martin", organisation=institute)


@pytest.fixture
def ben(person: MakePerson, institute: "Organisation") -> "User":
    """A member of Alice's project (when ``project`` is asked for, too)."""
    return person("ben", "Ben Okafor", organisation=institute)


@pytest.fixture
def maria(person: MakePerson, esa: "Organisation") -> "User":
    """An ESA manager."""
    from earthcode.identity.roles import Role

    return person("maria", "Maria Rossi", organisation=esa, role=Role.ESA_MANAGER)


@pytest.fixture
def marc(person: MakePerson, esa: "Organisation") -> "User":
    """A second ESA manager."""
    from earthcode.identity.roles import Role

    return person("marc", "Marc Dubois", organisation=esa, role=Role.ESA_MANAGER)


@pytest.fixture
def petra(person: MakePerson, provider: "Organisation") -> "User":
    """An administrator of ``provider``."""
    from earthcode.identity.roles import Role

    return person("petra", "Petra Novak", organisation=provider, role=Role.PROVIDER_ADMINISTRATOR, role_for=provider)


@pytest.fixture
def tomas(person: MakePerson, esa: "Organisation") -> "User":
    """The Technical Officer of ``project``."""
    from earthcode.identity.roles import Role

    return person("tomas", "Tomas Lindberg", organisation=esa, role=Role.TECHNICAL_OFFICER)


@pytest.fixture
def stranger(person: MakePerson) -> "User":
    """Signed in, and without any role or project."""
    return person("sam", "Sam Stranger")


# --- what can be requested -------------------------------------------------------------------------------------------


@pytest.fixture
def hub_platform(provider: "Organisation") -> "Platform":
    return _platform("hub", "Coastal Hub", provider)


@pytest.fixture
def batch_platform(other_provider: "Organisation") -> "Platform":
    return _platform("batch", "Batch Cluster", other_provider)


@pytest.fixture
def hub_plan(hub_platform: "Platform", now: datetime) -> "Plan":
    """Notebooks: 0.08 credits a vCPU-hour and 0.02 a GB-month, Platform Tier, on a simulated platform."""
    return plan_on(hub_platform, "Notebooks", {"vcpu_hour": "0.08", "gb_month": "0.02"}, tier="platform", at=now)


@pytest.fixture
def batch_plan(batch_platform: "Platform", now: datetime) -> "Plan":
    """Batch processing: 0.05 credits a vCPU-hour, Platform Tier, on a second simulated platform."""
    return plan_on(batch_platform, "Batch", {"vcpu_hour": "0.05"}, tier="platform", at=now)


@pytest.fixture
def unpriced_plan(batch_platform: "Platform", now: datetime) -> "Plan":
    """Its price is on request."""
    return plan_on(batch_platform, "Archive", {}, tier="platform", at=now)


@pytest.fixture
def workload() -> "Workload":
    """8 vCPU and 32 GB for 60 hours a month, 500 GB, 6 months."""
    from earthcode.catalogue.pricing import Workload

    return Workload(vcpu=8, memory_gb=32, gpu="", hours=Decimal(60), storage_gb=500, months=6)


def _platform(slug: str, name: str, provider: "Organisation") -> "Platform":
    from earthcode.catalogue.models import Platform

    return Platform.objects.create(
        slug=slug,
        name=name,
        provider=provider,
        is_infrastructure=True,
        earthcode_integrated=True,
        access_url=f"https://{slug}.platform.example/",
        connector="simulated",
    )


def plan_on(platform: "Platform", name: str, rates: dict[str, str], *, tier: str, at: datetime) -> "Plan":
    from earthcode.catalogue.models import Component, Evidence, Offering, Plan, Rate
    from earthcode.lib.money import credits

    offering = Offering.objects.create(
        slug=f"{platform.slug}-{name.lower()}",
        platform=platform,
        name=f"{name} on {platform.name}",
        summary=f"{name} next to the data.",
        tier=tier,
        service_types=["IDE"],
        sponsorable=True,
        updated_at=at,
    )
    plan = Plan.objects.create(offering=offering, slug="standard", name="Standard")
    for metric, rate in rates.items():
        component = Component.objects.create(plan=plan, metric=metric)
        Rate.objects.create(
            component=component,
            valid=DateRange(date(2026, 1, 1), None),
            micro_per_unit=Decimal(credits(rate)),
            evidence=Evidence.DEMONSTRATION,
        )
    return plan


# --- projects, calls, requests ---------------------------------------------------------------------------------------


@pytest.fixture
def project(alice: "User", ben: "User", now: datetime) -> "Project":
    """Led by Alice, with Ben as a member."""
    from earthcode.identity import projects

    project = projects.create_project(title="Alpine snow", summary="Snow mass in the Alps.", by=alice, at=now)
    projects.add_member(project, user=ben, by=alice, at=now)
    ben.forget_grants()
    return project


@pytest.fixture
def call(db: None, now: datetime) -> "Call":
    """Open since January, 100 000 credits, at most 6 000 for one request, 10 working days."""
    from earthcode.audit.actors import System
    from earthcode.ledger import actions as ledger
    from earthcode.lib.money import credits
    from earthcode.sponsorship.models import Call

    call = Call.objects.create(
        slug="open-science-2026",
        title="Open Science 2026",
        opens_on=date(2026, 1, 1),
        ceiling=credits(6_000),
        endorsed_tiers=["resource"],
    )
    ledger.fund(call.slug, credits(100_000), key=uuid.uuid4(), by=System("import"), at=now)
    return call


@pytest.fixture
def draft(alice: "User", project: "Project", now: datetime) -> "ResourceRequest":
    """A title and a project; every other task is open."""
    from earthcode.sponsorship import actions as sponsorship

    return sponsorship.start(title="Alpine snow mass balance", project=project, by=alice, at=now)


@pytest.fixture
def complete_draft(
    draft: "ResourceRequest",
    alice: "User",
    hub_plan: "Plan",
    batch_plan: "Plan",
    workload: "Workload",
    now: datetime,
) -> "ResourceRequest":
    """Two lines on two platforms, and nothing left to do but send."""
    from earthcode.sponsorship import actions as sponsorship

    for plan in (hub_plan, batch_plan):
        sponsorship.save_line(draft, plan=plan, workload=workload, by=alice, at=now)
    sponsorship.save_period(draft, starts_on=date(2026, 12, 1), by=alice, at=now)
    sponsorship.save_case(draft, science_case="We measure **snow mass** from Sentinel-1.", by=alice, at=now)
    sponsorship.save_declarations(draft, non_commercial=True, no_provider_tie=True, will_publish=True, by=alice, at=now)
    return draft


@pytest.fixture
def sent_request(complete_draft: "ResourceRequest", call: "Call", alice: "User", now: datetime) -> "ResourceRequest":
    """Sent by Alice to ``call``, in review."""
    from earthcode.sponsorship import actions as sponsorship

    sponsorship.submit(complete_draft, by=alice, at=now)
    return complete_draft


@pytest.fixture
def award(sent_request: "ResourceRequest", maria: "User", now: datetime) -> "Award":
    """What Maria granted: the credits are with the award, and an allocation for each line is being set up."""
    from earthcode.provisioning import actions as provisioning

    return provisioning.grant(sent_request, reason="Good science.", by=maria, at=now)


# --- signed-in clients -----------------------------------------------------------------------------------------------


@pytest.fixture
def signed_in(clock: Clock) -> Callable[["User"], Client]:
    """Makes a client of a person: ``signed_in(alice).get("/home/")``."""

    def make(user: "User") -> Client:
        client = Client()
        client.force_login(user)
        return client

    return make


def _client_of(name: str) -> Any:
    @pytest.fixture(name=f"as_{name}")
    def as_person(request: pytest.FixtureRequest, signed_in: Callable[["User"], Client]) -> Client:
        return signed_in(request.getfixturevalue(name))

    return as_person


as_alice = _client_of("alice")
as_ben = _client_of("ben")
as_maria = _client_of("maria")
as_marc = _client_of("marc")
as_petra = _client_of("petra")
as_tomas = _client_of("tomas")
as_stranger = _client_of("stranger")


# --- the test database -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Number the rows of each table in a range of its own; at the end, disconnect what is still connected to the database.

    Where the first row of every table is number 1, a test that takes one id for another passes by chance, or fails by it.
    And Playwright runs an event loop in the test's thread: Django opens a connection of its own inside of it, which nobody
    closes.
    """
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, 1000 * row_number() OVER (ORDER BY sequencename))"
            " FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NULL"
        )
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


# --- the browser -----------------------------------------------------------------------------------------------------

#: Chromium must not call home, and runs as root in containers.
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The system's Chromium, because Playwright's own is a download. ``CHROMIUM`` names another one."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    program = os.environ.get("CHROMIUM") or next((found for name in names if (found := shutil.which(name))), None)
    if program is None:
        pytest.fail("The browser tests need Chromium: install it, or say where it is in CHROMIUM.")
    # Playwright's synchronous API runs an event loop in the test's thread, which Django would refuse the database in.
    os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    return {**browser_type_launch_args, "executable_path": program, "args": CHROMIUM_FLAGS}
