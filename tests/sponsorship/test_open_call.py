"""A site that has nothing yet can be given its first call."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command

from earthcode.identity.models import User
from earthcode.ledger import chart
from earthcode.ledger import queries as books
from earthcode.sponsorship.models import Call, CallFunding, CallStatus

pytestmark = pytest.mark.django_db

FIRST = {"credits": "100000", "ceiling": "6000", "opens": "2026-01-01", "reason": "Agreement 4000123"}


def _open(slug: str = "open-science-2026", *, proposed_by: str, agreed_by: str, **changes: Any) -> None:
    options = [f"--{name}={value}" for name, value in {**FIRST, **changes}.items()]
    call_command(
        "open_call", slug, "Open Science", *options, f"--proposed-by={proposed_by}", f"--agreed-by={agreed_by}"
    )


def test_two_managers_open_and_fund_it(maria: User, marc: User) -> None:
    _open(proposed_by=maria.email, agreed_by=marc.email)

    call = Call.objects.get()
    assert (call.status, call.ceiling) == (CallStatus.OPEN, 6_000_000_000)
    funding = CallFunding.objects.get()
    assert (funding.amount, funding.proposed_by, funding.decided_by) == (100_000_000_000, maria, marc)
    assert books.balance(chart.call_accounts(call.slug).available) == 100_000_000_000


@pytest.mark.parametrize("change", ["one manager alone", "no manager", "nobody", "a slug that is none", "again"])
def test_what_may_not_be_changes_nothing(change: str, maria: User, marc: User, alice: User) -> None:
    people = {"proposed_by": maria.email, "agreed_by": marc.email}
    slug = "open-science-2026"
    match change:
        case "one manager alone":
            people["agreed_by"] = maria.email
        case "no manager":
            people["agreed_by"] = alice.email
        case "nobody":
            people["proposed_by"] = "nobody@science.example"
        case "a slug that is none":
            slug = "Open Science"
        case _:
            _open(**people)
    before = (list(Call.objects.values()), list(CallFunding.objects.values()))

    with pytest.raises(CommandError, match=r"Nothing was changed\."):
        _open(slug, **people)

    assert (list(Call.objects.values()), list(CallFunding.objects.values())) == before
