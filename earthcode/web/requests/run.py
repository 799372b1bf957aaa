"""What a request is to run: the workflow or experiment it was begun for, with "Run this"."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.translation import gettext as _

from earthcode.science.models import Kind, Record


def run_wanted(request: HttpRequest) -> Record | None:
    """The record that ``?run=workflow:…`` names, which a new request is to run; None where there is no such thing."""
    kind, colon, osc_id = request.GET.get("run", "").partition(":")
    if not colon or kind not in Kind.values or "\x00" in osc_id:
        return None
    return Record.objects.current().filter(kind=kind, osc_id=osc_id).first()


def run_of(reference: str) -> Record | None:
    """What a request was begun for, with "Run this"; None for all others."""
    return Record.objects.filter(planned_runs__reference=reference).first()


def case_beginning(reference: str) -> str:
    """How the science case of a request begins that was started from "Run this", in Markdown; empty for all others."""
    record = run_of(reference)
    if record is None:
        return ""
    # Brackets and backslashes in a title would end the link's words.
    title = "".join(f"\\{each}" if each in "\\[]*_`<" else each for each in record.title)
    words = {"kind": record.get_kind_display().lower(), "title": title, "url": record.source_url}
    if record.is_demonstration:
        # It is in no catalogue that a link could lead to.
        return _("We will run the %(kind)s “%(title)s”, which is demonstration data.") % words + "\n\n"
    return _("We will run the %(kind)s [%(title)s](%(url)s) of the Open Science Catalog.") % words + "\n\n"
