"""Find offerings: words and misspellings, filters with counts, and the price of each for a workload.

The list needs every offering at once, to count, to price and to sort. So what it needs is read once into an
:class:`Index` and kept in memory for as long as the database says that the catalogue is in the same state (one query, see
``sql/state.sql``) and the day is the same (rates begin and end with days). A page then costs the same number of queries
for two offerings as for two thousand: the state, and two more when somebody searches for words.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, overload

from django.db import connection
from django.utils.functional import Promise
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from earthcode.catalogue.cached import Cached
from earthcode.catalogue.countries import country_name
from earthcode.catalogue.entries import OfferingEntry, PlanEntry, listed_on
from earthcode.catalogue.models import Tier
from earthcode.catalogue.offering_price import (
    KNOWN,
    ORDER_WITHOUT_TOTAL,
    Completed,
    Known,
    completed,
    for_headline,
    without_total,
)
from earthcode.catalogue.offering_price import OfferingPrice as OfferingPrice
from earthcode.catalogue.offering_price import PriceKind as PriceKind
from earthcode.catalogue.offering_price import UnitPrice as UnitPrice
from earthcode.catalogue.offering_price import price_of as price_of
from earthcode.catalogue.price_table import PlanTerms, PriceTable
from earthcode.catalogue.vocabulary import normalised
from earthcode.catalogue.workload import Workload

# --- filters ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Facet:
    """One group of filters. ``all_of``: two choices narrow further; otherwise either of them will do."""

    name: str
    title: str | Promise
    all_of: bool
    values: Callable[[OfferingEntry], Iterable[tuple[str, str]]]


def _named(names: Iterable[str]) -> list[tuple[str, str]]:
    return [(slugify(name), name) for name in names]


def _place_of(entry: OfferingEntry) -> list[tuple[str, str]]:
    if entry.place:
        return [(slugify(entry.place), entry.place)]
    if entry.country:
        return [(entry.country.lower(), country_name(entry.country))]
    return [("not-stated", str(_("Not stated")))]


def _ways_into(entry: OfferingEntry) -> list[tuple[str, str]]:
    ways = []
    if entry.is_integrated:
        ways.append(("integrated", str(_("Integrated with EarthCODE"))))
    if entry.sponsorable:
        ways.append(("sponsored", str(_("ESA can sponsor it"))))
    return ways


FACETS: Final = (
    Facet("interface", _("How you work"), True, lambda entry: _named(entry.interfaces)),
    Facet("data", _("Data on site"), True, lambda entry: _named(entry.datasets)),
    Facet("service", _("What you get"), True, lambda entry: _named(entry.service_types)),
    Facet("way", _("Getting in"), True, _ways_into),
    Facet("tier", _("Tier"), False, lambda entry: [(entry.tier.replace("_", "-"), str(Tier(entry.tier).label))]),
    Facet("place", _("Data centre"), False, _place_of),
    Facet("provider", _("Provider"), False, lambda entry: [(entry.provider_slug, entry.provider)]),
)
#: The one facet that depends on the workload; see ``_PRICE_VALUES``.
PRICE: Final = "price"
PRICE_TITLE: Final = _("Price")
#: The one facet that depends on the reader, too: what the credits they can place would pay for.
CREDITS: Final = "credits"
CREDITS_TITLE: Final = _("Your free credits")
FITS: Final = "fit"
#: In the order in which they are shown.
FACET_NAMES: Final = ("interface", "data", "service", PRICE, CREDITS, "way", "place", "tier", "provider")

_TITLES: Final = {facet.name: facet.title for facet in FACETS} | {PRICE: PRICE_TITLE, CREDITS: CREDITS_TITLE}
_PRICE_LABELS: Final = {
    "priced": _("Covers all of your workload"),
    "part": _("Priced in part"),
    "free": _("Free to start"),
    "unit": _("Priced by unit"),
    "on-request": _("On request"),
}
_CREDITS_LABELS: Final = {FITS: _("Pay for your workload")}


#: What can be said about a price → the filters it is found by.
_PRICE_VALUES: Final = {
    PriceKind.QUOTED: ("priced",),
    PriceKind.QUOTED_PART: ("part",),
    PriceKind.FREE: ("priced", "free"),
    PriceKind.FREE_PART: ("free", "part"),
    PriceKind.FREE_TIER: ("free",),
    PriceKind.UNIT: ("unit",),
    PriceKind.UNKNOWN: ("on-request",),
}


@dataclass(frozen=True, slots=True)
class Option:
    """One filter: ``count`` is how many of the current results have it or, in a facet where either will do, would have."""

    value: str
    label: str
    count: int
    checked: bool


@dataclass(frozen=True, slots=True)
class FacetCounts:
    name: str
    title: str
    options: tuple[Option, ...]


class PricedEntries(Sequence[tuple[OfferingEntry, OfferingPrice]]):
    """Offerings with their prices, each of which is worked out when somebody looks at it: a page shows twelve of them."""

    def __init__(self, entries: Sequence[OfferingEntry], places: Sequence[int], workload: Workload) -> None:
        self._entries = entries
        self._places = places
        self._workload = workload

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> tuple[OfferingEntry, OfferingPrice]: ...
    @overload
    def __getitem__(self, place: slice) -> PricedEntries: ...
    def __getitem__(self, place: int | slice) -> tuple[OfferingEntry, OfferingPrice] | PricedEntries:
        if isinstance(place, slice):
            return PricedEntries(self._entries, self._places[place], self._workload)
        entry = self._entries[self._places[place]]
        return entry, price_of(entry.plans, self._workload)


@dataclass(frozen=True, slots=True)
class KnownCounts:
    """Offerings by how much is known of their price, in the order of ``Known``; demonstrations are counted apart."""

    by_known: tuple[tuple[Known, int], ...]
    demonstrations: int

    @property
    def offerings(self) -> int:
        return sum(count for _known, count in self.by_known)

    @property
    def publish(self) -> int:
        """How many publish a price or a free tier."""
        return self.offerings - self.on_request

    @property
    def whole(self) -> int:
        return dict(self.by_known)[Known.WHOLE]

    @property
    def on_request(self) -> int:
        return dict(self.by_known)[Known.ON_REQUEST]


@dataclass(frozen=True, slots=True)
class Result:
    """What a search found, sorted, with the filters' counts. ``totals`` are the prices of all of the workload, the lowest
    first, without demonstrations; ``known`` counts what is known of the others."""

    entries: PricedEntries
    totals: Sequence[int]
    facets: tuple[FacetCounts, ...]
    words: Words
    known: KnownCounts


# --- the index --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class State:
    """Which state the catalogue is in, and since when."""

    number: int
    changed_at: datetime


def catalogue_state() -> State:
    """One cheap query. The same number means that nothing of the catalogue has changed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT number, changed_at FROM catalogue_state")
        row = cursor.fetchone()
    return State(*row)


#: How many workloads an index remembers the prices for.
_PRICED_MAX = 32
#: Behind every total in the order by price, those without one: see ``OfferingPrice.sort_key``.
_UNPRICED = 1 << 100
#: Behind all of them, those that are made up.
_MADE_UP = 1 << 101


class _Prices:
    """What is known about the prices for one workload: for each offering that was asked about, its place in the order.

    Only what a filter leaves is priced, and nothing twice. ``amounts`` are the prices of all of the workload. In ``keys``
    numbers from ``_UNPRICED`` on stand for those without one, and from ``_MADE_UP`` on for demonstrations.
    """

    def __init__(
        self,
        entries: Sequence[OfferingEntry],
        table: PriceTable,
        otherwise: Sequence[PriceKind],
        workload: Workload,
        made_up: int,
    ) -> None:
        self._entries = entries
        self._table = table
        self._otherwise = otherwise
        self._workload = workload
        self._lock = threading.Lock()
        self._known = 0
        self.keys: list[int] = [0] * len(otherwise)
        self.kinds = list(otherwise)
        self.amounts: list[int | None] = [None] * len(otherwise)
        self.sets: dict[str, int] = dict.fromkeys(_PRICE_LABELS, 0)
        self.known: dict[Known, int] = dict.fromkeys(Known, 0)
        self._made_up = made_up

    def know(self, asked: int) -> None:
        """Price the offerings of this set that are not priced yet."""
        with self._lock:
            places = _places_in(asked & ~self._known)
            if not places:
                return
            found: dict[PriceKind, list[int]] = {}
            for place, total in self._table.totals(self._workload, places).items():
                if total is None:
                    kind = self._otherwise[place]
                elif total.amount:
                    kind = PriceKind.QUOTED if total.is_whole else PriceKind.QUOTED_PART
                else:
                    kind = PriceKind.FREE if total.is_whole else PriceKind.FREE_PART
                amount = total.amount if total is not None and total.is_whole else None
                self.amounts[place] = amount
                self.kinds[place] = kind
                self.keys[place] = self._key(place, kind, amount)
                found.setdefault(kind, []).append(place)
            for kind, of_kind in found.items():
                members = _set_of(of_kind, len(self.keys))
                for value in _PRICE_VALUES[kind]:
                    self.sets[value] |= members
                self.known[KNOWN[kind]] |= members
            self._known |= asked

    def _key(self, place: int, kind: PriceKind, amount: int | None) -> int:
        """Where the offering stands in the order by price: demonstrations last, of the unknown those within EarthCODE first."""
        entry = self._entries[place]
        key = amount
        if key is None:
            is_last = kind == PriceKind.UNKNOWN and not entry.is_integrated
            key = _UNPRICED + 2 * ORDER_WITHOUT_TOTAL.index(kind) + is_last
        return key + _MADE_UP if entry.is_demonstration else key

    def counts(self, among: int) -> KnownCounts:
        """How much is known of these offerings, all of which must be priced."""
        real = among & ~self._made_up
        return KnownCounts(
            by_known=tuple((known, (real & self.known[known]).bit_count()) for known in Known),
            demonstrations=(among & self._made_up).bit_count(),
        )

    def up_to(self, amount: int, among: int) -> int:
        """Those of the offerings, all of which must be priced, of which all of the workload costs at most this."""
        amounts = self.amounts
        places = (place for place in _places_in(among) if (total := amounts[place]) is not None and total <= amount)
        return _set_of(places, len(self.keys))


def _places_in(members: int) -> list[int]:
    """The places of a set, in order."""
    return [place for place, bit in enumerate(reversed(f"{members:b}")) if bit == "1"]


def _set_of(places: Iterable[int], size: int) -> int:
    """The set with these places."""
    bits = bytearray(b"0") * size
    for place in places:
        bits[size - 1 - place] = 49  # "1"
    return int(bits or b"0", 2)


class Index:
    """All listed offerings with their plans and the rates of one day, and for each filter the set of those that have it.

    Sets are whole numbers, one bit for each offering: cutting and counting them costs next to nothing.
    """

    def __init__(self, entries: Sequence[OfferingEntry]) -> None:
        self.entries = tuple(entries)
        self.everything = (1 << len(self.entries)) - 1
        self.by_slug = {entry.slug: entry for entry in self.entries}
        self.by_platform: dict[int, list[OfferingEntry]] = {}
        for entry in self.entries:
            self.by_platform.setdefault(entry.platform_id, []).append(entry)
        self.demonstrations = _set_of(
            (place for place, entry in enumerate(self.entries) if entry.is_demonstration), len(self.entries)
        )
        #: Without demonstrations, which are counted apart.
        self.sponsorable_count = sum(bool(each.sponsorable) and not each.is_demonstration for each in self.entries)
        self.provider_count = len({entry.provider_slug for entry in self.entries if not entry.is_demonstration})
        #: Where data centres are, and how many offerings there: only where the place is known.
        self.places = Counter(
            (entry.place, entry.location) for entry in self.entries if entry.location is not None and entry.place
        )
        self._place = {entry.pk: place for place, entry in enumerate(self.entries)}
        self._by_name = {
            place: rank
            for rank, place in enumerate(
                sorted(range(len(self.entries)), key=lambda place: self.entries[place].name.casefold())
            )
        }
        self._labels: dict[str, dict[str, str]] = {}
        self._sets: dict[str, dict[str, int]] = {}
        for facet in FACETS:
            labels: dict[str, str] = {}
            members: dict[str, list[int]] = {}
            for place, entry in enumerate(self.entries):
                for value, label in facet.values(entry):
                    labels.setdefault(value, label)
                    members.setdefault(value, []).append(place)
            # The order does not depend on the current results, so that options keep their place while one filters.
            ordered = sorted(members, key=lambda value: (-len(members[value]), labels[value].casefold()))
            self._labels[facet.name] = labels
            self._sets[facet.name] = {value: _set_of(members[value], len(self.entries)) for value in ordered}
        self._otherwise = [_kind_without_total(entry.plans) for entry in self.entries]
        self._table = PriceTable([_choices(entry.plans) for entry in self.entries])
        self._priced: OrderedDict[Workload, _Prices] = OrderedDict()
        self._lock = threading.Lock()

    def _prices(self, workload: Workload) -> _Prices:
        """What is known for the workload, the same each time for as long as it is remembered."""
        with self._lock:
            prices = self._priced.setdefault(
                workload, _Prices(self.entries, self._table, self._otherwise, workload, self.demonstrations)
            )
            self._priced.move_to_end(workload)
            while len(self._priced) > _PRICED_MAX:
                self._priced.popitem(last=False)
            return prices

    def totals(self, workload: Workload) -> list[int]:
        """What all of the workload costs under each offering that says so, those that cost nothing among them.

        Without what leaves out a part of it, and without demonstrations.
        """
        prices = self._prices(workload)
        prices.know(self.everything)
        return [key for key in prices.keys if key < _UNPRICED]

    def known(self, workload: Workload) -> KnownCounts:
        """How much is known of the prices of all offerings for the workload, in numbers."""
        prices = self._prices(workload)
        prices.know(self.everything)
        return prices.counts(self.everything)

    def completed(
        self, entry: OfferingEntry, price: OfferingPrice, workload: Workload, also: Iterable[str] = ()
    ) -> Completed | None:
        """What all of the workload would cost where the price leaves out a part: with what the same platform offers, or one
        of the offerings (``also``, by slug) that the reader has chosen."""
        if not price.not_covered:
            return None
        others = dict.fromkeys(
            (*self.by_platform[entry.platform_id], *(self.by_slug[slug] for slug in also if slug in self.by_slug))
        )
        return completed(price, [each for each in others if each.is_demonstration <= entry.is_demonstration], workload)

    def label(self, facet: str, value: str) -> str | None:
        """What people read for a filter; None if there is no such filter."""
        if facet == PRICE:
            return str(_PRICE_LABELS[value]) if value in _PRICE_LABELS else None
        if facet == CREDITS:
            return str(_CREDITS_LABELS[value]) if value in _CREDITS_LABELS else None
        return self._labels.get(facet, {}).get(value)

    def search(
        self,
        words: Words,
        chosen: Mapping[str, Sequence[str]],
        workload: Workload,
        *,
        sort: str,
        free: int | None = None,
    ) -> Result:
        """The offerings with these words and filters. A filter that no offering has finds nothing.

        ``sort`` is ``price``, ``name`` or ``relevance``. ``free`` is what the reader can place, in micro-credits; without it
        there is no such filter, and one that was chosen counts for nothing.
        """
        if free is None:
            chosen = {name: values for name, values in chosen.items() if name != CREDITS}
        all_of = {facet.name: facet.all_of for facet in FACETS} | {PRICE: False, CREDITS: True}
        found = self.everything if words.ranks is None else self._set_of(words.ranks)
        cuts = {
            name: self._cut(members, chosen.get(name, ()), all_of=all_of[name]) for name, members in self._sets.items()
        }
        prices = self._prices(workload)
        is_cut_by_price = bool(chosen.get(PRICE) or chosen.get(CREDITS))
        asked = self._to_price(found, cuts, all_of, is_cut_by_price=is_cut_by_price)
        prices.know(asked)
        affordable = {} if free is None else {FITS: prices.up_to(free, asked)}
        sets = {**self._sets, PRICE: prices.sets, CREDITS: affordable}
        for name in (PRICE, CREDITS):
            cuts[name] = self._cut(sets[name], chosen.get(name, ()), all_of=all_of[name])
        current = found
        for cut in cuts.values():
            current &= cut

        facets = []
        for name in FACET_NAMES:
            # Where either choice will do, a count says what choosing it would show: all other filters applied.
            among = current if all_of[name] else found
            if not all_of[name]:
                for other, cut in cuts.items():
                    among &= cut if other != name else self.everything
            facets.append(self._counts(name, sets[name], among, set(chosen.get(name, ()))))

        places = _places_in(current)
        keys = prices.keys
        places.sort(key=keys.__getitem__)
        totals = [key for key in map(keys.__getitem__, places) if key < _UNPRICED]
        match sort:
            case "relevance" if words.ranks is not None:
                ranks = words.ranks
                places.sort(key=lambda place: -ranks[self.entries[place].pk])
            case "name":
                places.sort(key=self._by_name.__getitem__)
        known = prices.counts(current)
        return Result(PricedEntries(self.entries, places, workload), totals, tuple(facets), words, known)

    def _to_price(
        self, found: int, cuts: Mapping[str, int], all_of: Mapping[str, bool], *, is_cut_by_price: bool
    ) -> int:
        """The offerings whose prices matter: those that the other filters leave. Where the price is a filter itself, also
        those that another choice in one of the other filters would add, because its count says how many they are."""
        asked = found
        for name, cut in cuts.items():
            if all_of[name] or not is_cut_by_price:
                asked &= cut
        return asked

    def _set_of(self, pks: Iterable[int]) -> int:
        return _set_of((self._place[pk] for pk in pks if pk in self._place), len(self.entries))

    def _cut(self, sets: Mapping[str, int], values: Sequence[str], *, all_of: bool) -> int:
        if not values:
            return self.everything
        cut = self.everything if all_of else 0
        for value in values:
            cut = cut & sets.get(value, 0) if all_of else cut | sets.get(value, 0)
        return cut

    def _counts(self, name: str, sets: Mapping[str, int], among: int, chosen: set[str]) -> FacetCounts:
        options = [
            Option(value, self.label(name, value) or value, (among & members).bit_count(), value in chosen)
            for value, members in sets.items()
        ]
        return FacetCounts(name, str(_TITLES[name]), tuple(options))


def _choices(plans: Sequence[PlanEntry]) -> list[list[PlanTerms]]:
    """The plans that an offering's price is looked for among, in this order; as in ``price_of``."""
    return [[PlanTerms(plan.components, plan.months_max) for plan in some] for some in for_headline(plans)]


def _kind_without_total(plans: Sequence[PlanEntry]) -> PriceKind:
    """What is said of an offering whose plans cannot be priced for a workload; as in ``price_of``."""
    return without_total(*for_headline(plans)).kind


_cached: Cached[Index] = Cached()


def index_on(day: date, state: State | None = None) -> Index:
    """The index of that day. Costs one query for the state, and one more when the catalogue has changed since."""
    state = state or catalogue_state()
    return _cached.get((state.number, day), lambda: Index(listed_on(day)))


# --- words ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Words:
    """What somebody searched for. ``ranks`` is None when there was nothing to search for.

    ``corrected`` maps what was typed to the words it was taken for. ``is_partial``: no offering has all of the words, and
    those with some of them are shown.
    """

    text: str = ""
    ranks: Mapping[int, float] | None = None
    corrected: tuple[tuple[str, str], ...] = ()
    is_partial: bool = False


# fmt: off
_STOP_WORDS: Final = frozenset({
    "a", "an", "and", "are", "at", "by", "for", "from", "i", "in", "is", "it", "my", "near", "next", "of", "on", "or", "that",
    "the", "to", "want", "which", "with", "without", "you", "your",
})
# fmt: on
_WORDS_MAX = 8
#: How alike two words must be (trigrams in common) for one to be taken for a misspelling of the other.
_ALIKE = 0.4

# For each word that was typed: the words of the catalogue that begin with it, else hold it, else are most like it.
_KNOWN_WORDS = """
SELECT typed.place, known.word, known.how
FROM unnest(%(words)s::text[]) WITH ORDINALITY AS typed(word, place)
CROSS JOIN LATERAL (
    (SELECT word, 1 AS how FROM catalogue_searchword WHERE word LIKE typed.word || '%%' ORDER BY word LIMIT 1)
    UNION ALL
    (SELECT word, 2 FROM catalogue_searchword
     WHERE length(typed.word) > 2 AND word LIKE '%%' || typed.word || '%%' ORDER BY length(word), word LIMIT 20)
    UNION ALL
    (SELECT word, 3 FROM catalogue_searchword
     WHERE length(typed.word) > 2 AND word %% typed.word AND similarity(word, typed.word) >= %(alike)s
     ORDER BY similarity(word, typed.word) DESC, word LIMIT 1)
) AS known
ORDER BY typed.place, known.how
"""

_MATCHES = """
SELECT id, search @@ strict AS has_all, ts_rank(search, CASE WHEN search @@ strict THEN strict ELSE loose END)
FROM catalogue_offering,
     to_tsquery('simple', %(strict)s) AS strict,
     to_tsquery('simple', %(loose)s) AS loose
WHERE is_listed AND search @@ loose
"""


def words_of(text: str) -> list[str]:
    """What people typed as the words that are compared; ``catalogue_words`` in ``sql/search.sql`` is its counterpart.

    A word and the number after it are one word ("sentinel 2" is "sentinel2"), and names we know by another spelling are
    put in ours ("S5P" is "Sentinel-5P").
    """
    plain = plain_words(" ".join(normalised(word) for word in text[:200].split()))
    words = [word for word in plain.split() if word not in _STOP_WORDS]
    return list(dict.fromkeys(words))[:_WORDS_MAX]


def plain_words(text: str) -> str:
    """The words of a text as they are compared: lower case, no accents, no punctuation, numbers joined to their word."""
    plain = "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each)).lower()
    plain = re.sub(r"[\W_]+", " ", plain).strip()
    return re.sub(r"([a-z]+) (\d[a-z0-9]{0,2})\b", r"\1\2", plain)


def find(text: str) -> Words:
    """The offerings that have these words, with how well they match; two queries, or none when there are no words.

    Parts of words count, a word nobody uses is taken for the one most like it, and where no offering has all words those
    with some of them are given.
    """
    typed = words_of(text)
    if not typed:
        return Words(text=text.strip())
    terms: list[str] = []
    corrected: list[tuple[str, str]] = []
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN_WORDS, {"words": typed, "alike": _ALIKE})
        known: dict[int, list[tuple[str, int]]] = {}
        for place, word, how in cursor.fetchall():
            known.setdefault(place - 1, []).append((word, how))
        for place, word in enumerate(typed):
            ways = known.get(place, [])
            best = min((how for _word, how in ways), default=0)
            if len(word) == 1:
                # "R" is a language, and the beginning of half of all words.
                terms.append(word)
            elif best == 1:
                terms.append(f"{word}:*")
            elif best == 2:
                terms.append("(" + " | ".join(each for each, how in ways if how == 2) + ")")
            elif best == 3:
                taken = ways[0][0]
                terms.append(f"{taken}:*")
                corrected.append((_as_written(word), _as_written(taken)))
            else:
                # Nobody uses anything like it: it can only be left out.
                terms.append(word)
        cursor.execute(_MATCHES, {"strict": " & ".join(terms), "loose": " | ".join(terms)})
        rows = cursor.fetchall()
    complete = {pk: rank for pk, has_all, rank in rows if has_all}
    if complete or not rows:
        return Words(text.strip(), complete, tuple(corrected))
    return Words(text.strip(), {pk: rank for pk, _has_all, rank in rows}, tuple(corrected), is_partial=True)


def _as_written(word: str) -> str:
    """``sentinel2`` as people write it."""
    return re.sub(r"^([a-z]{3,})(\d)", r"\1-\2", word)
