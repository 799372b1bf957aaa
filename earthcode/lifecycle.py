"""The engine that moves things from one state to the next.

A :class:`Lifecycle` is a table of :class:`Step` rows that reads as a specification: from which states, to which, with which
permission, under which conditions. Only ``advance`` writes ``status``: it locks the row, checks, saves and audits, in the
caller's transaction. Buttons, the API's ``steps`` and the diagrams in the documentation come from the same table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Self, TypeVar, cast

from django.db import models, transaction

from earthcode.audit import actions as audit
from earthcode.audit.actors import Actor, System
from earthcode.audit.events import EventName
from earthcode.identity.models import User
from earthcode.identity.roles import Permission, Scoped
from earthcode.lib.errors import NotPermitted, Refused
from earthcode.lib.lock import lock


class WrongState(Refused):
    """The step does not start from the state the thing is in, for example because somebody else was faster."""

    code = "wrong_state"


class Group(StrEnum):
    """What a state means for those who look at many things: whom the thing waits for. Tabs and first pages read this."""

    #: Whoever made it works on it; nobody else has to look at it.
    PREPARING = "preparing"
    #: Somebody has to decide.
    DECIDING = "deciding"
    #: Whoever made it has to answer or to change something.
    ANSWERING = "answering"
    #: The machines are at work.
    WORKING = "working"
    #: A machine could not do its work, and somebody has to see why.
    STUCK = "stuck"
    #: It was agreed to, and is in use.
    IN_FORCE = "in_force"
    #: Nothing more happens.
    OVER = "over"


class State(models.TextChoices):
    """The states of one kind of thing: ``IN_REVIEW = "in_review", Group.DECIDING, "In review"``."""

    group: Group

    def __new__(cls, code: str, group: Group) -> Self:
        made = str.__new__(cls, code)
        made._value_ = code
        made.group = group
        return made

    @classmethod
    def of(cls, code: str) -> Self:
        """The state of this code, as a row has it."""
        return cast("Self", cls._value2member_map_[code])

    @classmethod
    def within(cls, *groups: Group) -> tuple[Self, ...]:
        """The states of these groups, in the order of the table."""
        return tuple(each for each in cls if each.group in groups)


Thing = TypeVar("Thing", bound=models.Model)
#: Returns the refusal, or None when the condition holds. Asked for every button, so it must not query for each row.
Condition = Callable[[Any, Actor], Refused | None]


@dataclass(frozen=True)
class Step:
    """One row of the table.

    ``needs`` is the permission a person must have; None means only the system takes this step. ``by_system`` lets the
    clock or a worker take a step that people may take too.
    """

    name: str
    sources: frozenset[str]
    target: str
    needs: Permission | None = None
    provided: tuple[Condition, ...] = ()
    by_system: bool = False
    label: str = ""

    @property
    def words(self) -> str:
        return self.label or self.name.replace("_", " ").capitalize()


def step(
    name: str,
    sources: Iterable[str],
    target: str,
    *,
    needs: Permission | None = None,
    provided: Condition | Iterable[Condition] = (),
    by_system: bool = False,
    label: str = "",
) -> Step:
    """A :class:`Step`, written the short way."""
    conditions = (provided,) if callable(provided) else tuple(provided)
    return Step(name, frozenset(sources), target, needs, conditions, by_system or needs is None, label)


class Lifecycle(Generic[Thing]):
    """The states of one kind of thing, and the steps between them."""

    def __init__(self, noun: str, events: type[EventName], *steps: Step) -> None:
        """``events`` has one for each step, ``<noun>.<step>``; a step without one is a ``ValueError`` that names it."""
        self.noun = noun
        self.steps = {each.name: each for each in steps}
        if len(self.steps) != len(steps):
            raise ValueError(f"{noun} has two steps of one name")
        self.events = {name: events(f"{noun}.{name}") for name in self.steps}

    def refusal(self, thing: Thing, name: str, *, by: Actor) -> Refused | None:
        """Why this step cannot be taken now by this actor, or None if it can."""
        this = self.steps[name]
        status = cast("str", thing.status)  # type: ignore[attr-defined]  # every thing with a lifecycle has a status
        words = self.noun.replace("_", " ")
        if isinstance(by, System):
            if not this.by_system:
                return NotPermitted(f"Only a person can {this.words.lower()} a {words}.")
        elif this.needs is None:
            return NotPermitted("This step is automatic.")
        elif not (isinstance(by, User) and by.may(this.needs, cast("Scoped", thing))):
            return NotPermitted(f"You do not have permission to do this for {thing}.")
        if status not in this.sources:
            return WrongState(f"This {words} is “{_status_words(thing)}”, so this is not possible now.")
        for condition in this.provided:
            if (found := condition(thing, by)) is not None:
                return found
        return None

    def open_to(self, thing: Thing, *, by: Actor) -> list[Step]:
        """The steps this actor can take now, in the table's order: the page's buttons, the API's ``steps``."""
        return [each for each in self.steps.values() if self.refusal(thing, each.name, by=by) is None]

    def advance(
        self,
        thing: Thing,
        name: str,
        *,
        by: Actor,
        at: datetime,
        data: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> None:
        """Take the step or raise a ``Refused``: lock the row, check, save ``status`` and ``changes``, audit.

        ``thing`` is brought up to date from the locked row first, so decisions rest on what is stored, not on what a page
        showed. Must run inside the transaction of the action that calls it.
        """
        if not transaction.get_connection().in_atomic_block:
            raise RuntimeError(f"{self.noun}.{name} must run inside its action's transaction")
        lock(thing)
        if (found := self.refusal(thing, name, by=by)) is not None:
            raise found
        source = thing.status  # type: ignore[attr-defined]
        target = self.steps[name].target
        for field, value in changes.items():
            setattr(thing, field, value)
        thing.status = target  # type: ignore[attr-defined]
        thing.status_since = at  # type: ignore[attr-defined]
        thing.save(update_fields=["status", "status_since", *changes])
        audit.record(self.events[name], by=by, about=thing, at=at, data={"from": source, "to": target, **(data or {})})

    def diagram(self) -> str:
        """The table as a Mermaid state diagram, for the documentation."""
        lines = ["stateDiagram-v2"]
        lines += [
            f"    {source} --> {each.target}: {each.name}"
            for each in self.steps.values()
            for source in sorted(each.sources)
        ]
        return "\n".join(lines)


class HasLifecycle(models.Model):
    """The columns of a thing that has a lifecycle. ``status`` is written by ``Lifecycle.advance`` only."""

    status_since = models.DateTimeField()

    class Meta:
        abstract = True


def _status_words(thing: models.Model) -> str:
    return str(thing.get_status_display())  # type: ignore[attr-defined]  # status has choices
