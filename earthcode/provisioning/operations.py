"""The runner: takes operations off the queue and carries them out on the platforms.

What always holds, whatever dies when:

- An operation is claimed with a lease and committed before its platform is called. No transaction is open during the
  call.
- Two operations on one platform never run at the same time: connectors read, decide and write there.
- Before anything is set up, the platform is asked whether it already happened (``Connector.find``). A worker that died
  between the platform's answer and our writing it down therefore costs time, not a second provisioning.
- An outcome counts only from whoever still holds the claim, and only while the operation is wanted. Outcome, the
  allocation's step, audit and messages are one transaction.

A worker that stalls for longer than its lease may meet its successor on the platform. ``Connector.timeout_s`` is
shorter than the lease, so this takes a machine that stood still; the calls are safe to repeat, and the late outcome
is dropped.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Min

from earthcode.audit import actions as audit
from earthcode.audit.actors import WORKER
from earthcode.catalogue.models import Platform
from earthcode.catalogue.pricing import Quote
from earthcode.connectors import reasons
from earthcode.connectors.base import Connector, ConnectorError, Grant, Order, Person
from earthcode.connectors.registry import connector_for
from earthcode.identity.models import User
from earthcode.lib.claim import claim_in_transaction, still_mine
from earthcode.provisioning import actions, messages
from earthcode.provisioning.events import OperationEvent
from earthcode.provisioning.lifecycle import ALLOCATION
from earthcode.provisioning.models import Allocation, Operation, OperationKind, OperationStatus
from earthcode.sponsorship import actions as sponsorship

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=15)
#: About an hour and a quarter of trying before a person has to look.
ATTEMPTS_MAX = 12
#: A run takes on nothing new after this long, so that a worker gets around to other things.
RUN_FOR = timedelta(minutes=1)


def run_all_due(*, clock: Clock) -> int:
    """Carry out what is due, for about a minute; returns how many operations were attempted."""
    attempted, until = 0, clock() + RUN_FOR
    while clock() < until and run_next(clock=clock) is not None:
        attempted += 1
    return attempted


def run_next(*, clock: Clock) -> Operation | None:
    """Claim one operation, carry it out and record the outcome; None if none is due."""
    operation = _claim(clock())
    if operation is None:
        return None
    if operation.kind == OperationKind.PROVISION and operation.attempts > ATTEMPTS_MAX:
        # Attempts that end in an outcome stop at the limit, so workers died of this one.
        return _record_failure(operation, ConnectorError(reasons.INTERRUPTED, permanent=True), at=clock())
    order = order_for(operation.allocation)
    try:
        with _connector(operation.allocation.platform) as connector:
            grant = _carry_out(connector, OperationKind(operation.kind), order)
    except ConnectorError as error:
        return _record_failure(operation, error, at=clock())
    return _record_success(operation, order, grant, at=clock())


def order_for(allocation: Allocation) -> Order:
    """What the allocation asks of its platform, with the people who are in the project now."""
    quantities: dict[str, Decimal] = {}
    for line in Quote.from_json(allocation.quote).lines:
        quantities[line.metric] = quantities.get(line.metric, Decimal(0)) + line.quantity
    return Order(
        allocation=allocation.reference,
        key=str(actions.provisioning_key(allocation)),
        people=_people(allocation),
        starts_at=datetime.combine(allocation.starts_on, time.min, tzinfo=UTC),
        ends_at=sponsorship.end_of(allocation.ends_on),
        quantities={metric: f"{quantity.normalize():f}" for metric, quantity in quantities.items()},
        settings=allocation.plan.connector_settings,
    )


def _people(allocation: Allocation) -> tuple[Person, ...]:
    return tuple(
        Person(user.issuer, user.subject, user.preferred_username, str(user), user.email)
        for user in User.objects.filter(memberships__project=allocation.award.project_id, is_active=True).order_by("pk")
    )


# --- claiming --------------------------------------------------------------------------------------------------------


@transaction.atomic(durable=True)
def _claim(at: datetime) -> Operation | None:
    """Claim the operation that is due for longest on a platform where nothing is under way."""
    due = Operation.objects.waiting().filter(due_at__lte=at)
    held = Operation.objects.held(at)
    platforms = (
        due.exclude(allocation__platform__in=held.values("allocation__platform"))
        .values_list("allocation__platform")
        .annotate(since=Min("due_at"))
        .order_by("since", "allocation__platform")
        .values_list("allocation__platform", flat=True)
    )
    for platform in list(platforms):
        # Another worker that is claiming here at this moment has the lock, and we look elsewhere.
        locked = Platform.objects.select_for_update(no_key=True, skip_locked=True, of=("self",)).filter(pk=platform)
        if not locked.exists():
            continue
        # What we saw above is older than the lock: somebody may have claimed here in between, and committed.
        if held.filter(allocation__platform=platform).exists():
            continue
        claimed = claim_in_transaction(
            due.filter(allocation__platform=platform), at=at, lease=timedelta(seconds=settings.OPERATION_LEASE_S)
        )
        if claimed is not None:
            return _with_everything(claimed)
    return None


def _with_everything(claimed: Operation) -> Operation:
    return Operation.objects.select_related(
        "allocation__platform__provider",
        "allocation__plan__offering",
        "allocation__line",
        "allocation__award__project",
    ).get(pk=claimed.pk)


# --- calling ---------------------------------------------------------------------------------------------------------


def _connector(platform: Platform) -> Connector:
    return connector_for(
        platform.connector,
        platform.connector_config,
        secret_name=platform.connector_secret,
        sealed=platform.connector_sealed,
    )


def _carry_out(connector: Connector, kind: OperationKind, order: Order) -> Grant | None:
    if transaction.get_connection().in_atomic_block:
        raise RuntimeError("a platform is called with no transaction open")
    if kind == OperationKind.DEPROVISION:
        connector.revoke(order)
        return None
    # Always, not only after a first attempt: somebody may have asked to try again what did happen after all.
    found = connector.find(order)
    if found is not None:
        return found
    return connector.ensure(order) if kind == OperationKind.PROVISION else connector.people(order)


# --- recording -------------------------------------------------------------------------------------------------------


def _lock(claimed: Operation) -> Operation | None:
    """The operation, ready to have its outcome written; None if that is no longer ours to write."""
    # The allocation first, as all actions do.
    Allocation.objects.select_for_update(no_key=True, of=("self",)).get(pk=claimed.allocation_id)
    if still_mine(claimed) is None:
        logger.warning("operation %s took longer than its lease; somebody else has it now", claimed.pk)
        return None
    operation = _with_everything(claimed)
    operation.claimed_until = None
    operation.claim_token = None
    operation.save(update_fields=["claimed_until", "claim_token"])
    if operation.status != OperationStatus.QUEUED:
        logger.info("operation %s is not wanted any more", operation.pk)
        return None
    return operation


@transaction.atomic(durable=True)
def _record_success(claimed: Operation, order: Order, grant: Grant | None, *, at: datetime) -> Operation:
    operation = _lock(claimed)
    if operation is None:
        return _with_everything(claimed)
    operation.status = OperationStatus.SUCCEEDED
    operation.error = ""
    operation.error_permanent = False
    operation.finished_at = at
    operation.save(update_fields=["status", "error", "error_permanent", "finished_at"])
    audit.record(OperationEvent.SUCCEED, by=WORKER, about=operation, at=at, data={"attempts": operation.attempts})
    allocation = operation.allocation
    if grant is None:
        _close(allocation, at=at)
        return operation
    there: dict[str, Any] = {
        "external_id": grant.external_id,
        "access_url": grant.access_url,
        "details": dict(grant.facts),
    }
    if operation.kind == OperationKind.PROVISION:
        ALLOCATION.advance(allocation, "activate", by=WORKER, at=at, active_from=at, **there)
        messages.ready(allocation, at=at)
    else:
        Allocation.objects.filter(pk=allocation.pk).update(**there)
    if _people(allocation) != order.people:
        # Somebody joined or left while the platform was being called.
        actions.sync_people(allocation, by=WORKER, at=at)
    return operation


@transaction.atomic(durable=True)
def _record_failure(claimed: Operation, error: ConnectorError, *, at: datetime) -> Operation:
    operation = _lock(claimed)
    if operation is None:
        return _with_everything(claimed)
    operation.error = str(error)
    operation.error_permanent = error.permanent
    # What takes access away is tried for as long as it takes: nobody keeps access because a platform was down for long.
    gives_up = operation.kind == OperationKind.PROVISION and operation.attempts >= ATTEMPTS_MAX
    facts = {"attempts": operation.attempts, "error": operation.error, "permanent": error.permanent}
    if not error.permanent and not gives_up:
        operation.due_at = at + min(FIRST_PAUSE * 2 ** min(operation.attempts - 1, 16), LONGEST_PAUSE)
        operation.save(update_fields=["error", "error_permanent", "due_at"])
        audit.record(OperationEvent.POSTPONE, by=WORKER, about=operation, at=at, data=facts)
        if operation.attempts == ATTEMPTS_MAX:
            messages.delayed(operation, at=at)
        return operation
    operation.status = OperationStatus.FAILED
    operation.finished_at = at
    operation.save(update_fields=["status", "error", "error_permanent", "finished_at"])
    audit.record(OperationEvent.FAIL, by=WORKER, about=operation, at=at, data=facts)
    if operation.kind == OperationKind.PROVISION:
        ALLOCATION.advance(operation.allocation, "fail", by=WORKER, at=at, data={"error": operation.error})
    messages.failed(operation, at=at)
    return operation


def _close(allocation: Allocation, *, at: datetime) -> None:
    """Nobody has access any more. What was never set up has no usage to wait for: its credits go back at once."""
    if allocation.active_from is None:
        ALLOCATION.advance(allocation, "close", by=WORKER, at=at)
        actions.close_usage(allocation, by=WORKER, at=at)
    else:
        ALLOCATION.advance(allocation, "close", by=WORKER, at=at, usage_until=at + actions.LATE_USAGE_WITHIN)
    messages.ended(allocation, at=at)
