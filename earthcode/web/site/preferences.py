"""What a reader sets for themselves: theme, single-key shortcuts, the role they look at the site in.

Each is a form that works without script and comes back to where it was sent from. Theme and shortcuts are cookies, because
visitors have them, too; the server reads them, so a page is drawn right from its first pixel. Their forms carry no secret
against forged requests, so that a page without anything personal is the same for everybody.
"""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from earthcode.web.parts.chrome import AUDIENCE_KEY, SHORTCUTS_COOKIE, THEME_COOKIE, Chrome

_YEAR_S = 365 * 24 * 60 * 60


@csrf_exempt
@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """``theme``: light, dark, or anything else to follow the system again."""
    response = _back(request)
    if _is_of_another_site(request):
        return response
    theme = request.POST.get("theme", "")
    _remember(request, response, THEME_COOKIE, theme if theme in {"light", "dark"} else "")
    return response


@csrf_exempt
@require_POST
def set_shortcuts(request: HttpRequest) -> HttpResponse:
    """``shortcuts``: off, or anything else for on."""
    response = _back(request)
    if _is_of_another_site(request):
        return response
    _remember(request, response, SHORTCUTS_COOKIE, "off" if request.POST.get("shortcuts") == "off" else "")
    return response


@login_required
@require_POST
def set_audience(request: HttpRequest) -> HttpResponse:
    """``audience``: one of the roles the person has; anything else changes nothing."""
    wanted = request.POST.get("audience")
    if wanted in {each.value for each in Chrome(request).audiences}:
        request.session[AUDIENCE_KEY] = wanted
    # Other roles have other pages: start from the person's own one.
    return HttpResponseRedirect(Chrome(request).urls["home"] or "/")


def _is_of_another_site(request: HttpRequest) -> bool:
    """Whether a browser says that another site's page sent the form. It then changes nothing.

    These two forms are on every page, and a secret in them would make every page of a visitor one of a kind. What they set
    concerns nobody's data.
    """
    return request.headers.get("Sec-Fetch-Site", "same-origin") == "cross-site"


def _back(request: HttpRequest) -> HttpResponseRedirect:
    target = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        target = "/"
    return HttpResponseRedirect(target)


def _remember(request: HttpRequest, response: HttpResponse, name: str, value: str) -> None:
    if value:
        # Not HttpOnly: nor.js writes the same cookie when it switches without loading the page again.
        response.set_cookie(name, value, max_age=_YEAR_S, secure=request.is_secure(), samesite="Lax")
    else:
        response.delete_cookie(name, samesite="Lax")
