"""Documents that anybody may read, and programs poll: from other sites' scripts too, and cheaply when nothing changed.

What the pages do for visitors (``web/catalogue/``) is done here for machines. The ETag is made from the answer itself,
so it is right whatever changed: the catalogue, the day, or our code.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time
from functools import wraps
from http import HTTPStatus
from typing import Any, Concatenate, Final, ParamSpec

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_cache_control, set_response_etag
from django.utils.http import http_date, parse_http_date_safe
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from earthcode.catalogue.search import State, catalogue_state
from earthcode.lib.errors import Refused
from earthcode.lib.http.problems import CONTENT_TYPE as PROBLEM

#: How long a cache may answer without asking us.
MAX_AGE_S: Final = 60
_METHODS: Final = "GET, HEAD, OPTIONS"

Captured = ParamSpec("Captured")
View = Callable[Concatenate[HttpRequest, Captured], HttpResponse]


class NotThere(Refused):
    """There is no such thing, or none that may be seen."""

    code = "not_found"


def public_document(view: View[Captured]) -> View[Captured]:
    """For views that only read, and that answer everybody alike.

    Their answers may be read by scripts of any site and kept by any cache, carry an ETag, and are not sent again to who
    has them. A ``Refused`` becomes a problem document: 404 for ``NotThere``, else 400, as the request is at fault.
    """

    @wraps(view)
    def answer(request: HttpRequest, /, *args: Captured.args, **kwargs: Captured.kwargs) -> HttpResponse:
        if request.method == "OPTIONS":
            response = HttpResponse(status=HTTPStatus.NO_CONTENT)
            response.headers["Access-Control-Allow-Methods"] = _METHODS
            response.headers["Access-Control-Allow-Headers"] = "If-Modified-Since, If-None-Match"
        elif request.method in ("GET", "HEAD"):
            try:
                response = _conditional(request, view(request, *args, **kwargs))
            except Refused as refusal:
                response = _problem(refusal)
        else:
            response = HttpResponse(status=HTTPStatus.METHOD_NOT_ALLOWED)
        if response.status_code in (HTTPStatus.NO_CONTENT, HTTPStatus.METHOD_NOT_ALLOWED):
            response.headers["Allow"] = _METHODS
        # Nothing here depends on who asks, so no site's script can learn anything through its visitor's browser.
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Expose-Headers"] = "ETag, Last-Modified"
        return response

    return answer


class PublicAnswers(APIView):
    """The same for views of the REST framework that answer everybody alike, made from the catalogue and the day."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # Before the data: what changes meanwhile is then newer than we say, never older.
        self._state = catalogue_state()

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        answer: Response = super().finalize_response(request, response, *args, **kwargs)
        answer.headers["Access-Control-Allow-Origin"] = "*"
        answer.headers["Access-Control-Expose-Headers"] = "ETag, Last-Modified"
        if answer.status_code == HTTPStatus.OK and request.method in ("GET", "HEAD"):
            # The ETag is made from the text, which is there when the answer is rendered.
            answer.add_post_render_callback(
                lambda rendered: _conditional(request, stamped(rendered, self._state, dated=True))
            )
        return answer


def _conditional(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The answer with its ETag, or "304 Not Modified"."""
    if settings.SESSION_COOKIE_NAME in request.COOKIES:
        # The same answer, but a renewed session may travel with it, which is nobody else's.
        patch_cache_control(response, private=True, max_age=MAX_AGE_S)
    else:
        patch_cache_control(response, public=True, max_age=MAX_AGE_S)
    set_response_etag(response)
    modified = parse_http_date_safe(response.headers.get("Last-Modified", ""))
    answer = get_conditional_response(request, response.headers["ETag"], modified, response)
    assert answer is not None  # it answers with the response it was given, at least
    return answer


def _problem(refusal: Refused) -> HttpResponse:
    """RFC 9457, as in ``errors``. OGC's exception is the same with "description" for "detail", so both are there."""
    status = HTTPStatus.NOT_FOUND if isinstance(refusal, NotThere) else HTTPStatus.BAD_REQUEST
    data = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": refusal.message,
        "description": refusal.message,
        "code": refusal.code,
    }
    if refusal.field:
        data["field"] = refusal.field
    return JsonResponse(data, status=status, content_type=PROBLEM)


def json_document(
    data: object, state: State, *, content_type: str = "application/json", dated: bool = False
) -> HttpResponse:
    """A JSON answer made from the catalogue in this state. ``dated``: also from the day, as prices are."""
    response = JsonResponse(data, content_type=content_type, safe=False)
    return stamped(response, state, dated=dated)


def stamped(response: HttpResponse, state: State, *, dated: bool = False) -> HttpResponse:
    """The answer with the time since when it is so."""
    since = state.changed_at
    if dated:
        since = max(since, datetime.combine(timezone.localdate(), time.min, UTC))
    response.headers["Last-Modified"] = http_date(int(since.timestamp()))
    return response


def address(request: HttpRequest, name: str, *arguments: object) -> str:
    """The full address of a page or a document of ours."""
    return request.build_absolute_uri(reverse(name, args=arguments))
