"""What a machine looks at: one function for each kind of address, from the address to a finding.

A check is pure but for reading: it takes what it needs as :class:`About`, reads through ``lib.fetch`` and says pass, fail or
"could not tell" with a sentence that names what was found. A new one is a function, a line in ``CHECKS``, and its code at a
field of ``requirements``. Fail is for what is there and is not right; where nobody answers, nobody can tell.

Our credentials go to no address that an applicant wrote: only the connector of a platform that was set up here by hand is
asked with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import unescape
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urljoin, urlsplit

from earthcode.connectors.base import ConnectorError
from earthcode.connectors.registry import connector_for
from earthcode.lib.fetch import AddressRefused, Fetched, FetchFailed, NotReadable, Untrusted, fetch
from earthcode.onboarding.models import Outcome

#: One check, all its calls together, is done well within this.
TIMEOUT_S = 60.0
CALL_S = 10.0
#: Steps on the way to a sign-on.
HOPS_MAX = 6
#: A title or a name that somebody else wrote is cut here.
SAID_MAX = 120
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

JSON = "application/json"


@dataclass(frozen=True)
class About:
    """What a check may know: the address, the other answers beside it, our single sign-on, and the platform's connector.

    ``connector`` is kind, settings, the name of the secret and the encrypted ones, of a platform that is set up here.
    """

    address: str
    evidence: Mapping[str, str] = field(default_factory=dict)
    issuer: str = ""
    connector: tuple[str, Mapping[str, Any], str, str] | None = None


@dataclass(frozen=True)
class Finding:
    """What was found. ``seen`` are facts worth keeping: short texts, numbers, lists of short texts."""

    outcome: Outcome
    sentence: str
    seen: Mapping[str, Any] = field(default_factory=dict)


Check: TypeAlias = Callable[[About], Finding]


def _reading(check: Check) -> Check:
    """What cannot be read is a finding, too: wrong for good where the address itself is, else nobody can tell."""

    def careful(about: About) -> Finding:
        try:
            return check(about)
        except FetchFailed as problem:
            wrong = isinstance(problem, AddressRefused | Untrusted | NotReadable)
            seen = {"problem": problem.code}
            return Finding(Outcome.FAIL if wrong else Outcome.UNKNOWN, said(str(problem), 300), seen)

    return careful


# --- web pages -------------------------------------------------------------------------------------------------------


@_reading
def answers(about: About) -> Finding:
    """There is a page at the address."""
    page = fetch(about.address, accept="text/html, */*;q=0.5", timeout_s=CALL_S, bytes_max=200_000, cut=True)
    if not page.is_ok:
        return _not_ok(page)
    found = re.search(rb"<title[^>]*>(.*?)</title", page.content, re.IGNORECASE | re.DOTALL)
    title = said(unescape(found[1].decode("utf-8", "replace"))) if found else ""
    words = f"It answers with the page “{title}”." if title else f"It answers ({said(page.kind) or 'no type said'})."
    return Finding(Outcome.PASS, words, {"status": page.status, "title": title, "address": said(page.url, 300)})


def _not_ok(page: Fetched) -> Finding:
    host = urlsplit(page.url).hostname
    seen = {"status": page.status, "address": said(page.url, 300)}
    if page.status in {401, 403}:
        return Finding(Outcome.UNKNOWN, f"“{host}” wants us to sign in (code {page.status}).", seen)
    if page.status in {408, 425, 429} or page.status >= 500:
        return Finding(Outcome.UNKNOWN, f"“{host}” could not answer at the moment (code {page.status}).", seen)
    return Finding(Outcome.FAIL, f"“{host}” has nothing at this address (code {page.status}).", seen)


# --- signing in ------------------------------------------------------------------------------------------------------


@_reading
def sign_in(about: About) -> Finding:
    """The address leads to our single sign-on with an authorization code flow. The single sign-on itself is not asked."""
    ours, address = urlsplit(about.issuer).netloc, about.address
    for _ in range(HOPS_MAX):
        page = fetch(address, timeout_s=CALL_S, redirects_max=0, bytes_max=200_000, cut=True)
        leads_to = page.leads_to
        if not leads_to:
            if not page.is_ok:
                return _not_ok(page)
            return Finding(
                Outcome.UNKNOWN,
                "It answers with a page and does not lead on to a single sign-on. Name the address behind the button.",
                {"status": page.status, "address": said(page.url, 300)},
            )
        asked = {name: values[0] for name, values in parse_qs(urlsplit(leads_to).query).items()}
        if urlsplit(leads_to).netloc == ours:
            return _authorization(asked, address)
        if "client_id" in asked and "response_type" in asked:
            host = said(urlsplit(leads_to).hostname or "")
            sentence = f"It leads to another sign-on, at “{host}”. A federation in between has to be described."
            return Finding(Outcome.FAIL, sentence, {"sign_on": host})
        address = leads_to
    return Finding(Outcome.UNKNOWN, f"It leads on more than {HOPS_MAX} times without reaching the single sign-on.")


def _authorization(asked: Mapping[str, str], address: str) -> Finding:
    """What the platform asks of our single sign-on."""
    client, redirect = said(asked.get("client_id", "")), asked.get("redirect_uri", "")
    seen = {
        "client_id": client,
        "redirect_uri": said(redirect, 300),
        "response_type": said(asked.get("response_type", "")),
        "scope": said(asked.get("scope", "")),
        "code_challenge_method": said(asked.get("code_challenge_method", "")),
    }
    wrong = []
    if not client:
        wrong.append("names no client")
    if asked.get("response_type") != "code":
        wrong.append("does not ask for a code")
    if "openid" not in asked.get("scope", "").split():
        wrong.append("does not ask for the scope “openid”")
    if not _is_safe(redirect):
        wrong.append("comes back without TLS")
    if wrong:
        return Finding(Outcome.FAIL, f"It leads to the EarthCODE single sign-on, but {_and(wrong)}.", seen)
    pkce = "with PKCE" if asked.get("code_challenge_method") == "S256" else "without PKCE"
    back = said(urlsplit(redirect).hostname or "")
    elsewhere = "" if back == urlsplit(address).hostname else f", and comes back to “{back}”"
    sentence = f"It leads to the EarthCODE single sign-on as the client “{client}”, {pkce}{elsewhere}."
    return Finding(Outcome.PASS, sentence, seen)


@_reading
def oidc(about: About) -> Finding:
    """The issuer publishes a valid discovery document, and its keys (OpenID Connect Discovery 1.0)."""
    issuer = about.address.removesuffix("/.well-known/openid-configuration")
    page = fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration", accept=JSON, timeout_s=CALL_S)
    if not page.is_ok:
        return _not_ok(page)
    document = page.document()
    seen: dict[str, Any] = {
        "issuer": said(document.get("issuer"), 300),
        "scopes": _texts(document, "scopes_supported"),
        "pkce": _texts(document, "code_challenge_methods_supported"),
    }
    if document.get("issuer") != issuer:
        return Finding(Outcome.FAIL, f"The issuer there calls itself “{seen['issuer']}”, to the letter.", seen)
    wrong = []
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        if not _is_safe(document.get(name)):
            wrong.append(f"has no {name} with TLS")
    if "code" not in _texts(document, "response_types_supported"):
        wrong.append("does not offer the authorization code flow")
    if not [name for name in _texts(document, "id_token_signing_alg_values_supported") if name[:2] in _ASYMMETRIC]:
        wrong.append("signs with no public key")
    if wrong:
        return Finding(Outcome.FAIL, f"The discovery document is there, but it {_and(wrong)}.", seen)
    keys = fetch(document["jwks_uri"], accept=JSON, timeout_s=CALL_S).document().get("keys")
    count = len(keys) if isinstance(keys, list) else 0
    if not count:
        return Finding(Outcome.FAIL, "The discovery document is valid, but the issuer publishes no keys.", seen)
    seen |= {"keys": count}
    if "S256" not in _texts(document, "code_challenge_methods_supported"):
        return Finding(Outcome.FAIL, "The discovery document is valid, but it does not offer PKCE with S256.", seen)
    return Finding(Outcome.PASS, f"The discovery document is valid: code flow, PKCE, {_count(count, 'key')}.", seen)


_ASYMMETRIC = frozenset({"RS", "PS", "ES", "Ed"})


def _is_safe(address: object) -> bool:
    """Whether tokens may travel there: with TLS, or on one machine."""
    parts = urlsplit(address) if isinstance(address, str) and len(address) < 2000 else None
    return parts is not None and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK))


# --- standard interfaces ---------------------------------------------------------------------------------------------


@_reading
def openeo(about: About) -> Finding:
    """An openEO API: versions, capabilities, and at whose sign-on people sign in."""
    api = _openeo_address(about.address)
    page = fetch(f"{api.rstrip('/')}/", accept=JSON, timeout_s=CALL_S)
    if not page.is_ok:
        return _not_ok(page)
    document = page.document()
    version = said(document.get("api_version") or "")
    endpoints = {
        (method.upper(), said(each.get("path")))
        for each in _objects(document, "endpoints")
        for method in _texts(each, "methods")
    }
    seen: dict[str, Any] = {
        "api_version": version,
        "backend_version": said(document.get("backend_version")),
        "title": said(document.get("title")),
        "endpoints": len(endpoints),
    }
    if not version:
        return Finding(Outcome.FAIL, "What answers there is not an openEO API: it names no api_version.", seen)
    needed = {("GET", "/collections"), ("GET", "/processes"), ("GET", "/credentials/oidc")}
    missing = [f"{method} {path}" for method, path in sorted(needed - endpoints)]
    if not endpoints & {("POST", "/jobs"), ("POST", "/result")}:
        missing.append("POST /jobs or POST /result")
    if missing:
        return Finding(Outcome.FAIL, f"openEO API {version} answers, but lacks {_and(missing)}.", seen)
    issuers = [
        said(each.get("issuer"), 300)
        for each in _objects(
            fetch(f"{api.rstrip('/')}/credentials/oidc", accept=JSON, timeout_s=CALL_S).document(), "providers"
        )
    ]
    seen |= {"issuers": issuers}
    name = seen["title"] or "it"
    if about.issuer.rstrip("/") in {issuer.rstrip("/") for issuer in issuers}:
        sentence = f"openEO API {version} answers, and {name} takes the EarthCODE single sign-on."
    else:
        sentence = f"openEO API {version} answers. It does not list the EarthCODE single sign-on yet."
    return Finding(Outcome.PASS, sentence, seen)


def _openeo_address(address: str) -> str:
    """The newest version that the back end calls ready for use; the address itself where it lists none."""
    page = fetch(f"{address.rstrip('/')}/.well-known/openeo", accept=JSON, timeout_s=CALL_S)
    if not page.is_ok:
        return address
    try:
        versions = _objects(page.document(), "versions")
    except NotReadable:
        return address
    ready = [each for each in versions if each.get("production") is not False and isinstance(each.get("url"), str)]
    newest = max(ready, key=lambda each: _numbers(said(each.get("api_version"))), default=None)
    return urljoin(page.url, newest["url"]) if newest else address


@_reading
def stac(about: About) -> Finding:
    """A STAC API: a landing page that conforms to its core and leads to collections or a search."""
    page = fetch(about.address, accept=JSON, timeout_s=CALL_S)
    if not page.is_ok:
        return _not_ok(page)
    document = page.document()
    conforms = _texts(document, "conformsTo", most=300)
    relations = {said(each.get("rel")) for each in _objects(document, "links")}
    seen = {
        "stac_version": said(document.get("stac_version")),
        "title": said(document.get("title") or document.get("id")),
        "conformance": len(conforms),
    }
    if not seen["stac_version"]:
        return Finding(Outcome.FAIL, "What answers there is not STAC: it names no stac_version.", seen)
    if not any(re.fullmatch(r"https://api\.stacspec\.org/v1\.[^/]+/core", each) for each in conforms):
        sentence = f"A STAC catalogue of version {seen['stac_version']} answers, but it conforms to no STAC API."
        return Finding(Outcome.FAIL, sentence, seen)
    if not relations & {"data", "search"}:
        return Finding(Outcome.FAIL, "The STAC API answers, but leads to no collections and no search.", seen)
    words = "with a search" if "search" in relations else "without a search"
    sentence = f"STAC API “{seen['title']}”, version {seen['stac_version']}, answers {words}."
    return Finding(Outcome.PASS, sentence, seen)


@_reading
def ogc(about: About) -> Finding:
    """An OGC API: a landing page that leads to what it conforms to."""
    return _ogc(about.address, wanted="")


@_reading
def processes(about: About) -> Finding:
    """An OGC API – Processes."""
    return _ogc(about.address, wanted="processes")


def _ogc(address: str, *, wanted: str) -> Finding:
    page = fetch(address, accept=JSON, timeout_s=CALL_S)
    if not page.is_ok:
        return _not_ok(page)
    document = page.document()
    links = {said(each.get("rel")).rpartition("/")[2]: each.get("href") for each in _objects(document, "links")}
    title = said(document.get("title"))
    href = links.get("conformance")
    if not isinstance(href, str):
        sentence = "What answers there is no landing page of an OGC API: it leads to no conformance."
        return Finding(Outcome.FAIL, sentence, {"title": title})
    classes = _texts(fetch(urljoin(page.url, href), accept=JSON, timeout_s=CALL_S).document(), "conformsTo", most=300)
    parts = sorted({found[1] for each in classes if (found := re.search(r"ogcapi-([a-z]+(?:-[a-z]+)*)-\d", each))})
    seen = {"title": title, "conformance": len(classes), "parts": parts[:20]}
    if not parts:
        return Finding(Outcome.FAIL, "A landing page answers, but it conforms to no part of OGC API.", seen)
    if wanted and wanted not in parts:
        return Finding(Outcome.FAIL, f"An OGC API answers, but not {wanted.capitalize()}: only {_and(parts)}.", seen)
    if "service-desc" not in links and "service-doc" not in links:
        return Finding(Outcome.FAIL, f"OGC API {_and(parts)} answers, but its definition is linked nowhere.", seen)
    name = f" “{title}”" if title else ""
    return Finding(Outcome.PASS, f"OGC API{name} answers and conforms to {_and(parts)}.", seen)


@_reading
def s3(about: About) -> Finding:
    """An S3 endpoint: it lists buckets, or says in S3's own words why not."""
    page = fetch(about.address, timeout_s=CALL_S, bytes_max=200_000, cut=True)
    text = page.content.decode("utf-8", "replace")
    server = said(page.headers.get("server", ""))
    if "<ListAllMyBucketsResult" in text or "<ListBucketResult" in text:
        return Finding(Outcome.PASS, "An S3 endpoint answers and shows what it has to everybody.", {"server": server})
    if (code := re.search(r"<Error>.*?<Code>([A-Za-z]+)</Code>", text, re.DOTALL)) is not None:
        sentence = f"An S3 endpoint answers: “{said(code[1])}” to somebody who does not sign in."
        return Finding(Outcome.PASS, sentence, {"server": server, "code": said(code[1])})
    if page.status >= 500:
        return _not_ok(page)
    return Finding(Outcome.FAIL, f"What answers there does not speak S3 (code {page.status}).", {"server": server})


# --- the interface that gives access -----------------------------------------------------------------------------------


@_reading
def interface(about: About) -> Finding:
    """The interface through which access is given.

    A platform that has a connector here is asked by it, with our credentials. Of any other only what it tells everybody is
    read.
    """
    if about.connector is not None and about.connector[0]:
        return _connector(*about.connector)
    if about.evidence.get("interface") == "jupyterhub":
        return _jupyterhub(about.address)
    return answers(about)


def _connector(kind: str, config: Mapping[str, Any], secret_name: str, sealed: str) -> Finding:
    try:
        with connector_for(kind, config, secret_name=secret_name, sealed=sealed) as connector:
            health = connector.check()
    except ConnectorError as error:
        outcome = Outcome.FAIL if error.permanent else Outcome.UNKNOWN
        return Finding(outcome, f"Our connector ({kind}) says: {said(str(error), 300)}", {"connector": kind})
    outcome = Outcome.PASS if health.ok else Outcome.FAIL
    return Finding(outcome, f"Our connector ({kind}) says: {said(health.message, 300)}", {"connector": kind})


def _jupyterhub(address: str) -> Finding:
    base = address.rstrip("/")
    for api in (base, f"{base}/hub/api"):
        page = fetch(f"{api}/", accept=JSON, timeout_s=CALL_S)
        if page.is_ok and page.kind == JSON and (version := said(page.document().get("version"))):
            sentence = (
                f"JupyterHub {version} answers. Whether we may give access there shows when it has a token for us."
            )
            return Finding(Outcome.PASS, sentence, {"version": version, "address": said(api, 300)})
    return Finding(Outcome.FAIL, "What answers there is not a JupyterHub’s REST API.", {"status": page.status})


CHECKS: Mapping[str, Check] = {
    "answers": answers,
    "sign_in": sign_in,
    "oidc": oidc,
    "openeo": openeo,
    "stac": stac,
    "ogc": ogc,
    "processes": processes,
    "s3": s3,
    "interface": interface,
}


# --- other people's words --------------------------------------------------------------------------------------------


def said(value: object, most: int = SAID_MAX) -> str:
    """Text from somewhere else as one line that can be kept; empty for what is no text."""
    if not isinstance(value, str):
        return ""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in value[: 4 * most]).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _texts(document: Mapping[str, Any], name: str, *, most: int = SAID_MAX) -> list[str]:
    found = document.get(name)
    return [said(each, most) for each in found[:200] if isinstance(each, str)] if isinstance(found, list) else []


def _objects(document: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = document.get(name)
    return [each for each in found[:500] if isinstance(each, dict)] if isinstance(found, list) else []


def _numbers(version: str) -> list[int]:
    """``1.2.0`` as something that sorts."""
    return [int(part) for part in re.findall(r"\d{1,6}", version)]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _and(words: list[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
