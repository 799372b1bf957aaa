"""A draft of an offering: a hub of sections with a preview, the difference to what is public, and publishing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from earthcode.audit.queries import history_of
from earthcode.catalogue import search
from earthcode.catalogue.countries import country_name
from earthcode.catalogue.models import monogram
from earthcode.catalogue.pricing import Workload
from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.lib.errors import NotPermitted, Refused
from earthcode.publishing import actions as publishing
from earthcode.publishing.actions import IncompleteDraft, PublicChanged, SavedMeanwhile
from earthcode.publishing.content import (
    Change,
    Content,
    NewPrice,
    below_the_card,
    changes,
    dated,
    digest,
    missing_from,
    plan_of,
    priced_plans,
    section_of,
    tidy,
)
from earthcode.publishing.lifecycle import OFFERING_DRAFT
from earthcode.publishing.models import Draft, DraftStatus
from earthcode.web.catalogue import price_words
from earthcode.web.catalogue.cards import Card, facts_of, mark_of
from earthcode.web.parts.form_errors import add_refusal, posted
from earthcode.web.parts.opened import page_opened
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.parts.statuses import Words
from earthcode.web.parts.tasks import Task
from earthcode.web.parts.timeline import timeline
from earthcode.web.provider.forms import SECTION_FORMS, ComponentFormSet, NoteForm, PlanForm, SectionForm

METHODS = ["GET", "HEAD", "POST"]

_SECTION_HEADS: dict[str, tuple[Words, Words]] = {
    "about": (gettext_lazy("What it is"), gettext_lazy("What people read first, in the list and on its page.")),
    "work": (gettext_lazy("Data and ways to work"), gettext_lazy("What people filter the catalogue by.")),
    "access": (gettext_lazy("Getting in and support"), gettext_lazy("How people sign in, read on and get help.")),
    "promises": (gettext_lazy("What you promise"), gettext_lazy("Availability, limits and support.")),
}


def draft_or_404(user: User, pk: int) -> Draft:
    drafts = Draft.objects.visible_to(user).select_related(
        "platform__provider", "offering", "saved_by", "submitted_by", "created_by"
    )
    return get_object_or_404(drafts, pk=pk)


def _may_edit(user: User, draft: Draft) -> bool:
    return user.may(Permission.OFFERING_EDIT, draft) and draft.status in (DraftStatus.DRAFT, DraftStatus.RETURNED)


def _closed_to(request: SignedInRequest, draft: Draft) -> HttpResponse | None:
    """Where a reader goes who may see the draft but not change it. What is posted is refused by the action itself."""
    if request.method == "POST" or _may_edit(request.user, draft):
        return None
    if not request.user.may(Permission.OFFERING_EDIT, draft):
        return redirect("offering_approval", draft.pk)
    return redirect(draft)


# --- the hub ----------------------------------------------------------------------------------------------------------


@login_required
@require_safe
def offering_draft(request: SignedInRequest, pk: int) -> HttpResponse:
    """What is filled in, what is left, how its card looks, and what happened to it."""
    draft = draft_or_404(request.user, pk)
    if not request.user.may(Permission.OFFERING_EDIT, draft):
        return redirect("offering_approval", pk)
    page_opened(request)
    content = draft.content
    tasks = _tasks(draft)
    context = {
        "draft": draft,
        "tasks": tasks,
        "done": sum(task.state == "completed" for task in tasks),
        "plans": [
            {
                "name": plan["name"],
                "url": reverse("offering_draft_plan", args=[pk, plan["slug"]]),
                "hint": _plan_hint(plan),
            }
            for plan in content.get("plans", [])
        ],
        "card": card_of(draft, content),
        "may_edit": _may_edit(request.user, draft),
        "steps": [step.name for step in OFFERING_DRAFT.open_to(draft, by=request.user)],
        "past": timeline(history_of(draft)),
    }
    return TemplateResponse(request, "provider/offerings/draft.html", context)


def _tasks(draft: Draft) -> list[Task]:
    missing = missing_from(draft.content)
    editable = draft.status in (DraftStatus.DRAFT, DraftStatus.RETURNED)
    tasks = []
    for name, (title, _intro) in _SECTION_HEADS.items():
        filled = bool(section_of(draft.content, name))
        state = "not_started" if name in missing else "completed" if filled else "in_progress"
        url = reverse("offering_draft_section", args=[draft.pk, name]) if editable else ""
        hint = "" if filled else _("Nothing stated yet; the catalogue says so")
        tasks.append(Task(str(title), url, state, hint))
    plans = len(draft.content.get("plans", []))
    url = reverse("offering_draft_plan_new", args=[draft.pk]) if editable and not plans else ""
    hint = ngettext("%(count)d plan", "%(count)d plans", plans) % {"count": plans} if plans else _("Add the first one")
    tasks.append(Task(_("Plans and prices"), url, "completed" if plans else "not_started", hint))
    return tasks


def _plan_hint(plan: Content) -> str:
    components = plan.get("components", [])
    if not components:
        return _("Price on request")
    if not all(each.get("rate") for each in components):
        return _("Some of its prices are not stated")
    words = ngettext("%(count)d price", "%(count)d prices", len(components))
    return words % {"count": len(components)}


def card_of(draft: Draft, content: Content) -> Card:
    """The card as the catalogue would show it, for the workload that everybody sees first."""
    headline = price_words.headline(search.price_of(priced_plans(content), Workload()))
    name = str(content.get("name") or _("Without a name"))
    country = country_name(content["country"]) if content.get("country") else ""
    facts, unstated = facts_of(
        datasets=content.get("datasets", []),
        interfaces=content.get("interfaces", []),
        hardware=content.get("hardware", ""),
        place=content.get("place") or country,
    )
    return Card(
        url=draft.get_absolute_url(),
        title=name,
        provider=draft.platform.provider.name,
        summary=content.get("summary", ""),
        code=content.get("code") or monogram(name),
        mark=mark_of(content.get("service_types", [])),
        headline=headline,
        facts=facts,
        unstated=unstated,
        is_integrated=draft.platform.earthcode_integrated,
        is_sponsored=bool(content.get("sponsorable")),
    )


def _preview(request: SignedInRequest, draft: Draft, content: Content) -> HttpResponse:
    return TemplateResponse(request, "provider/offerings/_preview.html", preview_of(draft, tidy(content)))


def preview_of(draft: Draft, content: Content) -> dict[str, Any]:
    """The card, and below it what else the offering's page would state."""
    return {
        "card": card_of(draft, content),
        "workload": Workload().summary,
        "stated": [{"label": label, "value": value} for label, value in below_the_card(content)],
    }


# --- sections ---------------------------------------------------------------------------------------------------------


@login_required
@require_http_methods(METHODS)
def offering_draft_section(request: SignedInRequest, pk: int, section: str) -> HttpResponse:
    """One section, saved by itself. htmx asks for the card as it would be with what was typed so far."""
    if section not in SECTION_FORMS:
        raise Http404
    draft = draft_or_404(request.user, pk)
    if closed := _closed_to(request, draft):
        return closed
    stored = section_of(draft.content, section)
    form = SECTION_FORMS[section](posted(request), initial={**stored, "seen": digest(stored)})
    if request.htmx:
        return _preview(request, draft, {**draft.content, **form.typed})
    meanwhile: list[Change] = []
    if form.is_valid():
        try:
            publishing.save_section(
                draft,
                section=section,
                values=form.values,
                seen=form.cleaned_data["seen"],
                by=request.user,
                at=timezone.now(),
            )
        except SavedMeanwhile as refusal:
            draft.refresh_from_db()
            meanwhile = changes(draft.content, {**draft.content, **tidy(form.values)}) if draft.base else []
            form = _seen_again(form, section_of(draft.content, section))
            form.add_error(None, refusal.message)
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect(draft)
    title, intro = _SECTION_HEADS[section]
    context = {
        "draft": draft,
        "form": form,
        "title": title,
        "intro": intro,
        "meanwhile": meanwhile,
        **preview_of(draft, tidy({**draft.content, **form.typed})),
    }
    return TemplateResponse(request, "provider/offerings/section.html", context, status=422 if form.errors else 200)


def _seen_again(form: SectionForm, stored: Any) -> SectionForm:
    """The same form with what was typed, now that its reader is told what is stored."""
    data = dict(form.data.items()) | {form.add_prefix("seen"): digest(stored)}
    again = type(form)(data, initial=form.initial)
    again.is_valid()
    return again


# --- plans ------------------------------------------------------------------------------------------------------------


@login_required
@require_http_methods(METHODS)
def offering_draft_plan(request: SignedInRequest, pk: int, slug: str = "") -> HttpResponse:
    """A plan with what it meters and the prices, or a new one."""
    draft = draft_or_404(request.user, pk)
    if closed := _closed_to(request, draft):
        return closed
    stored = plan_of(draft.content, slug) if slug else None
    if slug and stored is None and request.method != "POST":
        raise Http404
    form = PlanForm(posted(request), initial={**(stored or {}), "seen": digest(stored)})
    rows = ComponentFormSet(
        posted(request),
        components=list((stored or {}).get("components", [])),
        provider=str(draft.platform.provider),
        today=timezone.localdate(),
    )
    if request.htmx:
        return _preview(request, draft, _with_plan(draft.content, slug, {**form.typed, "components": rows.typed}))
    if form.is_bound and all([form.is_valid(), rows.is_valid()]):
        try:
            saved = publishing.save_plan(
                draft,
                slug=slug,
                values={**form.values, "components": rows.values},
                seen=form.cleaned_data["seen"],
                by=request.user,
                at=timezone.now(),
            )
        except SavedMeanwhile as refusal:
            draft.refresh_from_db()
            form = _seen_again_plan(form, plan_of(draft.content, slug))
            form.add_error(None, refusal.message)
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("%(plan)s is saved.") % {"plan": form.cleaned_data["name"]})
            if request.POST.get("do") == "more":
                return redirect(reverse("offering_draft_plan", args=[pk, saved]) + "#more")
            return redirect(draft)
    has_errors = form.is_bound and (bool(form.errors) or not rows.is_valid())
    context = {
        "draft": draft,
        "form": form,
        "rows": rows,
        "slug": slug,
        "title": stored["name"] if stored else _("New plan"),
        "notice_days": settings.PRICE_NOTICE_DAYS,
        **preview_of(draft, draft.content),
    }
    return TemplateResponse(request, "provider/offerings/plan.html", context, status=422 if has_errors else 200)


def _seen_again_plan(form: PlanForm, stored: Any) -> PlanForm:
    again = _seen_again(form, stored)
    assert isinstance(again, PlanForm)
    return again


def _with_plan(content: Content, slug: str, plan: Mapping[str, Any]) -> Content:
    """The content with this plan in the place of the stored one, for a preview."""
    plans = [each for each in content.get("plans", []) if each["slug"] != slug]
    return {**content, "plans": [*plans, {"name": "", **plan, "slug": slug or "new"}]}


@login_required
@require_POST
def offering_draft_plan_remove(request: SignedInRequest, pk: int, slug: str) -> HttpResponse:
    draft = draft_or_404(request.user, pk)
    try:
        publishing.remove_plan(draft, slug=slug, by=request.user, at=timezone.now())
    except NotPermitted as refusal:
        raise PermissionDenied(refusal.message) from refusal
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, _("The plan was removed from the draft."))
    return redirect(draft)


# --- the difference, and publishing -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """What would be public after publishing today, against what is public, and why ESA has to look at it."""

    changes: Sequence[Change]
    reasons: Sequence[str]
    dearer_from: date | None

    @classmethod
    def of(cls, draft: Draft, *, today: date) -> Difference:
        content: Content = draft.content
        dearer: list[NewPrice] = []
        # What was published has its days already.
        if draft.is_open:
            notice = timedelta(days=settings.PRICE_NOTICE_DAYS)
            content, dearer = dated(draft.content, draft.base, today=today, notice=notice)
        found = changes(draft.base, content)
        return cls(
            changes=found,
            reasons=list(dict.fromkeys(each.reason for each in found if each.reason)),
            dearer_from=min((each.starts_on for each in dearer), default=None),
        )


@login_required
@require_http_methods(METHODS)
def offering_draft_check(request: SignedInRequest, pk: int) -> HttpResponse:
    """What would change, who has to approve it, and the button."""
    draft = draft_or_404(request.user, pk)
    if closed := _closed_to(request, draft):
        return closed
    difference = Difference.of(draft, today=timezone.localdate())
    form = NoteForm(posted(request))
    changed_meanwhile = False
    if form.is_valid():
        try:
            if difference.reasons:
                publishing.submit(draft, note=form.cleaned_data["note"], by=request.user, at=timezone.now())
                messages.success(request, _("ESA has the draft. You get a message when it is decided."))
            else:
                offering = publishing.publish(draft, by=request.user, at=timezone.now())
                messages.success(request, _("%(offering)s is public as you see it here.") % {"offering": offering})
        except PublicChanged as refusal:
            changed_meanwhile = True
            form.add_error(None, refusal.message)
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            return redirect(draft)
    context = {
        "draft": draft,
        "difference": difference,
        "missing": str(IncompleteDraft(missing)) if (missing := missing_from(draft.content)) else "",
        "form": form,
        **preview_of(draft, draft.content),
        "changed_meanwhile": changed_meanwhile,
        "notice_days": settings.PRICE_NOTICE_DAYS,
    }
    return TemplateResponse(request, "provider/offerings/check.html", context, status=422 if form.errors else 200)


_STEPS = {
    "take_back": (publishing.take_back, gettext_lazy("The draft is yours again.")),
    "discard": (publishing.discard, gettext_lazy("The draft was discarded. What is public does not change.")),
    "catch_up": (
        publishing.catch_up,
        gettext_lazy("The draft now has the latest changes of the catalogue. Check it again."),
    ),
}


@login_required
@require_POST
def offering_draft_step(request: SignedInRequest, pk: int, step: str) -> HttpResponse:
    """The steps that take no more than a button."""
    if step not in _STEPS:
        raise Http404
    draft = draft_or_404(request.user, pk)
    action, words = _STEPS[step]
    try:
        action(draft, by=request.user, at=timezone.now())
    except NotPermitted as refusal:
        raise PermissionDenied(refusal.message) from refusal
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, words)
    if step == "discard":
        return redirect("offerings")
    return redirect("offering_draft_check", pk) if step == "catch_up" else redirect(draft)
