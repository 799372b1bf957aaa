from django.urls import include, path, re_path
from oauth2_provider import views as oauth2

from earthcode.demo.sso import views

# The toolkit's endpoints that a client needs; not its pages for registering clients and devices.
openid = [
    re_path(r"^\.well-known/openid-configuration/?$", views.Discovery.as_view(), name="oidc-connect-discovery-info"),
    path(".well-known/jwks.json", oauth2.JwksInfoView.as_view(), name="jwks-info"),
    path("authorize/", oauth2.AuthorizationView.as_view(), name="authorize"),
    path("token/", oauth2.TokenView.as_view(), name="token"),
    path("userinfo/", oauth2.UserInfoView.as_view(), name="user-info"),
    path("introspect/", oauth2.IntrospectTokenView.as_view(), name="introspect"),
    path("revoke/", oauth2.RevokeTokenView.as_view(), name="revoke-token"),
    path("logout/", views.Logout.as_view(), name="rp-initiated-logout"),
]

urlpatterns = [
    path("", views.home, name="home"),
    path("login/", views.choose, name="choose"),
    path("sign-out/", views.sign_out, name="sign-out"),
    path("o/", include((openid, "oauth2_provider"))),
]
