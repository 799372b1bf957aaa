"""One server of the demo alone, for tests: the single sign-on, or the JupyterHub."""

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from earthcode.demo import people
from earthcode.demo.config import Config, Ports, free_ports
from earthcode.demo.people import PEOPLE, Persona
from earthcode.demo.processes import Process
from earthcode.demo.stack import parts


@dataclass
class Server:
    """A running server; ``stop`` and ``start`` again on the same port show what its clients make of an outage."""

    part: Process
    config: Config

    @property
    def log(self) -> Path:
        return self.part.log

    def pids(self) -> list[int]:
        return self.part.pids()

    def start(self) -> None:
        self.part.start()
        self.part.wait_ready(threading.Event())

    def stop(self) -> None:
        self.part.stop()


@dataclass
class Sso(Server):
    personas: Path

    @property
    def url(self) -> str:
        return self.config.sso_url

    @property
    def issuer(self) -> str:
        return self.config.issuer

    def write_personas(self, personas: Sequence[Persona]) -> None:
        """From now on these are the people, and these their claims."""
        people.write(self.personas, personas)


@dataclass
class Hub(Server):
    @property
    def url(self) -> str:
        return self.config.hub_url

    @property
    def token(self) -> str:
        """Of the service ``nor``: makes users and members, stops servers."""
        return self.config.hub_token


def free_port() -> int:
    return free_ports(1)[0]


@contextlib.contextmanager
def sso(
    local_dir: Path,
    *,
    port: int | None = None,
    database_url: str | None = None,
    site_url: str = "http://127.0.0.1:8000",
    hub_url: str = "http://127.0.0.1:8001",
    personas: Sequence[Persona] = PEOPLE,
    **environment: str,
) -> Iterator[Sso]:
    """The demo single sign-on; without ``database_url`` it makes a database on the server of ``DATABASE_URL``."""
    ports = replace(Ports.free(), hub=urlsplit(hub_url).port or 80)
    if port is not None:
        ports = replace(ports, sso=port)
    local_dir.mkdir(parents=True, exist_ok=True)
    file = local_dir / "personas.json"
    people.write(file, personas)
    with contextlib.ExitStack() as stack:
        config = Config(
            local_dir=local_dir.absolute(),
            ports=ports,
            external_site_url=site_url,
            external_database_url="postgres://not.used.invalid/",
            external_sso_database_url=database_url or stack.enter_context(_temporary_database(f"sso_{ports.sso}")),
            with_hub=False,
            base_environment=dict(os.environ) | {"DEMO_PERSONAS": str(file)} | environment,
        )
        server = Sso(_part(config, "sso"), config, file)
        stack.callback(server.stop)
        server.start()
        yield server


@contextlib.contextmanager
def jupyterhub(
    local_dir: Path,
    *,
    issuer: str,
    port: int | None = None,
    site_url: str = "http://127.0.0.1:8000",
    token: str | None = None,
    **environment: str,
) -> Iterator[Hub]:
    """The demo JupyterHub, signed in to at ``issuer``, which has to know its callback (``sso(hub_url=…)``)."""
    ports = Ports.free() if port is None else replace(Ports.free(), hub=port)
    local_dir.mkdir(parents=True, exist_ok=True)
    config = Config(
        local_dir=local_dir.absolute(),
        ports=ports,
        external_issuer=issuer,
        external_site_url=site_url,
        external_database_url="postgres://not.used.invalid/",
        base_environment=dict(os.environ) | environment,
    )
    if token is not None:
        config.write_hub_token(token)
    server = Hub(_part(config, "hub"), config)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _part(config: Config, key: str) -> Process:
    part = next(part for part in parts(config) if part.key == key)
    assert isinstance(part, Process)
    return part


@contextlib.contextmanager
def _temporary_database(name: str) -> Iterator[str]:
    """A database beside the one that ``DATABASE_URL`` names; its address."""
    address = urlsplit(os.environ["DATABASE_URL"])
    server = urlunsplit(address._replace(path="/postgres"))

    def run(command: str) -> None:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL(command).format(sql.Identifier(name)))

    run("CREATE DATABASE {}")
    try:
        yield urlunsplit(address._replace(path=f"/{name}"))
    finally:
        run("DROP DATABASE {} WITH (FORCE)")
