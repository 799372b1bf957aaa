"""A page of an account's statement: newest first, by keyset, so that its last page costs what its first does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.http import HttpRequest

from earthcode.ledger import queries as books
from earthcode.web.parts.lists import before_url

_PLACE = re.compile(r"([0-9]{1,18})\.([0-9]{1,4})")


@dataclass
class Statement:
    """``lines`` as the ledger says them, ``rows`` as ``components/ledger.html`` takes them."""

    lines: Sequence[books.StatementLine]
    older_url: str
    newest_url: str
    rows: list[dict[str, object]] = field(default_factory=list)


def statement_page(request: HttpRequest, account: str, *, limit: int) -> Statement:
    """The lines that ``?before=`` asks for, and the way to older ones and back; nonsense is the newest page."""
    place = _PLACE.fullmatch(request.GET.get("before", ""))
    before = books.Position(int(place[1]), int(place[2])) if place else None
    lines = books.statement(account, before=before, limit=limit + 1)
    shown = lines[:limit]
    older = ""
    if len(lines) > limit:
        position = shown[-1].position
        older = before_url(request, f"{position.major}.{position.minor}") + "#statement"
    return Statement(shown, older_url=older, newest_url=before_url(request, "") + "#statement" if place else "")
