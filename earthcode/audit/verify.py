"""Re-derives the chain of the audit trail, without the database's own functions."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection, transaction

_ROWS = """
    SELECT link.position, link.event_id, link.hash, event.id,
           to_char(event.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           event.name, event.actor_id, event.actor_name,
           event.subject_type, event.subject_id, event.subject_label, event.data::text
    FROM audit_link link LEFT JOIN audit_event event ON event.id = link.event_id
    ORDER BY link.position
"""
_UNLINKED = """
    SELECT event.id FROM audit_event event LEFT JOIN audit_link link ON link.event_id = event.id
    WHERE link.event_id IS NULL ORDER BY event.id
"""


@dataclass(frozen=True)
class Break:
    """One place where the trail is not what was written."""

    event_id: int
    what: str

    def __str__(self) -> str:
        return f"event {self.event_id}: {self.what}"


def breaks() -> Iterator[Break]:
    """Every break in the chain, in bounded memory: changed, removed and inserted events, and gaps in the links."""
    with transaction.atomic():
        with connection.chunked_cursor() as cursor:
            cursor.execute(_ROWS)
            previous_hash, previous_position = b"", 0
            for position, event_id, stored_hash, found_id, *fields in cursor:
                if position != previous_position + 1:
                    yield Break(event_id, f"links {previous_position + 1} to {position - 1} before it are missing")
                if found_id is None:
                    yield Break(event_id, "removed")
                else:
                    canonical = "".join(f"{len(field)}:{field}" for field in (str(found_id), *fields))
                    if hashlib.sha256(previous_hash + canonical.encode()).digest() != bytes(stored_hash):
                        yield Break(event_id, "changed, or the link before it was")
                previous_hash, previous_position = bytes(stored_hash), position
        with connection.chunked_cursor() as cursor:
            cursor.execute(_UNLINKED)
            for (event_id,) in cursor:
                yield Break(event_id, "inserted without a link")
