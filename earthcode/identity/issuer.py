"""Talks to the single sign-on: discovery, its keys, its tokens, its userinfo.

Everything that goes over the wire to the issuer goes through here, for the pages and for the API alike. What rarely
changes (discovery, keys) is cached, so a request with a bearer token costs no call; an issuer that does not answer is
not asked again by every request that follows.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, cast
from urllib.parse import quote, urlencode, urlsplit

import httpx
import jwt
from django.conf import settings
from django.core.cache import cache

from earthcode.lib import reading
from earthcode.lib.errors import Refused

logger = logging.getLogger(__name__)

#: Connecting fast or not at all; people and requests wait for this.
TIMEOUT = httpx.Timeout(5, connect=3)
#: How long discovery and keys are believed without asking again.
FRESH_S = 60 * 60
#: How long they are kept for the case that asking again fails.
KEPT_S = 7 * 24 * 60 * 60
#: A token may name a key we have not seen; whoever makes up key names must not make us call the issuer each time.
REFETCH_PAUSE_S = 60
#: After a failure the issuer is left alone for so long.
FAILURE_PAUSE_S = 10
#: No token of ours comes near it; reading a longer one is work for nothing.
TOKEN_CHARACTERS_MAX = 16_384

#: Asymmetric only. With an HMAC the issuer's public key, known to everybody, would serve as the secret.
ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
#: RFC 9068 calls an access token ``at+jwt``; many issuers just say ``JWT`` or nothing.
TOKEN_TYPES = frozenset({"", "jwt", "at+jwt", "application/at+jwt"})


#: What reading something that claims to be a signed token may end in. The library lets some of it through.
_MALFORMED = (jwt.PyJWTError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError)


class IssuerFailed(Exception):
    """The single sign-on does not do its part. Which of the three it is decides whether trying again helps."""


class IssuerUnreachable(IssuerFailed):
    """It does not answer, or says that something is wrong on its side. Trying again later may help."""


class IssuerNotUnderstood(IssuerFailed):
    """It answers, and not as the standard has it. Trying again does not help; somebody has to look."""


class IssuerRefused(IssuerFailed):
    """It does not know this site, or does not let it ask. Trying again does not help; somebody has to register it."""


#: By name, for what is remembered of a failure.
_KINDS = {kind.__name__: kind for kind in (IssuerUnreachable, IssuerNotUnderstood, IssuerRefused)}


class GrantGone(Exception):
    """The single sign-on takes back what it gave: the code or token is used up, expired, or the session was ended."""


class TokenRefused(Refused):
    """A token that is not valid here; the sentence says why."""

    code = "invalid_token"


@dataclass(frozen=True)
class Tokens:
    """An answer of the token endpoint. ``id_token`` and ``refresh_token`` are empty where it gave none."""

    access_token: str
    id_token: str
    refresh_token: str
    said: Mapping[str, Any]


# --- discovery -------------------------------------------------------------------------------------------------------


def discovery(*, fresh: bool = False) -> Mapping[str, Any]:
    """The issuer's description of itself; ``fresh`` asks again, and so tells whether it is there at all."""
    return _remembered("discovery", _fetch_discovery, fresh=fresh)


def discovery_url() -> str:
    return f"{settings.OIDC_ISSUER.rstrip('/')}/.well-known/openid-configuration"


def _fetch_discovery() -> Mapping[str, Any]:
    found = _json(_ask("GET", discovery_url()))
    if found.get("issuer") != settings.OIDC_ISSUER:
        # Discovery 1.0, 4.3: otherwise one issuer could speak for another.
        raise IssuerNotUnderstood(
            f"OIDC_ISSUER is {settings.OIDC_ISSUER}, but the issuer there calls itself {found.get('issuer')}"
        )
    scheme = urlsplit(settings.OIDC_ISSUER).scheme
    for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "end_session_endpoint"):
        url = found.get(name)
        if url is None and name == "end_session_endpoint":
            continue  # RP-initiated logout is a standard of its own, and not every issuer has it
        if not isinstance(url, str) or urlsplit(url).scheme not in {scheme, "https"}:
            raise IssuerNotUnderstood(f"{discovery_url()} has no usable {name}")
    return found


# --- tokens ----------------------------------------------------------------------------------------------------------


def exchange(*, code: str, code_verifier: str, redirect_uri: str) -> Tokens:
    """Trade the code of a sign-in for tokens. Raises ``GrantGone`` when the code is no longer good."""
    return _token(
        {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": code_verifier,
            "redirect_uri": redirect_uri,
        }
    )


def refresh(refresh_token: str) -> Tokens:
    """Trade a refresh token for new tokens. Raises ``GrantGone`` when the single sign-on's session is over.

    The old refresh token may be used up by this, even when the answer is lost on the way.
    """
    return _token({"grant_type": "refresh_token", "refresh_token": refresh_token})


def _token(form: dict[str, str]) -> Tokens:
    # RFC 6749, 2.3.1: both are form-encoded before they become user name and password.
    login = (quote(settings.OIDC_CLIENT_ID, safe=""), quote(settings.OIDC_CLIENT_SECRET, safe=""))
    answer = _ask("POST", discovery()["token_endpoint"], data=form, auth=login)
    said = _json(answer)
    if answer.status_code != 200:
        error, why = reading.text(said.get("error")), reading.text(said.get("error_description"))
        if error == "invalid_grant":
            raise GrantGone(why or error)
        raise IssuerRefused(f"the token endpoint says {answer.status_code} {error} {why}".rstrip())
    given = {name: said.get(name) for name in ("access_token", "id_token", "refresh_token")}
    wrong = [name for name, token in given.items() if not isinstance(token, str | None)]
    if wrong or not given["access_token"]:
        raise IssuerNotUnderstood(f"the token endpoint gave no usable {(wrong or ['access_token'])[0]}")
    return Tokens(given["access_token"], given["id_token"] or "", given["refresh_token"] or "", said)


def userinfo(access_token: str) -> Mapping[str, Any]:
    """What the issuer says about the person now, as JSON or as a signed token (OpenID Connect Core 5.3.2).

    Raises ``GrantGone`` when it does not take the token.
    """
    answer = _ask("GET", discovery()["userinfo_endpoint"], headers={"Authorization": f"Bearer {access_token}"})
    if answer.status_code in {401, 403}:
        raise GrantGone(f"userinfo says {answer.status_code}")
    if answer.status_code != 200:
        raise IssuerNotUnderstood(f"userinfo says {answer.status_code}")
    if answer.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/jwt":
        return _json(answer)
    token = answer.text.strip()
    if token.count(".") == 4:
        raise IssuerNotUnderstood("userinfo is encrypted; register this client with a signed or a plain answer")
    try:
        # Signed answers name issuer and audience; they need not end, because they are read at once.
        return verify(token, audience=settings.OIDC_CLIENT_ID, require=("iss", "sub", "aud"))
    except TokenRefused as refusal:
        raise IssuerNotUnderstood(f"userinfo is a signed token that does not hold: {refusal}") from refusal


def end_session_url(*, id_token: str, return_to: str, state: str) -> str | None:
    """Where a browser goes to end the session at the single sign-on; None if it cannot be ended from here."""
    try:
        endpoint = discovery(fresh=True).get("end_session_endpoint")
    except IssuerFailed as problem:
        logger.warning("signing out here only: %s", problem)
        return None
    if not endpoint:
        return None
    query = {"client_id": settings.OIDC_CLIENT_ID, "post_logout_redirect_uri": return_to, "state": state}
    if id_token:
        query["id_token_hint"] = id_token
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"


# --- signatures ------------------------------------------------------------------------------------------------------


def verify_id_token(token: str) -> Mapping[str, Any]:
    """The claims of an ID token that this issuer made for us."""
    claims = verify(token, audience=settings.OIDC_CLIENT_ID)
    audiences = claims["aud"]
    if isinstance(audiences, list) and len(audiences) > 1 and claims.get("azp") != settings.OIDC_CLIENT_ID:
        raise TokenRefused("The ID token was made for another site.")  # OpenID Connect Core 3.1.3.7
    return claims


def verify_access_token(token: str) -> Mapping[str, Any]:
    """The claims of an access token that this issuer made for our API."""
    claims = verify(token, audience=settings.OIDC_API_AUDIENCE)
    # Where the API's audience is the client itself, an ID token would pass for an access token.
    if "at_hash" in claims or str(claims.get("typ", "")).upper() in {"ID", "REFRESH", "LOGOUT"}:
        raise TokenRefused("This is not an access token.")
    return claims


def verify(token: str, *, audience: str, require: Sequence[str] = ("exp", "iss", "sub", "aud")) -> Mapping[str, Any]:
    """The claims of a signed token, once signature, issuer, audience and dates are right.

    Raises ``TokenRefused`` with the reason, or ``IssuerFailed`` when the issuer's keys cannot be had.
    """
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise TokenRefused(f"The token is longer than {TOKEN_CHARACTERS_MAX} characters.")
    try:
        header = jwt.get_unverified_header(token)
        unverified = jwt.decode(token, options={"verify_signature": False})
    except _MALFORMED as problem:
        raise TokenRefused("The token is not a signed token (JWT). Opaque tokens are not accepted.") from problem
    algorithm, kind, kid = (header.get(name) for name in ("alg", "typ", "kid"))
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenRefused("The token is not signed with one of the accepted algorithms.")
    if not isinstance(kind, str | None) or (kind or "").lower() not in TOKEN_TYPES:
        raise TokenRefused("This is not an access token.")
    # Before the keys are asked for: a token of another issuer must not make us look for its key.
    if unverified.get("iss") != settings.OIDC_ISSUER:
        raise TokenRefused("The token comes from another issuer.")
    try:
        return cast(
            "Mapping[str, Any]",
            jwt.decode(
                token,
                _key(kid, algorithm),
                algorithms=[algorithm],
                issuer=settings.OIDC_ISSUER,
                audience=audience,
                leeway=settings.OIDC_CLOCK_LEEWAY_S,
                options={"require": list(require)},
            ),
        )
    except _MALFORMED as problem:
        _refuse(problem)


def _refuse(problem: Exception) -> NoReturn:
    match problem:
        case jwt.ExpiredSignatureError():
            reason = "The token has expired."
        case jwt.ImmatureSignatureError():
            reason = (
                "The token is not valid yet. The clocks of this site and of the single sign-on are more than"
                f" {settings.OIDC_CLOCK_LEEWAY_S} seconds apart: tell whoever runs this site."
            )
        case jwt.InvalidAudienceError():
            reason = "The token was made for another audience."
        case jwt.InvalidSignatureError():
            reason = "The token’s signature is wrong."
        case jwt.MissingRequiredClaimError(claim=claim):
            reason = f"The token lacks the claim “{claim}”."
        case _:
            reason = "The token is malformed."
    raise TokenRefused(reason) from problem


def _key(kid: str | None, algorithm: str) -> jwt.PyJWK:
    found = _matching(_remembered("keys", _fetch_keys), kid) or _matching(_keys_again(), kid)
    if not found:
        raise TokenRefused("The token is signed with a key that the issuer does not publish.")
    try:
        return jwt.PyJWK(dict(found), algorithm=algorithm)
    except (jwt.PyJWTError, NotImplementedError, ValueError, TypeError) as problem:
        raise TokenRefused("The token names a key of another kind than its signature.") from problem


def _keys_again() -> Mapping[str, Any]:
    """The keys as the issuer has them now, unless it was asked a moment ago: it may have made a new one."""
    pause = _cache_key("keys-asked-again")
    if not cache.add(pause, "asked", REFETCH_PAUSE_S):
        if (kind := cache.get(pause)) in _KINDS:
            raise _KINDS[kind]("the issuer’s keys could not be read a moment ago")
        return {"keys": []}
    try:
        return _remembered("keys", _fetch_keys, fresh=True)
    except IssuerFailed as problem:
        cache.set(pause, type(problem).__name__, FAILURE_PAUSE_S)
        raise


def _matching(keys: Mapping[str, Any], kid: str | None) -> Mapping[str, Any]:
    """The one key that is meant. A token without a key's name is clear only where there is one key."""
    signing = [key for key in keys["keys"] if key.get("use", "sig") == "sig" and key.get("kty") != "oct"]
    found = [key for key in signing if key.get("kid") == kid] if kid is not None else signing
    return found[0] if len(found) == 1 else {}


def _fetch_keys() -> Mapping[str, Any]:
    answer = _ask("GET", discovery()["jwks_uri"])
    keys = _json(answer).get("keys")
    if answer.status_code != 200 or not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise IssuerNotUnderstood("the issuer’s keys cannot be read")
    return {"keys": keys}


# --- the wire --------------------------------------------------------------------------------------------------------


def _cache_key(name: str) -> str:
    issuer = hashlib.sha256(settings.OIDC_ISSUER.encode()).hexdigest()[:16]
    return f"identity.issuer:{issuer}:{name}"


def _remembered(name: str, fetch: Callable[[], Mapping[str, Any]], *, fresh: bool = False) -> Mapping[str, Any]:
    """From the cache, or from the issuer; what is merely old still serves when the issuer cannot be reached.

    ``fresh`` wants the issuer's own answer now and takes no old one for it.
    """
    key = _cache_key(name)
    kept: Mapping[str, Any] | None = cache.get(key)
    if kept is not None and not fresh and not cache.add(f"{key}:fresh", True, FRESH_S):
        return kept
    try:
        if not fresh and (kind := cache.get(_cache_key("failed"))):
            raise _KINDS[kind]("the single sign-on did not do its part a moment ago")
        found = fetch()
    except IssuerFailed as problem:
        cache.set(_cache_key("failed"), type(problem).__name__, FAILURE_PAUSE_S)
        cache.set(f"{key}:fresh", True, FAILURE_PAUSE_S)
        if kept is None or fresh:
            raise
        logger.warning("going on with the %s known from before: %s", name, problem)
        return kept
    cache.set(key, found, KEPT_S)
    cache.set(f"{key}:fresh", True, FRESH_S)
    return found


def _ask(method: str, url: str, **arguments: Any) -> httpx.Response:
    try:
        answer = httpx.request(method, url, timeout=TIMEOUT, **arguments)
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        cache.set(_cache_key("failed"), IssuerUnreachable.__name__, FAILURE_PAUSE_S)
        raise IssuerUnreachable(f"{urlsplit(url).netloc} does not answer: {problem}") from problem
    if answer.status_code >= 500 or answer.status_code in {408, 429}:
        cache.set(_cache_key("failed"), IssuerUnreachable.__name__, FAILURE_PAUSE_S)
        raise IssuerUnreachable(f"{urlsplit(url).netloc} says {answer.status_code}")
    cache.delete(_cache_key("failed"))
    return answer


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        said = reading.json_of(answer.content)
    except reading.Unreadable as problem:
        raise IssuerNotUnderstood(f"{answer.url.host} answers {answer.status_code}, which {problem}") from problem
    if not isinstance(said, dict):
        raise IssuerNotUnderstood(f"{answer.url.host} answers with a JSON {type(said).__name__}")
    return said
