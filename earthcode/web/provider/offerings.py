"""Those who run platforms: their offerings, maintenance, announcements, retirement, and their own part of the trail."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from earthcode.catalogue.models import Offering, Platform
from earthcode.identity import creations
from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.lib.errors import NotPermitted, Refused
from earthcode.publishing import actions as publishing
from earthcode.publishing import notices
from earthcode.publishing.models import OPEN, Announcement, Draft, MaintenanceWindow
from earthcode.publishing.queries import trail_of
from earthcode.web.parts.form_errors import add_refusal, posted
from earthcode.web.parts.lists import paginate
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.parts.trail import EventRow, named, page_of
from earthcode.web.provider.forms import (
    AnnounceForm,
    MaintenanceForm,
    NewOfferingForm,
    RetireForm,
    ShortenForm,
    TrailFilterForm,
)

_METHODS = ["GET", "HEAD", "POST"]
PER_PAGE = 25


def _providers_or_404(user: User) -> list[int]:
    providers = user.grants.providers_with(Permission.OFFERING_EDIT)
    if not providers:
        raise Http404
    return providers


def _offering_or_404(user: User, slug: str) -> Offering:
    mine = Offering.objects.filter(platform__provider__in=_providers_or_404(user)).defer("search")
    return get_object_or_404(mine.select_related("platform__provider", "replaced_by"), slug=slug)


def _page(request: SignedInRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    form = context.get("form")
    bad = form is not None and bool(form.errors)
    return TemplateResponse(request, f"provider/offerings/{template}.html", context, status=422 if bad else 200)


# --- the list ---------------------------------------------------------------------------------------------------------


@login_required
@require_safe
def offerings(request: SignedInRequest) -> HttpResponse:
    """Everything the organisation offers, and what is about to be offered."""
    providers = _providers_or_404(request.user)
    mine = Offering.objects.filter(platform__provider__in=providers).defer("search").select_related("platform")
    open_drafts = Prefetch("drafts", Draft.objects.filter(status__in=OPEN).order_by("pk"), to_attr="open_drafts")
    new = Draft.objects.filter(platform__provider__in=providers, offering=None, status__in=OPEN)
    context = {
        "page": paginate(request, mine.prefetch_related(open_drafts).order_by("-is_listed", "name", "pk")),
        "drafts": list(new.select_related("platform")[:PER_PAGE]),
        "today": timezone.localdate(),
        "has_platforms": Platform.objects.filter(provider__in=providers).exists(),
    }
    return _page(request, "list", context)


@login_required
@require_http_methods(_METHODS)
def offering_new(request: SignedInRequest) -> HttpResponse:
    """Begin a draft of something new."""
    providers = _providers_or_404(request.user)
    form = NewOfferingForm(posted(request), platforms=Platform.objects.filter(provider__in=providers))
    if form.is_valid():
        try:
            now = timezone.now()
            given = {name: value for name, value in form.cleaned_data.items() if name != "key"}
            draft = creations.once(
                Draft,
                lambda: publishing.start(**given, by=request.user, at=now),
                key=form.cleaned_data["key"],
                by=request.user,
                at=now,
            )
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            return redirect(draft)
    return _page(request, "new", {"form": form})


@login_required
@require_POST
def offering_edit(request: SignedInRequest, slug: str) -> HttpResponse:
    """Begin or go on with the draft of an offering."""
    offering = _offering_or_404(request.user, slug)
    try:
        draft = publishing.edit(offering, by=request.user, at=timezone.now())
    except Refused as refusal:
        messages.error(request, refusal.message)
        return redirect("offering_manage", slug)
    return redirect(draft)


# --- one offering -----------------------------------------------------------------------------------------------------


@login_required
@require_safe
def offering_manage(request: SignedInRequest, slug: str) -> HttpResponse:
    """How it stands: its draft, maintenance, what was announced, retirement."""
    offering = _offering_or_404(request.user, slug)
    today = timezone.localdate()
    context = {
        "offering": offering,
        "draft": offering.drafts.filter(status__in=OPEN).first(),
        "is_retired": offering.is_retired_on(today),
        "windows": list(
            MaintenanceWindow.objects.filter(
                Q(offering=offering) | Q(platform=offering.platform, offering=None),
                ends_at__gte=timezone.now(),
                cancelled_at=None,
            ).select_related("offering", "platform")[:10]
        ),
        "announcements": list(Announcement.objects.filter(offering=offering, window=None)[:10]),
        "drafts": list(offering.drafts.exclude(status__in=OPEN).order_by("-status_since", "-pk")[:5]),
    }
    return _page(request, "manage", context)


@login_required
@require_http_methods(_METHODS)
def offering_announce(request: SignedInRequest, slug: str) -> HttpResponse:
    offering = _offering_or_404(request.user, slug)
    form = AnnounceForm(posted(request))
    if form.is_valid():
        try:
            notices.announce(offering, **form.cleaned_data, by=request.user, at=timezone.now())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("Announced. People who use it, or requested it, get a message now."))
            return redirect("offering_manage", slug)
    return _page(request, "announce", {"form": form, "offering": offering})


@login_required
@require_http_methods(_METHODS)
def offering_retire(request: SignedInRequest, slug: str) -> HttpResponse:
    offering = _offering_or_404(request.user, slug)
    now = timezone.now()
    form = RetireForm(
        posted(request),
        earliest=notices.earliest_retirement(now),
        initial={
            "retires_on": offering.retires_on or notices.earliest_retirement(now),
            "replaced_by": offering.replaced_by.slug if offering.replaced_by else "",
        },
    )
    if form.is_valid():
        try:
            notices.retire(offering, **form.cleaned_data, by=request.user, at=now)
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("Announced. You can cancel it until that day."))
            return redirect("offering_manage", slug)
    return _page(request, "retire", {"form": form, "offering": offering})


@login_required
@require_POST
def offering_keep(request: SignedInRequest, slug: str) -> HttpResponse:
    """Take a retirement back."""
    offering = _offering_or_404(request.user, slug)
    try:
        notices.keep(offering, by=request.user, at=timezone.now())
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(
            request, _("%(offering)s stays available. The people concerned get a message.") % {"offering": offering}
        )
    return redirect("offering_manage", slug)


# --- maintenance ------------------------------------------------------------------------------------------------------


@login_required
@require_http_methods(_METHODS)
def maintenance(request: SignedInRequest) -> HttpResponse:
    """What is announced, what was, and another window."""
    providers = _providers_or_404(request.user)
    windows = MaintenanceWindow.objects.filter(platform__provider__in=providers)
    form = MaintenanceForm(
        posted(request),
        platforms=list(Platform.objects.filter(provider__in=providers)),
        offerings=list(
            Offering.objects.listed()
            .filter(platform__provider__in=providers)
            .defer("search")
            .select_related("platform")
        ),
        initial={"where": request.GET.get("where", "")},
    )
    if form.is_valid():
        platform, offering = form.cleaned_data.pop("where")
        try:
            notices.announce_maintenance(
                platform, offering=offering, **form.cleaned_data, by=request.user, at=timezone.now()
            )
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("Announced. People who use it get a message in time."))
            return redirect("maintenance")
    context = {
        "form": form,
        "page": paginate(request, windows.select_related("platform", "offering").order_by("-starts_at", "-pk"), 10),
        "now": timezone.now(),
    }
    return _page(request, "maintenance", context)


@login_required
@require_http_methods(_METHODS)
def maintenance_window(request: SignedInRequest, pk: int) -> HttpResponse:
    """Shorten or cancel it."""
    windows = MaintenanceWindow.objects.filter(platform__provider__in=_providers_or_404(request.user))
    window = get_object_or_404(windows.select_related("platform", "offering"), pk=pk)
    now = timezone.now()
    data = posted(request) if request.POST.get("do") != "cancel" else None
    form = ShortenForm(data, initial={"starts_at": window.starts_at, "ends_at": window.ends_at})
    try:
        if request.POST.get("do") == "cancel":
            notices.cancel_maintenance(window, by=request.user, at=now)
            messages.success(request, _("Cancelled. People who were told about it get a message."))
            return redirect("maintenance")
        if form.is_valid():
            notices.shorten_maintenance(window, **form.cleaned_data, by=request.user, at=now)
            messages.success(request, _("The window is shorter now."))
            return redirect("maintenance")
    except NotPermitted as refusal:
        raise PermissionDenied(refusal.message) from refusal
    except Refused as refusal:
        if data is None:
            messages.error(request, refusal.message)
            return redirect("maintenance")
        add_refusal(form, refusal)
    context = {"form": form, "window": window, "is_over": window.cancelled_at is not None or window.ends_at <= now}
    return _page(request, "window", context)


# --- the trail --------------------------------------------------------------------------------------------------------


@login_required
@require_safe
def provider_trail(request: SignedInRequest) -> HttpResponse:
    """What happened to the organisation's own offerings, newest first."""
    events = trail_of(_providers_or_404(request.user))
    form = TrailFilterForm(request.GET or None)
    if form.is_bound and form.is_valid():
        wanted = form.cleaned_data
        if wanted["q"]:
            events = events.filter(subject_label__icontains=wanted["q"])
        if wanted["actor"]:
            events = events.filter(actor_name__icontains=wanted["actor"])
        if wanted["event"]:
            events = events.filter(named(wanted["event"]))
    page = page_of(request, events)
    context = {
        "filter": form,
        "page": page,
        "rows": [EventRow(event) for event in page.events],
        "filtered": form.is_valid() and any(form.cleaned_data.values()),
    }
    return _page(request, "trail", context)
