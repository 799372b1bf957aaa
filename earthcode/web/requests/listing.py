"""The list of resource requests, for the people who ask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from earthcode.identity.models import User
from earthcode.lifecycle import Group
from earthcode.sponsorship.models import RequestStatus, ResourceRequest
from earthcode.sponsorship.queries import with_offerings
from earthcode.web.parts.lists import paginate
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.parts.statuses import Words

_S = RequestStatus

#: Value of ``?state=`` → label and the statuses it shows.
TABS: dict[str, tuple[Words, tuple[str, ...]]] = {
    "": (gettext_lazy("All"), tuple(_S.values)),
    "open": (gettext_lazy("For you to do"), _S.within(Group.PREPARING, Group.ANSWERING)),
    "in_review": (gettext_lazy("In review"), _S.within(Group.DECIDING)),
    "approved": (gettext_lazy("Approved"), _S.within(Group.IN_FORCE)),
    "closed": (gettext_lazy("Closed"), _S.within(Group.OVER)),
}


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
            "rows": rows_of(page, reader=request.user),
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


def rows_of(requests: Iterable[ResourceRequest], *, reader: User) -> list[dict[str, Any]]:
    """Requests (``with_offerings``) with the names of what they ask for in one string, each once.

    ``own``: the reader is one of those who answer when ESA asks something.
    """
    return [
        {
            "request": each,
            "offerings": ", ".join(dict.fromkeys(each.offering_names)),  # type: ignore[attr-defined]  # annotated
            "own": each.may_be_edited_by(reader),
        }
        for each in requests
    ]
