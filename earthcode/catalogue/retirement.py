"""Retirement: from its date an offering only gives back."""

from __future__ import annotations

from datetime import date

from django.utils.formats import date_format

from earthcode.catalogue.models import Offering
from earthcode.lib.errors import Refused


class OfferingRetired(Refused):
    """The offering takes nothing new: no request, no line, no order, no growth. What is running goes on to its end."""

    code = "offering_retired"


def refuse_if_retired(offering: Offering, *, on: date, field: str | None = None) -> None:
    """Raise ``OfferingRetired`` from the offering's last day on. Call it in every action that would add to it."""
    if offering.is_retired_on(on):
        assert offering.retires_on is not None
        instead = f" {offering.replaced_by} takes its place." if offering.replaced_by else ""
        raise OfferingRetired(
            f"{offering} takes nothing new since {date_format(offering.retires_on)}.{instead}", field=field
        )
