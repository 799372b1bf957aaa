"""Re-derives the chain of seals from the rows it covers, without the functions and views that made it."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.db import connection

#: What is sealed of each row; see the file.
_LEAVES = (
    (Path(__file__).parent / "sql" / "leaves.sql")
    .read_text(encoding="utf-8")
    .partition("CREATE OR REPLACE VIEW ledger_leaf AS")[2]
    .strip()
    .rstrip(";")
)
_ROWS = f"""
    SELECT id, place, content FROM ({_LEAVES}) leaf WHERE id > %s AND id <= %s ORDER BY id, place
"""  # noqa: S608  # a file of ours
#: The same in a form that compares with a whole seal at once.
_HASHES = f"""
    SELECT coalesce(array_agg(id), '{{}}')::text, coalesce(array_agg(place), '{{}}')::text,
           coalesce(string_agg(sha256(convert_to(content, 'UTF8')), ''::bytea), '')
    FROM ({_ROWS}) row
"""  # noqa: S608
_SEALS = """
    SELECT id, upto_id, extract(epoch FROM sealed_at)::text, ids::text, places::text, leaves, hash
    FROM ledger_seal WHERE id > %s ORDER BY id LIMIT 1
"""
HASH_BYTES = 32
#: Below every number.
BEFORE_ALL = -(2**63)


@dataclass(frozen=True, order=True)
class Break:
    """One row of which a rule does not hold."""

    row: str
    what: str

    def __str__(self) -> str:
        return f"{self.row}: {self.what}"


@dataclass(frozen=True)
class Head:
    """The newest seal: whoever keeps its hash elsewhere can tell later whether anything up to it was changed."""

    seal: int
    upto: int
    hash: str


@dataclass(frozen=True)
class _Block:
    seal: int
    since: int
    upto: int
    sealed_at: str
    #: As PostgreSQL writes arrays: ``{1,2,3}``. There are ten thousand of them, which are read only if something differs.
    ids: str
    places: str
    leaves: bytes
    hash: bytes

    def follows(self, previous_hash: bytes) -> bool:
        described = f"{self.seal} {self.upto} {self.sealed_at} {self.ids} {self.places}".encode()
        return hashlib.sha256(previous_hash + described + self.leaves).digest() == self.hash

    @property
    def rows(self) -> dict[tuple[int, int], bytes]:
        places = zip(_numbers(self.ids), _numbers(self.places), strict=False)
        starts = range(0, len(self.leaves), HASH_BYTES)
        return dict(zip(places, (self.leaves[start : start + HASH_BYTES] for start in starts), strict=False))


def head() -> Head | None:
    """The newest seal; None if nothing is sealed."""
    return _one("SELECT id, upto_id, encode(hash, 'hex') FROM ledger_seal ORDER BY id DESC LIMIT 1")


def with_hash(hash_: str) -> Head | None:
    """The seal of this hash, given in hexadecimal; None if there is none."""
    return _one(
        "SELECT id, upto_id, encode(hash, 'hex') FROM ledger_seal WHERE encode(hash, 'hex') = %s", hash_.lower()
    )


def _one(sql: str, *parameters: str) -> Head | None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        row = cursor.fetchone()
    return None if row is None else Head(*row)


def unsealed_entries() -> int:
    """How many entries were written since the last seal: what is said about seals does not hold for them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM ledger_entry WHERE id > (SELECT coalesce(max(upto_id), 0) FROM ledger_seal)"
        )
        (count,) = cursor.fetchone()
    return int(count)


def links_broken() -> Iterator[Break]:
    """Seals that are missing, or whose hash does not follow from what they hold and from the seal before."""
    previous_seal, previous_hash, previous_upto = 0, b"", BEFORE_ALL
    for block in _blocks():
        if block.seal != previous_seal + 1:
            yield Break(f"seal {block.seal}", f"seals {previous_seal + 1} to {block.seal - 1} before it are missing")
        elif not block.follows(previous_hash):
            yield Break(f"seal {block.seal}", "it was changed, or the seal before it was")
        if block.upto <= previous_upto:
            yield Break(f"seal {block.seal}", "it ends before the seal before it")
        previous_seal, previous_hash, previous_upto = block.seal, block.hash, block.upto


def rows_broken() -> Iterator[Break]:
    """Rows that were changed or removed since they were sealed, and rows that were put among sealed ones."""
    for block in _blocks():
        with connection.cursor() as cursor:
            cursor.execute(_HASHES, [block.since, block.upto])
            ids, places, leaves = cursor.fetchone()
        if (ids, places, bytes(leaves)) != (block.ids, block.places, block.leaves):
            yield from _differences(block)


def _differences(block: _Block) -> Iterator[Break]:
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, [block.since, block.upto])
        found: list[tuple[int, int, str]] = cursor.fetchall()
    sealed = block.rows
    unseen = dict.fromkeys(sealed)
    for id_, place, content in found:
        if (id_, place) not in sealed:
            yield Break(_name(id_, place), f"put among the rows of seal {block.seal} after it was sealed: {content}")
        elif (id_, place) not in unseen:
            yield Break(_name(id_, place), f"is there twice: {content}")
        elif sealed[id_, place] != hashlib.sha256(content.encode()).digest():
            yield Break(_name(id_, place), f"changed since seal {block.seal}; it reads now: {content}")
        unseen.pop((id_, place), None)
    for place_ in unseen:
        yield Break(_name(*place_), f"removed since seal {block.seal}")


def _name(id_: int, place: int) -> str:
    """The row at a place of ``leaves.sql``."""
    match place:
        case 0:
            return f"entry {id_}"
        case -1:
            return f"hold of entry {id_}"
        case -2:
            return f"account event {id_}"
        case -3:
            return f"window {id_}"
        case _:
            return f"entry {id_} line {place}"


def _numbers(array: str) -> list[int]:
    return [int(number) for number in array.strip("{}").split(",") if number]


def _blocks() -> Iterator[_Block]:
    """One seal at a time, so that memory stays bounded."""
    seal, since = 0, BEFORE_ALL
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_SEALS, [seal])
            row = cursor.fetchone()
        if row is None:
            return
        seal, upto, sealed_at, ids, places, leaves, hash_ = row
        yield _Block(seal, since, upto, sealed_at, ids, places, bytes(leaves), bytes(hash_))
        since = upto
