"""Lock files: what ``make lock`` does after uv, and ``make try-locks``, whether they hold where they are most likely not to.

Each is installed into a new environment as this project does it, and once more tried as one does by hand, with the pip that
the oldest Python brought; both without anything kept from before, and beside a newer release of every package in it. With
the names of lock files as arguments, only those.

``complete LOCK…`` gives every package that is named with extras a second line without. pip's resolver takes the two for two
packages: one that is asked for plainly and pinned only with extras it would look for among the newest releases.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from tests.support.wheels import wheel  # noqa: E402

#: The pip that Python 3.11.0 came with.
OLDEST_PIP = "22.3"
SEARCHED = ("*.lock", "tests/**/*.lock")


def say(words: str) -> None:
    print(words, flush=True)  # noqa: T201 - it is a program


def oldest_python() -> str:
    for name in ("python3.11", sys.executable):
        try:
            subprocess.run([name, "-I", "-c", "import ensurepip"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return name
    sys.exit("no Python here can make environments")


def run(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{(done.stdout + done.stderr).strip()[-4000:]}")
    return done.stdout


def newer_releases(lock: Path, folder: Path) -> None:
    """A release 9999 of everything in the lock, which offers the extras that are asked of it, and is never right."""
    for line in lock.read_text("utf-8").splitlines():
        if "==" in line and not line.startswith((" ", "#")):
            name, _, extras = line.split("==")[0].strip().rstrip("]").partition("[")
            offered = [extra.strip() for extra in extras.split(",") if extra.strip()]
            wheel(folder, name, "9999", extras=[*offered, "email"], needs=["not-a-package-of-anybody"])


def attempt(lock: Path, python: str, folder: Path) -> None:
    releases = folder / "releases"
    releases.mkdir()
    newer_releases(lock, releases)
    machine = {
        "HOME": str(folder / "home"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PIP_NO_CACHE_DIR": "1",
        "PIP_FIND_LINKS": f"{os.environ.get('PIP_FIND_LINKS', '')} {releases}".strip(),
    }
    began = time.monotonic()
    run(python, "-I", ROOT / "earthcode" / "lib" / "environments.py", folder / "made", lock, **machine)
    say(f"    {time.monotonic() - began:4.0f} s  as this project installs it")
    began = time.monotonic()
    run(python, "-I", "-m", "venv", folder / "by-hand")
    pip = (folder / "by-hand" / "bin" / "python", "-I", "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "install", f"pip=={OLDEST_PIP}")
    run(*pip, "install", "--require-hashes", "--dry-run", "--requirement", lock, **machine)
    say(f"    {time.monotonic() - began:4.0f} s  with pip {OLDEST_PIP} by hand")


def complete(lock: Path) -> None:
    text = lock.read_text("utf-8")
    requirement = re.compile(r"^([a-z0-9.-]+)\[[^\]]*\](==.*\n(?:    --hash=.*\n)+)", re.MULTILINE)
    lock.write_text(requirement.sub(lambda found: f"{found[1]}{found[2]}{found[0]}", text), "utf-8")


def main() -> None:
    if sys.argv[1:2] == ["complete"]:
        for name in sys.argv[2:]:
            complete(Path(name))
        return
    named = [Path(name).resolve() for name in sys.argv[1:]]
    locks = named or sorted({path for pattern in SEARCHED for path in ROOT.glob(pattern)})
    python = oldest_python()
    say(f"with {run(python, '--version').strip()}")
    for lock in locks:
        say(f"{lock.relative_to(ROOT)}")
        with tempfile.TemporaryDirectory(prefix="locks-") as folder:
            attempt(lock, python, Path(folder))
    say(f"{len(locks)} locks hold")


if __name__ == "__main__":
    main()
