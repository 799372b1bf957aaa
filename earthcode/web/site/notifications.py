"""A person's messages. The same words go out by e-mail; here they stay."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from earthcode.notifications import actions
from earthcode.notifications.models import Message
from earthcode.notifications.queries import inbox
from earthcode.web.parts.lists import paginate
from earthcode.web.parts.signed_in import SignedInRequest


@login_required
@require_safe
def messages_list(request: SignedInRequest) -> HttpResponse:
    """Everything ever written to the person, newest first; ``?show=unread`` for what they have not read."""
    only_unread = request.GET.get("show") == "unread"
    found = inbox(request.user.public_id)
    page = paginate(request, found.filter(read_at=None) if only_unread else found)
    return TemplateResponse(request, "site/notifications.html", {"page": page, "only_unread": only_unread})


@login_required
@require_safe
def open_message(request: SignedInRequest, pk: int) -> HttpResponse:
    """Go where the message points; it is read then.

    A GET, because it is a link that people open in new tabs. Doing it again changes nothing.
    """
    message = get_object_or_404(inbox(request.user.public_id), pk=pk)
    actions.mark_read(recipient=request.user.public_id, message=message.pk, at=timezone.now())
    return HttpResponseRedirect(_target(request, message))


@login_required
@require_POST
def mark_read(request: SignedInRequest) -> HttpResponse:
    """``message``: one of them; without it, all of them. Comes back to the list."""
    chosen = request.POST.get("message", "")
    message = int(chosen) if chosen.isdecimal() else None
    if chosen and message is None:
        return redirect("notifications")
    marked = actions.mark_read(recipient=request.user.public_id, message=message, at=timezone.now())
    if message is None:
        words = ngettext("%(count)d message marked as read.", "%(count)d messages marked as read.", marked)
        messages.success(request, words % {"count": marked})
    # Back to the part of the list that was shown: nothing else of the query is of use here.
    unread = "?show=unread" if request.POST.get("show") == "unread" else ""
    return HttpResponseRedirect(reverse("notifications") + unread)


def _target(request: SignedInRequest, message: Message) -> str:
    """A message links to a page of this site. Anything else in the row would be a mistake, and is not followed."""
    ours = message.link.startswith("/") and url_has_allowed_host_and_scheme(
        message.link, {request.get_host()}, require_https=request.is_secure()
    )
    return message.link if ours else reverse("notifications")
