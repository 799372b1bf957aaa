"""How much is known of the prices in a list: said in numbers, drawn as one tick for each offering, and its headings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from earthcode.catalogue.entries import OfferingEntry
from earthcode.catalogue.offering_price import KNOWN, PRICES_TO_COMPARE, Known, OfferingPrice
from earthcode.catalogue.search import PRICE, KnownCounts

#: More ticks than this run into each other; the numbers say the same.
TICKS_MAX: Final = 120
#: What is known → the filter that finds it.
_FILTERS: Final = {
    Known.WHOLE: "priced",
    Known.FREE: "free",
    Known.PART: "part",
    Known.UNIT: "unit",
    Known.ON_REQUEST: "on-request",
}


#: Classes of the ticks and their legend; where the word is the name of another class, another one.
_CSS: Final = {Known.UNIT: "by-unit"}


@dataclass(frozen=True)
class KnownShare:
    """One line of the legend: how many, in words, and where they are listed."""

    css: str
    text: str
    url: str


@dataclass(frozen=True)
class KnownLine:
    """What is known of the prices of some offerings, with the sentence that says what follows from it."""

    counts: KnownCounts
    shares: Sequence[KnownShare]

    @classmethod
    def of(
        cls, counts: KnownCounts, url: Callable[..., str], chosen: Mapping[str, tuple[str, ...]] | None = None
    ) -> KnownLine:
        """``url`` gives the address of the list with these filters."""
        shares = [
            KnownShare(
                known.value, _share_words(known, count), url(chosen={**(chosen or {}), PRICE: (_FILTERS[known],)})
            )
            for known, count in counts.by_known
            if count
        ]
        return cls(counts, shares)

    @property
    def sentence(self) -> str:
        """Why prices are ranked, or are not."""
        whole = self.counts.whole
        if not self.counts.offerings:
            return ""
        if not whole:
            return _("No provider publishes a price for all of this workload, so none is ranked.")
        if whole < PRICES_TO_COMPARE:
            return ngettext(
                "%(count)d offering publishes a price for all of this workload: too few to rank.",
                "%(count)d offerings publish a price for all of this workload: too few to rank.",
                whole,
            ) % {"count": whole}
        return _("%(count)d offerings publish a price for all of this workload.") % {"count": whole}

    @property
    def ticks(self) -> SafeString:
        """One tick for each offering, by what is known of its price; nothing where there are too many."""
        if not 0 < self.counts.offerings <= TICKS_MAX:
            return SafeString("")
        marks = []
        place = 0
        for known, count in self.counts.by_known:
            if count:
                marks.append(
                    (
                        _CSS.get(known, known.value),
                        "".join(_TICKS[known].format(x=1 + 10 * (place + n)) for n in range(count)),
                    )
                )
                place += count
        return format_html(
            '<svg class="known" viewBox="0 0 {} 24" aria-hidden="true">{}</svg>',
            10 * place + 1,
            format_html_join("", '<path class="{}" d="{}"/>', marks),
        )


_TALL: Final = "M{x} 1h6v21h-6z"
_TICKS: Final = {
    Known.WHOLE: _TALL,
    Known.FREE: _TALL,
    Known.PART: _TALL,
    Known.UNIT: "M{x} 9h6v13h-6z",
    Known.ON_REQUEST: _TALL,
}


def _share_words(known: Known, count: int) -> str:
    match known:
        case Known.WHOLE:
            words = ngettext("%(count)d priced in full", "%(count)d priced in full", count)
        case Known.FREE:
            words = ngettext("%(count)d free to start", "%(count)d free to start", count)
        case Known.PART:
            words = ngettext("%(count)d priced in part", "%(count)d priced in part", count)
        case Known.UNIT:
            words = ngettext("%(count)d priced by unit", "%(count)d priced by unit", count)
        case Known.ON_REQUEST:
            words = ngettext("%(count)d answers with a quotation", "%(count)d answer with a quotation", count)
    return words % {"count": count}


class Heading(NamedTuple):
    title: str
    note: str


class GroupKey(NamedTuple):
    """What a card is listed under; None: made up, for the demonstration."""

    known: Known | None

    @property
    def slug(self) -> str:
        return "demonstration" if self.known is None else self.known.value

    def heading(self, counts: KnownCounts) -> Heading:
        if self.known is None:
            words = ngettext(
                "%(count)d made up for trying this site out. It is counted nowhere else.",
                "%(count)d made up for trying this site out. They are counted nowhere else.",
                counts.demonstrations,
            )
            return Heading(_("Demonstration"), words % {"count": counts.demonstrations})
        count = dict(counts.by_known)[self.known]
        words = ngettext("%(count)d offering.", "%(count)d offerings.", count) % {"count": count}
        return Heading(str(self.known.label), f"{words} {_NOTES[self.known]()}")


_NOTES: Final[Mapping[Known, Callable[[], str]]] = {
    Known.WHOLE: lambda: _("The lowest price first."),
    Known.FREE: lambda: _("What is left out is said on each."),
    Known.PART: lambda: _("A part of your workload has no price there."),
    Known.UNIT: lambda: _("They count in units of their own: say how many you need."),
    Known.ON_REQUEST: lambda: _("The provider answers with a quotation."),
}


def group_of(entry: OfferingEntry, price: OfferingPrice) -> GroupKey:
    return GroupKey(None if entry.is_demonstration else KNOWN[price.kind])
