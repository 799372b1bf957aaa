"""Reads worth a name: search with its filters, and which offerings run which records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add, and_
from typing import Final

from django.contrib.postgres.search import TrigramStrictWordSimilarity
from django.db.models import Count, F, Func, Q, TextField
from django.utils.text import slugify
from django.utils.translation import gettext as _

from earthcode.catalogue.cached import Cached
from earthcode.catalogue.search import Index, State, words_of
from earthcode.science.linking import Linked, Place, Places, PlatformLink, Program, types_run_by
from earthcode.science.models import Kind, Record

#: How alike two words must be for one to be taken for a misspelling of the other; as in the catalogue's search.
_ALIKE: Final = 0.4
#: The value of the filter by type for those whose type is not known.
UNKNOWN_TYPE: Final = "not-known"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the filters need of a record. The type is the workflow's where an experiment does not state its own."""

    pk: int
    kind: str
    themes: tuple[str, ...]
    application_type: str

    @property
    def type_value(self) -> str:
        return slugify(self.application_type) or UNKNOWN_TYPE


class Directory:
    """All listed offerings as places to run something, and all current records by title.

    Kept in memory for as long as neither the catalogue nor the records change.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        records: Mapping[int, Record],
        places: Places,
        by_offering: Mapping[int, Place],
        named: Mapping[int, frozenset[int]],
    ) -> None:
        self.entries = tuple(entries)
        self._records = records
        self._places = places
        self._by_offering = by_offering
        self._named = named

    def records(self, keys: Iterable[int]) -> list[Record]:
        """Those with these keys, with their workflows; what is not current is left out."""
        return [self._records[key] for key in keys if key in self._records]

    def linked(self, record: Record) -> Linked:
        """The offerings that can run the record. An experiment runs where its workflow does, unless it says otherwise."""
        return self._places.for_program(program_of(record))

    def runnable_on(self, offering: int) -> list[Entry]:
        """The records that this offering can run: those that name its platform first, then by title."""
        named = self._named.get(offering, frozenset())
        place = self._by_offering.get(offering)
        types = set(types_run_by(place)) if place else set()
        found = [entry for entry in self.entries if entry.pk in named or entry.application_type in types]
        return sorted(found, key=lambda entry: entry.pk not in named)


_kept: Cached[Directory] = Cached()


def directory(index: Index, state: State) -> Directory:
    """Of the offerings in this index, which is of this state. One query where something has changed since the last time."""
    return _kept.get(state.number, lambda: _read_directory(index))


def _read_directory(index: Index) -> Directory:
    places = Places()
    by_offering: dict[int, Place] = {}
    for offering in sorted(index.entries, key=lambda entry: entry.pk):
        place = Place(
            offering.pk, offering.platform_id, frozenset(offering.workflow_types), frozenset(offering.interfaces)
        )
        by_offering[offering.pk] = place
        places.add(
            place,
            names=(offering.name, offering.platform, offering.platform_registry_id),
            urls=(offering.access_url, offering.platform_url),
        )
    records: dict[int, Record] = {}
    entries = []
    named: dict[int, set[int]] = {}
    for record in (
        Record.objects.current().select_related("workflow").defer("words", "workflow__words").order_by("title", "pk")
    ):
        program = program_of(record)
        records[record.pk] = record
        entries.append(Entry(record.pk, record.kind, tuple(record.themes), program.application_type))
        for named_offering in places.named_by(program)[0]:
            named.setdefault(named_offering, set()).add(record.pk)
    return Directory(entries, records, places, by_offering, {pk: frozenset(of_it) for pk, of_it in named.items()})


def program_of(record: Record) -> Program:
    """What has to run; ``record`` comes with its workflow."""
    workflow = record.workflow
    application_type = record.application_type or (workflow.application_type if workflow else "")
    links = record.platforms or (workflow.platforms if workflow else [])
    return Program(application_type, tuple(PlatformLink(each["role"], each["title"], each["url"]) for each in links))


# --- search -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Search:
    """What a reader looks for. Of several values of one filter any will do; all filters must be met."""

    text: str = ""
    kinds: Sequence[str] = ()
    themes: Sequence[str] = ()
    types: Sequence[str] = ()
    #: An offering that has to be able to run it.
    on: int | None = None


@dataclass(frozen=True)
class Option:
    """One value of a filter: ``count`` is how many records it would show, all other filters applied."""

    value: str
    label: str
    count: int
    checked: bool


@dataclass(frozen=True)
class Found:
    """``records``: primary keys, the best match first, or by title where there are no words.

    ``misspelt``: words that no record has, for which those with a word like it are shown.
    """

    records: tuple[int, ...]
    kinds: tuple[Option, ...]
    themes: tuple[Option, ...]
    types: tuple[Option, ...]
    misspelt: tuple[str, ...]


def find(search: Search, directory: Directory) -> Found:
    """Two queries where there are words to search for, else none."""
    ranks, misspelt = _ranked(words_of(search.text))
    entries: Iterable[Entry] = directory.entries if search.on is None else directory.runnable_on(search.on)
    among = [entry for entry in entries if ranks is None or entry.pk in ranks]
    cuts: dict[str, Callable[[Entry], bool]] = {
        "kind": lambda entry: not search.kinds or entry.kind in search.kinds,
        "theme": lambda entry: not search.themes or any(theme in search.themes for theme in entry.themes),
        "type": lambda entry: not search.types or entry.type_value in search.types,
    }
    found = [entry for entry in among if all(cut(entry) for cut in cuts.values())]
    if ranks is not None:
        found.sort(key=lambda entry: -ranks[entry.pk])

    def options(
        name: str, chosen: Sequence[str], values: Callable[[Entry], Iterable[tuple[str, str]]]
    ) -> tuple[Option, ...]:
        labels = {value: label for entry in directory.entries for value, label in values(entry)}
        others = [cut for other, cut in cuts.items() if other != name]
        counts = dict.fromkeys(labels, 0)
        for entry in among:
            if all(cut(entry) for cut in others):
                for value, _label in values(entry):
                    counts[value] += 1
        # The order does not depend on the results, so that options keep their place while one filters.
        ordered = sorted(labels.items(), key=lambda each: (each[0] == UNKNOWN_TYPE, each[1].casefold()))
        return tuple(Option(value, label, counts[value], value in chosen) for value, label in ordered)

    return Found(
        records=tuple(entry.pk for entry in found),
        kinds=options("kind", search.kinds, lambda entry: [(entry.kind, str(Kind(entry.kind).label))]),
        themes=options("theme", search.themes, lambda entry: [(name, theme_label(name)) for name in entry.themes]),
        types=options(
            "type", search.types, lambda entry: [(entry.type_value, entry.application_type or _("Not known"))]
        ),
        misspelt=misspelt,
    )


def theme_label(name: str) -> str:
    """The Open Science Catalog's themes are written ``solid-earth``."""
    return name.replace("-", " ").capitalize()


def _ranked(words: Sequence[str]) -> tuple[dict[int, float] | None, tuple[str, ...]]:
    """The records that have all the words, with how well their titles match, and the words that nobody uses.

    Parts of words count; instead of a word that nobody uses, one like it will do.
    """
    if not words:
        return None, ()
    current = Record.objects.current().order_by()
    used = current.aggregate(
        **{f"of_{place}": Count("pk", filter=Q(words__contains=word)) for place, word in enumerate(words)}
    )
    misspelt = tuple(word for place, word in enumerate(words) if not used[f"of_{place}"])
    alike = {f"like_{place}": TrigramStrictWordSimilarity(word, F("words")) for place, word in enumerate(misspelt)}
    matching = current.annotate(**alike).filter(
        reduce(and_, (Q(words__contains=word) for word in words if word not in misspelt), Q()),
        **{f"{name}__gte": _ALIKE for name in alike},
    )
    title = Func(F("title"), function="catalogue_words", output_field=TextField())
    ranked = matching.annotate(rank=reduce(add, (TrigramStrictWordSimilarity(word, title) for word in words)))
    return dict(ranked.values_list("pk", "rank")), misspelt
