"""An answer to ESA's question that was begun and not sent: it is not lost to a look at the request."""

from __future__ import annotations

from django.http import HttpRequest


def _answer_key(reference: str) -> str:
    return f"answer_to_{reference}"


def kept_answer(request: HttpRequest, reference: str) -> str:
    """The answer to ESA's question that was begun and not sent."""
    return str(request.session.get(_answer_key(reference), ""))


def keep_answer(request: HttpRequest, reference: str, text: str) -> None:
    """Keep an answer that was begun, with the person's session; an empty one forgets it."""
    if text.strip():
        request.session[_answer_key(reference)] = text
    else:
        request.session.pop(_answer_key(reference), None)
