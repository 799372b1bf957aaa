"""The page of the simulated platform: where "Open platform" leads for an allocation on it.

It stands in for a provider's own site, so it asks nothing of our database but whether the person may see the allocation.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from earthcode.catalogue.metrics import Metric
from earthcode.connectors.simulated import Simulated, state_of
from earthcode.provisioning.models import OperationKind
from earthcode.provisioning.queries import allocations_visible_to
from earthcode.web.parts.signed_in import SignedInRequest


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
        "last_day": _last_day(granted["ends_at"]) if granted else None,
        "quantities": [(_metric(name), count) for name, count in granted["quantities"].items()] if granted else [],
        "done": [(_work(name), count) for name, count in sorted(state["done"].items())],
        "attempts": [(_work(name), count) for name, count in sorted(state["attempts"].items())],
    }
    return TemplateResponse(request, "projects/simulated.html", context)


def _last_day(ends_at: str) -> date:
    """Access ends when its last day is over, so the moment itself belongs to the day after."""
    return (datetime.fromisoformat(ends_at).astimezone(UTC) - timedelta(microseconds=1)).date()


def _metric(name: str) -> str:
    return Metric(name).plural if name in Metric.values else name


def _work(name: str) -> str:
    return str(OperationKind(name).label) if name in OperationKind.values else name
