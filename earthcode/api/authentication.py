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
from rest_framework.request import Request

from earthcode.identity import issuer
from earthcode.identity.models import User

# The libraries decide what their hooks are given:
# ruff: noqa: ARG002


class BearerBackend(OIDCAuthenticationBackend):  # type: ignore[misc]  # the library has no type information
    """From a token to a person."""

    def __init__(self) -> None:
        """The parent reads the issuer's endpoints from the settings; ``identity.issuer`` discovers them."""
        self.UserModel = User

    def verify_token(self, token: str, **kwargs: Any) -> Mapping[str, Any]:
        return issuer.verify_access_token(token)

    def filter_users_by_claims(self, claims: Mapping[str, Any]) -> models.QuerySet[User]:
        return User.objects.filter(issuer=claims["iss"], subject=claims["sub"])

    def get_or_create_user(self, access_token: str, id_token: None, payload: None) -> User:
        """The person the token names. Nobody is made here: their roles would be unknown, as sign-ins on the site read
        them.

        Raises ``IssuerFailed`` when the issuer's keys are needed and cannot be had.
        """
        try:
            claims = self.verify_token(access_token)
        except issuer.TokenRefused as refusal:
            raise AuthenticationFailed(refusal.message, code=refusal.code) from refusal
        user = self.filter_users_by_claims(claims).first()
        if user is None:
            raise PermissionDenied(f"We do not know you yet. Sign in at {settings.SITE_URL} once.", "person_unknown")
        if not user.is_active:
            raise PermissionDenied("Your account here has been deactivated.", "person_deactivated")
        self._refuse_old_roles(user)
        return user

    def _refuse_old_roles(self, user: User) -> None:
        """Roles last as long as the claims that gave them, and the claims of somebody who stays away are not read."""
        read_at = user.last_login or user.created_at
        if timezone.now() - read_at <= timedelta(seconds=settings.OIDC_ROLES_VALID_S):
            return
        if user.grants.roles or user.grants.provider_roles:
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

    def get_access_token(self, request: Request) -> str | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        # The parent takes a header of blanks for one with a first word.
        return super().get_access_token(request) if header.strip() else None


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document describes it."""

    target_class = "earthcode.api.authentication.BearerAuthentication"
    name = "single sign-on"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "openIdConnect", "openIdConnectUrl": issuer.discovery_url()}
