"""What happens to every request before a view sees it, and to every answer after: middleware, outermost first.

- :class:`RequestId` gives each request a name, for the log and for error pages.
- :class:`KeepableInput` takes out of what was sent what no database can hold.
- :class:`Limits` says "too many" to who asks too often.
- :class:`NoStore` keeps the pages of somebody signed in out of every cache, also the browser's.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from math import ceil
from typing import Any, Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.utils.log import log_response
from rest_framework.throttling import SimpleRateThrottle

from earthcode.lib import tracing
from earthcode.lib.clients import digest_of
from earthcode.lib.http.problems import problem_response
from earthcode.lib.text import is_keepable, keepable
from earthcode.web.site.errors import too_many

GetResponse = Callable[[HttpRequest], HttpResponse]

# --- the name of a request -------------------------------------------------------------------------------------------

_SANE_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestId:
    """``X-Request-ID`` of the proxy where there is one that we trust, else a new one; in the answer, the log, error pages."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "") if settings.BEHIND_PROXY else ""
        name = given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex
        tracing.begin(name)
        response = self.get_response(request)
        response["X-Request-ID"] = name
        return response


# --- what can be kept ------------------------------------------------------------------------------------------------


class KeepableInput:
    """NUL and lone surrogates, which PostgreSQL refuses, are in no address and in nothing that a form sends.

    Bodies of the API are read, and refused by field, in ``api``.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_keepable(request.path_info):
            raise Http404("no address has such characters")
        request.GET = _kept(request.GET)  # type: ignore[assignment]  # one that cannot be changed, as before
        if request.content_type in {"application/x-www-form-urlencoded", "multipart/form-data"}:
            request.POST = _kept(request.POST)  # type: ignore[assignment]
        for name in [name for name, value in request.COOKIES.items() if not is_keepable(value)]:
            del request.COOKIES[name]
        return self.get_response(request)


def _kept(given: QueryDict) -> QueryDict:
    """The same where nothing has to go, which is nearly always."""
    if all(is_keepable(text) for name, values in given.lists() for text in (name, *values)):
        return given
    kept = QueryDict(mutable=True, encoding=given.encoding)
    for name, values in given.lists():
        kept.setlist(keepable(name), [keepable(value) for value in values])
    kept._mutable = False
    return kept


# --- how often -------------------------------------------------------------------------------------------------------


class Limit(SimpleRateThrottle):
    """One of ``settings.RATE_LIMITS``, counted for each person, else for each address, in the cache.

    Django REST framework's throttle, for pages as well.
    """

    def __init__(self, scope: str, rate: str) -> None:
        self.scope, self.rate = scope, rate
        super().__init__()

    def get_cache_key(self, request: Any, view: Any) -> str:  # noqa: ARG002  (the framework decides)
        user = getattr(request, "user", None)
        # Bearer tokens are looked at later; who sends them is told apart by where they come from.
        person = f"user-{user.pk}" if user is not None and user.is_authenticated else ""
        return f"limit:{self.scope}:{person or digest_of(request.META, on=timezone.now().date())}"


class Limits:
    """Generous for people, and an end for programs that try things out: 429 with ``Retry-After``."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        for scope in _scopes_of(request):
            rate = settings.RATE_LIMITS.get(scope)
            if not rate:
                continue
            limit = Limit(scope, rate)
            if not limit.allow_request(request, None):  # type: ignore[arg-type]  # it asks for the user and META only
                return self._too_many(request, max(1, ceil(limit.wait() or 1)))
        return self.get_response(request)

    @staticmethod
    def _too_many(request: HttpRequest, wait_s: int) -> HttpResponse:
        if request.path.startswith(_FOR_PROGRAMS):
            response: HttpResponse = problem_response(429, "too_often", f"Too many requests. Try again in {wait_s} s.")
        else:
            response = too_many(request, wait_s)
        response["Retry-After"] = str(wait_s)
        log_response("Too many requests: %s", request.path, response=response, request=request)
        return response


_FOR_PROGRAMS: Final = ("/api/", "/ogc/")


def _scopes_of(request: HttpRequest) -> Iterator[str]:
    if request.path.startswith("/accounts/"):
        yield "sign_in"
    elif request.path.startswith(_FOR_PROGRAMS):
        yield "api"
    elif request.method not in {"GET", "HEAD"}:
        yield "post"
    elif request.GET.get("q"):
        yield "search"
    else:
        yield "page"


# --- what stays where ------------------------------------------------------------------------------------------------


class NoStore:
    """What was made for somebody signed in is kept by nobody: "Back" after signing out shows nothing of it."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_of_somebody = settings.SESSION_COOKIE_NAME in request.COOKIES or "Authorization" in request.headers
        if (is_of_somebody or settings.SESSION_COOKIE_NAME in response.cookies) and not _is_for_all(response):
            response.headers.pop("Cache-Control", None)
            response.headers.pop("ETag", None)
            patch_cache_control(response, private=True, no_cache=True, no_store=True)
        return response


def _is_for_all(response: HttpResponse) -> bool:
    """Whether the view says that this answer is the same for everybody."""
    return "public" in response.get("Cache-Control", "")
