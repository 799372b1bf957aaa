"""Awards: what became of their credits, and using what is free of them on another platform."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.ledger import chart
from earthcode.ledger import queries as books
from earthcode.ledger.kinds import EntryKind
from earthcode.lib.errors import Refused
from earthcode.lib.money import amount_text, credits
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning.models import Allocation
from earthcode.provisioning.queries import allocations_visible_to
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import Award
from earthcode.sponsorship.queries import FreeCredits, free_credits
from earthcode.web.parts.allocation_rows import rows_of
from earthcode.web.parts.form_errors import add_refusal, posted
from earthcode.web.parts.forms import Form
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.parts.statement import Statement, statement_page
from earthcode.web.requests.wanted import Wanted, wanted_by

#: Lines of a statement on one page.
LINES_PER_PAGE = 25
#: Allocations on the award's page; the list of allocations has them all.
ALLOCATIONS_SHOWN = 10


# --- one award -------------------------------------------------------------------------------------------------------


@login_required
@require_safe
def award(request: SignedInRequest, reference: str) -> HttpResponse:
    """What was granted, where it is now, and every entry of its account."""
    found = _visible(request.user, reference)
    accounts = chart.award_accounts(found.reference)
    has = books.award_balances([found.reference])[found.reference]
    free = has.available
    allocations = allocations_visible_to(request.user).filter(award=found).select_related("award__resource_request")
    # One more than is shown tells whether there are more.
    shown = list(allocations.order_by("-created_at", "-pk")[: ALLOCATIONS_SHOWN + 1])
    today = timezone.localdate()
    return TemplateResponse(
        request,
        "projects/awards/award.html",
        {
            "award": found,
            "figures": [
                {
                    "label": _("Free"),
                    "value": amount_text(free),
                    "note": _("of %(credits)s granted") % {"credits": amount_text(found.amount)},
                    "main": True,
                },
                {"label": _("Set aside"), "value": amount_text(has.held), "note": _("for its allocations")},
                {"label": _("Used"), "value": amount_text(has.used), "note": _("as platforms report it")},
                {"label": _("Until"), "value": date_format(found.ends_on), "note": ""},
            ],
            "may_see_request": request.user.may(Permission.REQUEST_VIEW, found),
            "may_use": free > 0 and today <= found.ends_on and request.user.may(Permission.ALLOCATION_PLACE, found),
            "free": free,
            "rows": rows_of(shown[:ALLOCATIONS_SHOWN], today=today),
            "more_allocations": len(shown) > ALLOCATIONS_SHOWN,
            "statement": _statement(request, accounts.available),
        },
    )


def _statement(request: SignedInRequest, account: str) -> Statement:
    """The award's entries in the words of the project: what came from where, what went to which allocation."""
    statement = statement_page(request, account, limit=LINES_PER_PAGE)
    holds = {line.hold_id for line in statement.lines if line.hold_id is not None}
    references = dict(Allocation.objects.filter(hold_id__in=holds).values_list("hold_id", "reference"))
    statement.rows = [_row(line, references) for line in statement.lines]
    return statement


def _row(line: books.StatementLine, references: dict[int, str]) -> dict[str, object]:
    allocation = references.get(line.hold_id or 0, "")
    words = {
        EntryKind.AWARD: _("Granted by ESA"),
        EntryKind.RETURN: _("Returned to the call"),
        EntryKind.LAPSE: _("Went back to the call: the award is over"),
        EntryKind.REPAY: _("Paid for usage beyond what was set aside"),
        EntryKind.TRANSFER: _("From another award") if line.change > 0 else _("To another award"),
        EntryKind.HOLD: _("Set aside for %(allocation)s"),
        EntryKind.CAPTURE: _("Not needed by %(allocation)s"),
        EntryKind.RELEASE: _("Returned by %(allocation)s"),
        EntryKind.EXPIRE: _("Returned by %(allocation)s: the time for reporting usage is over"),
        EntryKind.REFUND: _("Refund for %(allocation)s"),
        EntryKind.REVERSE: _("Correction"),
    }
    text = words.get(line.kind, str(line.kind.label).capitalize()) % {"allocation": allocation or _("an allocation")}
    return {
        "on": timezone.localtime(line.effective_at).date(),
        "text": f"{text}: {line.reason}" if line.reason else text,
        "reference": _("Entry %(number)d") % {"number": line.entry_id},
        "amount": line.change,
        "balance": line.balance,
    }


def _visible(user: User, reference: str) -> Award:
    found = Award.objects.visible_to(user).select_related("call", "project", "resource_request__project")
    return get_object_or_404(found, reference=reference)


# --- to another award of the project ---------------------------------------------------------------------------------


class MoveCreditsForm(Form):
    """How many credits go to which award. ``key`` makes sending it twice the same as once."""

    target = forms.ModelChoiceField(
        queryset=Award.objects.none(), label=gettext_lazy("To"), widget=forms.RadioSelect, empty_label=None
    )
    amount = forms.DecimalField(
        label=gettext_lazy("How many"),
        min_value=Decimal("0.000001"),
        max_digits=15,
        decimal_places=6,
        widget=forms.NumberInput(attrs={"data-unit": "credits"}),
    )
    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, others: QuerySet[Award], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chooser = self.fields["target"]
        assert isinstance(chooser, forms.ModelChoiceField)
        chooser.queryset = others


def _others(award: Award, *, by: User, on: date) -> QuerySet[Award]:
    """Awards that credits of this one can go to: of the same project and call, and ending no later."""
    if not by.may(Permission.ALLOCATION_PLACE, award):
        return Award.objects.none()
    same = Award.objects.filter(project=award.project_id, call=award.call_id).exclude(pk=award.pk)
    return same.filter(ends_on__gte=on, ends_on__lte=award.ends_on).order_by("ends_on", "pk")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def move_credits(request: SignedInRequest, reference: str) -> HttpResponse:
    """Free credits of one award, to pay for something from another."""
    source = _visible(request.user, reference)
    now = timezone.now()
    others = _others(source, by=request.user, on=now.date())
    free = books.balance(chart.award_accounts(source.reference).available)
    form = MoveCreditsForm(posted(request), others=others, initial={"key": uuid.uuid4()})
    if form.is_valid():
        target, amount = form.cleaned_data["target"], credits(form.cleaned_data["amount"])
        try:
            sponsorship.move_credits(source, target, amount, key=form.cleaned_data["key"], by=request.user, at=now)
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            said = _("%(credits)s credits are in %(award)s now.")
            messages.success(request, said % {"credits": amount_text(amount), "award": target})
            return redirect("award", target.reference)
    context = {"award": source, "form": form, "free": free, "any": others.exists()}
    return TemplateResponse(request, "projects/awards/move.html", context, status=422 if form.errors else 200)


# --- using what is free ----------------------------------------------------------------------------------------------


class UseCreditsForm(Form):
    """From which award, at the price that the page showed. ``key`` makes sending it twice the same as once."""

    award = forms.ChoiceField(label=gettext_lazy("Pay from"), widget=forms.RadioSelect)
    amount = forms.IntegerField(widget=forms.HiddenInput)
    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, choices: Sequence[FreeCredits], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.awards = {each.award.reference: each.award for each in choices}
        chooser = self.fields["award"]
        assert isinstance(chooser, forms.ChoiceField)
        chooser.choices = [
            (
                each.award.reference,
                _("%(reference)s, %(project)s: %(free)s credits free until %(day)s")
                % {
                    "reference": each.award.reference,
                    "project": each.award.project,
                    "free": amount_text(each.free),
                    "day": date_format(each.award.ends_on),
                },
            )
            for each in choices
        ]

    def clean_award(self) -> Award:
        return self.awards[self.cleaned_data["award"]]


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def use_credits(request: SignedInRequest) -> HttpResponse:
    """Pay for a plan (``?plan=`` and a workload) with credits that an award has free: no request, no waiting."""
    now = timezone.now()
    wanted = wanted_by(request, on=now.date())
    if wanted and (placed := _placed(request, wanted)):
        # Before what is free is looked at: the first of two equal clicks has taken it.
        return redirect(placed)
    choices = free_credits(request.user, on=now.date())
    cost = wanted.quote.total if wanted and wanted.quote else 0
    enough = [each for each in choices if each.free >= cost]
    form = UseCreditsForm(posted(request), choices=enough, initial=_likely(request, enough, cost))
    if wanted and wanted.quote and form.is_valid():
        try:
            allocation = _exchange(wanted, form.cleaned_data, by=request.user)
        except Refused as refusal:
            # The next attempt is at the price that this page shows.
            form.data = request.POST.dict() | {"amount": str(cost)}
            form.add_error(None, refusal.message)
        else:
            said = _("%(credits)s credits are set aside. Access is being set up.")
            messages.success(request, said % {"credits": amount_text(allocation.amount)})
            return redirect(allocation)
    return TemplateResponse(
        request,
        "projects/awards/use.html",
        {
            "form": form,
            "wanted": wanted,
            "choices": choices,
            "enough": enough,
            "most": max((each.free for each in choices), default=0),
            "request_query": urlencode({"plan": str(wanted.plan.pk), **wanted.workload.as_params()}) if wanted else "",
        },
        status=422 if form.errors else 200,
    )


def _placed(request: SignedInRequest, wanted: Wanted) -> Allocation | None:
    """What this form has made already, of the same plan and workload."""
    try:
        key = uuid.UUID(request.POST.get("key", ""))
    except ValueError:
        return None
    same = {"key": key, "plan": wanted.plan, "workload": wanted.workload.as_json()}
    return Allocation.objects.visible_to(request.user).filter(**same).first()


def _exchange(wanted: Wanted, answers: dict[str, Any], *, by: User) -> Allocation:
    return provisioning.exchange(
        answers["award"],
        wanted.plan,
        wanted.workload,
        expected=answers["amount"],
        key=answers["key"],
        by=by,
        at=timezone.now(),
    )


def _likely(request: SignedInRequest, enough: Sequence[FreeCredits], cost: int) -> dict[str, object]:
    """The award of the link that led here, else the one that ends first: its credits are lost first."""
    named = request.GET.get("award", "")
    references = [each.award.reference for each in enough]
    chosen = named if named in references else references[0] if references else ""
    return {"award": chosen, "amount": cost, "key": uuid.uuid4()}
