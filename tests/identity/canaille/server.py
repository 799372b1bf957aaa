"""Canaille: an OpenID provider that shares no code with the demo's, nor with ours.

Installed once from the locked list beside this file into ``.local/canaille``, in an environment of its own; started afresh
for each module of tests. What cannot be installed or started is an error, never a skipped test.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from jwt.algorithms import RSAAlgorithm

from earthcode.lib import environments

HERE = Path(__file__).resolve().parent
LOCK = HERE / "requirements.lock"
ENVIRONMENT = settings.BASE_DIR / ".local" / "canaille"

CLIENT_ID = "nor-web"
CLIENT_SECRET = "nor-web-secret"
PASSWORD = "good-for-this-test-only"
PEOPLE = {"ada": "Ada Keller", "tom": "Tom Weber"}
GROUPS = {"nor-esa-managers": ["ada", "tom"], "earthcode-users": ["ada", "tom"]}

SETTINGS = """
SECRET_KEY = "for tests on one machine"
SERVER_NAME = "{host}"
PREFERRED_URL_SCHEME = "http"
BROKER = "dramatiq_eager_broker:EagerBroker"
[CANAILLE]
NAME = "A second single sign-on"
DATABASE = "sql"
JAVASCRIPT = false
CAPTCHA_ENABLED = false
FORCE_HTTPS = false
[CANAILLE_SQL]
DATABASE_URI = "sqlite:///{folder}/canaille.sqlite"
[CANAILLE.ACL.DEFAULT]
PERMISSIONS = ["edit_self", "use_oidc"]
READ = ["user_name", "groups"]
[CANAILLE_OIDC]
REQUIRE_NONCE = false
ACTIVE_JWKS = [{jwk}]
[CANAILLE_OIDC.USERINFO_MAPPING]
SUB = "{{{{ user.user_name }}}}"
PREFERRED_USERNAME = "{{{{ user.user_name }}}}"
GROUPS = "{{{{ user.groups | map(attribute='display_name') | join(' ') }}}}"
[CANAILLE_SCIM]
ENABLE_SERVER = true
"""


#: Python runs this at the start of each of canaille's processes. Canaille's access tokens say when they were made to the
#: second and nothing else that differs, and it cannot store one text twice: without this, signing in twice within a
#: second is an error of its own.
AT_START = """
import uuid

from authlib.oidc.core.grants import util

as_it_is = util.generate_id_token


def generate_id_token(token, user_info, *arguments, **named):
    return as_it_is(token, type(user_info)(user_info, jti=uuid.uuid4().hex), *arguments, **named)


util.generate_id_token = generate_id_token
"""


class CanailleFailed(RuntimeError):
    """It could not be installed, filled or started; the message has the end of its log."""


@dataclass
class Canaille:
    """A running one. What is changed in it, is changed over its own API (SCIM)."""

    folder: Path
    port: int
    site_url: str
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def _environment(self) -> dict[str, str]:
        mine = {"CANAILLE_CONFIG": str(self.folder / "canaille.toml"), "HOME": str(self.folder)}
        mine["PYTHONPATH"] = str(self.folder)
        return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | mine

    def fill(self, programs: Path) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        jwk = RSAAlgorithm.to_jwk(key, as_dict=True) | {"kid": "canaille", "use": "sig"}
        table = ", ".join(f'{name} = "{value}"' for name, value in jwk.items() if isinstance(value, str))
        text = SETTINGS.format(host=f"127.0.0.1:{self.port}", folder=self.folder, jwk=f"{{{table}}}")
        (self.folder / "canaille.toml").write_text(text, encoding="utf-8")
        (self.folder / "sitecustomize.py").write_text(AT_START, encoding="utf-8")
        _run(
            [str(programs / "python"), str(HERE / "seed.py")],
            given=json.dumps(self._contents()),
            environment=self._environment,
            cwd=self.folder,
        )

    def _contents(self) -> dict[str, Any]:
        people = [
            {
                "user_name": user_name,
                "password": PASSWORD,
                "given_name": name.split()[0],
                "family_name": name.split()[1],
                "formatted_name": name,
                "emails": [f"{user_name}@science.example"],
            }
            for user_name, name in PEOPLE.items()
        ]
        site = {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "client_name": "Network of Resources",
            "client_uri": self.site_url,
            "redirect_uris": [f"{self.site_url}/accounts/oidc/earthcode/login/callback/"],
            "post_logout_redirect_uris": [f"{self.site_url}/accounts/signed-out/"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "scope": ["openid", "profile", "email", "groups"],
            "token_endpoint_auth_method": "client_secret_basic",
        }
        clerk = {
            "client_id": "clerk",
            "client_secret": "clerk-secret",
            "client_name": "Keeps the groups",
            "client_uri": self.site_url,
            "grant_types": ["client_credentials"],
            "scope": ["scim"],
            "token_endpoint_auth_method": "client_secret_basic",
        }
        return {"people": people, "groups": GROUPS, "clients": [site, clerk]}

    def start(self, programs: Path, *, timeout_s: float = 60) -> None:
        log = self.folder / "canaille.log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(programs / "canaille"), "run", "--bind", f"127.0.0.1:{self.port}"],
                stdout=output,
                stderr=output,
                env=self._environment,
                cwd=self.folder,
                start_new_session=True,
            )
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise CanailleFailed(f"canaille did not start:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.issuer}/.well-known/openid-configuration", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def put_in_group(self, name: str, members: Sequence[str]) -> None:
        """Make these and nobody else the members of the group."""
        with httpx.Client(base_url=self.issuer, timeout=20) as clerk:
            login = ("clerk", "clerk-secret")
            answer = clerk.post("/oauth/token", data={"grant_type": "client_credentials", "scope": "scim"}, auth=login)
            headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
            group = {
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                "displayName": name,
                "members": [{"value": each, "$ref": f"{self.issuer}/scim/v2/Users/{each}"} for each in members],
            }
            answer = clerk.put(
                f"/scim/v2/Groups/{name}",
                content=json.dumps(group),
                headers=headers | {"Content-Type": "application/scim+json"},
            )
            assert answer.status_code == 200, answer.text
            assert {each["value"] for each in answer.json()["members"]} == set(members)


@contextlib.contextmanager
def running(folder: Path, *, port: int, site_url: str) -> Iterator[Canaille]:
    """One that knows ``PEOPLE`` and ``GROUPS`` and the site at ``site_url``, as long as the block."""
    programs = install()
    canaille = Canaille(folder, port, site_url)
    canaille.fill(programs)
    try:
        canaille.start(programs)
        yield canaille
    finally:
        canaille.stop()


def install() -> Path:
    """The folder of programs of an environment that has the locked list."""
    environments.make(ENVIRONMENT, LOCK)
    return ENVIRONMENT / "bin"


def _run(command: Sequence[str], *, environment: dict[str, str], cwd: Path, given: str = "") -> None:
    done = subprocess.run(command, input=given, capture_output=True, text=True, env=environment, cwd=cwd)
    if done.returncode:
        raise CanailleFailed(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
