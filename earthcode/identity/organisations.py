"""Organisations that come about on the site; those of the catalogue come with its files."""

from datetime import datetime

from django.db import connection, transaction
from django.utils.text import slugify

from earthcode.audit import actions as audit
from earthcode.identity.events import OrganisationEvent
from earthcode.identity.models import Organisation, User
from earthcode.identity.roles import Permission
from earthcode.lib.errors import NotPermitted, Refused


class OrganisationExists(Refused):
    """There is an organisation of this name already."""

    code = "organisation_exists"


def named(name: str) -> Organisation | None:
    """The organisation of this name, however its letters are written; the one known for longest where there are several."""
    return Organisation.objects.filter(name__iexact=" ".join(name.split())).order_by("pk").first()


@transaction.atomic
def register(*, name: str, country: str = "", website: str = "", by: User, at: datetime) -> Organisation:
    """A new organisation, for ESA to make when it accepts one; its address is made of its name."""
    if not by.may(Permission.APPLICATION_DECIDE):
        raise NotPermitted("Only ESA can register organisations.")
    name = " ".join(name.split())
    # Two of one name at the same moment would find the same slug free.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('identity_organisation_slug'))")
    if named(name) is not None:
        raise OrganisationExists(f"There is an organisation of the name {name} already.")
    base = slugify(name)[:70].strip("-") or "organisation"
    taken = set(Organisation.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    slug = next(
        each for number in range(len(taken) + 1) if (each := f"{base}-{number + 1}" if number else base) not in taken
    )
    organisation = Organisation.objects.create(slug=slug, name=name, country=country, website=website)
    audit.record(OrganisationEvent.REGISTER, by=by, about=organisation, at=at, data={"name": name})
    return organisation
