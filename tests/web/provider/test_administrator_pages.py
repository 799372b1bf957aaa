"""The page of a provider's administrators."""

from datetime import datetime

import pytest
from django.test import Client

from earthcode.identity import administrators
from earthcode.identity.models import Organisation, RoleGrant, User
from tests.support.pages import errors, in_one_line, words
from tests.support.visits import link, page_of

PAGE = "/provider/hub-house/administrators/"


def test_it_says_where_each_role_comes_from(
    petra: User, alice: User, maria: User, provider: Organisation, as_petra: Client, now: datetime
) -> None:
    administrators.add(provider, user=alice, by=maria, at=now)

    page = in_one_line(page_of(as_petra, PAGE))

    assert "By the claim groups=provider_administrator of the single sign-on" in page
    assert "Added by Maria Rossi" in page
    assert "Alice Martin became an administrator" in page


def test_an_administrator_names_somebody_and_takes_it_back(
    petra: User, alice: User, provider: Organisation, as_petra: Client, as_alice: Client
) -> None:
    assert as_petra.post(f"{PAGE}add/", {"person": "alice"}).headers["Location"] == PAGE
    assert "Added here by Petra Novak" in in_one_line(page_of(as_alice, "/account/"))
    assert link(page_of(as_alice, "/account/"), "Its administrators") is not None

    as_petra.post(f"{PAGE}remove/", {"person": str(alice.public_id)})

    assert as_alice.get(PAGE).status_code == 404


def test_an_unknown_name_is_said_and_kept(petra: User, as_petra: Client) -> None:
    response = as_petra.post(f"{PAGE}add/", {"person": "nobody at all"})

    assert response.status_code == 422
    assert errors(response)
    assert b'value="nobody at all"' in response.content


def test_the_last_one_is_told_why_they_stay(
    alice: User, maria: User, provider: Organisation, as_alice: Client, now: datetime
) -> None:
    administrators.add(provider, user=alice, by=maria, at=now)

    response = as_alice.post(f"{PAGE}remove/", {"person": str(alice.public_id)}, follow=True)

    assert "You are the last administrator" in response.content.decode()
    assert RoleGrant.objects.filter(user=alice).exists()


def test_whoever_leaves_goes_to_their_account(
    alice: User, petra: User, maria: User, provider: Organisation, as_alice: Client, now: datetime
) -> None:
    administrators.add(provider, user=alice, by=maria, at=now)

    response = as_alice.post(f"{PAGE}remove/", {"person": str(alice.public_id)})

    assert response.headers["Location"] == "/account/"


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}add/", f"{PAGE}remove/"])
def test_nobody_else_has_such_a_page(path: str, petra: User, as_alice: Client, client: Client) -> None:
    assert as_alice.get(path).status_code == 404
    assert as_alice.post(path, {"person": "ben"}).status_code in {404, 405}
    assert client.get(path).status_code == 302


def test_esa_sees_a_provider_that_nobody_looks_after(provider: Organisation, as_maria: Client) -> None:
    assert "This provider has no administrator yet" in words(as_maria.get(PAGE))
