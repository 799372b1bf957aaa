"""Who stands behind a request to the API: the bearer token of the same single sign-on.

Built on mozilla-django-oidc, which reads the header and fits Django REST framework. What it would do with the token is
replaced: it asks the issuer's userinfo at each request, takes tokens made for anybody, and finds people by e-mail
address. Here a token is checked by itself (``identity.issuer``), must be made for this API, and names a person by
issuer and subject.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from mozilla_django_oidc.auth import OIDCAuthenticationBackend
from mozilla_django_oidc.contrib.drf import OIDCAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from earthcode.identity import issuer
from earthcode.identity.models import HeldRole, User
from earthcode.identity.oidc import roles_from, speaks_of
from earthcode.lib.text import is_keepable

# The libraries decide what their hooks are given:
# ruff: noqa: ARG002


class InsufficientScope(PermissionDenied):
    """The token may read and not write (RFC 6750, 3.1)."""

    default_code = "insufficient_scope"
    auth_header = 'Bearer realm="nor"'
    auth_error = "insufficient_scope"


class StillGiven:
    """Asks the claims of a token about each role that is kept of its owner."""

    def __init__(self, claims: Mapping[str, Any]) -> None:
        self._claims = claims
        self._given = {(each.role, each.organisation) for each in roles_from(claims, settings.OIDC_ROLE_CLAIMS)}
        #: Whether some role counted that the token says nothing about.
        self.rests_on_the_last_sign_in = False

    def __call__(self, held: HeldRole) -> bool:
        if held.claim and speaks_of(self._claims, settings.OIDC_ROLE_CLAIMS, claim=held.claim):
            return (held.role, held.organisation) in self._given
        self.rests_on_the_last_sign_in = True
        return True


class BearerBackend(OIDCAuthenticationBackend):  # type: ignore[misc]  # the library has no type information
    """From a token to a person."""

    def __init__(self) -> None:
        """The parent reads the issuer's endpoints from the settings; ``identity.issuer`` discovers them."""
        self.UserModel = User
        #: Of the token that was taken.
        self.claims: Mapping[str, Any] = {}

    def verify_token(self, token: str, **kwargs: Any) -> Mapping[str, Any]:
        return issuer.verify_access_token(token)

    def filter_users_by_claims(self, claims: Mapping[str, Any]) -> models.QuerySet[User]:
        # A subject that nobody here can have is not looked for: the database refuses to.
        subject = claims["sub"] if is_keepable(claims["sub"]) else ""
        return User.objects.filter(issuer=claims["iss"], subject=subject)

    def get_or_create_user(self, access_token: str, id_token: None, payload: Mapping[str, Any] | None) -> User:
        """The person the token names. Nobody is made here: their roles would be unknown, as sign-ins on the site read
        them.

        Raises ``IssuerFailed`` when the issuer's keys are needed and cannot be had.
        """
        try:
            claims = self.verify_token(access_token)
        except issuer.TokenRefused as refusal:
            raise AuthenticationFailed(refusal.message, code=refusal.code) from refusal
        _refuse_other_clients(claims)
        user = self.filter_users_by_claims(claims).first()
        if user is None:
            raise PermissionDenied(f"We do not know you yet. Sign in at {settings.SITE_URL} once.", "person_unknown")
        if not user.is_active:
            raise PermissionDenied("Your account here has been deactivated.", "person_deactivated")
        self._narrow(user, claims)
        self.claims = claims
        return user

    def _narrow(self, user: User, claims: Mapping[str, Any]) -> None:
        """Let only those roles count that the token's own claims still give, as far as it has such claims.

        The other roles last as long as the claims that gave them, and the claims of somebody who stays away are not read.
        """
        user.counts = still_given = StillGiven(claims)
        user.forget_grants()
        held = user.grants
        read_at = user.last_login or user.created_at
        is_old = timezone.now() - read_at > timedelta(seconds=settings.OIDC_ROLES_VALID_S)
        if is_old and still_given.rests_on_the_last_sign_in and (held.roles or held.provider_roles):
            raise PermissionDenied(
                f"Your roles were read on {read_at:%Y-%m-%d}. Sign in at {settings.SITE_URL} to have them read again.",
                "roles_outdated",
            )

    def create_user(self, claims: Mapping[str, Any]) -> NoReturn:
        raise NotImplementedError("people are made by signing in on the site")


class BearerAuthentication(OIDCAuthentication):  # type: ignore[misc]  # the library has no type information
    """``Authorization: Bearer <access token>``."""

    www_authenticate_realm = "nor"

    def __init__(self) -> None:
        super().__init__(backend=BearerBackend())

    def authenticate(self, request: Request) -> tuple[User, str] | None:
        """The person, where the token also lets its program do what this method does."""
        found: tuple[User, str] | None = super().authenticate(request)
        needed = settings.OIDC_API_WRITE_SCOPE
        is_to_write = found is not None and request.method not in SAFE_METHODS
        if needed and is_to_write and needed not in scopes_of(self.backend.claims):
            raise InsufficientScope(f"To change something your token needs the scope “{needed}”.")
        return found

    def get_access_token(self, request: Request) -> str | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        # The parent takes a header of blanks for one with a first word.
        return super().get_access_token(request) if header.strip() else None


def scopes_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """What a token may be used for: ``scope`` as text (RFC 9068), or ``scp`` as text or list, as some issuers have it."""
    said = claims.get("scope", claims.get("scp"))
    words = said.split() if isinstance(said, str) else said if isinstance(said, list) else []
    return frozenset(each for each in words if isinstance(each, str))


def _refuse_other_clients(claims: Mapping[str, Any]) -> None:
    """The program that the token was made for: ``azp`` (OpenID Connect) or ``client_id`` (RFC 9068)."""
    wanted = settings.OIDC_API_CLIENTS
    clients = [claims[name] for name in ("azp", "client_id") if name in claims]
    if wanted and not (clients and all(isinstance(each, str) and each in wanted for each in clients)):
        raise AuthenticationFailed("The token was made for a program that may not use this API.", "client_refused")


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document describes it."""

    target_class = "earthcode.api.authentication.BearerAuthentication"
    name = "single sign-on"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "openIdConnect", "openIdConnectUrl": issuer.discovery_url()}
