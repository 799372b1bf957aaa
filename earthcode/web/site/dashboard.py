"""A person's own first page: what needs them, what they have, what they were told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.lib.money import amount_text
from earthcode.lifecycle import Group
from earthcode.notifications.queries import inbox
from earthcode.onboarding.models import Application, ApplicationStatus
from earthcode.provisioning.models import Allocation, Task
from earthcode.provisioning.queries import allocations_visible_to
from earthcode.publishing.models import Draft, DraftStatus
from earthcode.settlement.models import Statement, StatementStatus
from earthcode.settlement.statements import STATEMENT
from earthcode.sponsorship.models import (
    CallFunding,
    FundingStatus,
    Quotation,
    QuotationStatus,
    RequestStatus,
    ResourceRequest,
)
from earthcode.sponsorship.workdays import working_days_between
from earthcode.web.parts.allocation_rows import AllocationRow, failed_operations, rows_of
from earthcode.web.parts.signed_in import SignedInRequest

ALLOCATIONS_SHOWN = 8
MESSAGES_SHOWN = 5
#: Of each kind of thing that needs the person; the rest is behind a link.
NEEDS_SHOWN = 5


#: What the person is asked to do next, by the step of the statement.
_STATEMENT_STEPS = {
    "agree": gettext_lazy("Agree to the statement for %(month)s"),
    "approve": gettext_lazy("Approve the statement for %(month)s"),
    "invoice": gettext_lazy("Add your invoice to the statement for %(month)s"),
    "pay": gettext_lazy("Record the payment of the statement for %(month)s"),
}


@dataclass(frozen=True)
class Need:
    """Something that waits for the person."""

    icon: str
    tone: str
    title: str
    text: str
    url: str
    #: By when, in words; empty where nobody waits.
    due: str = ""
    due_tone: str = ""


@login_required
@require_safe
def home(request: SignedInRequest) -> HttpResponse:
    """The lists depend on what the person may do, not on a role they picked."""
    user, today = request.user, timezone.localdate()
    own = _own_requests(user)
    needs = [
        *(_question(each) for each in own if each.status == RequestStatus.INFO_NEEDED),
        *(_offer(each, today=today) for each in own if each.status == RequestStatus.OFFERED),
        *_prices(user, today=today),
        *_tasks(user, today=today),
        *_fundings(user),
        *_statements(user),
        *_providers_work(user),
        *_problems(user),
        *_to_endorse(user, today=today),
        *(_draft(each) for each in own if _group(each) is Group.PREPARING),
    ]
    queue = _queue(user) if user.may(Permission.REQUEST_DECIDE) else []
    in_use = user.grants.projects_with(Permission.ALLOCATION_USE)
    runs = user.grants.providers_with(Permission.ALLOCATION_VIEW)
    context = {
        "needs": needs,
        "decides": user.may(Permission.REQUEST_DECIDE),
        "queue": [_to_decide(each, today=today) for each in queue[:NEEDS_SHOWN]],
        "queue_has_more": len(queue) > NEEDS_SHOWN,
        "on_their_way": [each for each in own if _group(each) is Group.DECIDING],
        "has_allocations": bool(in_use or runs),
        "runs_platforms": bool(runs) and not in_use,
        "allocations": _allocations(user, in_use, runs, today=today),
        "messages_shown": list(inbox(user.public_id)[:MESSAGES_SHOWN]),
    }
    return TemplateResponse(request, "site/dashboard.html", context)


# --- requests --------------------------------------------------------------------------------------------------------


def _own_requests(user: User) -> list[ResourceRequest]:
    """What the person and their projects have not finished, or are waiting for; the latest first."""
    mine = Q(created_by=user) | Q(project__in=user.grants.projects_with(Permission.REQUEST_EDIT))
    unfinished = RequestStatus.within(Group.PREPARING, Group.ANSWERING, Group.DECIDING)
    found = ResourceRequest.objects.filter(mine, status__in=unfinished).select_related("project")
    return list(found.order_by("-saved_at", "-pk")[: 4 * NEEDS_SHOWN])


def _group(resource_request: ResourceRequest) -> Group:
    return RequestStatus.of(resource_request.status).group


def _question(resource_request: ResourceRequest) -> Need:
    return Need(
        icon="ph-q",
        tone="warn",
        title=_("ESA has a question about “%(title)s”") % {"title": resource_request.title},
        text=_("%(reference)s. The decision deadline is paused until you answer.")
        % {"reference": resource_request.reference},
        url=resource_request.get_absolute_url(),
        due=_("waits for you"),
        due_tone="soon",
    )


def _offer(resource_request: ResourceRequest, *, today: date) -> Need:
    due, due_tone = _due(resource_request.offer_until, today=today)
    return Need(
        icon="ph-q",
        tone="warn",
        title=_("ESA offers a part of “%(title)s”") % {"title": resource_request.title},
        text=_("%(reference)s. The project's leader accepts or declines it.")
        % {"reference": resource_request.reference},
        url=resource_request.get_absolute_url(),
        due=due,
        due_tone=due_tone,
    )


def _prices(user: User, *, today: date) -> Iterator[Need]:
    """Prices that a provider was asked for, and those that were given and wait to be accepted."""
    answers_for = user.grants.providers_with(Permission.QUOTATION_ANSWER)
    edits = user.grants.projects_with(Permission.REQUEST_EDIT)
    if not (answers_for or edits):
        return
    to_give = Q(status=QuotationStatus.ASKED, plan__offering__platform__provider__in=answers_for)
    to_accept = Q(status=QuotationStatus.ANSWERED, resource_request__project__in=edits)
    waiting = Quotation.objects.filter(to_give | to_accept).select_related(
        "plan__offering", "resource_request__project"
    )
    for each in waiting.order_by("answer_by", "pk")[:NEEDS_SHOWN]:
        is_asked = each.status == QuotationStatus.ASKED
        due, due_tone = _due(each.answer_by if is_asked else each.valid_until, today=today)
        title = _("Give a price for %(plan)s") if is_asked else _("Accept the price of %(plan)s")
        yield Need(
            icon="ph1" if is_asked else "ph-q",
            tone="think" if is_asked else "warn",
            title=title % {"plan": each.plan},
            text=_("%(reference)s, %(project)s")
            % {"reference": each.reference, "project": each.resource_request.project},
            url=reverse("quotation", args=[each.reference]),
            due=due,
            due_tone=due_tone,
        )


def _fundings(user: User) -> Iterator[Need]:
    """Credits for a call that another manager proposed."""
    if not user.may(Permission.CALL_MANAGE):
        return
    waiting = CallFunding.objects.filter(status=FundingStatus.WAITING).exclude(proposed_by=user)
    for each in waiting.select_related("call", "proposed_by").order_by("proposed_at", "pk")[:NEEDS_SHOWN]:
        yield Need(
            icon="ph2",
            tone="think",
            title=_("Agree to %(credits)s credits for %(call)s")
            % {"credits": amount_text(each.amount), "call": each.call},
            text=_("Proposed by %(who)s. A second officer has to agree.")
            % {"who": each.proposed_by or _("the operator of the site")},
            url=reverse("call_manage", args=[each.call.slug]),
        )


def _tasks(user: User, *, today: date) -> Iterator[Need]:
    """What the person is asked to do on a platform where no API does it."""
    waiting = Task.objects.answerable_by(user).open().select_related("operation__allocation__plan__offering")
    for each in waiting.order_by("due_on", "pk")[:NEEDS_SHOWN]:
        operation = each.operation
        due, due_tone = _due(each.due_on, today=today)
        yield Need(
            icon="ph1",
            tone="think",
            title=f"{operation.get_kind_display()}: {operation.allocation.reference}",
            text=str(operation.allocation.plan),
            url=reverse("desk_task", args=[each.pk]),
            due=due,
            due_tone=due_tone,
        )


def _statements(user: User) -> Iterator[Need]:
    """Statements whose next step this person can take: agree and invoice for the provider, approve and pay for ESA."""
    answers_for = user.grants.providers_with(Permission.STATEMENT_ANSWER)
    mine = Q(provider__in=answers_for, status__in=[StatementStatus.ISSUED, StatementStatus.APPROVED])
    if user.may(Permission.STATEMENT_APPROVE):
        mine |= Q(status__in=[StatementStatus.AGREED, StatementStatus.INVOICED])
    elif not answers_for:
        return
    waiting = Statement.objects.filter(mine).select_related("provider", "call", "first_approval")
    shown = 0
    for each in waiting.order_by("month", "pk")[: 4 * NEEDS_SHOWN]:
        steps = [step.name for step in STATEMENT.open_to(each, by=user) if step.name in _STATEMENT_STEPS]
        if not steps:
            continue
        yield Need(
            icon="ph2",
            tone="think",
            title=_STATEMENT_STEPS[steps[0]] % {"month": date_format(each.month, "F Y")},
            text=_("%(number)s, %(provider)s, %(credits)s credits")
            % {
                "number": each.number,
                "provider": each.provider,
                "credits": amount_text(each.total if each.agreed is None else each.agreed),
            },
            url=each.get_absolute_url(),
        )
        shown += 1
        if shown == NEEDS_SHOWN:
            return


def _providers_work(user: User) -> Iterator[Need]:
    """Applications and drafts of offerings that providers submitted and ESA decides on."""
    if user.may(Permission.APPLICATION_DECIDE):
        applications = Application.objects.filter(status__in=ApplicationStatus.within(Group.DECIDING))
        for application in applications.order_by("submitted_at", "pk")[:NEEDS_SHOWN]:
            yield Need(
                icon="ph2",
                tone="think",
                title=_("Decide on the application of %(name)s") % {"name": application.platform_name},
                text=application.reference,
                url=reverse("review_application", args=[application.reference]),
            )
    if user.may(Permission.OFFERING_PUBLISH):
        drafts = Draft.objects.filter(status__in=DraftStatus.within(Group.DECIDING))
        for draft in drafts.select_related("platform__provider").order_by("submitted_at", "pk")[:NEEDS_SHOWN]:
            yield Need(
                icon="ph2",
                tone="think",
                title=_("Decide on the offering “%(name)s”") % {"name": draft},
                text=str(draft.platform.provider),
                url=reverse("offering_approval", args=[draft.pk]),
            )


def _draft(resource_request: ResourceRequest) -> Need:
    saved = date_format(timezone.localtime(resource_request.saved_at).date())
    return Need(
        icon="ph0",
        tone="mute",
        title=_("Finish “%(title)s”") % {"title": resource_request.title},
        text=_("%(reference)s, a draft saved on %(day)s") % {"reference": resource_request.reference, "day": saved},
        url=reverse("request_edit", args=[resource_request.reference]),
    )


def _queue(user: User) -> list[ResourceRequest]:
    """What waits for a decision that this person may take, the most urgent first; one more than is shown."""
    waiting = ResourceRequest.objects.filter(status__in=RequestStatus.within(Group.DECIDING)).select_related("project")
    # Those with an interest in a request are refused when they decide; here it would only be in their way.
    tied = Q(created_by=user) | Q(submitted_by=user) | Q(project__in=list(user.grants.project_roles))
    if user.organisation_id is not None:
        tied |= Q(project__organisation=user.organisation_id)
    return list(waiting.exclude(tied).order_by("decide_by", "submitted_at", "pk")[: NEEDS_SHOWN + 1])


def _to_decide(resource_request: ResourceRequest, *, today: date) -> Need:
    due, due_tone = _due(resource_request.decide_by, today=today)
    return Need(
        icon="ph2",
        tone="think",
        title=resource_request.title,
        text=_("%(reference)s, %(project)s, asks for %(credits)s credits")
        % {
            "reference": resource_request.reference,
            "project": resource_request.project,
            "credits": amount_text(resource_request.amount),
        },
        url=reverse("review_request", args=[resource_request.reference]),
        due=due,
        due_tone=due_tone,
    )


def _to_endorse(user: User, *, today: date) -> Iterator[Need]:
    """Requests of projects in the person's care that need their endorsement."""
    if not user.may(Permission.REQUEST_ENDORSE):
        return
    waiting = ResourceRequest.objects.filter(
        status=RequestStatus.IN_REVIEW,
        project__technical_officer=user,
        endorsement__isnull=True,
        checks__code="endorsement",
    ).select_related("project")
    for each in waiting.order_by("decide_by", "pk")[:NEEDS_SHOWN]:
        due, due_tone = _due(each.decide_by, today=today)
        yield Need(
            icon="ph2",
            tone="think",
            title=_("Your endorsement is asked for: “%(title)s”") % {"title": each.title},
            text=_("%(reference)s, %(project)s") % {"reference": each.reference, "project": each.project},
            url=each.get_absolute_url(),
            due=due,
            due_tone=due_tone,
        )


def _due(day: date | None, *, today: date) -> tuple[str, str]:
    """How many working days are left, and how urgent that is."""
    if day is None:
        return "", ""
    days = working_days_between(today, day)
    if days < 0:
        return ngettext("%(count)d day late", "%(count)d days late", -days) % {"count": -days}, "late"
    if days == 0:
        return _("due today"), "late"
    words = ngettext("%(count)d working day left", "%(count)d working days left", days) % {"count": days}
    return words, "soon" if days <= 2 else ""


# --- allocations -----------------------------------------------------------------------------------------------------


def _problems(user: User) -> Iterator[Need]:
    """Work on a platform that failed: of the person's projects, and on the platforms they run and can try again."""
    mine = Q(allocation__award__project__in=user.grants.projects_with(Permission.ALLOCATION_USE))
    mine |= Q(allocation__platform__provider__in=user.grants.providers_with(Permission.OPERATION_RETRY))
    found = failed_operations().filter(mine).select_related("allocation__platform", "allocation__award")
    for operation in found.order_by("-finished_at", "-pk")[:NEEDS_SHOWN]:
        can_retry = user.may(Permission.OPERATION_RETRY, operation)
        yield Need(
            icon="ph-q",
            tone="bad",
            title=_("%(platform)s: “%(what)s” failed")
            % {"platform": operation.allocation.platform, "what": operation.get_kind_display()},
            text=f"{operation.allocation.reference}. {operation.error}",
            url=f"{operation.allocation.get_absolute_url()}#set-up",
            due=_("try it again") if can_retry else _("the provider is on it"),
            due_tone="late" if can_retry else "",
        )


def _allocations(user: User, in_use: Sequence[int], runs: Sequence[int], *, today: date) -> list[AllocationRow]:
    """Of the person's projects and of the platforms they run; those who may see all have a list for that."""
    if not (in_use or runs):
        return []
    mine = Q(award__project__in=in_use) | Q(platform__provider__in=runs)
    current = Allocation.objects.live().values("pk")
    found = allocations_visible_to(user).filter(mine, pk__in=current).select_related("award__resource_request")
    shown = list(found.order_by("ends_on", "-created_at", "-pk")[:ALLOCATIONS_SHOWN])
    return rows_of(shown, today=today, with_leaders=not in_use)
