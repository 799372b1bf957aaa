"""A real platform for the demo: JupyterHub with the demo single sign-on, where only a group gives the right to compute.

``python -m jupyterhub -f earthcode/demo/jupyterhub_config.py``; everything that differs between machines comes from
the environment. Anybody may sign in; starting a server needs the role ``nor-compute``, which membership of a group
gives and the marketplace grants over the REST API.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from traitlets.config import get_config

c = get_config()

HUB_DIR = Path(os.environ.get("LOCAL_DIR", ".local")).resolve() / "hub"
HUB_URL = os.environ.get("HUB_URL", "http://127.0.0.1:8001").rstrip("/")
SITE_URL = os.environ.get("SITE_URL", "http://127.0.0.1:8000").rstrip("/")
ISSUER = os.environ.get("OIDC_ISSUER", "http://127.0.0.1:9000/o")
CLIENT_ID = os.environ.get("HUB_CLIENT_ID", "jupyterhub")
CLIENT_SECRET = os.environ.get("HUB_CLIENT_SECRET", "jupyterhub-demonstration-secret")


def discover(issuer: str, *, patience_s: float = 60) -> dict[str, Any]:
    """The issuer's endpoints. It may be starting beside us, so a refusal at first is no failure."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            with urllib.request.urlopen(f"{issuer.rstrip('/')}/.well-known/openid-configuration", timeout=5) as answer:  # noqa: S310
                document: dict[str, Any] = json.load(answer)
                return document
        except (urllib.error.URLError, TimeoutError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


if urlsplit(HUB_URL).hostname not in {"127.0.0.1", "localhost"}:
    raise SystemExit(f"HUB_URL is {HUB_URL}: servers here run unprotected, so the hub keeps to the loopback address")
HUB_DIR.mkdir(parents=True, exist_ok=True)
endpoints = discover(ISSUER)

# --- the hub ---------------------------------------------------------------------------------------------------------

c.JupyterHub.bind_url = HUB_URL
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{os.environ.get('HUB_API_PORT', '8081')}"
c.JupyterHub.db_url = f"sqlite:///{HUB_DIR}/hub.sqlite"
c.JupyterHub.cookie_secret_file = str(HUB_DIR / "cookie-secret")
c.ConfigurableHTTPProxy.command = [sys.executable, "-m", "earthcode.demo.proxy"]
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{os.environ.get('HUB_PROXY_PORT', '8002')}"
c.ConfigurableHTTPProxy.pid_file = str(HUB_DIR / "proxy.pid")
c.JupyterHub.cleanup_servers = True
c.JupyterHub.template_vars = {
    "announcement": f'Servers here run on credits of the <a href="{SITE_URL}/">Network of Resources</a>. '
    "Without an allocation you can sign in and look around."
}

# --- people: anybody the single sign-on knows -------------------------------------------------------------------------

c.JupyterHub.authenticator_class = "generic-oauth"
c.GenericOAuthenticator.login_service = "EarthCODE"
c.GenericOAuthenticator.client_id = CLIENT_ID
c.GenericOAuthenticator.client_secret = CLIENT_SECRET
c.GenericOAuthenticator.basic_auth = True
c.GenericOAuthenticator.enable_pkce = True
c.GenericOAuthenticator.oauth_callback_url = f"{HUB_URL}/hub/oauth_callback"
c.GenericOAuthenticator.authorize_url = endpoints["authorization_endpoint"]
c.GenericOAuthenticator.token_url = endpoints["token_endpoint"]
c.GenericOAuthenticator.userdata_url = endpoints["userinfo_endpoint"]
c.GenericOAuthenticator.scope = ["openid", "profile", "email", "groups"]
c.GenericOAuthenticator.username_claim = "preferred_username"
c.GenericOAuthenticator.auto_login = True
c.GenericOAuthenticator.allow_all = True
if "end_session_endpoint" in endpoints:
    # Signing out of the hub alone would be undone by the next page: the single sign-on would sign the person in again.
    c.GenericOAuthenticator.logout_redirect_url = f"{endpoints['end_session_endpoint']}?" + urlencode(
        {"client_id": CLIENT_ID, "post_logout_redirect_uri": f"{SITE_URL}/"}
    )

# --- rights: a person may sign in, a member of a group may compute, the marketplace may make members ------------------

GROUPS = {"nor-compute": {"mem_limit": "1G", "cpu_limit": 1}, "nor-compute-large": {"mem_limit": "4G", "cpu_limit": 2}}

c.JupyterHub.load_groups = {name: {"users": []} for name in GROUPS}
c.JupyterHub.load_roles = [
    {
        "name": "user",
        "description": "Everybody who signs in; without the right to start a server",
        "scopes": ["read:users!user", "read:tokens!user", "access:services"],
    },
    {
        "name": "nor-compute",
        "description": "Those with an allocation: may start servers and use them",
        "groups": list(GROUPS),
        "scopes": ["self", "servers!user", "access:servers!user"],
    },
    {
        "name": "nor-provisioner",
        "description": "The Network of Resources: makes users and members, stops servers, reads activity",
        "services": ["nor"],
        "scopes": [
            "admin:users",
            "admin:groups",
            "list:users",
            "list:groups",
            "read:users",
            "read:users:activity",
            "read:groups",
            "read:roles",
            "read:hub",
            "servers",
            "read:servers",
            "delete:servers",
            "tokens",
        ],
    },
]
c.JupyterHub.services = [{"name": "nor", "api_token": os.environ["NOR_SERVICE_TOKEN"]}]

# --- servers: processes on this machine, with homes of their own ------------------------------------------------------

c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = str(HUB_DIR / "homes" / "{username}")
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = 120
c.Spawner.http_timeout = 120
c.Spawner.environment = {
    name: os.environ[name] for name in ("PYTHONPATH", "EARTHCODE_DEMO", "XDG_RUNTIME_DIR") if name in os.environ
}
# JupyterLab asks other hosts for news and new releases unless told not to.
c.Spawner.args = [
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
]
if os.geteuid() == 0:
    c.Spawner.args.append("--allow-root")
c.Spawner.group_overrides = {
    f"{number}-{name}": {"groups": [name], "spawner_override": limits}
    # The last one that fits wins: somebody in both groups gets the large machine.
    for number, (name, limits) in enumerate(GROUPS.items())
}
