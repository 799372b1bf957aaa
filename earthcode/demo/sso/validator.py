"""What the single sign-on says about a person, and when it may say so without asking."""

from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest
from oauth2_provider.oauth2_backends import OAuthLibCore
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.common import Request

from earthcode.demo import people

#: A key that cannot come from the outside: HTTP headers arrive as ``HTTP_…``.
SIGNED_IN = "SSO_SIGNED_IN"


class SessionAwareCore(OAuthLibCore):  # type: ignore[misc]
    """Tells oauthlib, which sees no Django request, whether the browser has a session here."""

    def extract_headers(self, request: HttpRequest) -> dict[str, Any]:
        headers: dict[str, Any] = super().extract_headers(request)
        headers[SIGNED_IN] = "yes" if request.user.is_authenticated else ""
        return headers


class PersonaValidator(OAuth2Validator):  # type: ignore[misc]
    oidc_claim_scope = OAuth2Validator.oidc_claim_scope | {
        "groups": "groups",
        "realm_access": "groups",
        "eduperson_entitlement": "groups",
    }

    def get_additional_claims(self, request: Request) -> dict[str, Any]:
        return claims_of(request.user)

    def get_oidc_claims(self, _token: Any, _token_handler: Any, request: Request) -> dict[str, Any]:
        """Claims by scope; one that only a test knows needs none."""
        claims = self.get_claim_dict(request)
        scope_of = self.oidc_claim_scope.get
        return {name: value for name, value in claims.items() if scope_of(name, "openid") in request.scopes}

    def get_discovery_claims(self, _request: HttpRequest) -> list[str]:
        return ["sub", *claims_of(User(username=people.PEOPLE[0].subject))]

    # prompt=none (OpenID Connect Core 3.1.2.1): the toolkit leaves both questions open and would answer with a 500.

    def validate_silent_login(self, request: Request) -> bool:
        return bool(request.headers.get(SIGNED_IN))

    def validate_silent_authorization(self, request: Request) -> bool:
        return bool(request.client.skip_authorization)

    # Somebody who was taken off the list gets nothing more, not even with a token from before.

    def validate_code(self, client_id: str, code: str, client: Any, request: Request, *_: Any, **__: Any) -> bool:
        return super().validate_code(client_id, code, client, request) and _is_known(request.user)

    def validate_refresh_token(self, refresh_token: str, client: Any, request: Request, *_: Any, **__: Any) -> bool:
        return super().validate_refresh_token(refresh_token, client, request) and _is_known(request.user)

    def validate_bearer_token(self, token: str, scopes: list[str], request: Request) -> bool:
        return super().validate_bearer_token(token, scopes, request) and _is_known(request.user)


def _is_known(user: User | None) -> bool:
    return user is not None and people.by_subject(user.username) is not None


def claims_of(user: User) -> dict[str, Any]:
    """Every claim about this person, as the list of personas has it now."""
    persona = people.by_subject(user.username)
    if persona is None:
        return {"sub": user.username}
    given_name, _, family_name = persona.name.partition(" ")
    return {
        "sub": persona.subject,
        "name": persona.name,
        "given_name": given_name,
        "family_name": family_name,
        "preferred_username": persona.username,
        "email": persona.email,
        "email_verified": True,
        "groups": list(persona.groups),
        "realm_access": {"roles": list(persona.roles)},
        "eduperson_entitlement": list(persona.entitlements),
        **persona.claims,
    }
