"""Signing in and out, page by page, with a single sign-on that does what it is told.

The whole way with real ones is in tests/identity/test_single_sign_on.py.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from bs4 import BeautifulSoup
from django.contrib.sessions.models import Session
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from earthcode.identity.models import SignIn, User
from tests.support import issuer as support
from tests.support.issuer import SUBJECT, Issuer

SIGN_IN = "/accounts/oidc/earthcode/login/"
CALLBACK = "/accounts/oidc/earthcode/login/callback/"


@pytest.fixture
def sso(settings: Any, db: None) -> Iterator[Issuer]:
    with support.believed(settings) as issuer:
        yield issuer


@pytest.fixture
def visitor(clock: Any) -> Client:
    return Client()


def leave(client: Client, url: str = SIGN_IN) -> dict[str, str]:
    """Follow the sign-in link; returns what the single sign-on is asked."""
    response = client.get(url)
    assert response.status_code == 302, response.content
    return {name: values[0] for name, values in parse_qs(urlsplit(response["Location"]).query).items()}


def come_back(client: Client, asked: dict[str, str], **answer: str) -> HttpResponse:
    return client.get(CALLBACK, {"code": f"good:{asked['nonce']}", "state": asked["state"], **answer})


def sign_in(client: Client, url: str = SIGN_IN) -> HttpResponse:
    return come_back(client, leave(client, url))


def assert_nobody(client: Client) -> None:
    assert "_auth_user_id" not in client.session
    assert not SignIn.objects.exists()


def heading(response: HttpResponse) -> str:
    found = BeautifulSoup(response.content, "html.parser").find("h1")
    assert found is not None
    return found.get_text(" ", strip=True)


# --- leaving ---------------------------------------------------------------------------------------------------------


def test_the_sign_in_link_leads_to_the_single_sign_on(sso: Issuer, visitor: Client, settings: Any) -> None:
    response = visitor.get(SIGN_IN)

    assert response["Location"].startswith(f"{sso.url}/authorize?")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(response["Location"]).query).items()}
    assert asked["client_id"] == support.CLIENT_ID
    assert asked["response_type"] == "code"
    assert asked["redirect_uri"] == f"{settings.SITE_URL}{CALLBACK}"
    assert set(asked["scope"].split()) == set(settings.OIDC_SCOPES)
    assert (asked["code_challenge_method"], len(asked["code_challenge"])) == ("S256", 43)
    assert len(asked["state"]) >= 16


def test_a_form_leads_there_too(sso: Issuer, visitor: Client) -> None:
    assert visitor.post(SIGN_IN)["Location"].startswith(f"{sso.url}/authorize?")


def test_the_general_sign_in_address_keeps_where_to_go(visitor: Client) -> None:
    response = visitor.get("/accounts/login/?next=/catalogue/")

    assert response["Location"] == f"{SIGN_IN}?next=/catalogue/"


def test_a_link_cannot_ask_for_more_than_the_site_does(sso: Issuer, visitor: Client, settings: Any) -> None:
    asked = leave(visitor, f"{SIGN_IN}?scope=admin&auth_params=prompt%3Dnone%26client_id%3Dx&process=connect&action=x")

    assert "prompt" not in asked
    assert asked["client_id"] == support.CLIENT_ID
    assert set(asked["scope"].split()) == set(settings.OIDC_SCOPES)
    # "connect" would tie this sign-in to whoever is signed in already.
    assert come_back(visitor, asked).status_code == 302
    assert User.objects.get().subject == SUBJECT


@pytest.mark.parametrize(
    "fails",
    [
        lambda sso: sso.stop(),
        lambda sso: sso.broken.update({".well-known/openid-configuration": 500}),
    ],
)
def test_when_the_single_sign_on_is_down_a_page_says_so(sso: Issuer, visitor: Client, fails: Any) -> None:
    assert visitor.get(SIGN_IN).status_code == 302  # what is known from before must not send people to a dead address
    fails(sso)

    response = visitor.get(SIGN_IN)

    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert heading(response) == "The single sign-on cannot be reached"


# --- coming back -----------------------------------------------------------------------------------------------------


def test_who_comes_back_is_signed_in(sso: Issuer, visitor: Client, now: Any, settings: Any) -> None:
    settings.SESSION_COOKIE_AGE = 3600
    sso.says["groups"] = ["nor-esa-managers"]

    response = sign_in(visitor)

    assert response["Location"] == settings.LOGIN_REDIRECT_URL
    user = User.objects.get()
    assert (user.issuer, user.subject) == (sso.url, SUBJECT)
    assert visitor.session["_auth_user_id"] == str(user.pk)
    session = SignIn.objects.get()
    assert (session.user, session.refresh_token) == (user, sso.refresh_token)
    assert session.ends_at == now + timedelta(hours=1)
    assert [grant.role for grant in user.role_grants.all()] == ["esa_manager"]


def test_the_session_key_changes_at_sign_in(sso: Issuer, visitor: Client) -> None:
    asked = leave(visitor)
    before = visitor.session.session_key

    come_back(visitor, asked)

    assert visitor.session.session_key != before
    assert not Session.objects.filter(pk=before).exists()


@pytest.mark.parametrize("wanted", ["/catalogue/?q=hub", "/requests/", "http://testserver/requests/"])
def test_people_land_where_they_wanted_to_go(sso: Issuer, visitor: Client, wanted: str) -> None:
    response = come_back(visitor, leave(visitor, f"{SIGN_IN}?{urlencode({'next': wanted})}"))

    assert response["Location"] == wanted


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example",
        "http:evil.example",
        "javascript:alert(1)",
        "https://nor.science.example@evil.example/",
        # Trusted to receive forms from, which is no reason to send people there.
        "https://partner.science.example/",
    ],
)
def test_nobody_is_sent_to_another_site(sso: Issuer, visitor: Client, settings: Any, elsewhere: str) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://partner.science.example"]

    response = come_back(visitor, leave(visitor, f"{SIGN_IN}?{urlencode({'next': elsewhere})}"))

    assert response["Location"] == settings.LOGIN_REDIRECT_URL


def test_signing_in_again_replaces_the_session(sso: Issuer, visitor: Client) -> None:
    sign_in(visitor)
    first = SignIn.objects.get()
    sso.says = {"sub": "b2", "name": "Ben Okafor"}

    sign_in(visitor)

    assert SignIn.objects.get() != first
    assert visitor.session["_auth_user_id"] == str(User.objects.get(subject="b2").pk)


def test_two_people_with_one_email_address_stay_two(sso: Issuer, visitor: Client, clock: Any) -> None:
    sso.says = {"sub": "a1", "email": "team@science.example", "email_verified": True}
    sign_in(visitor)
    sso.says = {"sub": "b2", "email": "team@science.example", "email_verified": True}
    sign_in(Client())

    assert set(User.objects.values_list("subject", "email")) == {
        ("a1", "team@science.example"),
        ("b2", "team@science.example"),
    }


def test_an_answer_nobody_asked_for_is_refused(sso: Issuer, visitor: Client) -> None:
    """Login CSRF: somebody else's code, planted in this browser."""
    asked_elsewhere = leave(Client())

    response = come_back(visitor, asked_elsewhere)

    assert response.status_code == 401
    assert heading(response) == "Signing in did not work"
    assert sso.asked["token"] == 0
    assert_nobody(visitor)


def test_an_answer_counts_once(sso: Issuer, visitor: Client) -> None:
    asked = leave(visitor)
    come_back(visitor, asked)
    visitor.logout()

    assert come_back(visitor, asked).status_code == 401
    assert "_auth_user_id" not in visitor.session


@pytest.mark.parametrize("answer", [{"iss": "https://sso.elsewhere.example"}, {"code": "used up"}])
def test_an_answer_that_is_not_good_is_refused(sso: Issuer, visitor: Client, answer: dict[str, str]) -> None:
    response = come_back(visitor, leave(visitor), **answer)

    assert response.status_code == 401
    assert_nobody(visitor)


def test_an_issuer_that_says_so_must_name_itself_in_its_answer(sso: Issuer, visitor: Client) -> None:
    sso.more_discovery["authorization_response_iss_parameter_supported"] = True

    assert come_back(visitor, leave(visitor)).status_code == 401
    assert come_back(visitor, leave(visitor), iss=sso.url).status_code == 302


@pytest.mark.parametrize(
    "id_token",
    [
        {"aud": "another-client"},
        {"aud": [support.CLIENT_ID, "another-client"], "azp": "another-client"},
        {"iss": "https://sso.elsewhere.example"},
        {"exp": 1},
        {"sub": "somebody-else"},
        {"nonce": None},
        {"nonce": "of another sign-in"},
        {"nonce": ["a", "list"]},
        {"key": support.rsa_key("of a forger")},
        {"alg": "HS256", "key": "a secret that is long enough to be taken for one"},
    ],
)
def test_an_id_token_that_is_not_right_signs_nobody_in(sso: Issuer, visitor: Client, id_token: dict[str, Any]) -> None:
    sso.id_token_says = id_token

    response = come_back(visitor, leave(visitor))

    assert response.status_code == 401
    assert heading(response) == "Signing in did not work"
    assert_nobody(visitor)
    assert not User.objects.exists()


def test_without_an_id_token_nobody_is_signed_in(sso: Issuer, visitor: Client) -> None:
    sso.gives_id_token = False

    assert come_back(visitor, leave(visitor)).status_code == 401
    assert_nobody(visitor)


@pytest.mark.parametrize("path", ["token", "userinfo", "keys", ".well-known/openid-configuration"])
def test_when_the_single_sign_on_fails_on_the_way_back_a_page_says_so(sso: Issuer, visitor: Client, path: str) -> None:
    asked = leave(visitor)
    sso.broken[path] = 502

    response = come_back(visitor, asked)

    assert response.status_code == 503
    assert_nobody(visitor)


@pytest.mark.parametrize(
    "answer", [("text/html", "<html>"), ("application/jwt", "a.b.c.d.e"), ("application/json", "[]")], ids=repr
)
def test_an_answer_that_nobody_understands_is_no_reason_to_try_again(
    sso: Issuer, visitor: Client, answer: tuple[str, str]
) -> None:
    sso.userinfo_instead = answer

    response = sign_in(visitor)

    assert response.status_code == 502
    assert heading(response) == "The single sign-on answered in a way we do not understand"
    assert "Retry-After" not in response
    assert_nobody(visitor)


def test_a_site_that_the_single_sign_on_does_not_know_says_so(sso: Issuer, visitor: Client) -> None:
    sso.tokens = lambda _form: (401, {"error": "invalid_client"})  # type: ignore[method-assign]

    response = sign_in(visitor)

    assert response.status_code == 502
    assert heading(response) == "The single sign-on refused this site"


def test_who_signs_in_by_a_signed_userinfo_is_signed_in(sso: Issuer, visitor: Client) -> None:
    claims = {**sso.says, "aud": support.CLIENT_ID, "exp": None, "typ": "JWT"}
    sso.userinfo_instead = ("application/jwt", sso.token(**claims))

    sign_in(visitor)

    assert User.objects.get().full_name == "Alice Martin"


def test_a_session_ends_when_nobody_uses_it(sso: Issuer, visitor: Client, clock: Any, settings: Any) -> None:
    settings.SESSION_IDLE_S = 1800
    sign_in(visitor)
    for _ in range(5):
        clock.forward(minutes=20)
        assert visitor.get("/home/").status_code == 200

    clock.forward(minutes=31)

    assert visitor.get("/home/").status_code == 302
    assert_nobody(visitor)


@pytest.mark.parametrize("error", ["server_error", "temporarily_unavailable"])
def test_a_failure_told_by_the_browser_is_told_on(sso: Issuer, visitor: Client, error: str) -> None:
    asked = leave(visitor)

    assert visitor.get(CALLBACK, {"error": error, "state": asked["state"]}).status_code == 503


def test_an_unknown_error_is_a_page_that_offers_to_start_again(sso: Issuer, visitor: Client) -> None:
    asked = leave(visitor)

    response = visitor.get(CALLBACK, {"error": "invalid_scope", "state": asked["state"]})

    assert response.status_code == 401
    assert f'href="{reverse("account_login")}"' in response.content.decode()


def test_whoever_cancels_is_told_what_can_be_done_without(sso: Issuer, visitor: Client) -> None:
    asked = leave(visitor)

    response = visitor.get(CALLBACK, {"error": "access_denied", "state": asked["state"]}, follow=True)

    assert response.status_code == 200
    assert heading(response) == "You have not signed in"
    assert_nobody(visitor)


def test_a_deactivated_person_is_told_and_not_signed_in(sso: Issuer, visitor: Client) -> None:
    sign_in(Client())
    User.objects.update(is_active=False)
    SignIn.objects.all().delete()

    response = sign_in(visitor)

    assert response.status_code == 403
    assert heading(response) == "You cannot sign in here"
    assert_nobody(visitor)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "signup/",
        "email/",
        "confirm-email/",
        "password/change/",
        "password/set/",
        "password/reset/",
        "reauthenticate/",
        "inactive/",
        "3rdparty/",
        "3rdparty/signup/",
        "social/signup/",
        "oidc/another/login/",
        "oidc/another/login/callback/",
    ],
)
def test_there_is_no_other_way_in(visitor: Client, db: None, path: str) -> None:
    assert visitor.get(f"/accounts/{path}").status_code == 404


# --- staying ---------------------------------------------------------------------------------------------------------


def test_a_role_taken_away_is_gone_within_the_interval(sso: Issuer, visitor: Client, clock: Any, settings: Any) -> None:
    sso.says["groups"] = ["nor-auditors"]
    sign_in(visitor)
    assert visitor.get("/audit/").status_code == 200
    sso.says["groups"] = []

    clock.forward(seconds=settings.OIDC_REFRESH_AFTER_S - 1)
    assert visitor.get("/audit/").status_code == 200
    clock.forward(seconds=1)
    assert visitor.get("/audit/").status_code in {403, 404}


def test_between_two_readings_a_request_costs_nothing(
    sso: Issuer, visitor: Client, clock: Any, settings: Any, django_assert_num_queries: Any
) -> None:
    sign_in(visitor)
    sso.asked.clear()
    clock.forward(seconds=settings.OIDC_REFRESH_AFTER_S)

    for _ in range(3):
        visitor.get("/accounts/cancelled/")

    assert (sso.asked["token"], sso.asked["userinfo"]) == (1, 1)
    with django_assert_num_queries(0):
        Client().get("/accounts/login/")
    with django_assert_num_queries(1):  # the session itself, which says that nothing is due
        visitor.get("/accounts/login/")


def test_a_session_ended_there_goes_on_as_nobodys(sso: Issuer, visitor: Client, clock: Any, settings: Any) -> None:
    sign_in(visitor)
    sso.refresh_token = ""
    clock.forward(seconds=settings.OIDC_REFRESH_AFTER_S)

    response = visitor.get("/accounts/cancelled/")

    assert response.status_code == 200
    assert "Your single sign-on session has ended. Please sign in again." in response.content.decode()
    assert_nobody(visitor)
    assert visitor.get("/account/")["Location"].startswith(f"{SIGN_IN}?next=")


def test_a_session_goes_on_while_the_single_sign_on_is_down(
    sso: Issuer, visitor: Client, clock: Any, settings: Any
) -> None:
    sign_in(visitor)
    sso.stop()
    clock.forward(seconds=settings.OIDC_REFRESH_AFTER_S)

    assert visitor.get("/account/").status_code == 200


def test_a_busy_session_ends_all_the_same(sso: Issuer, visitor: Client, clock: Any, settings: Any) -> None:
    settings.SESSION_COOKIE_AGE = 1000
    sign_in(visitor)
    for _ in range(9):
        clock.forward(seconds=100)
        assert visitor.get("/account/").status_code == 200

    clock.forward(seconds=100)

    assert visitor.get("/account/").status_code == 302


def test_a_deactivated_person_is_out_at_once(sso: Issuer, visitor: Client) -> None:
    sign_in(visitor)
    User.objects.update(is_active=False)

    assert visitor.get("/account/").status_code == 302


# --- signing out -----------------------------------------------------------------------------------------------------


def test_signing_out_ends_both_sessions(sso: Issuer, visitor: Client, settings: Any) -> None:
    sign_in(visitor)
    id_token = SignIn.objects.get().id_token

    response = visitor.post("/accounts/logout/")

    assert response["Location"].startswith(f"{sso.url}/logout?")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(response["Location"]).query).items()}
    state = asked.pop("state")
    assert asked == {
        "client_id": support.CLIENT_ID,
        "id_token_hint": id_token,
        "post_logout_redirect_uri": f"{settings.SITE_URL}/accounts/signed-out/",
    }
    assert_nobody(visitor)
    page = visitor.get("/accounts/signed-out/", {"state": state}).content.decode()
    assert "the one at the single sign-on have ended" in page


@pytest.mark.parametrize(
    "lacks",
    [
        lambda sso: sso.stop(),
        lambda sso: sso.broken.update({".well-known/openid-configuration": 500}),
        lambda sso: sso.more_discovery.update(end_session_endpoint=None),
    ],
)
def test_signing_out_here_works_without_the_single_sign_on(sso: Issuer, visitor: Client, lacks: Any) -> None:
    sign_in(visitor)
    lacks(sso)

    response = visitor.post("/accounts/logout/", follow=True)

    assert response.status_code == 200
    assert "may still be open" in response.content.decode()
    assert_nobody(visitor)


@pytest.mark.parametrize("state", ["", "made up", "made up:by:somebody"])
def test_only_our_own_sign_out_says_that_both_sessions_ended(visitor: Client, db: None, state: str) -> None:
    page = visitor.get("/accounts/signed-out/", {"state": state}).content.decode()
    assert "may still be open" in page
    assert "for example JupyterLab, keep a session of their own until you sign out there" in page


def test_signing_out_is_asked_about_when_it_comes_by_link(sso: Issuer, visitor: Client) -> None:
    sign_in(visitor)

    response = visitor.get("/accounts/logout/")

    assert response.status_code == 200
    assert heading(response) == "Sign out?"
    assert "_auth_user_id" in visitor.session


def test_another_site_cannot_sign_anybody_out(sso: Issuer, clock: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    sign_in(client)

    assert client.post("/accounts/logout/").status_code == 403
    assert "_auth_user_id" in client.session


def test_signing_out_twice_is_no_error(visitor: Client, db: None, settings: Any) -> None:
    assert visitor.get("/accounts/logout/")["Location"] == settings.LOGOUT_REDIRECT_URL
    assert visitor.post("/accounts/logout/")["Location"] == "/accounts/signed-out/"


def test_the_end_of_one_browsers_session_leaves_the_other_signed_in(sso: Issuer, clock: Any) -> None:
    laptop, phone = Client(), Client()
    for browser in (laptop, phone):
        sign_in(browser)

    phone.post("/accounts/logout/")

    assert "_auth_user_id" in laptop.session
    assert SignIn.objects.count() == 1


def test_a_person_signed_in_by_a_test_can_sign_out(as_alice: Client) -> None:
    assert as_alice.post("/accounts/logout/")["Location"] == "/accounts/signed-out/"
    assert "_auth_user_id" not in as_alice.session
