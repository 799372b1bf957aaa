"""The platform that exists only as files."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from earthcode.connectors.base import Connector, Order, Person
from earthcode.connectors.simulated import Simulated, SimulatedConfig, state_of, use
from tests.connectors.peers import HalfDone, Peer

KIND = "simulated"
MARKS = ()
NETWORK = False


class SimulatedPeer(Peer):
    SECRET = "a-simulated-secret"
    usable = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = {
            "state_folder": str(folder),
            "secret_sha256": hashlib.sha256(self.SECRET.encode()).hexdigest(),
            "public_url": "https://simulated.platform.example",
        }
        self.unspeakable = (self.SECRET, "a-wrong-secret", str(folder))

    def connector(self, **config: Any) -> Simulated:
        return simulated({**self.config, **config}, secret=self.SECRET)

    def stranger(self) -> Connector:
        return simulated(self.config, secret="a-wrong-secret")

    def unreachable(self) -> Connector:
        return self.connector(behaviour="hangs", hang_s=0)

    def may_compute(self, person: Person) -> bool:
        return any(
            f"{person.issuer} {person.subject}" in state["granted"]["people"] and state["suspended"] is None
            for path in self.folder.glob("*.json")
            if (state := json.loads(path.read_text()))["granted"]
        )

    def look(self) -> Any:
        return {
            path.name: (state["granted"], state["suspended"])
            for path in sorted(self.folder.glob("*.json"))
            if (state := json.loads(path.read_text()))["granted"]
        }

    def half_done(self) -> dict[str, HalfDone]:
        def failed(order: Order) -> None:
            with pytest.raises(Exception, match="busy"), self.connector(behaviour="fails_for_a_while") as busy:
                busy.ensure(order)

        return {"refused as busy": failed}

    def quantities(self, order: Order) -> dict[str, str] | None:
        found: dict[str, str] = self.state_of(order)["granted"]["quantities"]
        return found

    def use(self, order: Order, person: Person, *, until: datetime) -> None:
        number = len(self.state_of(order)["used"])
        use(
            self.config,
            order.allocation,
            record=f"job-{number}",
            quantity="3600.25",
            used_from=until - timedelta(hours=1),
            used_until=until,
            subject=person.username,
        )

    def state_of(self, order: Order) -> Any:
        return state_of(self.config, order.allocation)


def simulated(config: dict[str, Any], *, secret: str = "") -> Simulated:
    return Simulated(SimulatedConfig.read(config, secrets={"secret": secret}))


@contextmanager
def running(folder: Path) -> Iterator[SimulatedPeer]:
    yield SimulatedPeer(folder)
