"""Makes a filled database of an earlier version, or a dump of one: ``python -m tests.upgrade.record e42295b``.

The dump is kept beside this file, so that an upgrade can be proved without the history, and with libraries that the earlier code
would not run with. Make one when a version is released: ``python -m tests.upgrade.record v0.1.0``.
"""

import gzip
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from earthcode.demo.postgres import Server, programs
from tests.upgrade.catalogue import run_psql

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class UnknownVersionError(Exception):
    """The clone does not have the version."""


def fill(version: str, url: str) -> None:
    """Migrate an empty database with the code of a version and let that code fill it."""
    archive = subprocess.run(["git", "archive", version], cwd=ROOT, capture_output=True)  # noqa: S607
    if archive.returncode:
        raise UnknownVersionError(archive.stderr.decode(errors="replace").strip())
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as code:
            code.extractall(folder, filter="data")
        environment = {
            name: value for name, value in os.environ.items() if name not in {"DJANGO_SETTINGS_MODULE", "PYTHONPATH"}
        }
        subprocess.run(
            [sys.executable, "-W", "ignore", str(HERE / "fill.py")],
            cwd=folder,
            env={**environment, "DATABASE_URL": url, "LOCAL_DIR": f"{folder}/.local"},
            check=True,
        )


def dump(url: str, file: Path) -> None:
    """Keep a database as statements, always the same bytes for the same database."""
    done = subprocess.run([str(programs() / "pg_dump"), "--dbname", url], capture_output=True, text=True, check=True)
    # Of each run another one, and commands of psql.
    text = re.sub(r"^\\(un)?restrict .*\n", "", done.stdout, flags=re.MULTILINE)
    with gzip.GzipFile(file, "wb", compresslevel=9, mtime=0) as packed:
        packed.write(text.encode())


def restore(file: Path, url: str) -> None:
    """Fill an empty database from a dump. The roles it names have to be there."""
    run_psql(url, gzip.decompress(file.read_bytes()))


def main(version: str) -> None:
    from tests.upgrade.prove import server

    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as running:
        assert isinstance(running, Server)
        running.create_database("filled")
        fill(version, running.url("filled"))
        file = HERE / f"filled-{version}.sql.gz"
        dump(running.url("filled"), file)
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size // 1024} KiB")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
