"""What the tasks of filling in a request share: who may, where a saved task leads, how its page is drawn."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from earthcode.identity.models import User
from earthcode.sponsorship.models import ResourceRequest
from earthcode.sponsorship.queries import lines_in_full
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.parts.statuses import Words
from earthcode.web.requests.words import members_in_order

METHODS = ["GET", "HEAD", "POST"]


def to_edit(user: User, reference: str) -> ResourceRequest:
    """The request with what every task shows of it; 404 for those who may not see it."""
    requests: QuerySet[ResourceRequest] = ResourceRequest.objects.visible_to(user).select_related(
        "project__organisation", "project__technical_officer", "call", "created_by"
    )
    return get_object_or_404(requests.prefetch_related(lines_in_full(), members_in_order()), reference=reference)


def closed_to(request: SignedInRequest, resource_request: ResourceRequest) -> HttpResponse | None:
    """Where a reader goes who may see the request but not change it. What is posted is refused by the action itself."""
    if request.method == "POST" or resource_request.may_be_edited_by(request.user):
        return None
    messages.info(request, _("%(reference)s cannot be changed now.") % {"reference": resource_request.reference})
    return redirect(resource_request)


#: Tasks that a button of another task's form leads to, once that is saved.
_TASKS = ("project", "platforms", "period", "case")


def go_on(request: SignedInRequest, resource_request: ResourceRequest) -> HttpResponse:
    """Where the button that saved a task leads (``then``): most lead back to the hub."""
    then = request.POST.get("then", "")
    if then in _TASKS:
        return redirect(f"request_edit_{then}", resource_request.reference)
    if then == "people" and resource_request.project is not None:
        return redirect(resource_request.project)
    if then == "new_project":
        return redirect("project_new")
    return redirect("request_edit", resource_request.reference)


#: Template → the task's name, and a sentence about it.
_HEADS: dict[str, tuple[Words, Words]] = {
    "edit_project": (
        gettext_lazy("Project and team"),
        gettext_lazy("Which work the credits are for, and who does it."),
    ),
    "edit_platforms": (
        gettext_lazy("Platforms and cost"),
        gettext_lazy(
            "What you need and on which platforms, at today's prices. Several platforms in one request are fine."
        ),
    ),
    "edit_period": (gettext_lazy("Period"), gettext_lazy("When the work starts.")),
    "edit_case": (gettext_lazy("Science case"), gettext_lazy("Why ESA should pay for it.")),
    "edit_check": (gettext_lazy("Check and submit"), gettext_lazy("Check it once more. ESA sees exactly this.")),
}


def answer(
    request: SignedInRequest, name: str, resource_request: ResourceRequest, context: dict[str, Any]
) -> HttpResponse:
    form = context.get("form")
    task, intro = _HEADS.get(name, ("", ""))
    return TemplateResponse(
        request,
        f"requests/{name}.html",
        {"resource_request": resource_request, "task": task, "intro": intro, **context},
        status=422 if form is not None and form.errors else 200,
    )
