"""Projects: the list, a new one, one with its people and what it has."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from earthcode.identity import projects
from earthcode.identity.models import Membership, Project, User
from earthcode.identity.queries import person_named
from earthcode.identity.roles import Permission, ProjectRole, Role
from earthcode.ledger import queries as books
from earthcode.lib.errors import Refused
from earthcode.provisioning import people
from earthcode.provisioning.models import Allocation
from earthcode.sponsorship.models import Award, ResourceRequest
from earthcode.sponsorship.queries import with_offerings
from earthcode.web.parts.form_errors import add_refusal, posted
from earthcode.web.parts.forms import CreatesOnce, Form
from earthcode.web.parts.lists import paginate
from earthcode.web.parts.people import MemberForm
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.requests.listing import rows_of

#: Of each kind of thing on a project's page; the lists have the rest.
SHOWN_MAX = 20


class ProjectWordsForm(Form):
    """What a project is called, and what it studies."""

    title = forms.CharField(max_length=200, label=gettext_lazy("Title"))
    summary = forms.CharField(
        max_length=5000,
        required=False,
        label=gettext_lazy("Summary"),
        help_text=gettext_lazy("What the project studies, in a few sentences."),
        widget=forms.Textarea(attrs={"rows": 5}),
    )


class ProjectForm(CreatesOnce, ProjectWordsForm):
    """A new project."""

    technical_officer = forms.CharField(
        max_length=254,
        required=False,
        label=gettext_lazy("ESA Technical Officer"),
        help_text=gettext_lazy(
            "Only where ESA funds the project: the EarthCODE username or e-mail address of the officer in charge. "
            "Some platforms need their endorsement."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def clean_technical_officer(self) -> User | None:
        named: str = self.cleaned_data["technical_officer"]
        if not named:
            return None
        person = person_named(named)
        if person is None or not person.has_role(Role.TECHNICAL_OFFICER):
            raise forms.ValidationError(
                _("We know no Technical Officer by this name. It must be exact, and they must have signed in before.")
            )
        return person


# --- the list, and a new one -----------------------------------------------------------------------------------------


@login_required
@require_safe
def project_list(request: SignedInRequest) -> HttpResponse:
    """The projects that the person may see."""
    visible = (
        Project.objects.visible_to(request.user)
        .select_related("organisation")
        .annotate(
            member_count=Count("memberships", distinct=True),
            request_count=Count(
                "resource_requests", filter=Q(resource_requests__in=_requests_of(request.user)), distinct=True
            ),
        )
        .order_by("title", "pk")
    )
    roles = {pk: role.label for pk, role in request.user.grants.project_roles.items()}
    page = paginate(request, visible)
    return TemplateResponse(
        request,
        "projects/list.html",
        {"page": page, "rows": [{"project": each, "role": roles.get(each.pk, "")} for each in page]},
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def project_new(request: SignedInRequest) -> HttpResponse:
    form = ProjectForm(posted(request))
    if form.is_valid():
        try:
            project = projects.create_project(**form.cleaned_data, by=request.user, at=timezone.now())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            return redirect(project)
    return TemplateResponse(request, "projects/new.html", {"form": form}, status=422 if form.errors else 200)


# --- one of them -----------------------------------------------------------------------------------------------------


@login_required
@require_safe
def project_page(request: SignedInRequest, slug: str) -> HttpResponse:
    """Who is in it, what it asked for, what it has."""
    return _page(request, _visible(request.user, slug))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def project_edit(request: SignedInRequest, slug: str) -> HttpResponse:
    project = _visible(request.user, slug)
    if not request.user.may(Permission.PROJECT_MANAGE, project):
        raise PermissionDenied(_("Only the principal investigator changes what the project is called."))
    title = project.title
    form = ProjectWordsForm(posted(request), initial={"title": title, "summary": project.summary})
    if form.is_valid():
        try:
            projects.change_project(project, **form.cleaned_data, by=request.user, at=timezone.now())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect(project)
    context = {"form": form, "project": project, "title": title}
    return TemplateResponse(request, "projects/edit.html", context, status=422 if form.errors else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def project_add_member(request: SignedInRequest, slug: str) -> HttpResponse:
    """A form on the project's page; whoever comes to its address otherwise (reloading, after signing in) goes there."""
    project = _visible(request.user, slug)
    if request.method != "POST":
        return redirect(project)
    form = MemberForm(request.POST)
    # Somebody who may not add people must not find out who is known here.
    if not request.user.may(Permission.PROJECT_MANAGE, project):
        messages.error(request, _("Only the principal investigator changes who is in the project."))
        return redirect(project)
    if form.is_valid():
        person = form.cleaned_data["person"]
        try:
            people.add_member(project, user=person, by=request.user, at=timezone.now())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("%(person)s is in the project.") % {"person": person})
            return redirect(project)
    return _page(request, project, form)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def project_remove_member(request: SignedInRequest, slug: str) -> HttpResponse:
    """A button on the project's page; whoever comes to its address otherwise goes there."""
    project = _visible(request.user, slug)
    if request.method != "POST":
        return redirect(project)
    try:
        public_id = UUID(request.POST.get("person", ""))
    except ValueError:
        raise Http404 from None
    membership = Membership.objects.select_related("user").filter(project=project, user__public_id=public_id).first()
    if membership is None:
        # Somebody was faster: what was asked for is so already.
        return redirect(project)
    try:
        people.remove_member(project, user=membership.user, by=request.user, at=timezone.now())
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, _("%(person)s is no longer in the project.") % {"person": membership.user})
    return redirect(project)


def _visible(user: User, slug: str) -> Project:
    return get_object_or_404(
        Project.objects.visible_to(user).select_related("organisation", "technical_officer"), slug=slug
    )


def _requests_of(user: User) -> Any:
    return ResourceRequest.objects.visible_to(user)


def _page(request: SignedInRequest, project: Project, form: MemberForm | None = None) -> HttpResponse:
    user = request.user
    may_manage = user.may(Permission.PROJECT_MANAGE, project)
    awards = list(
        Award.objects.visible_to(user).filter(project=project).select_related("call", "resource_request")[:SHOWN_MAX]
    )
    allocations = Allocation.objects.visible_to(user).for_project(project).select_related("platform")
    # One more than is shown tells whether there are more.
    shown = list(allocations.order_by("-created_at", "-pk")[: SHOWN_MAX + 1])
    requests = paginate(
        request,
        with_offerings(_requests_of(user).filter(project=project)).order_by("-status_since", "-pk"),
        per_page=SHOWN_MAX,
    )
    members = list(project.memberships.select_related("user__organisation").order_by("-role", "user__full_name", "pk"))
    balances = _with_balances(awards)
    context = {
        "project": project,
        "members": [
            {
                "initials": each.user.initials,
                "name": str(each.user),
                "role": _role_words(each),
                "public_id": each.user.public_id,
                "removable": may_manage and each.role != ProjectRole.PI,
            }
            for each in members
        ],
        "may_manage": may_manage,
        "may_request": user.may(Permission.REQUEST_EDIT, project),
        "requests": rows_of(requests, reader=user),
        "requests_page": requests,
        "awards": balances,
        "with_free_credits": [each for each in balances if each["available"] > 0],
        "allocations": shown[:SHOWN_MAX],
        "more_allocations": len(shown) > SHOWN_MAX,
        "form": form or MemberForm(),
    }
    refused = form is not None and form.errors
    return TemplateResponse(request, "projects/page.html", context, status=422 if refused else 200)


def _role_words(membership: Membership) -> str:
    role = str(ProjectRole(membership.role).label)
    organisation = membership.user.organisation
    return f"{role}, {organisation}" if organisation else role


def _with_balances(awards: list[Award]) -> list[dict[str, Any]]:
    """Each award with what it can still place and what its allocations have set aside; one query."""
    has = books.award_balances(award.reference for award in awards)
    return [
        {
            "award": award,
            "available": has[award.reference].available,
            "held": has[award.reference].held,
            "used": has[award.reference].used,
        }
        for award in awards
    ]
