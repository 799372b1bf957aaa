"""What is read once and kept in memory, in each process, for as long as the catalogue is in the same state."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, ClassVar, Generic, TypeVar

from earthcode.lib.http.kept_answers import answers

Thing = TypeVar("Thing")


class Cached(Generic[Thing]):
    """One thing made from the catalogue; a module has one of these for each that it keeps."""

    _all: ClassVar[list[Cached[Any]]] = []

    def __init__(self) -> None:
        self._kept: tuple[Hashable, Thing] | None = None
        self._all.append(self)

    def get(self, key: Hashable, read: Callable[[], Thing]) -> Thing:
        """What was read for this key, read now if the last key was another one.

        The key has the number of the catalogue's state in it, and whatever else the thing depends on: rates, for example,
        begin and end with days.
        """
        # Taken once: another thread may put another one in its place at any time.
        kept = self._kept
        if kept is not None and kept[0] == key:
            return kept[1]
        thing = read()
        self._kept = (key, thing)
        return thing

    def forget(self) -> None:
        self._kept = None


def forget_all() -> None:
    """Have everything read anew when it is next asked for. Nothing depends on it but measurements and tests."""
    for each in Cached._all:
        each.forget()
    answers.forget_all()
