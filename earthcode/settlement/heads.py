"""The heads of the audit trail and of the books, written where the site cannot rewrite them, and held against what is there.

A head is the place and hash of the newest link of a chain. Whoever has one from last month can tell whether anything up to then
was changed, cut off or written anew, even by somebody who owns the database. So the clock writes both heads every hour: to the
log, and to ``HEADS_FILE``; and every night they are mailed to ``HEADS_MAIL``. docs/decisions/audit-chain.md says what that shows.
"""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.core.mail import send_mail

from earthcode.audit import verify as trail
from earthcode.audit.models import Link
from earthcode.ledger import seals
from earthcode.ledger.seals import Break
from earthcode.ledger.verify import Finding

logger = logging.getLogger("earthcode.heads")

#: How many lines of the file are held against what is there: a month and more of hours.
READ_MAX = 1_000
RULE = "every head that was written outside is in the audit trail and in the books"


@dataclass(frozen=True)
class Heads:
    """Both heads at a moment, as one line: ``2026-11-02T10:00:00Z trail 158:97a0… books 16:c1fa…``."""

    at: datetime
    trail: str
    books: str

    def __str__(self) -> str:
        return f"{self.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} trail {self.trail} books {self.books}"


def now(at: datetime) -> Heads:
    newest, seal = trail.head(), seals.head()
    return Heads(at, str(newest) if newest else "none", f"{seal.seal}:{seal.hash}" if seal else "none")


def write(*, at: datetime) -> Heads:
    """Write the heads to the log and the file. Raises ``OSError`` where the file cannot be written: nothing is covered then."""
    heads = now(at)
    logger.warning("heads %s", heads)  # a level that no site leaves out of its logs
    if settings.HEADS_FILE:
        # Appended and on the disk when we return. The file may be one that can only be appended to (chattr +a).
        file = os.open(settings.HEADS_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            os.write(file, f"{heads}\n".encode())
            os.fsync(file)
        finally:
            os.close(file)
    return heads


def mail(heads: Heads, *, broken: int) -> None:
    """Mail the heads to those who keep them. A mail that cannot be sent is logged; the next night brings another."""
    if not settings.HEADS_MAIL:
        return
    said = f"{broken} rules are broken: see the site's log." if broken else "Everything was verified and holds."
    body = (
        f"{said}\n\n{heads}\n\nKeep this. It shows later whether the audit trail or the books were rewritten:\n\n"
        + "\n".join(
            ([f"manage.py verify_audit --head {heads.trail}"] if heads.trail != "none" else [])
            + ([f"manage.py verify_ledger --head {heads.books.partition(':')[2]}"] if heads.books != "none" else [])
        )
    )
    try:
        send_mail(f"Heads of {settings.SITE_HOST}", body, None, settings.HEADS_MAIL)
    except OSError as error:
        logger.error("the heads could not be mailed: %s", error)


def finding() -> Finding:
    """Whether the heads in ``HEADS_FILE`` are in the trail and the books."""
    lines = _lines()
    found = list(_breaks(lines))
    return Finding(RULE, "the heads outside", len(lines), tuple(found), len(found))


def _lines() -> list[str]:
    if not settings.HEADS_FILE:
        return []
    try:
        return Path(settings.HEADS_FILE).read_text(encoding="utf-8", errors="replace").splitlines()[-READ_MAX:]
    except FileNotFoundError:  # before the first hour
        return []


def _breaks(lines: list[str]) -> Iterator[Break]:
    kept: list[trail.Head] = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        try:
            _, of_trail, trail_head, of_books, books_head = words
            if (of_trail, of_books) != ("trail", "books"):
                raise ValueError(line)
            if trail_head != "none":
                kept.append(trail.Head.parse(trail_head))
            book = None if books_head == "none" else trail.Head.parse(books_head)
        except ValueError:
            yield Break(f"line {number} of the heads", "it cannot be read")
            continue
        if book is not None and ((seal := seals.with_hash(book.hash)) is None or seal.seal != book.position):
            yield Break(f"seal {book.position}", f"the books do not have it as it was kept at {words[0]}: {book.hash}")
    links = Link.objects.in_bulk([head.position for head in kept])
    for head in kept:
        link = links.get(head.position)
        if link is None or bytes(link.hash).hex() != head.hash:
            yield Break(f"link {head.position} of the audit trail", f"it is not the one that was kept: {head.hash}")
