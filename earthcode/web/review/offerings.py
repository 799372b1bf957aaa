"""Drafts of offerings that wait for ESA: the list, the difference to what is public, and the decision."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, F, Q
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from earthcode.audit.queries import history_of
from earthcode.identity.roles import Permission
from earthcode.lib.errors import Refused
from earthcode.lifecycle import Group
from earthcode.publishing import actions as publishing
from earthcode.publishing.lifecycle import OFFERING_DRAFT
from earthcode.publishing.models import Draft, DraftStatus
from earthcode.web.parts.form_errors import add_refusal, posted
from earthcode.web.parts.lists import paginate
from earthcode.web.parts.opened import page_opened
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.parts.statuses import Words
from earthcode.web.parts.timeline import timeline
from earthcode.web.provider.drafts import METHODS, Difference, draft_or_404, preview_of
from earthcode.web.provider.forms import DecideForm
from earthcode.web.review.queues import lists_for

_PARTS: dict[str, tuple[Words, Q]] = {
    "": (gettext_lazy("Needs a decision"), Q(status__in=DraftStatus.within(Group.DECIDING))),
    "decided": (gettext_lazy("Decided or withdrawn"), ~Q(status__in=DraftStatus.within(Group.DECIDING))),
}


@login_required
@require_safe
def offering_approvals(request: SignedInRequest) -> HttpResponse:
    """What providers sent to ESA, the longest waiting first."""
    if not request.user.may(Permission.OFFERING_PUBLISH):
        raise Http404
    sent = Draft.objects.filter(submitted_at__isnull=False)
    chosen = request.GET.get("state", "")
    chosen = chosen if chosen in _PARTS else ""
    counts = sent.order_by().aggregate(
        **{f"of_{name}": Count("pk", filter=condition) for name, (_label, condition) in _PARTS.items()}
    )
    order = ("submitted_at", "pk") if not chosen else (F("status_since").desc(), "-pk")
    rows = sent.filter(_PARTS[chosen][1]).select_related("platform__provider", "submitted_by").order_by(*order)
    url = reverse("offering_approvals")
    context = {
        "lists": lists_for(request.user, "offering_approvals"),
        "page": paginate(request, rows, count=counts[f"of_{chosen}"]),
        "tabs": [
            {
                "label": label,
                "url": f"{url}?{urlencode({'state': name})}" if name else url,
                "count": counts[f"of_{name}"],
                "current": name == chosen,
            }
            for name, (label, _condition) in _PARTS.items()
        ],
    }
    return TemplateResponse(request, "review/offerings/list.html", context)


@login_required
@require_http_methods(METHODS)
def offering_approval(request: SignedInRequest, pk: int) -> HttpResponse:
    """The difference, and the decision."""
    if not request.user.may(Permission.OFFERING_PUBLISH):
        raise Http404
    draft = draft_or_404(request.user, pk)
    page_opened(request)
    form = DecideForm(posted(request))
    if form.is_valid():
        try:
            words = _decide(request, draft, form.cleaned_data["comment"])
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, words)
            return redirect("offering_approvals")
    why_not = OFFERING_DRAFT.refusal(draft, "approve", by=request.user)
    context = {
        "draft": draft,
        "difference": Difference.of(draft, today=timezone.localdate()),
        **preview_of(draft, draft.content),
        "form": form,
        "may_decide": why_not is None,
        "why_not": why_not.message if why_not is not None and draft.status == DraftStatus.WAITING else "",
        "past": timeline(history_of(draft)),
    }
    return TemplateResponse(request, "review/offerings/one.html", context, status=422 if form.errors else 200)


def _decide(request: SignedInRequest, draft: Draft, comment: str) -> str:
    now = timezone.now()
    if request.POST.get("do") == "approve":
        offering = publishing.approve(draft, comment=comment, by=request.user, at=now)
        return _("%(offering)s is public.") % {"offering": offering}
    publishing.send_back(draft, comment=comment, by=request.user, at=now)
    return _("%(draft)s was returned to the provider.") % {"draft": draft}
