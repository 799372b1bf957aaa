"""A person's own page: who the single sign-on says they are, and what that lets them do here."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from earthcode.identity.models import Membership, RoleGrant
from earthcode.identity.roles import Permission
from earthcode.web.parts.signed_in import SignedInRequest


@login_required
@require_safe
def account(request: SignedInRequest) -> HttpResponse:
    """Nothing is edited here: name, address and most roles come from the single sign-on at each sign-in."""
    user = request.user
    context = {
        "person": user,
        "role_grants": RoleGrant.objects.filter(user=user).select_related("organisation", "given_by"),
        "memberships": Membership.objects.filter(user=user).select_related("project").order_by("project__title", "pk"),
        "may_read_audit_trail": user.may(Permission.AUDIT_VIEW),
    }
    return TemplateResponse(request, "site/account.html", context)
