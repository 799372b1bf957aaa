"""Who is in a project, and with it who has access on its platforms."""

from datetime import datetime

import pytest

from earthcode.identity.models import Project, User
from earthcode.lib.errors import InvalidInput, NotPermitted
from earthcode.provisioning import people
from earthcode.provisioning.models import Allocation, AllocationStatus, Operation, OperationKind, OperationStatus
from earthcode.sponsorship.models import Award


@pytest.fixture
def active(award: Award) -> None:
    """Both allocations of the award are in use, and no work is waiting."""
    Operation.objects.update(status=OperationStatus.SUCCEEDED)
    Allocation.objects.update(status=AllocationStatus.ACTIVE)


def waiting() -> int:
    return Operation.objects.filter(kind=OperationKind.SYNC_PEOPLE, status=OperationStatus.QUEUED).count()


def test_adding_a_member_updates_each_platform(
    active: None, project: Project, alice: User, stranger: User, now: datetime
) -> None:
    people.add_member(project, user=stranger, by=alice, at=now)

    assert project.memberships.filter(user=stranger).exists()
    assert waiting() == 2


def test_removing_a_member_updates_each_platform(
    active: None, project: Project, alice: User, ben: User, now: datetime
) -> None:
    people.remove_member(project, user=ben, by=alice, at=now)

    assert not project.memberships.filter(user=ben).exists()
    assert waiting() == 2


def test_what_is_refused_updates_nothing(
    active: None, project: Project, alice: User, ben: User, stranger: User, now: datetime
) -> None:
    with pytest.raises(NotPermitted):
        people.add_member(project, user=stranger, by=ben, at=now)
    with pytest.raises(InvalidInput):
        people.remove_member(project, user=alice, by=alice, at=now)

    assert project.memberships.count() == 2
    assert waiting() == 0


def test_a_project_without_allocations_has_nothing_to_update(
    project: Project, alice: User, stranger: User, now: datetime
) -> None:
    people.add_member(project, user=stranger, by=alice, at=now)

    assert project.memberships.count() == 3
    assert waiting() == 0
