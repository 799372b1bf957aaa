"""What tells a visitor's browser that a page it has is still right."""

from __future__ import annotations

import functools
from datetime import UTC, date, datetime, time
from hashlib import blake2b

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.utils.http import http_date, quote_etag
from django.utils.translation import get_language

from earthcode.catalogue import search


class ConditionalGet:
    """Tells a visitor who has the page already that nothing changed, at the cost of one query.

    For visitors only: a page of somebody signed in also shows their balance and messages.
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

    def unchanged(self) -> HttpResponse | None:
        """ "304 Not Modified", where that is the answer."""
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
