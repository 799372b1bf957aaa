"""What a platform says of its use: records with the platform's own names and times.

A record is made from the platform's facts only, so that reading it again, in any cut and with any overlap, gives the same
``id`` and the same content. Quantities are exact: text from the platform becomes :class:`~decimal.Decimal`, never a float.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

#: A cursor is kept with the platform's data and sent back as it is; more than this is a mistake.
CURSOR_MAX = 64 * 1024


class Unit(StrEnum):
    """Base units; a connector converts, exactly (an hour is 3600 s, a MiB 2**20 bytes)."""

    SECOND = "s"
    BYTE = "byte"
    BYTE_SECOND = "byte.s"
    CORE_SECOND = "core.s"
    GPU_SECOND = "gpu.s"
    #: Whatever is counted by the piece: requests, products, processing units, a platform's own credits.
    ONE = "1"


class RecordKind(StrEnum):
    #: Never changes.
    CLOSED = "closed"
    #: Comes again under the same id with a larger quantity.
    GROWING = "growing"
    #: A sample: the quantity is what there was at ``used_until``.
    LEVEL = "level"


@dataclass(frozen=True)
class UsageRecord:
    """One line of use.

    ``id`` is unique in (platform, source, feed); ``feed`` changes when the meter's store was made anew. ``subject`` is the
    platform's name of the person, None where the record is of all. [``used_from``, ``used_until``) is half open and aware.
    ``platform_at`` is the platform's clock when it answered, ``observed_at`` ours. ``replaces`` is the id of a closed record
    that this one corrects. ``raw`` are the few facts it was made of, for disputes: no secrets, no names of files.
    """

    id: str
    source: str
    order: str
    metric: str
    quantity: Decimal
    unit: Unit
    used_from: datetime
    used_until: datetime
    kind: RecordKind
    observed_at: datetime
    platform_at: datetime | None = None
    feed: str = ""
    subject: str | None = None
    replaces: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.id or not self.source or not self.order or not self.metric:
            raise ValueError("a usage record names its id, its source, its order and its metric")
        if not self.quantity.is_finite() or self.quantity < 0:
            raise ValueError("a quantity is a number of zero or more")
        if self.used_from.tzinfo is None or self.used_until.tzinfo is None or self.used_until < self.used_from:
            raise ValueError("a period has a time zone, and ends after it begins")


@dataclass(frozen=True)
class Gap:
    """A period that the meter cannot answer for any more. Nothing is billed for it; it is shown."""

    source: str
    since: datetime
    until: datetime
    code: str


@dataclass(frozen=True)
class Note:
    """Something about this page that people should know: a code of ``reasons`` and its parameters."""

    code: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class UsagePage:
    """One answer of :meth:`Connector.usage`.

    Store ``cursor`` in the transaction that stores the records, and call again at once while ``more``. Nothing that ended
    before ``complete_until`` is expected to come or to change; None where the meter cannot say.
    """

    records: tuple[UsageRecord, ...]
    cursor: str
    more: bool = False
    complete_until: datetime | None = None
    platform_at: datetime | None = None
    gaps: tuple[Gap, ...] = ()
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        if len(self.cursor.encode()) > CURSOR_MAX:
            raise ValueError("the cursor is too large to be kept")


@dataclass(frozen=True)
class Meter:
    """One thing that a kind of platform measures, declared before anything is read.

    ``lag_usual_s`` and ``lag_longest_s`` say how late a record may come, ``retained_days`` how long the platform keeps it
    (None: as long as we know), ``can_reread`` whether a period can be asked for again. ``lost_on_revoke``: revoking destroys
    it, so it is read once more before.
    """

    metric: str
    unit: Unit
    kind: RecordKind
    source: str
    poll_every_s: int
    lag_usual_s: int
    lag_longest_s: int
    per_person: bool = False
    retained_days: int | None = None
    can_reread: bool = False
    lost_on_revoke: bool = False
