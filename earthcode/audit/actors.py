"""Who stands behind an event."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@runtime_checkable
class Actor(Protocol):
    """A person or a part of the system. ``identity.User`` and ``System`` are the two kinds."""

    @property
    def audit_id(self) -> str:
        """Stable and unambiguous: ``user:<public id>`` or ``system:<name>``."""

    @property
    def audit_name(self) -> str:
        """What people read."""


@dataclass(frozen=True)
class System:
    """A part of the system that acts by itself: ``System("clock")``, ``System("worker")``."""

    name: str

    @property
    def audit_id(self) -> str:
        return f"system:{self.name}"

    @property
    def audit_name(self) -> str:
        return f"System ({self.name})"


CLOCK = System("clock")
WORKER = System("worker")
