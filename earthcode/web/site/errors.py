"""The pages for what went wrong. Named in ``urls.py`` (``handler400`` …) and in the settings (``CSRF_FAILURE_VIEW``)."""

import sys

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import requires_csrf_token
from django.views.decorators.debug import sensitive_variables

from earthcode.lib.away import database_is_away


@requires_csrf_token
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 400)


@requires_csrf_token
def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 403)


@requires_csrf_token
def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 404)


@requires_csrf_token
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that was open too long, or sent by another site. ``reason`` is for developers and is in the log."""
    return HttpResponse(render_to_string("site/errors/403_csrf.html", request=request), status=403)


def too_many(request: HttpRequest, wait_s: int) -> HttpResponse:
    """Drawn without the request: whoever asks too often shall cost little."""
    return HttpResponse(render_to_string("site/errors/429.html", {"wait_s": wait_s}), status=429)


#: Seconds after which somebody whom the database failed may try again.
RETRY_AFTER_S = 5


@sensitive_variables()
def server_error(request: HttpRequest) -> HttpResponse:
    """Drawn without the request, so that it reads neither session nor database: those may be what broke."""
    if database_is_away(sys.exc_info()[1]):
        return _away(request)
    return HttpResponse(render_to_string("site/errors/500.html"), status=500)


def _away(request: HttpRequest) -> HttpResponse:
    # Only what was read can be read again.
    shown = {"reload": request.method in ("GET", "HEAD"), "wait_s": RETRY_AFTER_S}
    response = HttpResponse(render_to_string("site/errors/503.html", shown), status=503)
    response["Retry-After"] = str(RETRY_AFTER_S)
    response["Cache-Control"] = "no-store"
    return response


def _page(request: HttpRequest, status: int) -> HttpResponse:
    return HttpResponse(render_to_string(f"site/errors/{status}.html", request=request), status=status)
