"""Who may move an allocation, and from where to where."""

from earthcode.identity.roles import Permission
from earthcode.lifecycle import Lifecycle, step
from earthcode.provisioning.events import AllocationEvent
from earthcode.provisioning.models import Allocation, AllocationStatus

PROVISIONING, FAILED, ACTIVE, SUSPENDED, ENDING, CLOSED = (
    AllocationStatus.PROVISIONING,
    AllocationStatus.FAILED,
    AllocationStatus.ACTIVE,
    AllocationStatus.SUSPENDED,
    AllocationStatus.ENDING,
    AllocationStatus.CLOSED,
)

ALLOCATION = Lifecycle[Allocation](
    "allocation",
    AllocationEvent,
    step("activate", {PROVISIONING}, ACTIVE),
    step("fail", {PROVISIONING}, FAILED),
    step("retry", {FAILED}, PROVISIONING, needs=Permission.OPERATION_RETRY, label="Try again"),
    # Taken when the platform has done it, not when it was asked: until then people can still use it.
    step("suspend", {ACTIVE, SUSPENDED}, SUSPENDED),
    step("resume", {SUSPENDED}, ACTIVE),
    step(
        "end",
        {PROVISIONING, ACTIVE, SUSPENDED, FAILED},
        ENDING,
        needs=Permission.ALLOCATION_END,
        by_system=True,
        label="End allocation",
    ),
    step("close", {ENDING}, CLOSED),
)
