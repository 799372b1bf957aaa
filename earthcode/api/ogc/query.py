"""The parameters of ``/ogc/collections/offerings/items``: what they are, how they are read, what they find.

All given parameters must be met. One that is empty counts as not given; one we do not know is refused, as OGC API asks
(a client's misspelt filter must not return everything).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from django.db.models import Q
from django.http import QueryDict
from django.utils.dateparse import parse_date, parse_datetime

from earthcode.api.ogc.standard import SERVICE
from earthcode.catalogue import search
from earthcode.catalogue.entries import OfferingEntry
from earthcode.catalogue.models import Offering
from earthcode.catalogue.search import Index
from earthcode.lib.errors import InvalidInput

LIMIT: Final = 20
#: More is not refused, only not given (OGC API – Features, 7.15.2).
LIMIT_MAX: Final = 500
#: Each costs two queries.
TERMS_MAX: Final = 5
LIST_MAX: Final = 200

#: The scheme of the external identifiers we know: a platform's id in EarthCODE's registry of platforms.
EARTHCODE_PLATFORM: Final = "earthcode-platform"

BoundingBox = tuple[float, float, float, float]


class UnusableParameter(InvalidInput):
    """A parameter that nobody can make sense of."""

    code = "invalid_parameter"


@dataclass(frozen=True)
class Parameter:
    """One of the parameters, as the OpenAPI document describes it. ``listed``: several values, separated by commas."""

    name: str
    description: str
    schema: dict[str, Any]
    listed: bool = False


_WORDS = {"type": "array", "items": {"type": "string"}}
PARAMETERS: Final = (
    Parameter(
        "q",
        "Words that a record has in its title, description, keywords or names. Words separated by blanks stand together "
        f"in this order; of terms separated by commas (at most {TERMS_MAX}), any one will do.",
        {**_WORDS, "maxItems": TERMS_MAX},
        listed=True,
    ),
    Parameter(
        "bbox",
        "West, south, east, north in degrees (CRS84): only records of data centres in this box. With six numbers, the "
        "third and the sixth, heights, are ignored. A box that crosses the date line has its west east of its east.",
        {
            "type": "array",
            "items": {"type": "number"},
            "oneOf": [{"minItems": 4, "maxItems": 4}, {"minItems": 6, "maxItems": 6}],
        },
        listed=True,
    ),
    Parameter(
        "datetime",
        "A date-time (RFC 3339), a date, or two of them separated by “/”, either of which may be “..”: only records that "
        "were last changed then.",
        {"type": "string"},
    ),
    Parameter("type", f"Kinds of things. All our records are of the type “{SERVICE}”.", _WORDS, listed=True),
    Parameter("ids", "Only the records with these ids.", {**_WORDS, "maxItems": LIST_MAX}, listed=True),
    Parameter(
        "externalIds",
        f"Only records with one of these external identifiers. “{EARTHCODE_PLATFORM}:<id>” finds what a platform of "
        "EarthCODE's registry offers; the scheme may be left out, or stand alone with its colon.",
        {**_WORDS, "maxItems": LIST_MAX},
        listed=True,
    ),
    Parameter(
        "limit",
        f"How many records a page has. More than {LIMIT_MAX} are never given.",
        {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT},
    ),
    Parameter(
        "offset", "How many records to leave out, from the first.", {"type": "integer", "minimum": 0, "default": 0}
    ),
)
#: The format, which many clients name; there is but one.
FORMAT: Final = Parameter("f", "The format.", {"type": "string", "enum": ["json"], "default": "json"})


@dataclass(frozen=True)
class RecordQuery:
    """What a client asked for. None, like an empty list of terms: not asked."""

    terms: Sequence[str] = ()
    box: BoundingBox | None = None
    changed: tuple[datetime | None, datetime | None] | None = None
    types: Sequence[str] = ()
    ids: Sequence[str] = ()
    external_ids: Sequence[str] = ()
    limit: int = LIMIT
    offset: int = 0

    @classmethod
    def read(cls, given: QueryDict) -> RecordQuery:
        """Raises ``UnusableParameter``."""
        refuse_unknown(given, *PARAMETERS)
        values = {parameter.name: _text(given, parameter) for parameter in PARAMETERS}
        return cls(
            terms=_listed("q", values["q"], most=TERMS_MAX),
            box=_box(values["bbox"]) if values["bbox"] else None,
            changed=_interval(values["datetime"]) if values["datetime"] else None,
            types=_listed("type", values["type"]),
            ids=_listed("ids", values["ids"]),
            external_ids=_listed("externalIds", values["externalIds"]),
            limit=min(_whole("limit", values["limit"], least=1), LIMIT_MAX) if values["limit"] else LIMIT,
            offset=_whole("offset", values["offset"], least=0) if values["offset"] else 0,
        )

    def entries(self, index: Index) -> list[OfferingEntry]:
        """What it finds, by name. Two queries for each term of ``q``, and one for ``datetime`` and ``externalIds``."""
        if self.types and SERVICE not in self.types:
            return []
        found = list(index.entries)
        if self.ids:
            ids = set(self.ids)
            found = [entry for entry in found if entry.slug in ids]
        if self.box is not None:
            found = [entry for entry in found if entry.location is not None and _is_in(entry.location, self.box)]
        if self.changed is not None or self.external_ids:
            rows = Offering.objects.listed().filter(self._changed(), self._external())
            pks = set(rows.values_list("pk", flat=True))
            found = [entry for entry in found if entry.pk in pks]
        if self.terms:
            having = {entry.pk for term in self.terms for entry in _having(term, found)}
            found = [entry for entry in found if entry.pk in having]
        return found

    def _changed(self) -> Q:
        since, until = self.changed or (None, None)
        return (Q(updated_at__gte=since) if since else Q()) & (Q(updated_at__lte=until) if until else Q())

    def _external(self) -> Q:
        if not self.external_ids:
            return Q()
        # Platforms that the registry does not know have no identifier, not an empty one.
        anything = ~Q(platform__registry_id="")
        found = Q(pk__in=[])
        for wanted in self.external_ids:
            scheme, colon, value = wanted.rpartition(":")
            if not colon or scheme == EARTHCODE_PLATFORM:
                found |= anything & Q(platform__registry_id=value) if value else anything
        return found


def refuse_unknown(given: QueryDict, *known: Parameter) -> None:
    """Every address knows ``f``, which many clients send with every request."""
    names = {parameter.name for parameter in known} | {FORMAT.name}
    for name in given:
        if name not in names:
            raise UnusableParameter(f"There is no parameter “{name}” here.", field=name)
    if given.get(FORMAT.name, "") not in ("", "json"):
        raise UnusableParameter("The only format is “json”.", field=FORMAT.name)


def _text(given: QueryDict, parameter: Parameter) -> str:
    text = ",".join(given.getlist(parameter.name)) if parameter.listed else given.get(parameter.name, "")
    if "\x00" in text:
        raise UnusableParameter("There is a character in it that no text has.", field=parameter.name)
    return text.strip()


def _listed(name: str, text: str, *, most: int = LIST_MAX) -> list[str]:
    values = [value for value in (part.strip() for part in text.split(",")) if value]
    if len(values) > most:
        raise UnusableParameter(f"Give at most {most} values.", field=name)
    return values


def _whole(name: str, text: str, *, least: int) -> int:
    # ``int`` also takes "1_000" and other scripts' digits.
    if not re.fullmatch(r"\+?[0-9]{1,9}", text) or int(text) < least:
        raise UnusableParameter(f"Give a whole number, {least} or more.", field=name)
    return int(text)


def _box(text: str) -> BoundingBox:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (4, 6) or not all(map(math.isfinite, numbers)):
        raise UnusableParameter("Give four numbers: west, south, east, north.", field="bbox")
    west, south, east, north = numbers if len(numbers) == 4 else (numbers[0], numbers[1], numbers[3], numbers[4])
    if south > north:
        raise UnusableParameter("South is north of north: give west, south, east, north.", field="bbox")
    return west, south, east, north


def _is_in(location: tuple[float, float], box: BoundingBox) -> bool:
    longitude, latitude = location
    west, south, east, north = box
    within = west <= longitude <= east if west <= east else longitude >= west or longitude <= east
    return within and south <= latitude <= north


def _interval(text: str) -> tuple[datetime | None, datetime | None]:
    first, slash, last = text.partition("/")
    since = _moment(first, end=False)
    until = _moment(last if slash else first, end=True)
    if (since is None and until is None) or (since is not None and until is not None and since > until):
        raise UnusableParameter("Give an interval with at least one end, the earlier one first.", field="datetime")
    return since, until


def _moment(text: str, *, end: bool) -> datetime | None:
    """The first or the last moment that the text stands for; None for an open end."""
    if text in ("", ".."):
        return None
    try:
        day, moment = parse_date(text), parse_datetime(text)
    except ValueError:  # well written, and no day of any calendar
        day, moment = None, None
    if day is not None:
        return datetime.combine(day, time.max if end else time.min, UTC)
    if moment is None or moment.tzinfo is None:
        raise UnusableParameter("Give dates like “2026-11-02T10:00:00Z” or “2026-11-02”.", field="datetime")
    # Records tell seconds, and a second lasts until the next one.
    return moment + timedelta(microseconds=999_999) if end and not moment.microsecond else moment


def _having(term: str, entries: Sequence[OfferingEntry]) -> list[OfferingEntry]:
    """Those that have this term: the catalogue's own search, without its guesses.

    For people it also takes a misspelt word for the one most like it, and shows what has some of the words. The standard
    promises a program that each record has the term, and words separated by blanks in the order given.
    """
    words = search.find(term)
    if words.is_partial or words.corrected:
        return []
    ranks = words.ranks
    if ranks is not None:
        entries = [entry for entry in entries if entry.pk in ranks]
    phrase = _plain(term)
    if not phrase:
        return []
    if ranks is not None and " " not in phrase:
        return list(entries)
    return [entry for entry in entries if any(phrase in _plain(text) for text in _texts(entry))]


def _plain(text: str) -> str:
    """Words in lower case with one blank between them."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def _texts(entry: OfferingEntry) -> Sequence[str]:
    return (
        entry.name,
        entry.summary,
        entry.platform,
        entry.provider,
        entry.place,
        *entry.service_types,
        *entry.interfaces,
        *entry.datasets,
    )
