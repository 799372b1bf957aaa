"""A person's account, and the pages of text."""

import pytest
from django.test import Client

from earthcode.identity.models import Project, User
from tests.support.pages import in_one_line
from tests.support.visits import link, page_of


def test_the_account_says_who_one_is(alice: User, project: Project, as_alice: Client) -> None:
    page = in_one_line(page_of(as_alice, "/account/"))

    for said in (alice.full_name, alice.email, alice.issuer, alice.subject, "Alpine snow", "Principal investigator"):
        assert said in page
    assert "You are a scientist" in page


def test_the_account_says_where_a_role_comes_from(petra: User, as_petra: Client, as_maria: Client) -> None:
    of_petra = in_one_line(page_of(as_petra, "/account/"))

    assert "Provider administrator" in of_petra
    assert "Hub House" in of_petra
    assert "groups=provider_administrator" in of_petra
    assert link(page_of(as_petra, "/account/"), "Read the audit trail") is None
    assert link(page_of(as_maria, "/account/"), "Read the audit trail") is not None


def test_a_visitor_has_no_account(client: Client, db: None) -> None:
    assert client.get("/account/").status_code == 302


def test_single_keys_are_switched_off_and_on(as_alice: Client) -> None:
    assert link(page_of(as_alice, "/account/"), "Switch keys off") is not None

    as_alice.post("/shortcuts/", {"shortcuts": "off", "next": "/account/"})

    assert link(page_of(as_alice, "/account/"), "Switch keys on") is not None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("/help/", "From an offering to an open platform"),
        ("/accessibility/", "WCAG 2.2"),
        ("/privacy/", "nor_session"),
        ("/api/docs/", "/api/v1/resource_requests/{reference}/approve"),
    ],
)
def test_the_pages_of_text_are_for_everybody(client: Client, db: None, as_alice: Client, url: str, said: str) -> None:
    assert said in in_one_line(page_of(client, url))
    assert said in in_one_line(page_of(as_alice, url))
