"""The checks against real servers: the demo's single sign-on and JupyterHub, and our own OGC API."""

from collections.abc import Iterator
from typing import Any

import pytest

from earthcode.demo import servers
from earthcode.onboarding.checks import CHECKS, About
from earthcode.onboarding.models import Outcome

pytestmark = [pytest.mark.platform, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _on_this_machine(settings: Any) -> None:
    settings.FETCH_ALLOWED_NETWORKS = ["127.0.0.0/8", "::1/128"]


@pytest.fixture(scope="module")
def hub_port() -> int:
    return servers.free_port()


@pytest.fixture(scope="module")
def sso(tmp_path_factory: pytest.TempPathFactory, hub_port: int) -> Iterator[servers.Sso]:
    with servers.sso(tmp_path_factory.mktemp("sso"), hub_url=f"http://127.0.0.1:{hub_port}") as running:
        yield running


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, hub_port: int, sso: servers.Sso) -> Iterator[servers.Hub]:
    with servers.jupyterhub(tmp_path_factory.mktemp("hub"), issuer=sso.issuer, port=hub_port) as running:
        yield running


def test_a_real_issuer_is_valid(sso: servers.Sso) -> None:
    found = CHECKS["oidc"](About(sso.issuer))

    assert (found.outcome, found.sentence) == (
        Outcome.PASS,
        "The discovery document is valid: code flow, PKCE, 1 key.",
    )


def test_an_issuer_is_not_valid_under_another_name(sso: servers.Sso) -> None:
    assert CHECKS["oidc"](About(sso.issuer.replace("127.0.0.1", "localhost"))).outcome == Outcome.FAIL


def test_a_real_hub_leads_to_the_single_sign_on(hub: servers.Hub, sso: servers.Sso) -> None:
    found = CHECKS["sign_in"](About(f"{hub.url}/hub/oauth_login", issuer=sso.issuer))

    assert found.outcome == Outcome.PASS, found.sentence
    assert "leads to the EarthCODE single sign-on as the client" in found.sentence


def test_a_real_hub_says_its_version(hub: servers.Hub) -> None:
    found = CHECKS["interface"](About(hub.url, {"interface": "jupyterhub"}))

    assert found.outcome == Outcome.PASS, found.sentence
    assert found.sentence.startswith("JupyterHub 6")


def test_a_real_hub_is_asked_by_its_connector(hub: servers.Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_SECRET_HUB", hub.token)

    found = CHECKS["interface"](About(hub.url, connector=("jupyterhub", {"public_url": hub.url}, "hub", "")))

    assert (found.outcome, found.seen) == (Outcome.PASS, {"connector": "jupyterhub"})


@pytest.mark.django_db(transaction=True)
def test_our_own_ogc_api_passes(live_server: Any) -> None:
    found = CHECKS["ogc"](About(f"{live_server.url}/ogc/"))

    assert found.outcome == Outcome.PASS, found.sentence
    assert "records" in found.seen["parts"]
