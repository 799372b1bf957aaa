"""Where django-allauth asks us: how to talk to the single sign-on, who a person is, and what a session keeps.

allauth would find a person by provider and subject, or by e-mail address, and keep one token for each person. We find
them by issuer and subject in ``identity.User`` alone and keep tokens for each browser session, so allauth's own tables
of accounts and tokens stay empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.http import url_has_allowed_host_and_scheme

from earthcode.identity import actions as identity
from earthcode.identity import issuer
from earthcode.identity.models import User
from earthcode.identity.oidc import Claims, ClaimsUnusable
from earthcode.web.sso import PROVIDER_ID, SESSION_KEY

# allauth has no type information, so its classes are Any to mypy, and it decides what its hooks are given:
# ruff: noqa: ARG002


class SingleSignOnEndpoints(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """The single sign-on's endpoints, called through ``identity.issuer`` like everywhere else."""

    claims: Claims
    tokens: issuer.Tokens
    nonce: str

    @property
    def openid_config(self) -> Mapping[str, Any]:
        """Asked anew, once for each step: a person must not be sent to a single sign-on that is down."""
        if not hasattr(self, "_openid_config"):
            self._openid_config = issuer.discovery(fresh=True)
        return self._openid_config

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        """Below the site's own address, as registered, whatever a proxy makes of the request's."""
        return f"{settings.SITE_URL}{reverse('openid_connect_callback', args=[self.provider_id])}"

    def get_access_token_data(
        self, request: HttpRequest, app: SocialApp, client: Any, pkce_code_verifier: str | None = None
    ) -> dict[str, Any]:
        # RFC 9207: the answer must come from the issuer that the browser was sent to.
        announced = self.openid_config.get("authorization_response_iss_parameter_supported")
        if request.GET.get("iss", None if announced else settings.OIDC_ISSUER) != settings.OIDC_ISSUER:
            raise ClaimsUnusable("The answer does not come from the single sign-on you were sent to.")
        self.nonce = nonce_of(pkce_code_verifier or "")
        self.tokens = issuer.exchange(
            code=request.GET["code"], code_verifier=pkce_code_verifier or "", redirect_uri=client.callback_url
        )
        return dict(self.tokens.said)

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any) -> SocialLogin:
        if not self.tokens.id_token:
            raise ClaimsUnusable("The single sign-on did not say who you are.")
        id_token = issuer.verify_id_token(self.tokens.id_token)
        # OpenID Connect Core 3.1.3.7: else somebody's ID token of another time could be planted.
        if not constant_time_compare(str(id_token.get("nonce", "")), self.nonce):
            raise ClaimsUnusable("The answer of the single sign-on belongs to another sign-in. Start again.")
        answers = {
            "id_token": id_token,
            "userinfo": issuer.userinfo(self.tokens.access_token),
        }
        claims = Claims.from_answers(issuer=settings.OIDC_ISSUER, **answers)
        login = self.get_provider().sociallogin_from_response(request, answers)
        login.claims, login.tokens = claims, self.tokens
        return login


class SingleSignOn(OpenIDConnectProvider):  # type: ignore[misc]
    """The one provider. A link to it can say where to go afterwards, and nothing else."""

    oauth2_adapter_class = SingleSignOnEndpoints

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        """allauth would also take scopes, parameters for the issuer, and "connect another account" from the address."""
        wanted = super().get_redirect_from_request_kwargs(request)
        return {"process": "login", "next_url": wanted.get("next_url")}

    def get_pkce_params(self) -> dict[str, Any]:
        """PKCE's challenge, and a nonce that is made from the same secret of this one sign-in."""
        params: dict[str, Any] = super().get_pkce_params()
        return {**params, "nonce": nonce_of(params["code_verifier"])}


def nonce_of(code_verifier: str) -> str:
    """What the ID token must repeat. The verifier is random, kept in the browser's session, and used once."""
    return salted_hmac("earthcode.web.sso.nonce", code_verifier, algorithm="sha256").hexdigest()


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    def get_provider(self, request: HttpRequest, provider: str, client_id: str | None = None) -> SingleSignOn:
        return SingleSignOn(request, app=self.get_app(request, provider=PROVIDER_ID))

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: Mapping[str, Any]) -> User:
        """Nothing: the person is found or made in ``pre_social_login``."""
        user: User = sociallogin.user
        return user

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """The person is who the claims name, whatever allauth may have found."""
        sociallogin.user = identity.sign_in(sociallogin.claims, at=timezone.now())

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_safe_url(self, url: str | None) -> bool:
        """Where people may be sent after signing in: this site, and no other that we may happen to trust."""
        return url_has_allowed_host_and_scheme(
            url, allowed_hosts={self.request.get_host()}, require_https=self.request.is_secure()
        )

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """None of allauth's: that one is signed in shows on the page."""

    def post_login(
        self, request: HttpRequest, user: User, *, signal_kwargs: dict[str, Any] | None, **kwargs: Any
    ) -> HttpResponse:
        """The new session remembers where it came from, and ends when it must, however often it is written to."""
        assert signal_kwargs is not None, "nobody signs in here but at the single sign-on"
        opened = identity.open_session(user, signal_kwargs["sociallogin"].tokens, at=timezone.now())
        request.session[SESSION_KEY] = {"id": str(opened.pk), "due": opened.refresh_due_at.isoformat()}
        request.session.set_expiry(opened.ends_at)
        response: HttpResponse = super().post_login(request, user, signal_kwargs=signal_kwargs, **kwargs)
        return response

    def logout(self, request: HttpRequest) -> None:
        """Also when somebody signs in over a session of before."""
        forget(request)
        super().logout(request)


def forget(request: HttpRequest) -> str:
    """Drop the tokens of this browser's session; returns its ID token, empty if there was none."""
    mark = request.session.get(SESSION_KEY)
    return identity.close_session(mark["id"]) if mark else ""
