"""Use that is seen by looking: which servers run now, and which ran at the last look.

The cursor remembers the last look, because a hub keeps no history: each server as ``person:name:start`` with the time it was
last seen.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from earthcode.connectors import reading, reasons
from earthcode.connectors.base import ConnectorError, Order
from earthcode.connectors.usage import Note, RecordKind, Unit, UsageRecord

SOURCE = "hub-poll"


def watched(cursor: str) -> tuple[dict[str, str], datetime | None, tuple[Note, ...]]:
    """Servers that ran at the last look, when each was seen, and when that look was."""
    if not cursor:
        return {}, None, ()
    try:
        kept = reading.mapping(reading.decoded(cursor))
        servers = {reading.text(name): reading.text(seen) for name, seen in reading.mapping(kept.get("open")).items()}
        for name, seen in servers.items():
            reading.moment(seen)
            reading.moment(name.split(":", 2)[2])
        return servers, reading.moment(kept.get("at")), ()
    except (ConnectorError, ValueError, IndexError):
        return {}, None, (Note(reasons.BAD_CURSOR),)


def use(
    order: Order, record_id: str, *, until: datetime, kind: RecordKind, platform_at: datetime, now: datetime
) -> UsageRecord:
    name, server, written = record_id.split(":", 2)
    started = reading.moment(written)
    until = max(started, until)
    length = until - started
    return UsageRecord(
        id=record_id,
        source=SOURCE,
        order=order.allocation,
        subject=name,
        metric="server_time",
        quantity=Decimal(length.days * 86400 + length.seconds) + Decimal(length.microseconds) / 1_000_000,
        unit=Unit.SECOND,
        used_from=started,
        used_until=until,
        kind=kind,
        platform_at=platform_at,
        observed_at=now,
        raw={"server": server, "started": written},
    )
