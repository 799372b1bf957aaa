"""The page of the simulated platform: where "Open platform" leads for an allocation on it.

It stands in for a provider's own site, so it asks nothing of our database but whether the person may see the allocation.
"""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_safe

from earthcode.connectors.simulated import Simulated, state_of
from earthcode.provisioning.queries import allocations_visible_to
from earthcode.web.signed_in import SignedInRequest


@login_required
@require_safe
def simulated_platform(request: SignedInRequest, reference: str) -> HttpResponse:
    """What the platform knows of the allocation: who was let in until when, and how often it really did something."""
    visible = allocations_visible_to(request.user).filter(platform__connector=Simulated.kind)
    allocation = get_object_or_404(visible, reference=reference)
    state = state_of(allocation.platform.connector_config, allocation.reference)
    granted = state["granted"]
    me = f"{request.user.issuer} {request.user.subject}"
    context = {
        "allocation": allocation,
        "granted": granted,
        "let_in": granted is not None and me in granted["people"],
        "ends_at": parse_datetime(granted["ends_at"]) if granted else None,
        "done": sorted(state["done"].items()),
        "attempts": sorted(state["attempts"].items()),
    }
    return TemplateResponse(request, "allocations/simulated_platform.html", context)
