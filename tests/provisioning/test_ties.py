"""What runs and becomes a conflict of interest is shown to ESA; what is placed is judged by today's facts."""

import uuid
from datetime import datetime, timedelta

import pytest

from earthcode.catalogue.models import Plan
from earthcode.catalogue.pricing import Workload
from earthcode.identity import administrators
from earthcode.identity.models import Membership, Organisation, Project, User
from earthcode.ledger import queries as books
from earthcode.lib.errors import NotPermitted
from earthcode.notifications.models import Message
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning import people, ties
from earthcode.provisioning.models import Allocation
from earthcode.sponsorship.checks import NotPayable
from earthcode.sponsorship.models import Award


def conflicts() -> list[str]:
    return [each.reference for each in ties.tied(Allocation.objects.live()).order_by("pk")]


def test_who_joins_and_looks_after_the_provider_makes_a_conflict_that_esa_is_told_of(
    award: Award, project: Project, alice: User, petra: User, maria: User, now: datetime
) -> None:
    assert conflicts() == []
    Message.objects.all().delete()

    people.add_member(project, user=petra, by=alice, at=now + timedelta(minutes=1))

    [reference] = conflicts()
    allocation = Allocation.objects.get(reference=reference)
    assert allocation.platform.slug == "hub"
    assert list(ties.tied_people(allocation)) == [petra]
    told = Message.objects.filter(recipient=maria.public_id)
    assert ["conflict of interest" in message.subject for message in told] == [True]
    # Adding her again says nothing new.
    people.add_member(project, user=petra, by=alice, at=now + timedelta(minutes=2))
    assert told.count() == 1


def test_each_way_to_become_tied_counts(
    award: Award, project: Project, ben: User, maria: User, provider: Organisation, now: datetime
) -> None:
    administrators.add(provider, user=ben, by=maria, at=now)
    assert len(conflicts()) == 1
    administrators.remove(provider, user=ben, by=maria, at=now)
    assert conflicts() == []

    ben.organisation = provider
    ben.save()
    assert len(conflicts()) == 1
    ben.organisation = None
    ben.save()

    project.organisation = provider
    project.save()
    assert len(conflicts()) == 1


def test_credits_are_not_placed_on_the_platform_of_somebody_who_joined(
    award: Award, project: Project, alice: User, petra: User, hub_plan: Plan, now: datetime
) -> None:
    people.add_member(project, user=petra, by=alice, at=now)
    before = books.award_balances([award.reference])

    with pytest.raises(NotPayable):
        provisioning.exchange(
            award, hub_plan, Workload(vcpu=1, hours=1, months=1), expected=1, key=uuid.uuid4(), by=alice, at=now
        )

    assert books.award_balances([award.reference]) == before


def test_who_is_no_longer_the_investigator_places_nothing_with_what_was_read_before(
    award: Award, project: Project, alice: User, batch_plan: Plan, now: datetime
) -> None:
    assert alice.grants.project_roles
    Membership.objects.filter(project=project, user=alice).update(role="member")

    with pytest.raises(NotPermitted):
        provisioning.exchange(
            award, batch_plan, Workload(vcpu=1, hours=1, months=1), expected=1, key=uuid.uuid4(), by=alice, at=now
        )
    with pytest.raises(NotPermitted):
        people.remove_member(project, user=alice, by=alice, at=now)
