"""One resource request, for the people who ask: what was asked, where it is, who acts next, what became of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Prefetch, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from earthcode.audit.queries import history_of
from earthcode.catalogue.pricing import Quote, Workload
from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.lib.errors import Refused
from earthcode.lifecycle import Group
from earthcode.provisioning import actions as provisioning
from earthcode.science.models import Record
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.lifecycle import RESOURCE_REQUEST
from earthcode.sponsorship.models import Decision, DecisionKind, RequestLine, RequestStatus, ResourceRequest
from earthcode.sponsorship.queries import with_versions
from earthcode.web.catalogue.workload import workload_words
from earthcode.web.parts.form_errors import add_refusal
from earthcode.web.parts.opened import page_opened
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.parts.timeline import timeline
from earthcode.web.requests.answers import keep_answer, kept_answer
from earthcode.web.requests.forms import ANSWER_CHARACTERS_MAX, AnswerForm, EndorsementForm
from earthcode.web.requests.run import run_of
from earthcode.web.requests.words import coming, leader_of, members_in_order, people_of, sent_words, who_acts_next

_S = RequestStatus


#: Decisions that leave the request undecided.
_IN_BETWEEN = (DecisionKind.ASK, DecisionKind.FIRST)


@login_required
@require_safe
def request_page(request: SignedInRequest, reference: str) -> HttpResponse:
    """What was asked, where it stands, who acts next, what became of it."""
    page_opened(request)
    return _page(request, reference)


@login_required
@require_POST
def request_withdraw(request: SignedInRequest, reference: str) -> HttpResponse:
    resource_request = _visible(request, reference)
    return _act(
        request,
        resource_request,
        lambda: sponsorship.withdraw(resource_request, by=request.user, at=timezone.now()),
        done=_("%(reference)s was withdrawn. You can still read it here."),
    )


@login_required
@require_POST
def request_answer(request: SignedInRequest, reference: str) -> HttpResponse:
    """The reply to a question; it sends the request again."""
    resource_request = _visible(request, reference)
    form = AnswerForm(request.POST)
    if request.POST.get("do") == "change":
        # What is half typed is not lost to a look at the request: it is here, and where the request is sent, on return.
        if len(request.POST.get("answer", "")) <= ANSWER_CHARACTERS_MAX:
            keep_answer(request, reference, request.POST.get("answer", ""))
            return redirect("request_edit", reference)
    elif form.is_valid():
        try:
            sponsorship.submit(resource_request, by=request.user, at=timezone.now(), answer=form.cleaned_data["answer"])
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            keep_answer(request, reference, "")
            messages.success(request, sent_words(resource_request))
            return redirect(resource_request)
    return _page(request, reference, answer_form=form)


@login_required
@require_POST
def request_endorse(request: SignedInRequest, reference: str) -> HttpResponse:
    """The Technical Officer's word."""
    resource_request = _visible(request, reference)
    form = EndorsementForm(request.POST)
    if form.is_valid():
        try:
            sponsorship.endorse(resource_request, note=form.cleaned_data["note"], by=request.user, at=timezone.now())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("You endorsed %(reference)s.") % {"reference": reference})
            return redirect(resource_request)
    return _page(request, reference, endorsement_form=form)


@login_required
@require_POST
def request_accept(request: SignedInRequest, reference: str) -> HttpResponse:
    """Take the part that ESA offers."""
    resource_request = _visible(request, reference)
    return _act(
        request,
        resource_request,
        lambda: provisioning.accept_offer(resource_request, by=request.user, at=timezone.now()),
        done=_("The offer for %(reference)s is accepted. Access is being set up."),
    )


@login_required
@require_POST
def request_decline(request: SignedInRequest, reference: str) -> HttpResponse:
    """Turn the offer down."""
    resource_request = _visible(request, reference)
    reason = request.POST.get("reason", "")[:5000]
    return _act(
        request,
        resource_request,
        lambda: sponsorship.decline(resource_request, reason=reason, by=request.user, at=timezone.now()),
        done=_("The offer for %(reference)s is declined."),
    )


@login_required
@require_POST
def request_copy(request: SignedInRequest, reference: str) -> HttpResponse:
    """Use what was asked as a new draft."""
    resource_request = _visible(request, reference)
    try:
        draft = sponsorship.copy(resource_request, by=request.user, at=timezone.now())
    except Refused as refusal:
        messages.error(request, refusal.message)
        return redirect(resource_request)
    if left_out := RequestLine.objects.filter(resource_request=resource_request).exclude(
        plan__in=draft.lines.values("plan")
    ):
        words = _("These have no price today and were left out: %(plans)s.")
        messages.warning(request, words % {"plans": ", ".join(str(line.plan) for line in left_out)})
    return redirect("request_edit", draft.reference)


def _visible(request: SignedInRequest, reference: str) -> ResourceRequest:
    return get_object_or_404(ResourceRequest.objects.visible_to(request.user), reference=reference)


def _act(
    request: SignedInRequest, resource_request: ResourceRequest, action: Callable[[], object], *, done: str
) -> HttpResponse:
    """One button: say what was done, or why it was not."""
    try:
        action()
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, done % {"reference": resource_request.reference})
    return redirect(resource_request)


def _page(
    request: SignedInRequest,
    reference: str,
    *,
    answer_form: AnswerForm | None = None,
    endorsement_form: EndorsementForm | None = None,
) -> HttpResponse:
    user, today = request.user, timezone.localdate()
    # Read anew also after an action was refused: what it had changed in memory was never stored.
    resource_request = get_object_or_404(_to_show(ResourceRequest.objects.visible_to(user)), reference=reference)
    lines = list(resource_request.lines.all())
    award = getattr(resource_request, "award", None)
    allocations = [line.allocation for line in lines if hasattr(line, "allocation")]
    if award is not None:
        # Those of its lines, and what the project has paid with what was free.
        further = award.allocations.filter(line=None).select_related("platform", "plan__offering").order_by("pk")
        allocations += further
    steps = {step.name for step in RESOURCE_REQUEST.open_to(resource_request, by=user)}
    decisions = list(resource_request.decisions.all())
    context = {
        "resource_request": resource_request,
        "is_own": resource_request.project_id in user.grants.project_roles or resource_request.project_id is None,
        "may_edit": resource_request.may_be_edited_by(user),
        "steps": steps,
        "lines": [_line_to_show(line) for line in lines],
        "allocations": allocations,
        "sees_allocations": user.may(Permission.ALLOCATION_VIEW, resource_request),
        "award": award,
        "decision": next((each for each in reversed(decisions) if each.kind not in _IN_BETWEEN), None),
        "offer": [
            {"line": line, "offered": line.offered, "less": line.amount - (line.offered or 0)}
            for line in lines
            if line.offered is not None
        ],
        "question": decisions[-1] if decisions and resource_request.status == _S.INFO_NEEDED else None,
        "next": who_acts_next(resource_request, allocations, user=user, today=today),
        "facts": _facts(resource_request),
        "coming": coming(resource_request),
        "past": timeline(history_of(resource_request, *allocations)),
        "may_copy": resource_request.status in _S.within(Group.OVER) and _writes_for_it(user, resource_request),
        "answer_form": answer_form or AnswerForm(initial={"answer": kept_answer(request, reference)}),
        "endorsement_form": endorsement_form or EndorsementForm(),
        # For the title of the page; and on top of it, where the form itself is not there any more.
        "form": answer_form or endorsement_form,
        "refused_form": (answer_form if "submit" not in steps else None)
        or (endorsement_form if "endorse" not in steps else None),
        "reviews": user.may(Permission.REQUEST_REVIEW)
        and resource_request.submitted_at is not None
        and resource_request.status != _S.WITHDRAWN,
        "sees_project": resource_request.project is not None and user.may(Permission.PROJECT_VIEW, resource_request),
        "people": people_of(resource_request),
    }
    refused = any(form is not None and form.errors for form in (answer_form, endorsement_form))
    return TemplateResponse(request, "requests/page.html", context, status=422 if refused else 200)


def _to_show(requests: QuerySet[ResourceRequest]) -> QuerySet[ResourceRequest]:
    lines = RequestLine.objects.select_related(
        "plan__offering__platform__provider", "allocation__platform", "allocation__plan__offering"
    )
    return requests.select_related(
        "project__organisation",
        "project__technical_officer",
        "call",
        "submitted_by",
        "created_by",
        "endorsement__by",
        "award",
    ).prefetch_related(
        Prefetch("lines", with_versions(lines)),
        Prefetch("decisions", Decision.objects.select_related("by")),
        members_in_order(),
        "checks",
    )


def _writes_for_it(user: User, resource_request: ResourceRequest) -> bool:
    if resource_request.project_id is None:
        return resource_request.created_by_id == user.pk
    return resource_request.project_id in user.grants.project_roles


def _line_to_show(line: RequestLine) -> dict[str, Any]:
    quote = Quote.from_json(line.quote)
    return {
        "line": line,
        "offering": line.plan.offering,
        "workload": workload_words(Workload.from_json(line.workload), quote),
        "quote": quote,
    }


def _facts(resource_request: ResourceRequest) -> list[dict[str, Any]]:
    run = run_of(resource_request.reference)
    return [
        {"label": _("Project"), "value": resource_request.project or _("Not chosen yet")},
        {"label": _("Led by"), "value": leader_of(resource_request) or resource_request.created_by},
        {"label": _("Call"), "value": resource_request.call or _("Chosen when it is sent")},
        {"label": _("Starts"), "value": resource_request.starts_on or _("Not chosen yet")},
        *([{"label": run.get_kind_display(), "value": _link_to(run)}] if run else []),
    ]


def _link_to(run: Record) -> SafeString:
    return format_html('<a href="{}">{}</a>', run.get_absolute_url(), run)
