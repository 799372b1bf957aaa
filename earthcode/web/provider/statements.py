"""Statements: what a provider earned each month, on the way from issued to paid. Providers and ESA read the same page."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Sum
from django.db.models.functions import Coalesce
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from earthcode.identity.models import Organisation
from earthcode.identity.roles import Permission
from earthcode.ledger.statement_files import as_cell
from earthcode.lib.errors import Refused
from earthcode.lib.money import amount_text, as_credits
from earthcode.settlement import statements
from earthcode.settlement.models import Statement, StatementLine
from earthcode.settlement.statements import STATEMENT
from earthcode.web.parts.form_errors import add_refusal
from earthcode.web.parts.forms import Form
from earthcode.web.parts.lists import paginate
from earthcode.web.parts.signed_in import SignedInRequest

#: Lines that the page shows; all are in the download.
LINES_SHOWN = 500
#: The way of a statement, as the page shows it.
STAGES = ("issued", "agreed", "approved", "invoiced", "paid")


@login_required
@require_safe
def earnings(request: SignedInRequest) -> HttpResponse:
    """The provider's statements, the newest first, and what it has earned that is on none yet."""
    providers = request.user.grants.providers_with(Permission.STATEMENT_VIEW)
    if not providers:
        raise Http404
    found = Statement.objects.filter(provider__in=providers).select_related("call", "provider")
    # What is not agreed yet is owed as it was issued.
    sums = dict(found.order_by("status").values_list("status").annotate(total=Sum(Coalesce("agreed", "total"))))

    def sum_of(*statuses: str) -> str:
        return amount_text(sum(sums.get(each, 0) for each in statuses))

    accrued = [
        (call, amount)
        for provider in Organisation.objects.filter(pk__in=providers)
        for call, amount in statements.accrued_by_call(provider)
    ]
    context = {
        "page": paginate(request, found),
        "figures": [
            {
                "label": _("Earned, on no statement yet"),
                "value": amount_text(sum(amount for _call, amount in accrued)),
                "note": _("comes with the next statement"),
                "main": True,
            },
            {"label": _("To agree"), "value": sum_of("issued")},
            {"label": _("Agreed or approved"), "value": sum_of("agreed", "approved")},
            {"label": _("Invoiced"), "value": sum_of("invoiced")},
            {"label": _("Paid"), "value": sum_of("paid")},
        ],
    }
    return TemplateResponse(request, "provider/statements/list.html", context)


class InvoiceForm(Form):
    number = forms.CharField(
        label=gettext_lazy("Number of your invoice"),
        max_length=60,
        error_messages={"required": gettext_lazy("Give the number of your invoice.")},
    )


class PaymentForm(Form):
    paid_on = forms.DateField(
        label=gettext_lazy("Paid on"),
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages={"required": gettext_lazy("Give the day of the payment.")},
    )
    reference = forms.CharField(label=gettext_lazy("Reference of the payment"), max_length=100, required=False)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def statement(request: SignedInRequest, number: str) -> HttpResponse:
    """One statement with its lines and the one step that whoever reads it can take now."""
    found = _seen_by(request, number)
    step = next((each.name for each in STATEMENT.open_to(found, by=request.user) if each.name != "carry"), "")
    post = request.POST if request.method == "POST" else None
    form: Form | None = None
    errors: list[str] = []
    if step == "invoice":
        form = InvoiceForm(post)
    elif step == "pay":
        form = PaymentForm(post, initial={"paid_on": timezone.localdate()})
    if post is not None:
        if not step or post.get("step") != step:
            messages.error(request, _("This statement has moved on. Look at it again."))
            return redirect(found)
        if form is None or form.is_valid():
            try:
                _take(request, found, step, form.cleaned_data if form is not None else {})
            except Refused as refusal:
                if form is not None:
                    add_refusal(form, refusal)
                else:
                    errors = [refusal.message]
            else:
                messages.success(
                    request, _("Done: the statement is “%(status)s”.") % {"status": found.get_status_display()}
                )
                return redirect(found)
    lines = found.lines.select_related("allocation__award__project").order_by("place")
    context = {
        "statement": found,
        "lines": [(line, post.get(f"dispute_{line.place}", "") if post else "") for line in lines[:LINES_SHOWN]],
        "is_cut": found.lines.count() > LINES_SHOWN,
        "stages": _stages(found),
        "step": step,
        "form": form,
        "errors": errors,
        "back": _way_back(request),
        "disputed": sum(line.amount for line in lines if line.dispute),
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors or (form and form.errors) else HTTPStatus.OK
    return TemplateResponse(request, "provider/statements/statement.html", context, status=status)


def _way_back(request: SignedInRequest) -> tuple[str, str]:
    """The list that the statement is in, for whoever reads it."""
    if request.user.may(Permission.STATEMENT_VIEW):
        return reverse("statements"), _("Statements")
    return reverse("earnings"), _("Earnings")


def _seen_by(request: SignedInRequest, number: str) -> Statement:
    found = Statement.objects.visible_to(request.user).select_related("provider", "call", "first_approval")
    return get_object_or_404(found, number=number)


def _take(request: SignedInRequest, found: Statement, step: str, said: dict[str, Any]) -> None:
    now = timezone.now()
    match step:
        case "agree":
            typed = {place: request.POST.get(f"dispute_{place}", "").strip() for place in _places(found)}
            disputes = {place: reason for place, reason in typed.items() if reason}
            statements.answer(found, disputes, by=request.user, at=now)
        case "approve":
            statements.approve(found, by=request.user, at=now)
        case "invoice":
            statements.add_invoice(found, number=said["number"], by=request.user, at=now)
        case "pay":
            statements.record_payment(
                found, paid_on=said["paid_on"], reference=said["reference"], by=request.user, at=now
            )


def _places(found: Statement) -> list[int]:
    return list(found.lines.values_list("place", flat=True))


def _stages(found: Statement) -> list[dict[str, Any]]:
    if found.status == "carried":
        return []
    reached = STAGES.index(found.status)
    words = dict(zip(STAGES, (_("Issued"), _("Agreed"), _("Approved"), _("Invoiced"), _("Paid")), strict=True))
    return [
        {"label": words[name], "done": place <= reached, "now": place == reached} for place, name in enumerate(STAGES)
    ]


#: Columns of the download.
COLUMNS = (
    "statement",
    "line",
    "allocation",
    "kind",
    "component",
    "metric",
    "used_in",
    "quantity",
    "charged_quantity",
    "credits_per_unit",
    "credits",
    "charges",
    "dispute",
)


class _Echo:
    """A file for ``csv.writer`` that gives each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


@login_required
@require_safe
@never_cache
def statement_csv(request: SignedInRequest, number: str) -> StreamingHttpResponse:
    """The lines as a table, sent while they are read."""
    found = _seen_by(request, number)
    writer = csv.writer(_Echo())

    def rows() -> Iterator[str]:
        yield writer.writerow(COLUMNS)
        lines = StatementLine.objects.filter(statement=found).select_related("allocation").order_by("place")
        for line in lines.iterator(chunk_size=2_000):
            yield writer.writerow(
                (
                    found.number,
                    line.place,
                    line.allocation.reference,
                    line.kind,
                    as_cell(line.label),
                    line.metric,
                    f"{line.month:%Y-%m}",
                    f"{line.quantity.normalize():f}",
                    f"{line.charged.normalize():f}",
                    f"{(line.micro_per_unit / 10**6).normalize():f}",
                    f"{as_credits(line.amount).normalize():f}",
                    line.charges_count,
                    as_cell(line.dispute),
                )
            )

    return StreamingHttpResponse(
        rows(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{found.number}.csv"'},
    )
