"""A resource request in words: its people, who acts next, by when, and what comes then."""

from __future__ import annotations

from datetime import date
from typing import Any, assert_never

from django.db.models import Prefetch, QuerySet
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from earthcode.identity.models import Membership, User
from earthcode.identity.roles import ProjectRole
from earthcode.lib.money import amount_text
from earthcode.sponsorship.models import RequestStatus, ResourceRequest
from earthcode.sponsorship.workdays import working_days_between
from earthcode.web.parts.timeline import TimelineEntry

_S = RequestStatus


def sent_words(resource_request: ResourceRequest) -> str:
    """What a receipt says on top of the page."""
    assert resource_request.decide_by is not None
    return _("Submitted for %(amount)s credits. You hear from ESA by %(day)s.") % {
        "amount": amount_text(resource_request.amount),
        "day": date_format(resource_request.decide_by),
    }


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
    status = RequestStatus.of(resource_request.status)
    match status:
        case _S.DRAFT:
            leader = leader_of(resource_request)
            if leader is not None and leader.pk != user.pk:
                return _("The team fills it in, then %(leader)s submits it.") % {"leader": leader}
            return _("You fill it in and submit it. Until then nobody outside the project sees it.")
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
            return _("The project answers ESA's question. The decision deadline is paused until then.")
        case _S.OFFERED:
            assert resource_request.offer_until is not None
            until = date_format(resource_request.offer_until)
            return _("The project's leader accepts or declines ESA's offer by %(day)s.") % {"day": until}
        case _S.APPROVED:
            return _next_of_allocations(allocations)
        case _S.REJECTED:
            return _("The project can use it as a new draft and submit it again.")
        case _S.DECLINED:
            return _("Nothing more happens. The offer was not accepted, and its credits went back to the call.")
        case _S.WITHDRAWN:
            return _("Nothing more happens. The request was withdrawn.")
    assert_never(status)


def _waits_for_endorsement(resource_request: ResourceRequest) -> bool:
    wanted = any(check.code == "endorsement" for check in resource_request.checks.all())
    return wanted and not hasattr(resource_request, "endorsement")


def _next_of_allocations(allocations: list[Any]) -> str:
    statuses = {allocation.status for allocation in allocations}
    if "failed" in statuses:
        return _("The provider looks into a set-up problem. The reason is with the allocation below.")
    if "provisioning" in statuses:
        return _("Access is being set up automatically. This takes a few minutes.")
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
        return _("Access is being removed automatically.")
    return _("Nothing more happens. The allocations have ended.")


def coming(resource_request: ResourceRequest) -> list[TimelineEntry]:
    """What will happen, the next thing last, right above what happened."""
    if resource_request.status != _S.IN_REVIEW:
        return []
    assert resource_request.decide_by is not None
    day = date_format(resource_request.decide_by)
    coming = [
        TimelineEntry("ph4", _("Access is set up"), _("Minutes after the decision, under your EarthCODE sign-in")),
        TimelineEntry("ph3", _("ESA decides"), _("By %(day)s. You get a message.") % {"day": day}),
    ]
    if _waits_for_endorsement(resource_request):
        coming.append(TimelineEntry("ph2", _("The Technical Officer endorses it"), ""))
    return coming
