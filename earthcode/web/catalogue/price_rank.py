"""Where a price stands: among the others that can be priced, and against the credits that the reader can place."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from earthcode.catalogue.offering_price import PRICES_TO_COMPARE
from earthcode.web.catalogue.price_words import amount_text
from earthcode.web.parts.chrome import chrome_of

#: More marks than this run into each other on a strip.
TICKS_MAX: Final = 40


@dataclass(frozen=True)
class Field:
    """What prices are compared with: what all of the workload costs elsewhere, and the reader's free credits (None: none).

    Of fewer than ``PRICES_TO_COMPARE`` no place is told and no strip is drawn.
    """

    totals: Sequence[int]
    free: int | None

    @property
    def count(self) -> int:
        return len(self.totals)

    @property
    def is_enough(self) -> bool:
        """Whether a price can be said to stand somewhere among them."""
        return self.count >= PRICES_TO_COMPARE

    @cached_property
    def _ordered(self) -> list[int]:
        """Every card of a list asks where it stands in them."""
        return sorted(self.totals)

    @cached_property
    def ticks(self) -> list[int]:
        """The prices that a strip shows: all, or as many evenly chosen ones as it can hold, with both ends; none of too few."""
        if not self.is_enough:
            return []
        different = list(dict.fromkeys(self._ordered))
        if len(different) <= TICKS_MAX:
            return different
        last = len(different) - 1
        return [different[place * last // (TICKS_MAX - 1)] for place in range(TICKS_MAX)]

    def rank_text(self, total: int | None) -> str:
        """ "Lowest of 12 prices"; empty where there is nothing to compare."""
        ordered = self._ordered
        if total is None or not self.is_enough or ordered[0] == ordered[-1]:
            return ""
        lower = bisect_left(ordered, total)
        words = {"count": self.count, "lower": lower}
        if lower == 0:
            return _("Lowest of %(count)d prices") % words
        return (
            ngettext("%(lower)d of %(count)d prices is lower", "%(lower)d of %(count)d prices are lower", lower) % words
        )

    def fits(self, total: int | None) -> bool | None:
        """Whether the reader could place it now; None where there is nothing to say."""
        return None if total is None or self.free is None else total <= self.free

    def fit_text(self, total: int | None) -> str:
        """Never discourages: what goes beyond one's credits is what one asks ESA for."""
        if total is None or self.free is None:
            return ""
        if total <= self.free:
            return _("Fits your %(free)s free credits") % {"free": amount_text(self.free)}
        words = {"free": amount_text(self.free), "more": amount_text(total - self.free)}
        return _("You have %(free)s cr free: ask for %(more)s more") % words


def field_for(request: HttpRequest, totals: Iterable[int | None]) -> Field:
    """The totals that are known and above zero, and what the reader can place."""
    return Field([total for total in totals if total], free_credits_of(request))


def free_credits_of(request: HttpRequest) -> int | None:
    """What the reader can place on any platform now; None for visitors, and for those who have nothing to place.

    Credits that are set aside for an allocation are not free, and one allocation is paid from one award.
    """
    return chrome_of(request).credits.most_free or None
