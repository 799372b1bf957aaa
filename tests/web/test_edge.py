"""What happens to every request before a view sees it, and to every answer after."""

import logging
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client, override_settings

from earthcode.identity.models import User
from earthcode.lib import tracing
from earthcode.web.site.errors import server_error

pytestmark = pytest.mark.django_db


# --- how often -------------------------------------------------------------------------------------------------------


@pytest.fixture
def limits(settings: Any) -> Any:
    settings.RATE_LIMITS = dict.fromkeys(("sign_in", "search", "page", "post", "api"), "3/min")
    cache.clear()
    yield settings
    cache.clear()


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("/accounts/oidc/earthcode/login/callback/?code=x&state=y", "text/html"),
        ("/accounts/signed-out/", "text/html"),
        ("/catalogue/?q=notebook", "text/html"),
        ("/help/", "text/html"),
        ("/api/v1/offerings", "application/problem+json"),
        ("/api/nothing", "application/problem+json"),
        ("/ogc/collections", "application/problem+json"),
    ],
)
def test_who_asks_too_often_is_told_when_to_come_back(
    limits: Any, client: Client, clock: object, address: str, kind: str
) -> None:
    answers = [client.get(address) for _ in range(4)]

    assert 429 not in {each.status_code for each in answers[:3]}
    assert answers[3].status_code == 429
    assert answers[3]["Content-Type"].startswith(kind)
    assert 1 <= int(answers[3]["Retry-After"]) <= 60


def test_what_is_sent_counts_for_each_person_and_for_nobody_else(limits: Any, as_alice: Client, as_ben: Client) -> None:
    statuses = [as_alice.post("/theme/", {"theme": "dark"}).status_code for _ in range(4)]

    assert statuses.count(429) == 1
    assert as_ben.post("/theme/", {"theme": "dark"}).status_code != 429
    assert as_alice.get("/home/").status_code == 200


def test_a_limit_that_is_left_out_is_none(limits: Any, client: Client, clock: object) -> None:
    limits.RATE_LIMITS = {"page": None}

    assert {client.get("/help/").status_code for _ in range(10)} == {200}


# --- the name of a request -------------------------------------------------------------------------------------------


def test_an_error_page_and_the_log_call_a_request_by_the_same_name(
    client: Client, clock: object, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    handler_filter = settings.LOGGING["filters"]["request_id"]["()"]
    assert handler_filter == "earthcode.lib.tracing.WithRequestId"
    caplog.handler.addFilter(tracing.WithRequestId())
    with caplog.at_level(logging.WARNING):
        response = client.get("/no-such-page/")

    name = response["X-Request-ID"]
    assert name in response.content.decode()
    assert {record.request_id for record in caplog.records} == {name}


def test_a_name_is_taken_from_our_own_proxy_only(client: Client, clock: object) -> None:
    given = {"X-Request-ID": "0123456789abcdef"}

    assert client.get("/help/", headers=given)["X-Request-ID"] != given["X-Request-ID"]
    with override_settings(BEHIND_PROXY=True):
        assert client.get("/help/", headers=given)["X-Request-ID"] == given["X-Request-ID"]
        assert "<" not in client.get("/help/", headers={"X-Request-ID": "<script>12345"})["X-Request-ID"]


def test_a_page_that_broke_has_the_number_too(alice: User) -> None:
    tracing.begin("abc-123-def")

    assert b"abc-123-def" in server_error(None).content  # type: ignore[arg-type]  # it reads nothing of it


# --- what stays where ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["/home/", "/account/", "/requests/", "/catalogue/", "/projects/", "/no-such-page/"]
)
def test_what_somebody_signed_in_sees_is_kept_by_nobody(as_alice: Client, address: str) -> None:
    response = as_alice.get(address)

    assert "no-store" in response["Cache-Control"]
    assert "public" not in response["Cache-Control"]
    assert "ETag" not in response


def test_a_program_of_somebody_is_told_so_too(client: Client, clock: object) -> None:
    answer = client.get("/api/v1/me", headers={"Authorization": "Bearer x"})

    assert "no-store" in answer["Cache-Control"]


def test_a_public_page_may_be_kept_by_a_visitor(client: Client, clock: object) -> None:
    assert "no-store" not in client.get("/help/").get("Cache-Control", "")


# --- what can be kept ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["\0", "a\0b"], ids=ascii)
def test_what_no_database_holds_does_not_reach_a_view(as_maria: Client, text: str) -> None:
    for address in ("/catalogue/", "/allocations/", "/requests/", "/audit/", "/science/", "/review/"):
        response = as_maria.get(address, query_params={"q": text, "page": text, text: text})
        assert response.status_code < 500, address


def test_an_address_with_such_a_character_is_none(as_maria: Client) -> None:
    for address in ("/ledger/a%00b/", "/catalogue/%00/", "/projects/%00/", "/api/v1/offerings/%00", "/ogc/%00"):
        assert as_maria.get(address).status_code == 404, address


def test_a_cookie_with_such_a_character_is_none(client: Client, clock: object, settings: Any) -> None:
    client.cookies[settings.SESSION_COOKIE_NAME] = "a\0b"

    assert client.get("/home/").status_code == 302
