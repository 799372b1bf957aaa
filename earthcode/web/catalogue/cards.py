"""The card of an offering: what lists, the preview of a draft and the gallery show of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from earthcode.web.catalogue import price_words

#: Kind of service → the drawing of ``static/img/marks.svg``, whose colour is the same wherever it stands.
_MARKS: Final = {
    "Data processing (DPaaS)": "process",
    "Development environment (IDE)": "notebook",
    "Application hosting (AH)": "host",
    "Virtual machines (IaaS)": "machine",
    "Managed platform (PaaS)": "store",
    "Managed software (SaaS)": "software",
    "Commercial and on-demand data": "imagery",
    "Data access": "imagery",
    "Long-term storage": "store",
}
#: Names of each kind on a card; the rest is on the offering's page.
_DATA_SHOWN, _WAYS_SHOWN, _WORDS_SHOWN = 4, 2, 40
#: Lines below a price on a card.
_NOTES_SHOWN: Final = 2


def mark_of(service_types: Sequence[str]) -> str:
    """The drawing for what one gets; one for processing where none is known."""
    return next((_MARKS[name] for name in service_types if name in _MARKS), "process")


@dataclass(frozen=True)
class Fact:
    """A fact in a few words behind its icon; ``more`` is how many further names there are."""

    icon: str
    label: str
    text: str
    more: int = 0


@dataclass(frozen=True)
class Action:
    """What a button of the card does."""

    label: str
    url: str
    is_main: bool = False


@dataclass(frozen=True, kw_only=True)
class Card:
    """``components/offering_card.html`` draws it.

    ``price`` and ``prices`` (micro-credits) are there only where the price of all of the workload may be set beside others.
    """

    url: str
    title: str
    provider: str
    summary: str
    code: str
    mark: str
    headline: price_words.Headline
    facts: Sequence[Fact] = ()
    unstated: Sequence[str] = ()
    is_integrated: bool = False
    is_sponsored: bool = False
    is_made_up: bool = False
    flag: Mapping[str, str] | None = None
    prices: Sequence[int] = ()
    balance: int | None = None
    fits: bool | None = None
    fit_text: str = ""
    rank_text: str = ""
    actions: Sequence[Action] = ()
    compare_value: str = ""
    selected: bool = False

    @property
    def price(self) -> int | None:
        return self.headline.total

    @property
    def notes(self) -> Sequence[price_words.Note]:
        """What has to be known first, above all what the price leaves out; the rest is on the offering's page."""
        notes = [note for note in self.headline.notes if note.tone]
        return [*notes, *(note for note in self.headline.notes if not note.tone)][: max(len(notes), _NOTES_SHOWN)]

    @property
    def unstated_text(self) -> str:
        return ", ".join(self.unstated)


_UNSTATED: Final = {"data": _lazy("data"), "hardware": _lazy("hardware"), "place": _lazy("place")}


def facts_of(
    *, datasets: Sequence[str], interfaces: Sequence[str], hardware: str, place: str
) -> tuple[list[Fact], list[str]]:
    """Data, ways to work, hardware and place as a card shows them, and the names of those that are not stated."""
    facts = []
    if datasets:
        text, more = joined_missions(datasets)
        facts.append(Fact("sat", _("Data"), text, more))
    if interfaces:
        facts.append(
            Fact("ways", _("Ways to work"), ", ".join(interfaces[:_WAYS_SHOWN]), max(0, len(interfaces) - _WAYS_SHOWN))
        )
    if hardware:
        facts.append(Fact("chip", _("Hardware"), Truncator(hardware).chars(_WORDS_SHOWN)))
    if place:
        facts.append(Fact("pin", _("Place"), place))
    known = {"data": datasets, "hardware": hardware, "place": place}
    return facts, [str(words) for name, words in _UNSTATED.items() if not known[name]]


def joined_missions(datasets: Sequence[str]) -> tuple[str, int]:
    """The first names with Sentinels joined ("Sentinel-1, 2, 5P"), and how many more there are."""
    sentinels = [name for name in datasets if name.startswith("Sentinel-")][:_DATA_SHOWN]
    others = [name for name in datasets if name not in sentinels]
    shown = others[: max(0, 2 - len(sentinels))]
    words = (
        [", ".join([sentinels[0], *(name.removeprefix("Sentinel-") for name in sentinels[1:])])] if sentinels else []
    )
    return ", ".join([*words, *shown]), len(datasets) - len(sentinels) - len(shown)
