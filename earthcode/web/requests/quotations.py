"""Prices that no list says: the applicant asks, the provider answers, the applicant accepts; one page for both."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.forms import BaseFormSet, formset_factory
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from earthcode.audit.queries import history_of
from earthcode.catalogue import queries as catalogue
from earthcode.catalogue.metrics import Metric
from earthcode.catalogue.models import Plan
from earthcode.catalogue.pricing import Quote
from earthcode.catalogue.workload import Workload
from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.lib.errors import InvalidInput, Refused
from earthcode.lib.money import amount_text, as_credits
from earthcode.sponsorship import attachments, quotations
from earthcode.sponsorship.lifecycle import QUOTATION
from earthcode.sponsorship.models import Attachment, Quotation, QuotationStatus
from earthcode.sponsorship.quotations import LINES_MAX, WORDS_MAX, WORK_DAYS_MAX, PriceLine
from earthcode.web.parts.form_errors import add_refusal, posted
from earthcode.web.parts.forms import Form
from earthcode.web.parts.lists import paginate
from earthcode.web.parts.opened import page_opened
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.parts.timeline import timeline
from earthcode.web.requests.editing import METHODS, closed_to, to_edit

#: Lines of a price that are empty and wait to be filled in.
EMPTY_LINES = 2


class AskForm(Form):
    """What the provider is told. The workload comes in the address, from where the price was looked for."""

    words = forms.CharField(
        max_length=WORDS_MAX,
        label=gettext_lazy("What you need"),
        help_text=gettext_lazy("The provider reads it with your name, organisation, project, workload and period."),
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    months = forms.IntegerField(
        min_value=1,
        max_value=60,
        label=gettext_lazy("For how long"),
        widget=forms.NumberInput(attrs={"data-unit": "months"}),
    )
    work_days = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=WORK_DAYS_MAX,
        label=gettext_lazy("Days of somebody's work"),
        help_text=gettext_lazy("Support or training by the provider's people, if you want any."),
        widget=forms.NumberInput(attrs={"data-unit": "days"}),
    )
    shares_case = forms.BooleanField(
        required=False,
        label=gettext_lazy("The provider may read the science case."),
        help_text=gettext_lazy("Not required."),
    )


class LineForm(Form):
    """One line of a price; a line without a quantity is left out."""

    label = forms.CharField(required=False, max_length=120, label=gettext_lazy("What"))
    metric = forms.ChoiceField(choices=Metric.choices, label=gettext_lazy("Unit"))
    quantity = forms.DecimalField(required=False, max_digits=15, decimal_places=6, label=gettext_lazy("Quantity"))
    price = forms.DecimalField(
        required=False,
        max_digits=15,
        decimal_places=6,
        label=gettext_lazy("Price of one"),
        widget=forms.NumberInput(attrs={"step": "any", "data-unit": "credits"}),
    )

    @property
    def line(self) -> PriceLine | None:
        values = self.cleaned_data
        if values.get("quantity") is None and values.get("price") is None:
            return None
        return PriceLine(
            values.get("metric") or "",
            values.get("label") or "",
            values.get("quantity") or Decimal(0),
            (values.get("price") or Decimal(0)) * 1_000_000,
        )


class AnswerForm(Form):
    valid_until = forms.DateField(
        label=gettext_lazy("Valid until"),
        help_text=gettext_lazy("At least 14 days, so that ESA can decide."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    conditions = forms.CharField(
        required=False, max_length=5000, label=gettext_lazy("Conditions"), widget=forms.Textarea(attrs={"rows": 3})
    )
    document = forms.FileField(
        required=False,
        label=gettext_lazy("Document"),
        help_text=gettext_lazy("PDF, PNG or JPEG, up to 10 MB. Only the project, you and ESA can read it."),
    )

    def __init__(self, *args: Any, records: bool = False, **kwargs: Any) -> None:
        """``records``: somebody writes down what the provider sent, which the price rests on."""
        super().__init__(*args, **kwargs)
        if records:
            document = self.fields["document"]
            document.required = True
            document.help_text = gettext_lazy(
                "What the provider sent: PDF, PNG or JPEG, up to 10 MB. Only the project and ESA can read it."
            )


class NoteForm(Form):
    reason = forms.CharField(
        max_length=WORDS_MAX, label=gettext_lazy("Reason"), widget=forms.Textarea(attrs={"rows": 2})
    )


_Lines = formset_factory(LineForm, extra=EMPTY_LINES, max_num=LINES_MAX, absolute_max=LINES_MAX, validate_max=True)


# --- asking ----------------------------------------------------------------------------------------------------------


@login_required
@require_http_methods(METHODS)
def ask_price(request: SignedInRequest, reference: str) -> HttpResponse:
    """Ask the provider of a plan (``?plan=`` and a workload) for its price, as a line of the request."""
    resource_request = to_edit(request.user, reference)
    if closed := closed_to(request, resource_request):
        return closed
    plan = _plan_or_404(request.GET.get("plan", ""))
    line = next((each for each in resource_request.lines.all() if each.plan_id == plan.pk), None)
    try:
        workload = Workload.from_json(line.workload) if line else Workload.from_params(request.GET.dict())
    except InvalidInput:
        workload = Workload()
    form = AskForm(posted(request), initial={"months": workload.months, "shares_case": False})
    if form.is_valid():
        given = form.cleaned_data
        try:
            quotation = quotations.ask(
                resource_request,
                plan=plan,
                workload=Workload.from_params({**workload.as_params(), "months": str(given["months"])}),
                words=given["words"],
                work_days=given["work_days"] or 0,
                shares_case=given["shares_case"],
                by=request.user,
                at=timezone.now(),
            )
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            said = _("%(provider)s is asked for a price. It promises an answer by %(day)s.")
            words = {"provider": plan.offering.platform.provider, "day": date_format(quotation.answer_by)}
            messages.success(request, said % words)
            return redirect("request_edit_platforms", resource_request.reference)
    context = {
        "resource_request": resource_request,
        "plan": plan,
        "provider": plan.offering.platform.provider,
        "form": form,
        "workload": workload.summary,
    }
    return TemplateResponse(request, "requests/quotations/ask.html", context, status=422 if form.errors else 200)


def _plan_or_404(chosen: str) -> Plan:
    """Also one that is not offered any more: the action refuses it, and says so."""
    return get_object_or_404(
        Plan.objects.select_related("offering__platform__provider"),
        pk=chosen if chosen.isascii() and chosen.isdecimal() and len(chosen) < 19 else None,
    )


# --- the list and the page -------------------------------------------------------------------------------------------


@login_required
@require_safe
def quotation_list(request: SignedInRequest) -> HttpResponse:
    """All that one may see, those that the reader can act on first."""
    seen = _of(request.user)
    page = paginate(request, seen.order_by("status", "answer_by", "pk"), count=seen.count())
    return TemplateResponse(request, "requests/quotations/list.html", {"page": page})


@login_required
@require_http_methods(METHODS)
def quotation_page(request: SignedInRequest, reference: str) -> HttpResponse:
    """What was asked and what was answered. A POST is the provider's price."""
    page_opened(request)
    quotation = get_object_or_404(_of(request.user), reference=reference)
    files = request.FILES if request.method == "POST" else None
    form = AnswerForm(posted(request), files, records=_records(quotation, request.user))
    lines = _Lines(posted(request), initial=_first_lines(quotation), prefix="lines")
    if request.method == "POST" and all([form.is_valid(), lines.is_valid()]):
        try:
            _answer(request, quotation, form, lines)
        except Refused as refusal:
            _add_refusal(form, lines, refusal)
        else:
            messages.success(
                request,
                _("The project has your price of %(amount)s credits.") % {"amount": amount_text(quotation.total)},
            )
            return redirect("quotation", reference)
    return _page(request, reference, form, lines)


@login_required
@require_POST
def quotation_step(request: SignedInRequest, reference: str, step: str) -> HttpResponse:
    """Accept it, ask for something else, take the question back, or (the provider) decline."""
    quotation = get_object_or_404(_of(request.user), reference=reference)
    reason = request.POST.get("reason", "")
    take: dict[str, Callable[[], object]] = {
        "accept": lambda: quotations.accept(quotation, by=request.user, at=timezone.now()),
        "ask_back": lambda: quotations.ask_back(quotation, note=reason, by=request.user, at=timezone.now()),
        "decline": lambda: quotations.decline(quotation, reason=reason, by=request.user, at=timezone.now()),
    }
    if step not in take:
        raise Http404
    try:
        take[step]()
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{quotation}: {quotation.get_status_display()}")
    return redirect("quotation", reference)


@login_required
@require_safe
def quotation_document(request: SignedInRequest, reference: str, pk: int) -> HttpResponse:
    """A file of the quotation, always as a download."""
    quotation = get_object_or_404(_of(request.user), reference=reference)
    attachment = get_object_or_404(Attachment, quotation=quotation, pk=pk)
    response = HttpResponse(bytes(attachment.content), content_type="application/octet-stream")
    # The name was made of letters, digits and a few signs when the file was kept.
    response["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(attachment.name, safe='')}"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _of(user: User) -> QuerySet[Quotation]:
    seen = Quotation.objects.visible_to(user)
    return seen.select_related(
        "plan__offering__platform__provider",
        "resource_request__project__organisation",
        "resource_request__call",
        "asked_by__organisation",
        "answered_by",
    )


def _answer(request: SignedInRequest, quotation: Quotation, form: AnswerForm, lines: BaseFormSet[LineForm]) -> None:
    file = form.cleaned_data["document"]
    quotations.answer(
        quotation,
        lines=[each.line for each in lines if each.line is not None],
        valid_until=form.cleaned_data["valid_until"],
        conditions=form.cleaned_data["conditions"],
        document=attachments.checked(file.name, file) if file else None,
        by=request.user,
        at=timezone.now(),
    )


def _add_refusal(form: AnswerForm, lines: BaseFormSet[LineForm], refusal: Refused) -> None:
    """Beside the field of the line that is at fault: lines that were left empty are not counted."""
    if refusal.field and refusal.field.startswith("lines."):
        _word, number, field = refusal.field.split(".")
        filled = [each for each in lines if each.line is not None]
        filled[int(number)].add_error(field, refusal.message)
        form.add_error(None, refusal.message)
        return
    add_refusal(form, refusal)


def _first_lines(quotation: Quotation) -> list[dict[str, Any]]:
    """Of the price that was given, or else of the plan's components and the workload."""
    if quotation.quote:
        return [
            {
                "label": line.label,
                "metric": line.metric,
                "quantity": line.quantity,
                "price": f"{as_credits(int(line.micro_per_unit)).normalize():f}",
            }
            for line in Quote.from_json(quotation.quote).lines
        ]
    workload = Workload.from_json(quotation.workload)
    components = catalogue.components_on([quotation.plan_id], quotation.asked_at.date()).get(quotation.plan_id, ())
    lines: list[dict[str, Any]] = [
        {"label": each.name, "metric": each.metric, "quantity": workload.quantity(each.metric)} for each in components
    ]
    if quotation.work_days:
        label = ngettext("%(count)d day of work", "%(count)d days of work", quotation.work_days)
        lines.append(
            {
                "label": label % {"count": quotation.work_days},
                "metric": Metric.ONE_TIME,
                "quantity": quotation.work_days,
            }
        )
    return lines


def _records(quotation: Quotation, user: User) -> bool:
    """Whether an answer of this person would be one that the provider gave elsewhere."""
    return not quotation.provider_scope & user.grants.provider_roles.keys()


def _page(request: SignedInRequest, reference: str, form: AnswerForm, lines: BaseFormSet[LineForm]) -> HttpResponse:
    # Anew: what a refused action changed in memory was never stored.
    quotation = get_object_or_404(_of(request.user), reference=reference)
    user, resource_request = request.user, quotation.resource_request
    steps = {step.name for step in QUOTATION.open_to(quotation, by=user)}
    workload = Workload.from_json(quotation.workload)
    sees_request = resource_request.status != "draft" and user.may(Permission.REQUEST_VIEW, resource_request)
    project = resource_request.project
    facts = [
        {"label": _("Plan"), "value": quotation.plan},
        {"label": _("Workload"), "value": workload.summary},
        {"label": _("Project"), "value": project},
        {"label": _("Organisation"), "value": (project.organisation if project else None) or _("not stated")},
    ]
    if resource_request.starts_on:
        facts.append({"label": _("From"), "value": date_format(resource_request.starts_on)})
    if quotation.work_days:
        facts.append({"label": _("Days of work"), "value": quotation.work_days})
    context = {
        "quotation": quotation,
        "facts": facts,
        "sees_request": sees_request or user.may(Permission.REQUEST_EDIT, quotation),
        "case": resource_request.science_case if quotation.shares_case else "",
        "price": Quote.from_json(quotation.quote) if quotation.quote else None,
        "is_open": quotation.status == QuotationStatus.ASKED,
        "may_answer": "answer" in steps,
        "may_accept": "accept" in steps,
        "records": "answer" in steps and _records(quotation, user),
        "form": form,
        "lines": lines,
        "note_form": NoteForm(),
        "documents": quotation.attachments.defer("content"),
        "past": timeline(history_of(quotation)),
    }
    is_refused = bool(form.errors) or (lines.is_bound and not lines.is_valid())
    return TemplateResponse(request, "requests/quotations/page.html", context, status=422 if is_refused else 200)
