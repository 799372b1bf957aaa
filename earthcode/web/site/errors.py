"""The pages for what went wrong. Named in ``urls.py`` (``handler400`` …) and in the settings (``CSRF_FAILURE_VIEW``)."""

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import requires_csrf_token
from django.views.decorators.debug import sensitive_variables


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


@sensitive_variables()
def server_error(request: HttpRequest) -> HttpResponse:
    """Drawn without the request, so that it reads neither session nor database: those may be what broke."""
    return HttpResponse(render_to_string("site/errors/500.html"), status=500)


def _page(request: HttpRequest, status: int) -> HttpResponse:
    return HttpResponse(render_to_string(f"site/errors/{status}.html", request=request), status=status)
