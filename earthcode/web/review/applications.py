"""Applications as ESA sees them: the list, and one of them with the evidence item by item and the decisions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.lib.errors import Refused
from earthcode.lifecycle import Group, WrongState
from earthcode.onboarding import actions as onboarding
from earthcode.onboarding.actions import TEXT_MAX
from earthcode.onboarding.lifecycle import APPLICATION, APPLICATION_ITEM
from earthcode.onboarding.models import Application, ApplicationItem, ApplicationStatus, ItemStatus
from earthcode.onboarding.queries import Runs, exchange, latest_runs, with_items
from earthcode.onboarding.requirements import Kind
from earthcode.web.parts.form_errors import add_refusal, posted
from earthcode.web.parts.forms import Form
from earthcode.web.parts.lists import paginate
from earthcode.web.parts.opened import page_opened
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.parts.statuses import Words
from earthcode.web.parts.timeline import timeline
from earthcode.web.provider.application import KINDS, answers_of, runs_in_order
from earthcode.web.review.queues import lists_for

_S = ApplicationStatus

#: Value of ``?state=`` → label, statuses, order.
PARTS: dict[str, tuple[Words, tuple[str, ...], tuple[str, ...]]] = {
    "": (gettext_lazy("To decide"), _S.within(Group.DECIDING), ("submitted_at", "pk")),
    "waiting": (gettext_lazy("Waiting for applicant"), _S.within(Group.ANSWERING), ("status_since", "pk")),
    "decided": (gettext_lazy("Decided"), _S.within(Group.IN_FORCE, Group.OVER), ("-status_since", "-pk")),
}


@dataclass(frozen=True)
class Choice:
    """Something that can be decided about the whole."""

    label: Words
    take: Callable[..., object]
    done: Words


DECISIONS: dict[str, Choice] = {
    "accept": Choice(
        gettext_lazy("Accept"),
        onboarding.accept,
        gettext_lazy("%(reference)s is accepted. %(organisation)s is a provider now."),
    ),
    "return": Choice(
        gettext_lazy("Return to the applicant"),
        onboarding.return_to_applicant,
        gettext_lazy("%(reference)s is back with the applicant."),
    ),
    "reject": Choice(gettext_lazy("Reject"), onboarding.reject, gettext_lazy("%(reference)s is rejected.")),
}


class CommentForm(Form):
    """A decision on one item; the fields of fourteen of them are on one page."""

    comment = forms.CharField(
        required=False,
        max_length=TEXT_MAX,
        label=gettext_lazy("Comment"),
        help_text=gettext_lazy("The applicant will see it. To return the item, say what is missing."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, code: str, data: Any = None) -> None:
        super().__init__(data, auto_id=f"{code}-%s")


class DecisionForm(Form):
    decision = forms.ChoiceField(
        choices=[(name, choice.label) for name, choice in DECISIONS.items()],
        label=gettext_lazy("Decision"),
        error_messages={"required": gettext_lazy("Choose what you decide.")},
    )
    reason = forms.CharField(
        max_length=TEXT_MAX,
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy("The applicant reads it."),
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": gettext_lazy("Enter a reason. The applicant will see it.")},
    )


@login_required
@require_safe
def applications(request: SignedInRequest) -> HttpResponse:
    """All that were sent, those to decide first."""
    _readers_only(request.user)
    sent = Application.objects.visible_to(request.user).filter(submitted_at__isnull=False)
    state = request.GET.get("state", "")
    state = state if state in PARTS else ""
    counts = sent.aggregate(
        **{f"of_{key}": Count("pk", filter=Q(status__in=statuses)) for key, (_l, statuses, _o) in PARTS.items()}
    )
    url = reverse("applications")
    _label, statuses, order = PARTS[state]
    rows = sent.filter(status__in=statuses).select_related("submitted_by").order_by(*order)
    rows = rows.annotate(
        accepted_count=Count("items", filter=Q(items__status=ItemStatus.ACCEPTED)),
        returned_count=Count("items", filter=Q(items__status=ItemStatus.RETURNED)),
    )
    page = paginate(request, rows, count=counts[f"of_{state}"])
    return TemplateResponse(
        request,
        "review/applications/list.html",
        {
            "lists": lists_for(request.user, "applications"),
            "page": page,
            "rows": [
                {
                    "application": each,
                    "kinds": ", ".join(str(KINDS[kind][0]) for kind in Kind if kind in each.kinds),
                    "asked": len(each.requirements),
                }
                for each in page
            ],
            "tabs": [
                {
                    "label": label,
                    "url": f"{url}?{urlencode({'state': key})}" if key else url,
                    "count": counts[f"of_{key}"],
                    "current": key == state,
                }
                for key, (label, _statuses, _order) in PARTS.items()
            ],
        },
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def review_application(request: SignedInRequest, reference: str) -> HttpResponse:
    """One application with its evidence, and the decision on the whole."""
    page_opened(request)
    application = _sent(request.user, reference)
    form = DecisionForm(posted(request))
    if form.is_valid():
        choice = DECISIONS[form.cleaned_data["decision"]]
        try:
            choice.take(application, reason=form.cleaned_data["reason"], by=request.user, at=timezone.now())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            words = {"reference": reference, "organisation": application.organisation_name}
            messages.success(request, str(choice.done) % words)
            return redirect("applications")
    return _page(request, _sent(request.user, reference), form=form if form.is_bound else None)


@login_required
@require_POST
def review_item(request: SignedInRequest, reference: str, code: str) -> HttpResponse:
    """Accept or return one item."""
    application = _sent(request.user, reference)
    if code not in {item.code for item in application.items_in_order()}:
        raise Http404
    take = {"accept": onboarding.accept_item, "return": onboarding.return_item}.get(request.POST.get("do", ""))
    if take is None:
        raise Http404
    form = CommentForm(code, request.POST)
    if form.is_valid():
        try:
            take(application, code, comment=form.cleaned_data["comment"], by=request.user, at=timezone.now())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            return redirect(f"{reverse('review_application', args=[reference])}#{code}")
    return _page(request, _sent(request.user, reference), item_form=(code, form))


def _readers_only(user: User) -> None:
    if not user.may(Permission.APPLICATION_VIEW):
        raise Http404


def _sent(user: User, reference: str) -> Application:
    _readers_only(user)
    sent = Application.objects.visible_to(user).filter(submitted_at__isnull=False)
    return get_object_or_404(with_items(sent), reference=reference)


def _page(
    request: SignedInRequest,
    application: Application,
    *,
    form: DecisionForm | None = None,
    item_form: tuple[str, CommentForm] | None = None,
) -> HttpResponse:
    user = request.user
    items = application.items_in_order()
    for item in items:
        item.application = application  # so that the lifecycle needs no query for each
    runs = latest_runs(items)
    refusals = {step: APPLICATION.refusal(application, step, by=user) for step in DECISIONS}
    may = [step for step, refusal in refusals.items() if refusal is None]
    refused = form or (item_form[1] if item_form else None)
    return TemplateResponse(
        request,
        "review/applications/one.html",
        {
            "application": application,
            "kinds": [KINDS[kind][0] for kind in Kind if kind in application.kinds],
            "items": [_item(item, runs, user=user, form=item_form) for item in items],
            "accepted": sum(item.status == ItemStatus.ACCEPTED for item in items),
            "decision_form": form or DecisionForm(),
            "options": [
                {
                    "value": step,
                    "label": DECISIONS[step].label,
                    "key": "",
                    "checked": form is not None and form["decision"].value() == step,
                }
                for step in may
            ],
            "why_not": list(
                dict.fromkeys(
                    refusal.message for refusal in refusals.values() if refusal and not isinstance(refusal, WrongState)
                )
            ),
            "only_reads": not user.may(Permission.APPLICATION_DECIDE),
            "may_check": user.may(Permission.APPLICATION_DECIDE) and any(runs.values()),
            "refused_form": refused,
            "past": timeline(exchange(application)),
        },
        status=422 if refused is not None and refused.errors else 200,
    )


def _item(
    item: ApplicationItem, runs: dict[int, Runs], *, user: User, form: tuple[str, CommentForm] | None
) -> dict[str, Any]:
    steps = {step.name for step in APPLICATION_ITEM.open_to(item, by=user)}
    own = form[1] if form and form[0] == item.code else CommentForm(item.code)
    return {
        "item": item,
        "requirement": item.requirement,
        "answers": answers_of(item),
        "runs": runs_in_order(item, runs),
        "steps": steps & {"accept", "return"},
        "form": own,
    }
