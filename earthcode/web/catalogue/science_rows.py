"""What pages about other things show of science: rows of its list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _

from earthcode.catalogue.models import Offering
from earthcode.science import queries
from earthcode.science.linking import MADE
from earthcode.science.models import Record
from earthcode.science.queries import Directory, theme_label

#: Records on an offering's page; the rest is a list of its own.
ON_OFFERING: Final = 5


def rows_of(pks: Sequence[int], directory: Directory) -> list[dict[str, Any]]:
    return [_row(record) for record in directory.records(pks)]


def _row(record: Record) -> dict[str, Any]:
    """A record in a list."""
    return {
        "record": record,
        "line": short_line(record),
        "summary": record.description,
        "tags": [*map(theme_label, record.themes), *record.keywords[:5]],
    }


def short_line(record: Record) -> str:
    """What it is in a few words, from what it states: "Jupyter notebook in Python, made on DeepESDL platform"."""
    kind = queries.program_of(record).application_type or _("Program of a type that is not stated")
    languages = ", ".join(record.languages)
    words = _("%(type)s in %(language)s") % {"type": kind, "language": languages} if languages else kind
    made = next((each["title"] for each in record.platforms if each["role"] == MADE and each["title"]), "")
    return _("%(words)s, made on %(platform)s") % {"words": words, "platform": made} if made else words


def workflows_on(offering: Offering, directory: Directory) -> dict[str, Any] | None:
    """What an offering's page shows of the records it can run; None where there are none."""
    entries = directory.runnable_on(offering.pk)
    if not entries:
        return None
    return {
        "rows": rows_of([entry.pk for entry in entries[:ON_OFFERING]], directory),
        "count": len(entries),
        "more": len(entries) > ON_OFFERING,
        "url": f"{reverse('science')}?{urlencode({'on': offering.slug})}",
    }
