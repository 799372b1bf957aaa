"""Make a virtual environment that has what a lock file lists: the one way in which any environment here is made.

    python3 -I earthcode/lib/environments.py .venv requirements-demo.lock

The pip that comes with a Python differs from machine to machine, and what it does with a lock differs with it. It is used
for one thing only, to install the pip of ``requirements-pip.lock``. That one installs the lock: checked by hash, without
choosing anything (``--no-deps``), so that a package which came out yesterday changes nothing. ``pip check`` then tells
whether the lock was complete. Needs nothing but Python; pip's own configuration of the machine is honoured.
"""

import fcntl
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PIP_LOCK = ROOT / "requirements-pip.lock"
OLDEST_PYTHON = (3, 11)

#: What was installed last, by package; inside the environment.
RECORD = "installed.json"


class NotInstalled(RuntimeError):
    """The environment could not be made; the message says why and has the end of pip's log."""


def requirements(text: str) -> dict[str, list[str]]:
    """The requirements of a lock file by package, each with its version, its markers and its hashes."""
    found: dict[str, list[str]] = {}
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for requirement in "\n".join(lines).replace("\\\n", " ").splitlines():
        name = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
        if name is None:
            raise NotInstalled(f"the lock file has a line that names no package: {requirement}")
        found.setdefault(re.sub(r"[-_.]+", "-", name[0]).lower(), []).append(" ".join(requirement.split()))
    return found


def make(
    folder: Path, lock: Path, *, python: str = sys.executable, say: Callable[[str], object] = lambda _words: None
) -> bool:
    """Give the environment in ``folder`` everything in ``lock``; True when there was something to do.

    Another lock may have been installed there before: what both list is left alone. Two processes at once do it once.
    """
    wanted = requirements(PIP_LOCK.read_text("utf-8")) | requirements(lock.read_text("utf-8"))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.parent):
        runs = _runs(folder)
        installed = _installed(folder) if runs else {}
        missing = {name: lines for name, lines in wanted.items() if installed.get(name) != lines}
        if not missing:
            return False
        say(f"Installing {len(missing)} packages from {lock} into {folder}, about a minute")
        if not runs:
            _create(folder, python)
        # Until all is well, what is being replaced is not there.
        _record(folder, {name: lines for name, lines in installed.items() if name not in missing})
        if "pip" in missing:
            _pip(folder, "install", "--require-hashes", "--requirement", str(PIP_LOCK))
        _pip(folder, "install", "--no-deps", "--no-compile", "--require-hashes", "--requirement", str(lock))
        _pip(folder, "check")
        _record(folder, installed | wanted)
    return True


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _runs(folder: Path) -> bool:
    try:
        return (
            subprocess.run([folder / "bin" / "python", "-I", "-m", "pip", "--version"], capture_output=True).returncode
            == 0
        )
    except OSError:
        return False


def _installed(folder: Path) -> dict[str, list[str]]:
    """What the record says; nothing where there is none."""
    try:
        said: dict[str, list[str]] = json.loads((folder / RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return said


def _record(folder: Path, installed: dict[str, list[str]]) -> None:
    new = folder / f"{RECORD}.new"
    new.write_text(json.dumps(installed, indent=1, sort_keys=True), "utf-8")
    new.replace(folder / RECORD)


def _create(folder: Path, python: str) -> None:
    done = subprocess.run([python, "-I", "-m", "venv", "--clear", str(folder)], capture_output=True, text=True)
    if done.returncode:
        raise NotInstalled(
            f"{python} cannot make virtual environments here; on Debian and Ubuntu: apt install python3-venv\n"
            f"{_end(done.stdout + done.stderr)}"
        )


def _pip(folder: Path, command: str, *arguments: str) -> None:
    done = subprocess.run(
        [
            str(folder / "bin" / "python"),
            "-I",
            "-m",
            "pip",
            command,
            *arguments,
            "--disable-pip-version-check",
            "--no-input",
        ],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise NotInstalled(f"pip {command} failed in {folder}:\n{_end(done.stdout + done.stderr)}")


def _end(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-20:])


def main(arguments: Sequence[str]) -> int:
    if sys.version_info < OLDEST_PYTHON or len(arguments) != 2:
        sys.stderr.write(
            f"usage: python3 -I {__file__} FOLDER LOCK, with Python {'.'.join(map(str, OLDEST_PYTHON))} or later\n"
        )
        return 2
    folder, lock = Path(arguments[0]), Path(arguments[1])
    try:
        make(folder, lock, say=lambda words: print(words, flush=True))  # noqa: T201 - it is a program
    except (NotInstalled, OSError) as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
