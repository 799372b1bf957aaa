"""What tells a visitor's browser that a page it has is still right, and answers from what was drawn before."""

from __future__ import annotations

import functools
from datetime import UTC, date, datetime, time
from hashlib import blake2b
from http import HTTPStatus

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.utils.functional import cached_property
from django.utils.http import http_date, quote_etag
from django.utils.translation import get_language

from earthcode.catalogue import search
from earthcode.lib.http.kept_answers import answers
from earthcode.web.parts.chrome import SHORTCUTS_COOKIE, THEME_COOKIE


class ConditionalGet:
    """Tells a visitor who has the page already that nothing changed, and answers from the page as it was drawn for another.

    Either costs one query. For visitors only: a page of somebody signed in also shows their balance and messages. A page is
    kept only where nothing in it is anybody's own: no session, no message, no secret against forged requests.
    """

    def __init__(self, request: HttpRequest, state: search.State, today: date) -> None:
        self._request = request
        self._state = state
        self._today = today
        self._is_shared = not request.user.is_authenticated

    @property
    def _etag(self) -> str:
        """Stands for all that the page is made from besides the catalogue.

        That is the address, the day (rates begin and end with days), the reader's cookies and language, whether htmx asks,
        and the templates and static files of this release. The secret against forged requests is in the page, too, and is
        made while the page is drawn for somebody who has none yet.
        """
        cookies = {name: value for name, value in self._request.COOKIES.items() if name != settings.CSRF_COOKIE_NAME}
        parts = (
            self._state.number,
            self._today,
            self._request.get_full_path(),
            sorted(cookies.items()),
            self._request.META.get("CSRF_COOKIE", ""),
            get_language(),
            self._request.headers.get("HX-Request", ""),
            _release(),
        )
        digest = blake2b("\n".join(map(str, parts)).encode(), digest_size=16, key=settings.SECRET_KEY.encode()[:64])
        return quote_etag(digest.hexdigest())

    def answer(self) -> HttpResponse | None:
        """ "304 Not Modified" or the page that is kept, where one of them is the answer."""
        unchanged = self._unchanged()
        if unchanged is not None:
            return unchanged
        kept = answers.get(self._key) if self._is_anonymous else None
        if kept is None:
            return None
        response = kept.answer(self._request)
        response.headers["ETag"] = self._etag
        return response

    @property
    def _is_anonymous(self) -> bool:
        """Whether what is answered may be answered to anybody else, too."""
        mine = {settings.SESSION_COOKIE_NAME, "messages"}
        return self._is_shared and self._request.method == "GET" and not mine & self._request.COOKIES.keys()

    @cached_property
    def _key(self) -> tuple[object, ...]:
        """All that a visitor's page is made from. Cookies that no page reads make no other page of it."""
        request = self._request
        return (
            self._state.number,
            self._today,
            request.scheme,
            request.get_host(),
            request.get_full_path(),
            request.COOKIES.get(THEME_COOKIE, ""),
            request.COOKIES.get(SHORTCUTS_COOKIE, ""),
            get_language(),
            request.headers.get("HX-Request", ""),
            # What is a step to go back to depends on where the reader was.
            request.headers.get("HX-Current-URL", ""),
            _release(),
        )

    def _unchanged(self) -> HttpResponse | None:
        if not self._is_shared or "If-None-Match" not in self._request.headers:
            # The time alone says nothing about a new release of the templates.
            return None
        etag = self._etag
        answer = get_conditional_response(self._request, etag)
        if answer is None:
            return None
        answer.headers["ETag"] = etag
        return self._varied(answer)

    def stamped(self, response: TemplateResponse) -> HttpResponse:
        if self._is_shared:
            response.add_post_render_callback(self._stamp)
            modified_at = max(self._state.changed_at, datetime.combine(self._today, time.min, UTC))
            response.headers["Last-Modified"] = http_date(int(modified_at.timestamp()))
            patch_cache_control(response, no_cache=True)
        else:
            patch_cache_control(response, private=True, no_cache=True)
        return self._varied(response)

    def _stamp(self, response: HttpResponse) -> None:
        response.headers["ETag"] = self._etag
        if self._is_anonymous and response.status_code == HTTPStatus.OK and not self._has_secret:
            answers.keep(self._key, response)

    @property
    def _has_secret(self) -> bool:
        """Whether the page has the secret against forged requests in it: Django notes that when it is asked for."""
        return bool(self._request.META.get("CSRF_COOKIE_NEEDS_UPDATE"))

    def _varied(self, response: HttpResponse) -> HttpResponse:
        patch_vary_headers(response, ["HX-Request", "Cookie"])
        return response


@functools.cache
def _release() -> str:
    """Changes with the templates and static files."""
    digest = blake2b(digest_size=8)
    for path in sorted((settings.BASE_DIR / "templates").rglob("*.html")):
        digest.update(path.read_bytes())
    digest.update(str(getattr(staticfiles_storage, "manifest_hash", "")).encode())
    return digest.hexdigest()
