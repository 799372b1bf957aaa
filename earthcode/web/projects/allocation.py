"""One allocation with all that is known of it, the way to the platform, and its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Any, assert_never
from urllib.parse import urlsplit

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Model, When
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from earthcode.audit.queries import history_of
from earthcode.catalogue import connecting
from earthcode.catalogue.pricing import Quote, QuoteLine, Workload
from earthcode.connectors.registry import sentence
from earthcode.identity.models import Membership, User
from earthcode.identity.roles import Permission, ProjectRole
from earthcode.ledger import queries as books
from earthcode.ledger.kinds import AccountKind, EntryKind
from earthcode.lib.errors import NotPermitted, Refused
from earthcode.lib.money import MICRO, amount_text
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning.lifecycle import ALLOCATION
from earthcode.provisioning.messages import who_was_told
from earthcode.provisioning.models import OPEN, Allocation, AllocationStatus, Operation, OperationStatus
from earthcode.provisioning.queries import allocations_visible_to, open_steps
from earthcode.settlement.exhaustion import last_day_of
from earthcode.web.catalogue.notices import notices_of
from earthcode.web.parts.allocation_rows import words_for_end
from earthcode.web.parts.chrome import Audience, Link, chrome_of
from earthcode.web.parts.form_errors import add_refusal, posted
from earthcode.web.parts.forms import Form
from earthcode.web.parts.opened import page_opened
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.parts.timeline import IN_TIMELINES, TimelineEntry, timeline
from earthcode.web.projects.exhausted import exhausted, exhaustion_of
from earthcode.web.projects.usage import usage_of

#: Movements of credits that the page shows; the newest of them says what is left, however many there were.
MOVEMENTS_SHOWN = 20


@login_required
@require_safe
@never_cache
def allocation(request: SignedInRequest, reference: str) -> HttpResponse:
    """What the project has, what became of its credits, and how far its access is.

    While something is under way on the platform the page asks again (``?seen=…`` by htmx). It gets the panel "Set-up" if
    that has changed, and is loaded anew if the allocation has moved on.
    """
    found = _seen_by(request.user, reference)
    operations = list(found.operations.order_by("-created_at", "-pk"))
    set_up = _set_up(found, operations, by=request.user)
    if request.htmx and (seen := request.GET.get("seen")):
        if seen == set_up.token:
            return HttpResponse(status=HTTPStatus.NO_CONTENT)
        if seen.partition(":")[0] != found.status:
            return HttpResponseClientRefresh()
        return TemplateResponse(request, "projects/allocations/_set_up.html", {"allocation": found, "set_up": set_up})
    page_opened(request)
    # The provider knows the order, not what was asked and decided before it.
    may_see_request = request.user.may(Permission.REQUEST_VIEW, found)
    quote = Quote.from_json(found.quote)
    known = exhaustion_of(found)
    movements = books.statement_of_hold(found.hold_id, limit=MOVEMENTS_SHOWN)
    used, left = (movements[0].used, movements[0].remaining) if movements else (0, 0)
    steps = open_steps(found, by=request.user, latest=operations[0] if operations else None)
    context = {
        "allocation": found,
        "list_crumb": _list_crumb(request, found),
        "announced": _announced(found),
        "offering": found.plan.offering,
        "resource_request": found.award.resource_request,
        "may_see_request": may_see_request,
        "set_up": set_up,
        # What is done goes to the end of the page.
        "set_up_first": set_up.under_way or found.status == AllocationStatus.FAILED or steps.retry is not None,
        "figures": _figures(
            found, movements, used=used, left=left, last_day=last_day_of(found, known), today=timezone.localdate()
        ),
        "usage": usage_of(found, used=used, left=left, today=timezone.localdate()),
        "may_close_usage": found.is_awaiting_usage and request.user.may(Permission.USAGE_REPORT, found),
        "bought": [_bought(line) for line in quote.lines],
        "quote": quote,
        "margin": found.amount - quote.total,
        "workload": Workload.from_json(found.workload),
        "statement": [_statement_row(movement) for movement in movements],
        "statement_is_cut": len(movements) == MOVEMENTS_SHOWN,
        "exhausted": exhausted(found, known, by=request.user),
        "coming": _coming(found, last_day_of(found, known)),
        "past": _past(found, *operations, *([found.award.resource_request] if may_see_request else [])),
        "people": _people(found),
        "may_open": steps.use,
        "may_end": any(step.name == "end" for step in steps.steps),
        "may_read_audit_trail": request.user.may(Permission.AUDIT_VIEW),
    }
    return TemplateResponse(request, "projects/allocations/allocation.html", context)


def _announced(allocation: Allocation) -> list[dict[str, Any]]:
    """What the provider announced that matters to who uses it; nothing once it is over."""
    if allocation.status in (AllocationStatus.ENDING, AllocationStatus.CLOSED):
        return []
    return notices_of(allocation.plan.offering, timezone.localdate(), news=False)


def _list_crumb(request: SignedInRequest, allocation: Allocation) -> Link:
    """The list that the reader came from: for who runs the platform and looks at the site as its provider, the orders."""
    audience = chrome_of(request).audience
    runs = request.user.grants.providers_with(Permission.ALLOCATION_VIEW)
    if audience and audience.value is Audience.PROVIDER and allocation.platform.provider_id in runs:
        return Link(_("Orders"), reverse("orders"))
    return Link(_("Allocations"), reverse("allocations"))


def _seen_by(user: User, reference: str) -> Allocation:
    """The allocation with all that its page shows; a 404 for those who may not see it."""
    found = allocations_visible_to(user).select_related("award__resource_request", "exhaustion")
    return get_object_or_404(found, reference=reference)


@dataclass(frozen=True)
class OperationRow:
    """One piece of work on the platform, told to whoever reads the page."""

    operation: Operation
    text: str
    #: What the platform said, where it said no.
    error: str
    may_retry: bool
    #: What the reader is asked to answer here, by its number.
    task: int | None = None


@dataclass(frozen=True)
class SetUp:
    """How far the work on the platform is."""

    rows: Sequence[OperationRow]
    #: Something will happen by itself, so the page looks again after ``seconds``.
    under_way: bool
    seconds: int
    #: What the page has seen; it changes whenever the panel would read otherwise.
    token: str
    #: Who was told of a failure: only who really was.
    told: str = ""


def _set_up(allocation: Allocation, operations: Sequence[Operation], *, by: User) -> SetUp:
    now = timezone.now()
    latest = operations[0] if operations else None
    retry = open_steps(allocation, by=by, latest=latest).retry
    waiting = latest is not None and latest.status in OPEN
    # A platform that answered "not now" is asked again later; there is no use in looking every moment until then.
    soon = latest is not None and latest.due_at <= now + timedelta(seconds=15)
    token = allocation.status
    if latest is not None:
        at_work = int(_is_at_work(latest, now=now))
        token = f"{token}:{latest.pk}:{latest.status}:{latest.attempts}:{at_work}"
    return SetUp(
        rows=[
            OperationRow(
                operation=operation,
                text=_told(operation, now=now),
                error=_why(operation, allocation),
                may_retry=retry is not None and operation.pk == retry.pk,
                task=_task(operation, by=by),
            )
            for operation in operations
        ],
        under_way=waiting,
        seconds=2 if soon else 10,
        token=token,
        told=who_was_told(allocation) if latest is not None and latest.status == OperationStatus.FAILED else "",
    )


def _task(operation: Operation, *, by: User) -> int | None:
    """What waits for the reader's own answer."""
    if operation.status != OperationStatus.NEEDS_PERSON or not by.may(Permission.OPERATION_RETRY, operation):
        return None
    return operation.tasks.open().values_list("pk", flat=True).first()


def _why(operation: Operation, allocation: Allocation) -> str:
    """What the platform said, where that still matters, in the reader's language."""
    if operation.status not in (OperationStatus.QUEUED, OperationStatus.FAILED) or not operation.error:
        return ""
    if not operation.error_code:
        return operation.error
    return sentence(operation.error_code, operation.error_parameters, kind=connecting.kind_of(allocation.platform))


def _is_at_work(operation: Operation, *, now: datetime) -> bool:
    return operation.claimed_until is not None and operation.claimed_until > now


def _told(operation: Operation, *, now: datetime) -> str:
    """Where this piece of work stands, in a sentence or two."""
    tried = ngettext("tried once", "tried %(count)d times", operation.attempts) % {"count": operation.attempts}
    finished = (
        date_format(timezone.localtime(operation.finished_at), "DATETIME_FORMAT") if operation.finished_at else ""
    )
    match operation.status:
        case OperationStatus.SUCCEEDED:
            return finished if operation.attempts <= 1 else f"{finished}, {tried}"
        case OperationStatus.SUPERSEDED:
            return _("The allocation was ended before this was done.")
        case OperationStatus.FAILED:
            advice = (
                _("Trying again will not help until something is changed.")
                if operation.error_permanent
                else _("It is not tried again automatically.")
            )
            return f"{finished}, {tried}. {advice}"
    if operation.status == OperationStatus.NEEDS_PERSON:
        return _asked(operation)
    if _is_at_work(operation, now=now):
        return _("The platform is being called now.")
    if operation.status == OperationStatus.WAITING:
        return _("The platform has accepted it and is working on it. It is asked again at %(time)s.") % {
            "time": date_format(timezone.localtime(operation.due_at), "TIME_FORMAT")
        }
    if operation.attempts:
        next_try = date_format(timezone.localtime(operation.due_at), "TIME_FORMAT")
        return _("So far %(tried)s. The next attempt is at %(time)s.") % {"tried": tried, "time": next_try}
    return _("A worker takes it next.")


def _asked(operation: Operation) -> str:
    """Who was asked, and by when they promised it."""
    task = operation.tasks.open().first()
    if task is None:
        return _("The provider's answer is being carried out.")
    platform = operation.allocation.platform
    words = {"provider": str(platform.provider), "day": date_format(task.due_on)}
    if connecting.administrators_of(platform).exists():
        return _("%(provider)s was asked to do this, and promises it by %(day)s.") % words
    return _("%(provider)s has nobody here, so an ESA operator was asked to arrange it by %(day)s.") % words


def _figures(
    allocation: Allocation, movements: Sequence[books.Movement], *, used: int, left: int, last_day: date, today: date
) -> list[dict[str, object]]:
    returned = allocation.amount - left - used
    last_usage = next((each.effective_at for each in movements if each.target == AccountKind.ACCRUED), None)
    over = allocation.status in (AllocationStatus.ENDING, AllocationStatus.CLOSED)
    left_note = _("of %(credits)s set aside") % {"credits": amount_text(allocation.amount)}
    if allocation.is_awaiting_usage:
        left_note = _("returned when the last usage has been reported")
    elif allocation.status == AllocationStatus.CLOSED and returned > 0:
        left_note = _("%(credits)s went back to the award") % {"credits": amount_text(returned)}
    figures: list[dict[str, object]] = [
        {"label": _("Credits left"), "value": amount_text(left), "note": left_note, "main": True},
        {
            "label": _("Used"),
            "value": amount_text(used),
            "note": (
                _("last usage %(day)s") % {"day": date_format(last_usage.date())}
                if last_usage
                else _("no usage reported")
            ),
        },
    ]
    return figures + (_dates_when_over(allocation) if over else _dates_ahead(allocation, last_day, today=today))


def _dates_ahead(allocation: Allocation, last_day: date, *, today: date) -> list[dict[str, object]]:
    days = (last_day - today).days
    return [
        {
            "label": _("Starts"),
            "value": date_format(allocation.starts_on),
            "note": _("access is there before") if allocation.starts_on > today else "",
        },
        {
            "label": _("Ends"),
            "value": date_format(last_day),
            "note": words_for_end(last_day, days),
            "tone": "warn" if days <= 14 else "",
        },
    ]


def _dates_when_over(allocation: Allocation) -> list[dict[str, object]]:
    """When it came and went. It may have ended before its period began, because access is set up at once."""
    placed_on = timezone.localtime(allocation.created_at).date()
    ended_on = timezone.localtime(allocation.status_since).date()
    start, end = date_format(allocation.starts_on), date_format(allocation.ends_on)
    closed = allocation.status == AllocationStatus.CLOSED
    return [
        {
            "label": _("Placed"),
            "value": date_format(placed_on),
            "note": (
                _("was to start on %(day)s") % {"day": start}
                if allocation.starts_on > ended_on
                else _("its period began on %(day)s") % {"day": start}
            ),
        },
        {
            "label": _("Ended") if closed else _("Ending since"),
            "value": date_format(ended_on),
            "note": (
                _("would have run until %(day)s") % {"day": end}
                if allocation.ends_on > ended_on
                else _("its last day was %(day)s") % {"day": end}
            ),
        },
    ]


def _bought(line: QuoteLine) -> dict[str, object]:
    """One metered component: how much of it, at which price."""
    detail = line.detail or f"{line.quantity.normalize():f}"
    rate = f"{(line.micro_per_unit / MICRO).normalize():f}"
    return {
        "label": line.label,
        "detail": _("%(quantity)s at %(rate)s cr each") % {"quantity": detail, "rate": rate},
        "amount": line.amount,
    }


def _statement_row(movement: books.Movement) -> dict[str, object]:
    """One movement, seen from what is left of the allocation."""
    change = movement.amount if movement.target == AccountKind.HELD else -movement.amount
    match movement.kind, movement.source, movement.target:
        case EntryKind.HOLD, _, _:
            text = _("Set aside from the award")
        case _, AccountKind.HELD, AccountKind.AVAILABLE if movement.to_call:
            text = _("Returned to the call: the award is over")
        case EntryKind.EXPIRE, _, _:
            text = _("Returned to the award: the time for reporting usage is over")
        case _, AccountKind.HELD, AccountKind.AVAILABLE:
            text = _("Returned to the award")
        case _, AccountKind.HELD, _:
            text = _("Usage")
        case _, AccountKind.DEBT, _:
            text = _("Usage of %(credits)s beyond what was set aside: the award owes it") % {
                "credits": amount_text(movement.amount)
            }
        case EntryKind.REFUND, _, _ if movement.to_call or movement.target == AccountKind.DEBT:
            text = _("Refund of %(credits)s") % {"credits": amount_text(movement.amount)}
        case EntryKind.REFUND, _, _:
            text = _("Refund of %(credits)s, to the award") % {"credits": amount_text(movement.amount)}
        case _:
            text = _("Correction of %(credits)s, to the award") % {"credits": amount_text(movement.amount)}
    if AccountKind.HELD not in (movement.source, movement.target):
        change = 0
    return {
        "on": timezone.localtime(movement.effective_at).date(),
        "text": f"{text}: {movement.reason}" if movement.reason else text,
        "reference": _("Entry %(number)d") % {"number": movement.entry_id},
        "amount": change,
        "balance": movement.remaining,
    }


def _people(allocation: Allocation) -> list[dict[str, str]]:
    members = Membership.objects.filter(project=allocation.award.project_id).select_related("user")
    # The principal investigator first.
    members = members.order_by(Case(When(role=ProjectRole.PI, then=0), default=1), "user__full_name", "pk")
    return [
        {"initials": each.user.initials, "name": str(each.user), "role": each.get_role_display()} for each in members
    ]


def _coming(allocation: Allocation, last_day: date) -> list[dict[str, str]]:
    """What happens next by itself, and who does it."""
    platform = str(allocation.platform)
    ends = {
        "icon": "ph0",
        "title": _("Allocation ends"),
        "text": _(
            "After %(day)s. Access is removed. Unused credits are returned when the last usage has been reported."
        )
        % {"day": date_format(last_day)},
    }
    status = AllocationStatus.of(allocation.status)
    match status:
        case AllocationStatus.PROVISIONING:
            return [
                {"icon": "ph0", "title": _("Access set up"), "text": _("By %(platform)s.") % {"platform": platform}},
                ends,
            ]
        case AllocationStatus.FAILED:
            return [
                {"icon": "ph0", "title": _("Tried again"), "text": who_was_told(allocation)},
                ends,
            ]
        case AllocationStatus.ACTIVE | AllocationStatus.SUSPENDED:
            return [ends]
        case AllocationStatus.ENDING:
            return [
                {"icon": "ph0", "title": _("Access removed"), "text": _("By %(platform)s.") % {"platform": platform}},
            ]
        case AllocationStatus.CLOSED if allocation.usage_until is not None and allocation.is_awaiting_usage:
            day = date_format(timezone.localtime(allocation.usage_until).date())
            text = _("Late usage is accepted until %(day)s. Then unused credits return to the award.") % {"day": day}
            return [{"icon": "ph0", "title": _("Last usage"), "text": text}]
        case AllocationStatus.CLOSED:
            return []
    assert_never(status)


def _past(*subjects: Model) -> list[TimelineEntry]:
    """What happened to these so far, from the audit trail, the newest first."""
    past = timeline(history_of(*subjects).filter(name__in=IN_TIMELINES), own_page=True)
    return [replace(each, now=number == 0) for number, each in enumerate(past)]


# --- what people do with it ------------------------------------------------------------------------------------------


@login_required
@require_POST
def retry(request: SignedInRequest, reference: str, pk: int) -> HttpResponse:
    """Have a failed operation tried again."""
    found = _seen_by(request.user, reference)
    operation = get_object_or_404(found.operations.select_related("allocation__platform", "allocation__award"), pk=pk)
    try:
        provisioning.retry(operation, by=request.user, at=timezone.now())
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, _("%(what)s is tried again.") % {"what": operation.get_kind_display()})
    return HttpResponseRedirect(f"{found.get_absolute_url()}#set-up")


class EndForm(Form):
    """Why it ends."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy("The project will see it."),
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": gettext_lazy("Enter a reason. The project will see it.")},
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def end(request: SignedInRequest, reference: str) -> HttpResponse:
    """Asks for the reason and says what will happen; then ends the allocation."""
    found = _seen_by(request.user, reference)
    refused = ALLOCATION.refusal(found, "end", by=request.user)
    if isinstance(refused, NotPermitted):
        raise PermissionDenied(refused.message)
    if refused is not None:
        messages.error(request, refused.message)
        return redirect(found)
    form = EndForm(posted(request))
    if form.is_valid():
        try:
            provisioning.end(found, reason=form.cleaned_data["reason"], by=request.user, at=timezone.now())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("The allocation is being ended. Access is being removed on the platform."))
            return redirect(found)
    left = books.holds([found.hold_id])[found.hold_id].remaining
    context = {
        "allocation": found,
        "list_crumb": _list_crumb(request, found),
        "form": form,
        "left": left,
        "offering": found.plan.offering,
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return TemplateResponse(request, "projects/allocations/end.html", context, status=status)


@login_required
@require_safe
@never_cache
def go(request: SignedInRequest, reference: str) -> HttpResponse:
    """Leave for the platform. Going there is on record; where that is not possible now, a page says why.

    A GET, because it is a link that leaves the site; going again only adds another record.
    """
    found = _seen_by(request.user, reference)
    try:
        # Looked at first, so that nobody is recorded as having gone to an address that is not followed.
        if found.access_url and urlsplit(found.access_url).scheme not in {"http", "https"}:
            raise NoAddress(_("The platform gave an address that cannot be opened in a browser."))
        url = provisioning.open_platform(found, by=request.user, at=timezone.now())
    except Refused as refusal:
        status = HTTPStatus.FORBIDDEN if isinstance(refusal, NotPermitted) else HTTPStatus.NOT_FOUND
        context = {"allocation": found, "refusal": refusal.message}
        return TemplateResponse(request, "projects/allocations/not_open.html", context, status=status)
    return HttpResponseRedirect(url)


class NoAddress(Refused):
    """The allocation has no address that a browser can be sent to."""

    code = "no_address"
