from collections.abc import Iterator

import httpx
import pytest

from earthcode.demo import servers
from earthcode.demo.people import PEOPLE
from tests.demo.relying_party import RelyingParty

SITE_URL = "http://127.0.0.1:8000"


@pytest.fixture(scope="session")
def hub_port() -> int:
    return servers.free_port()


@pytest.fixture(scope="session")
def running_sso(tmp_path_factory: pytest.TempPathFactory, hub_port: int) -> Iterator[servers.Sso]:
    folder = tmp_path_factory.mktemp("sso")
    with servers.sso(folder, site_url=SITE_URL, hub_url=f"http://127.0.0.1:{hub_port}") as sso:
        yield sso


@pytest.fixture
def sso(running_sso: servers.Sso) -> Iterator[servers.Sso]:
    """The demo single sign-on with its usual people, whatever a test does to them."""
    yield running_sso
    running_sso.write_personas(PEOPLE)


@pytest.fixture
def web(sso: servers.Sso) -> RelyingParty:
    """The site, as a client of the single sign-on."""
    redirect_uri = f"{SITE_URL}/accounts/oidc/earthcode/login/callback/"
    return RelyingParty(sso.issuer, "nor-web", "nor-web-demonstration-secret", redirect_uri)


@pytest.fixture
def agent() -> Iterator[httpx.Client]:
    """A browser without a window."""
    with httpx.Client() as client:
        yield client
