"""A real Celery worker of the site on the test's database."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import connection


def database_url() -> str:
    """Of the database that the test uses."""
    database = connection.settings_dict
    person = ":".join(quote(part, safe="") for part in (database["USER"], database["PASSWORD"]) if part)
    return f"postgres://{person}@{database['HOST']}:{database['PORT']}/{database['NAME']}"


class Worker:
    """One program in a process group of its own; ``folder`` takes its log, which several starts share."""

    def __init__(self, folder: Path, arguments: Sequence[str], *, name: str = "worker", **environment: str) -> None:
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "earthcode", *arguments, "--loglevel=INFO"],
                cwd=settings.BASE_DIR,
                env={
                    **os.environ,
                    "DATABASE_URL": database_url(),
                    "LOCAL_DIR": str(folder),
                    "EMAIL_URL": "dummymail://",
                    **environment,
                },
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """``kill -9`` of the worker and its children at one stroke."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.kill()

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Until the condition holds, for two minutes at most; the worker has to live that long."""
        deadline = time.monotonic() + 120
        while not condition():
            assert self.process.poll() is None, f"the worker ended:\n{self.said()[-4000:]}"
            assert time.monotonic() < deadline, f"waited in vain until {what}:\n{self.said()[-4000:]}"
            time.sleep(0.05)

    def said(self) -> str:
        return self.log.read_text(errors="replace")
