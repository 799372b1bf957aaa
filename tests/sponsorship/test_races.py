"""Two people at the same moment, each on a connection of their own."""

from datetime import datetime
from typing import Any

import pytest

from earthcode.audit.models import Event
from earthcode.identity.models import User
from earthcode.ledger.models import Entry
from earthcode.lib.errors import Refused
from earthcode.lib.money import credits
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning.models import Allocation
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import Award, Call, Decision, RequestStatus, ResourceRequest
from tests.support.credits import call_balance
from tests.support.people import fresh
from tests.support.races import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def copy_of(resource_request: ResourceRequest) -> ResourceRequest:
    return ResourceRequest.objects.get(pk=resource_request.pk)


def test_two_managers_who_approve_at_once_make_one_award_and_move_the_credits_once(
    sent_request: ResourceRequest, call: Call, maria: User, marc: User, now: datetime
) -> None:
    outcomes = at_once(
        *(
            lambda manager=manager: provisioning.grant(  # type: ignore[misc]
                copy_of(sent_request), reason="Good science.", by=fresh(manager), at=now
            )
            for manager in (maria, marc, maria, marc)
        )
    )

    assert sum(isinstance(outcome, Award) for outcome in outcomes) == 1
    assert [outcome.code for outcome in outcomes if isinstance(outcome, Refused)] == ["wrong_state"] * 3
    award = Award.objects.get()
    assert award.amount == credits("434.4")
    assert Decision.objects.count() == 1
    assert Allocation.objects.count() == 2
    assert Entry.objects.filter(kind="award").count() == 1
    assert call_balance(call.slug) == credits("99565.6")
    assert Event.objects.filter(name="resource_request.approve").count() == 1


def test_approving_and_rejecting_at_once_is_one_decision(
    sent_request: ResourceRequest, call: Call, maria: User, marc: User, now: datetime
) -> None:
    at_once(
        lambda: sponsorship.approve(copy_of(sent_request), reason="Yes.", by=fresh(maria), at=now),
        lambda: sponsorship.reject(copy_of(sent_request), reason="No.", by=fresh(marc), at=now),
    )

    decision = Decision.objects.get()
    approved = decision.kind == "approve"
    assert copy_of(sent_request).status == (RequestStatus.APPROVED if approved else RequestStatus.REJECTED)
    assert Award.objects.count() == approved
    assert call_balance(call.slug) == credits("99565.6" if approved else 100_000)


def test_withdrawing_and_approving_at_once_leaves_an_award_or_a_withdrawn_request(
    sent_request: ResourceRequest, call: Call, alice: User, maria: User, now: datetime
) -> None:
    at_once(
        lambda: sponsorship.withdraw(copy_of(sent_request), by=fresh(alice), at=now),
        lambda: sponsorship.approve(copy_of(sent_request), reason="Yes.", by=fresh(maria), at=now),
    )

    withdrawn = copy_of(sent_request).status == RequestStatus.WITHDRAWN
    assert Award.objects.count() == (0 if withdrawn else 1)
    assert call_balance(call.slug) == credits(100_000 if withdrawn else "99565.6")


def test_sending_twice_at_once_sends_once(
    complete_draft: ResourceRequest, call: Call, alice: User, now: datetime
) -> None:
    outcomes = at_once(
        *(lambda: sponsorship.submit(copy_of(complete_draft), by=fresh(alice), at=now) for _ in range(3))
    )

    assert sum(isinstance(outcome, Refused) for outcome in outcomes) == 2
    assert Event.objects.filter(name="resource_request.submit").count() == 1
    codes = list(complete_draft.checks.values_list("code", flat=True))
    assert len(codes) == len(set(codes))


def test_two_people_who_add_lines_at_once_lose_none(
    draft: ResourceRequest,
    hub_plan: Any,
    batch_plan: Any,
    workload: Any,
    alice: User,
    ben: User,
    now: datetime,
) -> None:
    at_once(
        lambda: sponsorship.save_line(copy_of(draft), plan=hub_plan, workload=workload, by=fresh(alice), at=now),
        lambda: sponsorship.save_line(copy_of(draft), plan=batch_plan, workload=workload, by=fresh(ben), at=now),
    )

    assert draft.lines.count() == 2
    assert copy_of(draft).amount == credits("434.4")


def test_approving_requests_that_together_exceed_the_call_grants_only_what_it_has(
    complete_draft: ResourceRequest, alice: User, maria: User, marc: User, now: datetime
) -> None:
    import uuid
    from datetime import date

    from earthcode.catalogue.pricing import Workload
    from earthcode.ledger import actions as books

    call = Call.objects.create(slug="tight", title="Tight", opens_on=date(2026, 1, 1), ceiling=credits(6000))
    books.fund(call.slug, credits(500), key=uuid.uuid4(), by=maria, at=now)
    other = sponsorship.start(title="Second", project=complete_draft.project, by=alice, at=now)
    for line in complete_draft.lines.all():
        sponsorship.save_line(other, plan=line.plan, workload=Workload.from_json(line.workload), by=alice, at=now)
    sponsorship.save_period(other, starts_on=date(2026, 12, 1), by=alice, at=now)
    sponsorship.save_case(other, science_case="Why.", by=alice, at=now)
    sponsorship.save_declarations(other, non_commercial=True, no_provider_tie=True, will_publish=True, by=alice, at=now)
    for each in (complete_draft, other):
        sponsorship.submit(each, by=alice, at=now)

    outcomes = at_once(
        lambda: sponsorship.approve(copy_of(complete_draft), reason="Yes.", by=fresh(maria), at=now),
        lambda: sponsorship.approve(copy_of(other), reason="Yes.", by=fresh(marc), at=now),
    )

    assert [outcome.code for outcome in outcomes if isinstance(outcome, Refused)] == ["insufficient_credits"]
    assert Award.objects.count() == 1
    assert call_balance(call.slug) == credits("65.6")
