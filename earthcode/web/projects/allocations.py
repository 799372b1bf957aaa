"""The list of allocations."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from earthcode.provisioning.queries import allocations_visible_to
from earthcode.web.parts.allocation_rows import allocation_list
from earthcode.web.parts.signed_in import SignedInRequest


@login_required
@require_safe
def allocations(request: SignedInRequest) -> HttpResponse:
    """All that the person may see."""
    return allocation_list(request, allocations_visible_to(request.user), orders=False)
