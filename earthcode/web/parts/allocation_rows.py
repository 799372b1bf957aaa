"""Allocations in lists: of those who use them, and of those who provide the platform."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from earthcode.identity.models import Membership, User
from earthcode.identity.roles import ProjectRole
from earthcode.ledger import queries as books
from earthcode.provisioning.models import Allocation, AllocationStatus, Operation, OperationStatus
from earthcode.web.parts.lists import paginate
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.parts.statuses import Words


@dataclass(frozen=True)
class AllocationRow:
    """An allocation as lists show it, with what the ledger says of its credits."""

    allocation: Allocation
    left: int
    used: int
    #: Until the last day; None where that does not matter any more.
    days_left: int | None
    #: Why the last work on the platform failed; empty where it did not.
    problem: str
    #: Who leads the project, in the list of those who provide the platform.
    leader: User | None = None

    @property
    def ends(self) -> str:
        ended = self.allocation.status in (AllocationStatus.ENDING, AllocationStatus.CLOSED)
        # What was ended early ended then, and not on the day it was to.
        last = min(self.allocation.ends_on, self.allocation.status_since.date()) if ended else self.allocation.ends_on
        return words_for_end(last, self.days_left)


def rows_of(allocations: Sequence[Allocation], *, today: date, with_leaders: bool = False) -> list[AllocationRow]:
    """The allocations with their credits and problems, in two queries however many they are; a third finds the leaders."""
    if not allocations:
        return []
    holds = books.holds(allocation.hold_id for allocation in allocations)
    problems = {
        operation.allocation_id: operation.error
        for operation in failed_operations().filter(allocation__in=[allocation.pk for allocation in allocations])
    }
    leaders = _leaders(allocations) if with_leaders else {}
    return [
        AllocationRow(
            allocation=allocation,
            left=holds[allocation.hold_id].remaining,
            used=holds[allocation.hold_id].used,
            days_left=days_left(allocation, today=today),
            problem=problems.get(allocation.pk, ""),
            leader=leaders.get(allocation.award.project_id),
        )
        for allocation in allocations
    ]


def _leaders(allocations: Sequence[Allocation]) -> dict[int, User]:
    """The principal investigator of each project."""
    projects = {allocation.award.project_id for allocation in allocations}
    found = Membership.objects.filter(project__in=projects, role=ProjectRole.PI).select_related("user__organisation")
    return {each.project_id: each.user for each in found}


def failed_operations() -> QuerySet[Operation]:
    """Work that a platform refused and that nobody has taken up again."""
    newer = Operation.objects.filter(allocation=OuterRef("allocation"), pk__gt=OuterRef("pk")).order_by()
    return Operation.objects.filter(~Exists(newer), status=OperationStatus.FAILED)


def days_left(allocation: Allocation, *, today: date) -> int | None:
    """Days until the last one, which counts; None for an allocation that is ending or over."""
    if allocation.status in (AllocationStatus.ENDING, AllocationStatus.CLOSED):
        return None
    return (allocation.ends_on - today).days


def words_for_end(ends_on: date, days: int | None) -> str:
    """When it ends, as people say it."""
    if days is None:
        return date_format(ends_on)
    if days < 0:
        return _("the last day is over")
    if days == 0:
        return _("today is the last day")
    return ngettext("in %(count)d day", "in %(count)d days", days) % {"count": days}


_ENDED = Q(status=AllocationStatus.CLOSED)

_SHOWN: dict[str, tuple[Words, Q]] = {
    "current": (gettext_lazy("Current"), ~_ENDED),
    "problem": (gettext_lazy("With a problem"), Q(status=AllocationStatus.FAILED)),
    "ended": (gettext_lazy("Ended"), _ENDED),
    "all": (gettext_lazy("All"), Q()),
}


def allocation_list(request: SignedInRequest, visible: QuerySet[Allocation], *, orders: bool) -> HttpResponse:
    words = " ".join(request.GET.get("q", "").split())[:100]
    if words:
        visible = visible.filter(
            Q(reference__icontains=words)
            | Q(award__project__title__icontains=words)
            | Q(award__resource_request__title__icontains=words)
            | Q(plan__offering__name__icontains=words)
            | Q(platform__name__icontains=words)
        )
    counts = visible.order_by().aggregate(
        **{
            name: Count("pk", filter=condition) if condition else Count("pk")
            for name, (_label, condition) in _SHOWN.items()
        }
    )
    chosen = request.GET.get("show", "current")
    if chosen not in _SHOWN:
        chosen = "current"
    found = visible.filter(_SHOWN[chosen][1]).select_related("award__resource_request").order_by("-created_at", "-pk")
    page = paginate(request, found)
    context = {
        "orders": orders,
        "q": words,
        "chosen": chosen,
        "tabs": [
            {
                "label": label,
                "url": _tab_url(request, name),
                "count": counts[name],
                "current": name == chosen,
            }
            for name, (label, _condition) in _SHOWN.items()
            # Nobody needs an empty list of problems.
            if name != "problem" or counts[name] or name == chosen
        ],
        "page": page,
        "rows": rows_of(page.rows, today=timezone.localdate(), with_leaders=orders),
        "any": counts["all"] > 0,
    }
    return TemplateResponse(request, "parts/allocation_list.html", context)


def _tab_url(request: SignedInRequest, name: str) -> str:
    query = request.GET.copy()
    query.pop("page", None)
    query["show"] = name
    return f"{request.path}?{query.urlencode()}"
