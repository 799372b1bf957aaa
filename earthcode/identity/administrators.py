"""Who looks after a provider, where that was given on the site.

The single sign-on names some administrators by their groups. Others are named here: the one whose application ESA
accepted, and whom an administrator or ESA adds. No sign-in touches what is given here.
"""

from __future__ import annotations

from datetime import datetime

from django.db import models, transaction

from earthcode.audit import actions as audit
from earthcode.identity.events import OrganisationEvent
from earthcode.identity.models import GrantSource, Organisation, RoleGrant, User
from earthcode.identity.roles import Permission, Role
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused


class GivenByTheSingleSignOn(Refused):
    """A role that comes with a claim goes with it, and cannot be taken away here."""

    code = "given_by_the_single_sign_on"


class LastAdministrator(Refused):
    """Nobody would look after the provider any more."""

    code = "last_administrator"


@transaction.atomic
def add(organisation: Organisation, *, user: User, by: User, at: datetime) -> RoleGrant:
    """Let this person look after the provider; giving it again changes nothing.

    Nobody gives it to themself: an ESA manager who did would decide about their own provider.
    """
    _lock(organisation, by)
    if user.pk == by.pk:
        raise InvalidInput("Someone else has to add you.", field="person")
    if not user.is_active:
        raise InvalidInput(f"{user}’s account here has been deactivated.", field="person")
    grant, new = RoleGrant.objects.get_or_create(
        user=user,
        role=Role.PROVIDER_ADMINISTRATOR,
        organisation=organisation,
        source=GrantSource.SITE,
        defaults={"given_by": by, "granted_at": at},
    )
    if new:
        user.forget_grants()
        audit.record(OrganisationEvent.ADD_ADMINISTRATOR, by=by, about=organisation, at=at, data=_about(user))
    return grant


@transaction.atomic
def remove(organisation: Organisation, *, user: User, by: User, at: datetime) -> None:
    """Take back what was given here; taking it from somebody who does not have it changes nothing.

    The last administrator cannot leave: only ESA leaves a provider without anybody.
    """
    _lock(organisation, by)
    grants = of(organisation).filter(user=user)
    given = grants.filter(source=GrantSource.SITE).first()
    if given is None:
        if grants.exists():
            raise GivenByTheSingleSignOn(
                f"{user} is an administrator by a group of the single sign-on. It ends when the group does."
            )
        return
    if user.pk == by.pk and not of(organisation).exclude(user=user).exists():
        raise LastAdministrator("You are the last administrator. Add someone else first.")
    given.delete()
    user.forget_grants()
    audit.record(OrganisationEvent.REMOVE_ADMINISTRATOR, by=by, about=organisation, at=at, data=_about(user))


def of(organisation: Organisation) -> models.QuerySet[RoleGrant]:
    """All grants of this provider's administrators, from wherever they come; a person may have two."""
    grants = RoleGrant.objects.filter(organisation=organisation, role=Role.PROVIDER_ADMINISTRATOR, user__is_active=True)
    return grants.select_related("user", "given_by").order_by("user__full_name", "user__pk", "source", "pk")


def _lock(organisation: Organisation, by: User) -> None:
    """One change at a time, so that two administrators cannot take each other's role away at the same moment."""
    Organisation.objects.select_for_update(no_key=True).get(pk=organisation.pk)
    by.forget_grants()
    if not by.may(Permission.ADMINISTRATORS_MANAGE, organisation):
        raise NotPermitted("Only the provider’s administrators and ESA can change its administrators.")


def _about(user: User) -> dict[str, str]:
    return {"user": user.audit_id, "name": str(user)}
