"""Platforms that come about on the site; those of the catalogue's files come with an import."""

from datetime import datetime

from django.db import connection, transaction
from django.utils.text import slugify

from earthcode.audit import actions as audit
from earthcode.catalogue.events import PlatformEvent
from earthcode.catalogue.models import Platform
from earthcode.identity.models import Organisation, User
from earthcode.identity.roles import Permission
from earthcode.lib.errors import NotPermitted


def named(name: str, *, provider: Organisation) -> Platform | None:
    """The provider's platform of this name, however its letters are written."""
    return Platform.objects.filter(provider=provider, name__iexact=" ".join(name.split())).order_by("pk").first()


@transaction.atomic
def register(
    *,
    provider: Organisation,
    name: str,
    is_open_science: bool,
    is_infrastructure: bool,
    access_url: str = "",
    by: User,
    at: datetime,
) -> Platform:
    """The provider's platform of this name, made or brought up to date; what kind it was already, it stays.

    Nothing is offered on it by this, and we cannot call it: its connector is set up by hand.
    """
    if not by.may(Permission.APPLICATION_DECIDE):
        raise NotPermitted("Only ESA takes on platforms.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('catalogue_platform_slug'))")
    name = " ".join(name.split())
    platform = named(name, provider=provider) or Platform(provider=provider, name=name, slug=_free_slug(name))
    platform.is_open_science = platform.is_open_science or is_open_science
    platform.is_infrastructure = platform.is_infrastructure or is_infrastructure
    platform.access_url = platform.access_url or access_url
    platform.save()
    audit.record(PlatformEvent.REGISTER, by=by, about=platform, at=at, data={"provider": provider.slug})
    return platform


def _free_slug(name: str) -> str:
    base = slugify(name)[:70].strip("-") or "platform"
    taken = set(Platform.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    return next(
        slug for number in range(len(taken) + 1) if (slug := f"{base}-{number + 1}" if number else base) not in taken
    )
