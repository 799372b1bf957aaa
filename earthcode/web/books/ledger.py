"""The books, for those who answer for them: the trial balance, every account and its statement, also as CSV."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from earthcode.identity.roles import Permission
from earthcode.ledger import chart
from earthcode.ledger import queries as books
from earthcode.ledger.statement_files import as_csv
from earthcode.lib.money import amount_text
from earthcode.sponsorship.models import Award
from earthcode.web.parts.forms import Form
from earthcode.web.parts.lists import page_url
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.parts.statement import statement_page

ACCOUNTS_PER_PAGE = 25
LINES_PER_PAGE = 50


def _refuse_others(request: SignedInRequest) -> None:
    """What one may not see does not exist."""
    if not request.user.may(Permission.LEDGER_VIEW):
        raise Http404


def tabs_of(request: SignedInRequest, current: str) -> list[dict[str, object]]:
    """The two records that everything can be followed in, for who may read both; empty for others."""
    if not (request.user.may(Permission.AUDIT_VIEW) and request.user.may(Permission.LEDGER_VIEW)):
        return []
    labels = {"audit": gettext_lazy("Audit trail"), "ledger": gettext_lazy("Ledger")}
    return [
        {"label": label, "url": reverse(name), "count": None, "current": name == current}
        for name, label in labels.items()
    ]


# --- everything ------------------------------------------------------------------------------------------------------


@login_required
@require_safe
def ledger(request: SignedInRequest) -> HttpResponse:
    """The trial balance over everything, and the accounts; ``?q=`` for those whose code has these words in it."""
    _refuse_others(request)
    words = " ".join(request.GET.get("q", "").split())[:100]
    number = request.GET.get("page", "1")
    page = int(number) if number.isdecimal() and 0 < len(number) < 7 else 1
    found = books.accounts(words, offset=(max(page, 1) - 1) * ACCOUNTS_PER_PAGE, limit=ACCOUNTS_PER_PAGE + 1)
    return TemplateResponse(
        request,
        "books/ledger/ledger.html",
        {
            "tabs": tabs_of(request, "ledger"),
            "trial": books.trial_balance(),
            "verification": books.last_verification(),
            "q": words,
            "accounts": found[:ACCOUNTS_PER_PAGE],
            "next_url": page_url(request, page + 1) if len(found) > ACCOUNTS_PER_PAGE else "",
            "previous_url": page_url(request, page - 1) if page > 1 else "",
        },
    )


@login_required
@require_safe
def account(request: SignedInRequest, code: str) -> HttpResponse:
    """One account: what it has, and everything that came and went."""
    _refuse_others(request)
    found = books.account(code)
    if found is None:
        raise Http404
    statement = statement_page(request, code, limit=LINES_PER_PAGE)
    return TemplateResponse(
        request,
        "books/ledger/account.html",
        {
            "account": found,
            "figures": [
                {
                    "label": _("Balance"),
                    "value": amount_text(found.balance),
                    "note": _("credits, on the side that the account grows on"),
                    "main": True,
                }
            ],
            "statement": statement,
            "period": PeriodForm(),
            "csv_url": reverse("ledger_account_csv", args=[code]),
        },
    )


# --- statements as files ---------------------------------------------------------------------------------------------


class PeriodForm(Form):
    """The days that a file is about, both included; either may be left open."""

    since = forms.DateField(
        label=gettext_lazy("From"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    until = forms.DateField(
        label=gettext_lazy("Until"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    def clean(self) -> dict[str, Any]:
        answers = super().clean() or {}
        since, until = answers.get("since"), answers.get("until")
        if since and until and until < since:
            self.add_error("until", _("This is before the first day."))
        return answers


@login_required
@require_safe
def account_csv(request: SignedInRequest, code: str) -> HttpResponse | StreamingHttpResponse:
    """The statement of any account as CSV."""
    _refuse_others(request)
    if books.account(code) is None:
        raise Http404
    return statement_file(request, code, name=code.replace(chart.SEPARATOR, "-"))


@login_required
@require_safe
def award_csv(request: SignedInRequest, reference: str) -> HttpResponse | StreamingHttpResponse:
    """The statement of an award's free credits as CSV, for whoever sees the award."""
    award = get_object_or_404(Award.objects.visible_to(request.user), reference=reference)
    return statement_file(request, chart.award_accounts(award.reference).available, name=award.reference)


def statement_file(request: HttpRequest, code: str, *, name: str) -> HttpResponse | StreamingHttpResponse:
    """Sent while it is read, so that a statement of any length takes as little memory as a short one."""
    form = PeriodForm(request.GET)
    if not form.is_valid():
        return TemplateResponse(request, "books/ledger/period.html", {"form": form, "name": name}, status=422)
    since, until = form.cleaned_data["since"], form.cleaned_data["until"]
    lines = books.statement_lines(
        code,
        since=datetime.combine(since, time.min, tzinfo=UTC) if since else None,
        until=datetime.combine(until + timedelta(days=1), time.min, tzinfo=UTC) if until else None,
    )
    response = StreamingHttpResponse(as_csv(lines), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}-{timezone.now():%Y-%m-%d}.csv"'
    return response
