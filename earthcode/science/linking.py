"""Which offerings can run a workflow, and why. Pure: facts in, reasons out.

From the strongest reason to the weakest: the record names the platform; it was made there; the offering says that it runs
programs of this type; it has the interface that such programs are run with. Nothing else makes a match: a type that no
offering names matches nothing, and one that is not known is said to be unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final
from urllib.parse import urlsplit

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from earthcode.catalogue.search import plain_words
from earthcode.catalogue.vocabulary import normalised

#: Roles of a platform's link, as ``osc`` reads them.
NAMED: Final = "named"
MADE: Final = "made"
#: The record opens itself there, in an editor's address.
OPENS: Final = "opens"


class Strength(IntEnum):
    """Of a reason; the smaller, the stronger."""

    NAMED = 0
    MADE = 1
    RUNS_TYPE = 2
    HAS_INTERFACE = 3


@dataclass(frozen=True)
class PlatformLink:
    """A platform that a record names."""

    role: str
    title: str
    url: str


@dataclass(frozen=True)
class Program:
    """What has to run. ``application_type`` is spelled as in offerings' workflow types; empty: not known."""

    application_type: str
    platforms: tuple[PlatformLink, ...] = ()


@dataclass(frozen=True)
class Place:
    """An offering, as far as it says what it can run."""

    offering: int
    platform: int
    workflow_types: frozenset[str]
    interfaces: frozenset[str]


@dataclass(frozen=True)
class Reason:
    strength: Strength
    text: str


@dataclass(frozen=True)
class Linked:
    """``reasons``: offering → why it can run it, the strongest first. ``elsewhere``: platforms that are not in the catalogue."""

    reasons: Mapping[int, tuple[Reason, ...]]
    elsewhere: tuple[PlatformLink, ...]

    def strength(self, offering: int) -> Strength:
        return self.reasons[offering][0].strength


@dataclass(frozen=True)
class _Type:
    plural: str | Promise
    interface: str = ""


#: What we know of the types of program: how to speak of many, and the interface they are run with.
_TYPES: Final[Mapping[str, _Type]] = {
    "Jupyter notebook": _Type(_lazy("Jupyter notebooks"), "JupyterLab"),
    "Argo workflow": _Type(_lazy("Argo workflows"), "Argo Workflows"),
    "openEO process graph": _Type(_lazy("openEO process graphs"), "openEO"),
    # An OGC API Processes says what it runs, but not that one may bring a package of one's own.
    "OGC application package": _Type(_lazy("OGC application packages")),
}

#: Words of a platform's name that do not tell it from another.
_COMMON_WORDS: Final = frozenset({"platform", "workspace", "workspaces", "on", "the", "via", "of", "jupyterlab"})


class Places:
    """All offerings, ready to be asked about any number of programs."""

    def __init__(self) -> None:
        self._on_platform: dict[int, list[Place]] = {}
        self._at_host: dict[str, set[int]] = {}
        self._names: list[tuple[frozenset[str], int]] = []

    def add(self, place: Place, *, names: Iterable[str], urls: Iterable[str]) -> None:
        """``names`` and ``urls``: of the offering and of its platform."""
        self._on_platform.setdefault(place.platform, []).append(place)
        for host in filter(None, map(_host, urls)):
            self._at_host.setdefault(host, set()).add(place.platform)
        self._names += [(_telling_words(name), place.platform) for name in names]

    def for_program(self, program: Program) -> Linked:
        """The offerings that can run the program, each with its reasons."""
        found, elsewhere = self.named_by(program)
        for places in self._on_platform.values():
            for place in places:
                if (able := runs(program.application_type, place)) is not None:
                    found.setdefault(place.offering, []).append(able)
        reasons = {offering: tuple(sorted(each, key=lambda one: one.strength)) for offering, each in found.items()}
        return Linked(reasons, elsewhere)

    def named_by(self, program: Program) -> tuple[dict[int, list[Reason]], tuple[PlatformLink, ...]]:
        """Offering → reasons from the platforms that the program names alone, and the platforms that are not here."""
        found: dict[int, list[Reason]] = {}
        elsewhere = []
        for link in program.platforms:
            platforms, is_by_name = self._platforms_of(link)
            if not platforms and link not in elsewhere:
                elsewhere.append(link)
            reason = _platform_reason(link, is_by_name=is_by_name)
            for place in self._able(platforms, program.application_type):
                reasons = found.setdefault(place.offering, [])
                # Two links to one platform are one reason.
                if all(each.strength != reason.strength for each in reasons):
                    reasons.append(reason)
        return found, tuple(elsewhere)

    def _platforms_of(self, link: PlatformLink) -> tuple[set[int], bool]:
        """The platforms at the link's address; where there is none, those of its name."""
        if at_host := self._at_host.get(_host(link.url)):
            return at_host, False
        title = _telling_words(link.title)
        return {platform for words, platform in self._names if title and title <= words}, True

    def _able(self, platforms: Iterable[int], application_type: str) -> list[Place]:
        """Of each platform the offerings that say that they run such programs; where none does, all of them."""
        found = []
        for platform in sorted(platforms):
            there = self._on_platform[platform]
            found += [place for place in there if runs(application_type, place) is not None] or there
        return found


def _platform_reason(link: PlatformLink, *, is_by_name: bool) -> Reason:
    words = {"platform": link.title}
    if link.role == MADE:
        text = _("Made on “%(platform)s”") if link.title else _("Made on this platform")
        strength = Strength.MADE
    elif link.role == OPENS:
        text, strength = _("Opens on this platform"), Strength.NAMED
    else:
        text = _("Names “%(platform)s” to run on") if link.title else _("Names this platform to run on")
        strength = Strength.NAMED
    text %= words
    # A name is weaker evidence than an address, and the reader can judge it.
    return Reason(strength, _("%(reason)s (matched by its name)") % {"reason": text} if is_by_name else text)


def runs(application_type: str, place: Place) -> Reason | None:
    """Why this offering runs programs of this type, by what it says of itself."""
    if not application_type:
        return None
    known = _TYPES.get(application_type)
    if application_type in place.workflow_types:
        words = {"programs": known.plural if known else application_type}
        return Reason(Strength.RUNS_TYPE, _("Runs %(programs)s") % words)
    if known and known.interface and known.interface in place.interfaces:
        return Reason(Strength.HAS_INTERFACE, _("Has %(interface)s") % {"interface": known.interface})
    return None


def types_run_by(place: Place) -> list[str]:
    """The types of program that this offering runs."""
    return [name for name in dict.fromkeys((*_TYPES, *place.workflow_types)) if runs(name, place) is not None]


def shared_data(keywords: Iterable[str], datasets: Iterable[str]) -> list[str]:
    """The data sets of an offering that a record names among its keywords."""
    named = {normalised(word) for word in keywords}
    return [name for name in datasets if name in named]


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def _telling_words(name: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9]+", plain_words(name))) - _COMMON_WORDS
