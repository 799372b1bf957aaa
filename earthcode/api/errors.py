"""What the API answers when it does not do what was asked: Problem Details (RFC 9457).

``code`` is stable; programs decide by it and people read ``detail``. ``field`` names the input at fault, and
``errors`` lists them where there are several. A refusal of an action, an error of the framework and a failing single
sign-on all take this form; anything else is a mistake of ours, goes to the log and is a plain 500.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from earthcode.identity import issuer
from earthcode.lib.away import database_is_away
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused, TooOften
from earthcode.lib.http.problems import CONTENT_TYPE, document, problem_response

logger = logging.getLogger(__name__)


class IssuerUnavailable(exceptions.APIException):
    """The token cannot be checked now."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = "The single sign-on cannot be reached, so your token cannot be checked. Try again shortly."
    default_code = "issuer_unavailable"
    wait = issuer.FAILURE_PAUSE_S


class DatabaseAway(exceptions.APIException):
    """Nothing was written, unless an answer to an earlier request said so."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = "The database is restarting. Try again shortly."
    default_code = "database_unavailable"
    wait = 5


class IssuerAnswersWrongly(exceptions.APIException):
    """The token cannot be checked, and trying again will not help."""

    status_code = HTTPStatus.BAD_GATEWAY
    default_detail = (
        "The single sign-on answers in a way that we do not understand, so your token cannot be checked."
        " Trying again will not help. Tell the people who run this site."
    )
    default_code = "issuer_not_understood"


def problem(exception: Exception, context: Mapping[str, Any]) -> Response | None:  # noqa: ARG001  (the framework gives it)
    """Django REST framework's exception handler; None lets the exception through."""
    match exception:
        case Refused():
            set_rollback()
            field = {"field": exception.field} if exception.field else {}
            return _response(_status_of(exception), exception.code, exception.message, field)
        case issuer.IssuerUnreachable():
            exception = IssuerUnavailable()
        case issuer.IssuerFailed():
            logger.error("tokens cannot be checked: %s", exception)
            exception = IssuerAnswersWrongly()
        case Http404():
            exception = exceptions.NotFound()
        case PermissionDenied():
            exception = exceptions.PermissionDenied()
    if database_is_away(exception):
        logger.error("the database is away: %s", exception)
        exception = DatabaseAway()
    if not isinstance(exception, exceptions.APIException):
        return None
    set_rollback()
    if isinstance(exception, exceptions.ValidationError):
        errors = list(_errors("", exception.get_full_details()))
        response = _response(
            exception.status_code, "invalid_input", "Some of the input cannot be used.", {"errors": errors}
        )
    else:
        codes = exception.get_codes()
        code = codes if isinstance(codes, str) else exception.default_code
        response = _response(exception.status_code, code, str(exception.detail), {})
    if (wait := getattr(exception, "wait", None)) is not None:
        response["Retry-After"] = str(int(wait))
    if (challenge := getattr(exception, "auth_header", None)) is not None:
        response["WWW-Authenticate"] = _challenge(challenge, exception)
    return response


@csrf_exempt
def no_such_address(request: HttpRequest, path: str) -> HttpResponse:  # noqa: ARG001  (what was asked for is in the URL)
    """For every address below ``/api/`` that nothing else answers: a program asked, so a program is told."""
    return problem_response(404, "not_found", "There is no such address. The API is described at /api/schema/.")


def _status_of(refusal: Refused) -> int:
    match refusal:
        case NotPermitted():
            return HTTPStatus.FORBIDDEN
        case InvalidInput():
            return HTTPStatus.UNPROCESSABLE_ENTITY
        case TooOften():
            return HTTPStatus.TOO_MANY_REQUESTS
        case _:
            # The request is fine and the thing is not, as it is now.
            return HTTPStatus.CONFLICT


def _response(status: int, code: str, detail: str, more: Mapping[str, Any]) -> Response:
    return Response({**document(status, code, detail), **more}, status=status, content_type=CONTENT_TYPE)


def _errors(field: str, details: Any) -> Iterator[dict[str, str]]:
    """Flat, with a dotted path for nested input; empty where no field is at fault."""
    if isinstance(details, list):
        for number, each in enumerate(details):
            nested = isinstance(each, dict) and not _is_leaf(each)
            yield from _errors(f"{field}.{number}".lstrip(".") if nested else field, each)
    elif _is_leaf(details):
        yield {"field": field, "detail": str(details["message"]), "code": str(details["code"])}
    else:
        for name, each in details.items():
            inner = "" if name == "non_field_errors" else str(name)
            yield from _errors(".".join(part for part in (field, inner) if part), each)


def _is_leaf(details: Any) -> bool:
    return (
        isinstance(details, dict)
        and details.keys() == {"message", "code"}
        and not isinstance(details["message"], dict | list)
    )


def _challenge(challenge: str, exception: exceptions.APIException) -> str:
    """RFC 6750, 3: no error where no token was sent, and the reason where one was."""
    error = getattr(exception, "auth_error", "")
    if isinstance(exception, exceptions.AuthenticationFailed):
        error = "invalid_token"
    if not error:
        return challenge
    # A quoted string of a header is ASCII without quotes.
    reason = str(exception.detail).replace("’", "'").replace("“", "'").replace("”", "'").replace('"', "'")
    reason = reason.encode("ascii", "replace").decode()
    return f'{challenge}, error="{error}", error_description="{reason}"'
