import json
from typing import Any

from django.contrib import auth
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from oauth2_provider.http import OAuth2ResponseRedirect
from oauth2_provider.views import ConnectDiscoveryInfoView, RPInitiatedLogoutView

from earthcode.demo import people
from earthcode.demo.people import Persona
from earthcode.demo.sso import settings


class Discovery(ConnectDiscoveryInfoView):  # type: ignore[misc]
    """The toolkit's document, with the two endpoints it has and does not mention."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().get(request, *args, **kwargs)
        document = json.loads(response.content)
        document["introspection_endpoint"] = self._get_endpoint_url(request, "introspect")
        document["revocation_endpoint"] = self._get_endpoint_url(request, "revoke-token")
        document["grant_types_supported"] = ["authorization_code", "refresh_token"]
        # Tokens are signed with the one key there is; clients' secrets sign nothing.
        document["id_token_signing_alg_values_supported"] = ["RS256"]
        document["token_endpoint_auth_methods_supported"].append("none")
        response.content = json.dumps(document)
        return response


class Logout(RPInitiatedLogoutView):  # type: ignore[misc]
    """Signing out at a client signs out here; asked first only when the client cannot say who it was."""

    template_name = "sso/sign_out.html"

    def form_valid(self, form: Any) -> HttpResponseBase:
        to = form.cleaned_data.get("post_logout_redirect_uri")
        if form.cleaned_data.get("allow") or not to:
            response: HttpResponseBase = super().form_valid(form)
            return response
        application, _ = self.validate_logout_request(
            id_token_hint=form.cleaned_data.get("id_token_hint"),
            client_id=form.cleaned_data.get("client_id"),
            post_logout_redirect_uri=to,
        )
        back: HttpResponse = OAuth2ResponseRedirect(to, application.get_allowed_schemes())
        return back


def _signed_in(request: HttpRequest) -> Persona | None:
    return people.by_subject(request.user.get_username()) if request.user.is_authenticated else None


def home(request: HttpRequest) -> HttpResponse:
    """Who is signed in, and the way out."""
    persona = _signed_in(request)
    if persona is None:
        return redirect("choose")
    return TemplateResponse(request, "sso/home.html", {"persona": persona, "site_url": settings.SITE_URL})


@never_cache
def choose(request: HttpRequest) -> HttpResponse:
    """Choose who to be. There is no password: the people are made up, and the server answers on this machine only."""
    to = request.POST.get("next", request.GET.get("next", ""))
    if not url_has_allowed_host_and_scheme(to, allowed_hosts=None):
        to = ""
    context = {"people": people.personas(), "next": to, "signed_in": _signed_in(request)}
    if request.method != "POST":
        return TemplateResponse(request, "sso/choose.html", context)
    user = auth.authenticate(request, persona=request.POST.get("persona", ""))
    if user is None:
        return TemplateResponse(request, "sso/choose.html", context | {"unknown": True}, status=422)
    auth.login(request, user)
    return redirect(to or "home")


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    auth.logout(request)
    return redirect("choose")
