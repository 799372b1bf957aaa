"""What whoever watches the site is told, and what a person sees while the database is away."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import OperationalError, connection
from django.test import Client

from earthcode.lib.away import database_is_away


@pytest.fixture
def site() -> Client:
    return Client(raise_request_exception=False)


@contextmanager
def _nobody_answers() -> Iterator[None]:
    """The address of the database leads nowhere."""
    before = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict["PORT"] = "1"
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)


@pytest.mark.django_db
def test_a_site_that_can_serve_is_live_and_ready(client: Client) -> None:
    for address, word in (("/health/live", "live"), ("/health/ready", "ready")):
        answer = client.get(address)
        assert (answer.status_code, answer.content.decode()) == (200, f"{word}\n")
        assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db(transaction=True)
def test_without_its_database_it_is_live_and_not_ready_and_says_so_to_people_and_programs(
    site: Client, as_alice: Client
) -> None:
    as_alice.raise_request_exception = False
    with _nobody_answers():
        live, ready = site.get("/health/live"), site.get("/health/ready")
        page, form = site.get("/catalogue/"), as_alice.post("/requests/new/", {"title": "Snow"})
        api = site.get("/api/v1/offerings")

    assert (live.status_code, ready.status_code) == (200, 503)
    assert ready.content == b"the database does not answer\n"
    for answer in (ready, page, form, api):
        assert answer.status_code == 503
        assert answer["Retry-After"] == "5"
    assert '<meta http-equiv="refresh" content="5">' in page.content.decode()
    assert "refresh" not in form.content.decode()
    assert api.json()["code"] == "database_unavailable"

    assert site.get("/health/ready").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_an_error_of_ours_is_not_taken_for_the_database_s_absence() -> None:
    with pytest.raises(OperationalError) as ended, connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 1; SELECT pg_sleep(5)")

    assert not database_is_away(ended.value)
    assert database_is_away(psycopg.errors.AdminShutdown())
    assert not database_is_away(ValueError())
    connection.close()
