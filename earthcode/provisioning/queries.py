"""Reads for the pages of allocations."""

from dataclasses import dataclass

from django.db.models import QuerySet

from earthcode.audit.models import Event
from earthcode.audit.queries import history_of
from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.lifecycle import Step
from earthcode.provisioning.lifecycle import ALLOCATION
from earthcode.provisioning.models import Allocation, AllocationStatus, Operation, OperationStatus


@dataclass(frozen=True)
class OpenSteps:
    """What one person can do with an allocation now: the page's buttons.

    ``steps`` are those of the lifecycle that people take here (``end``). ``use``: it can be opened. ``retry`` is the
    failed operation that the person may have tried again, whatever it is about.
    """

    steps: tuple[Step, ...]
    use: bool
    retry: Operation | None


def allocations_visible_to(user: User) -> QuerySet[Allocation]:
    """All the person may see, with what a list shows of each."""
    return Allocation.objects.visible_to(user).select_related(
        "platform__provider", "plan__offering", "award__project", "award__call"
    )


def latest_operation(allocation: Allocation) -> Operation | None:
    """The last thing that was to be done on the platform: its state, and the reason where it failed or is delayed."""
    return allocation.operations.order_by("-created_at", "-pk").first()


def open_steps(allocation: Allocation, *, by: User, latest: Operation | None) -> OpenSteps:
    """``latest`` is what ``latest_operation`` said, so that a page reads it once."""
    can_retry = latest is not None and latest.status == OperationStatus.FAILED
    return OpenSteps(
        # Trying again is offered for every kind of operation, so the lifecycle's own "retry" would be a second button.
        steps=tuple(each for each in ALLOCATION.open_to(allocation, by=by) if each.name != "retry"),
        use=allocation.status == AllocationStatus.ACTIVE
        and bool(allocation.access_url)
        and by.may(Permission.ALLOCATION_USE, allocation),
        retry=latest if can_retry and by.may(Permission.OPERATION_RETRY, allocation) else None,
    )


def history(allocation: Allocation) -> QuerySet[Event]:
    """Everything recorded about the allocation and its operations, oldest first."""
    return history_of(allocation, *allocation.operations.all())
