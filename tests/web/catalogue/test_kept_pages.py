"""Pages that are sent as they were drawn for somebody else: right, nobody's own, and for one query."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from earthcode.catalogue.models import Offering, Plan
from earthcode.lib.http.kept_answers import answers
from earthcode.web.parts.conditional_get import ConditionalGet

pytestmark = pytest.mark.django_db

PAGES = ("/catalogue/", "/catalogue/?q=notebooks&cpu=16", "/catalogue/hub-notebooks/", "/science/")


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    answers.forget_all()
    yield
    answers.forget_all()


@pytest.fixture(autouse=True)
def catalogue(hub_plan: Plan, batch_plan: Plan, clock: object) -> None:
    """Two offerings."""


@pytest.mark.parametrize("path", PAGES)
def test_a_page_that_another_visitor_saw_costs_one_query_and_sets_nothing(path: str) -> None:
    first = Client().get(path)
    with CaptureQueriesContext(connection) as made:
        again = Client().get(path)

    assert len(made) == 1
    assert again.content == first.content
    own = {"Vary", "X-Request-ID"}
    assert {name: value for name, value in again.headers.items() if name not in own} == {
        name: value for name, value in first.headers.items() if name not in own
    }
    assert not again.cookies
    assert b"csrfmiddlewaretoken" not in again.content
    packed = Client().get(path, headers={"Accept-Encoding": "br"})
    assert packed.headers["Content-Encoding"] == "br"
    assert len(packed.content) < 25_000


@pytest.mark.parametrize("path", PAGES)
def test_whoever_is_signed_in_or_has_a_session_is_answered_anew_and_leaves_nothing(as_alice: Client, path: str) -> None:
    as_alice.get(path)
    assert answers.size == 0
    with_message = Client()
    with_message.cookies["messages"] = "x"
    with_message.get(path)
    assert answers.size == 0
    Client().get(path)
    assert b"Sign out" in as_alice.get(path).content
    assert b"Sign out" not in Client().get(path).content


def test_theme_language_and_htmx_have_pages_of_their_own() -> None:
    Client().get("/catalogue/")
    dark = Client()
    dark.cookies["nor_theme"] = "dark"

    assert b'data-theme="dark"' in dark.get("/catalogue/").content
    assert b"data-theme" not in Client().get("/catalogue/").content.split(b"<head>")[0]
    part = Client().get("/catalogue/", headers={"HX-Request": "true"})
    assert b"<html" not in part.content
    # A cookie that no page reads makes no other page.
    size = answers.size
    other = Client()
    other.cookies["tracker"] = "1"
    other.get("/catalogue/")
    assert answers.size == size


def test_a_change_of_the_catalogue_is_seen_at_once(hub_plan: Plan) -> None:
    assert b"Notebooks on Coastal Hub" in Client().get("/catalogue/").content
    Offering.objects.filter(pk=hub_plan.offering_id).update(name="Snow on Coastal Hub")

    assert b"Snow on Coastal Hub" in Client().get("/catalogue/").content


def test_a_page_with_a_secret_in_it_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ConditionalGet, "_has_secret", property(lambda _self: True))
    Client().get("/catalogue/")
    assert answers.size == 0
    monkeypatch.undo()
    # The page that saves an estimate has one.
    plan = Plan.objects.get(offering__slug="hub-notebooks")
    page = Client().get(f"/estimates/new/?plan={plan.pk}&cpu={Decimal(4)}")
    assert b"csrfmiddlewaretoken" in page.content
    assert answers.size == 0


def test_who_has_the_kept_page_is_told_so() -> None:
    Client().get("/catalogue/")
    kept = Client().get("/catalogue/")
    again = Client().get("/catalogue/", headers={"If-None-Match": kept.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
