"""Who looks after a provider: for its administrators and for ESA."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from earthcode.audit.queries import history_of
from earthcode.identity import administrators as identity
from earthcode.identity.models import GrantSource, Organisation, RoleGrant, User
from earthcode.identity.roles import Permission
from earthcode.lib.errors import Refused
from earthcode.web.parts.form_errors import add_refusal
from earthcode.web.parts.lists import paginate
from earthcode.web.parts.people import MemberForm
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.parts.timeline import timeline


@login_required
@require_safe
def administrators(request: SignedInRequest, slug: str) -> HttpResponse:
    """Everybody who looks after this provider, and where their role comes from."""
    return _page(request, _managed(request.user, slug))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def administrator_add(request: SignedInRequest, slug: str) -> HttpResponse:
    """A form on the page; whoever comes to its address otherwise goes there."""
    organisation = _managed(request.user, slug)
    if request.method != "POST":
        return redirect("administrators", organisation.slug)
    form = MemberForm(request.POST)
    if form.is_valid():
        person = form.cleaned_data["person"]
        try:
            identity.add(organisation, user=person, by=request.user, at=timezone.now())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("%(person)s is an administrator now.") % {"person": person})
            return redirect("administrators", organisation.slug)
    return _page(request, organisation, form)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def administrator_remove(request: SignedInRequest, slug: str) -> HttpResponse:
    """A button on the page; whoever comes to its address otherwise goes there."""
    organisation = _managed(request.user, slug)
    if request.method != "POST":
        return redirect("administrators", organisation.slug)
    try:
        public_id = UUID(request.POST.get("person", ""))
    except ValueError:
        raise Http404 from None
    person = User.objects.filter(public_id=public_id, role_grants__organisation=organisation).distinct().first()
    if person is not None:
        try:
            identity.remove(organisation, user=person, by=request.user, at=timezone.now())
        except Refused as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(request, _("%(person)s is no longer named here.") % {"person": person})
            if person == request.user and not User.objects.get(pk=person.pk).may(
                Permission.ADMINISTRATORS_MANAGE, organisation
            ):
                return redirect("account")
    return redirect("administrators", organisation.slug)


def _managed(user: User, slug: str) -> Organisation:
    """The provider, for those who may say who looks after it; to everybody else it has no such page."""
    organisation = get_object_or_404(Organisation, slug=slug)
    if not user.may(Permission.ADMINISTRATORS_MANAGE, organisation):
        raise Http404
    return organisation


def _page(request: SignedInRequest, organisation: Organisation, form: MemberForm | None = None) -> HttpResponse:
    page = paginate(request, identity.of(organisation))
    events = history_of(organisation).filter(name__startswith="organisation.").reverse()[:20]
    return TemplateResponse(
        request,
        "provider/administrators.html",
        {
            "organisation": organisation,
            "page": page,
            "rows": [
                {"grant": each, "person": each.user, "words": where_from(each), "removable": _removable(each)}
                for each in page
            ],
            "past": timeline(reversed(events)),
            "form": form or MemberForm(),
        },
        status=422 if form is not None and form.errors else 200,
    )


def _removable(grant: RoleGrant) -> bool:
    return grant.source == GrantSource.SITE


def where_from(grant: RoleGrant) -> str:
    """Who gave a role, in words."""
    if grant.source == GrantSource.SITE:
        return _("Added by %(person)s") % {"person": grant.given_by}
    return _("By the claim %(claim)s of the single sign-on") % {"claim": grant.claim}
