"""What is asked of a provider: the items of an application, in the order in which they are filled in.

They are the requirements and key responsibilities that EarthCODE publishes for its two kinds of platform, and the duties of
a provider in the Network of Resources, in our own words. Each names its source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

Words: TypeAlias = "str | _StrPromise"


class Kind(StrEnum):
    """The two kinds of platform; one platform may be both."""

    OPEN_SCIENCE = "open_science"
    INFRASTRUCTURE = "infrastructure"


BOTH = frozenset(Kind)
OPEN_SCIENCE = frozenset({Kind.OPEN_SCIENCE})
INFRASTRUCTURE = frozenset({Kind.INFRASTRUCTURE})


@dataclass(frozen=True)
class Source:
    """The document an item comes from."""

    title: str
    url: str


_DOCUMENTATION = "https://github.com/ESA-EarthCODE/documentation/blob/main/"


def _page(title: str, path: str) -> Source:
    folder = "pages/Integrating New Platforms to EarthCODE/"
    return Source(f"EarthCODE documentation, {title}", _DOCUMENTATION + quote(f"{folder}{path}"))


RESPONSIBILITIES = _page("Integrating New Platforms", "index.md")
HOW_TO_APPLY = _page("How To Apply", "How To Apply.md")
DEEP_DIVE = _page("Deep Dive into EarthCODE", "Deep Dive into EarthCODE.md")
ACCESS_MANAGEMENT = _page("User Access Management", "Technical Requirements/User-Access-Management.md")
DATA = _page("Access", "Technical Requirements/Access.md")
DEVELOP = _page("Develop", "Technical Requirements/Develop.md")
EXECUTE = _page("Execute", "Technical Requirements/Execute.md")
PUBLISH = _page("Publish", "Technical Requirements/Publish.md")
USER_GUIDE = _page("User Documentation for Platforms", "User Documentation for Platforms Guide.md")
NOR_PROVIDERS = Source("Network of Resources, for providers", "https://nor-discover.org/en/providers/")


class Form(StrEnum):
    """What is written into a field."""

    TEXT = "text"
    LINE = "line"
    ADDRESS = "address"
    CHOICE = "choice"


@dataclass(frozen=True)
class Field:
    """One question of an item. ``check`` is the code of what a machine looks at (``checks.CHECKS``)."""

    name: str
    label: Words
    form: Form = Form.TEXT
    required: bool = True
    hint: Words = ""
    check: str = ""
    choices: tuple[tuple[str, Words], ...] = ()


def text(name: str, label: Words, hint: Words = "", *, required: bool = True) -> Field:
    return Field(name, label, Form.TEXT, required, hint)


def line(name: str, label: Words, hint: Words = "", *, required: bool = True) -> Field:
    return Field(name, label, Form.LINE, required, hint)


def address(name: str, label: Words, hint: Words = "", *, check: str, required: bool = False) -> Field:
    return Field(name, label, Form.ADDRESS, required, hint, check)


@dataclass(frozen=True)
class Requirement:
    """One item of an application.

    ``one_of`` names fields of which at least one must be filled in.
    """

    code: str
    title: Words
    kinds: frozenset[Kind]
    asked: Words
    source: Source
    fields: tuple[Field, ...]
    one_of: tuple[str, ...] = ()

    def field(self, name: str) -> Field:
        return next(each for each in self.fields if each.name == name)

    def applies_to(self, kinds: frozenset[Kind]) -> bool:
        return bool(self.kinds & kinds)


REQUIREMENTS: Mapping[str, Requirement] = {
    each.code: each
    for each in (
        Requirement(
            "standing",
            _("The organisation and its users"),
            BOTH,
            _(
                "A service that already runs, with people who use it. Say since when it runs, who uses it and for what, "
                "where the organisation is registered, and what shows that you may speak for it."
            ),
            HOW_TO_APPLY,
            (
                address("platform_url", _("Address of the platform"), check="answers", required=True),
                text("users", _("Who uses it"), _("Since when, how many people, for which kind of work.")),
                text(
                    "mandate",
                    _("What shows that you may speak for the organisation"),
                    _("For example your role, and a page of the organisation that names you."),
                ),
            ),
        ),
        Requirement(
            "registration",
            _("Registration in the Network of Resources"),
            INFRASTRUCTURE,
            _(
                "A provider is registered at esa-star, has its seat in an ESA member state and is on board of the Network "
                "of Resources. Say how far you are; an entry in the portfolio is enough."
            ),
            NOR_PROVIDERS,
            (
                line("esa_star", _("esa-star registration"), _("The bidder code, or since when it is under way.")),
                address("portfolio_url", _("Your entry in the portfolio, if there is one"), check="answers"),
                text("state", _("What is done and what is not")),
            ),
        ),
        Requirement(
            "sso",
            _("EarthCODE single sign-on"),
            BOTH,
            _(
                "People sign in with the identity they have at EarthCODE, by OpenID Connect with an authorization code. "
                "EarthCODE gives the platform a client of its own, for the redirect addresses you name."
            ),
            ACCESS_MANAGEMENT,
            (
                address(
                    "sign_in_url",
                    _("Where signing in begins"),
                    _("The address behind “Sign in with EarthCODE”. It has to lead to the single sign-on."),
                    check="sign_in",
                    required=True,
                ),
                address(
                    "issuer_url",
                    _("Your own OpenID issuer, if you have one in between"),
                    _("The issuer itself, without /.well-known/openid-configuration."),
                    check="oidc",
                ),
                text(
                    "redirects",
                    _("Redirect addresses and scopes"),
                    _("What the client is to be registered with, and which claims the platform reads."),
                ),
            ),
        ),
        Requirement(
            "documentation",
            _("Documentation for users"),
            BOTH,
            _(
                "Pages that a scientist who has never seen the platform can follow: getting in, developing and running "
                "workflows, data, special hardware, sizes and what they are good for, tutorials, support."
            ),
            USER_GUIDE,
            (
                address("documentation_url", _("Address of the documentation"), check="answers", required=True),
                text("covers", _("What it covers, and what is still missing")),
            ),
        ),
        Requirement(
            "data",
            _("Access to data"),
            BOTH,
            _(
                "Data can be found and read in standard ways: a STAC API for finding, cloud-ready files on S3 or over HTTP "
                "for reading, OGC APIs where features or coverages are served. Infrastructure keeps it next to the compute."
            ),
            DATA,
            (
                address("stac_url", _("STAC API"), _("Its landing page."), check="stac"),
                address("ogc_url", _("OGC API – Features, Coverages or Records"), _("Its landing page."), check="ogc"),
                address("s3_url", _("S3 endpoint"), check="s3"),
                text("collections", _("Which collections, and how they are read")),
            ),
        ),
        Requirement(
            "execution",
            _("Running workflows"),
            INFRASTRUCTURE,
            _(
                "Workflows that were developed elsewhere run here through a standard interface, are found by the identifier "
                "of their experiment, tell how far they are and hand over their results."
            ),
            EXECUTE,
            (
                address("openeo_url", _("openEO API"), _("Its first page, without a version."), check="openeo"),
                address("processes_url", _("OGC API – Processes"), _("Its landing page."), check="processes"),
                line("other", _("Another interface"), _("For example JupyterHub, Argo, MLflow."), required=False),
                text(
                    "how",
                    _("How a published experiment is run"),
                    _("Which kinds of workflow, and what limits there are."),
                ),
            ),
            one_of=("openeo_url", "processes_url", "other"),
        ),
        Requirement(
            "access",
            _("Giving and taking access"),
            INFRASTRUCTURE,
            _(
                "After a decision, people get in within minutes: this site tells the platform through its own interface who "
                "may use what until when, and takes it back at the end. Say which interface that is."
            ),
            DEEP_DIVE,
            (
                Field(
                    "interface",
                    _("Interface"),
                    Form.CHOICE,
                    choices=(
                        ("jupyterhub", _("JupyterHub, its REST API")),
                        ("other", _("Another one, described below")),
                        ("none", _("None yet")),
                    ),
                ),
                address(
                    "api_url",
                    _("Address of the interface"),
                    _("Nothing secret is sent there before ESA has agreed with you how we sign in."),
                    check="interface",
                ),
                text(
                    "rights",
                    _("How rights are given and taken"),
                    _("Groups, quotas, accounts; what happens at the end."),
                ),
            ),
        ),
        Requirement(
            "development",
            _("Developing workflows"),
            OPEN_SCIENCE,
            _(
                "Scientists write workflows in notebooks, editors or graphical tools, keep them under version control, and "
                "have them built as container images, tested and validated automatically before they run anywhere."
            ),
            DEVELOP,
            (
                text("tools", _("Tools for writing workflows")),
                text(
                    "pipeline",
                    _("Version control, build and test"),
                    _("Which system, and what ends as an image where."),
                ),
                text("validation", _("How workflows, inputs and settings are validated")),
            ),
        ),
        Requirement(
            "exploration",
            _("Finding and exploring results"),
            OPEN_SCIENCE,
            _(
                "Scientists find data and code that is there already, and look at their results without leaving the platform."
            ),
            RESPONSIBILITIES,
            (
                text("finding", _("How existing data and workflows are found and used again")),
                text("viewing", _("Tools for looking at results")),
            ),
        ),
        Requirement(
            "publishing",
            _("Publishing to the Open Science Catalog"),
            OPEN_SCIENCE,
            _(
                "The platform publishes for its users: it makes the STAC and OGC records of products, workflows and "
                "experiments, validates them, and proposes them to the catalogue."
            ),
            PUBLISH,
            (
                text("automation", _("What is automated, and what the user still does")),
                address(
                    "example_url",
                    _("Something published from the platform, if there is any"),
                    check="answers",
                ),
            ),
        ),
        Requirement(
            "prr",
            _("Keeping results in the Project Results Repository"),
            OPEN_SCIENCE,
            _("Finished results go to ESA’s Project Results Repository, through its application package."),
            PUBLISH,
            (text("how", _("How results get there"), _("What works now, and by when the rest does.")),),
        ),
        Requirement(
            "sla",
            _("Service level"),
            BOTH,
            _(
                "What users can rely on: availability, times for answers, how long before a change or an end they hear of it."
            ),
            DEVELOP,
            (
                line("availability", _("Availability"), _("Per month, and how it is measured.")),
                line("notice", _("Notice before breaking changes and before the end of the service")),
                address("sla_url", _("The agreement, where it is published"), check="answers"),
                text("terms", _("What else it says"), required=False),
            ),
        ),
        Requirement(
            "support",
            _("Support"),
            BOTH,
            _("Users of sponsored resources get help from the platform itself."),
            DEEP_DIVE,
            (
                line("contact", _("Where users turn to"), _("A desk, not a person: it is shown in the catalogue.")),
                address("support_url", _("Its page"), check="answers"),
                text("hours", _("When somebody answers, and within what time")),
            ),
        ),
        Requirement(
            "reporting",
            _("Reporting what was used"),
            INFRASTRUCTURE,
            _(
                "The platform measures what is used and reports it for each project: that is what the provider is paid by, "
                "and what scientists see of their credits."
            ),
            DEEP_DIVE,
            (
                text("metered", _("What is measured, in which units, how often")),
                text("per_project", _("How usage is told apart by project")),
                text("delivery", _("How it would reach this site"), _("An interface, a file, by when after the use.")),
            ),
        ),
    )
}


def kinds_of(*, is_open_science: bool, is_infrastructure: bool) -> frozenset[Kind]:
    chosen = {Kind.OPEN_SCIENCE: is_open_science, Kind.INFRASTRUCTURE: is_infrastructure}
    return frozenset(kind for kind, is_it in chosen.items() if is_it)


def applying_to(kinds: frozenset[Kind]) -> list[Requirement]:
    """The items asked of a platform of these kinds."""
    return [each for each in REQUIREMENTS.values() if each.applies_to(kinds)]
