"""The statements of all providers, for those who approve and pay them."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from earthcode.identity.roles import Permission
from earthcode.settlement.models import Statement
from earthcode.web.parts.lists import paginate
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.review.queues import lists_for


@login_required
@require_safe
def statement_list(request: SignedInRequest) -> HttpResponse:
    """All statements, the newest month first."""
    if not request.user.may(Permission.STATEMENT_VIEW):
        raise Http404
    found = Statement.objects.select_related("call", "provider").order_by("-month", "provider__name", "pk")
    context = {"page": paginate(request, found), "lists": lists_for(request.user, "statements")}
    return TemplateResponse(request, "review/statements.html", context)
