"""One form for everything the API does not do (RFC 9457)."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import Http404, HttpResponse
from django.test import Client
from django.urls import path
from rest_framework import exceptions, serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from earthcode.identity.issuer import IssuerUnreachable
from earthcode.identity.models import Organisation
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused
from earthcode.lifecycle import WrongState

pytestmark = pytest.mark.urls(__name__)


class CallClosed(Refused):
    code = "call_closed"


class Line(serializers.Serializer[Any]):
    plan = serializers.CharField()
    quantity = serializers.IntegerField(min_value=1)


class Order(serializers.Serializer[Any]):
    title = serializers.CharField(max_length=5)
    lines = Line(many=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["title"] == "odd":
            raise serializers.ValidationError("The parts do not fit together.", code="misfit")
        return attrs


class Failing(APIView):
    """Raises what a test put there."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    failure: Callable[[], Exception]

    def get(self, request: Request) -> Response:  # noqa: ARG002  (the framework gives it)
        raise Failing.failure()

    def post(self, request: Request) -> Response:
        Order(data=request.data).is_valid(raise_exception=True)
        return Response()


urlpatterns = [path("failing", Failing.as_view())]


def said(response: HttpResponse) -> dict[str, Any]:
    assert response["Content-Type"] == "application/problem+json"
    answer: dict[str, Any] = json.loads(response.content)
    assert answer["status"] == response.status_code
    assert answer["type"] == "about:blank"
    assert answer["title"]
    assert answer["detail"]
    return answer


def fail(failure: Callable[[], Exception]) -> HttpResponse:
    Failing.failure = staticmethod(failure)  # type: ignore[assignment]
    return Client().get("/failing")


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (lambda: NotPermitted("You may not."), 403, "not_permitted"),
        (lambda: InvalidInput("Write a number."), 422, "invalid_input"),
        (lambda: WrongState("Somebody was faster."), 409, "wrong_state"),
        (lambda: CallClosed("The call is closed."), 409, "call_closed"),
        (lambda: Http404(), 404, "not_found"),
        (lambda: PermissionDenied(), 403, "permission_denied"),
        (lambda: exceptions.NotFound("No such request."), 404, "not_found"),
        (lambda: exceptions.ParseError(), 400, "parse_error"),
        (lambda: exceptions.UnsupportedMediaType("text/csv"), 415, "unsupported_media_type"),
        (lambda: IssuerUnreachable("sso.science.example does not answer"), 503, "issuer_unavailable"),
    ],
)
def test_what_is_anticipated_has_a_status_a_code_and_a_sentence(
    failure: Callable[[], Exception], status: int, code: str
) -> None:
    response = fail(failure)

    assert (response.status_code, said(response)["code"]) == (status, code)


def test_a_refusal_says_why_and_names_the_input_at_fault() -> None:
    answer = said(fail(lambda: InvalidInput("Enter a title for the project.", field="title")))

    assert answer["detail"] == "Enter a title for the project."
    assert answer["field"] == "title"
    assert answer["title"] == "Unprocessable Entity"


def test_a_refusal_about_nothing_in_particular_names_no_input() -> None:
    assert "field" not in said(fail(lambda: CallClosed("The call is closed.")))


def test_what_the_single_sign_on_said_stays_in_the_log() -> None:
    response = fail(lambda: IssuerUnreachable("10.0.0.7 says 502"))

    assert "10.0.0.7" not in response.content.decode()
    assert int(response["Retry-After"]) > 0


def test_too_many_requests_say_when_to_come_back() -> None:
    response = fail(lambda: exceptions.Throttled(wait=17))

    assert (response.status_code, response["Retry-After"]) == (429, "17")


def test_a_mistake_of_ours_is_not_dressed_up() -> None:
    with pytest.raises(ZeroDivisionError):
        fail(lambda: ZeroDivisionError())


@pytest.mark.parametrize(
    ("sent", "errors"),
    [
        ({}, [("title", "required"), ("lines", "required")]),
        ({"title": "too long", "lines": []}, [("title", "max_length")]),
        (
            {"title": "ok", "lines": [{"plan": "a", "quantity": 1}, {"plan": "b", "quantity": 0}]},
            [("lines.1.quantity", "min_value")],
        ),
        ({"title": "ok", "lines": "none"}, [("lines", "not_a_list")]),
        ({"title": "ok", "lines": [7]}, [("lines.0", "invalid")]),
        ({"title": "odd", "lines": []}, [("", "misfit")]),
        (["title"], [("", "invalid")]),
    ],
)
def test_invalid_input_lists_each_field_at_fault(sent: object, errors: list[tuple[str, str]]) -> None:
    response = Client().post("/failing", sent, content_type="application/json")

    answer = said(response)
    assert (answer["status"], answer["code"]) == (400, "invalid_input")
    assert [(each["field"], each["code"]) for each in answer["errors"]] == errors
    assert all(each["detail"] for each in answer["errors"])


@pytest.mark.parametrize(
    ("method", "content_type", "body", "status"),
    [
        ("PUT", "application/json", "{}", 405),
        ("POST", "application/json", "{", 400),
        ("POST", "text/csv", "a,b", 415),
    ],
)
def test_the_frameworks_own_errors_take_the_same_form(method: str, content_type: str, body: str, status: int) -> None:
    response = Client().generic(method, "/failing", body, content_type=content_type)

    assert said(response)["status"] == status


@pytest.mark.django_db
def test_a_refusal_rolls_back_what_the_view_did(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a request is one transaction, the answer must not commit half of what it was about."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    def failure() -> Exception:
        Organisation.objects.create(slug="half-done", name="Half done")
        return CallClosed("The call is closed.")

    assert fail(failure).status_code == 409
    assert not Organisation.objects.exists()
