"""The rules of a call, as values: what a request is held to from the day it was sent, whatever the call says later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from django.db import models


class ProjectType(models.TextChoices):
    """Which kind of project asks, as far as calls tell them apart; in words that follow "projects that are"."""

    ESA = "esa", "funded by ESA"
    OTHER = "other", "funded otherwise"


#: A part award is open to the applicant this many days unless the call says otherwise.
OFFER_DAYS: Final = 14


@dataclass(frozen=True)
class Rules:
    """What a call allows; amounts are micro-credits.

    ``project_ceiling`` counts all awards of the project under the call; None: no such limit. Empty ``countries`` and
    ``project_types`` are open to any. ``two_managers_above``: more than this needs a second manager's approval; None: never.
    ``overdraft_percent`` of an allocation may be used beyond it, ``grace_days`` after its limit or last day its data stays
    readable. ``final_report_days`` after the award's end the final report is due; 0: none is asked for.
    """

    ceiling: int
    months_max: int
    case_words_max: int
    decision_working_days: int
    project_ceiling: int | None = None
    countries: tuple[str, ...] = ()
    project_types: tuple[str, ...] = ()
    endorsed_tiers: tuple[str, ...] = ()
    two_managers_above: int | None = None
    sent_with_open_quotations: bool = True
    offer_days: int = OFFER_DAYS
    overdraft_percent: int = 0
    grace_days: int = 30
    final_report_days: int = 90

    def as_json(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Rules:
        """The stored rules. A rule that was made after they were stored is as in this class."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items() if name in FIELDS
        }
        return cls(**values)


#: The names of the rules: also those of the columns of a call.
FIELDS: Final = tuple(field.name for field in fields(Rules))
