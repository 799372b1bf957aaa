"""The contract between us and a platform's API.

A connector turns an :class:`Order` (who shall have what, for which allocation) into calls of one kind of API. It
knows no database and keeps no state: it is made for each operation from the platform's settings and thrown away.

Everything it does must be safe to do twice, because a worker can die between the platform's answer and our writing it
down. Each operation therefore computes the difference between the order and what is there, applies it, and reads it back:
a status code proves nothing. Operations on one allocation never run at the same time; those of different allocations may,
where the connector says so (``Capabilities.side_by_side``).

What a connector cannot do it does not declare; the site then never asks for it. docs/writing-a-connector.md walks through
one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

from earthcode.connectors import reasons
from earthcode.connectors.reasons import Sentence
from earthcode.connectors.usage import Meter, UsagePage

if TYPE_CHECKING:
    from earthcode.connectors.configuration import Config, Secret

# --- what may be said of a failure -----------------------------------------------------------------------------------


class Party(StrEnum):
    """Who can do something about it."""

    SITE = "site"
    PROVIDER = "provider"
    PROJECT = "project"


class ConnectorError(Exception):
    """The platform did not do what was asked: a stable ``code`` and its ``parameters``.

    ``permanent`` says that trying again will not help until somebody (``for_whom``) changes something. ``retry_after_s`` is
    what the platform asked for, where it did. ``str()`` is the sentence people read, so parameters name no secrets and no
    inner addresses; a connector's own codes are in its ``sentences``, handed over as ``words``.
    """

    def __init__(
        self,
        code: str,
        *,
        permanent: bool = False,
        for_whom: Party = Party.PROVIDER,
        retry_after_s: float | None = None,
        words: Mapping[str, Sentence] | None = None,
        **parameters: object,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.permanent = permanent
        self.for_whom = for_whom
        self.retry_after_s = retry_after_s
        self.parameters = reasons.bounded(parameters)
        self._words = words

    def __str__(self) -> str:
        return reasons.sentence(self.code, self.parameters, more=self._words)


class NotYet(Exception):  # no error: the platform has accepted the work and is at it
    """The platform is at it; ask again after ``poll_after_s`` by calling the same method with the same order."""

    def __init__(self, code: str = "in_progress", *, poll_after_s: float = 10.0, **parameters: object) -> None:
        super().__init__(code)
        self.code = code
        self.poll_after_s = poll_after_s
        self.parameters = reasons.bounded(parameters)


class NeedsPerson(Exception):  # no error: people do this, and have been asked
    """Somebody at the provider has to do it. ``asks`` is what for; their answer comes back in ``Order.answers``."""

    def __init__(self, asks: Ask) -> None:
        super().__init__(asks)
        self.asks = asks


# --- what is asked ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Person:
    """Somebody who shall have access; the platform knows them by the same single sign-on.

    ``platform_name`` is their user name on this platform where they or the provider stated one; empty: the connector's rule.
    """

    issuer: str
    subject: str
    username: str
    name: str
    email: str
    platform_name: str = ""


class SuspendStep(StrEnum):
    """How far access is taken back. Nothing is deleted in any of them."""

    #: Nothing new starts; what runs goes on.
    NO_NEW_WORK = "no_new_work"
    #: What is stored can be read and removed; nothing is added.
    READ_ONLY = "read_only"
    #: What runs is stopped, too.
    STOP_RUNNING = "stop_running"


class Ask(StrEnum):
    """What people can be asked to do; also the operations of the contract that change something."""

    ENSURE = "ensure"
    CHANGE = "change"
    SUSPEND = "suspend"
    RESUME = "resume"
    PEOPLE = "people"
    REVOKE = "revoke"
    USAGE = "usage"


@dataclass(frozen=True)
class Answer:
    """What somebody at the provider said to an ``Ask``: ``done``, or declined with a reason for the project."""

    asks: Ask
    done: bool
    reason: str = ""
    access_url: str = ""
    external_id: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Order:
    """What an allocation asks of a platform.

    ``allocation`` is our reference and ``key`` the idempotency key; both belong to the allocation for as long as it
    lives, whatever is done to it, and go to the platform where it has a place for them. ``settings`` are the plan's
    own (group, flavour, quota…), ``quantities`` what was paid for in all, metric → amount, and ``used`` what of it was used
    so far, for platforms whose counters start anew. ``suspended`` is the state it shall be in: somebody who joins a suspended
    allocation is suspended. ``restore`` is what ``suspend`` gave back. ``external_id`` is the platform's name for it as we
    recorded it, empty before. ``answers`` are those of the operation at hand, for connectors that ask people.
    """

    allocation: str
    key: str
    people: tuple[Person, ...]
    starts_at: datetime
    ends_at: datetime
    quantities: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    used: Mapping[str, str] = field(default_factory=dict)
    suspended: SuspendStep | None = None
    restore: Mapping[str, Any] = field(default_factory=dict)
    external_id: str = ""
    project: str = ""
    answers: tuple[Answer, ...] = ()


# --- what is there ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Credential:
    """Something secret that a person needs on the platform. It is kept encrypted until it was shown once."""

    label: str
    value: Secret
    #: The platform's name of the person it is for; empty: the project's.
    subject: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Grant:
    """What exists on the platform for an allocation.

    ``external_id`` is the platform's name for it, ``access_url`` where the scientist goes, ``facts`` what is worth showing
    (label → text), ``names`` what each person is called there (subject of the single sign-on → name), ``expires_at`` when the
    platform itself ends it, ``suspended`` the step it is in. ``credentials`` come from the call that made them only.
    """

    external_id: str
    access_url: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None
    suspended: SuspendStep | None = None
    credentials: tuple[Credential, ...] = field(default=(), compare=False)


class Running(StrEnum):
    """What becomes of work that ran when an allocation was suspended."""

    CONTINUES = "continues"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Suspension:
    """The outcome of ``suspend``: in force after ``effective_after_s`` at the latest.

    ``restore`` is what the platform forgets by it and ``resume`` needs (a text in JSON's types); we keep it.
    """

    step: SuspendStep
    running: Running
    effective_after_s: float = 0.0
    restore: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Health:
    """Whether the platform could serve us now. ``skew_s``: its clock less ours, where it tells."""

    ok: bool
    code: str = reasons.WORKS
    parameters: Mapping[str, str] = field(default_factory=dict)
    skew_s: float | None = None
    words: Mapping[str, Sentence] | None = field(default=None, compare=False, repr=False)

    @property
    def message(self) -> str:
        """For people, in their language."""
        return reasons.sentence(self.code, self.parameters, more=self.words)

    @classmethod
    def of(cls, error: ConnectorError) -> Self:
        """Ill, for the reason that an error gives."""
        return cls(False, error.code, error.parameters, words=error._words)


@dataclass(frozen=True)
class InventoryItem:
    """One thing of ours on the platform. ``allocation`` is the order it says it belongs to; None: it does not say."""

    external_id: str
    allocation: str | None
    kind: str = ""
    created_at: datetime | None = None
    suspended: SuspendStep | None = None
    #: Names of the people there; None where the platform does not tell.
    people: frozenset[str] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class InventoryPage:
    """Call again with ``cursor`` while it is not empty. ``cut``: the platform gave less than it has, and cannot give more."""

    items: tuple[InventoryItem, ...]
    cursor: str = ""
    cut: bool = False


# --- what a kind of platform can do ----------------------------------------------------------------------------------


class Changeable(StrEnum):
    QUANTITIES = "quantities"
    ENDS_AT = "ends_at"


@dataclass(frozen=True)
class Capabilities:
    """What this kind can do, for this platform's settings; the site offers only this.

    ``check``, ``ensure``, ``find``, ``people`` and ``revoke`` are everybody's. ``side_by_side``: operations on different
    allocations may run at the same time. ``asks_people``: no API is called, people at the provider do the work.
    """

    change: frozenset[Changeable] = frozenset()
    suspend: tuple[SuspendStep, ...] = ()
    usage: tuple[Meter, ...] = ()
    inventory: bool = False
    side_by_side: bool = False
    gives_credentials: bool = False
    asks_people: bool = False


class Connector(ABC):
    """One kind of platform API.

    Raise :class:`ConnectorError` for whatever the platform does wrong (``rest`` and ``reading`` do so for you), and
    :class:`NotYet` where it is still at it. Use it in a ``with`` block: connections are closed at its end.
    """

    #: The kind's name, as stored with a platform.
    kind: ClassVar[str]
    #: For people who choose a kind.
    title: ClassVar[Sentence]
    config_type: ClassVar[type[Config]]
    #: Codes of its own, named ``<kind>.<code>``.
    sentences: ClassVar[Mapping[str, Sentence]] = {}
    #: Longest time one piece of work may take, all its calls together.
    timeout_s: ClassVar[float] = 60.0

    @abstractmethod
    def __init__(self, config: Any) -> None:
        """``config`` is one of ``config_type``, checked."""

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What can be asked of it. Calls nothing."""

    @abstractmethod
    def check(self) -> Health:
        """Reach the platform with our credentials and tell whether they suffice. Changes nothing; raises nothing."""

    @abstractmethod
    def find(self, order: Order) -> Grant | None:
        """What exists for this allocation, complete, as ordered and with this key, or None. Answers "did it already happen?"."""

    @abstractmethod
    def ensure(self, order: Order) -> Grant:
        """Give the people access, complete what a broken attempt left, and return what exists, read back."""

    @abstractmethod
    def people(self, order: Order) -> Grant:
        """Make the people with access exactly ``order.people``."""

    @abstractmethod
    def revoke(self, order: Order) -> None:
        """Remove access and stop what runs under it. Succeeds when there is nothing left to take. Never deletes a
        person's data.
        """

    def change(self, order: Order) -> Grant:
        """Bring quantities and end to those of the order, keeping what was used."""
        self._cannot(order)

    def suspend(self, order: Order, step: SuspendStep) -> Suspension:
        """Bring the allocation to this step, read back. Again, or from another step: the same outcome, and its ``restore``
        holds all that the first one held."""
        self._cannot(order)

    def resume(self, order: Order) -> Grant:
        """Undo every step, with ``order.restore`` where there is one and from the order where there is none."""
        self._cannot(order)

    def usage(self, order: Order, cursor: str) -> UsagePage:
        """What was used since ``cursor``, "" the first time. Overlaps as it needs to; whoever stores it removes doubles."""
        self._cannot(order)

    def inventory(self, cursor: str) -> InventoryPage:
        """All that is ours on the platform, a page at a time; "" the first time."""
        self._cannot(None)

    def close(self) -> None:  # noqa: B027  # not abstract: most connectors hold nothing
        """Give back connections. Nothing to do unless a connector holds some."""

    def _cannot(self, order: Order | None) -> NoReturn:
        raise ConnectorError(reasons.NOT_SUPPORTED, permanent=True, for_whom=Party.SITE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
