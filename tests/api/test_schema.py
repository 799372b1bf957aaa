"""The API's own description."""

import io
from contextlib import redirect_stderr

import pytest
from bs4 import BeautifulSoup
from django.core.management import call_command
from django.test import Client

import earthcode.api.docs
import earthcode.api.urls


def endpoints() -> set[str]:
    """Addresses below ``/api/v1/``, as the OpenAPI document writes them."""
    found = {str(pattern.pattern) for pattern in earthcode.api.urls.urlpatterns}
    converters = {"<slug:": "<", "<uuid:": "<", "<int:": "<", "<str:": "<"}
    paths = {path for path in found if path.startswith("api/v1/")}
    for converter, plain in converters.items():
        paths = {path.replace(converter, plain) for path in paths}
    # A primary key is called by what it is in the document.
    return {"/" + path.replace("<pk>", "<id>").replace("<", "{").replace(">", "}") for path in paths}


def test_the_document_is_made_without_a_warning(db: None) -> None:
    complaints = io.StringIO()

    with redirect_stderr(complaints):
        call_command("spectacular", "--validate", "--fail-on-warn", file="/dev/null")

    assert complaints.getvalue() == ""


def test_the_document_has_every_endpoint_and_is_public(client: Client, db: None) -> None:
    response = client.get("/api/schema/?format=json")

    assert response.status_code == 200
    document = response.json()
    assert set(document["paths"]) == endpoints()
    assert document["components"]["securitySchemes"]["single sign-on"]["type"] == "openIdConnect"


def test_a_stale_token_does_not_keep_anybody_from_the_document(client: Client, db: None) -> None:
    assert client.get("/api/schema/", headers={"Authorization": "Bearer stale"}).status_code == 200


def test_the_page_shows_every_endpoint(client: Client, db: None) -> None:
    page = BeautifulSoup(client.get("/api/docs/").content, "html.parser")

    shown = {code.get_text() for code in page.select(".endpoints h3 code:last-child")}
    assert shown == endpoints()


def test_only_the_catalogue_needs_no_token() -> None:
    public = {
        endpoint.path for section in earthcode.api.docs.sections() for endpoint in section.endpoints if endpoint.public
    }

    assert public == {
        "/api/v1/estimates",
        "/api/v1/estimates/{token}",
        "/api/v1/offerings",
        "/api/v1/offerings/{slug}",
    }


@pytest.mark.parametrize("step", ["ask", "approve", "reject"])
def test_a_decision_says_that_its_reason_is_required(step: str) -> None:
    endpoint = next(
        endpoint
        for section in earthcode.api.docs.sections()
        for endpoint in section.endpoints
        if endpoint.anchor == f"{step}_resource_request"
    )

    assert [(field.name, field.required) for field in endpoint.body] == [("reason", True)]
