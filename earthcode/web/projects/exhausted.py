"""What the page of an allocation says when all its credits are used: what happened, what happens next and when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from earthcode.connectors.base import SuspendStep
from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.provisioning.models import Allocation, AllocationStatus
from earthcode.settlement.exhaustion import last_day_of
from earthcode.settlement.models import Exhaustion


def exhaustion_of(allocation: Allocation) -> Exhaustion | None:
    """How far it has gone, while people can still do something about it; read it with the allocation."""
    if allocation.status not in (AllocationStatus.ACTIVE, AllocationStatus.SUSPENDED):
        return None
    return getattr(allocation, "exhaustion", None)


def exhausted(allocation: Allocation, known: Exhaustion | None, *, by: User) -> dict[str, Any] | None:
    """The panel, with its steps in order; None while there are credits."""
    if known is None:
        return None
    last_day = date_format(last_day_of(allocation, known), "j F Y")
    words = {"used_up": _day(known.used_up_at), "last_day": last_day}
    if known.step:
        title = _("The credits ran out on %(used_up)s. Access ends after %(last_day)s") % words
    else:
        title = _("The credits ran out on %(used_up)s. Work goes on, and the award owes it") % words
    return {
        "title": title,
        "words": _words(allocation, known),
        "steps": [
            {"state": "done", "icon": "ph4", "name": _("Credits used up"), "when": _moment(known.used_up_at)},
            _present(allocation, known),
            {
                "state": "coming",
                "icon": "ph0",
                "name": _("Access ends"),
                "when": _("after %(day)s, unless credits come back") % {"day": last_day}
                if known.step
                else _("after %(day)s") % {"day": last_day},
            },
        ],
        "award": allocation.award if by.may(Permission.ALLOCATION_PLACE, allocation.award) else None,
    }


def _words(allocation: Allocation, known: Exhaustion) -> list[str]:
    owed = _("What is used from now on is owed by the award.")
    if not known.step:
        return [_("%(platform)s cannot suspend access.") % {"platform": allocation.platform}, owed]
    if allocation.status != AllocationStatus.SUSPENDED:
        return [_("The platform was asked to suspend access and has not confirmed it yet."), owed]
    cannot = {
        SuspendStep.NO_NEW_WORK: _("You cannot start anything new. Nothing was deleted."),
        SuspendStep.READ_ONLY: _("You can read and remove what is stored, and add nothing. Nothing was deleted."),
        SuspendStep.STOP_RUNNING: _(
            "You cannot start anything, and what was running was stopped. Nothing was deleted."
        ),
    }[SuspendStep(allocation.suspend_step or known.step)]
    return [cannot, _("What is used after the limit is owed by the award.")]


def _present(allocation: Allocation, known: Exhaustion) -> dict[str, str]:
    """The step that it is in."""
    if not known.step:
        words = _("until it ends, or is ended")
        return {"state": "current", "icon": "ph-q", "name": _("Work goes on, owed by the award"), "when": words}
    names = {
        SuspendStep.NO_NEW_WORK: _("No new work"),
        SuspendStep.READ_ONLY: _("Read only"),
        SuspendStep.STOP_RUNNING: _("Everything stopped"),
    }
    name = names[SuspendStep(allocation.suspend_step or known.step)]
    if allocation.status == AllocationStatus.SUSPENDED:
        when = _("since %(time)s, confirmed by %(platform)s") % {
            "time": _moment(allocation.status_since),
            "platform": allocation.platform,
        }
    else:
        when = _("%(platform)s was asked, not confirmed yet") % {"platform": allocation.platform}
    return {"state": "current stopped", "icon": "ph-q", "name": name, "when": when}


def _day(at: datetime) -> str:
    return date_format(timezone.localtime(at).date(), "j F")


def _moment(at: datetime) -> str:
    return date_format(timezone.localtime(at), "j M, H:i")
