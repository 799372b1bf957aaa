"""What people ask for in their own words: "cheapest place to run 60 hours of a 16-core notebook next to Sentinel-2".

Numbers with a unit are the workload, "cheapest" is an order, and the rest are words to search for. Pure, and never more than
a guess: a page shows what was understood, with a way to take each part back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_UP, Decimal
from functools import lru_cache
from typing import Final

from earthcode.catalogue.workload import PARAMETERS, Workload
from earthcode.lib.errors import InvalidInput
from earthcode.lib.numbers import plain

#: The longest text that is read; the same as what the search looks at.
TEXT_MAX: Final = 200
_HOURS_IN_A_MONTH: Final = 744


@dataclass(frozen=True)
class Asked:
    """``words`` are left to search for; ``params`` is what is said of the workload, as an address carries it."""

    text: str
    words: str
    params: tuple[tuple[str, str], ...] = ()
    cheapest: bool = False

    @property
    def is_more_than_words(self) -> bool:
        return bool(self.params) or self.cheapest


# A number as people write it, with a "k" for thousands; not the 2 of "Sentinel-2", nor a part of a longer name, of a
# fraction ("1/2 year") or of a range ("2–3 years").
_NUMBER = r"(?<![\w.,/⁄:–-])(?P<number>\d{1,3}(?:[, \u00a0\u202f]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?P<thousands>k)?"
_GAP = r"[\s\u00a0-]*"
_MONTHLY = r"(?P<monthly>\s*(?:/|a|per|each|every)\s*(?:month|mo)\b)?"
_BYTES = r"(?P<bytes>[gtp])i?b"

_PATTERNS: Final[tuple[tuple[str, str], ...]] = (
    ("cpu", rf"{_NUMBER}{_GAP}(?:v?cpus?|cores?|processors?)\b(?!{_GAP}hours?\b)"),
    ("ram", rf"{_NUMBER}{_GAP}{_BYTES}(?:\s+of)?\s+(?:ram|memory|mem)\b"),
    ("ram", rf"\b(?:ram|memory)(?:\s+of|:)?\s+{_NUMBER}{_GAP}{_BYTES}\b"),
    ("egress", rf"{_NUMBER}{_GAP}{_BYTES}(?:\s+of)?\s+(?:egress|outgoing|downloads?)\b{_MONTHLY}"),
    ("gb", rf"{_NUMBER}{_GAP}{_BYTES}(?:(?:\s+of)?\s+(?:storage|disk|space|data|stored)\b)?"),
    ("hours", rf"{_NUMBER}{_GAP}(?:hours?|hrs?|h)\b{_MONTHLY}"),
    ("months", rf"(?P<spread>\b(?:over|within|in|across)\s+)?{_NUMBER}{_GAP}(?P<period>months?|mo|years?|yrs?)\b"),
    ("gpu", r"(?<![\w-])(?:(?:1|one|an?)\s*[x×]?\s*)?(?:nvidia\s+)?(?P<gpu>l4|a100|h100)(?:[\s-]*gpus?)?\b"),
    ("km2", rf"{_NUMBER}{_GAP}(?:km2|km²|km\^2|sq\.?\s*km|square\s+kilomet(?:re|er)s?)(?!\w)"),
    ("ha", rf"{_NUMBER}{_GAP}(?:ha|hectares?)\b"),
    ("tiles", rf"{_NUMBER}{_GAP}tiles?\b"),
    ("products", rf"{_NUMBER}{_GAP}(?:products?|scenes?)\b"),
    ("openeo", rf"{_NUMBER}{_GAP}openeo{_GAP}credits?\b{_MONTHLY}"),
    ("pu", rf"{_NUMBER}{_GAP}(?:processing\s+units?|pus?)\b{_MONTHLY}"),
)
_COMPILED: Final = tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _PATTERNS)
_CHEAPEST: Final = re.compile(
    r"\b(?:the\s+)?(?:cheapest|lowest(?:\s+(?:price|cost))?|least\s+expensive)\b", re.IGNORECASE
)
# Words around what is asked for, that no offering is found by. Taken out only where something was understood, so that a
# plain search is never changed.
# fmt: off
_AROUND: Final = frozenset({
    "a", "about", "all", "an", "and", "any", "are", "around", "at", "can", "close", "cost", "costs", "day", "do", "does",
    "each", "find", "for", "get", "give", "have", "how", "i", "in", "is", "it", "like", "looking", "machine", "me", "month",
    "much", "my", "near", "need", "next", "of", "offering", "offerings", "on", "one", "option", "or", "over", "per", "place",
    "places", "please", "price", "prices", "project", "provider", "run", "running", "show", "some", "somewhere", "that",
    "the", "there", "to", "use", "using", "want", "we", "what", "where", "which", "will", "with", "would", "you",
})
# fmt: on
#: Words for what one works with → the name that offerings give it.
_NAMES: Final = {"notebook": "JupyterLab", "notebooks": "JupyterLab", "jupyter": "JupyterLab"}


@lru_cache(maxsize=256)
def read(text: str) -> Asked:
    """What the text asks for. Without numbers that have a unit, and without "cheapest", it is all words."""
    text = " ".join(text.split())[:TEXT_MAX]
    rest = text
    found: dict[str, str] = {}
    hours: Decimal | None = None
    is_monthly = is_spread = False
    for name, pattern in _COMPILED:
        if name in found:
            continue
        match = pattern.search(rest)
        if match is None:
            continue
        value = _value(name, match)
        if name == "hours":
            # More than a month has are spread over several.
            hours, is_monthly = Decimal(value), match["monthly"] is not None
        elif not _is_usable(name, value):
            continue
        elif name == "months":
            is_spread = match["spread"] is not None
        found[name] = value
        rest = f"{rest[: match.start()]} {rest[match.end() :]}"
    if hours is not None:
        found |= _hours_and_months(hours, found.get("months"), is_monthly=is_monthly, is_spread=is_spread)
    found = {name: value for name, value in found.items() if _is_usable(name, value)}
    cheapest = _CHEAPEST.search(rest) is not None
    if not found and not cheapest:
        return Asked(text, text)
    words = [word for word in _CHEAPEST.sub(" ", rest).split() if word.lower().strip(".,;:?!()") not in _AROUND]
    words = [_NAMES.get(word.lower(), word) for word in words if any(letter.isalnum() for letter in word)]
    kept = " ".join(dict.fromkeys(words))
    return Asked(
        text, kept.strip(" ,;:?!"), tuple((name, found[name]) for name in PARAMETERS if name in found), cheapest
    )


def _value(name: str, match: re.Match[str]) -> str:
    """What a pattern found, as an address carries it."""
    groups = match.groupdict()
    if name == "gpu":
        return match["gpu"].lower()
    number = Decimal(re.sub(r"[^\d.]", "", match["number"])) * (1000 if groups.get("thousands") else 1)
    number *= {"t": 1000, "p": 1_000_000}.get((groups.get("bytes") or "").lower(), 1)
    if (groups.get("period") or "").lower().startswith("y"):
        number *= 12
    return plain(number)


def _hours_and_months(hours: Decimal, months: str | None, *, is_monthly: bool, is_spread: bool) -> dict[str, str]:
    """Hours in each month, and for how many: "60 hours" are 60 hours, and not in each of six months."""
    if is_monthly or (months is not None and not is_spread):
        return {"hours": plain(hours)}
    count = Decimal(months) if months is not None else (hours / _HOURS_IN_A_MONTH).to_integral_value(ROUND_CEILING)
    count = max(Decimal(1), count)
    # Rounded up, so that the price is for no fewer hours than were asked for.
    return {"hours": plain((hours / count).quantize(Decimal("0.001"), ROUND_UP)), "months": plain(count)}


def _is_usable(name: str, value: str) -> bool:
    try:
        Workload.from_params({name: value})
    except InvalidInput:
        return False
    return True


def field_of(name: str) -> str:
    """The field of ``Workload`` that a parameter of an address carries."""
    return PARAMETERS[name].field


def phrase(name: str, workload: Workload) -> str:
    """One number of a workload in words: "16 vCPU"."""
    return workload.say(name)
