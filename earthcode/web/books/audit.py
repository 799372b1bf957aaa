"""The audit trail, for those who may read all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import Http404, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from earthcode.audit.models import Event, Link
from earthcode.identity.roles import Permission, Role
from earthcode.provisioning.models import Allocation, Operation
from earthcode.sponsorship.models import Award, ResourceRequest
from earthcode.web.books.ledger import tabs_of
from earthcode.web.parts.forms import Form
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.parts.trail import EventRow, named, page_of


class AuditFilter(Form):
    """What to look for. Every field may be left empty."""

    reference = forms.CharField(
        label=_("Reference"), required=False, max_length=40, help_text=_("Of a request or an allocation: NOR-2026-0417")
    )
    actor = forms.CharField(
        label=_("Who"), required=False, max_length=100, help_text=_("A part of the name, or “worker”")
    )
    event = forms.CharField(
        label=_("What"), required=False, max_length=60, help_text=_("For example allocation, or allocation.end")
    )


@login_required
@require_safe
def trail(request: SignedInRequest) -> HttpResponse:
    """Everything that happened, newest first."""
    if not request.user.may(Permission.AUDIT_VIEW):
        raise Http404
    form = AuditFilter(request.GET or None)
    events = Event.objects.all()
    if form.is_bound and form.is_valid():
        events = events.filter(_matching(**form.cleaned_data))
    page = page_of(request, events)
    context = {
        "tabs": tabs_of(request, "audit"),
        "filter": form,
        "page": page,
        "rows": _rows(page.events),
        "is_auditor": request.user.has_role(Role.AUDITOR),
        "filtered": form.is_valid() and any(form.cleaned_data.values()),
    }
    return TemplateResponse(request, "books/trail.html", context)


def _matching(*, reference: str, actor: str, event: str) -> Q:
    wanted = Q()
    if reference:
        wanted &= _about(reference)
    if actor:
        wanted &= Q(actor_name__icontains=actor)
    if event:
        wanted &= named(event)
    return wanted


def _about(reference: str) -> Q:
    """Events about whatever goes by this reference: the request, its award, its allocations and their operations.

    They are looked up first, so that the trail is read by its index on the subject. Other words are looked for in the
    label that was kept with the event.
    """
    allocations = Allocation.objects.filter(Q(reference__iexact=reference) | Q(award__reference__iexact=reference))
    things: tuple[QuerySet[Any], ...] = (
        ResourceRequest.objects.filter(reference__iexact=reference),
        Award.objects.filter(reference__iexact=reference),
        allocations,
        Operation.objects.filter(allocation__in=allocations.order_by()),
    )
    about = Q()
    for found in things:
        if keys := [str(pk) for pk in found.values_list("pk", flat=True)]:
            about |= Q(subject_type=found.model._meta.label_lower, subject_id__in=keys)
    return about or Q(subject_label__icontains=reference)


def _rows(events: Sequence[Event]) -> list[EventRow]:
    """Each event with its place in the chain, and where its subject is to be seen."""
    links = {link.event_id: link for link in Link.objects.filter(event_id__in=[event.pk for event in events])}
    return [EventRow(event, url=_page_of(event), link=links.get(event.pk)) for event in events]


#: Subjects whose label is what their page goes by.
_PAGES: dict[str, str] = {
    ResourceRequest._meta.label_lower: "request",
    Award._meta.label_lower: "request",
    Allocation._meta.label_lower: "allocation",
}


def _page_of(event: Event) -> str:
    page = _PAGES.get(event.subject_type)
    return reverse(page, args=[event.subject_label]) if page else ""
