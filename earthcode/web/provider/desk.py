"""The provider's desk: what people are asked to do where no API does it, and their answers.

Also ESA's, for platforms whose provider has nobody here.
"""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from earthcode.catalogue import connecting
from earthcode.catalogue.metrics import Metric
from earthcode.connectors.base import Ask
from earthcode.lib.errors import Refused
from earthcode.provisioning import tasks_for_people
from earthcode.provisioning.models import Task, TaskStatus
from earthcode.provisioning.operations import order_for
from earthcode.web.parts.form_errors import add_refusal
from earthcode.web.parts.forms import Form
from earthcode.web.parts.lists import paginate
from earthcode.web.parts.signed_in import SignedInRequest


class ConfirmForm(Form):
    access_url = forms.CharField(
        label=gettext_lazy("Address people go to"),
        max_length=500,
        required=False,
        help_text=gettext_lazy("A full web address. Needed when access is set up for the first time."),
    )
    external_id = forms.CharField(
        label=gettext_lazy("Your name for it"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("The project, account or contract in your own system. Optional."),
    )
    note = forms.CharField(
        label=gettext_lazy("What the project should know"),
        max_length=400,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("The project’s people read it. Write no passwords here. Optional."),
    )


class DeclineForm(Form):
    reason = forms.CharField(
        label=gettext_lazy("Why it cannot be done"),
        max_length=tasks_for_people.TEXT_MAX,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("The project’s people read it."),
    )


@login_required
@require_safe
@never_cache
def tasks(request: SignedInRequest) -> HttpResponse:
    """What waits for the person's answer, the most urgent first."""
    waiting = (
        Task.objects.answerable_by(request.user)
        .open()
        .select_related("operation__allocation__platform__provider", "operation__allocation__plan__offering")
        .select_related("operation__allocation__award__project")
        .order_by("due_on", "pk")
    )
    today = timezone.localdate()
    page = paginate(request, waiting)
    rows = [{"task": each, "late": each.due_on < today} for each in page]
    return TemplateResponse(request, "provider/desk/tasks.html", {"page": page, "rows": rows})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def task(request: SignedInRequest, pk: int) -> HttpResponse:
    """One of them, with all that is needed to do it; the answer is a form on the page."""
    found = get_object_or_404(
        Task.objects.answerable_by(request.user).select_related(
            "operation__allocation__platform__provider",
            "operation__allocation__plan__offering",
            "operation__allocation__award__project",
            "answered_by",
        ),
        pk=pk,
    )
    declining = request.method == "POST" and request.POST.get("answer") == "decline"
    confirming = request.method == "POST" and not declining
    config = found.operation.allocation.platform.connector_config
    confirm = ConfirmForm(
        request.POST if confirming else None, initial={"access_url": str(config.get("access_url", ""))}
    )
    decline = DeclineForm(request.POST if declining else None)
    form: Form = decline if declining else confirm
    if request.method == "POST" and form.is_valid():
        try:
            if declining:
                tasks_for_people.decline(found, reason=form.cleaned_data["reason"], by=request.user, at=timezone.now())
            else:
                note = form.cleaned_data["note"].strip()
                tasks_for_people.confirm(
                    found,
                    access_url=form.cleaned_data["access_url"],
                    external_id=form.cleaned_data["external_id"],
                    facts={str(_("From the provider")): note} if note else {},
                    by=request.user,
                    at=timezone.now(),
                )
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("Your answer was sent to the project."))
            return redirect("desk")
    context = _context(found) | {"confirm": confirm, "decline": decline}
    return TemplateResponse(request, "provider/desk/task.html", context, status=422 if form.errors else 200)


def _context(found: Task) -> dict[str, object]:
    allocation = found.operation.allocation
    order = order_for(allocation)
    return {
        "task": found,
        "allocation": allocation,
        "title": title_of(found),
        "is_open": found.status == TaskStatus.OPEN,
        "order": order,
        "quantities": [
            (Metric(name).plural if name in Metric.values else name, amount)
            for name, amount in order.quantities.items()
        ],
        "people": [
            {"person": each, "name": allocation.names.get(each.subject) or each.platform_name or each.username}
            for each in order.people
        ],
        "instructions": str(allocation.platform.connector_config.get("instructions", "")),
        "for_esa": not connecting.administrators_of(allocation.platform).exists(),
    }


def title_of(found: Task) -> str:
    """What is asked, in a few words."""
    return {
        Ask.ENSURE: _("Set up access"),
        Ask.CHANGE: _("Change an allocation"),
        Ask.SUSPEND: _("Suspend access"),
        Ask.RESUME: _("Resume access"),
        Ask.PEOPLE: _("Update who has access"),
        Ask.REVOKE: _("Remove access"),
        Ask.USAGE: _("Report usage"),
    }[Ask(found.asks)]
