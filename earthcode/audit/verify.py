"""Re-derives the chain of the audit trail, without the database's own functions.

The chain alone shows that nothing in it was changed. That nothing was cut off its end, and that it was not written anew as a
whole, shows only against a *head* that was kept elsewhere: the place and hash of its newest link at some time.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from django.db import connection, transaction

from earthcode.audit.models import Link

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
    """One place where the trail is not what was written. ``event_id`` is 0 where it is about the trail's end."""

    event_id: int
    what: str

    @property
    def place(self) -> str:
        return f"event {self.event_id}" if self.event_id else "the trail"

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


@dataclass(frozen=True)
class Head:
    """The newest link at some time: how many events there were, and the hash over all of them, in hexadecimal."""

    position: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """``158:97a05677…``, as ``verify_audit`` writes it. Raises ``ValueError``."""
        found = re.fullmatch(r"([0-9]{1,18}):([0-9a-fA-F]{64})", text.strip())
        if found is None:
            raise ValueError(f"{text} is no head: it is written as position:hash")
        return cls(int(found[1]), found[2].lower())

    def __str__(self) -> str:
        return f"{self.position}:{self.hash}"


def head() -> Head | None:
    """The newest link; None while the trail is empty."""
    newest = Link.objects.order_by("-position").first()
    return None if newest is None else Head(newest.position, bytes(newest.hash).hex())


def breaks(*, heads: Sequence[Head] = (), at_least: int = 0) -> Iterator[Break]:
    """Every break in the chain, in bounded memory: changed, removed and inserted events, and gaps in the links.

    ``heads`` were kept outside: each must be in the chain. ``at_least`` is how many events there must be.
    """
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
        yield from _against_the_outside(heads, at_least)


def _against_the_outside(heads: Sequence[Head], at_least: int) -> Iterator[Break]:
    count = Link.objects.count()
    if count < at_least:
        yield Break(0, f"it has {count} events, and there were {at_least}")
    links = Link.objects.in_bulk([kept.position for kept in heads])
    for kept in sorted(heads, key=lambda kept: kept.position):
        link = links.get(kept.position)
        if link is None:
            yield Break(0, f"it ends before event number {kept.position}, whose head {kept.hash} was kept outside")
        elif bytes(link.hash).hex() != kept.hash:
            yield Break(link.event_id, f"it or an earlier one was written anew: the head kept outside is {kept.hash}")
