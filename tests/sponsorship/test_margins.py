"""A margin on top of a line's quote, for what cannot be known yet."""

from datetime import datetime

import pytest
from django.db import IntegrityError, transaction

from earthcode.catalogue.models import Plan
from earthcode.catalogue.pricing import Quote, Workload, margin_on
from earthcode.identity.models import User
from earthcode.ledger import actions as ledger
from earthcode.lib.errors import InvalidInput
from earthcode.provisioning import actions as provisioning
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import Call, Outcome, RequestLine, ResourceRequest
from tests.support.people import fresh

pytestmark = pytest.mark.django_db


@pytest.fixture
def with_margin(
    complete_draft: ResourceRequest, hub_plan: Plan, workload: Workload, alice: User, now: datetime
) -> ResourceRequest:
    """Ten percent on the line of the hub."""
    sponsorship.save_line(complete_draft, plan=hub_plan, workload=workload, margin_percent=10, by=fresh(alice), at=now)
    return complete_draft


def hub_line(resource_request: ResourceRequest) -> RequestLine:
    return resource_request.lines.get(plan__offering__platform__slug="hub")


def test_a_margin_is_asked_for_on_top_of_the_quote(with_margin: ResourceRequest) -> None:
    line = hub_line(with_margin)
    total = Quote.from_json(line.quote).total

    assert line.margin == margin_on(total, 10) > 0
    assert line.amount == total + line.margin
    assert with_margin.amount == sum(each.amount for each in with_margin.lines.all())


def test_saving_a_line_anew_replaces_its_margin(
    with_margin: ResourceRequest, hub_plan: Plan, workload: Workload, alice: User, now: datetime
) -> None:
    sponsorship.save_line(with_margin, plan=hub_plan, workload=workload, by=fresh(alice), at=now)

    assert hub_line(with_margin).margin == 0


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_margin_is_at_most_as_much_again(
    with_margin: ResourceRequest, hub_plan: Plan, workload: Workload, alice: User, now: datetime, percent: int
) -> None:
    with pytest.raises(InvalidInput) as raised:
        sponsorship.save_line(
            with_margin, plan=hub_plan, workload=workload, margin_percent=percent, by=fresh(alice), at=now
        )
    with pytest.raises(IntegrityError), transaction.atomic():
        with_margin.lines.update(margin_percent=percent)

    assert raised.value.field == "margin"
    assert hub_line(with_margin).margin_percent == 10


def test_a_copy_asks_for_the_same_margin(with_margin: ResourceRequest, alice: User, now: datetime) -> None:
    draft = sponsorship.copy(with_margin, by=fresh(alice), at=now)

    assert (hub_line(draft).margin_percent, draft.amount) == (10, with_margin.amount)


def test_what_is_granted_has_the_margin(
    with_margin: ResourceRequest, call: Call, alice: User, maria: User, now: datetime
) -> None:
    sponsorship.submit(with_margin, by=fresh(alice), at=now)
    # The margin is no change of prices.
    assert with_margin.checks.get(code="prices").outcome == Outcome.PASS

    award = provisioning.grant(with_margin, reason="Good science.", by=fresh(maria), at=now)

    allocation = award.allocations.get(platform__slug="hub")
    assert ledger.get_hold(allocation.hold_id).remaining == allocation.amount == hub_line(with_margin).amount
    assert allocation.amount > Quote.from_json(allocation.quote).total
