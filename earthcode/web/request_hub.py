"""Filling in a request: a hub of five tasks, each on a page of its own and saved by itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from earthcode.catalogue import queries as catalogue
from earthcode.catalogue.models import Plan, Rate
from earthcode.catalogue.pricing import PARAMETERS, Quote, Workload
from earthcode.identity.models import User
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused
from earthcode.lib.money import as_text
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship import checks
from earthcode.sponsorship.actions import Incomplete, NotEditable
from earthcode.sponsorship.lifecycle import RESOURCE_REQUEST
from earthcode.sponsorship.models import Call, Outcome, RequestLine, RequestStatus, ResourceRequest
from earthcode.sponsorship.queries import lines_in_full
from earthcode.web.posting import add_refusal, posted
from earthcode.web.request_forms import (
    ANSWER_CHARACTERS_MAX,
    CaseForm,
    DeclarationsForm,
    LineForm,
    PeriodForm,
    ProjectTaskForm,
    workload_words,
)
from earthcode.web.requests import (
    keep_answer,
    kept_answer,
    leader_of,
    members_in_order,
    people_of,
    sent_words,
    wanted_by,
)
from earthcode.web.science_parts import case_beginning
from earthcode.web.signed_in import SignedInRequest
from earthcode.web.statuses import Words

_METHODS = ["GET", "HEAD", "POST"]


def _to_edit(user: User, reference: str) -> ResourceRequest:
    """The request with what every task shows of it; 404 for those who may not see it."""
    requests: QuerySet[ResourceRequest] = ResourceRequest.objects.visible_to(user).select_related(
        "project__organisation", "project__technical_officer", "call", "created_by"
    )
    return get_object_or_404(requests.prefetch_related(lines_in_full(), members_in_order()), reference=reference)


def _closed_to(request: SignedInRequest, resource_request: ResourceRequest) -> HttpResponse | None:
    """Where a reader goes who may see the request but not change it. What is posted is refused by the action itself."""
    if request.method == "POST" or resource_request.may_be_edited_by(request.user):
        return None
    messages.info(request, _("%(reference)s cannot be changed now.") % {"reference": resource_request.reference})
    return redirect(resource_request)


#: Tasks that a button of another task's form leads to, once that is saved.
_TASKS = ("project", "platforms", "period", "case")


def _go_on(request: SignedInRequest, resource_request: ResourceRequest) -> HttpResponse:
    """Where the button that saved a task leads (``then``): most lead back to the hub."""
    then = request.POST.get("then", "")
    if then in _TASKS:
        return redirect(f"request_edit_{then}", resource_request.reference)
    if then == "people" and resource_request.project is not None:
        return redirect(resource_request.project)
    if then == "new_project":
        return redirect("project_new")
    return redirect("request_edit", resource_request.reference)


#: Template → the task's name, and a sentence about it.
_HEADS: dict[str, tuple[Words, Words]] = {
    "edit_project": (
        gettext_lazy("Project and team"),
        gettext_lazy("Which work the credits are for, and who does it."),
    ),
    "edit_platforms": (
        gettext_lazy("Platforms and cost"),
        gettext_lazy(
            "What you need and on which platforms, at today's prices. Several platforms in one request are fine."
        ),
    ),
    "edit_period": (gettext_lazy("Period"), gettext_lazy("When the work starts.")),
    "edit_case": (gettext_lazy("Science case"), gettext_lazy("Why ESA should pay for it.")),
    "edit_check": (gettext_lazy("Check and send"), gettext_lazy("Look it over once more. ESA sees exactly this.")),
}


def _answer(
    request: SignedInRequest, name: str, resource_request: ResourceRequest, context: dict[str, Any]
) -> HttpResponse:
    form = context.get("form")
    task, intro = _HEADS.get(name, ("", ""))
    return TemplateResponse(
        request,
        f"requests/{name}.html",
        {"resource_request": resource_request, "task": task, "intro": intro, **context},
        status=422 if form is not None and form.errors else 200,
    )


# --- the hub ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """One row of ``components/task_list.html``."""

    title: str
    url: str
    state: str
    hint: str = ""


@login_required
@require_safe
def hub(request: SignedInRequest, reference: str) -> HttpResponse:
    """What is done, what is left."""
    resource_request = _to_edit(request.user, reference)
    if closed := _closed_to(request, resource_request):
        return closed
    tasks = _tasks(resource_request, today=timezone.localdate())
    return _answer(
        request,
        "hub",
        resource_request,
        {
            "tasks": tasks,
            "done": sum(task.state == "completed" for task in tasks),
            "lines": resource_request.lines.all(),
            "shares": _shares(resource_request.lines.all()),
            "may_withdraw": RESOURCE_REQUEST.refusal(resource_request, "withdraw", by=request.user) is None,
        },
    )


def _shares(lines: Iterable[RequestLine]) -> list[dict[str, Any]]:
    """What each plan costs, for ``components/breakdown.html``."""
    return [{"label": line.plan, "amount": line.amount} for line in lines]


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
                _("Check and send"),
                reverse("request_edit_check", args=[reference]),
                "not_started",
                _("Look it over, declare, send"),
            )
        )
    else:
        tasks.append(Task(_("Check and send"), "", "cannot_start", _("Opens when the rest is complete")))
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
    amount = as_text(sum(line.amount for line in lines))
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
@require_http_methods(_METHODS)
def project_task(request: SignedInRequest, reference: str) -> HttpResponse:
    resource_request = _to_edit(request.user, reference)
    if closed := _closed_to(request, resource_request):
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
            return _go_on(request, resource_request)
    people = people_of(resource_request) if resource_request.project else []
    return _answer(request, "edit_project", resource_request, {"form": form, "people": people})


# --- platforms and cost ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LineShown:
    """A line with its part of the form: the numbers of its workload."""

    line: RequestLine
    quote: Quote
    form: LineForm


@login_required
@require_http_methods(_METHODS)
def platforms_task(request: SignedInRequest, reference: str) -> HttpResponse:
    """The lines in one form, so that whatever is pressed keeps what was typed; or a plan to add (``?plan=``, workload)."""
    resource_request = _to_edit(request.user, reference)
    if closed := _closed_to(request, resource_request):
        return closed
    if request.method != "POST":
        return _platforms_page(request, resource_request)
    answer: HttpResponse | dict[int, LineForm]
    if "plan" in request.POST:
        answer = _add_line(request, resource_request, _plan_or_404(request.POST["plan"]))
    else:
        answer = _save_lines(request, resource_request)
    if isinstance(answer, HttpResponse):
        return answer
    return _platforms_page(request, _to_edit(request.user, reference), answer)


def _plan_or_404(chosen: str) -> Plan:
    """Also one that is not offered any more: the action refuses it, and says so."""
    return get_object_or_404(
        Plan.objects.select_related("offering__platform__provider"),
        pk=chosen if chosen.isascii() and chosen.isdecimal() and len(chosen) < 19 else None,
    )


def _add_line(
    request: SignedInRequest, resource_request: ResourceRequest, plan: Plan
) -> HttpResponse | dict[int, LineForm]:
    """Add a plan, or ask for one that is there already with other numbers; the form where that was refused."""
    now = timezone.now()
    line = next((each for each in resource_request.lines.all() if each.plan_id == plan.pk), None)
    wanted = wanted_by(request, on=now.date())
    workload = Workload.from_json(line.workload) if line else wanted.workload if wanted else Workload()
    components = catalogue.components_on([plan.pk], now.date()).get(plan.pk, ())
    data = {f"{plan.pk}-{name}": value for name, value in request.POST.items()} if line else request.POST
    form = LineForm(
        data,
        plan=plan,
        components=components,
        workload=workload,
        margin_percent=line.margin_percent if line else 0,
        among_others=line is not None,
    )
    if form.is_valid() and request.POST.get("do") == "another":
        # The numbers are the person's, whichever plan they are for.
        here = reverse("request_edit_platforms", args=[resource_request.reference])
        return redirect(f"{here}?{urlencode(form.cleaned_data['workload'].as_params())}#new")
    if form.is_valid():
        try:
            saved = sponsorship.save_line(
                resource_request,
                plan=plan,
                workload=form.cleaned_data["workload"],
                margin_percent=form.cleaned_data["margin_percent"],
                by=request.user,
                at=now,
            )
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            _say_price(request, saved)
            return redirect("request_edit_platforms", resource_request.reference)
    return {plan.pk: form}


def _say_price(request: SignedInRequest, line: RequestLine) -> None:
    words = _("%(plan)s: %(amount)s credits.")
    messages.success(request, words % {"plan": line.plan, "amount": as_text(line.amount)})


def _save_lines(request: SignedInRequest, resource_request: ResourceRequest) -> HttpResponse | dict[int, LineForm]:
    """Every button of the lines keeps what was typed in all of them; the forms where one of them was refused.

    The line whose own button was pressed is priced anew also without a change: prices may have changed.
    """
    now, user = timezone.now(), request.user
    pressed, removed = request.POST.get("save", ""), request.POST.get("remove", "")
    forms = _line_forms(resource_request, request.POST, on=now.date())
    lines = {line.plan_id: line for line in resource_request.lines.all()}
    to_save = {pk: form for pk, form in forms.items() if str(pk) != removed}
    # Every form is asked, so that each shows its errors.
    if any([not form.is_valid() for form in to_save.values()]):  # noqa: C419
        return to_save
    saving: LineForm | None = None
    saved = []
    try:
        with transaction.atomic():
            for pk, form in to_save.items():
                if form.says_something_new or str(pk) == pressed:
                    saving = form
                    saved.append(
                        sponsorship.save_line(
                            resource_request,
                            plan=form.plan,
                            workload=form.cleaned_data["workload"],
                            margin_percent=form.cleaned_data["margin_percent"],
                            by=user,
                            at=now,
                        )
                    )
            saving = None
            for pk, line in lines.items():
                if str(pk) == removed:
                    sponsorship.remove_line(resource_request, line=line, by=user, at=now)
                    messages.success(request, _("%(plan)s is taken out.") % {"plan": line.plan})
    except Refused as refusal:
        if saving is not None:
            add_refusal(saving, refusal)
            return to_save
        messages.error(request, refusal.message)
        saved = []
    for each in saved:
        _say_price(request, each)
    match request.POST.get("do"):
        case "done":
            return redirect("request_edit", resource_request.reference)
        case "choose":
            plan = _plan_or_404(request.POST.get("another", ""))
            last = list(to_save.values())[-1:]
            params = _typed_before(request) or (last[0].cleaned_data["workload"].as_params() if last else {})
            here = reverse("request_edit_platforms", args=[resource_request.reference])
            return redirect(f"{here}?{urlencode({**params, 'plan': plan.pk})}#new")
        case _:
            return redirect("request_edit_platforms", resource_request.reference)


def _typed_before(request: SignedInRequest) -> dict[str, str]:
    """The workload in the address: what was typed for a plan that was not taken, for the next one."""
    given = {
        name: value
        for name, value in request.GET.dict().items()
        if name in Workload().as_params() or name in PARAMETERS
    }
    try:
        return Workload.from_params(given).as_params() if given else {}
    except InvalidInput:
        return {}


def _line_forms(resource_request: ResourceRequest, data: QueryDict | None = None, *, on: date) -> dict[int, LineForm]:
    """Plan → the form of its line. What was sent without a line's numbers (added meanwhile) is no answer to it."""
    lines = list(resource_request.lines.all())
    components = catalogue.components_on([line.plan_id for line in lines], on)
    return {
        line.plan_id: LineForm(
            data,
            plan=line.plan,
            components=components.get(line.plan_id, ()),
            workload=Workload.from_json(line.workload),
            margin_percent=line.margin_percent,
            among_others=True,
        )
        for line in lines
        if data is None or any(name.startswith(f"{line.plan_id}-") for name in data)
    }


def _platforms_page(
    request: SignedInRequest, resource_request: ResourceRequest, refused: dict[int, LineForm] | None = None
) -> HttpResponse:
    today = timezone.localdate()
    refused = refused or {}
    lines = list(resource_request.lines.all())
    forms = {**_line_forms(resource_request, on=today), **refused}
    shown = [LineShown(line, Quote.from_json(line.quote), forms[line.plan_id]) for line in lines]
    in_request = {line.plan_id for line in lines}
    wanted = None if refused else wanted_by(request, on=today)
    if wanted is not None and wanted.plan.pk in in_request:
        wanted = None
    new_form = next((form for pk, form in refused.items() if pk not in in_request), None)
    if wanted is not None:
        new_form = LineForm(plan=wanted.plan, components=wanted.components, workload=wanted.workload)
    return _answer(
        request,
        "edit_platforms",
        resource_request,
        {
            "form": next((form for form in refused.values() if form.errors), None),
            "lines": shown,
            "total": sum(line.amount for line in lines),
            "shares": _shares(lines),
            "wanted": wanted,
            "new_form": new_form,
            "typed_before": _typed_before(request),
            "plans": [] if new_form else _plans_to_choose(in_request, on=today),
        },
    )


def _plans_to_choose(left_out: set[int], *, on: date) -> list[tuple[str, list[Plan]]]:
    """Plans with a published price that the Network of Resources sponsors, by platform."""
    priced = Rate.objects.filter(
        component__plan=OuterRef("pk"), component__in_use=True, valid__contains=on, micro_per_unit__gt=0
    )
    plans = (
        Plan.objects.listed()
        .filter(Exists(priced))
        .exclude(pk__in=left_out)
        .exclude(offering__sponsorable=False)
        .order_by("offering__platform__name", "offering__name", "pk")
    )
    by_platform: dict[str, list[Plan]] = {}
    for plan in plans:
        by_platform.setdefault(plan.offering.platform.name, []).append(plan)
    return list(by_platform.items())


# --- period ----------------------------------------------------------------------------------------------------------


@login_required
@require_http_methods(_METHODS)
def period_task(request: SignedInRequest, reference: str) -> HttpResponse:
    resource_request = _to_edit(request.user, reference)
    if closed := _closed_to(request, resource_request):
        return closed
    form = PeriodForm(posted(request), initial={"starts_on": resource_request.starts_on}, earliest=timezone.localdate())
    if form.is_valid():
        try:
            sponsorship.save_period(resource_request, **form.cleaned_data, by=request.user, at=timezone.now())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            return _go_on(request, resource_request)
    return _answer(request, "edit_period", resource_request, {"form": form, "periods": _periods(resource_request)})


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
@require_http_methods(_METHODS)
def case_task(request: SignedInRequest, reference: str) -> HttpResponse:
    """Markdown; "Preview" shows it without saving."""
    resource_request = _to_edit(request.user, reference)
    if closed := _closed_to(request, resource_request):
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
    return _answer(
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


# --- check and send --------------------------------------------------------------------------------------------------


@login_required
@require_http_methods(_METHODS)
def check_task(request: SignedInRequest, reference: str) -> HttpResponse:
    """Everything once more, what ESA will see, and one button."""
    resource_request = _to_edit(request.user, reference)
    if closed := _closed_to(request, resource_request):
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
        resource_request = _to_edit(request.user, reference)
    return _answer(request, "edit_check", resource_request, _to_check(request.user, resource_request, form))


def _leave_check(request: SignedInRequest, resource_request: ResourceRequest) -> HttpResponse:
    """What was ticked and answered is kept while something else is changed."""
    keep_answer(request, resource_request.reference, request.POST.get("answer", "")[:ANSWER_CHARACTERS_MAX])
    ticked = {name: bool(request.POST.get(name)) for name in ("non_commercial", "no_provider_tie", "will_publish")}
    try:
        sponsorship.save_declarations(resource_request, **ticked, by=request.user, at=timezone.now())
    except Refused as refusal:
        messages.error(request, refusal.message)
        return redirect(resource_request)
    return _go_on(request, resource_request)


@transaction.atomic
def _send(resource_request: ResourceRequest, *, answer: str = "", by: User, **declarations: bool) -> None:
    """Declare and send, or neither: a request that was not sent keeps the declarations it had."""
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
                "amount": line.amount,
            }
            for line in resource_request.lines.all()
        ],
        "asked": asked,
        "call": call,
        "why_call": _why(call, asked) if call else "",
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
        return _("%(leader)s leads the project and sends its requests.") % {"leader": leader}
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


def _why(call: Call, asked: int) -> str:
    words = {"call": call.title, "asked": as_text(asked), "ceiling": as_text(call.ceiling)}
    if asked > call.ceiling:
        return _("%(call)s is the open call that gives most for one request: %(ceiling)s credits.") % words
    return (
        _(
            "%(call)s is the smallest open call that covers %(asked)s credits; it gives up to %(ceiling)s for one request."
        )
        % words
    )
