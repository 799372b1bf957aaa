"""The task "Platforms and cost": the lines of a request, each a plan for a workload."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from earthcode.catalogue import queries as catalogue
from earthcode.catalogue.models import Plan, Rate
from earthcode.catalogue.pricing import Quote
from earthcode.catalogue.workload import PARAMETERS, Workload
from earthcode.lib.errors import InvalidInput, Refused
from earthcode.lib.money import amount_text
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import Quotation, RequestLine, ResourceRequest
from earthcode.web.parts.form_errors import add_refusal
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.requests.editing import METHODS, answer, closed_to, to_edit
from earthcode.web.requests.forms import (
    LineForm,
)
from earthcode.web.requests.hub import shares
from earthcode.web.requests.wanted import Wanted, wanted_by


@dataclass(frozen=True)
class LineShown:
    """A line with its part of the form: the numbers of its workload."""

    line: RequestLine
    quote: Quote
    form: LineForm
    quotation: Quotation | None = None


@login_required
@require_http_methods(METHODS)
def platforms_task(request: SignedInRequest, reference: str) -> HttpResponse:
    """The lines in one form, so that whatever is pressed keeps what was typed; or a plan to add (``?plan=``, workload)."""
    resource_request = to_edit(request.user, reference)
    if closed := closed_to(request, resource_request):
        return closed
    if request.method != "POST":
        return _platforms_page(request, resource_request)
    answer: HttpResponse | dict[int, LineForm]
    if "plan" in request.POST:
        answer = _add_line(request, resource_request, _plan_or_404(request.POST["plan"]))
    else:
        answer = _save_lines(request, resource_request)
    if isinstance(answer, HttpResponse):
        return answer
    return _platforms_page(request, to_edit(request.user, reference), answer)


def _plan_or_404(chosen: str) -> Plan:
    """Also one that is not offered any more: the action refuses it, and says so."""
    return get_object_or_404(
        Plan.objects.select_related("offering__platform__provider"),
        pk=chosen if chosen.isascii() and chosen.isdecimal() and len(chosen) < 19 else None,
    )


def _add_line(
    request: SignedInRequest, resource_request: ResourceRequest, plan: Plan
) -> HttpResponse | dict[int, LineForm]:
    """Add a plan, or ask for one that is there already with other numbers; the form where that was refused."""
    now = timezone.now()
    line = next((each for each in resource_request.lines.all() if each.plan_id == plan.pk), None)
    wanted = wanted_by(request, on=now.date())
    workload = Workload.from_json(line.workload) if line else wanted.workload if wanted else Workload()
    components = catalogue.components_on([plan.pk], now.date()).get(plan.pk, ())
    data = {f"{plan.pk}-{name}": value for name, value in request.POST.items()} if line else request.POST
    form = LineForm(
        data,
        plan=plan,
        components=components,
        workload=workload,
        margin_percent=line.margin_percent if line else 0,
        among_others=line is not None,
    )
    if form.is_valid() and request.POST.get("do") == "another":
        # The numbers are the person's, whichever plan they are for.
        here = reverse("request_edit_platforms", args=[resource_request.reference])
        return redirect(f"{here}?{urlencode(form.cleaned_data['workload'].as_params())}#new")
    if form.is_valid():
        try:
            saved = sponsorship.save_line(
                resource_request,
                plan=plan,
                workload=form.cleaned_data["workload"],
                margin_percent=form.cleaned_data["margin_percent"],
                by=request.user,
                at=now,
            )
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            _say_price(request, saved)
            return redirect("request_edit_platforms", resource_request.reference)
    return {plan.pk: form}


def _say_price(request: SignedInRequest, line: RequestLine) -> None:
    words = _("%(plan)s: %(amount)s credits.")
    messages.success(request, words % {"plan": line.plan, "amount": amount_text(line.amount)})


def _save_lines(request: SignedInRequest, resource_request: ResourceRequest) -> HttpResponse | dict[int, LineForm]:
    """Every button of the lines keeps what was typed in all of them; the forms where one of them was refused.

    The line whose own button was pressed is priced anew also without a change: prices may have changed.
    """
    now, user = timezone.now(), request.user
    pressed, removed = request.POST.get("save", ""), request.POST.get("remove", "")
    forms = _line_forms(resource_request, request.POST, on=now.date())
    lines = {line.plan_id: line for line in resource_request.lines.all()}
    to_save = {pk: form for pk, form in forms.items() if str(pk) != removed}
    # Every form is asked, so that each shows its errors.
    if any([not form.is_valid() for form in to_save.values()]):  # noqa: C419
        return to_save
    saving: LineForm | None = None
    saved = []
    try:
        with transaction.atomic():
            for pk, form in to_save.items():
                if form.says_something_new or str(pk) == pressed:
                    saving = form
                    saved.append(
                        sponsorship.save_line(
                            resource_request,
                            plan=form.plan,
                            workload=form.cleaned_data["workload"],
                            margin_percent=form.cleaned_data["margin_percent"],
                            by=user,
                            at=now,
                        )
                    )
            saving = None
            for pk, line in lines.items():
                if str(pk) == removed:
                    sponsorship.remove_line(resource_request, line=line, by=user, at=now)
                    messages.success(request, _("%(plan)s was removed.") % {"plan": line.plan})
    except Refused as refusal:
        if saving is not None:
            add_refusal(saving, refusal)
            return to_save
        messages.error(request, refusal.message)
        saved = []
    for each in saved:
        _say_price(request, each)
    match request.POST.get("do"):
        case "done":
            return redirect("request_edit", resource_request.reference)
        case "choose":
            plan = _plan_or_404(request.POST.get("another", ""))
            last = list(to_save.values())[-1:]
            params = _typed_before(request) or (last[0].cleaned_data["workload"].as_params() if last else {})
            here = reverse("request_edit_platforms", args=[resource_request.reference])
            return redirect(f"{here}?{urlencode({**params, 'plan': plan.pk})}#new")
        case _:
            return redirect("request_edit_platforms", resource_request.reference)


def _typed_before(request: SignedInRequest) -> dict[str, str]:
    """The workload in the address: what was typed for a plan that was not taken, for the next one."""
    given = {
        name: value
        for name, value in request.GET.dict().items()
        if name in Workload().as_params() or name in PARAMETERS
    }
    try:
        return Workload.from_params(given).as_params() if given else {}
    except InvalidInput:
        return {}


def _line_forms(resource_request: ResourceRequest, data: QueryDict | None = None, *, on: date) -> dict[int, LineForm]:
    """Plan → the form of its line. What was sent without a line's numbers (added meanwhile) is no answer to it."""
    lines = list(resource_request.lines.all())
    components = catalogue.components_on([line.plan_id for line in lines], on)
    return {
        line.plan_id: LineForm(
            data,
            plan=line.plan,
            components=components.get(line.plan_id, ()),
            workload=Workload.from_json(line.workload),
            margin_percent=line.margin_percent,
            among_others=True,
        )
        for line in lines
        if data is None or any(name.startswith(f"{line.plan_id}-") for name in data)
    }


def _platforms_page(
    request: SignedInRequest, resource_request: ResourceRequest, refused: dict[int, LineForm] | None = None
) -> HttpResponse:
    today = timezone.localdate()
    refused = refused or {}
    lines = list(resource_request.lines.all())
    forms = {**_line_forms(resource_request, on=today), **refused}
    # The last one that was asked for each line, where one was and the line is not at a list price.
    quotations = {each.line_id: each for each in resource_request.quotations.exclude(line=None).order_by("pk")}
    shown = [
        LineShown(
            line,
            Quote.from_json(line.quote),
            forms[line.plan_id],
            quotations.get(line.pk) if line.valid_until or not line.is_priced else None,
        )
        for line in lines
    ]
    in_request = {line.plan_id for line in lines}
    wanted = None if refused else wanted_by(request, on=today)
    if wanted is not None and wanted.plan.pk in in_request:
        wanted = None
    new_form = next((form for pk, form in refused.items() if pk not in in_request), None)
    if wanted is not None:
        new_form = LineForm(plan=wanted.plan, components=wanted.components, workload=wanted.workload)
    return answer(
        request,
        "edit_platforms",
        resource_request,
        {
            "form": next((form for form in refused.values() if form.errors), None),
            "lines": shown,
            "total": sum(line.amount for line in lines),
            "shares": shares(lines),
            "wanted": wanted,
            "ask_url": _ask_url(resource_request, wanted) if wanted else "",
            "new_form": new_form,
            "typed_before": _typed_before(request),
            "plans": [] if new_form else _plans_to_choose(in_request, on=today),
        },
    )


def _ask_url(resource_request: ResourceRequest, wanted: Wanted) -> str:
    """Where the provider of the plan is asked for a price of this workload."""
    url = reverse("ask_price", args=[resource_request.reference])
    return f"{url}?{urlencode({**wanted.workload.as_params(), 'plan': str(wanted.plan.pk)})}"


def _plans_to_choose(left_out: set[int], *, on: date) -> list[tuple[str, list[Plan]]]:
    """Plans that the Network of Resources sponsors, by platform. Where one has no published price, the provider is asked."""
    rates = Rate.objects.filter(component__plan=OuterRef("pk"), component__in_use=True, valid__contains=on)
    plans = (
        Plan.objects.listed()
        # What costs nothing is not asked for.
        .filter(Exists(rates.filter(micro_per_unit__gt=0)) | ~Exists(rates))
        .exclude(pk__in=left_out)
        .exclude(offering__sponsorable=False)
        .order_by("offering__platform__name", "offering__name", "pk")
    )
    by_platform: dict[str, list[Plan]] = {}
    for plan in plans:
        by_platform.setdefault(plan.offering.platform.name, []).append(plan)
    return list(by_platform.items())
