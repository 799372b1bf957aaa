"""Counting queries."""

import re
from collections.abc import Callable

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from earthcode.lib.http.kept_answers import answers

#: No page of the first path makes more.
QUERIES_MAX = 12


def queries_of(client: Client, url: str) -> list[str]:
    """What the page asks of the database when it is drawn; the page must answer 200."""
    answers.forget_all()
    with CaptureQueriesContext(
        connection,
    ) as captured:
        response = client.get(url)
        assert response.status_code == 200, f"{url} answered {response.status_code}"
    return [query["sql"] for query in captured.captured_queries]


def assert_queries_do_not_grow(
    client: Client, url: str, *, rows: Callable[[int], None], few: int = 2, many: int = 200, most: int = QUERIES_MAX
) -> None:
    """The page makes as many queries with ``many`` rows as with ``few``, and at most ``most``.

    ``rows(n)`` brings the number of rows that the page lists to ``n``.
    """
    rows(few)
    client.get(url)  # What is cached for the process (content types, translations) is not the page's.
    with_few = queries_of(client, url)
    rows(many)
    with_many = queries_of(client, url)
    assert len(with_many) == len(with_few), "\n".join(
        [f"{len(with_few)} queries with {few} rows, {len(with_many)} with {many}:", *in_short(with_many)]
    )
    assert len(with_few) <= most, "\n".join(
        [f"{len(with_few)} queries, at most {most} are allowed:", *in_short(with_few)]
    )


def in_short(queries: list[str]) -> list[str]:
    """Enough to tell them apart."""
    return [re.sub(r"^(\W*SELECT) .{60,}? FROM ", r"\1 … FROM ", query, flags=re.DOTALL)[:300] for query in queries]
