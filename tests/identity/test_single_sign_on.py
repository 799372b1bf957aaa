"""The whole way with real OpenID providers: the demo's, and canaille, which shares no code with it or with us.

A robot that follows redirects and fills in forms signs in at the site, which runs here with its real settings.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.core.cache import cache

from earthcode.demo import people, servers
from earthcode.demo.servers import Sso
from earthcode.identity import issuer
from earthcode.identity.models import SignIn, User
from tests.identity.canaille import server as canaille_server
from tests.identity.canaille.server import Canaille
from tests.support.robot import Robot, text

pytestmark = pytest.mark.platform

#: Needs the role of an ESA manager.
MANAGERS_ONLY = "/audit/"
ANYBODY = "/account/"


@dataclass(frozen=True)
class Provider:
    """A running single sign-on and one ESA manager whom it knows."""

    name: str
    issuer: str
    client_id: str
    client_secret: str
    api_audience: str
    subject: str
    full_name: str
    #: What the manager writes into its forms.
    answers: dict[str, str]
    #: Puts the manager into the group of ESA managers, or takes them out of it.
    manager: Callable[[bool], None]


@pytest.fixture(scope="module")
def demo_sso(live_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sso]:
    with servers.sso(tmp_path_factory.mktemp("sso"), site_url=live_server.url) as sso:
        yield sso


@pytest.fixture(scope="module")
def canaille(live_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canaille]:
    folder = tmp_path_factory.mktemp("canaille")
    with canaille_server.running(folder, port=servers.free_port(), site_url=live_server.url) as running:
        yield running


def _demo(sso: Sso) -> Provider:
    maria = people.by_username("maria")
    assert maria is not None

    def manager(is_one: bool) -> None:
        now = replace(maria, groups=["nor-esa-managers"] if is_one else [])
        sso.write_personas([now if each.username == "maria" else each for each in people.PEOPLE])

    return Provider(
        name="demo",
        issuer=sso.issuer,
        client_id="nor-web",
        client_secret="nor-web-demonstration-secret",
        api_audience="nor-api",
        subject=maria.subject,
        full_name=maria.name,
        answers={"persona": "maria"},
        manager=manager,
    )


def _canaille(running: Canaille) -> Provider:
    return Provider(
        name="canaille",
        issuer=running.issuer,
        client_id=canaille_server.CLIENT_ID,
        client_secret=canaille_server.CLIENT_SECRET,
        # Its access tokens are for the client that asked for them.
        api_audience=canaille_server.CLIENT_ID,
        subject="ada",
        full_name=canaille_server.PEOPLE["ada"],
        answers={"login": "ada", "password": canaille_server.PASSWORD, "answer": "accept"},
        manager=lambda is_one: running.put_in_group("nor-esa-managers", ["ada", "tom"] if is_one else ["tom"]),
    )


def use(provider: Provider, settings: Any, site: str) -> None:
    """The site believes this one from now on."""
    settings.SITE_URL = site
    settings.OIDC_ISSUER = provider.issuer
    settings.OIDC_CLIENT_ID = provider.client_id
    settings.OIDC_CLIENT_SECRET = provider.client_secret
    settings.OIDC_API_AUDIENCE = provider.api_audience
    app = {**settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]}
    app |= {"client_id": provider.client_id, "secret": provider.client_secret}
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app]}}
    cache.clear()


@pytest.fixture
def site(live_server: Any, settings: Any) -> Iterator[str]:
    yield live_server.url
    cache.clear()


@pytest.fixture(params=["demo", "canaille"])
def provider(request: pytest.FixtureRequest, settings: Any, site: str) -> Provider:
    if request.param == "demo":
        found = _demo(request.getfixturevalue("demo_sso"))
    else:
        found = _canaille(request.getfixturevalue("canaille"))
    found.manager(True)
    use(found, settings, site)
    return found


@pytest.fixture
def demo(demo_sso: Sso, settings: Any, site: str) -> Provider:
    found = _demo(demo_sso)
    found.manager(True)
    use(found, settings, site)
    return found


@pytest.fixture
def robot(provider: Provider) -> Iterator[Robot]:
    with Robot(provider.answers) as robot:
        yield robot


def sign_in(robot: Robot, site: str, then: str = ANYBODY) -> httpx.Response:
    page = robot.walk(f"{site}/accounts/login/?next={then}", to=site)
    assert urlsplit(str(page.url)).path == then, f"landed on {page.url}: {text(page)[:500]}"
    return page


def is_manager(robot: Robot, site: str) -> bool:
    return robot.client.get(f"{site}{MANAGERS_ONLY}").status_code == 200


def access_token() -> str:
    """One that the single sign-on gave to the site, for the person who is signed in."""
    session = SignIn.objects.get()
    tokens = issuer.refresh(session.refresh_token)
    SignIn.objects.update(refresh_token=tokens.refresh_token or session.refresh_token)
    return tokens.access_token


def ask_api(site: str, token: str) -> httpx.Response:
    return httpx.get(f"{site}/api/v1/me", headers={"Authorization": f"Bearer {token}"}, timeout=30)


# --- with both -------------------------------------------------------------------------------------------------------


def test_who_signs_in_is_known_by_issuer_and_subject_and_has_their_roles(
    provider: Provider, robot: Robot, site: str
) -> None:
    page = sign_in(robot, site, then=MANAGERS_ONLY)

    assert page.status_code == 200
    user = User.objects.get()
    assert (user.issuer, user.subject) == (provider.issuer, provider.subject)
    assert user.full_name == provider.full_name
    assert user.email
    assert [(grant.role, grant.claim) for grant in user.role_grants.all()] == [
        ("esa_manager", "groups=nor-esa-managers")
    ]


def test_a_group_taken_away_is_a_role_less_at_the_next_sign_in(provider: Provider, robot: Robot, site: str) -> None:
    sign_in(robot, site)
    assert is_manager(robot, site)
    provider.manager(False)

    with Robot(provider.answers) as another_browser:
        sign_in(another_browser, site)
        assert not is_manager(another_browser, site)

    assert not is_manager(robot, site)
    assert User.objects.get().role_grants.count() == 0


def test_a_group_taken_away_reaches_a_running_session(
    provider: Provider, robot: Robot, site: str, settings: Any
) -> None:
    settings.OIDC_REFRESH_AFTER_S = 0  # due at every request
    sign_in(robot, site)
    assert is_manager(robot, site)
    assert is_manager(robot, site)

    provider.manager(False)
    assert not is_manager(robot, site)

    provider.manager(True)
    assert is_manager(robot, site)
    assert robot.client.get(f"{site}{ANYBODY}").status_code == 200


def test_signing_out_here_ends_the_session_there(provider: Provider, robot: Robot, site: str) -> None:
    sign_in(robot, site)

    page = robot.submit(robot.get(f"{site}/accounts/logout/"), action="/accounts/logout/")

    assert urlsplit(str(page.url)).path == "/accounts/signed-out/", f"landed on {page.url}: {text(page)[:500]}"
    assert parse_qs(urlsplit(str(page.url)).query)["state"]
    assert "the one at the single sign-on have ended" in text(page)
    assert robot.client.get(f"{site}{ANYBODY}").status_code == 302
    # The next sign-in asks who it is again, instead of coming straight back.
    page = robot.get(f"{site}/accounts/login/")
    assert str(page.url).startswith(provider.issuer.removesuffix("/o"))
    assert not SignIn.objects.exists()


def test_without_signing_out_there_the_next_sign_in_asks_nothing(provider: Provider, robot: Robot, site: str) -> None:
    """What the test above would see if signing out did not reach the single sign-on."""
    sign_in(robot, site)
    robot.client.cookies.delete("nor_session")

    page = robot.get(f"{site}/accounts/login/?next={ANYBODY}")

    assert str(page.url) == f"{site}{ANYBODY}"


def test_the_api_takes_its_access_tokens(provider: Provider, robot: Robot, site: str) -> None:
    sign_in(robot, site)

    answer = ask_api(site, access_token())

    assert answer.status_code == 200, answer.text
    assert answer.json()["name"] == provider.full_name
    assert [role["role"] for role in answer.json()["roles"]] == ["esa_manager"]


def test_the_api_refuses_what_was_not_made_for_it(provider: Provider, robot: Robot, site: str, settings: Any) -> None:
    sign_in(robot, site)
    token, id_token = access_token(), SignIn.objects.get().id_token

    assert ask_api(site, id_token).status_code == 401
    head, body, signature = token.split(".")
    assert ask_api(site, f"{head}.{body}.{signature[::-1]}").status_code == 401
    settings.OIDC_API_AUDIENCE = "another-api"
    answer = ask_api(site, token)
    assert (answer.status_code, answer.json()["detail"]) == (401, "The token was made for another audience.")


def test_a_person_is_not_carried_over_to_another_issuer(
    provider: Provider, robot: Robot, site: str, settings: Any, request: pytest.FixtureRequest
) -> None:
    """A subject belongs to its issuer: the same one elsewhere is somebody else."""
    sign_in(robot, site)
    User.objects.update(issuer="https://sso.elsewhere.example")

    with Robot(provider.answers) as another_browser:
        sign_in(another_browser, site)

    assert set(User.objects.values_list("issuer", "subject")) == {
        ("https://sso.elsewhere.example", provider.subject),
        (provider.issuer, provider.subject),
    }


# --- with the demo's, which can be stopped and told more -------------------------------------------------------------


def test_when_the_single_sign_on_is_down_the_site_goes_on(
    demo: Provider, demo_sso: Sso, site: str, settings: Any
) -> None:
    settings.OIDC_REFRESH_AFTER_S = 0  # due at every request
    with Robot(demo.answers) as robot:
        sign_in(robot, site)
        token = access_token()
        assert ask_api(site, token).status_code == 200

        demo_sso.stop()
        try:
            assert is_manager(robot, site)
            assert ask_api(site, token).status_code == 200
            with Robot(demo.answers) as somebody_else:
                page = somebody_else.get(f"{site}/accounts/login/")
                assert page.status_code == 503
                assert "cannot be reached" in text(page)
            page = robot.submit(robot.get(f"{site}/accounts/logout/"), action="/accounts/logout/")
            assert "may still be open" in text(page)
        finally:
            demo_sso.start()

        sign_in(robot, site)


def test_somebody_the_single_sign_on_no_longer_knows_is_signed_out(
    demo: Provider, demo_sso: Sso, site: str, settings: Any
) -> None:
    settings.OIDC_REFRESH_AFTER_S = 0  # due at every request
    with Robot(demo.answers) as robot:
        sign_in(robot, site)
        assert robot.client.get(f"{site}{ANYBODY}").status_code == 200
        demo_sso.write_personas([each for each in people.PEOPLE if each.username != "maria"])

        answer = robot.client.get(f"{site}{ANYBODY}")

        assert answer.status_code == 302
        assert "/accounts/oidc/earthcode/login/" in answer.headers["Location"]
        assert not SignIn.objects.exists()
