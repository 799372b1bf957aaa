"""A platform that exists only as files, and misbehaves on purpose: for the demonstration and for tests.

What it knows outlives the process that told it, because it keeps one file for each allocation in a folder, as a real
platform keeps its own database: all workers on one machine see the same platform. Workers on several machines need a
shared folder. Every file holds who has access and how often each kind of work was really done, so that "exactly once"
can be seen.

Settings of the platform (``connector_config``):

- ``behaviour``: one of ``Behaviour``; ``works`` by default
- ``failures``: how often ``fails_for_a_while`` fails for each allocation and kind of work; 2 by default
- ``hang_s``: how long ``hangs`` and ``loses_answers`` keep the caller waiting; by default as long as a call may take
- ``public_url``: where its page is; by default our own site, which shows it below ``/simulated-platform/``
- ``state_folder``: where it keeps its files; by default ``simulated`` in ``settings.LOCAL_DIR``
- ``secret_sha256``: SHA-256 of the one secret it accepts, in hexadecimal; without it, it accepts any
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings

from earthcode.connectors.base import Connector, ConnectorError, Grant, Health, Order
from earthcode.connectors.rest import NOT_ALLOWED, TOO_SLOW, url_of


class Behaviour(StrEnum):
    """What it does when it is asked to change something."""

    WORKS = "works"
    #: Busy at first: the first attempts fail, the next one works.
    FAILS_FOR_A_WHILE = "fails_for_a_while"
    #: Refuses, and will refuse until its settings change.
    FAILS_FOR_GOOD = "fails_for_good"
    #: Takes the call and never answers; nothing is done.
    HANGS = "hangs"
    #: Does the work at once, but its answer never arrives. The next attempt must find that it is done.
    LOSES_ANSWERS = "loses_answers"


class Simulated(Connector):
    kind: ClassVar[str] = "simulated"
    timeout_s: ClassVar[float] = 30.0

    def __init__(self, config: Mapping[str, Any], *, secret: str) -> None:
        try:
            self._behaviour = Behaviour(config.get("behaviour", Behaviour.WORKS))
            self._failures = int(config.get("failures", 2))
            self._hang_s = float(config.get("hang_s", self.timeout_s))
        except (TypeError, ValueError):
            raise ConnectorError("The settings of the simulated platform cannot be read.", permanent=True) from None
        self._public_url = url_of(config, "public_url", default=settings.SITE_URL)
        self._folder = _folder_of(config)
        self._accepted = str(config.get("secret_sha256", ""))
        self._secret = secret

    # --- the contract ------------------------------------------------------------------------------------------------

    def check(self) -> Health:
        try:
            self._let_in()
            if self._behaviour in {Behaviour.HANGS, Behaviour.LOSES_ANSWERS}:
                self._keep_waiting()
        except ConnectorError as error:
            return Health(False, str(error))
        if self._behaviour == Behaviour.FAILS_FOR_GOOD:
            return Health(False, "The simulated platform is out of order.")
        return Health(True, "The simulated platform works.")

    def find(self, order: Order) -> Grant | None:
        self._let_in()
        if self._behaviour == Behaviour.HANGS:
            self._keep_waiting()
        with self._locked(order) as state:
            return self._grant(order) if state["granted"] == _granted(order) else None

    def provision(self, order: Order) -> Grant:
        return self._bring_about(order, "provision")

    def sync_people(self, order: Order) -> Grant:
        return self._bring_about(order, "sync_people")

    def deprovision(self, order: Order) -> None:
        self._let_in()
        with self._locked(order) as state:
            if state["granted"] is None:
                return
        self._misbehave(order, "deprovision")
        with self._locked(order) as state:
            if state["granted"] is not None:
                state["granted"] = None
                state["done"]["deprovision"] = state["done"].get("deprovision", 0) + 1
        self._lose_the_answer()

    def _bring_about(self, order: Order, work: str) -> Grant:
        self._let_in()
        self._misbehave(order, work)
        with self._locked(order) as state:
            if state["granted"] is not None and state["granted"]["key"] != order.key:
                raise ConnectorError("The platform has something else under this allocation's name.", permanent=True)
            if state["granted"] != _granted(order):
                state["granted"] = _granted(order)
                state["done"][work] = state["done"].get(work, 0) + 1
        self._lose_the_answer()
        return self._grant(order)

    # --- its character -----------------------------------------------------------------------------------------------

    def _let_in(self) -> None:
        if self._accepted and not hmac.compare_digest(_sha256(self._secret), self._accepted):
            raise ConnectorError(NOT_ALLOWED, permanent=True)

    def _misbehave(self, order: Order, work: str) -> None:
        with self._locked(order) as state:
            state["attempts"][work] = attempt = state["attempts"].get(work, 0) + 1
        if self._behaviour == Behaviour.HANGS:
            self._keep_waiting()
        if self._behaviour == Behaviour.FAILS_FOR_GOOD:
            raise ConnectorError("The simulated platform refuses: it is set to fail for good.", permanent=True)
        if self._behaviour == Behaviour.FAILS_FOR_A_WHILE and attempt <= self._failures:
            raise ConnectorError(
                f"The simulated platform is busy (attempt {attempt}; it will work after {self._failures})."
            )

    def _lose_the_answer(self) -> None:
        if self._behaviour == Behaviour.LOSES_ANSWERS:
            self._keep_waiting()

    def _keep_waiting(self) -> None:
        time.sleep(self._hang_s)
        raise ConnectorError(TOO_SLOW)

    # --- its memory --------------------------------------------------------------------------------------------------

    @contextmanager
    def _locked(self, order: Order) -> Iterator[dict[str, Any]]:
        """What it knows of an allocation, for one process at a time; kept when the block ends without an error."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = _file_in(self._folder, order.allocation)
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = _read(path)
            before = json.dumps(state)
            yield state
            if json.dumps(state) != before:
                # In one step, so that a process killed here leaves the old state or the new one.
                fresh = path.with_suffix(".new")
                fresh.write_text(json.dumps(state, indent=1), encoding="utf-8")
                fresh.replace(path)

    def _grant(self, order: Order) -> Grant:
        return Grant(
            external_id=f"simulated:{order.allocation}",
            access_url=f"{self._public_url}/simulated-platform/{order.allocation}/",
            details={"people": len(order.people)},
        )


def state_of(config: Mapping[str, Any], allocation: str) -> Mapping[str, Any]:
    """What the platform knows of an allocation, for its page and for tests.

    ``granted`` is None or what was granted (``key``, ``people``, ``ends_at``, ``quantities``); ``done`` counts the
    work that changed something and ``attempts`` all that was asked, by kind.
    """
    return _read(_file_in(_folder_of(config), allocation))


def _folder_of(config: Mapping[str, Any]) -> Path:
    return Path(config.get("state_folder") or settings.LOCAL_DIR / "simulated")


def _file_in(folder: Path, allocation: str) -> Path:
    readable = re.sub(r"[^A-Za-z0-9-]", "_", allocation)
    return folder / f"{readable[:60]}-{_sha256(allocation)[:8]}.json"


def _read(path: Path) -> dict[str, Any]:
    if path.exists():
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return state
    return {"granted": None, "attempts": {}, "done": {}}


def _granted(order: Order) -> dict[str, Any]:
    return {
        "key": order.key,
        "people": sorted(f"{person.issuer} {person.subject}" for person in order.people),
        "ends_at": order.ends_at.astimezone(UTC).isoformat(),
        "quantities": dict(order.quantities),
    }


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
