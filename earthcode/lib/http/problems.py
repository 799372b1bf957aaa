"""Problem Details (RFC 9457): how a program is told that what it asked for is not done."""

from http import HTTPStatus
from typing import Any, Final

from django.http import JsonResponse

CONTENT_TYPE: Final = "application/problem+json"


def document(status: int, code: str, detail: str) -> dict[str, Any]:
    """``code`` is stable; programs decide by it and people read ``detail``."""
    found = HTTPStatus(status)
    return {"type": "about:blank", "title": found.phrase, "status": found.value, "detail": detail, "code": code}


def problem_response(status: int, code: str, detail: str) -> JsonResponse:
    """An answer of this form, where no view of the framework gives one."""
    return JsonResponse(document(status, code, detail), status=status, content_type=CONTENT_TYPE)
