"""Re-derives the chain of the audit trail, without the database's own functions.

The chain alone shows that nothing in it was changed. That nothing was cut off its end, and that it was not written anew as a
whole, shows only against a *head* that was kept elsewhere: the place and hash of its newest link at some time.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from django.db import connection, transaction

from earthcode.audit.models import Link

#: What in ``data`` is fact and what is words, as ``sql/chain.sql`` tells them apart.
_CODE = "^([a-z0-9_.:+/-]*|[A-Z]{2,}(-[0-9]+)+|[0-9TZ:.+-]+)$"
_ROWS = """
    SELECT link.position, link.event_id, link.hash, event.id, event.words_hash, event.salt,
           to_char(event.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           event.name, event.actor_id, event.actor_name,
           event.subject_type, event.subject_id, event.subject_label, event.data::text,
           part.facts::text, part.words::text
    FROM audit_link link
    LEFT JOIN audit_event event ON event.id = link.event_id
    LEFT JOIN LATERAL (
        SELECT coalesce(jsonb_object_agg(key, value) FILTER (WHERE is_fact), '{}') AS facts,
               coalesce(jsonb_object_agg(key, value) FILTER (WHERE NOT is_fact), '{}') AS words
        FROM (
            SELECT key, value, key NOT IN ('name', 'title', 'label', 'email') AND CASE jsonb_typeof(value)
                WHEN 'string' THEN value #>> '{}' ~ %(code)s
                WHEN 'object' THEN false
                WHEN 'array' THEN NOT jsonb_path_exists(value, '$.** ? (@.type() == "object")')
                    AND NOT EXISTS (SELECT FROM jsonb_path_query(value, 'strict $.** ? (@.type() == "string")') text
                                    WHERE text #>> '{}' !~ %(code)s)
                ELSE true END AS is_fact
            FROM jsonb_each(event.data)
        ) item
    ) part ON true
    ORDER BY link.position
"""
#: How the names of events end that say which events' words were forgotten.
ERASURE = ".erase"
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
            cursor.execute(_ROWS, {"code": _CODE})
            previous_hash, previous_position = b"", 0
            forgotten: set[int] = set()
            said_forgotten: set[int] = set()
            for position, event_id, stored_hash, found_id, words_hash, salt, *fields in cursor:
                if position != previous_position + 1:
                    yield Break(event_id, f"links {previous_position + 1} to {position - 1} before it are missing")
                if found_id is None:
                    yield Break(event_id, "removed")
                elif (is_forgotten := words_hash is not None and salt is None) and not bytes(words_hash):
                    # From before words were hashed apart: nothing shows any more what it said, but that it was forgotten.
                    forgotten.add(event_id)
                else:
                    canonical = _canonical(str(found_id), fields, words_hash)
                    if hashlib.sha256(previous_hash + canonical.encode()).digest() != bytes(stored_hash):
                        yield Break(event_id, "changed, or the link before it was")
                    elif is_forgotten:
                        forgotten.add(event_id)
                    elif words_hash is not None and bytes(words_hash) != _hash_of_words(bytes(salt), fields):
                        yield Break(event_id, "its words were changed")
                    elif fields[1].endswith(ERASURE):
                        said_forgotten.update(json.loads(fields[8]).get("events", ()))
                previous_hash, previous_position = bytes(stored_hash), position
            for event_id in sorted(forgotten - said_forgotten):
                yield Break(event_id, "its words were removed, and no event says that they were forgotten")
        with connection.chunked_cursor() as cursor:
            cursor.execute(_UNLINKED)
            for (event_id,) in cursor:
                yield Break(event_id, "inserted without a link")
        yield from _against_the_outside(heads, at_least)


def _canonical(event_id: str, fields: list[str], words_hash: bytes | None) -> str:
    at, name, actor_id, actor_name, subject_type, subject_id, subject_label, data, facts, _ = fields
    if words_hash is None:  # as all were before words could be forgotten
        return _joined(event_id, at, name, actor_id, actor_name, subject_type, subject_id, subject_label, data)
    return _joined(event_id, at, name, actor_id, subject_type, subject_id, facts, bytes(words_hash).hex())


def _hash_of_words(salt: bytes, fields: list[str]) -> bytes:
    _, _, _, actor_name, _, _, subject_label, _, _, words = fields
    return hashlib.sha256(salt + _joined(actor_name, subject_label, words).encode()).digest()


def _joined(*fields: str) -> str:
    return "".join(f"{len(field)}:{field}" for field in fields)


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
