"""A new resource request: empty, for a plan, for a workflow to run, or with all that an estimate asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from earthcode.catalogue import estimates
from earthcode.catalogue.models import Estimate
from earthcode.catalogue.pricing import margin_on
from earthcode.identity import creations, projects
from earthcode.identity.models import User
from earthcode.lib.errors import Refused
from earthcode.lib.money import amount_text
from earthcode.science import actions as science
from earthcode.science.models import Record
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import ResourceRequest
from earthcode.sponsorship.queries import DRAFTS_SHOWN, drafts_of, free_credits, with_offerings
from earthcode.web.parts.form_errors import add_refusal, posted
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.requests.forms import NewRequestForm
from earthcode.web.requests.listing import rows_of
from earthcode.web.requests.run import run_wanted
from earthcode.web.requests.wanted import Wanted, wanted_by


@dataclass(frozen=True)
class FromEstimate:
    """What a link from a kept estimate asks for: its plans with their workloads, at today's prices."""

    estimate: Estimate
    items: tuple[estimates.Item, ...]

    @property
    def to_request(self) -> tuple[estimates.Item, ...]:
        """The plans that there is something to ask for."""
        return tuple(item for item in self.items if item.quote and not item.quote.is_free)

    @property
    def left_out(self) -> tuple[estimates.Item, ...]:
        return tuple(item for item in self.items if item.quote is None or item.quote.is_free)

    @property
    def total(self) -> int:
        return sum(item.quote.total for item in self.to_request if item.quote)

    @property
    def margin(self) -> int:
        """What is asked for on top, as the estimate has it."""
        return sum(margin_on(item.quote.total, self.estimate.margin_percent) for item in self.to_request if item.quote)

    @property
    def has_changed(self) -> bool:
        """Whether today's prices are not those of the estimate."""
        return self.total != self.estimate.amount


def estimate_in(request: HttpRequest, *, on: date) -> FromEstimate | None:
    """The estimate that the query names; None where there is no such estimate."""
    token = request.GET.get("estimate", "")
    estimate = Estimate.objects.filter(token=token).first() if token and len(token) <= 40 else None
    if estimate is None:
        return None
    again = estimates.price_again(estimates.lines_of(estimate), margin_percent=estimate.margin_percent, on=on)
    return FromEstimate(estimate, again.items)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def request_new(request: SignedInRequest) -> HttpResponse:
    """A title and a project, and the request is there.

    With ``?plan=`` and a workload, its first line as well; with ``?estimate=`` all the lines of a kept estimate, which may also
    go to a request that has been started (``add_to``).
    """
    now = timezone.now()
    wanted = wanted_by(request, on=now.date())
    run = run_wanted(request)
    from_estimate = estimate_in(request, on=now.date()) if wanted is None else None
    if from_estimate is not None and (reference := request.POST.get("add_to")):
        return _add(request, reference, from_estimate)
    initial = _likely_project(request) | ({"title": _("Run: %(title)s") % {"title": run.title[:190]}} if run else {})
    form = NewRequestForm(posted(request), user=request.user, initial=initial)
    if form.is_valid():
        try:
            resource_request = creations.once(
                ResourceRequest,
                lambda: _start(form.cleaned_data, wanted, run, from_estimate, by=request.user),
                key=form.cleaned_data["key"],
                by=request.user,
                at=now,
            )
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            _tell_of_changes(request, from_estimate)
            if wanted is not None and wanted.is_asked_for:
                # There is no price to put into the request: the provider is asked for one.
                return redirect(f"{reverse('ask_price', args=[resource_request.reference])}?{wanted.query}")
            return redirect("request_edit", resource_request.reference)
    drafts = with_offerings(drafts_of(request.user))[:DRAFTS_SHOWN]
    free = max((each.free for each in free_credits(request.user, on=now.date())), default=0)
    cost = wanted.quote.total if wanted and wanted.quote else None
    something_to_add = wanted is not None or bool(from_estimate and from_estimate.to_request)
    return TemplateResponse(
        request,
        "requests/new.html",
        {
            "form": form,
            "wanted": wanted,
            "run": run,
            "from_estimate": from_estimate,
            "drafts": rows_of(drafts, reader=request.user) if something_to_add else [],
            # Said only where they would do.
            "free_credits": free if cost is not None and cost <= free else 0,
        },
        status=422 if form.errors else 200,
    )


@transaction.atomic
def _start(
    answers: dict[str, Any],
    wanted: Wanted | None,
    run: Record | None,
    from_estimate: FromEstimate | None,
    *,
    by: User,
) -> ResourceRequest:
    """Several actions, and all of them or none: a page that was refused has left nothing behind."""
    now = timezone.now()
    project = answers["project"] or projects.create_project(title=answers["title"], by=by, at=now)
    resource_request = sponsorship.start(title=answers["title"], project=project, by=by, at=now)
    if wanted is not None and not wanted.is_asked_for:
        sponsorship.save_line(resource_request, plan=wanted.plan, workload=wanted.workload, by=by, at=now)
    if run is not None:
        science.plan_run(run, reference=resource_request.reference, at=now)
    if from_estimate is not None:
        _save_items(resource_request, from_estimate, by=by, at=now)
    return resource_request


def _add(request: SignedInRequest, reference: str, from_estimate: FromEstimate) -> HttpResponse:
    """All the lines of an estimate to a request that has been started, or none of them."""
    resource_request = get_object_or_404(
        ResourceRequest.objects.editable_by(request.user).prefetch_related("lines"), reference=reference
    )
    had = {line.plan_id for line in resource_request.lines.all()}
    try:
        _save_items(resource_request, from_estimate, by=request.user, at=timezone.now())
    except Refused as refusal:
        messages.error(request, refusal.message)
        return redirect(request.get_full_path())
    _tell_of_changes(request, from_estimate)
    if replaced := [str(item.plan) for item in from_estimate.to_request if item.plan.pk in had]:
        words = _("These plans were already in the request and were replaced: %(plans)s.")
        messages.warning(request, words % {"plans": ", ".join(replaced)})
    return redirect("request_edit_platforms", resource_request.reference)


@transaction.atomic
def _save_items(resource_request: ResourceRequest, from_estimate: FromEstimate, *, by: User, at: datetime) -> None:
    """A line for each plan of the estimate that there is something to ask for on."""
    for item in from_estimate.to_request:
        sponsorship.save_line(
            resource_request,
            plan=item.plan,
            workload=item.workload,
            margin_percent=from_estimate.estimate.margin_percent,
            by=by,
            at=at,
        )


def _tell_of_changes(request: SignedInRequest, from_estimate: FromEstimate | None) -> None:
    """Say where the request is not what the estimate was."""
    if from_estimate is None:
        return
    if from_estimate.has_changed:
        words = _("Prices have changed since your estimate: its plans cost %(now)s credits now, before %(before)s.")
        amounts = {"now": amount_text(from_estimate.total), "before": amount_text(from_estimate.estimate.amount)}
        messages.warning(request, words % amounts)
    if from_estimate.left_out:
        words = _("There is nothing to ask for on these today, and they were left out: %(plans)s.")
        messages.warning(request, words % {"plans": ", ".join(str(item.plan) for item in from_estimate.left_out)})


def _likely_project(request: SignedInRequest) -> dict[str, Any]:
    """The project of the link that led here, or of somebody who is in just one."""
    own = [str(pk) for pk in request.user.grants.project_roles]
    named = request.GET.get("project", "")
    if named in own:
        return {"project": named}
    return {"project": own[0]} if len(own) == 1 else {}
