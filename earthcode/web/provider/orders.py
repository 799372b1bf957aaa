"""Orders: the allocations on the platforms that one's organisation runs."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.views.decorators.http import require_safe

from earthcode.identity.roles import Permission
from earthcode.provisioning.queries import allocations_visible_to
from earthcode.web.parts.allocation_rows import allocation_list
from earthcode.web.parts.signed_in import SignedInRequest


@login_required
@require_safe
def orders(request: SignedInRequest) -> HttpResponse:
    """The provider's view: the allocations on the platforms the person administers."""
    providers = request.user.grants.providers_with(Permission.ALLOCATION_VIEW)
    if not providers:
        raise Http404
    mine = allocations_visible_to(request.user).filter(platform__provider__in=providers)
    return allocation_list(request, mine, orders=True)
