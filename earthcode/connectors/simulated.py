"""A platform that exists only as files, and misbehaves on purpose: for the demonstration and for tests.

What it knows outlives the process that told it, because it keeps one file for each allocation in a folder, as a real
platform keeps its own database: all workers on one machine see the same platform. Workers on several machines need a
shared folder. Every file holds who has access, what was used, and how often each kind of work was really done, so that
"exactly once" can be seen.
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
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from earthcode.connectors import reading, reasons
from earthcode.connectors.base import (
    Capabilities,
    Changeable,
    Connector,
    ConnectorError,
    Grant,
    Health,
    InventoryItem,
    InventoryPage,
    NotYet,
    Order,
    Running,
    SuspendStep,
    Suspension,
)
from earthcode.connectors.configuration import Config, Kind, Secret, setting
from earthcode.connectors.usage import Meter, Note, RecordKind, Unit, UsagePage, UsageRecord

#: So many records in one answer; small, so that paging is seen.
USAGE_PAGE = 100
INVENTORY_PAGE = 50
LONGEST_LATENESS = timedelta(hours=1)


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
    #: Accepts the work and is at it for a while: the first attempts are told so.
    TAKES_ITS_TIME = "takes_its_time"


@dataclass(frozen=True, kw_only=True)
class SimulatedConfig(Config):
    behaviour: str = setting(
        _("Behaviour"),
        kind=Kind.CHOICE,
        choices=[(each.value, each.value.replace("_", " ")) for each in Behaviour],
        default=Behaviour.WORKS.value,
    )
    failures: int = setting(
        _("Failures"),
        kind=Kind.WHOLE_NUMBER,
        default=2,
        hint=_("How often it fails, or is still at it, for each allocation and kind of work"),
    )
    hang_s: float | None = setting(
        _("Seconds it keeps us waiting"), kind=Kind.NUMBER, default=None, hint=_("Empty: as long as a call may take")
    )
    public_url: str = setting(
        _("Its page"), kind=Kind.URL, default="", hint=_("Empty: this site shows it below /simulated-platform/")
    )
    side_by_side: bool = setting(_("Does several things at a time"), kind=Kind.BOOLEAN, default=False)
    state_folder: str = setting(_("Folder of its files"), default="")
    secret_sha256: str = setting(
        _("SHA-256 of the secret it accepts"), default="", hint=_("In hexadecimal; empty: it accepts any")
    )
    secret: Secret = setting(_("Secret"), kind=Kind.SECRET, default=None)


class Simulated(Connector):
    kind: ClassVar[str] = "simulated"
    title = _("Simulated platform")
    config_type = SimulatedConfig
    timeout_s: ClassVar[float] = 30.0
    sentences = {
        "simulated.busy": _("The simulated platform is busy (attempt {attempt}; it will work after {failures})."),
        "simulated.refuses": _("The simulated platform refuses: it is set to fail for good."),
        "simulated.out_of_order": _("The simulated platform is out of order."),
        "simulated.working": _("The simulated platform is at it."),
    }

    def __init__(self, config: SimulatedConfig) -> None:
        self._behaviour = Behaviour(config.behaviour)
        self._failures = config.failures
        self._side_by_side = config.side_by_side
        self._hang_s = self.timeout_s if config.hang_s is None else config.hang_s
        self._public_url = config.public_url or settings.SITE_URL
        self._folder = _folder_of({"state_folder": config.state_folder})
        self._accepted = config.secret_sha256
        self._secret = config.secret

    # --- the contract ------------------------------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            change=frozenset(Changeable),
            suspend=tuple(SuspendStep),
            usage=(
                Meter(
                    metric="vcpu_hour",
                    unit=Unit.CORE_SECOND,
                    kind=RecordKind.CLOSED,
                    source="simulated-log",
                    poll_every_s=60,
                    lag_usual_s=0,
                    lag_longest_s=int(LONGEST_LATENESS.total_seconds()),
                    per_person=True,
                    can_reread=True,
                ),
            ),
            inventory=True,
            side_by_side=self._side_by_side,
        )

    def check(self) -> Health:
        try:
            self._let_in()
            if self._behaviour in {Behaviour.HANGS, Behaviour.LOSES_ANSWERS}:
                self._keep_waiting()
        except ConnectorError as error:
            return Health.of(error)
        if self._behaviour == Behaviour.FAILS_FOR_GOOD:
            return Health(False, "simulated.out_of_order", words=self.sentences)
        return Health(True)

    def find(self, order: Order) -> Grant | None:
        self._let_in()
        if self._behaviour == Behaviour.HANGS:
            self._keep_waiting()
        with self._locked(order) as state:
            return self._grant(order, state) if state["granted"] == _granted(order) else None

    def ensure(self, order: Order) -> Grant:
        return self._bring_about(order, "provision")

    def people(self, order: Order) -> Grant:
        return self._bring_about(order, "sync_people")

    def change(self, order: Order) -> Grant:
        return self._bring_about(order, "change")

    def suspend(self, order: Order, step: SuspendStep) -> Suspension:
        self._let_in()
        self._misbehave(order, "suspend")
        with self._locked(order) as state:
            self._own(state, order)
            if state["suspended"] != step:
                state["suspended"] = step.value
                state["done"]["suspend"] = state["done"].get("suspend", 0) + 1
        self._lose_the_answer()
        return Suspension(step, Running.STOPPED if step == SuspendStep.STOP_RUNNING else Running.CONTINUES)

    def resume(self, order: Order) -> Grant:
        self._let_in()
        self._misbehave(order, "resume")
        with self._locked(order) as state:
            self._own(state, order)
            if state["suspended"] is not None:
                state["suspended"] = None
                state["done"]["resume"] = state["done"].get("resume", 0) + 1
            grant = self._grant(order, state)
        self._lose_the_answer()
        return grant

    def revoke(self, order: Order) -> None:
        self._let_in()
        with self._locked(order) as state:
            if state["granted"] is None:
                return
        self._misbehave(order, "deprovision")
        with self._locked(order) as state:
            if state["granted"] is not None:
                state["granted"] = state["suspended"] = None
                state["done"]["deprovision"] = state["done"].get("deprovision", 0) + 1
        self._lose_the_answer()

    def usage(self, order: Order, cursor: str) -> UsagePage:
        self._let_in()
        if self._behaviour == Behaviour.HANGS:
            self._keep_waiting()
        notes: tuple[Note, ...] = ()
        if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
            cursor, notes = "", (Note(reasons.BAD_CURSOR),)
        since = int(cursor or 0)
        now = datetime.now(UTC)
        with self._locked(order) as state:
            known = state["used"]
            page = known[since : since + USAGE_PAGE]
        reached = since + len(page)
        return UsagePage(
            records=tuple(_record(each, order, now) for each in page),
            cursor=str(max(since, reached)) if reached or since else "",
            more=reached < len(known),
            complete_until=now - LONGEST_LATENESS if reached >= len(known) else None,
            platform_at=now,
            notes=notes,
        )

    def inventory(self, cursor: str) -> InventoryPage:
        self._let_in()
        found: list[tuple[str, InventoryItem]] = []
        for path in sorted(self._folder.glob("*.json")) if self._folder.exists() else ():
            if path.name <= cursor:
                continue
            state = _read(path)
            if state["granted"] is None:
                continue
            if len(found) == INVENTORY_PAGE:
                return InventoryPage(tuple(item for _name, item in found), cursor=found[-1][0])
            found.append((path.name, _item(state)))
        return InventoryPage(tuple(item for _name, item in found))

    def _bring_about(self, order: Order, work: str) -> Grant:
        self._let_in()
        self._misbehave(order, work)
        with self._locked(order) as state:
            if state["granted"] is not None:
                self._own(state, order)
            if state["granted"] != _granted(order):
                state["granted"] = _granted(order)
                state["done"][work] = state["done"].get(work, 0) + 1
            grant = self._grant(order, state)
        self._lose_the_answer()
        return grant

    def _own(self, state: Mapping[str, Any], order: Order) -> None:
        if state["granted"] is None:
            raise ConnectorError(reasons.NOT_THERE, permanent=True)
        if state["granted"]["key"] != order.key:
            raise ConnectorError(reasons.NOT_OURS, permanent=True)

    # --- its character -----------------------------------------------------------------------------------------------

    def _let_in(self) -> None:
        given = self._secret.reveal() if self._secret else ""
        if self._accepted and not hmac.compare_digest(_sha256(given), self._accepted):
            raise ConnectorError(reasons.NOT_ALLOWED, permanent=True)

    def _misbehave(self, order: Order, work: str) -> None:
        with self._locked(order) as state:
            state["attempts"][work] = attempt = state["attempts"].get(work, 0) + 1
        if self._behaviour == Behaviour.HANGS:
            self._keep_waiting()
        if self._behaviour == Behaviour.FAILS_FOR_GOOD:
            raise ConnectorError("simulated.refuses", permanent=True, words=self.sentences)
        if attempt > self._failures:
            return
        if self._behaviour == Behaviour.FAILS_FOR_A_WHILE:
            raise ConnectorError("simulated.busy", words=self.sentences, attempt=attempt, failures=self._failures)
        if self._behaviour == Behaviour.TAKES_ITS_TIME:
            raise NotYet("simulated.working", poll_after_s=5)

    def _lose_the_answer(self) -> None:
        if self._behaviour == Behaviour.LOSES_ANSWERS:
            self._keep_waiting()

    def _keep_waiting(self) -> None:
        time.sleep(self._hang_s)
        raise ConnectorError(reasons.TOO_SLOW)

    # --- its memory --------------------------------------------------------------------------------------------------

    @contextmanager
    def _locked(self, order: Order) -> Iterator[dict[str, Any]]:
        """What it knows of an allocation, for one process at a time; kept when the block ends without an error."""
        with _locked(self._folder, order.allocation) as state:
            yield state

    def _grant(self, order: Order, state: Mapping[str, Any]) -> Grant:
        return Grant(
            external_id=f"simulated:{order.allocation}",
            access_url=f"{self._public_url}/simulated-platform/{order.allocation}/",
            facts={"people": len(order.people)},
            names={person.subject: person.platform_name or person.username for person in order.people},
            suspended=SuspendStep(state["suspended"]) if state["suspended"] else None,
        )


def state_of(config: Mapping[str, Any], allocation: str) -> Mapping[str, Any]:
    """What the platform knows of an allocation, for its page and for tests.

    ``granted`` is None or what was granted (``key``, ``people``, ``ends_at``, ``quantities``); ``suspended`` the step; ``used``
    what was used; ``done`` counts the work that changed something and ``attempts`` all that was asked, by kind.
    """
    return _read(_file_in(_folder_of(config), allocation))


def use(
    config: Mapping[str, Any],
    allocation: str,
    *,
    record: str,
    quantity: str,
    used_from: datetime,
    used_until: datetime,
    metric: str = "vcpu_hour",
    unit: Unit = Unit.CORE_SECOND,
    kind: RecordKind = RecordKind.CLOSED,
    subject: str | None = None,
    replaces: str | None = None,
) -> None:
    """Something was used on the platform: the next reading of usage tells it. For the demonstration and for tests."""
    with _locked(_folder_of(config), allocation) as state:
        state["used"].append(
            {
                "id": record,
                "metric": metric,
                "quantity": quantity,
                "unit": unit.value,
                "kind": kind.value,
                "subject": subject,
                "from": used_from.isoformat(),
                "until": used_until.isoformat(),
                "replaces": replaces,
            }
        )


@contextmanager
def _locked(folder: Path, allocation: str) -> Iterator[dict[str, Any]]:
    folder.mkdir(parents=True, exist_ok=True)
    path = _file_in(folder, allocation)
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


def _folder_of(config: Mapping[str, Any]) -> Path:
    return Path(config.get("state_folder") or settings.LOCAL_DIR / "simulated")


def _file_in(folder: Path, allocation: str) -> Path:
    readable = re.sub(r"[^A-Za-z0-9-]", "_", allocation)
    return folder / f"{readable[:60]}-{_sha256(allocation)[:8]}.json"


def _read(path: Path) -> dict[str, Any]:
    empty: dict[str, Any] = {"granted": None, "suspended": None, "used": [], "attempts": {}, "done": {}}
    if path.exists():
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {**empty, **state}
    return empty


def _granted(order: Order) -> dict[str, Any]:
    return {
        "allocation": order.allocation,
        "key": order.key,
        "people": sorted(f"{person.issuer} {person.subject}" for person in order.people),
        "ends_at": order.ends_at.astimezone(UTC).isoformat(),
        "quantities": dict(order.quantities),
    }


def _record(each: Mapping[str, Any], order: Order, now: datetime) -> UsageRecord:
    return UsageRecord(
        id=reading.text(each["id"]),
        source="simulated-log",
        order=order.allocation,
        subject=each["subject"],
        metric=reading.text(each["metric"]),
        quantity=Decimal(each["quantity"]),
        unit=Unit(each["unit"]),
        used_from=reading.moment(each["from"]),
        used_until=reading.moment(each["until"]),
        kind=RecordKind(each["kind"]),
        platform_at=now,
        observed_at=now,
        replaces=each["replaces"],
    )


def _item(state: Mapping[str, Any]) -> InventoryItem:
    granted = state["granted"]
    allocation = granted.get("allocation")
    return InventoryItem(
        external_id=f"simulated:{allocation}",
        allocation=allocation,
        kind="access",
        suspended=SuspendStep(state["suspended"]) if state["suspended"] else None,
        people=frozenset(granted["people"]),
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
