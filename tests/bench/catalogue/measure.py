"""What a page costs: queries, time, processor time, and what of it one worker can do in a second."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from earthcode.catalogue import cached, search

#: Sixteen processors for sixty hours beside Sentinel-2 in a notebook.
FILTERED = "/catalogue/?interface=jupyterlab&data=sentinel-2&cpu=16&ram=64"


@dataclass(frozen=True)
class Page:
    """A kind of page. ``address`` is asked for each request anew, as a workload may be a new one each time."""

    name: str
    address: Callable[[], str]
    headers: dict[str, str]


@dataclass(frozen=True)
class Cost:
    """Milliseconds for each request; ``size`` in bytes."""

    page: str
    who: str
    offerings: int
    queries: int
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    size: int

    @property
    def per_second(self) -> float:
        """What one worker, which does one request after the other, can answer."""
        return 1000 / self.p50_ms if self.p50_ms else 0.0


def pages() -> Iterator[Page]:
    hours = (f"{number / 1000:.3f}" for number in count(10_000))
    htmx = {"HX-Request": "true"}
    yield Page("list", lambda: "/catalogue/", {})
    yield Page("filtered, priced", lambda: FILTERED, {})
    yield Page("filtered, priced, part for htmx", lambda: FILTERED, htmx)
    yield Page("filtered, a new workload each time", lambda: f"{FILTERED}&hours={next(hours)}", {})
    yield Page("list, a new workload each time", lambda: f"/catalogue/?hours={next(hours)}", {})
    yield Page("filtered by price", lambda: f"{FILTERED}&price=priced", {})
    yield Page("words with an error", lambda: "/catalogue/?q=sentinal+2+notbooks", {})
    yield Page("last page by name", lambda: "/catalogue/?sort=name&page=99999", {})
    yield Page("one offering", lambda: "/catalogue/offering-7/", {})


def measure(client: Client, who: str, page: Page, *, offerings: int, requests: int) -> Cost:
    for _warm in range(2):
        response = client.get(page.address(), headers=page.headers)
        assert response.status_code == 200, response.status_code
    with CaptureQueriesContext(connection) as captured:
        client.get(page.address(), headers=page.headers)
    # Now: the next request forgets them.
    queries = len(captured)
    took, cpu = _timed(lambda: client.get(page.address(), headers=page.headers), requests)
    return _cost(page.name, who, offerings, queries, took, cpu, len(response.content))


def measure_unchanged(client: Client, *, offerings: int, requests: int) -> Cost:
    """A visitor whose browser has the page already."""
    client.get(FILTERED)
    etag = client.get(FILTERED).headers["ETag"]

    def ask() -> None:
        assert client.get(FILTERED, headers={"If-None-Match": etag}).status_code == 304

    with CaptureQueriesContext(connection) as captured:
        ask()
    queries = len(captured)
    took, cpu = _timed(ask, requests)
    return _cost("filtered, priced, in the browser's cache", "visitor", offerings, queries, took, cpu, 0)


def measure_reading(*, offerings: int) -> Cost:
    """The first page after a change reads the catalogue into memory."""

    def read() -> None:
        cached.forget_all()
        search.index_on(timezone.localdate())

    cached.forget_all()
    with CaptureQueriesContext(connection) as captured:
        search.index_on(timezone.localdate())
    queries = len(captured)
    took, cpu = _timed(read, 3)
    return _cost("reading the catalogue into memory", "", offerings, queries, took, cpu, 0)


def _timed(ask: Callable[[], object], requests: int) -> tuple[list[float], float]:
    """Wall milliseconds of each request, and processor milliseconds of one on average."""
    took = []
    gc.collect()
    cpu = time.process_time()
    for _each in range(requests):
        start = time.perf_counter()
        ask()
        took.append(1000 * (time.perf_counter() - start))
    return took, 1000 * (time.process_time() - cpu) / requests


def _cost(page: str, who: str, offerings: int, queries: int, took: list[float], cpu: float, size: int) -> Cost:
    ordered = sorted(took)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    return Cost(page, who, offerings, queries, statistics.median(ordered), p95, cpu, size)


def as_table(costs: list[Cost]) -> str:
    """Markdown, a row for each page and number of offerings."""
    lines = [
        "| Page | Who | Offerings | Queries | p50 ms | p95 ms | CPU ms | Requests/s | kB |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {each.page} | {each.who} | {each.offerings:,} | {each.queries} | {each.p50_ms:.1f} | {each.p95_ms:.1f}"
        f" | {each.cpu_ms:.1f} | {each.per_second:.0f} | {each.size / 1000:.0f} |"
        for each in costs
    ]
    return "\n".join(lines)
