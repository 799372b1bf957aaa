"""Filling in a request: a hub of five tasks, each on a page of its own and saved alone. The two large ones have modules."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from earthcode.lib.errors import Refused
from earthcode.lib.money import amount_text
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship import checks
from earthcode.sponsorship.lifecycle import RESOURCE_REQUEST
from earthcode.sponsorship.models import RequestLine, ResourceRequest
from earthcode.web.parts.form_errors import add_refusal, posted
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.parts.tasks import Task
from earthcode.web.requests.editing import METHODS, answer, closed_to, go_on, to_edit
from earthcode.web.requests.forms import (
    CaseForm,
    PeriodForm,
    ProjectTaskForm,
)
from earthcode.web.requests.run import case_beginning
from earthcode.web.requests.words import people_of


@login_required
@require_safe
def hub(request: SignedInRequest, reference: str) -> HttpResponse:
    """What is done, what is left."""
    resource_request = to_edit(request.user, reference)
    if closed := closed_to(request, resource_request):
        return closed
    tasks = _tasks(resource_request, today=timezone.localdate())
    return answer(
        request,
        "hub",
        resource_request,
        {
            "tasks": tasks,
            "done": sum(task.state == "completed" for task in tasks),
            "lines": resource_request.lines.all(),
            "shares": shares(resource_request.lines.all()),
            "may_withdraw": RESOURCE_REQUEST.refusal(resource_request, "withdraw", by=request.user) is None,
        },
    )


def shares(lines: Iterable[RequestLine]) -> list[dict[str, Any]]:
    """What each plan costs, for ``components/breakdown.html``."""
    return [{"label": line.plan, "amount": line.amount if line.is_priced else None} for line in lines]


def _tasks(resource_request: ResourceRequest, *, today: date) -> list[Task]:
    missing = {each.task for each in checks.missing_from(resource_request)}
    lines = resource_request.lines.all()
    reference = resource_request.reference

    def task(name: str, title: str, hint: str, *, doubtful: bool = False) -> Task:
        state = "not_started" if name in missing else "in_progress" if doubtful else "completed"
        return Task(title, reverse(f"request_edit_{name}", args=[reference]), state, hint)

    call = checks.call_for(resource_request, on=today)
    words = len(resource_request.science_case.split())
    limit = call.case_words_max if call else None
    starts_on = resource_request.starts_on
    tasks = [
        task("project", _("Project and team"), _team_hint(resource_request)),
        task("platforms", _("Platforms and cost"), _cost_hint(lines)),
        task(
            "period",
            _("Period"),
            _("From %(day)s") % {"day": date_format(starts_on)} if starts_on else _("When the work starts"),
            # A day that has passed since it was chosen.
            doubtful=starts_on is not None and starts_on < today,
        ),
        task("case", _("Science case"), _words_hint(words, limit), doubtful=limit is not None and words > limit),
    ]
    if all(each.state == "completed" for each in tasks):
        tasks.append(
            Task(
                _("Check and submit"),
                reverse("request_edit_check", args=[reference]),
                "not_started",
                _("Review, declare and submit"),
            )
        )
    else:
        tasks.append(Task(_("Check and submit"), "", "cannot_start", _("Opens when the rest is complete")))
    return tasks


def _team_hint(resource_request: ResourceRequest) -> str:
    project = resource_request.project
    if project is None:
        return _("Choose the project that asks")
    count = len(project.memberships.all())
    people = ngettext("%(count)d person", "%(count)d people", count) % {"count": count}
    return f"{project}, {people}"


def _cost_hint(lines: QuerySet[RequestLine]) -> str:
    if not lines:
        return _("Choose what to ask for")
    platforms = len({line.plan.offering.platform_id for line in lines})
    amount = amount_text(sum(line.amount for line in lines))
    words = ngettext("%(amount)s credits on %(count)d platform", "%(amount)s credits on %(count)d platforms", platforms)
    return words % {"amount": amount, "count": platforms}


def _words_hint(words: int, limit: int | None) -> str:
    if not words:
        return _("About 20 minutes, at most %(limit)d words") % {"limit": limit} if limit else _("About 20 minutes")
    if limit is None:
        return ngettext("%(count)d word", "%(count)d words", words) % {"count": words}
    return _("%(count)d of at most %(limit)d words") % {"count": words, "limit": limit}


# --- project and team ------------------------------------------------------------------------------------------------


@login_required
@require_http_methods(METHODS)
def project_task(request: SignedInRequest, reference: str) -> HttpResponse:
    resource_request = to_edit(request.user, reference)
    if closed := closed_to(request, resource_request):
        return closed
    form = ProjectTaskForm(
        posted(request),
        user=request.user,
        initial={"title": resource_request.title, "project": resource_request.project_id},
    )
    if form.is_valid():
        try:
            sponsorship.save_project(resource_request, **form.cleaned_data, by=request.user, at=timezone.now())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            return go_on(request, resource_request)
    people = people_of(resource_request) if resource_request.project else []
    return answer(request, "edit_project", resource_request, {"form": form, "people": people})


# --- period ----------------------------------------------------------------------------------------------------------


@login_required
@require_http_methods(METHODS)
def period_task(request: SignedInRequest, reference: str) -> HttpResponse:
    resource_request = to_edit(request.user, reference)
    if closed := closed_to(request, resource_request):
        return closed
    form = PeriodForm(posted(request), initial={"starts_on": resource_request.starts_on}, earliest=timezone.localdate())
    if form.is_valid():
        try:
            sponsorship.save_period(resource_request, **form.cleaned_data, by=request.user, at=timezone.now())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            return go_on(request, resource_request)
    return answer(request, "edit_period", resource_request, {"form": form, "periods": _periods(resource_request)})


def _periods(resource_request: ResourceRequest) -> list[dict[str, Any]]:
    """Until when each line runs, from the day that is stored."""
    starts_on = resource_request.starts_on
    return [
        {
            "label": line.plan,
            "value": ngettext("%(count)d month", "%(count)d months", line.months) % {"count": line.months},
            "ends_on": sponsorship.months_after(starts_on, line.months) if starts_on else None,
        }
        for line in resource_request.lines.all()
    ]


# --- science case ----------------------------------------------------------------------------------------------------


@login_required
@require_http_methods(METHODS)
def case_task(request: SignedInRequest, reference: str) -> HttpResponse:
    """Markdown; "Preview" shows it without saving."""
    resource_request = to_edit(request.user, reference)
    if closed := closed_to(request, resource_request):
        return closed
    beginning = "" if resource_request.science_case else case_beginning(resource_request.reference)
    form = CaseForm(posted(request), initial={"science_case": resource_request.science_case or beginning})
    preview = None
    if form.is_valid():
        if request.POST.get("do") == "preview":
            preview = form.cleaned_data["science_case"]
        else:
            try:
                sponsorship.save_case(resource_request, **form.cleaned_data, by=request.user, at=timezone.now())
            except Refused as refusal:
                add_refusal(form, refusal)
            else:
                return _after_the_case(request, resource_request)
    call = checks.call_for(resource_request, on=timezone.localdate())
    text = str(form["science_case"].value() or "")
    words = len(text.split())
    limit = call.case_words_max if call else None
    return answer(
        request,
        "edit_case",
        resource_request,
        {
            "form": form,
            "preview": preview,
            "is_begun": bool(beginning) and not form.is_bound,
            "call": call,
            "words": words,
            "limit": limit,
            "over": max(0, words - limit) if limit is not None else 0,
        },
    )


def _after_the_case(request: SignedInRequest, resource_request: ResourceRequest) -> HttpResponse:
    """On to the hub; a text that is too long to be sent is kept, and one stays with it."""
    call = checks.call_for(resource_request, on=timezone.localdate())
    if call is not None and (too_long := checks.too_long_for(resource_request, call)):
        words = _("The text is saved, but the request cannot be sent like this. %(what_to_do)s")
        messages.warning(request, words % {"what_to_do": too_long.sentence})
        return redirect("request_edit_case", resource_request.reference)
    return redirect("request_edit", resource_request.reference)
