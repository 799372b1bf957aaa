"""Django system checks of the settings that are not of one app: each says what is wrong and how to put it right.

The single sign-on's are in ``earthcode/identity/checks.py``.
"""

from __future__ import annotations

from ctypes.util import find_library
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string
from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES

from earthcode.connectors.base import Connector
from earthcode.identity.checks import LOOPBACK
from earthcode.lib.fetch import networks_from


@checks.register(checks.Tags.security)
def site(**_: object) -> list[checks.CheckMessage]:
    """``SITE_URL`` is where people find the site, and a site on the network has a secret of its own."""
    url = urlsplit(settings.SITE_URL)
    if url.scheme not in {"http", "https"} or not url.hostname or url.path or url.query:
        return [
            checks.Error(
                f"SITE_URL is no address of a site: “{settings.SITE_URL}”.",
                hint="Give scheme and host, for example SITE_URL=https://nor.example.org, and nothing after them.",
                id="web.E001",
            )
        ]
    if url.hostname in LOOPBACK:
        return []
    found: list[checks.CheckMessage] = []
    if settings.DEMO:
        found.append(
            checks.Warning(
                "DEMO is on, so invented people and offerings can be put into a site on the network.",
                hint="Leave DEMO out.",
                id="web.W012",
            )
        )
    if settings.SECRET_KEY == settings.INSECURE_SECRET_KEY:
        found.append(
            checks.Error(
                "SECRET_KEY is the one of the demo, which everybody can read, but SITE_URL is on the network.",
                hint="Set SECRET_KEY to what this prints: python -c 'import secrets; print(secrets.token_urlsafe(50))'",
                id="web.E002",
            )
        )
    if url.scheme == "http":
        found.append(
            checks.Warning(
                "SITE_URL is plain http, so sessions can be read and taken over on the way.",
                hint="Set SITE_URL=https://… and put TLS in front of the site; BEHIND_PROXY=1 if a proxy does that.",
                id="web.W003",
            )
        )
    return found


@checks.register(checks.Tags.compatibility)
def broker(**_: object) -> list[checks.CheckMessage]:
    """``CELERY_BROKER_URL`` names a broker that Celery knows and whose client is installed. Nobody is asked whether it is up:
    ``manage.py status`` does that.
    """
    scheme = settings.CELERY_BROKER_URL.partition("://")[0]
    if scheme.partition("+")[0] not in TRANSPORT_ALIASES:
        return [
            checks.Error(
                f"CELERY_BROKER_URL names a broker that Celery does not know: “{scheme}”.",
                hint="Use redis://…, rediss://…, amqp://… or amqps://….",
                id="web.E004",
            )
        ]
    try:
        connection = Connection(settings.CELERY_BROKER_URL)
        connection.create_transport()
        connection.info()  # reads the whole address
    except Exception as problem:
        return [
            checks.Error(
                f"CELERY_BROKER_URL names a broker that cannot be used: {problem or type(problem).__name__}",
                hint="Check the address, and that the broker's client is installed; those of Redis and RabbitMQ are.",
                id="web.E011",
            )
        ]
    if scheme in {"filesystem", "memory"} and urlsplit(settings.SITE_URL).hostname not in LOOPBACK:
        return [
            checks.Warning(
                f"CELERY_BROKER_URL is {scheme}://, which reaches no worker on another machine.",
                hint="Use redis://… or amqp://…. Nothing is lost without it: the clock wakes workers on this machine.",
                id="web.W005",
            )
        ]
    return []


@checks.register(checks.Tags.security)
def fetching(**_: object) -> list[checks.CheckMessage]:
    """``FETCH_ALLOWED_NETWORKS`` are networks, and there are none of them on a site on the network."""
    try:
        networks = networks_from(settings.FETCH_ALLOWED_NETWORKS)
    except ValueError as problem:
        return [
            checks.Error(
                f"FETCH_ALLOWED_NETWORKS names what is no network: {problem}",
                hint="Write networks like 127.0.0.0/8, separated by commas, or leave it out.",
                id="web.E008",
            )
        ]
    if networks and urlsplit(settings.SITE_URL).hostname not in LOOPBACK:
        return [
            checks.Warning(
                "FETCH_ALLOWED_NETWORKS lets addresses that anybody may give lead into our own networks.",
                hint="Leave it out. It is for a demo on one machine.",
                id="web.W009",
            )
        ]
    return []


@checks.register(checks.Tags.compatibility)
def pdf(**_: object) -> list[checks.CheckMessage]:
    """The libraries of the system that PDFs are drawn with are there."""
    missing = [name for name in ("pango-1.0", "pangoft2-1.0", "harfbuzz-subset") if not find_library(name)]
    if not missing:
        return []
    return [
        checks.Warning(
            f"PDFs of statements and letters cannot be drawn: the system has no {', no '.join(missing)}.",
            hint="On Debian and Ubuntu: apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0.",
            id="web.W013",
        )
    ]


@checks.register(checks.Tags.compatibility)
def connectors(**_: object) -> list[checks.CheckMessage]:
    """Each of ``CONNECTORS`` is there, is a connector, and is done before a worker loses its claim."""
    found: list[checks.CheckMessage] = []
    for kind, path in settings.CONNECTORS.items():
        try:
            connector = import_string(path)
        except ImportError as problem:
            found.append(
                checks.Error(
                    f"CONNECTORS names {path} for “{kind}”, which cannot be imported: {problem}",
                    hint="Write the dotted path of a class in earthcode/connectors/, and install what it needs.",
                    id="web.E006",
                )
            )
            continue
        if not (isinstance(connector, type) and issubclass(connector, Connector)):
            found.append(
                checks.Error(
                    f"CONNECTORS names {path} for “{kind}”, which is no connector.",
                    hint="A connector is a subclass of earthcode.connectors.base.Connector.",
                    id="web.E007",
                )
            )
            continue
        if connector.timeout_s >= settings.OPERATION_TIME_S:
            found.append(
                checks.Error(
                    f"OPERATION_TIME_S is {settings.OPERATION_TIME_S}, but the connector “{kind}” may work for "
                    f"{connector.timeout_s:g} seconds: a worker would lose its claim while it is still at it.",
                    hint=f"Set OPERATION_TIME_S to more than {connector.timeout_s:g}; twice as much is a good choice.",
                    id="web.E010",
                )
            )
    return found
