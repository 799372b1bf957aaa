"""System checks of the database: ``manage.py check --database default`` runs them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks

from earthcode.lib import database, rights

_migrating: ContextVar[bool] = ContextVar("migrating", default=False)


@contextmanager
def put_off() -> Iterator[None]:
    """While ``migrate`` runs nothing is compared: it is what puts things right, and the owner runs it."""
    token = _migrating.set(True)
    try:
        yield
    finally:
        _migrating.reset(token)


@checks.register(checks.Tags.database)
def release(databases: Sequence[str] | None = None, **_: object) -> list[checks.CheckMessage]:
    """Migrations, functions, triggers and rights in the database are those of the release."""
    if not databases or _migrating.get():
        return []
    return [
        checks.Error(
            f"The database is not as this release needs it: {problem}",
            hint="docs/upgrading.md says how to put it right.",
            id="lib.E001",
        )
        for problem in database.problems()
    ]


@checks.register(checks.Tags.database)
def serving_login(databases: Sequence[str] | None = None, **_: object) -> list[checks.CheckMessage]:
    """The login of ``DATABASE_URL`` can change neither the books nor the audit trail. A warning where the site is on loopback."""
    if not databases or _migrating.get():
        return []
    excess = rights.excess_of_this_login()
    if not excess:
        return []
    on_loopback = urlsplit(settings.SITE_URL).hostname in {"127.0.0.1", "::1", "localhost"}
    kind = checks.Warning if on_loopback else checks.Error
    return [
        kind(
            f"The login of DATABASE_URL could change the books or the audit trail: it {'; it '.join(excess[:5])}.",
            hint=f"Serve as a member of {rights.role()} and migrate as the owner; docs/upgrading.md says how.",
            id="lib.W003" if on_loopback else "lib.E002",
        )
    ]
