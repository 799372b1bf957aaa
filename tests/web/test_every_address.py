"""All addresses of the site × people × odd values: no page breaks, and none shows what a person may not see.

The addresses are read from the site itself: a new one is tried by being there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import NoReverseMatch, reverse

from tests.web.everything import Address, addresses

if TYPE_CHECKING:
    from earthcode.identity.models import User
    from earthcode.sponsorship.models import Award

pytestmark = pytest.mark.django_db

#: For parts of a path and for parameters: what people, programs and attackers type.
ODD = [
    "0",
    "-1",
    "1",
    "9" * 18,
    "9" * 400,
    "9" * 5000,
    "1e400",
    "NaN",
    "0001-01-01",
    "9999-12-31",
    "0001-01-01T00:00:00+01:00",
    "03/04/2027",
    "\0",
    "a\0b",
    "%00",
    "\u202e\u200b",
    "\N{LATIN SMALL LETTER L WITH STROKE}\u00f3d\u017a",
    "'\"<script>--;",
    "%s%(x)s{}",
    "../../etc/passwd",
    "[" * 2000,
    "x" * 3000,
]
PARAMETERS = [
    "q", "page", "before", "state", "sort", "plan", "cpu", "hours", "months", "offering", "project", "award", "from", "to",
    "show", "estimate", "run", "line", "provider", "about", "name", "who", "year", "month", "kind", "next", "bbox", "limit",
    "offset", "datetime", "ids", "filter", "tier", "call",
]  # fmt: skip
#: Signing in and out leads away, and is tried with a single sign-on of its own in ``test_sso``.
ELSEWHERE = {"account_login", "openid_connect_login", "openid_connect_callback", "account_logout"}

ADDRESSES = [each for each in addresses() if each.name not in ELSEWHERE]


@pytest.fixture
def people(
    award: Award,
    alice: User,
    stranger: User,
    petra: User,
    maria: User,
    tomas: User,
    signed_in: Callable[[User], Client],
) -> list[Client]:
    """A visitor, and somebody of each kind; there is a request, an award and what is paid from it."""
    return [Client(), *(signed_in(each) for each in (alice, stranger, petra, maria, tomas))]


def path_of(address: Address, value: str) -> str | None:
    try:
        return reverse(address.name, kwargs={name: value for name, _kind in address.names})
    except NoReverseMatch:
        # What a pattern does not take is not an address; it is asked for all the same, as people type it.
        route = address.route
        if "^" in route or "(?P" in route:
            return None
        for name, _kind in address.names:
            start, end = route.index("<"), route.index(">")
            route = f"/{route[:start]}{quote(value, safe='')}{route[end + 1 :]}".replace("//", "/").lstrip("/")
            del name
        return f"/{route}"


def real_values(award: Award) -> dict[str, str]:
    line = award.allocations.order_by("pk").first()
    assert line is not None
    return {
        "reference": award.reference,
        "slug": award.project.slug,
        "collection_id": "offerings",
        "record_id": line.plan.offering.slug,
        "code": "x",
        "token": "x",
        "osc_id": "x",
        "pk": str(line.operations.get().pk),
        "number": "1",
        "key": str(line.operations.get().key),
        "path": "x",
    }


def test_no_address_breaks(award: Award, people: list[Client]) -> None:
    """Everybody asks for the real thing; somebody who may see everything asks for what nobody should."""
    values = real_values(award)
    manager = people[4]
    for address in ADDRESSES:
        try:
            real = reverse(address.name, kwargs={name: values[name] for name, _kind in address.names})
        except (NoReverseMatch, KeyError):
            real = ""
        for client in people if real else ():
            for method in ("get", "post"):
                response = getattr(client, method)(real)
                assert response.status_code < 500, f"{method} {real}: {response.status_code}"
        for value in ODD if address.names else ():
            path = path_of(address, value)
            if path and path != real:
                response = manager.get(path)
                assert response.status_code < 500, f"{path[:200]}: {response.status_code}"


def test_no_parameter_breaks_a_page(award: Award, people: list[Client]) -> None:
    """Each address is asked a few times, each time with another odd value in each of the parameters."""
    short = [value for value in ODD if len(value) < 500]
    for address in ADDRESSES:
        if address.names:
            continue
        path = reverse(address.name)
        for shift in range(0, len(short), 4):
            query = {name: short[(place + shift) % len(short)] for place, name in enumerate(PARAMETERS)}
            response = people[4].get(path, query_params=query)
            assert response.status_code < 500, f"{path} {query}: {response.status_code}"
        for client in people:
            response = client.get(path, query_params=dict.fromkeys(("q", "page", "before", "state"), "\0"))
            assert response.status_code < 500, f"{path}: {response.status_code}"


def test_every_address_of_a_page_is_tried() -> None:
    """The list is found, so it can be empty by mistake."""
    assert len(ADDRESSES) > 80
    assert {"public_home", "request_edit_platforms", "review_request", "ledger_account", "api_me", "ogc_items"} <= {
        each.name for each in ADDRESSES
    }
