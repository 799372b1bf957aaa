"""The review queue, for managers who decide and reviewers who read: the list left, one request in full right."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, F, Q, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from earthcode.audit.queries import history_of
from earthcode.catalogue.pricing import Quote, Workload
from earthcode.identity.models import User
from earthcode.identity.roles import Permission, ProjectRole
from earthcode.lib.errors import Refused
from earthcode.lib.money import amount_text, as_credits, credits
from earthcode.lifecycle import Group, WrongState
from earthcode.provisioning import actions as provisioning
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.events import RequestEvent
from earthcode.sponsorship.lifecycle import RESOURCE_REQUEST
from earthcode.sponsorship.models import RequestLine, RequestStatus, ResourceRequest
from earthcode.sponsorship.queries import CallBudget, budgets, calls_in_use, dossiers, with_offerings
from earthcode.sponsorship.workdays import working_days_between
from earthcode.web.catalogue.workload import workload_words
from earthcode.web.parts.form_errors import add_refusal, posted
from earthcode.web.parts.forms import Form
from earthcode.web.parts.lists import ListPage, paginate
from earthcode.web.parts.opened import page_opened
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.parts.statuses import Words, status_of
from earthcode.web.parts.timeline import timeline
from earthcode.web.requests.words import due_words
from earthcode.web.review.filters import QueueFilter
from earthcode.web.review.queues import lists_for

_S = RequestStatus

#: With this many working days left, or fewer, a request is marked in the list.
SOON_DAYS = 2


@dataclass(frozen=True)
class Part:
    """A part of the queue: who must act, and what comes first."""

    label: Words
    statuses: tuple[str, ...]
    order: tuple[Any, ...]


#: Value of ``?state=`` → part. Nothing disappears: what was taken back is with what was decided.
PARTS: dict[str, Part] = {
    "": Part(gettext_lazy("To decide"), _S.within(Group.DECIDING), ("submitted_at", "pk")),
    "waiting": Part(gettext_lazy("Waiting for applicant"), _S.within(Group.ANSWERING), ("status_since", "pk")),
    "decided": Part(gettext_lazy("Decided"), _S.within(Group.IN_FORCE, Group.OVER), (F("status_since").desc(), "-pk")),
}


@dataclass(frozen=True)
class Choice:
    """Something that can be decided: its key, what it is called, the action, and what is said afterwards."""

    key: str
    label: Words
    take: Callable[..., object]
    done: Words


#: Step of the lifecycle → choice.
DECISIONS: dict[str, Choice] = {
    "approve": Choice(
        "a",
        gettext_lazy("Approve in full"),
        provisioning.grant,
        gettext_lazy("%(reference)s: %(amount)s credits granted. Access is being set up."),
    ),
    "approve_first": Choice(
        "a",
        gettext_lazy("Approve, as the first of two"),
        sponsorship.approve_first,
        gettext_lazy("%(reference)s: another officer has to approve it as well."),
    ),
    "offer": Choice(
        "o",
        gettext_lazy("Offer a part"),
        sponsorship.offer,
        gettext_lazy("%(reference)s: the project has your offer."),
    ),
    "ask": Choice(
        "q",
        gettext_lazy("Ask a question"),
        sponsorship.ask,
        gettext_lazy("%(reference)s: the applicant has your question."),
    ),
    "reject": Choice("r", gettext_lazy("Reject"), sponsorship.reject, gettext_lazy("%(reference)s is rejected.")),
}


_TO_READ = frozenset({*(RESOURCE_REQUEST.events[name] for name in DECISIONS), RequestEvent.WITHDRAW})


class DecisionForm(Form):
    decision = forms.ChoiceField(
        choices=[(name, choice.label) for name, choice in DECISIONS.items()],
        label=gettext_lazy("Decision"),
        error_messages={"required": gettext_lazy("Choose what you decide.")},
    )
    reason = forms.CharField(
        max_length=5000,
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy("The applicant will see it. Say why, and what would change your decision."),
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": gettext_lazy("Enter a reason. The applicant will see it.")},
    )

    def __init__(self, *args: Any, lines: Iterable[RequestLine] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lines = list(lines)
        for line in self.lines:
            self.fields[f"line-{line.pk}"] = forms.DecimalField(
                required=False,
                min_value=0,
                max_digits=15,
                decimal_places=6,
                label=str(line.plan),
                initial=f"{as_credits(line.amount).normalize():f}",
                widget=forms.NumberInput(attrs={"data-unit": "credits", "step": "any"}),
            )
        if self["decision"].value() == "ask":
            self.fields["reason"].label = _("Your question")
            self.fields["reason"].error_messages["required"] = _("Enter your question. The applicant will see it.")

    @property
    def amounts(self) -> dict[int, int]:
        """Line → micro-credits offered; nothing where nothing was typed."""
        given = ((line.pk, self.cleaned_data.get(f"line-{line.pk}")) for line in self.lines)
        return {pk: credits(amount) if amount is not None else 0 for pk, amount in given}

    @property
    def line_fields(self) -> list[forms.BoundField]:
        return [self[f"line-{line.pk}"] for line in self.lines]


@login_required
@require_safe
def review(request: SignedInRequest) -> HttpResponse:
    """The queue, with the first request of the page open beside it where there is room."""
    _readers_only(request.user)
    return _page(request, None)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def review_request(request: SignedInRequest, reference: str) -> HttpResponse:
    """One request of the queue, and the decision on it; a reviewer's is refused by the action itself."""
    _readers_only(request.user)
    page_opened(request)
    lines = RequestLine.objects.filter(
        resource_request__in=ResourceRequest.objects.visible_to(request.user), resource_request__reference=reference
    ).select_related("plan__offering")
    form = DecisionForm(posted(request), lines=lines if request.method == "POST" else ())
    if form.is_valid():
        sent = ResourceRequest.objects.visible_to(request.user).filter(submitted_at__isnull=False)
        resource_request = get_object_or_404(sent, reference=reference)
        choice = DECISIONS[form.cleaned_data["decision"]]
        amounts = {"amounts": form.amounts} if form.cleaned_data["decision"] == "offer" else {}
        try:
            choice.take(
                resource_request, reason=form.cleaned_data["reason"], **amounts, by=request.user, at=timezone.now()
            )
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            words = {"reference": reference, "amount": amount_text(resource_request.amount)}
            messages.success(request, str(choice.done) % words)
            query = QueueFilter.of(request.GET).query
            return redirect(reverse("review") + (f"?{query}" if query else ""))
    return _page(request, reference, form)


def _readers_only(user: User) -> None:
    if not user.may(Permission.REQUEST_REVIEW):
        raise Http404


def _page(request: SignedInRequest, reference: str | None, form: DecisionForm | None = None) -> HttpResponse:
    user, today = request.user, timezone.localdate()
    sent = ResourceRequest.objects.visible_to(user).filter(submitted_at__isnull=False)
    chosen = get_object_or_404(dossiers().filter(pk__in=sent.values("pk")), reference=reference) if reference else None
    name = _part_of(chosen) if chosen else request.GET.get("state", "")
    name = name if name in PARTS else ""
    wanted = QueueFilter.of(request.GET)
    listed = wanted.apply(sent)
    counts = listed.aggregate(
        late=Count("pk", filter=Q(status=_S.IN_REVIEW, decide_by__lt=today)),
        **{f"of_{key}": Count("pk", filter=Q(status__in=part.statuses)) for key, part in PARTS.items()},
    )
    page = paginate(request, _rows(listed, PARTS[name], wanted), count=counts[f"of_{name}"])
    if chosen is None and page.rows:
        chosen = dossiers().get(pk=page.rows[0].pk)
    calls = budgets(calls_in_use(today))
    return TemplateResponse(
        request,
        "review/requests/queue.html",
        {
            "shows": "dossier" if reference else "list",
            "lists": lists_for(user, "review"),
            "summary": _summary(counts["of_"], counts["late"]),
            "calls": [_call_bar(budget, chosen) for budget in calls],
            "tabs": _tabs(counts, name, wanted),
            "wanted": wanted,
            "state": name,
            "queue": _queue(page, name, chosen, wanted, today=today),
            "page": page,
            "part_url": _part_url(name, wanted),
            "form": form,
            **(_dossier(chosen, page, name, calls, wanted, user=user, form=form, today=today) if chosen else {}),
        },
        status=422 if form is not None and form.errors else 200,
    )


# --- the list --------------------------------------------------------------------------------------------------------


def _rows(sent: QuerySet[ResourceRequest], part: Part, wanted: QueueFilter) -> QuerySet[ResourceRequest]:
    rows = with_offerings(sent.filter(status__in=part.statuses))
    return rows.select_related("submitted_by__organisation", "project").order_by(*wanted.order(part.order))


def _part_of(resource_request: ResourceRequest) -> str:
    return next(name for name, part in PARTS.items() if resource_request.status in part.statuses)


def _summary(to_decide: int, late: int) -> str:
    if not to_decide:
        return _("Nothing waits for a decision.")
    words = ngettext("%(count)d request needs a decision.", "%(count)d requests need a decision.", to_decide)
    words %= {"count": to_decide}
    if not late:
        return words
    past = ngettext("%(count)d is past its day.", "%(count)d are past their day.", late) % {"count": late}
    return f"{words} {past}"


def _part_url(name: str, wanted: QueueFilter) -> str:
    query = urlencode({**({"state": name} if name else {}), **wanted.params})
    return reverse("review") + (f"?{query}" if query else "")


def _tabs(counts: dict[str, int], current: str, wanted: QueueFilter) -> list[dict[str, Any]]:
    return [
        {
            "label": part.label,
            "url": _part_url(name, wanted),
            "count": counts[f"of_{name}"],
            "current": name == current,
        }
        for name, part in PARTS.items()
    ]


def _url(resource_request: ResourceRequest, page: ListPage[ResourceRequest], wanted: QueueFilter) -> str:
    url = reverse("review_request", args=[resource_request.reference])
    query = urlencode({**wanted.params, **({"page": str(page.number)} if page.number > 1 else {})})
    return f"{url}?{query}" if query else url


def _queue(
    page: ListPage[ResourceRequest],
    name: str,
    chosen: ResourceRequest | None,
    wanted: QueueFilter,
    *,
    today: date,
) -> list[dict[str, Any]]:
    items = []
    for each in page:
        due, tone = _due(each, name, today=today)
        offerings: list[str] = each.offering_names  # type: ignore[attr-defined]  # annotated
        items.append(
            {
                "url": _url(each, page, wanted),
                "title": each.title,
                "people": _applicant(each),
                "platforms": ", ".join(dict.fromkeys(offerings)),
                "amount": each.amount,
                "due": due,
                "due_tone": tone,
                "current": chosen is not None and each.pk == chosen.pk,
            }
        )
    return items


def _due(resource_request: ResourceRequest, name: str, *, today: date) -> tuple[str, str]:
    since = date_format(resource_request.status_since, "DATE_FORMAT")
    if name == "waiting":
        return _("asked %(day)s") % {"day": since}, ""
    if name == "decided":
        return f"{status_of(resource_request).label}, {since}", ""
    assert resource_request.decide_by is not None
    days = working_days_between(today, resource_request.decide_by)
    return due_words(resource_request.decide_by, today), "late" if days < 0 else "soon" if days <= SOON_DAYS else ""


def _applicant(resource_request: ResourceRequest) -> str:
    person = resource_request.submitted_by
    assert person is not None
    return f"{person}, {person.organisation}" if person.organisation else str(person)


# --- the calls -------------------------------------------------------------------------------------------------------


def _takes(budget: CallBudget, resource_request: ResourceRequest | None) -> int:
    """What the request would take of this call, were it approved; nothing once it was decided."""
    undecided = resource_request is not None and resource_request.status in (_S.IN_REVIEW, _S.INFO_NEEDED)
    return resource_request.amount if undecided and resource_request.call_id == budget.call.pk else 0  # type: ignore[union-attr]


def _call_bar(budget: CallBudget, resource_request: ResourceRequest | None) -> dict[str, Any]:
    return {
        "name": budget.call.title,
        "url": reverse("call", args=[budget.call.slug]),
        "total": budget.total,
        "free": budget.free,
        "spent": budget.spent,
        "committed": budget.committed,
        "pending": _takes(budget, resource_request),
    }


# --- the dossier -----------------------------------------------------------------------------------------------------


def _dossier(
    resource_request: ResourceRequest,
    page: ListPage[ResourceRequest],
    name: str,
    calls: Sequence[CallBudget],
    wanted: QueueFilter,
    *,
    user: User,
    form: DecisionForm | None,
    today: date,
) -> dict[str, Any]:
    rows = list(page)
    place = next((n for n, each in enumerate(rows) if each.pk == resource_request.pk), None)
    lines = list(resource_request.lines.all())
    history = list(history_of(resource_request))
    budget = next((each for each in calls if each.call.pk == resource_request.call_id), None)
    refusals = {step: RESOURCE_REQUEST.refusal(resource_request, step, by=user) for step in DECISIONS}
    may = [step for step, refusal in refusals.items() if refusal is None]
    bound = form if form is not None and form.is_bound else None
    return {
        "resource_request": resource_request,
        "applicant": _applicant(resource_request),
        "clock": due_words(resource_request.decide_by, today) if name == "" and resource_request.decide_by else "",
        "previous": _url(rows[place - 1], page, wanted) if place else "",
        "following": _url(rows[place + 1], page, wanted) if place is not None and place + 1 < len(rows) else "",
        "facts": _facts(resource_request, lines),
        "lines": [
            {
                "line": line,
                "plan": line.plan,
                "platform": line.plan.offering.platform,
                "provider": line.plan.offering.platform.provider,
                "workload": workload_words(Workload.from_json(line.workload), Quote.from_json(line.quote)),
                "quote": Quote.from_json(line.quote),
            }
            for line in lines
        ],
        "people": [_person(each) for each in resource_request.people],  # type: ignore[attr-defined]  # annotated
        "comparison": compare(resource_request.amount, resource_request.similar),  # type: ignore[attr-defined]
        "past": timeline(history),
        # Questions and answers, and what was decided, are part of what there is to read.
        "history_matters": any(event.name in _TO_READ for event in history),
        "only_reads": not user.may(Permission.REQUEST_DECIDE),
        "sees_project": resource_request.project is not None and user.may(Permission.PROJECT_VIEW, resource_request),
        "decision_form": bound or DecisionForm(lines=lines),
        "may_offer": "offer" in may,
        "options": [
            {
                "value": step,
                "label": DECISIONS[step].label,
                "key": DECISIONS[step].key,
                "checked": bound is not None and bound["decision"].value() == step,
            }
            for step in may
        ],
        # Why not, once for each reason; a wrong state says no more than the status on top.
        "why_not": list(
            dict.fromkeys(
                refusal.message for refusal in refusals.values() if refusal and not isinstance(refusal, WrongState)
            )
        ),
        "effect": _effect(resource_request, budget),
    }


def _facts(resource_request: ResourceRequest, lines: Sequence[Any]) -> list[dict[str, Any]]:
    months = max((line.months for line in lines), default=0)
    starts_on = resource_request.starts_on
    amount = _("%(amount)s credits") % {"amount": amount_text(resource_request.amount)}
    names = dict.fromkeys(f"{line.plan.offering} ({line.plan.offering.platform})" for line in lines)
    duration = ngettext("%(count)d month", "%(count)d months", months) % {"count": months}
    from_day = _("%(duration)s from %(day)s") % {
        "duration": duration,
        "day": date_format(starts_on) if starts_on else "",
    }
    return [
        {"label": _("Asks for"), "value": amount},
        {"label": _("On"), "value": ", ".join(names)},
        {"label": _("For"), "value": from_day},
        {"label": _("Call"), "value": resource_request.call},
    ]


def _person(member: dict[str, Any]) -> dict[str, str]:
    name = member["name"] or member["username"] or "?"
    role = str(ProjectRole(member["role"]).label)
    return {
        "initials": "".join(part[0] for part in name.split()[:2]).upper(),
        "name": name,
        "role": f"{role}, {member['organisation']}" if member["organisation"] else role,
    }


def _effect(resource_request: ResourceRequest, budget: CallBudget | None) -> dict[str, Any] | None:
    if budget is None or not (takes := _takes(budget, resource_request)):
        return None
    left = budget.free - takes
    words = {"call": budget.call.title, "left": amount_text(left), "free": amount_text(budget.free)}
    return {
        "bar": _call_bar(budget, resource_request),
        "call": budget.call,
        "text": _("Leaves %(left)s credits in %(call)s.") % words
        if left >= 0
        else _("%(call)s has only %(free)s credits left.") % words,
    }


def compare(amount: int, similar: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Where the request stands among others that asked for one of the same platforms; None without any."""
    if not similar:
        return None
    asked = [each["asked"] for each in similar]
    granted = [each["granted"] for each in similar if each["granted"] is not None]
    median = round(statistics.median(granted)) if granted else None
    below = sum(each < amount for each in asked)
    words = ngettext(
        "Asks for more than %(below)d of %(count)d similar request.",
        "Asks for more than %(below)d of %(count)d similar requests.",
        len(asked),
    )
    if not below:
        words = ngettext(
            "The one similar request asked for as much or more.",
            "All %(count)d similar requests asked for as much or more.",
            len(asked),
        )
    caption = words % {"below": below, "count": len(asked)}
    if median is not None:
        middle = _("Their median grant was %(median)s credits (orange mark).") % {"median": amount_text(median)}
        caption = f"{caption} {middle}"
    return {"count": len(asked), "prices": [*asked, amount], "price": amount, "median": median, "caption": caption}
