"""PostgreSQL is stopped or killed under the whole running site, which nobody starts anew: nothing that was confirmed is lost."""

import os
import re
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg
import pytest
from bs4 import BeautifulSoup

from earthcode.demo.config import Config
from earthcode.demo.stack import Stack
from tests.demo.relying_party import choose_persona

pytestmark = [pytest.mark.platform, pytest.mark.slow]

#: How many writes are confirmed before the signal, and again after it.
ENOUGH = 5


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    # Short, so that nobody has to wait a minute for a connection that nobody uses.
    times = {"DATABASE_IDLE_S": "3", "DATABASE_CONN_MAX_AGE": "1"}
    config = Config.on_free_ports(tmp_path_factory.mktemp("demo"), with_hub=False, **times)
    with Stack(config) as running:
        yield running


@dataclass
class Load:
    """Alice starts one resource request after the other until she is told to stop."""

    site: str
    confirmed: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    odd: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with httpx.Client(base_url=self.site, timeout=60) as alice:
            asked = alice.get("/accounts/oidc/earthcode/login/", follow_redirects=True)
            alice.follow_redirects = True
            choose_persona(alice, asked, "alice")
            alice.follow_redirects = False
            while not self.over.is_set():
                self._start_a_request(alice)

    def _start_a_request(self, alice: httpx.Client) -> None:
        title = f"Load {uuid.uuid4().hex}"
        page = alice.get("/requests/new/")
        self.answers[page.status_code] += 1
        if page.status_code != 200:
            assert page.headers.get("Retry-After") == "5", page.text[:500]
            time.sleep(0.2)
            return
        form = BeautifulSoup(page.text, "html.parser").select_one("main form.panel")
        assert form is not None
        fields = {field["name"]: field.get("value", "") for field in form.select("input[type=hidden]")}
        project = form.select_one("select[name=project] option[value]:not([value='']), input[name=project]")
        assert project is not None
        answer = alice.post("/requests/new/", data={**fields, "project": project["value"], "title": title})
        self.answers[answer.status_code] += 1
        if answer.status_code == 302:
            self.confirmed.append(title)
        elif answer.status_code != 503:
            self.odd.append(f"{answer.status_code}: {answer.text[:2000]}")


def _wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 180
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.1)


@pytest.fixture
def load(stack: Stack) -> Iterator[Load]:
    load = Load(stack.config.site_url)
    thread = threading.Thread(target=load.run)
    thread.start()
    yield load
    load.over.set()
    thread.join()


def _titles(config: Config) -> set[str]:
    with psycopg.connect(config.owner_database_url) as database:
        return {title for (title,) in database.execute("SELECT title FROM sponsorship_resourcerequest")}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda each: each.name)
def test_no_write_that_was_confirmed_is_lost_and_the_site_comes_back_by_itself(
    number: signal.Signals, stack: Stack, load: Load
) -> None:
    others = {key: stack.pids(key)[0] for key in ("web", "worker", "worker-mail", "beat", "sso")}
    _wait_until(lambda: bool(load.odd) or len(load.confirmed) >= ENOUGH, "writes were confirmed")
    assert load.odd == []
    (before,) = stack.pids("database")

    os.kill(before, number)
    _wait_until(lambda: stack.pids("database") not in ([], [before]), "PostgreSQL had ended and was started again")
    confirmed_until_then = len(load.confirmed)
    _wait_until(
        lambda: bool(load.odd) or len(load.confirmed) >= confirmed_until_then + ENOUGH, "writes were confirmed again"
    )
    load.over.set()

    assert load.odd == []
    assert set(load.answers) <= {200, 302, 503}
    assert set(load.confirmed) <= _titles(stack.config)
    # Nobody was restarted but the database.
    assert {key: stack.pids(key)[0] for key in others} == others
    # Worker and clock go on: what the clock wakes is done by the worker again.
    log = stack.log("worker")
    done = _done(log)
    _wait_until(lambda: _done(log) > done, "the worker had done something")


def _done(log: Path) -> int:
    return len(re.findall(r"Task provisioning\.run_operations\[[^]]*\] succeeded", log.read_text(errors="replace")))
