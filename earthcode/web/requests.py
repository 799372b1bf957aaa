"""Resource requests, for the people who ask: the list, a new one, one of them. Filling one in is in ``request_hub``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import Count, Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from earthcode.audit.queries import history_of
from earthcode.catalogue import estimates
from earthcode.catalogue import queries as catalogue
from earthcode.catalogue.models import Estimate, Plan
from earthcode.catalogue.pricing import CannotPrice, PricedComponent, Quote, Workload, margin_on, quote
from earthcode.identity import projects
from earthcode.identity.models import Membership, User
from earthcode.identity.roles import Permission, ProjectRole
from earthcode.lib.errors import InvalidInput, Refused
from earthcode.lib.money import as_text
from earthcode.science import actions as science
from earthcode.science.models import Record
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.lifecycle import RESOURCE_REQUEST
from earthcode.sponsorship.models import Decision, DecisionKind, RequestLine, RequestStatus, ResourceRequest
from earthcode.sponsorship.queries import free_credits, with_offerings, with_versions
from earthcode.sponsorship.workdays import working_days_between
from earthcode.web.history import Told, told
from earthcode.web.lists import paginate
from earthcode.web.notifications import page_opened
from earthcode.web.posting import add_refusal, posted
from earthcode.web.request_forms import (
    ANSWER_CHARACTERS_MAX,
    AnswerForm,
    EndorsementForm,
    NewRequestForm,
    workload_words,
)
from earthcode.web.science_parts import run_of, run_wanted
from earthcode.web.signed_in import SignedInRequest
from earthcode.web.statuses import Words

_S = RequestStatus

#: Value of ``?state=`` → label and the statuses it shows.
TABS: dict[str, tuple[Words, tuple[str, ...]]] = {
    "": (gettext_lazy("All"), tuple(_S.values)),
    "open": (gettext_lazy("For you to do"), (_S.DRAFT, _S.INFO_NEEDED)),
    "in_review": (gettext_lazy("In review"), (_S.IN_REVIEW,)),
    "approved": (gettext_lazy("Approved"), (_S.APPROVED,)),
    "closed": (gettext_lazy("Closed"), (_S.REJECTED, _S.WITHDRAWN)),
}


# --- the list --------------------------------------------------------------------------------------------------------


@login_required
@require_safe
def request_list(request: SignedInRequest) -> HttpResponse:
    """All requests that the person may see, what changed last on top; ``?state=`` for a part of them."""
    visible = ResourceRequest.objects.visible_to(request.user)
    state = request.GET.get("state", "")
    state = state if state in TABS else ""
    counts = visible.aggregate(
        **{f"of_{key}": Count("pk", filter=Q(status__in=statuses)) for key, (_label, statuses) in TABS.items()}
    )
    url = reverse("requests")
    rows = (
        with_offerings(visible.filter(status__in=TABS[state][1]))
        .select_related("project", "created_by", "submitted_by")
        .order_by("-status_since", "-pk")
    )
    page = paginate(request, rows, count=counts[f"of_{state}"])
    return TemplateResponse(
        request,
        "requests/list.html",
        {
            "page": page,
            "rows": rows_of(page),
            "any": counts["of_"],
            "tabs": [
                {
                    "label": label,
                    "url": f"{url}?{urlencode({'state': key})}" if key else url,
                    "count": counts[f"of_{key}"],
                    "current": key == state,
                }
                for key, (label, _statuses) in TABS.items()
            ],
        },
    )


def rows_of(requests: Iterable[ResourceRequest]) -> list[dict[str, Any]]:
    """Requests (``with_offerings``) with the names of what they ask for in one string, each once."""
    return [{"request": each, "offerings": ", ".join(dict.fromkeys(each.offering_names))} for each in requests]  # type: ignore[attr-defined]  # annotated


# --- a new one -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """What a link from the catalogue asks for: a plan for a workload, at today's price."""

    plan: Plan
    components: tuple[PricedComponent, ...]
    workload: Workload
    price: Quote | CannotPrice

    @property
    def quote(self) -> Quote | None:
        """The price, where there is one to ask for."""
        return self.price if isinstance(self.price, Quote) and not self.price.is_free else None

    @property
    def reasons(self) -> tuple[str, ...]:
        if isinstance(self.price, CannotPrice):
            return self.price.reasons
        return (_("It costs nothing for this workload, so there is nothing to ask for."),) if self.price.is_free else ()

    @property
    def summary(self) -> str:
        """The numbers of the workload that the price depends on."""
        return workload_words(self.workload, self.price) if isinstance(self.price, Quote) else self.workload.summary

    @property
    def query(self) -> str:
        return urlencode({"plan": str(self.plan.pk), **self.workload.as_params()})


def wanted_by(request: SignedInRequest, *, on: date) -> Wanted | None:
    """The plan and workload in the query; None where it names no plan that is offered."""
    chosen = request.GET.get("plan", "")
    # PostgreSQL's bigint ends at 19 digits; a longer number names no plan.
    if not (chosen.isascii() and chosen.isdecimal() and len(chosen) < 19):
        return None
    plan = Plan.objects.listed().filter(pk=chosen).first()
    if plan is None:
        return None
    components = catalogue.components_on([plan.pk], on).get(plan.pk, ())
    try:
        workload = Workload.from_params(request.GET.dict())
    except InvalidInput as refusal:
        return Wanted(plan, components, Workload(), CannotPrice((refusal.message,)))
    return Wanted(plan, components, workload, quote(components, workload, months_max=plan.months_max))


@dataclass(frozen=True)
class FromEstimate:
    """What a link from a kept estimate asks for: its plans with their workloads, at today's prices."""

    estimate: Estimate
    items: tuple[estimates.Item, ...]

    @property
    def to_request(self) -> tuple[estimates.Item, ...]:
        """The plans that there is something to ask for."""
        return tuple(item for item in self.items if item.quote and not item.quote.is_free)

    @property
    def left_out(self) -> tuple[estimates.Item, ...]:
        return tuple(item for item in self.items if item.quote is None or item.quote.is_free)

    @property
    def total(self) -> int:
        return sum(item.quote.total for item in self.to_request if item.quote)

    @property
    def margin(self) -> int:
        """What is asked for on top, as the estimate has it."""
        return sum(margin_on(item.quote.total, self.estimate.margin_percent) for item in self.to_request if item.quote)

    @property
    def has_changed(self) -> bool:
        """Whether today's prices are not those of the estimate."""
        return self.total != self.estimate.amount


def estimate_in(request: HttpRequest, *, on: date) -> FromEstimate | None:
    """The estimate that the query names; None where there is no such estimate."""
    token = request.GET.get("estimate", "")
    estimate = Estimate.objects.filter(token=token).first() if token and len(token) <= 40 else None
    if estimate is None:
        return None
    again = estimates.price_again(estimates.lines_of(estimate), margin_percent=estimate.margin_percent, on=on)
    return FromEstimate(estimate, again.items)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def request_new(request: SignedInRequest) -> HttpResponse:
    """A title and a project, and the request is there.

    With ``?plan=`` and a workload, its first line as well; with ``?estimate=`` all the lines of a kept estimate, which may also
    go to a request that has been started (``add_to``).
    """
    now = timezone.now()
    wanted = wanted_by(request, on=now.date())
    run = run_wanted(request)
    from_estimate = estimate_in(request, on=now.date()) if wanted is None else None
    if from_estimate is not None and (reference := request.POST.get("add_to")):
        return _add(request, reference, from_estimate)
    initial = _likely_project(request) | ({"title": _("Run: %(title)s") % {"title": run.title[:190]}} if run else {})
    form = NewRequestForm(posted(request), user=request.user, initial=initial)
    if form.is_valid():
        try:
            resource_request = _start(form.cleaned_data, wanted, run, from_estimate, by=request.user)
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            _tell_of_changes(request, from_estimate)
            return redirect("request_edit", resource_request.reference)
    drafts = with_offerings(drafts_of(request.user))[:DRAFTS_SHOWN]
    free = max((each.free for each in free_credits(request.user, on=now.date())), default=0)
    cost = wanted.quote.total if wanted and wanted.quote else None
    return TemplateResponse(
        request,
        "requests/new.html",
        {
            "form": form,
            "wanted": wanted,
            "run": run,
            "from_estimate": from_estimate,
            "drafts": rows_of(drafts) if cost is not None or (from_estimate and from_estimate.to_request) else [],
            # Said only where they would do.
            "free_credits": free if cost is not None and cost <= free else 0,
        },
        status=422 if form.errors else 200,
    )


@transaction.atomic
def _start(
    answers: dict[str, Any],
    wanted: Wanted | None,
    run: Record | None,
    from_estimate: FromEstimate | None,
    *,
    by: User,
) -> ResourceRequest:
    """Several actions, and all of them or none: a page that was refused has left nothing behind."""
    now = timezone.now()
    project = answers["project"] or projects.create_project(title=answers["title"], by=by, at=now)
    resource_request = sponsorship.start(title=answers["title"], project=project, by=by, at=now)
    if wanted is not None:
        sponsorship.save_line(resource_request, plan=wanted.plan, workload=wanted.workload, by=by, at=now)
    if run is not None:
        science.plan_run(run, reference=resource_request.reference, at=now)
    if from_estimate is not None:
        _save_items(resource_request, from_estimate, by=by, at=now)
    return resource_request


#: Drafts that are offered to add something to.
DRAFTS_SHOWN = 5


def drafts_of(user: User) -> QuerySet[ResourceRequest]:
    """The requests that somebody may add to, the one they worked on last first."""
    return ResourceRequest.objects.editable_by(user).order_by("-saved_at", "-pk")


def _add(request: SignedInRequest, reference: str, from_estimate: FromEstimate) -> HttpResponse:
    """All the lines of an estimate to a request that has been started, or none of them."""
    resource_request = get_object_or_404(
        ResourceRequest.objects.editable_by(request.user).prefetch_related("lines"), reference=reference
    )
    had = {line.plan_id for line in resource_request.lines.all()}
    try:
        _save_items(resource_request, from_estimate, by=request.user, at=timezone.now())
    except Refused as refusal:
        messages.error(request, refusal.message)
        return redirect(request.get_full_path())
    _tell_of_changes(request, from_estimate)
    if replaced := [str(item.plan) for item in from_estimate.to_request if item.plan.pk in had]:
        words = _("What the request asked for before on these was replaced: %(plans)s.")
        messages.warning(request, words % {"plans": ", ".join(replaced)})
    return redirect("request_edit_platforms", resource_request.reference)


@transaction.atomic
def _save_items(resource_request: ResourceRequest, from_estimate: FromEstimate, *, by: User, at: datetime) -> None:
    """A line for each plan of the estimate that there is something to ask for on."""
    for item in from_estimate.to_request:
        sponsorship.save_line(
            resource_request,
            plan=item.plan,
            workload=item.workload,
            margin_percent=from_estimate.estimate.margin_percent,
            by=by,
            at=at,
        )


def _tell_of_changes(request: SignedInRequest, from_estimate: FromEstimate | None) -> None:
    """Say where the request is not what the estimate was."""
    if from_estimate is None:
        return
    if from_estimate.has_changed:
        words = _("Prices have changed since your estimate: its plans cost %(now)s credits now, before %(before)s.")
        amounts = {"now": as_text(from_estimate.total), "before": as_text(from_estimate.estimate.amount)}
        messages.warning(request, words % amounts)
    if from_estimate.left_out:
        words = _("There is nothing to ask for on these today, and they were left out: %(plans)s.")
        messages.warning(request, words % {"plans": ", ".join(str(item.plan) for item in from_estimate.left_out)})


def _likely_project(request: SignedInRequest) -> dict[str, Any]:
    """The project of the link that led here, or of somebody who is in just one."""
    own = [str(pk) for pk in request.user.grants.project_roles]
    named = request.GET.get("project", "")
    if named in own:
        return {"project": named}
    return {"project": own[0]} if len(own) == 1 else {}


# --- one of them -----------------------------------------------------------------------------------------------------


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
        done=_("%(reference)s is withdrawn. It stays here to read."),
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


def _answer_key(reference: str) -> str:
    return f"answer_to_{reference}"


def kept_answer(request: HttpRequest, reference: str) -> str:
    """The answer to ESA's question that was begun and not sent."""
    return str(request.session.get(_answer_key(reference), ""))


def keep_answer(request: HttpRequest, reference: str, text: str) -> None:
    """Keep an answer that was begun, with the person's session; an empty one forgets it."""
    if text.strip():
        request.session[_answer_key(reference)] = text
    else:
        request.session.pop(_answer_key(reference), None)


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


def sent_words(resource_request: ResourceRequest) -> str:
    """What a receipt says on top of the page."""
    assert resource_request.decide_by is not None
    return _("Sent for %(amount)s credits. You hear from ESA by %(day)s.") % {
        "amount": as_text(resource_request.amount),
        "day": date_format(resource_request.decide_by),
    }


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
        "decision": next((each for each in reversed(decisions) if each.kind != DecisionKind.ASK), None),
        "question": decisions[-1] if decisions and resource_request.status == _S.INFO_NEEDED else None,
        "next": who_acts_next(resource_request, allocations, user=user, today=today),
        "facts": _facts(resource_request),
        "coming": _coming(resource_request),
        "past": told(history_of(resource_request, *allocations)),
        "may_copy": resource_request.status in (_S.REJECTED, _S.WITHDRAWN) and _writes_for_it(user, resource_request),
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
        {"label": _("Starts"), "value": resource_request.starts_on or _("Not said yet")},
        *([{"label": run.get_kind_display(), "value": _link_to(run)}] if run else []),
    ]


def _link_to(run: Record) -> SafeString:
    return format_html('<a href="{}">{}</a>', run.get_absolute_url(), run)


def leader_of(resource_request: ResourceRequest) -> User | None:
    """The principal investigator, from prefetched memberships."""
    if resource_request.project is None:
        return None
    return next((m.user for m in resource_request.project.memberships.all() if m.role == ProjectRole.PI), None)


def members_in_order() -> Prefetch[str, QuerySet[Membership], str]:
    """The project's memberships, its leader first, for ``prefetch_related``."""
    members = Membership.objects.select_related("user").order_by("-role", "user__full_name", "pk")
    return Prefetch("project__memberships", members)


def people_of(resource_request: ResourceRequest) -> list[dict[str, str]]:
    """Members and the Technical Officer for ``components/people.html``, from prefetched memberships."""
    project = resource_request.project
    if project is None:
        return [_person(resource_request.created_by, _("Author"))]
    people = [_person(each.user, str(ProjectRole(each.role).label)) for each in project.memberships.all()]
    if project.technical_officer:
        people.append(_person(project.technical_officer, _("ESA Technical Officer")))
    return people


def _person(user: User, role: str) -> dict[str, str]:
    return {"initials": user.initials, "name": str(user), "role": role}


def due_words(decide_by: date, today: date) -> str:
    """How long there is for a decision, in working days."""
    days = working_days_between(today, decide_by)
    if days < 0:
        return ngettext("%(count)d working day late", "%(count)d working days late", -days) % {"count": -days}
    if days == 0:
        return _("due today")
    return ngettext("%(count)d working day left", "%(count)d working days left", days) % {"count": days}


def who_acts_next(resource_request: ResourceRequest, allocations: list[Any], *, user: User, today: date) -> str:
    """One sentence: who does what, by when."""
    match resource_request.status:
        case _S.DRAFT:
            leader = leader_of(resource_request)
            if leader is not None and leader.pk != user.pk:
                return _("The team fills it in, then %(leader)s sends it.") % {"leader": leader}
            return _("You fill it in and send it. Until then nobody outside the project sees it.")
        case _S.IN_REVIEW:
            assert resource_request.decide_by is not None
            words = {
                "day": date_format(resource_request.decide_by),
                "due": due_words(resource_request.decide_by, today),
                "officer": resource_request.project.technical_officer if resource_request.project else None,
            }
            if _waits_for_endorsement(resource_request) and words["officer"]:
                return _("%(officer)s endorses it, then ESA decides by %(day)s: %(due)s.") % words
            return _("ESA decides by %(day)s: %(due)s.") % words
        case _S.INFO_NEEDED:
            return _("The project answers ESA's question. Until then the clock stands still.")
        case _S.APPROVED:
            return _next_of_allocations(allocations)
        case _S.REJECTED:
            return _("Nobody. The project may use it as a new draft and send it again.")
        case _:
            return _("Nobody. It was taken back and stays here to read.")


def _waits_for_endorsement(resource_request: ResourceRequest) -> bool:
    wanted = any(check.code == "endorsement" for check in resource_request.checks.all())
    return wanted and not hasattr(resource_request, "endorsement")


def _next_of_allocations(allocations: list[Any]) -> str:
    statuses = {allocation.status for allocation in allocations}
    if "failed" in statuses:
        return _("The provider looks into a set-up problem. The reason is with the allocation below.")
    if "provisioning" in statuses:
        return _("Nobody has to do anything: access is being set up and takes a few minutes.")
    if statuses == {"active"}:
        return _("The project: its platforms are open.")
    if "active" in statuses:
        still_open = [str(each.plan.offering) for each in allocations if each.status == "active"]
        words = ngettext(
            "The project: %(names)s is open, the rest has ended.",
            "The project: %(names)s are open, the rest has ended.",
            len(still_open),
        )
        return words % {"names": ", ".join(dict.fromkeys(still_open))}
    if "ending" in statuses:
        return _("Nobody has to do anything: access is being removed.")
    return _("Nobody. The allocations have ended.")


def _coming(resource_request: ResourceRequest) -> list[Told]:
    """What will happen, the next thing last, right above what happened."""
    if resource_request.status != _S.IN_REVIEW:
        return []
    assert resource_request.decide_by is not None
    day = date_format(resource_request.decide_by)
    coming = [
        Told("ph4", _("Access is set up"), _("Minutes after the decision, under your EarthCODE sign-in")),
        Told("ph3", _("ESA decides"), _("By %(day)s. You get a message.") % {"day": day}),
    ]
    if _waits_for_endorsement(resource_request):
        coming.append(Told("ph2", _("The Technical Officer endorses it"), ""))
    return coming
