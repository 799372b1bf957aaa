"""The pages for what went wrong."""

from collections.abc import Iterator

import pytest
from bs4 import BeautifulSoup
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import URLPattern, URLResolver, include, path

from earthcode.urls import handler400, handler403, handler404, handler500  # noqa: F401  # of the URLs below


def breaks(kind: type[Exception]) -> object:
    def view(request: HttpRequest) -> HttpResponse:
        raise kind("a secret of the server")

    return view


urlpatterns: list[URLPattern | URLResolver] = [
    path("broken/400/", breaks(SuspiciousOperation)),  # type: ignore[arg-type]
    path("broken/403/", breaks(PermissionDenied)),  # type: ignore[arg-type]
    path("broken/500/", breaks(ValueError)),  # type: ignore[arg-type]
    path("", include("earthcode.urls")),
]


@pytest.fixture
def broken() -> Iterator[Client]:
    with override_settings(ROOT_URLCONF=__name__):
        yield Client(raise_request_exception=False)


def page_of(response: HttpResponse) -> BeautifulSoup:
    return BeautifulSoup(response.content, "html.parser")


@pytest.mark.parametrize(
    ("url", "status", "heading"),
    [
        ("/broken/400/", 400, "We could not read that"),
        ("/broken/403/", 403, "This is not open to you"),
        ("/no/such/page/", 404, "There is no such page"),
        ("/broken/500/", 500, "Something broke on our side"),
    ],
)
def test_an_error_says_what_happened_and_where_to_go(broken: Client, url: str, status: int, heading: str) -> None:
    # No ``db`` fixture: an error page of a visitor makes no query.
    response = broken.get(url)

    page = page_of(response)
    assert response.status_code == status
    assert page.h1 is not None
    assert page.h1.get_text(strip=True) == heading
    assert "a secret of the server" not in page.get_text()
    assert page.select_one('main a[href="/"]') is not None


def test_a_form_that_is_too_old_says_so() -> None:
    response = Client(enforce_csrf_checks=True).post("/audience/", {"audience": "provider"})

    assert response.status_code == 403
    assert "This form has expired" in page_of(response).get_text()


def test_a_server_error_reads_nothing_of_the_person(broken: Client, alice: object) -> None:
    broken.force_login(alice)  # type: ignore[arg-type]

    response = broken.get("/broken/500/")

    assert "Alice" not in page_of(response).get_text()
