"""Platforms to try connectors on, one module for each kind, and what each looks like from behind.

A module names its ``KIND``, the ``MARKS`` its tests carry, whether a ``NETWORK`` is in between, and ``running(folder)``, a
context manager that starts the platform and gives its :class:`Peer`. The suite finds it here; nothing else has to be told.
"""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, cast

from earthcode.connectors.base import Connector, Order, Person

#: Leaves on the platform what an attempt leaves that died at some point.
HalfDone = Callable[[Order], None]


class Peer(ABC):
    """A platform of one kind, running, with a view from behind that its connector does not have."""

    #: Never in a message: secrets and addresses.
    unspeakable: tuple[str, ...]
    #: Where its API is, as scheme://host:port, so that faults can be put in between; None: it has no network.
    address: str | None = None
    #: Whether ``use`` can make usage in no time, to be read back.
    usable: bool = False

    @abstractmethod
    def connector(self) -> Connector:
        """With the right settings and the right secret."""

    @abstractmethod
    def stranger(self) -> Connector | None:
        """With a secret that the platform does not accept; None where there is no platform to tell."""

    @abstractmethod
    def unreachable(self) -> Connector | None:
        """Of a platform of this kind that does not answer; None where nothing is called."""

    def through(self, address: str) -> Connector:
        """With the right secret, by way of this address in place of ``self.address``."""
        raise NotImplementedError

    @abstractmethod
    def may_compute(self, person: Person) -> bool:
        """Whether the platform itself lets this person use it now."""

    @abstractmethod
    def look(self) -> Any:
        """All that the platform holds about allocations: equal before and after what changed nothing."""

    @abstractmethod
    def half_done(self) -> dict[str, HalfDone]:
        """What an attempt leaves that died on its way, by the point where it died."""

    @abstractmethod
    def quantities(self, order: Order) -> dict[str, str] | None:
        """What the platform itself says was ordered; None where it keeps none."""

    def use(self, order: Order, person: Person, *, until: datetime) -> None:
        """Something is used under the allocation and has ended; only where ``usable``."""
        raise NotImplementedError


class PeerModule(Protocol):
    KIND: str
    MARKS: tuple[Any, ...]
    #: Whether it is called over a network, so that faults can be put in between.
    NETWORK: bool

    def running(self, folder: Path) -> AbstractContextManager[Peer]: ...


def modules() -> dict[str, PeerModule]:
    """By kind."""
    found = [
        cast("PeerModule", importlib.import_module(f"{__name__}.{each.name}"))
        for each in pkgutil.iter_modules(__path__)
    ]
    return {each.KIND: each for each in found}
