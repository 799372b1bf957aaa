"""Choosing what to compare: offerings ticked on cards and on their pages, remembered in the address and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from earthcode.catalogue.entries import OfferingEntry
from earthcode.catalogue.pricing import Workload
from earthcode.catalogue.search import Index

#: Fewer are not compared, and more fit on no screen.
FEWEST: Final = 2
MOST: Final = 4
#: More than anybody ticks; what is too many is told, so more than ``MOST`` are read.
_READ_MAX: Final = 12


def chosen_in(query: QueryDict, name: str) -> tuple[str, ...]:
    """The slugs in an address, each once, in the order in which they were chosen."""
    slugs = (value.strip() for value in query.getlist(name))
    return tuple(dict.fromkeys(slug for slug in slugs if slug and len(slug) <= 80 and "\x00" not in slug))[:_READ_MAX]


@dataclass(frozen=True)
class Ticked:
    """An offering in the tray, and where one is without it."""

    name: str
    without_url: str


@dataclass(frozen=True)
class Tray:
    """What is ticked to be compared, at the end of a page."""

    slugs: tuple[str, ...]
    ticked: Sequence[Ticked]
    clear_url: str
    compare_url: str
    most: int = MOST

    @classmethod
    def of(
        cls, slugs: Sequence[str], index: Index, workload: Workload, *, without: Callable[[tuple[str, ...]], str]
    ) -> Tray:
        """``without`` gives the address of the page with these slugs left. What is not in the catalogue is left out."""
        entries: list[OfferingEntry] = [index.by_slug[slug] for slug in slugs if slug in index.by_slug]
        known = tuple(entry.slug for entry in entries)
        return cls(
            slugs=known,
            ticked=[
                Ticked(entry.name, without(tuple(slug for slug in known if slug != entry.slug))) for entry in entries
            ],
            clear_url=without(()),
            compare_url=compare_url(known, workload),
        )

    @property
    def is_ready(self) -> bool:
        return FEWEST <= len(self.slugs) <= MOST

    @property
    def is_too_many(self) -> bool:
        return len(self.slugs) > MOST

    def besides(self, shown: set[str]) -> list[str]:
        """Those that have no box to tick on the page, whose choice must not be lost by it."""
        return [slug for slug in self.slugs if slug not in shown]


def compare_url(slugs: Sequence[str], workload: Workload) -> str:
    """The address of these offerings side by side, for this workload."""
    query = [*(("offering", slug) for slug in slugs), *workload.changes().items()]
    return f"{reverse('compare')}?{urlencode(query)}"
