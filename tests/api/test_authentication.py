"""Bearer tokens: which are taken, who they name, and what it costs the single sign-on."""

import base64
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from django.utils import timezone

from earthcode.api.authentication import BearerBackend
from earthcode.api.v1.me import Me
from earthcode.identity.models import Organisation, Project, RoleGrant, User
from earthcode.identity.roles import Permission, Role
from tests.support import issuer as support
from tests.support.issuer import SUBJECT, Issuer

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]

urlpatterns = [path("me", Me.as_view())]


@pytest.fixture
def sso(settings: Any) -> Iterator[Issuer]:
    with support.believed(settings) as issuer:
        yield issuer


@pytest.fixture
def anna(sso: Issuer) -> User:
    """Known by the single sign-on of these tests, and signed in a moment ago."""
    at = timezone.now()
    return User.objects.create(
        issuer=sso.url,
        subject=SUBJECT,
        full_name="Anna Berg",
        email="anna@science.example",
        created_at=at,
        last_login=at,
    )


def ask(token: str, scheme: str = "Bearer") -> HttpResponse:
    return Client(raise_request_exception=True).get("/me", headers={"Authorization": f"{scheme} {token}"})


def assert_refused(response: HttpResponse, status: int, code: str, words: str) -> None:
    assert response["Content-Type"] == "application/problem+json"
    said = json.loads(response.content)
    assert (response.status_code, said["status"], said["code"]) == (status, status, code)
    assert words in said["detail"]
    if status == 401:
        challenge = response["WWW-Authenticate"]
        assert challenge.startswith('Bearer realm="nor", error="invalid_token", error_description="')
        assert challenge.isascii()


# --- what is taken ---------------------------------------------------------------------------------------------------


def test_a_good_token_says_who_somebody_is_with_roles_and_projects(
    sso: Issuer, anna: User, project: Project, provider: Organisation
) -> None:
    RoleGrant.objects.create(user=anna, role=Role.ESA_MANAGER, claim="groups=x", granted_at=timezone.now())
    RoleGrant.objects.create(
        user=anna,
        role=Role.PROVIDER_ADMINISTRATOR,
        organisation=provider,
        claim="groups=y",
        granted_at=timezone.now(),
    )
    project.memberships.create(user=anna, role="member", since=timezone.now())

    response = ask(sso.token())

    assert response.status_code == 200
    assert json.loads(response.content) == {
        "id": str(anna.public_id),
        "name": "Anna Berg",
        "preferred_username": "",
        "email": "anna@science.example",
        "roles": [
            {"role": "esa_manager", "name": "ESA manager", "organisation": None, "source": "claim"},
            {
                "role": "provider_administrator",
                "name": "Provider administrator",
                "organisation": "hub-house",
                "source": "claim",
            },
        ],
        "projects": [{"slug": project.slug, "title": "Alpine snow", "role": "member"}],
    }


@pytest.mark.parametrize("typ", ["at+jwt", "JWT", "application/at+jwt"])
def test_the_usual_types_of_access_tokens_are_taken(sso: Issuer, anna: User, typ: str) -> None:
    assert ask(sso.token(typ=typ)).status_code == 200


def test_one_of_several_audiences_is_enough(sso: Issuer, anna: User) -> None:
    assert ask(sso.token(aud=["account", support.AUDIENCE])).status_code == 200


def test_an_elliptic_key_is_taken(sso: Issuer, anna: User) -> None:
    sso.published["ec"] = support.ec_key("ec")

    assert ask(sso.token(kid="ec", alg="ES256")).status_code == 200


def test_a_token_without_a_key_name_is_taken_where_there_is_one_key(sso: Issuer, anna: User) -> None:
    assert ask(sso.token(kid=None)).status_code == 200


def test_a_few_seconds_between_clocks_do_not_matter(sso: Issuer, anna: User) -> None:
    now = int(time.time())

    assert ask(sso.token(exp=now - 10, nbf=now + 10, iat=now + 10)).status_code == 200


# --- what is refused -------------------------------------------------------------------------------------------------


def test_no_token_is_a_challenge_without_an_error(sso: Issuer) -> None:
    response = Client().get("/me")

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="nor"'
    assert json.loads(response.content)["code"] == "not_authenticated"


@pytest.mark.parametrize("header", ["Basic YTpi", " ", "Negotiate"])
def test_other_kinds_of_credentials_are_no_token(sso: Issuer, header: str) -> None:
    response = Client().get("/me", headers={"Authorization": header})

    assert (response.status_code, response["WWW-Authenticate"]) == (401, 'Bearer realm="nor"')


@pytest.mark.parametrize("header", ["Bearer", "Bearer a b"])
def test_a_header_of_another_form_is_refused(sso: Issuer, header: str) -> None:
    response = Client().get("/me", headers={"Authorization": header})

    assert_refused(response, 401, "authentication_failed", "Invalid")


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.b", "....", "e30.e30.", "é.é.é", "0" * 200])
def test_what_is_no_signed_token_is_refused(sso: Issuer, anna: User, token: str) -> None:
    response = ask(token)

    assert_refused(response, 401, "invalid_token", "token")
    assert sum(sso.asked.values()) == 0


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"exp": int(time.time()) - 60}, "expired"),
        ({"exp": None}, "lacks the claim “exp”"),
        ({"exp": "tomorrow"}, "malformed"),
        ({"nbf": int(time.time()) + 3600}, "not valid yet"),
        ({"iat": int(time.time()) + 3600}, "not valid yet"),
        ({"aud": "another-api"}, "another audience"),
        ({"aud": ["account", "another-api"]}, "another audience"),
        ({"aud": support.CLIENT_ID}, "another audience"),
        ({"aud": None}, "lacks the claim “aud”"),
        ({"iss": "https://sso.elsewhere.example"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"sub": None}, "lacks the claim “sub”"),
        ({"sub": 7}, "malformed"),
        ({"at_hash": "x"}, "not an access token"),
        ({"typ": "ID"}, "not an access token"),
    ],
)
def test_a_token_with_wrong_claims_is_refused_with_the_reason(
    sso: Issuer, anna: User, claims: dict[str, Any], words: str
) -> None:
    key, now = sso.published["first"], int(time.time())
    usual = {"iss": sso.url, "sub": SUBJECT, "aud": support.AUDIENCE, "iat": now, "exp": now + 300}
    payload = {name: value for name, value in {**usual, **claims}.items() if value is not None}

    response = ask(_signed(payload, key))

    assert_refused(response, 401, "invalid_token", words)


def test_a_token_of_another_type_is_refused(sso: Issuer, anna: User) -> None:
    assert_refused(ask(sso.token(typ="logout+jwt")), 401, "invalid_token", "not an access token")


def test_an_id_token_is_no_access_token_even_where_the_audience_is_the_client(
    sso: Issuer, anna: User, settings: Any
) -> None:
    settings.OIDC_API_AUDIENCE = support.CLIENT_ID

    assert ask(sso.token(aud=support.CLIENT_ID)).status_code == 200
    assert_refused(ask(sso.id_token(at_hash="x")), 401, "invalid_token", "not an access token")


def test_an_unsigned_token_is_refused(sso: Issuer, anna: User) -> None:
    payload = jwt.decode(sso.token(), options={"verify_signature": False})

    response = ask(jwt.encode(payload, "", algorithm="none", headers={"kid": "first"}))

    assert_refused(response, 401, "invalid_token", "algorithms")


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(sso: Issuer, anna: User) -> None:
    public = sso.published["first"].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    payload = jwt.decode(sso.token(), options={"verify_signature": False})

    # By hand: the library itself would not do this.
    response = ask(_hmac_signed(payload, pem))

    assert_refused(response, 401, "invalid_token", "algorithms")


def test_a_token_signed_with_another_key_under_a_published_name_is_refused(sso: Issuer, anna: User) -> None:
    forged = sso.token(key=support.rsa_key("of a forger"))

    assert_refused(ask(forged), 401, "invalid_token", "signature")


def test_a_token_that_carries_its_own_key_is_refused(sso: Issuer, anna: User) -> None:
    forger = support.rsa_key("of a forger")
    jwk = jwt.algorithms.RSAAlgorithm.to_jwk(forger.public_key(), as_dict=True)
    payload = jwt.decode(sso.token(), options={"verify_signature": False})

    forged = jwt.encode(payload, forger, algorithm="RS256", headers={"jwk": jwk, "kid": "of a forger"})

    assert_refused(ask(forged), 401, "invalid_token", "does not publish")


def test_a_token_that_names_a_key_of_another_kind_is_refused(sso: Issuer, anna: User) -> None:
    sso.published["ec"] = support.ec_key("ec")

    forged = sso.token(kid="ec", key=support.rsa_key("first"))

    assert_refused(ask(forged), 401, "invalid_token", "another kind")


def test_a_token_without_a_key_name_is_refused_where_there_are_two_keys(sso: Issuer, anna: User) -> None:
    sso.published["second"] = support.rsa_key("second")

    assert_refused(ask(sso.token(kid=None)), 401, "invalid_token", "does not publish")


# --- whom it names ---------------------------------------------------------------------------------------------------


def test_somebody_who_never_signed_in_is_told_to_and_is_not_made(sso: Issuer) -> None:
    assert_refused(ask(sso.token()), 403, "person_unknown", "Sign in at")
    assert not User.objects.exists()


def test_nobody_is_found_by_email(sso: Issuer, anna: User) -> None:
    response = ask(sso.token(sub="somebody-else", email=anna.email, email_verified=True))

    assert_refused(response, 403, "person_unknown", "Sign in at")


def test_the_same_subject_of_another_issuer_is_somebody_else(sso: Issuer, anna: User) -> None:
    User.objects.filter(pk=anna.pk).update(issuer="https://sso.elsewhere.example")

    assert_refused(ask(sso.token()), 403, "person_unknown", "Sign in at")


def test_a_deactivated_person_is_refused(sso: Issuer, anna: User) -> None:
    User.objects.filter(pk=anna.pk).update(is_active=False)

    assert_refused(ask(sso.token()), 403, "person_deactivated", "deactivated")


def test_roles_of_somebody_who_stayed_away_are_not_believed(sso: Issuer, anna: User, settings: Any) -> None:
    RoleGrant.objects.create(user=anna, role=Role.ESA_MANAGER, claim="groups=x", granted_at=timezone.now())
    away = timedelta(seconds=settings.OIDC_ROLES_VALID_S)
    User.objects.filter(pk=anna.pk).update(last_login=timezone.now() - away + timedelta(minutes=5))
    assert ask(sso.token()).status_code == 200

    User.objects.filter(pk=anna.pk).update(last_login=timezone.now() - away - timedelta(minutes=5))

    assert_refused(ask(sso.token()), 403, "roles_outdated", "Sign in at")


def test_somebody_without_roles_may_stay_away(sso: Issuer, anna: User, settings: Any) -> None:
    away = timedelta(seconds=settings.OIDC_ROLES_VALID_S)
    User.objects.filter(pk=anna.pk).update(last_login=timezone.now() - 10 * away)

    assert ask(sso.token()).status_code == 200


# --- what it costs the single sign-on --------------------------------------------------------------------------------


def test_the_single_sign_on_is_asked_for_its_keys_once(sso: Issuer, anna: User) -> None:
    for _ in range(5):
        assert ask(sso.token()).status_code == 200

    assert sso.asked == {".well-known/openid-configuration": 1, "keys": 1}


def test_a_new_key_is_fetched_when_a_token_names_it(sso: Issuer, anna: User) -> None:
    assert ask(sso.token()).status_code == 200
    sso.published = {"second": support.rsa_key("second")}

    assert ask(sso.token(kid="second")).status_code == 200
    assert sso.asked["keys"] == 2
    old = sso.token(kid="first", key=support.rsa_key("first"))
    assert_refused(ask(old), 401, "invalid_token", "does not publish")


def test_made_up_key_names_do_not_reach_the_single_sign_on(sso: Issuer, anna: User) -> None:
    for number in range(10):
        token = sso.token(kid=f"made up {number}", key=support.rsa_key("of a forger"))
        assert_refused(ask(token), 401, "invalid_token", "does not publish")

    assert sso.asked["keys"] == 2
    assert ask(sso.token()).status_code == 200


def test_tokens_of_another_issuer_do_not_reach_the_single_sign_on(sso: Issuer, anna: User) -> None:
    ask(sso.token(iss="https://sso.elsewhere.example"))

    assert sum(sso.asked.values()) == 0


def test_with_known_keys_the_single_sign_on_may_be_down(sso: Issuer, anna: User) -> None:
    token = sso.token()
    assert ask(token).status_code == 200
    sso.stop()

    assert ask(token).status_code == 200


def test_old_keys_serve_when_the_single_sign_on_is_down(sso: Issuer, anna: User) -> None:
    token = sso.token()
    assert ask(token).status_code == 200
    sso.stop()
    _forget_that_they_are_fresh()

    assert ask(token).status_code == 200


def test_keys_that_are_not_fresh_are_asked_for_again(sso: Issuer, anna: User) -> None:
    assert ask(sso.token()).status_code == 200
    withdrawn = sso.token()
    sso.published = {"second": support.rsa_key("second")}
    _forget_that_they_are_fresh()

    assert_refused(ask(withdrawn), 401, "invalid_token", "does not publish")


@pytest.mark.parametrize(
    "fails",
    [
        lambda sso: sso.stop(),
        lambda sso: sso.broken.update(keys=500),
        lambda sso: sso.broken.update(keys=429),
        lambda sso: sso.broken.update({".well-known/openid-configuration": 502}),
    ],
)
def test_a_silent_single_sign_on_is_503_and_is_left_alone_for_a_while(sso: Issuer, anna: User, fails: Any) -> None:
    token = sso.token()
    fails(sso)

    responses = [ask(token) for _ in range(3)]

    for response in responses:
        assert_refused(response, 503, "issuer_unavailable", "Try again")
        assert int(response["Retry-After"]) > 0
    assert max(sso.asked.values(), default=0) <= 1


@pytest.mark.parametrize(
    "fails",
    [
        lambda sso: sso.broken.update(keys=404),
        lambda sso: sso.more_discovery.update(issuer="https://sso.elsewhere.example"),
        lambda sso: sso.more_discovery.update(jwks_uri=None),
        lambda sso: sso.more_discovery.update(jwks_uri="ftp://127.0.0.1/keys"),
    ],
)
def test_one_that_answers_wrongly_is_502_and_is_left_alone_for_a_while(sso: Issuer, anna: User, fails: Any) -> None:
    token = sso.token()
    fails(sso)

    responses = [ask(token) for _ in range(3)]

    for response in responses:
        assert_refused(response, 502, "issuer_not_understood", "Trying again will not help")
        assert "Retry-After" not in response
    assert max(sso.asked.values(), default=0) <= 1


def test_after_a_failure_everything_works_again(sso: Issuer, anna: User) -> None:
    token = sso.token()
    sso.stop()
    assert ask(token).status_code == 503
    sso.start()
    cache.clear()  # stands for the pause that a failure is followed by

    assert ask(token).status_code == 200


def test_a_new_key_while_the_single_sign_on_is_down_is_503(sso: Issuer, anna: User) -> None:
    assert ask(sso.token()).status_code == 200
    token = sso.token(kid="second", key=support.rsa_key("second"))
    sso.stop()

    assert [ask(token).status_code for _ in range(2)] == [503, 503]


def test_a_request_makes_few_queries(sso: Issuer, anna: User, django_assert_max_num_queries: Any) -> None:
    ask(sso.token())

    with django_assert_max_num_queries(5):
        assert ask(sso.token()).status_code == 200


# --- by hand ---------------------------------------------------------------------------------------------------------


def _signed(payload: dict[str, Any], key: Any) -> str:
    """Signed without the library's own look at the claims."""
    return jwt.api_jws.encode(json.dumps(payload).encode(), key, "RS256", headers={"kid": "first", "typ": "at+jwt"})


def _hmac_signed(payload: dict[str, Any], secret: bytes) -> str:
    import hashlib
    import hmac

    def encoded(data: bytes) -> bytes:
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    head = encoded(json.dumps({"alg": "HS256", "kid": "first", "typ": "at+jwt"}).encode())
    text = head + b"." + encoded(json.dumps(payload).encode())
    return (text + b"." + encoded(hmac.new(secret, text, hashlib.sha256).digest())).decode()


def _forget_that_they_are_fresh() -> None:
    from earthcode.identity import issuer

    cache.delete(f"{issuer._cache_key('keys')}:fresh")


# --- roles, clients and scopes: the token has the last word ----------------------------------------------------------


@pytest.fixture
def managing_anna(anna: User) -> User:
    RoleGrant.objects.create(
        user=anna, role=Role.ESA_MANAGER, claim="groups=nor-esa-managers", granted_at=timezone.now()
    )
    return anna


def roles_by(token: str) -> list[str]:
    return [each["role"] for each in json.loads(ask(token).content)["roles"]]


@pytest.mark.parametrize(
    "groups", [[], "", None, 5, {}, ["nor-reviewers"], {"0": "nor-esa-managers"}, [["nor-esa-managers"]]], ids=repr
)
def test_a_role_that_the_tokens_own_claims_do_not_give_any_more_does_not_count(
    sso: Issuer, managing_anna: User, groups: Any
) -> None:
    assert roles_by(sso.token()) == ["esa_manager"]
    # ``None`` leaves a claim out of the helper's tokens, so it goes in as it is.
    token = jwt.encode(
        {**jwt.decode(sso.token(), options={"verify_signature": False}), "groups": groups},
        sso.published["first"],
        algorithm="RS256",
        headers={"kid": "first"},
    )

    assert roles_by(token) == []


def test_a_role_that_the_token_gives_counts_however_long_ago_the_last_sign_in_was(
    sso: Issuer, managing_anna: User, settings: Any
) -> None:
    User.objects.update(last_login=timezone.now() - timedelta(seconds=settings.OIDC_ROLES_VALID_S + 60))

    assert roles_by(sso.token(groups=["nor-esa-managers"])) == ["esa_manager"]
    assert_refused(ask(sso.token()), 403, "roles_outdated", "read again")


def test_a_token_gives_no_role_that_the_site_does_not_know_of(sso: Issuer, anna: User) -> None:
    assert roles_by(sso.token(groups=["nor-esa-managers"])) == []


def test_an_action_that_reads_roles_again_still_sees_only_those_of_the_token(sso: Issuer, managing_anna: User) -> None:
    backend = BearerBackend()
    user = backend.get_or_create_user(sso.token(groups=[]), None, None)

    user.forget_grants()

    assert not user.may(Permission.REQUEST_DECIDE)


@pytest.mark.parametrize(
    "claims", [{}, {"azp": "other"}, {"azp": ["nor-tools"]}, {"azp": "nor-tools", "client_id": "other"}], ids=repr
)
def test_only_clients_of_the_list_may_use_the_api(
    sso: Issuer, anna: User, settings: Any, claims: dict[str, Any]
) -> None:
    settings.OIDC_API_CLIENTS = ["nor-tools"]

    assert_refused(ask(sso.token(**claims)), 401, "client_refused", "may not use this API")
    assert ask(sso.token(azp="nor-tools")).status_code == 200
    assert ask(sso.token(client_id="nor-tools")).status_code == 200


@pytest.mark.parametrize(
    ("claims", "may_write"),
    [
        ({"scope": "openid nor:write"}, True),
        ({"scp": ["nor:write"]}, True),
        ({"scope": "openid"}, False),
        ({"scope": "openid", "scp": ["nor:write"]}, False),
        ({"scope": ["nor:write", 5]}, True),
        ({"scope": {"nor:write": True}}, False),
        ({}, False),
    ],
    ids=repr,
)
def test_writing_needs_the_scope_for_it(
    sso: Issuer, anna: User, settings: Any, claims: dict[str, Any], may_write: bool
) -> None:
    settings.OIDC_API_WRITE_SCOPE = "nor:write"
    token = sso.token(**claims)

    assert ask(token).status_code == 200
    response = Client().post("/me", headers={"Authorization": f"Bearer {token}"})

    # Nothing can be posted there; who may write is told so, and who may not is not asked what.
    assert response.status_code == (405 if may_write else 403)
    if not may_write:
        assert json.loads(response.content)["code"] == "insufficient_scope"
        assert 'error="insufficient_scope"' in response["WWW-Authenticate"]


# --- odd tokens ------------------------------------------------------------------------------------------------------


def raw(header: Any, payload: Any) -> str:
    parts = [each if isinstance(each, str) else json.dumps(each) for each in (header, payload)]
    return ".".join(base64.urlsafe_b64encode(each.encode()).decode().rstrip("=") for each in [*parts, "signature"])


ODD_VALUES = [None, True, 5, -1, 10**400, 1.5, "", "\0", "é", [], ["RS256"], {}, {"a": 1}]


@pytest.mark.parametrize("value", ODD_VALUES, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("name", ["alg", "typ", "kid", "crit", "b64", "jwk", "x5c", "zip"])
def test_odd_headers_are_refused_in_words(sso: Issuer, anna: User, name: str, value: Any) -> None:
    token = raw({"alg": "RS256", "kid": "first", name: value}, {"iss": sso.url, "sub": SUBJECT})

    assert_refused(ask(token), 401, "invalid_token", "")


@pytest.mark.parametrize("value", ODD_VALUES, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "azp"])
def test_odd_claims_of_a_signed_token_break_nothing(sso: Issuer, anna: User, name: str, value: Any) -> None:
    payload = {**jwt.decode(sso.token(), options={"verify_signature": False}), name: value}
    signer = jwt.PyJWS()
    token = signer.encode(json.dumps(payload).encode(), sso.published["first"], "RS256", {"kid": "first"})

    assert ask(token).status_code in {200, 401, 403}


@pytest.mark.parametrize(
    "token",
    [
        "a.b.c",
        "..",
        "....",
        raw("[" * 5000, "{}"),
        raw({"alg": "RS256"}, "[" * 5000),
        raw({"alg": "RS256"}, "9" * 5000),
        raw("[]", "[]"),
        raw({"alg": "RS256"}, '{"iss": NaN}'),
        "x" * 20_000,
        raw({"alg": "RS256", "kid": "k" * 15_000}, {}),
    ],
    ids=lambda token: f"{token[:20]}…{len(token)}",
)
def test_what_is_no_token_is_refused_in_words(sso: Issuer, anna: User, token: str) -> None:
    assert_refused(ask(token), 401, "invalid_token", "")
    assert not sso.asked["keys"] or sso.asked["keys"] <= 2


# --- what the single sign-on may be like -----------------------------------------------------------------------------


def test_a_clock_that_is_a_minute_ahead_is_believed_and_one_further_ahead_is_explained(
    sso: Issuer, anna: User, settings: Any
) -> None:
    now = int(time.time())

    assert ask(sso.token(iat=now + 55, nbf=now + 55)).status_code == 200
    assert_refused(ask(sso.token(iat=now + 90)), 401, "invalid_token", "clocks of this site and of the single sign-on")
    settings.OIDC_CLOCK_LEEWAY_S = 120
    assert ask(sso.token(iat=now + 90)).status_code == 200
