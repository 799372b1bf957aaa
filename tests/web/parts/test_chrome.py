"""The bar around every page: who sees which entries, and what it costs."""

from collections.abc import Callable
from itertools import chain

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from earthcode.identity.models import User
from earthcode.lib.money import as_text
from earthcode.sponsorship.models import Award
from earthcode.web.parts.chrome import _ENTRIES, _FOOT_ENTRIES, _VISITOR_ENTRIES, Chrome, url_of

QUERIES_MAX = 3


def chrome_of(user: User | AnonymousUser, path: str = "/gallery/") -> Chrome:
    request = RequestFactory().get(path)
    request.user = user
    request.session = SessionBase()
    return Chrome(request)


def entries(chrome: Chrome) -> list[str]:
    return [str(link.label) for link in chrome.navigation]


def test_a_visitor_sees_the_catalogue_and_how_it_works() -> None:
    assert entries(chrome_of(AnonymousUser()))[0] == "Catalogue"
    assert entries(chrome_of(AnonymousUser()))[-1] == "How it works"


def test_a_scientist_sees_their_work(alice: User) -> None:
    assert entries(chrome_of(alice)) == ["Catalogue", "Science", "Requests", "Allocations", "Projects"]


def test_an_esa_manager_sees_the_review(maria: User) -> None:
    assert entries(chrome_of(maria))[0] == "Review"


def test_a_provider_sees_orders(petra: User) -> None:
    assert "Orders" in entries(chrome_of(petra))


def test_a_technical_officer_sees_requests(tomas: User) -> None:
    assert "Requests" in entries(chrome_of(tomas))


def test_the_entry_one_is_in_is_marked(alice: User) -> None:
    chrome = chrome_of(alice, "/allocations/NOR-2026-0417/")

    assert [str(link.label) for link in chrome.navigation if link.current] == ["Allocations"]


def test_no_entry_is_marked_elsewhere(alice: User) -> None:
    assert not any(link.current for link in chrome_of(alice, "/gallery/").navigation)


#: Whose page is being made; the bar leaves them out until it is there.
COMING: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    "name", sorted({name for _label, name in (*_VISITOR_ENTRIES, *_FOOT_ENTRIES, *chain(*_ENTRIES.values()))})
)
def test_every_entry_of_every_menu_has_a_page(name: str) -> None:
    """An entry without one would be missing from the bar, and nobody would notice."""
    assert url_of(name) or name in COMING


def test_every_entry_leads_somewhere(as_alice: Client, as_maria: Client, as_petra: Client, as_tomas: Client) -> None:
    for client in (as_alice, as_maria, as_petra, as_tomas):
        page = BeautifulSoup(client.get("/gallery/").content, "html.parser")
        for link in page.select(".navigation a, .menu-body a, .foot a"):
            url = str(link["href"]).partition("#")[0]
            assert client.get(url, follow=True).status_code == 200, url


def test_the_balance_is_what_the_projects_have_left(alice: User, award: Award) -> None:
    chrome = chrome_of(alice)

    assert chrome.balance == award.amount
    assert f"{as_text(award.amount)} cr left" in bar_of(chrome).get_text()


@pytest.mark.usefixtures("award")
def test_only_members_of_the_project_see_its_balance(stranger: User, maria: User) -> None:
    assert chrome_of(stranger).balance is None
    assert chrome_of(maria).balance is None


def bar_of(chrome: Chrome) -> BeautifulSoup:
    return BeautifulSoup(
        render_to_string("components/top_bar.html", {"chrome": chrome, "csrf_token": "x"}), "html.parser"
    )


@pytest.mark.usefixtures("award")
def test_the_bar_costs_at_most_three_queries(alice: User) -> None:
    fresh = User.objects.get(pk=alice.pk)

    with CaptureQueriesContext(connection) as captured:
        bar_of(chrome_of(fresh))

    assert len(captured) <= QUERIES_MAX, [query["sql"] for query in captured.captured_queries]


def test_a_visitors_bar_costs_no_query() -> None:
    # Without the ``db`` fixture, pytest-django refuses every query.
    assert bar_of(chrome_of(AnonymousUser())).select_one(".brand") is not None


def test_what_is_not_drawn_is_not_read(alice: User) -> None:
    fresh = User.objects.get(pk=alice.pk)

    with CaptureQueriesContext(connection) as captured:
        chrome = chrome_of(fresh)
        assert chrome.theme == ""

    assert len(captured) == 0


def test_unread_messages_are_counted(alice: User, clock: object, person: Callable[..., User]) -> None:
    from earthcode.notifications import actions as notifications

    to = notifications.Recipient(public_id=alice.public_id, email=alice.email)
    notifications.send(
        key="test:1",
        to=to,
        subject="Decided",
        body="Read it.",
        link="/",
        at=clock.now,  # type: ignore[attr-defined]
    )

    page = bar_of(chrome_of(alice))

    bell = page.select_one('[aria-label^="Notifications"]')
    assert bell is not None
    assert bell["aria-label"] == "Notifications, 1 unread"
    assert chrome_of(person("carla")).unread == 0


def test_after_a_post_one_comes_back_to_the_home_page(alice: User) -> None:
    request = RequestFactory().post("/requests/new/")
    request.user = alice

    assert Chrome(request).here == "/"


def test_a_request_that_failed_before_anybody_was_known_still_has_a_bar() -> None:
    assert bar_of(Chrome(RequestFactory().get("/"))).select_one(".brand") is not None


def test_managers_find_the_catalogue_and_the_audit_trail(maria: User) -> None:
    assert {"Catalogue", "Audit"} <= set(entries(chrome_of(maria)))


def test_a_provider_finds_the_catalogue_and_one_list_of_orders(petra: User) -> None:
    assert "Catalogue" in entries(chrome_of(petra))
    assert "Allocations" not in entries(chrome_of(petra))


@pytest.mark.parametrize("path", ["/provider/orders/", "/allocations/NOR-2026-0417-1/"])
def test_an_order_lies_under_the_orders(petra: User, path: str) -> None:
    assert [str(link.label) for link in chrome_of(petra, path).navigation if link.current] == ["Orders"]


def test_the_bar_has_at_most_five_entries() -> None:
    assert max(len(each) for each in _ENTRIES.values()) <= 5
