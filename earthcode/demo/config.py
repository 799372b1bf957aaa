"""What the demo runs and where, from the environment.

``DATABASE_URL``, ``OIDC_ISSUER`` and ``CELERY_BROKER_URL`` replace the embedded parts one by one; the ports move the
rest.
"""

import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Self

BASE_DIR = Path(__file__).resolve().parents[2]
#: A member of ``settings.DATABASE_SITE_ROLE``, which ``prepare`` makes on the embedded server.
SERVING_LOGIN = "nor_site"


class ConfigError(Exception):
    """A setting that cannot be; the message says which."""


@dataclass(frozen=True)
class Port:
    number: int
    #: The setting that changes it.
    setting: str
    purpose: str


@dataclass(frozen=True)
class Ports:
    """Each is the setting of its name in capitals with ``_PORT``: ``WEB_PORT``, ``HUB_API_PORT``."""

    web: int = 8000
    sso: int = 9000
    hub: int = 8001
    hub_proxy: int = 8002
    hub_api: int = 8081
    database: int = 54329
    broker: int = 63799

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        given = {one.name: environment.get(f"{one.name.upper()}_PORT") for one in fields(cls)}
        for name, text in given.items():
            if text is not None and not (text.isdecimal() and 0 < int(text) < 65536):
                raise ConfigError(f"{name.upper()}_PORT is “{text}”; it has to be the number of a port")
        ports = cls(**{name: int(text) for name, text in given.items() if text is not None})
        users: dict[int, str] = {}
        for name, number in asdict(ports).items():
            if number in users:
                raise ConfigError(f"{users[number]} and {name.upper()}_PORT are both {number}")
            users[number] = f"{name.upper()}_PORT"
        return ports

    @classmethod
    def free(cls) -> Self:
        return cls(*free_ports(len(fields(cls))))


@dataclass(frozen=True)
class Config:
    """One demo: what it runs, and where."""

    local_dir: Path
    ports: Ports = field(default_factory=Ports)
    #: Of servers that run already; nothing means the embedded one.
    external_database_url: str = ""
    external_sso_database_url: str = ""
    external_broker_url: str = ""
    external_issuer: str = ""
    external_site_url: str = ""
    with_hub: bool = True
    #: Goes to every process, beneath what we set.
    base_environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        return cls(
            local_dir=Path(environment.get("LOCAL_DIR") or BASE_DIR / ".local" / "demo").absolute(),
            ports=Ports.from_environment(environment),
            external_database_url=environment.get("DATABASE_URL", ""),
            external_sso_database_url=environment.get("SSO_DATABASE_URL", ""),
            external_broker_url=environment.get("CELERY_BROKER_URL", ""),
            external_issuer=environment.get("OIDC_ISSUER", ""),
            external_site_url=environment.get("SITE_URL", ""),
            with_hub=environment.get("DEMO_JUPYTERHUB", "1").lower() not in {"0", "no", "false", "off"},
            base_environment=dict(environment),
        )

    @classmethod
    def on_free_ports(cls, local_dir: Path, *, with_hub: bool = True, **environment: str) -> Self:
        """A demo that disturbs no other, for tests. ``environment`` is handed to every process."""
        inherited = {name: value for name, value in os.environ.items() if name not in REPLACES_A_PART}
        return cls(
            local_dir=local_dir.absolute(),
            ports=Ports.free(),
            with_hub=with_hub,
            base_environment=inherited | environment,
        )

    # --- where things are --------------------------------------------------------------------------------------------

    @property
    def site_url(self) -> str:
        return self.external_site_url.rstrip("/") or f"http://127.0.0.1:{self.ports.web}"

    @property
    def sso_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.sso}"

    @property
    def issuer(self) -> str:
        return self.external_issuer or f"{self.sso_url}/o"

    @property
    def hub_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.hub}"

    @property
    def database_url(self) -> str:
        """As whom the site serves: on the embedded server a login that can change neither the books nor the audit trail."""
        return self.external_database_url or self._embedded("earthcode", login=SERVING_LOGIN)

    @property
    def owner_database_url(self) -> str:
        """As whom tables are made."""
        return self.external_database_url or self._embedded("earthcode")

    @property
    def serving_login(self) -> str:
        """Empty where another server has logins of its own."""
        return "" if self.external_database_url else SERVING_LOGIN

    @property
    def sso_database_url(self) -> str:
        return self.external_sso_database_url or self._embedded("sso")

    def _embedded(self, database: str, *, login: str = "earthcode") -> str:
        return f"postgres://{login}@127.0.0.1:{self.ports.database}/{database}"

    @property
    def broker_url(self) -> str:
        return self.external_broker_url or f"redis://127.0.0.1:{self.ports.broker}/0"

    @property
    def logs(self) -> Path:
        return self.local_dir / "logs"

    # --- what runs ---------------------------------------------------------------------------------------------------

    @property
    def with_sso(self) -> bool:
        return not self.external_issuer

    @property
    def with_broker(self) -> bool:
        return not self.external_broker_url

    @property
    def embedded_databases(self) -> list[str]:
        """Databases that the embedded server has to have; none means that it is not needed."""
        wanted = [] if self.external_database_url else ["earthcode"]
        return [*wanted, "sso"] if self.with_sso and not self.external_sso_database_url else wanted

    @property
    def needed_ports(self) -> list[Port]:
        """Every port that has to be free."""
        wanted = [Port(self.ports.web, "WEB_PORT", "the web server")]
        if self.embedded_databases:
            wanted.append(Port(self.ports.database, "DATABASE_PORT", "PostgreSQL"))
        if self.with_broker:
            wanted.append(Port(self.ports.broker, "BROKER_PORT", "the broker"))
        if self.with_sso:
            wanted.append(Port(self.ports.sso, "SSO_PORT", "the single sign-on"))
        if self.with_hub:
            wanted += [
                Port(self.ports.hub, "HUB_PORT", "JupyterHub"),
                Port(self.ports.hub_proxy, "HUB_PROXY_PORT", "JupyterHub's proxy"),
                Port(self.ports.hub_api, "HUB_API_PORT", "JupyterHub's inner side"),
            ]
        return wanted

    @property
    def hub_token(self) -> str:
        """The marketplace's token at the hub: made once, readable by its owner only."""
        if not self._hub_token_file.exists():
            self.write_hub_token(secrets.token_hex(16))
        return self._hub_token_file.read_text()

    def write_hub_token(self, token: str) -> None:
        self.local_dir.mkdir(parents=True, exist_ok=True)
        self._hub_token_file.touch(mode=0o600)
        self._hub_token_file.write_text(token)

    @property
    def _hub_token_file(self) -> Path:
        return self.local_dir / "hub-token"

    def environment(self) -> dict[str, str]:
        """What every process of this demo finds in its environment."""
        return {
            "EMAIL_URL": f"filemail:///{self.local_dir / 'mail'}",
            # The platforms of the demo are on this machine, so what people give as addresses may be here as well.
            "FETCH_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
            **self.base_environment,
            "PYTHONPATH": str(BASE_DIR),
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "earthcode.settings",
            "DEMO": "1",
            "LOCAL_DIR": str(self.local_dir),
            # Marks our processes: what a killed demo left behind is found by it.
            MARK: str(self.local_dir),
            "SITE_URL": self.site_url,
            "SSO_URL": self.sso_url,
            "HUB_URL": self.hub_url,
            "HUB_API_PORT": str(self.ports.hub_api),
            "HUB_PROXY_PORT": str(self.ports.hub_proxy),
            "DATABASE_URL": self.database_url,
            "CELERY_BROKER_URL": self.broker_url,
            "SSO_DATABASE_URL": self.sso_database_url,
            "OIDC_ISSUER": self.issuer,
            "NOR_SERVICE_TOKEN": self.hub_token,
            "CONNECTOR_SECRET_DEMO_HUB": self.hub_token,
        }


MARK = "EARTHCODE_DEMO"
#: Settings of a test run that would make its demo use somebody else's servers.
REPLACES_A_PART = {
    "DATABASE_URL",
    "SSO_DATABASE_URL",
    "OIDC_ISSUER",
    "SITE_URL",
    "LOCAL_DIR",
    "CELERY_BROKER_URL",
    "DEMO_PERSONAS",
}


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now. Asked for together, they differ."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
