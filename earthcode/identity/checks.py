"""Django system checks of the ``OIDC_*`` settings: each says what is wrong and how to put it right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks

from earthcode.identity.oidc import ORGANISATION
from earthcode.identity.roles import Role

CLOCK_LEEWAY_MAX_S = 300
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@checks.register(checks.Tags.security)
def issuer(**_: object) -> list[checks.CheckMessage]:
    """``OIDC_ISSUER`` is an address as the issuer itself writes it."""
    url = urlsplit(settings.OIDC_ISSUER)
    if url.scheme not in {"http", "https"} or not url.hostname:
        return [
            checks.Error(
                f"OIDC_ISSUER is no address of an issuer: “{settings.OIDC_ISSUER}”.",
                hint="Give the “issuer” of its discovery document, for example https://sso.example.org/realms/earthcode.",
                id="identity.E001",
            )
        ]
    if "/.well-known/" in settings.OIDC_ISSUER:
        issuer = settings.OIDC_ISSUER.partition("/.well-known/")[0]
        return [
            checks.Error(
                "OIDC_ISSUER is the address of the discovery document, not of the issuer.",
                hint=f"Set OIDC_ISSUER={issuer} instead; the rest is added when it is needed.",
                id="identity.E002",
            )
        ]
    found: list[checks.CheckMessage] = []
    if settings.OIDC_ISSUER.endswith("/"):
        found.append(
            checks.Warning(
                "OIDC_ISSUER ends with a slash; few issuers call themselves so, and every letter counts.",
                hint="Compare it with “issuer” in the discovery document. If that has it, silence identity.W003.",
                id="identity.W003",
            )
        )
    if url.query or url.fragment:
        found.append(
            checks.Error(
                "OIDC_ISSUER has a query or a fragment, which no issuer has.",
                hint="Give the “issuer” of the single sign-on's discovery document.",
                id="identity.E004",
            )
        )
    if url.scheme == "http" and url.hostname not in LOOPBACK:
        found.append(
            checks.Error(
                "OIDC_ISSUER is reached without TLS, so anybody on the way could sign in as anybody.",
                hint="Use the single sign-on's https address. Plain http is for a demo on one machine.",
                id="identity.E005",
            )
        )
    if url.hostname in LOOPBACK and urlsplit(settings.SITE_URL).hostname not in LOOPBACK:
        found.append(
            checks.Error(
                "OIDC_ISSUER is on this machine, which people's browsers cannot reach, but SITE_URL is on the network.",
                hint="Give the single sign-on's public address. The demo's lets anybody sign in as anybody.",
                id="identity.E012",
            )
        )
    return found


@checks.register(checks.Tags.security)
def client(**_: object) -> list[checks.CheckMessage]:
    """The site has a client at the issuer, and the API an audience."""
    words = {
        "OIDC_CLIENT_ID": "the client that is registered for this site at the single sign-on",
        "OIDC_CLIENT_SECRET": "the secret of this site's client at the single sign-on, a confidential client",
        "OIDC_API_AUDIENCE": "the audience (“aud”) that the single sign-on puts into access tokens for the API",
    }
    found: list[checks.CheckMessage] = [
        checks.Error(f"{name} is empty.", hint=f"Set it to {meaning}.", id="identity.E006")
        for name, meaning in words.items()
        if not getattr(settings, name)
    ]
    if "openid" not in settings.OIDC_SCOPES:
        found.append(
            checks.Error(
                "OIDC_SCOPES lacks “openid”, so the single sign-on will not say who somebody is.",
                hint="Set it for example to OIDC_SCOPES=openid,profile,email,groups.",
                id="identity.E007",
            )
        )
    return found


@checks.register(checks.Tags.security)
def role_claims(**_: object) -> list[checks.CheckMessage]:
    """``OIDC_ROLE_CLAIMS`` is claim path → value → role, and each role has what it needs."""
    mapping = settings.OIDC_ROLE_CLAIMS
    if not isinstance(mapping, Mapping) or not all(
        isinstance(roles, Mapping) and all(isinstance(role, str) for role in roles.values())
        for roles in mapping.values()
    ):
        return [
            checks.Error(
                "OIDC_ROLE_CLAIMS does not have the form claim → value → role.",
                hint='Write JSON like {"groups": {"nor-esa-managers": "esa_manager"}}.',
                id="identity.E008",
            )
        ]
    return [problem for path, roles in mapping.items() for problem in _problems(path, roles)]


def _problems(path: str, roles: Mapping[str, str]) -> Iterator[checks.CheckMessage]:
    for value, role in roles.items():
        if role not in Role.values:
            yield checks.Error(
                f"OIDC_ROLE_CLAIMS gives an unknown role for {path} “{value}”: “{role}”.",
                hint=f"The roles are {', '.join(Role.values)}.",
                id="identity.E009",
            )
        elif value.count(ORGANISATION) != (role == Role.PROVIDER_ADMINISTRATOR):
            yield checks.Error(
                f"OIDC_ROLE_CLAIMS does not say rightly for whom {path} “{value}” gives the role “{role}”.",
                hint=(
                    f"{Role.PROVIDER_ADMINISTRATOR} is for one provider: put {ORGANISATION} where its slug stands, "
                    f"like nor-provider-{ORGANISATION}. No other role has {ORGANISATION}."
                ),
                id="identity.E010",
            )


@checks.register(checks.Tags.security)
def times(**_: object) -> list[checks.CheckMessage]:
    """The times are positive; 0 would ask the single sign-on at each request, or never believe a role."""
    return [
        checks.Error(
            f"{name} must be more than 0 seconds.",
            hint="Leave it out to get the default.",
            id="identity.E011",
        )
        for name in ("OIDC_REFRESH_AFTER_S", "OIDC_ROLES_VALID_S", "SESSION_COOKIE_AGE")
        if getattr(settings, name) <= 0
    ]


@checks.register(checks.Tags.security)
def clocks(**_: object) -> list[checks.CheckMessage]:
    """Clocks may differ a little; tokens that are good for much longer than they say are no help with that."""
    if 0 <= settings.OIDC_CLOCK_LEEWAY_S <= CLOCK_LEEWAY_MAX_S:
        return []
    return [
        checks.Error(
            f"OIDC_CLOCK_LEEWAY_S is not between 0 and {CLOCK_LEEWAY_MAX_S} seconds.",
            hint="Set the clocks of both machines by NTP instead.",
            id="identity.E013",
        )
    ]
