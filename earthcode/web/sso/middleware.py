"""Keeps running sessions in touch with the single sign-on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from earthcode.identity import actions as identity
from earthcode.web.sso import SESSION_KEY
from earthcode.web.sso.adapters import forget


class RefreshSignIn:
    """Reads a signed-in person's claims again every ``OIDC_REFRESH_AFTER_S``: a role taken away is soon gone here, too.

    The session says when that is due, so all other requests cost nothing. What the session says may be old, as two
    requests at once overwrite each other's session; ``identity.SignIn`` has the last word.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            self._refresh(request)
        return self.get_response(request)

    def _refresh(self, request: HttpRequest) -> None:
        mark = request.session.get(SESSION_KEY)
        at = timezone.now()
        if mark is None:
            return
        seen = datetime.fromisoformat(mark["seen"]) if "seen" in mark else at
        if at - seen > timedelta(seconds=settings.SESSION_IDLE_S):
            forget(request)
            logout(request)
            messages.info(
                request, _("You were signed out because nothing was asked for in a while. Please sign in again.")
            )
            return
        # Not at each request: that would write the session at each request.
        if "seen" not in mark or at - seen > timedelta(seconds=min(60, settings.SESSION_IDLE_S / 4)):
            mark = request.session[SESSION_KEY] = {**mark, "seen": at.isoformat()}
        if at < datetime.fromisoformat(mark["due"]):
            return
        try:
            due = identity.refresh_session(mark["id"], at=at)
        except identity.SessionEnded as ended:
            # The request goes on as nobody's: a public page is shown, any other leads to the sign-in and back.
            logout(request)
            messages.info(request, _("%(reason)s Please sign in again.") % {"reason": ended})
        else:
            request.session[SESSION_KEY] = {**mark, "due": due.isoformat()}
