"""What a machine finds at an address: right, wrong, or nobody can tell."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from earthcode.onboarding import checks
from earthcode.onboarding.checks import CHECKS, About, Finding
from earthcode.onboarding.models import Outcome
from tests.support.sites import Answer, serving

SSO = "https://sso.science.example/realms/earthcode"
AUTHORIZE = f"{SSO}/protocol/auth?client_id=glacier&response_type=code&scope=openid+email&state=x"
PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN


@pytest.fixture
def pages() -> dict[str, Answer]:
    return {}


@pytest.fixture
def site(pages: dict[str, Answer], settings: Any) -> Iterator[str]:
    settings.FETCH_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with serving(pages) as url:
        yield url


@pytest.fixture
def find(site: str) -> Callable[..., Finding]:
    """Carries out a check at a path of the site."""

    def run(check: str, path: str = "", **evidence: str) -> Finding:
        return CHECKS[check](About(f"{site}{path}", evidence, SSO))

    return run


Find = Callable[..., Finding]


def html(title: str, status: int = 200) -> Answer:
    return (status, {"Content-Type": "text/html"}, f"<html><title> {title} </title><p>x")


def leads_to(address: str) -> Answer:
    return (302, {"Location": address}, "")


# --- any page --------------------------------------------------------------------------------------------------------


def test_a_page_is_named_by_its_title(find: Find, pages: dict[str, Answer]) -> None:
    pages["/docs"] = html("Glacier &amp; Cubes\n <b>docs")

    found = find("answers", "/docs")

    assert (found.outcome, found.sentence) == (PASS, "It answers with the page “Glacier & Cubes <b>docs”.")
    assert found.seen["status"] == 200


@pytest.mark.parametrize(
    ("status", "outcome"), [(404, FAIL), (410, FAIL), (401, UNKNOWN), (403, UNKNOWN), (429, UNKNOWN), (503, UNKNOWN)]
)
def test_a_page_that_is_not_there_is_wrong_and_one_that_is_hidden_nobody_can_tell(
    find: Find, pages: dict[str, Answer], status: int, outcome: Outcome
) -> None:
    pages["/docs"] = html("Sorry", status)

    found = find("answers", "/docs")

    assert found.outcome == outcome
    assert f"(code {status})" in found.sentence


@pytest.mark.parametrize("check", sorted(CHECKS))
def test_no_check_reaches_inside_our_network(check: str, site: str, pages: dict[str, Answer], settings: Any) -> None:
    pages["/"] = {"secret": True}
    settings.FETCH_ALLOWED_NETWORKS = []

    found = CHECKS[check](About(site, {"interface": "jupyterhub"}, SSO))

    assert found.outcome == FAIL
    assert "does not lead to an address on the public internet" in found.sentence
    assert found.seen == {"problem": "address_refused"}


@pytest.mark.parametrize("check", sorted(CHECKS))
def test_nobody_there_is_nothing_to_tell_from(check: str, settings: Any) -> None:
    settings.FETCH_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with serving({}) as url:
        gone = url

    found = CHECKS[check](About(gone, {"interface": "jupyterhub"}, SSO))

    assert (found.outcome, found.sentence) == (UNKNOWN, "“127.0.0.1” cannot be reached.")


#: What a careless or a hostile server may say where a document is expected.
NONSENSE: list[Any] = [
    [],
    {},
    {"links": 7, "endpoints": "x", "conformsTo": {"a": 1}, "api_version": 9, "stac_version": None, "issuer": []},
    {"links": [None, {"rel": 5, "href": {}}], "endpoints": [{"path": [], "methods": [3]}], "conformsTo": [None, 5]},
    {"api_version": "1.2", "stac_version": "1.0\u0000", "title": "x" * 10_000, "versions": [{"url": 5}, None]},
]


@pytest.mark.parametrize("check", ["oidc", "openeo", "stac", "ogc", "processes", "s3", "interface"])
@pytest.mark.parametrize("nonsense", NONSENSE)
def test_nonsense_is_said_to_be_wrong_in_words_that_can_be_kept(
    check: str, nonsense: Any, find: Find, pages: dict[str, Answer]
) -> None:
    said = (200, {"Content-Type": "application/json"}, json.dumps(nonsense))
    for path in ("/", "/.well-known/openid-configuration", "/.well-known/openeo", "/hub/api/", "/credentials/oidc"):
        pages[path] = said

    found = find(check, "/", interface="jupyterhub")

    assert found.outcome == FAIL
    assert 0 < len(found.sentence) <= 500
    assert "\x00" not in json.dumps(dict(found.seen), ensure_ascii=False) + found.sentence


# --- signing in ------------------------------------------------------------------------------------------------------


def test_the_way_to_our_sign_on_is_followed_to_its_door(find: Find, pages: dict[str, Answer], site: str) -> None:
    pages["/login"] = leads_to("/oauth/start")
    pages["/oauth/start"] = leads_to(f"{AUTHORIZE}&redirect_uri={site}/back&code_challenge_method=S256")

    found = find("sign_in", "/login")

    assert (found.outcome, found.sentence) == (
        PASS,
        "It leads to the EarthCODE single sign-on as the client “glacier”, with PKCE.",
    )
    assert found.seen["redirect_uri"] == f"{site}/back"


@pytest.mark.parametrize(
    ("address", "outcome", "sentence"),
    [
        (f"{AUTHORIZE}&redirect_uri=http://glacier.example/", FAIL, "comes back without TLS"),
        (AUTHORIZE.replace("response_type=code", "response_type=token"), FAIL, "does not ask for a code"),
        (AUTHORIZE.replace("openid+", ""), FAIL, "does not ask for the scope “openid”"),
        (AUTHORIZE.replace("client_id=glacier&", ""), FAIL, "names no client"),
        (
            f"{AUTHORIZE}&redirect_uri=https://glacier.example/",
            PASS,
            "without PKCE, and comes back to “glacier.example”",
        ),
        (
            AUTHORIZE.replace("sso.science.example", "sso.elsewhere.example"),
            FAIL,
            "another sign-on, at “sso.elsewhere.example”",
        ),
        ("/round", UNKNOWN, "more than 6 times"),
    ],
)
def test_what_is_wrong_with_the_way_to_our_sign_on_is_said(
    find: Find, pages: dict[str, Answer], address: str, outcome: Outcome, sentence: str
) -> None:
    pages["/login"] = leads_to(address)
    pages["/round"] = leads_to("/round")

    found = find("sign_in", "/login")

    assert found.outcome == outcome
    assert sentence in found.sentence


def test_a_page_with_a_button_tells_nothing_about_the_sign_on(find: Find, pages: dict[str, Answer]) -> None:
    pages["/login"] = html("Sign in")

    assert find("sign_in", "/login").outcome == UNKNOWN


def discovery(site: str, **changes: Any) -> dict[str, Any]:
    document = {
        "issuer": site,
        "authorization_endpoint": f"{site}/authorize",
        "token_endpoint": f"{site}/token",
        "jwks_uri": f"{site}/jwks",
        "response_types_supported": ["code"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
    }
    return {name: value for name, value in {**document, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"issuer": "https://elsewhere.example"}, "calls itself “https://elsewhere.example”"),
        ({"token_endpoint": None}, "has no token_endpoint with TLS"),
        ({"token_endpoint": "http://glacier.example/token"}, "has no token_endpoint with TLS"),
        ({"response_types_supported": ["id_token"]}, "does not offer the authorization code flow"),
        ({"id_token_signing_alg_values_supported": ["HS256", "none"]}, "signs with no public key"),
        ({"code_challenge_methods_supported": ["plain"]}, "does not offer PKCE with S256"),
    ],
)
def test_what_is_wrong_with_an_issuer_is_said(
    find: Find, pages: dict[str, Answer], site: str, changes: dict[str, Any], sentence: str
) -> None:
    pages["/.well-known/openid-configuration"] = discovery(site, **changes)
    pages["/jwks"] = {"keys": [{"kid": "1"}]}

    found = find("oidc")

    assert found.outcome == FAIL
    assert sentence in found.sentence


def test_a_valid_issuer_passes_with_its_keys_and_fails_without(find: Find, pages: dict[str, Answer], site: str) -> None:
    pages["/.well-known/openid-configuration"] = discovery(site)
    pages["/jwks"] = {"keys": []}
    assert "publishes no keys" in find("oidc").sentence

    pages["/jwks"] = {"keys": [{"kid": "1"}, {"kid": "2"}]}

    assert find("oidc").sentence == "The discovery document is valid: code flow, PKCE, 2 keys."
    assert find("oidc", "/.well-known/openid-configuration").outcome == PASS


# --- standard interfaces ---------------------------------------------------------------------------------------------

ENDPOINTS = [
    {"path": path, "methods": [method]}
    for method, path in (
        ("GET", "/collections"),
        ("GET", "/processes"),
        ("GET", "/credentials/oidc"),
        ("POST", "/jobs"),
    )
]


def back_end(pages: dict[str, Answer], at: str, *, endpoints: Any = ENDPOINTS, issuers: Any = (SSO,)) -> None:
    pages[f"{at}/"] = {"api_version": "1.2.0", "title": "Glacier openEO", "endpoints": endpoints}
    pages[f"{at}/credentials/oidc"] = {"providers": [{"id": "e", "issuer": issuer} for issuer in issuers]}


def test_the_newest_version_of_openeo_that_is_ready_is_looked_at(
    find: Find, pages: dict[str, Answer], site: str
) -> None:
    versions = [("1.9.0", "/old"), ("1.10.0", "/new"), ("2.0.0", "/draft")]
    pages["/.well-known/openeo"] = {
        "versions": [
            {"api_version": version, "url": f"{site}{path}", "production": path != "/draft"}
            for version, path in versions
        ]
    }
    back_end(pages, "/new")

    found = find("openeo")

    assert found.outcome == PASS
    assert found.sentence == "openEO API 1.2.0 answers, and Glacier openEO takes the EarthCODE single sign-on."


def test_openeo_without_our_sign_on_or_without_what_is_needed_is_told(find: Find, pages: dict[str, Answer]) -> None:
    back_end(pages, "/openeo", issuers=["https://elsewhere.example"])
    found = find("openeo", "/openeo")
    assert (found.outcome, found.seen["issuers"]) == (PASS, ["https://elsewhere.example"])
    assert "does not list the EarthCODE single sign-on yet" in found.sentence

    back_end(pages, "/openeo", endpoints=ENDPOINTS[:2])

    assert find("openeo", "/openeo").sentence == (
        "openEO API 1.2.0 answers, but lacks GET /credentials/oidc and POST /jobs or POST /result."
    )


STAC: dict[str, Any] = {
    "type": "Catalog",
    "id": "glacier",
    "title": "Glacier data",
    "stac_version": "1.0.0",
    "conformsTo": ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"],
    "links": [{"rel": "self", "href": "x"}, {"rel": "data", "href": "x"}, {"rel": "search", "href": "x"}],
}


@pytest.mark.parametrize(
    ("change", "outcome", "sentence"),
    [
        ({}, PASS, "STAC API “Glacier data”, version 1.0.0, answers with a search."),
        ({"links": STAC["links"][:2]}, PASS, "answers without a search"),
        ({"links": []}, FAIL, "leads to no collections and no search"),
        ({"conformsTo": []}, FAIL, "conforms to no STAC API"),
        ({"stac_version": ""}, FAIL, "is not STAC"),
    ],
)
def test_a_stac_api_is_told_from_a_catalogue_of_files(
    find: Find, pages: dict[str, Answer], change: dict[str, Any], outcome: Outcome, sentence: str
) -> None:
    pages["/stac/"] = {**STAC, **change}

    found = find("stac", "/stac/")

    assert found.outcome == outcome
    assert sentence in found.sentence


def landing(pages: dict[str, Answer], *classes: str, definition: str = "service-desc") -> None:
    relation = "http://www.opengis.net/def/rel/ogc/1.0/conformance"
    pages["/ogc"] = {"title": "Glacier", "links": [{"rel": relation, "href": "conf"}, {"rel": definition, "href": "x"}]}
    pages["/conf"] = {"conformsTo": [f"http://www.opengis.net/spec/{each}" for each in classes]}


@pytest.mark.parametrize(
    ("check", "classes", "definition", "outcome", "sentence"),
    [
        (
            "ogc",
            ["ogcapi-features-1/1.0/conf/core"],
            "service-desc",
            PASS,
            "OGC API “Glacier” answers and conforms to features.",
        ),
        ("ogc", ["ogcapi-features-1/1.0/conf/core"], "about", FAIL, "its definition is linked nowhere"),
        ("ogc", [], "service-desc", FAIL, "conforms to no part of OGC API"),
        ("processes", ["ogcapi-processes-1/1.0/conf/core"], "service-doc", PASS, "conforms to processes"),
        ("processes", ["ogcapi-features-1/1.0/conf/core"], "service-doc", FAIL, "not Processes: only features"),
    ],
)
def test_an_ogc_api_is_known_by_what_it_conforms_to(
    find: Find,
    pages: dict[str, Answer],
    check: str,
    classes: list[str],
    definition: str,
    outcome: Outcome,
    sentence: str,
) -> None:
    landing(pages, *classes, definition=definition)

    found = find(check, "/ogc")

    assert found.outcome == outcome
    assert sentence in found.sentence


@pytest.mark.parametrize(
    ("body", "status", "outcome", "sentence"),
    [
        ('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', 403, PASS, "“AccessDenied” to somebody"),
        ("<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>", 200, PASS, "to everybody"),
        ("<html>Welcome to nginx", 200, FAIL, "does not speak S3"),
        ("", 502, UNKNOWN, "could not answer at the moment"),
    ],
)
def test_s3_is_known_by_its_own_words(
    find: Find, pages: dict[str, Answer], body: str, status: int, outcome: Outcome, sentence: str
) -> None:
    pages["/"] = (status, {"Content-Type": "application/xml"}, body)

    found = find("s3", "/")

    assert found.outcome == outcome
    assert sentence in found.sentence


# --- the interface that gives access -----------------------------------------------------------------------------------


def test_a_jupyterhub_is_found_behind_its_first_page(find: Find, pages: dict[str, Answer]) -> None:
    pages["/hub/api/"] = {"version": "5.3.0"}

    assert "JupyterHub 5.3.0 answers" in find("interface", "", interface="jupyterhub").sentence
    assert find("interface", "/hub/api", interface="jupyterhub").outcome == PASS


def test_another_interface_only_has_to_be_there(find: Find, pages: dict[str, Answer]) -> None:
    pages["/api"] = html("Our API")

    assert find("interface", "/api", interface="other").outcome == PASS


def test_a_platform_that_is_set_up_here_is_asked_by_its_connector(site: str, tmp_path: Any) -> None:
    works = ("simulated", {"state_folder": str(tmp_path)}, "", "")
    broken = ("simulated", {"behaviour": "nonsense"}, "", "")

    found = checks.interface(About(site, {}, SSO, works))
    assert (found.outcome, found.sentence) == (
        PASS,
        "Our connector (simulated) says: The platform answered and everything that is needed is there.",
    )
    assert checks.interface(About(site, {}, SSO, broken)).outcome == FAIL


def test_no_token_of_ours_goes_to_an_address_that_an_applicant_wrote(
    pages: dict[str, Answer], site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Any] = []
    original = checks.fetch
    monkeypatch.setattr(checks, "connector_for", lambda *_, **__: pytest.fail("the connector was asked"))
    monkeypatch.setattr(checks, "fetch", lambda url, **words: heard.append(url) or original(url, **words))
    pages["/hub/api/"] = {"version": "5.3.0"}

    # A platform that is known here, but has no connector of its own yet.
    found = checks.interface(About(site, {"interface": "jupyterhub"}, SSO, ("", {}, "demo-hub")))

    assert found.outcome == PASS
    assert heard
