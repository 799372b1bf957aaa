"""Every write to people and their roles: signing in, reading the claims again, signing out.

Roles from claims are granted and taken away here and nowhere else, by what the claims say at the time; those given on the
site in ``administrators``.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction

from earthcode.audit import actions as audit
from earthcode.audit.actors import System
from earthcode.identity import issuer
from earthcode.identity.events import UserEvent
from earthcode.identity.models import GrantSource, Organisation, RoleGrant, SignIn, User
from earthcode.identity.oidc import Claims, ClaimsUnusable, GrantedRole, roles_from
from earthcode.lib.errors import Refused

if TYPE_CHECKING:
    from uuid import UUID

logger = logging.getLogger(__name__)

#: Who stands behind roles that come and go.
SINGLE_SIGN_ON = System("single sign-on")


class PersonDeactivated(Refused):
    """The person exists and may not come in."""

    code = "person_deactivated"


@transaction.atomic
def sign_in(claims: Claims, *, at: datetime) -> User:
    """The person these claims name, made at their first sign-in, with name, address and roles as the claims have them.

    Only ``(issuer, subject)`` says who somebody is: two people may share an e-mail address, and an address may change
    hands. Refuses a deactivated person, and then changes nothing.
    """
    user, new = User.objects.select_for_update(no_key=True, of=("self",)).get_or_create(
        issuer=claims.issuer,
        subject=claims.subject,
        defaults={
            "full_name": claims.full_name,
            "email": claims.email,
            "preferred_username": claims.preferred_username,
            # No password fits; that one is set at all lets Django end the person's sessions by changing it.
            "password": make_password(None),
            "created_at": at,
        },
    )
    _read(user, claims, at=at)
    audit.record(UserEvent.SIGN_IN, by=user, about=user, at=at, data={"first": new})
    return user


def open_session(user: User, tokens: issuer.Tokens, *, at: datetime) -> SignIn:
    """Keep what is needed to read this person's claims again and to sign them out."""
    SignIn.objects.filter(ends_at__lte=at).delete()  # what browsers left behind without signing out
    if not tokens.refresh_token:
        logger.warning("the single sign-on gave no refresh token: claims are read again only at the next sign-in")
    return SignIn.objects.create(
        user=user,
        id_token=tokens.id_token,
        refresh_token=tokens.refresh_token,
        claims_read_at=at,
        refresh_due_at=at + timedelta(seconds=settings.OIDC_REFRESH_AFTER_S),
        ends_at=at + timedelta(seconds=settings.SESSION_COOKIE_AGE),
    )


def close_session(sign_in_id: UUID) -> str:
    """Forget the session's tokens; returns its ID token, empty if there is none."""
    session = SignIn.objects.filter(pk=sign_in_id).first()
    if session is None:
        return ""
    session.delete()
    return session.id_token


class SessionEnded(Refused):
    """The session at the single sign-on is over, so the one here is."""

    code = "session_ended"


def refresh_session(sign_in_id: UUID, *, at: datetime) -> datetime:
    """Read the claims of a running session again if that is due; returns when it is due next.

    Of all requests that find it due, one calls the single sign-on, with no transaction open; the others go on with
    what is known. That is so because the date is moved before the call: whatever becomes of it, the next call is an
    interval away. When the single sign-on cannot be reached the session goes on, with the roles it has.

    Raises ``SessionEnded`` when the single sign-on ended the session, names somebody else, or the person was
    deactivated.
    """
    due_next = at + timedelta(seconds=settings.OIDC_REFRESH_AFTER_S)
    if not SignIn.objects.filter(pk=sign_in_id, refresh_due_at__lte=at).update(refresh_due_at=due_next):
        session = SignIn.objects.filter(pk=sign_in_id).only("refresh_due_at").first()
        if session is None:
            raise SessionEnded("You are no longer signed in.")
        return session.refresh_due_at
    session = SignIn.objects.select_related("user").filter(pk=sign_in_id).first()
    if session is None:
        raise SessionEnded("You are no longer signed in.")
    if not session.refresh_token:
        return session.ends_at
    try:
        tokens = issuer.refresh(session.refresh_token)
        # First of all: the old one is used up.
        SignIn.objects.filter(pk=session.pk).update(
            refresh_token=tokens.refresh_token or session.refresh_token,
            id_token=tokens.id_token or session.id_token,
        )
        claims = Claims.from_answers(
            issuer=settings.OIDC_ISSUER,
            id_token=issuer.verify_id_token(tokens.id_token) if tokens.id_token else {},
            userinfo=issuer.userinfo(tokens.access_token),
        )
        _read_again(session, claims, at=at)
    except issuer.IssuerFailed as problem:
        logger.warning("going on with the roles known from %s: %s", session.claims_read_at, problem)
    except (issuer.GrantGone, Refused) as problem:
        logger.info("ending a session of %s: %s", session.user.audit_id, problem)
        session.delete()
        raise SessionEnded("Your single sign-on session has ended.") from problem
    return due_next


@transaction.atomic
def _read_again(session: SignIn, claims: Claims, *, at: datetime) -> None:
    user = User.objects.select_for_update(no_key=True, of=("self",)).get(pk=session.user_id)
    if (claims.issuer, claims.subject) != (user.issuer, user.subject):
        raise ClaimsUnusable("The single sign-on now names a different person.")
    _read(user, claims, at=at)
    SignIn.objects.filter(pk=session.pk).update(claims_read_at=at)


def _read(user: User, claims: Claims, *, at: datetime) -> None:
    """Bring a locked person up to date with the claims."""
    if not user.is_active:
        raise PersonDeactivated("Your account here has been deactivated. Ask the Network of Resources team about it.")
    user.full_name = claims.full_name
    user.email = claims.email
    user.preferred_username = claims.preferred_username
    user.last_login = at
    user.save(update_fields=["full_name", "email", "preferred_username", "last_login"])
    _set_roles(user, roles_from(claims.said, settings.OIDC_ROLE_CLAIMS), at=at)


def _set_roles(user: User, granted: list[GrantedRole], *, at: datetime) -> None:
    """Make the person's roles from claims exactly these, and record each that comes or goes.

    What was given on the site stays: it is not the single sign-on's to take.
    """
    slugs = {each.organisation for each in granted if each.organisation}
    organisations = {each.slug: each for each in Organisation.objects.filter(slug__in=slugs)} if slugs else {}
    held = {
        (grant.role, grant.organisation.slug if grant.organisation else ""): grant
        for grant in user.role_grants.filter(source=GrantSource.CLAIM).select_related("organisation")
    }
    for each in granted:
        if each.organisation and each.organisation not in organisations:
            logger.warning("%s grants nothing: there is no organisation %s", each.claim, each.organisation)
            continue
        if held.pop((each.role, each.organisation), None) is not None:
            continue
        RoleGrant.objects.create(
            user=user,
            role=each.role,
            organisation=organisations.get(each.organisation),
            claim=each.claim,
            granted_at=at,
        )
        _record(UserEvent.ROLE_GRANTED, user, each.role, each.organisation, each.claim, at=at)
    for (role, organisation), grant in held.items():
        grant.delete()
        _record(UserEvent.ROLE_REMOVED, user, role, organisation, grant.claim, at=at)


def _record(name: UserEvent, user: User, role: str, organisation: str, claim: str, *, at: datetime) -> None:
    data = {"role": str(role), "claim": claim} | ({"organisation": organisation} if organisation else {})
    audit.record(name, by=SINGLE_SIGN_ON, about=user, at=at, data=data)
