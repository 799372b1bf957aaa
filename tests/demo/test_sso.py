"""The demo single sign-on over real HTTP, asked by a client that shares no code with it."""

from dataclasses import replace

import httpx
import jwt
import pytest

from earthcode.demo import servers
from earthcode.demo.people import PEOPLE, PROVIDER_SLUG
from tests.demo.conftest import SITE_URL
from tests.demo.relying_party import RelyingParty

pytestmark = pytest.mark.platform

ALICE = PEOPLE[0]


def test_discovery_names_the_issuer_exactly_as_it_was_asked_for(sso: servers.Sso, web: RelyingParty) -> None:
    discovery = web.discovery

    assert discovery["issuer"] == sso.issuer
    assert discovery["code_challenge_methods_supported"] == ["S256"]
    assert discovery["response_types_supported"] == ["code"]
    assert {"openid", "profile", "email", "groups"} == set(discovery["scopes_supported"])
    for endpoint in ("authorization", "token", "userinfo", "end_session", "introspection", "revocation"):
        assert discovery[f"{endpoint}_endpoint"].startswith(f"{sso.issuer}/")


def test_choosing_a_person_signs_in_with_their_claims(web: RelyingParty, agent: httpx.Client) -> None:
    tokens = web.sign_in(agent, "maria")

    claims = web.verify(tokens["id_token"], audience="nor-web")
    told = web.userinfo(tokens["access_token"]).raise_for_status().json()
    for said in (claims, told):
        assert said["sub"] == "57a8e3c6-94bd-4f12-b6a0-e83d1f26c404"
        assert said["name"] == "Maria Rossi"
        assert (said["given_name"], said["family_name"]) == ("Maria", "Rossi")
        assert said["preferred_username"] == "maria"
        assert (said["email"], said["email_verified"]) == ("maria.rossi@esa.example", True)
        assert said["groups"] == ["nor-esa-managers"]
        assert said["realm_access"] == {"roles": []}
        assert said["eduperson_entitlement"] == []


def test_the_provider_s_administrator_has_the_group_of_her_provider(web: RelyingParty, agent: httpx.Client) -> None:
    tokens = web.sign_in(agent, "petra")

    told = web.userinfo(tokens["access_token"]).json()

    assert told["groups"] == [f"nor-provider-{PROVIDER_SLUG}"]


def test_roles_and_entitlements_are_sent_the_way_keycloak_and_federations_do(
    sso: servers.Sso, web: RelyingParty, agent: httpx.Client
) -> None:
    sso.write_personas(
        [replace(ALICE, roles=["nor-reviewers"], entitlements=["nor-auditors"], claims={"orcid": "0000"})]
    )

    told = web.userinfo(web.sign_in(agent, "alice")["access_token"]).json()

    assert told["realm_access"] == {"roles": ["nor-reviewers"]}
    assert told["eduperson_entitlement"] == ["nor-auditors"]
    assert told["orcid"] == "0000"


def test_claims_come_only_with_their_scope(web: RelyingParty, agent: httpx.Client) -> None:
    attempt = web.attempt(scope="openid profile")
    answer = web.ask(agent, attempt, choose="maria")

    tokens = web.redeem(answer["code"], attempt.verifier).json()

    told = web.userinfo(tokens["access_token"]).json()
    assert told["name"] == "Maria Rossi"
    assert not {"email", "groups", "realm_access", "eduperson_entitlement"} & set(told)
    assert "groups" not in web.verify(tokens["access_token"], audience="nor-api")


def test_a_group_taken_away_is_gone_at_the_next_sign_in(
    sso: servers.Sso, web: RelyingParty, agent: httpx.Client
) -> None:
    before = web.userinfo(web.sign_in(agent, "maria")["access_token"]).json()
    maria = next(persona for persona in PEOPLE if persona.username == "maria")
    sso.write_personas([replace(maria, groups=[])])

    after = web.verify(web.sign_in(agent, "maria")["id_token"], audience="nor-web")

    assert before["groups"] == ["nor-esa-managers"]
    assert after["groups"] == []
    assert after["sub"] == before["sub"]


def test_an_access_token_is_a_jwt_for_the_api(sso: servers.Sso, web: RelyingParty, agent: httpx.Client) -> None:
    token = web.sign_in(agent, "maria")["access_token"]

    claims = web.verify(token, audience="nor-api")

    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    assert claims["iss"] == sso.issuer
    assert claims["client_id"] == "nor-web"
    assert claims["preferred_username"] == "maria"
    assert claims["groups"] == ["nor-esa-managers"]
    assert {"openid", "groups"} <= set(claims["scope"].split())
    assert 0 < claims["exp"] - claims["iat"] <= 15 * 60


def test_two_access_tokens_of_one_person_differ(web: RelyingParty, agent: httpx.Client) -> None:
    first, second = (web.verify(web.sign_in(agent, "ben")["access_token"], audience="nor-api") for _ in range(2))

    assert first["jti"] != second["jti"]


def test_a_platform_s_token_is_not_for_the_api(sso: servers.Sso, hub_port: int, agent: httpx.Client) -> None:
    callback = f"http://127.0.0.1:{hub_port}/hub/oauth_callback"
    hub = RelyingParty(sso.issuer, "jupyterhub", "jupyterhub-demonstration-secret", callback)

    token = hub.sign_in(agent, "alice")["access_token"]

    assert hub.userinfo(token).json()["preferred_username"] == "alice"
    with pytest.raises(jwt.InvalidAudienceError):
        hub.verify(token, audience="nor-api")


def test_a_program_without_a_secret_signs_in_on_any_loopback_port(sso: servers.Sso, agent: httpx.Client) -> None:
    program = RelyingParty(sso.issuer, "nor-cli", "", f"http://127.0.0.1:{servers.free_port()}/callback")

    token = program.sign_in(agent, "ben")["access_token"]

    assert program.verify(token, audience="nor-api")["preferred_username"] == "ben"


# --- what it refuses -------------------------------------------------------------------------------------------------


def test_a_code_is_refused_with_another_verifier(web: RelyingParty, agent: httpx.Client) -> None:
    answer = web.ask(agent, web.attempt(), choose="alice")

    refusal = web.redeem(answer["code"], "another-verifier-" * 4)

    assert refusal.status_code == 400
    assert refusal.json()["error"] == "invalid_grant"


def test_a_code_is_refused_the_second_time(web: RelyingParty, agent: httpx.Client) -> None:
    attempt = web.attempt()
    answer = web.ask(agent, attempt, choose="alice")
    web.redeem(answer["code"], attempt.verifier).raise_for_status()

    assert web.redeem(answer["code"], attempt.verifier).status_code == 400


@pytest.mark.parametrize("challenge", [{"code_challenge": ""}, {"code_challenge_method": "plain"}])
def test_a_request_without_a_hashed_challenge_is_refused(
    web: RelyingParty, agent: httpx.Client, challenge: dict[str, str]
) -> None:
    web.sign_in(agent, "alice")
    attempt = web.attempt(**challenge)
    attempt.parameters = {name: value for name, value in attempt.parameters.items() if value}

    assert web.ask(agent, attempt)["error"] == "invalid_request"


def test_a_wrong_client_secret_is_refused(web: RelyingParty, agent: httpx.Client) -> None:
    attempt = web.attempt()
    answer = web.ask(agent, attempt, choose="alice")
    web.secret = "wrong"

    assert web.redeem(answer["code"], attempt.verifier).status_code == 401


def test_a_redirect_to_elsewhere_gets_a_page_and_no_code(web: RelyingParty, agent: httpx.Client) -> None:
    web.sign_in(agent, "alice")
    attempt = web.attempt(redirect_uri="http://elsewhere.example/")

    page = agent.get(web.discovery["authorization_endpoint"], params=attempt.parameters)

    assert page.status_code == 400
    assert "not valid" in page.text


def test_a_refresh_token_is_replaced_and_its_replay_ends_the_family(web: RelyingParty, agent: httpx.Client) -> None:
    first = web.sign_in(agent, "alice")

    second = web.token(grant_type="refresh_token", refresh_token=first["refresh_token"]).raise_for_status().json()
    replay = web.token(grant_type="refresh_token", refresh_token=first["refresh_token"])
    after = web.token(grant_type="refresh_token", refresh_token=second["refresh_token"])

    assert second["refresh_token"] != first["refresh_token"]
    assert web.verify(second["access_token"], audience="nor-api")["sub"] == ALICE.subject
    assert replay.status_code == 400
    assert after.status_code == 400


def test_userinfo_refuses_a_token_it_did_not_issue(web: RelyingParty) -> None:
    refusal = web.userinfo("made-up")

    assert refusal.status_code == 401
    assert "invalid_token" in refusal.headers["www-authenticate"]


def test_somebody_taken_off_the_list_is_out_with_every_token(
    sso: servers.Sso, web: RelyingParty, agent: httpx.Client
) -> None:
    tokens = web.sign_in(agent, "ben")
    sso.write_personas([ALICE])

    assert web.userinfo(tokens["access_token"]).status_code == 401
    assert web.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"]).status_code == 400
    assert web.ask(agent, web.attempt(prompt="none"))["error"] == "login_required"


def test_somebody_who_is_not_on_the_list_cannot_be_chosen(sso: servers.Sso, agent: httpx.Client) -> None:
    agent.get(f"{sso.url}/login/")
    form = {"persona": "mallory", "next": "", "csrfmiddlewaretoken": agent.cookies["sso_csrf"]}

    page = agent.post(f"{sso.url}/login/", data=form)

    assert page.status_code == 422
    assert "sso_session" not in agent.cookies


def test_choosing_leads_to_no_other_site(sso: servers.Sso, agent: httpx.Client) -> None:
    agent.get(f"{sso.url}/login/")
    form = {"persona": "alice", "next": "//elsewhere.example/", "csrfmiddlewaretoken": agent.cookies["sso_csrf"]}

    page = agent.post(f"{sso.url}/login/", data=form)

    assert page.headers["location"] == "/"


# --- one session for all ---------------------------------------------------------------------------------------------


def test_a_second_client_is_signed_in_without_a_question(
    sso: servers.Sso, web: RelyingParty, hub_port: int, agent: httpx.Client
) -> None:
    web.sign_in(agent, "alice")
    callback = f"http://127.0.0.1:{hub_port}/hub/oauth_callback"
    hub = RelyingParty(sso.issuer, "jupyterhub", "jupyterhub-demonstration-secret", callback)

    answer = hub.ask(agent, hub.attempt())

    assert answer["code"]
    assert answer["iss"] == sso.issuer


def test_prompt_none_answers_with_a_code_when_there_is_a_session(web: RelyingParty, agent: httpx.Client) -> None:
    web.sign_in(agent, "alice")

    assert web.ask(agent, web.attempt(prompt="none"))["code"]


def test_prompt_none_answers_login_required_when_there_is_none(web: RelyingParty, agent: httpx.Client) -> None:
    attempt = web.attempt(prompt="none")

    answer = web.ask(agent, attempt)

    assert answer["error"] == "login_required"
    assert answer["state"] == attempt.parameters["state"]


def test_prompt_login_asks_again_and_takes_the_new_answer(web: RelyingParty, agent: httpx.Client) -> None:
    web.sign_in(agent, "alice")
    attempt = web.attempt(prompt="login")

    answer = web.ask(agent, attempt, choose="ben")

    tokens = web.redeem(answer["code"], attempt.verifier).json()
    assert web.verify(tokens["id_token"], audience="nor-web")["preferred_username"] == "ben"


@pytest.mark.parametrize("back", [f"{SITE_URL}/", f"{SITE_URL}/accounts/signed-out/"])
def test_signing_out_at_the_client_ends_the_session_without_a_question(
    web: RelyingParty, agent: httpx.Client, back: str
) -> None:
    tokens = web.sign_in(agent, "alice")

    leave = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": back, "state": "s"}
    answer = agent.get(web.discovery["end_session_endpoint"], params=leave)

    assert answer.headers["location"] == f"{back}?state=s"
    assert web.ask(agent, web.attempt(prompt="none"))["error"] == "login_required"
    assert web.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"]).status_code == 400


def test_signing_out_leads_to_no_address_that_the_client_has_not_registered(
    web: RelyingParty, agent: httpx.Client
) -> None:
    tokens = web.sign_in(agent, "alice")

    leave = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": "http://elsewhere.example/"}
    answer = agent.get(web.discovery["end_session_endpoint"], params=leave)

    assert answer.status_code == 400
    assert web.ask(agent, web.attempt(prompt="none"))["code"]


def test_signing_out_without_saying_who_is_asked_about_first(web: RelyingParty, agent: httpx.Client) -> None:
    """As the hub does it: it keeps no ID token, and a link on any page could say as much."""
    web.sign_in(agent, "alice")
    endpoint = web.discovery["end_session_endpoint"]
    leave = {"client_id": "jupyterhub", "post_logout_redirect_uri": f"{SITE_URL}/"}

    asked = agent.get(endpoint, params=leave)
    form = {**leave, "csrfmiddlewaretoken": agent.cookies["sso_csrf"]}
    stayed = agent.post(endpoint, data=form)
    still_in = web.ask(agent, web.attempt(prompt="none"))
    left = agent.post(endpoint, data={**form, "allow": "yes"})

    assert asked.status_code == 200
    assert "Sign out everywhere?" in asked.text
    assert stayed.headers["location"] == f"{SITE_URL}/"
    assert still_in["code"]
    assert left.headers["location"] == f"{SITE_URL}/"
    assert web.ask(agent, web.attempt(prompt="none"))["error"] == "login_required"


def test_its_own_page_says_who_is_signed_in_and_signs_out(
    sso: servers.Sso, web: RelyingParty, agent: httpx.Client
) -> None:
    web.sign_in(agent, "tomas")

    page = agent.get(f"{sso.url}/")
    agent.post(f"{sso.url}/sign-out/", data={"csrfmiddlewaretoken": agent.cookies["sso_csrf"]})

    assert "You are signed in as Tomas Lindberg" in page.text
    assert web.ask(agent, web.attempt(prompt="none"))["error"] == "login_required"


def test_its_cookies_have_names_of_their_own(web: RelyingParty, agent: httpx.Client) -> None:
    """All servers of the demo share a host, and cookies ignore ports."""
    web.sign_in(agent, "alice")

    assert set(agent.cookies) == {"sso_session", "sso_csrf"}


def test_its_pages_load_nothing_from_elsewhere_and_run_no_script(sso: servers.Sso, agent: httpx.Client) -> None:
    page = agent.get(f"{sso.url}/login/")
    policy = dict(rule.split(" ", 1) for rule in page.headers["content-security-policy"].split("; "))

    assert policy["default-src"] == "'none'"
    assert "script-src" not in policy
    assert policy["style-src"] == "'self'"
    assert "<script" not in page.text
    assert agent.get(f"{sso.url}/static/sso/sso.css").status_code == 200
    assert agent.get(f"{sso.url}/static/fonts/atkinson-next.woff2").status_code == 200


def test_the_same_key_signs_after_a_restart(sso: servers.Sso, web: RelyingParty, agent: httpx.Client) -> None:
    tokens = web.sign_in(agent, "alice")

    sso.stop()
    sso.start()

    assert web.verify(tokens["access_token"], audience="nor-api")["sub"] == ALICE.subject
    assert web.ask(agent, web.attempt(prompt="none"))["code"]
