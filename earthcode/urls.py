"""Every address of the site, by audience: each package of pages names its own."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("earthcode.web.site.urls")),
    path("", include("earthcode.web.catalogue.urls")),
    path("", include("earthcode.web.projects.urls")),
    path("", include("earthcode.web.requests.urls")),
    path("", include("earthcode.web.review.urls")),
    path("", include("earthcode.web.provider.urls")),
    path("", include("earthcode.web.books.urls")),
    path("", include("earthcode.api.urls")),
    path("accounts/", include("earthcode.web.sso.urls")),
]

handler400 = "earthcode.web.site.errors.bad_request"
handler403 = "earthcode.web.site.errors.permission_denied"
handler404 = "earthcode.web.site.errors.not_found"
handler500 = "earthcode.web.site.errors.server_error"
