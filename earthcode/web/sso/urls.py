"""All there is of accounts. allauth's own addresses are not included: they hold sign-up, passwords and e-mail
addresses.

The names that allauth itself asks for are kept.
"""

from django.urls import path, re_path
from django.views.generic import RedirectView, TemplateView

from earthcode.web.sso import PROVIDER_ID, views

PROVIDER = rf"^oidc/(?P<provider_id>{PROVIDER_ID})/"

urlpatterns = [
    path(
        "login/",
        RedirectView.as_view(pattern_name="openid_connect_login", query_string=True),
        {"provider_id": PROVIDER_ID},
        name="account_login",
    ),
    re_path(rf"{PROVIDER}login/$", views.sign_in, name="openid_connect_login"),
    re_path(rf"{PROVIDER}login/callback/$", views.callback, name="openid_connect_callback"),
    path(
        "cancelled/",
        TemplateView.as_view(template_name="socialaccount/login_cancelled.html"),
        name="socialaccount_login_cancelled",
    ),
    path("logout/", views.sign_out, name="account_logout"),
    path("signed-out/", views.signed_out, name="signed_out"),
]
