"""Signing in, and out again."""

from __future__ import annotations

import logging
import secrets

from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from django.conf import settings
from django.contrib.auth import logout
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from earthcode.identity import issuer
from earthcode.identity.actions import PersonDeactivated
from earthcode.lib.errors import Refused
from earthcode.web.sso.adapters import SingleSignOnEndpoints, forget

logger = logging.getLogger(__name__)

#: The single sign-on sends this back, so that only our own sign-out says "signed out there, too".
_signer = signing.TimestampSigner(salt="earthcode.web.sso.sign_out")
SIGN_OUT_MAX_S = 10 * 60


@never_cache
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Send the browser to the single sign-on; ``next`` says where to go afterwards, on this site only."""
    return _run(OAuth2LoginView, request, provider_id)


@never_cache
@require_GET
def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """The browser comes back from the single sign-on, with a code or an error."""
    if request.GET.get("error") in {"server_error", "temporarily_unavailable"}:
        return _unavailable(request)
    return _run(OAuth2CallbackView, request, provider_id)


def _run(view: type[OAuth2LoginView | OAuth2CallbackView], request: HttpRequest, provider_id: str) -> HttpResponse:
    """allauth's view, and a page for each way in which a sign-in may fail."""
    try:
        response: HttpResponse = view.adapter_view(SingleSignOnEndpoints(request, provider_id))(request)
    except issuer.IssuerUnreachable as problem:
        logger.error("nobody can sign in: %s", problem)
        return _unavailable(request)
    except issuer.IssuerFailed as problem:
        logger.error("nobody can sign in until somebody mends it: %s", problem)
        was_refused = {"refused": isinstance(problem, issuer.IssuerRefused)}
        return TemplateResponse(request, "socialaccount/not_understood.html", was_refused, status=502)
    except PersonDeactivated as refusal:
        return TemplateResponse(request, "account/account_inactive.html", {"refusal": refusal}, status=403)
    except (issuer.GrantGone, Refused) as problem:
        logger.warning("a sign-in failed: %s", problem)
        context = {"refusal": problem} if isinstance(problem, Refused) else {}
        return TemplateResponse(request, "socialaccount/authentication_error.html", context, status=401)
    return response


def _unavailable(request: HttpRequest) -> HttpResponse:
    return TemplateResponse(
        request, "socialaccount/unavailable.html", status=503, headers={"Retry-After": str(issuer.FAILURE_PAUSE_S)}
    )


@never_cache
@require_http_methods(["GET", "POST"])
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session here and then, by a redirect, the one at the single sign-on (OpenID Connect RP-Initiated
    Logout)."""
    if request.method == "GET":
        if not request.user.is_authenticated:
            return redirect(settings.LOGOUT_REDIRECT_URL)
        return TemplateResponse(request, "account/logout.html")
    id_token = forget(request)
    logout(request)
    after = reverse("signed_out")
    there = id_token and issuer.end_session_url(
        id_token=id_token, return_to=settings.SITE_URL + after, state=_signer.sign(secrets.token_urlsafe(12))
    )
    return redirect(there or after)


@require_safe
def signed_out(request: HttpRequest) -> HttpResponse:
    """What is over: the session here or, when the single sign-on sent the browser back, the one there as well."""
    try:
        _signer.unsign(request.GET.get("state", ""), max_age=SIGN_OUT_MAX_S)
    except signing.BadSignature:
        there_too = False
    else:
        there_too = True
    return TemplateResponse(request, "account/signed_out.html", {"there_too": there_too})
