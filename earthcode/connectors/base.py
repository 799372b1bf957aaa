"""The contract between us and a platform's API.

A connector turns an :class:`Order` (who shall have what, for which allocation) into calls of one kind of API. It
knows no database and keeps no state: it is made for each operation from the platform's settings and thrown away.
Everything it does must be safe to do twice, because a worker can die between the platform's answer and our writing it
down; ``find`` then tells whether the work was done. Two operations on one platform never run at the same time, so a
connector may read, decide and write.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, ClassVar, Self


class ConnectorError(Exception):
    """The platform did not do what was asked.

    ``permanent`` says that trying again will not help until somebody changes something. The message is shown to the
    scientist and the provider, so it names no secrets and no inner addresses.
    """

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


@dataclass(frozen=True)
class Person:
    """Somebody who shall have access; the platform knows them by the same single sign-on."""

    issuer: str
    subject: str
    username: str
    name: str
    email: str


@dataclass(frozen=True)
class Order:
    """What an allocation asks of a platform.

    ``allocation`` is our reference and ``key`` the idempotency key; both belong to the allocation for as long as it
    lives, whatever is done to it, and go to the platform where it has a place for them. ``settings`` are the plan's
    own (group, flavour, quota…), ``quantities`` what was paid for, metric → amount.
    """

    allocation: str
    key: str
    people: tuple[Person, ...]
    starts_at: datetime
    ends_at: datetime
    quantities: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Grant:
    """What exists on the platform for an allocation.

    ``external_id`` is the platform's name for it, ``access_url`` where the scientist goes, ``details`` facts worth
    showing.
    """

    external_id: str
    access_url: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Health:
    """Whether the platform could serve us now, and what it said of itself."""

    ok: bool
    message: str


class Connector(ABC):
    """One kind of platform API. Raise :class:`ConnectorError`; let programming errors crash.

    Use it in a ``with`` block: connections are closed at its end.
    """

    #: The kind's name in ``settings.CONNECTORS``.
    kind: ClassVar[str]
    #: Longest time one piece of work may take, all its calls together; shorter than the lease of an operation
    #: (``settings.OPERATION_LEASE_S``), or a second worker would begin while the first is still at it.
    timeout_s: ClassVar[float] = 60.0

    @abstractmethod
    def __init__(self, config: Mapping[str, Any], *, secret: str) -> None:
        """``config`` is the platform's ``connector_config``; raises ``ConnectorError(permanent=True)`` naming what is
        wrong.
        """

    @abstractmethod
    def check(self) -> Health:
        """Reach the platform with our credentials and tell whether they suffice. Changes nothing."""

    @abstractmethod
    def find(self, order: Order) -> Grant | None:
        """What exists for this allocation, complete and with this key, or None. Answers "did it already happen?"."""

    @abstractmethod
    def provision(self, order: Order) -> Grant:
        """Give the people access, complete what a broken attempt left, and return what exists. Safe to repeat."""

    @abstractmethod
    def sync_people(self, order: Order) -> Grant:
        """Make the people with access exactly ``order.people``. Safe to repeat."""

    @abstractmethod
    def deprovision(self, order: Order) -> None:
        """Take the access away and stop what runs under it. Succeeds when there is nothing left to take. Safe to
        repeat.
        """

    def close(self) -> None:  # noqa: B027  # not abstract: most connectors hold nothing
        """Give back connections. Nothing to do unless a connector holds some."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
