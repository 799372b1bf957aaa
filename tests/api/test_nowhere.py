"""What a program is told that asked at an address the API does not have."""

import pytest
from django.test import Client


@pytest.mark.parametrize("method", ["get", "post", "delete"])
@pytest.mark.parametrize("path", ["v1/nowhere", "v1", "v2/offerings", "v1/offerings/", "x/" * 40])
def test_an_address_that_is_not_there_is_a_problem_and_no_page(client: Client, method: str, path: str) -> None:
    response = getattr(client, method)(f"/api/{path}")

    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    assert response.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no such address. The API is described at /api/schema/.",
        "code": "not_found",
    }


def test_people_who_follow_a_wrong_link_get_a_page(client: Client) -> None:
    assert client.get("/nowhere/")["Content-Type"].startswith("text/html")
