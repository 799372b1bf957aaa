"""Pages of text that anybody may read."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from earthcode.web.parts.statuses import STATUSES

#: In the order in which a request, and then its allocation, goes through them.
_EXPLAINED = (
    "draft",
    "in_review",
    "info_needed",
    "approved",
    "rejected",
    "withdrawn",
    "provisioning",
    "failed",
    "active",
    "ending",
    "closed",
)


@require_safe
def how_it_works(request: HttpRequest) -> HttpResponse:
    """The way from an offering to an open platform, and what each status word means."""
    statuses = [{"code": code, "status": STATUSES[code]} for code in _EXPLAINED]
    return TemplateResponse(request, "site/help/how_it_works.html", {"statuses": statuses})


@require_safe
def accessibility(request: HttpRequest) -> HttpResponse:
    return TemplateResponse(request, "site/help/accessibility.html", {})


@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    """What is kept about people, and why."""
    context = {
        "session_cookie": settings.SESSION_COOKIE_NAME,
        "csrf_cookie": settings.CSRF_COOKIE_NAME,
        "session_hours": settings.SESSION_COOKIE_AGE // 3600,
    }
    return TemplateResponse(request, "site/help/privacy.html", context)
