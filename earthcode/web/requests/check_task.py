"""The task "Check and submit": all that ESA will see, what is missing, and the button."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from earthcode.catalogue.pricing import Quote, Workload
from earthcode.identity.models import User
from earthcode.lib.errors import NotPermitted, Refused
from earthcode.lib.money import amount_text
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship import checks
from earthcode.sponsorship.actions import Incomplete, NotEditable
from earthcode.sponsorship.lifecycle import RESOURCE_REQUEST
from earthcode.sponsorship.models import Call, Outcome, RequestStatus, ResourceRequest
from earthcode.web.catalogue.workload import workload_words
from earthcode.web.parts.form_errors import add_refusal, posted
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.requests.answers import keep_answer, kept_answer
from earthcode.web.requests.editing import METHODS, answer, closed_to, go_on, to_edit
from earthcode.web.requests.forms import (
    ANSWER_CHARACTERS_MAX,
    DeclarationsForm,
)
from earthcode.web.requests.words import leader_of, sent_words


@login_required
@require_http_methods(METHODS)
def check_task(request: SignedInRequest, reference: str) -> HttpResponse:
    """Everything once more, what ESA will see, and one button."""
    resource_request = to_edit(request.user, reference)
    if closed := closed_to(request, resource_request):
        return closed
    form = DeclarationsForm(
        posted(request),
        initial={
            "non_commercial": resource_request.non_commercial,
            "no_provider_tie": resource_request.no_provider_tie,
            "will_publish": resource_request.will_publish,
            "answer": kept_answer(request, reference),
        },
        # A question is answered by sending the request again.
        asks_answer=resource_request.status == RequestStatus.INFO_NEEDED,
    )
    if "call" in request.POST:
        return _choose_call(request, resource_request)
    if "then" in request.POST:
        return _leave_check(request, resource_request)
    if form.is_valid():
        try:
            _send(resource_request, **form.cleaned_data, by=request.user)
        except NotEditable as refusal:
            # The button was pressed twice, or somebody else sent it.
            messages.error(request, refusal.message)
            return redirect("request", reference)
        except Incomplete as refusal:
            for each in refusal.missing:
                form.add_error(each.field if each.field in form.fields else None, each.sentence)
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            keep_answer(request, reference, "")
            messages.success(request, sent_words(resource_request))
            return redirect(resource_request)
        # What the refused action changed in memory was never stored.
        resource_request = to_edit(request.user, reference)
    return answer(request, "edit_check", resource_request, _to_check(request.user, resource_request, form))


def _choose_call(request: SignedInRequest, resource_request: ResourceRequest) -> HttpResponse:
    """The applicant's own choice; empty: the call that fits best."""
    call = Call.objects.filter(slug=request.POST["call"][:60]).first() if request.POST["call"] else None
    try:
        sponsorship.save_call(resource_request, call=call, by=request.user, at=timezone.now())
    except Refused as refusal:
        messages.error(request, refusal.message)
    return redirect("request_edit_check", resource_request.reference)


def _leave_check(request: SignedInRequest, resource_request: ResourceRequest) -> HttpResponse:
    """What was ticked and answered is kept while something else is changed."""
    keep_answer(request, resource_request.reference, request.POST.get("answer", "")[:ANSWER_CHARACTERS_MAX])
    ticked = {name: bool(request.POST.get(name)) for name in ("non_commercial", "no_provider_tie", "will_publish")}
    try:
        sponsorship.save_declarations(resource_request, **ticked, by=request.user, at=timezone.now())
    except Refused as refusal:
        messages.error(request, refusal.message)
        return redirect(resource_request)
    return go_on(request, resource_request)


@transaction.atomic
def _send(resource_request: ResourceRequest, *, answer: str = "", by: User, **declarations: bool) -> None:
    """Declare and submit, or neither: a request that was not sent keeps the declarations it had."""
    now = timezone.now()
    sponsorship.save_declarations(resource_request, **declarations, by=by, at=now)
    sponsorship.submit(resource_request, by=by, at=now, answer=answer)


def _to_check(user: User, resource_request: ResourceRequest, form: DeclarationsForm) -> dict[str, Any]:
    today = timezone.localdate()
    call = checks.call_for(resource_request, on=today)
    asked = sum(line.amount for line in resource_request.lines.all())
    missing = [each for each in checks.missing_from(resource_request) if each.task != "check"]
    if call is not None and (too_long := checks.too_long_for(resource_request, call)):
        missing.append(too_long)
    findings = checks.findings_for(resource_request, call, on=today) if call and not missing else []
    if resource_request.submitted_at is None:
        # The box below is not answered yet: that is no finding.
        findings = [each for each in findings if each.code != "publication" or each.outcome == Outcome.PASS]
    refusal = RESOURCE_REQUEST.refusal(resource_request, "submit", by=user)
    return {
        "form": form,
        "rows": _rows(resource_request),
        "lines": [
            {
                "label": line.plan,
                "detail": workload_words(Workload.from_json(line.workload), Quote.from_json(line.quote)),
                "amount": line.amount if line.is_priced else None,
            }
            for line in resource_request.lines.all()
        ],
        "asked": asked,
        "call": call,
        "why_call": _why(resource_request, call, asked) if call else "",
        "other_calls": [
            fit
            for fit in ([] if resource_request.frozen_rules else checks.fits_for(resource_request, on=today))
            if call is None or fit.call.pk != call.pk
        ],
        "missing": missing,
        "findings": findings,
        "fails": any(each.outcome == Outcome.FAIL for each in findings),
        "missing_links": [
            {"url": reverse(f"request_edit_{each.task}", args=[resource_request.reference]), "sentence": each.sentence}
            for each in missing
        ],
        "may_send": refusal is None and call is not None and not missing,
        "refusal": _cannot_send(resource_request, refusal),
    }


def _cannot_send(resource_request: ResourceRequest, refusal: Refused | None) -> str:
    """Why there is no button."""
    leader = leader_of(resource_request)
    if isinstance(refusal, NotPermitted) and leader is not None:
        return _("%(leader)s leads the project and submits its requests.") % {"leader": leader}
    if refusal is not None:
        return refusal.message
    return _("The request can be sent when nothing is missing and a call is open.")


def _rows(resource_request: ResourceRequest) -> list[dict[str, Any]]:
    def url(name: str) -> str:
        return reverse(f"request_edit_{name}", args=[resource_request.reference])

    starts_on = resource_request.starts_on
    project = resource_request.project
    people = ", ".join(str(each.user) for each in project.memberships.all()) if project else ""
    return [
        {"label": _("Title"), "value": resource_request.title, "url": url("project"), "then": "project"},
        {"label": _("Project"), "value": project, "url": url("project"), "then": "project"},
        {"label": _("Team"), "value": people},
        {
            "label": _("First day"),
            "value": date_format(starts_on) if starts_on else "",
            "url": url("period"),
            "then": "period",
        },
    ]


def _why(resource_request: ResourceRequest, call: Call, asked: int) -> str:
    if resource_request.frozen_rules:
        return _("%(call)s asked the question, so the request stays with it.") % {"call": call.title}
    if resource_request.call_id == call.pk:
        return _("You chose %(call)s.") % {"call": call.title}
    words = {"call": call.title, "asked": amount_text(asked), "ceiling": amount_text(call.ceiling)}
    if asked > call.ceiling:
        return _("%(call)s is the open call that gives most for one request: %(ceiling)s credits.") % words
    return (
        _(
            "%(call)s is the smallest open call that covers %(asked)s credits; it gives up to %(ceiling)s for one request."
        )
        % words
    )
