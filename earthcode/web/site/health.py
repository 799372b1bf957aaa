"""For whoever watches the site: whether the process lives, and whether it can serve. ``manage.py status`` says more."""

import logging

from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from earthcode.lib import database

logger = logging.getLogger(__name__)


@require_safe
@never_cache
def live(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers. Nothing is asked of the database: starting anew would not bring that back."""
    return _said(200, "live")


@require_safe
@never_cache
def ready(request: HttpRequest) -> HttpResponse:
    """200 if the database answers and is the one of this release; otherwise 503. What is wrong is in the log, not in the answer:
    anybody may ask this. A broker that is away does not matter to pages.
    """
    try:
        problems = database.problems()
    except Error:
        logger.exception("not ready: the database does not answer")
        return _said(503, "the database does not answer")
    if problems:
        logger.error("not ready: %s", "; ".join(problems))
        return _said(503, "the database is not the one of this release")
    return _said(200, "ready")


def _said(status: int, words: str) -> HttpResponse:
    response = HttpResponse(f"{words}\n", status=status, content_type="text/plain; charset=utf-8")
    if status == 503:
        response["Retry-After"] = "5"
    return response
