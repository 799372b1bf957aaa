"""Calls, for ESA managers: planning and changing them, opening and closing, and their credits by four eyes."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from earthcode.audit.queries import history_of
from earthcode.catalogue.countries import COUNTRIES
from earthcode.catalogue.models import Tier
from earthcode.identity.roles import Permission
from earthcode.lib.errors import Refused
from earthcode.lib.money import amount_text, as_credits, credits
from earthcode.sponsorship import calls
from earthcode.sponsorship.lifecycle import CALL, CALL_FUNDING
from earthcode.sponsorship.models import Call, CallFunding, FundingStatus, RequestStatus
from earthcode.sponsorship.queries import budgets
from earthcode.sponsorship.rules import ProjectType
from earthcode.web.parts.form_errors import add_refusal, posted
from earthcode.web.parts.forms import Form
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.parts.timeline import timeline

METHODS = ["GET", "HEAD", "POST"]
#: Fundings that the page shows; the trail has all of them.
FUNDINGS_SHOWN = 50


class _Credits(forms.DecimalField):
    """Typed in credits; the cleaned value is in micro-credits, None where nothing was typed."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.NumberInput(attrs={"data-unit": "credits", "step": "any"})
        super().__init__(max_digits=15, decimal_places=6, min_value=Decimal(0), widget=widget, **kwargs)

    def clean(self, value: Any) -> Any:
        number = super().clean(value)
        return None if number is None else credits(number)


def _day(**kwargs: Any) -> forms.DateField:
    return forms.DateField(widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), **kwargs)


def _count(label: Any, unit: Any, **kwargs: Any) -> forms.IntegerField:
    return forms.IntegerField(label=label, min_value=0, widget=forms.NumberInput(attrs={"data-unit": unit}), **kwargs)


class CallForm(Form):
    """Texts, dates and rules; what they may be, the action says."""

    title = forms.CharField(max_length=200, label=gettext_lazy("Title"))
    summary = forms.CharField(
        required=False,
        max_length=2000,
        label=gettext_lazy("In one or two sentences"),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    audience = forms.CharField(
        required=False,
        max_length=20_000,
        label=gettext_lazy("Who may ask, and for what"),
        help_text=gettext_lazy("Markdown. Anybody reads it."),
        widget=forms.Textarea(attrs={"rows": 5}),
    )
    conditions = forms.CharField(
        required=False,
        max_length=20_000,
        label=gettext_lazy("What an award obliges to"),
        help_text=gettext_lazy("Markdown. Anybody reads it."),
        widget=forms.Textarea(attrs={"rows": 5}),
    )
    opens_on = _day(label=gettext_lazy("First day"))
    closes_on = _day(label=gettext_lazy("Last day"), required=False, help_text=gettext_lazy("Empty: it stays open."))
    ceiling = _Credits(label=gettext_lazy("The most for one request"))
    project_ceiling = _Credits(
        label=gettext_lazy("The most for one project"),
        required=False,
        help_text=gettext_lazy("Over all its awards. Empty: no limit."),
    )
    two_managers_above = _Credits(
        label=gettext_lazy("Two officers decide above"), required=False, help_text=gettext_lazy("Empty: one is enough.")
    )
    months_max = _count(gettext_lazy("Longest period"), "months", initial=12)
    case_words_max = _count(gettext_lazy("Longest science case"), "words", initial=300)
    decision_working_days = _count(gettext_lazy("Decision within"), "working days", initial=10)
    offer_days = _count(gettext_lazy("A part award is open for"), "days", initial=14)
    project_types = forms.MultipleChoiceField(
        required=False,
        label=gettext_lazy("Projects that are"),
        help_text=gettext_lazy("None ticked: any."),
        choices=ProjectType.choices,
        widget=forms.CheckboxSelectMultiple,
    )
    endorsed_tiers = forms.MultipleChoiceField(
        required=False,
        label=gettext_lazy("Tiers that need the Technical Officer's endorsement"),
        choices=Tier.choices,
        widget=forms.CheckboxSelectMultiple,
    )
    sent_with_open_quotations = forms.BooleanField(
        required=False, initial=True, label=gettext_lazy("A request may be sent while a price is asked for.")
    )
    overdraft_percent = _count(gettext_lazy("Overdraft"), "%", initial=0)
    grace_days = _count(gettext_lazy("Grace, to read what is stored"), "days", initial=30)
    final_report_days = _count(
        gettext_lazy("Final report due after"), "days", initial=90, help_text=gettext_lazy("0: none is asked for.")
    )
    countries = forms.MultipleChoiceField(
        required=False,
        label=gettext_lazy("Countries of the organisation that asks"),
        help_text=gettext_lazy("None chosen: any. Hold Ctrl or ⌘ to choose several."),
        choices=list(COUNTRIES.items()),
        widget=forms.SelectMultiple(attrs={"size": 8}),
    )


class NewCallForm(CallForm):
    slug = forms.SlugField(
        max_length=60,
        label=gettext_lazy("Name in addresses"),
        help_text=gettext_lazy("Small letters, digits and hyphens, like open-science-2027. It stays for good."),
    )
    field_order = ("title", "slug")


class FundingForm(Form):
    amount = _Credits(label=gettext_lazy("How many"))
    source = forms.ModelChoiceField(
        queryset=Call.objects.none(),
        required=False,
        label=gettext_lazy("From"),
        empty_label=gettext_lazy("A sponsor, as new credits"),
    )
    reason = forms.CharField(max_length=2000, label=gettext_lazy("Reason"), widget=forms.Textarea(attrs={"rows": 2}))
    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, call: Call, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chooser = self.fields["source"]
        assert isinstance(chooser, forms.ModelChoiceField)
        chooser.queryset = Call.objects.exclude(pk=call.pk)


class ReasonForm(Form):
    reason = forms.CharField(max_length=2000, label=gettext_lazy("Reason"), widget=forms.Textarea(attrs={"rows": 2}))


@login_required
@require_http_methods(METHODS)
def call_new(request: SignedInRequest) -> HttpResponse:
    """Plan a call; nobody else sees it before it is opened."""
    _managers_only(request)
    form = NewCallForm(posted(request))
    if form.is_valid():
        try:
            call = calls.plan_call(**form.cleaned_data, by=request.user, at=timezone.now())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("%(call)s is planned. Give it credits, then open it.") % {"call": call})
            return redirect("call_manage", call.slug)
    return TemplateResponse(request, "review/calls/edit.html", {"form": form}, status=422 if form.errors else 200)


@login_required
@require_http_methods(METHODS)
def call_edit(request: SignedInRequest, slug: str) -> HttpResponse:
    """Change texts, dates and rules."""
    _managers_only(request)
    call = get_object_or_404(Call, slug=slug)
    given = {name: getattr(call, name) for name in CallForm.base_fields}
    for name in ("ceiling", "project_ceiling", "two_managers_above"):
        given[name] = None if given[name] is None else f"{as_credits(given[name]).normalize():f}"
    form = CallForm(posted(request), initial=given)
    if form.is_valid():
        try:
            calls.change_call(call, **form.cleaned_data, by=request.user, at=timezone.now())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(
                request, _("%(call)s is saved. Requests that were sent keep their rules.") % {"call": call}
            )
            return redirect("call_manage", call.slug)
    context = {"form": form, "call": get_object_or_404(Call, slug=slug)}
    return TemplateResponse(request, "review/calls/edit.html", context, status=422 if form.errors else 200)


@login_required
@require_http_methods(METHODS)
def call_manage(request: SignedInRequest, slug: str) -> HttpResponse:
    """Its budget, what waits for it, its credits and its state; a POST proposes credits."""
    _managers_only(request)
    call = get_object_or_404(Call, slug=slug)
    form = FundingForm(posted(request), call=call, initial={"key": uuid.uuid4()})
    if form.is_valid():
        try:
            funding = calls.propose_funding(call, **form.cleaned_data, by=request.user, at=timezone.now())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            said = _("%(amount)s credits wait for a second officer to agree.")
            messages.success(request, said % {"amount": amount_text(funding.amount)})
            return redirect("call_manage", call.slug)
    return _manage_page(request, call, form)


@login_required
@require_POST
def call_step(request: SignedInRequest, slug: str, step: str) -> HttpResponse:
    """Open, pause, resume or close it."""
    _managers_only(request)
    call = get_object_or_404(Call, slug=slug)
    take: dict[str, Callable[..., None]] = {"open": calls.open_call, "resume": calls.resume_call}
    with_reason: dict[str, Callable[..., None]] = {"pause": calls.pause_call, "close": calls.close_call}
    if step not in take and step not in with_reason:
        raise Http404
    try:
        if step in take:
            take[step](call, by=request.user, at=timezone.now())
        else:
            with_reason[step](call, reason=request.POST.get("reason", "")[:2000], by=request.user, at=timezone.now())
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{call}: {call.get_status_display()}")
    return redirect("call_manage", slug)


@login_required
@require_POST
def funding_step(request: SignedInRequest, slug: str, pk: int, step: str) -> HttpResponse:
    """Agree to credits that another manager proposed, or decline them."""
    _managers_only(request)
    funding = get_object_or_404(CallFunding.objects.select_related("call", "source"), pk=pk, call__slug=slug)
    try:
        if step == "agree":
            calls.agree_funding(funding, by=request.user, at=timezone.now())
        elif step == "decline":
            reason = request.POST.get("reason", "")[:2000]
            calls.decline_funding(funding, reason=reason, by=request.user, at=timezone.now())
        else:
            raise Http404
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{funding}: {funding.get_status_display()}")
    return redirect("call_manage", slug)


def _manage_page(request: SignedInRequest, call: Call, form: FundingForm) -> HttpResponse:
    (budget,) = budgets(Call.objects.filter(pk=call.pk))
    undecided = call.resource_requests.filter(status__in=[RequestStatus.IN_REVIEW, RequestStatus.INFO_NEEDED])
    fundings = list(call.fundings.select_related("source", "proposed_by", "decided_by")[:FUNDINGS_SHOWN])
    steps = CALL.open_to(call, by=request.user)
    context = {
        "call": call,
        "bar": {
            "name": call.title,
            "url": "",
            "total": budget.total,
            "free": budget.free,
            "spent": budget.spent,
            "committed": budget.committed,
            "pending": 0,
        },
        "undecided": undecided.count(),
        "asked": sum(undecided.values_list("amount", flat=True)),
        "fundings": [
            {
                "funding": each,
                "waits": each.status == FundingStatus.WAITING,
                "may_agree": CALL_FUNDING.refusal(each, "agree", by=request.user) is None,
                "may_decline": CALL_FUNDING.refusal(each, "decline", by=request.user) is None,
            }
            for each in fundings
        ],
        "steps": [{"name": each.name, "label": each.words, "asks": each.name in ("pause", "close")} for each in steps],
        "form": form,
        "past": timeline(history_of(call)),
    }
    return TemplateResponse(request, "review/calls/manage.html", context, status=422 if form.errors else 200)


def _managers_only(request: SignedInRequest) -> None:
    if not request.user.may(Permission.CALL_MANAGE):
        raise Http404
