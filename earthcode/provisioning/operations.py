"""The runner: takes operations off the queue and carries them out on the platforms.

What always holds, whatever dies when:

- An operation is claimed with a lease and committed before its platform is called. No transaction is open during the
  call.
- Two operations on one allocation never run at the same time, and they run in order; two on one platform only where its
  connector says that it may. A platform that fails again and again rests, and delays nobody else.
- Before anything is set up, the platform is asked whether it already happened (``Connector.find``). A worker that died
  between the platform's answer and our writing it down therefore costs time, not a second provisioning.
- An outcome counts only from whoever still holds the claim, and only while the operation is wanted. Outcome, the
  allocation's step, audit and messages are one transaction.

The lease is short and renewed while the worker lives (``lease``): one that was killed is replaced within seconds. One that
stalls for longer may meet its successor on the platform; the calls are safe to repeat, and the late outcome is dropped.
"""

import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Min
from django.utils import translation

from earthcode.audit import actions as audit
from earthcode.audit.actors import WORKER
from earthcode.catalogue import connecting
from earthcode.catalogue.models import Platform
from earthcode.catalogue.pricing import Quote
from earthcode.connectors import reasons
from earthcode.connectors.base import (
    Connector,
    ConnectorError,
    Grant,
    NeedsPerson,
    NotYet,
    Order,
    Party,
    Person,
    SuspendStep,
    Suspension,
)
from earthcode.identity.models import User
from earthcode.lib.claim import claim_in_transaction, still_mine
from earthcode.provisioning import actions, credentials, lease, messages, tasks_for_people
from earthcode.provisioning.events import OperationEvent
from earthcode.provisioning.lifecycle import ALLOCATION
from earthcode.provisioning.models import (
    Allocation,
    AllocationStatus,
    Operation,
    OperationKind,
    OperationStatus,
    PlatformRest,
    PlatformUsername,
)
from earthcode.sponsorship import actions as sponsorship

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=15)
#: About an hour and a quarter of trying before a person has to look.
ATTEMPTS_MAX = 12
#: A platform that failed so often in a row, whatever the allocation, rests for a while: one that is dead delays nobody else.
FAILURES_UNTIL_REST = 5
FIRST_REST = timedelta(seconds=15)
LONGEST_REST = timedelta(minutes=5)
#: These say something of the platform, not of one order.
RESTING_CODES = frozenset({reasons.UNREACHABLE, reasons.TOO_SLOW, reasons.BUSY, reasons.NOT_ITS_OWN})
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
    try:
        order = order_for(operation.allocation, operation)
        with connecting.connector_of(operation.allocation.platform) as connector, lease.kept(operation, clock=clock):
            outcome = _carry_out(connector, operation, order)
    except ConnectorError as error:
        return _record_failure(operation, error, at=clock())
    except NotYet as progress:
        return _record_progress(operation, progress, at=clock())
    except NeedsPerson as question:
        return _record_question(operation, question, at=clock())
    except DatabaseError:
        raise
    except Exception:  # a stranger's answer or a stranger's package: recorded with a reason, and no worker dies of it
        logger.exception("the connector of %s failed at operation %s", operation.allocation.platform, operation.pk)
        return _record_failure(operation, ConnectorError(reasons.CONNECTOR_BROKEN, for_whom=Party.SITE), at=clock())
    return _record_success(operation, order, outcome, at=clock())


def order_for(allocation: Allocation, operation: Operation | None = None) -> Order:
    """What the allocation asks of its platform, with the people who are in the project now and, for an operation that people
    do, with what they answered."""
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
        suspended=SuspendStep(allocation.suspend_step) if allocation.suspend_step else None,
        restore=allocation.restore,
        external_id=allocation.external_id,
        project=allocation.award.project.title,
        answers=tasks_for_people.answers_of(operation) if operation is not None else (),
    )


def _people(allocation: Allocation) -> tuple[Person, ...]:
    stated = dict(PlatformUsername.objects.filter(platform=allocation.platform_id).values_list("user", "name"))
    return tuple(
        Person(
            user.issuer,
            user.subject,
            user.preferred_username,
            str(user),
            user.email,
            platform_name=stated.get(user.pk, ""),
        )
        for user in User.objects.filter(memberships__project=allocation.award.project_id, is_active=True).order_by("pk")
    )


# --- claiming --------------------------------------------------------------------------------------------------------


@transaction.atomic(durable=True)
def _claim(at: datetime) -> Operation | None:
    """Claim the operation that is due for longest, where its platform has room for another and does not rest.

    Operations of one allocation are done in the order in which they were asked for, and never two at a time.
    """
    due = (
        Operation.objects.waiting()
        .next_of_each()
        .filter(due_at__lte=at)
        .exclude(allocation__platform__rest__until__gt=at)
    )
    held = Operation.objects.held(at)
    platforms = (
        due.exclude(allocation__in=held.values("allocation"))
        .values_list("allocation__platform")
        .annotate(since=Min("due_at"))
        .order_by("since", "allocation__platform")
        .values_list("allocation__platform", flat=True)
    )
    for pk in list(platforms):
        # Another worker that is claiming here at this moment has the lock, and we look elsewhere.
        platform = Platform.objects.select_for_update(no_key=True, skip_locked=True, of=("self",)).filter(pk=pk).first()
        # What we saw above is older than the lock: somebody may have claimed here in between, and committed.
        if platform is None or held.filter(allocation__platform=pk).count() >= _at_once(platform):
            continue
        claimed = claim_in_transaction(
            due.filter(allocation__platform=pk).exclude(allocation__in=held.values("allocation")),
            at=at,
            lease=timedelta(seconds=settings.OPERATION_LEASE_S),
        )
        if claimed is not None:
            return _with_everything(claimed)
    return None


def _at_once(platform: Platform) -> int:
    """How many operations may be under way there: one, where its connector reads, decides and writes over all of them."""
    known = (platform.connector, repr(platform.connector_config), platform.connector_secret, platform.connector_sealed)
    return settings.OPERATIONS_PER_PLATFORM if _side_by_side(*known, platform.pk) else 1


@lru_cache(maxsize=256)
def _side_by_side(*known: Any) -> bool:
    """Asked for each claim, and making a connector is not free; new settings are a new question."""
    try:
        with connecting.connector_of(Platform.objects.get(pk=known[-1])) as connector:
            return connector.capabilities.side_by_side
    except ConnectorError:
        return False


def _with_everything(claimed: Operation) -> Operation:
    return Operation.objects.select_related(
        "allocation__platform__provider",
        "allocation__plan__offering",
        "allocation__line",
        "allocation__award__project",
    ).get(pk=claimed.pk)


# --- calling ---------------------------------------------------------------------------------------------------------


def _carry_out(connector: Connector, operation: Operation, order: Order) -> Grant | Suspension | None:
    if transaction.get_connection().in_atomic_block:
        raise RuntimeError("a platform is called with no transaction open")
    match OperationKind(operation.kind):
        case OperationKind.DEPROVISION:
            return connector.revoke(order)
        case OperationKind.SUSPEND:
            return connector.suspend(order, SuspendStep(operation.allocation.suspend_step))
        case OperationKind.RESUME:
            return connector.resume(order)
    # Always, not only after a first attempt: somebody may have asked to try again what did happen after all.
    found = connector.find(order)
    if found is not None and found.suspended == order.suspended:
        return found
    match OperationKind(operation.kind):
        case OperationKind.PROVISION:
            return connector.ensure(order)
        case OperationKind.CHANGE:
            return connector.change(order)
    return connector.people(order)


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
    if operation.status not in {OperationStatus.QUEUED, OperationStatus.WAITING}:
        logger.info("operation %s is not wanted any more", operation.pk)
        return None
    return operation


@transaction.atomic(durable=True)
def _record_success(claimed: Operation, order: Order, outcome: Grant | Suspension | None, *, at: datetime) -> Operation:
    operation = _lock(claimed)
    if operation is None:
        return _with_everything(claimed)
    _finish(operation, OperationStatus.SUCCEEDED, None, at=at)
    audit.record(OperationEvent.SUCCEED, by=WORKER, about=operation, at=at, data={"attempts": operation.attempts})
    allocation = operation.allocation
    PlatformRest.objects.update_or_create(
        platform=allocation.platform, defaults={"failures": 0, "until": None, "code": "", "last_success_at": at}
    )
    if outcome is None:
        _close(allocation, at=at)
        return operation
    if isinstance(outcome, Suspension):
        # What an earlier step made the platform forget is needed as well.
        restore = {**allocation.restore, **outcome.restore}
        data = {"step": outcome.step.value, "reason": allocation.suspend_reason, "running": outcome.running.value}
        ALLOCATION.advance(allocation, "suspend", by=WORKER, at=at, data=data, restore=restore)
        messages.suspended(allocation, outcome, at=at)
        return operation
    there: dict[str, Any] = {
        "external_id": outcome.external_id,
        # Who is asked again need not say again where it is.
        "access_url": outcome.access_url or allocation.access_url,
        "details": dict(outcome.facts) or allocation.details,
        "names": {**allocation.names, **outcome.names},
    }
    if outcome.credentials:
        there["credentials"] = credentials.kept(outcome.credentials)
    if operation.kind == OperationKind.PROVISION:
        ALLOCATION.advance(allocation, "activate", by=WORKER, at=at, active_from=at, **there)
        messages.ready(allocation, at=at)
    elif operation.kind == OperationKind.RESUME and allocation.status == AllocationStatus.SUSPENDED:
        ALLOCATION.advance(allocation, "resume", by=WORKER, at=at, restore={}, **there)
        messages.resumed(allocation, at=at)
    else:
        for field, value in there.items():
            setattr(allocation, field, value)
        allocation.save(update_fields=list(there))
    if _people(allocation) != order.people:
        # Somebody joined or left while the platform was being called.
        actions.sync_people(allocation, by=WORKER, at=at)
    return operation


@transaction.atomic(durable=True)
def _record_failure(claimed: Operation, error: ConnectorError, *, at: datetime) -> Operation:
    operation = _lock(claimed)
    if operation is None:
        return _with_everything(claimed)
    # What takes access away is tried for as long as it takes: nobody keeps access because a platform was down for long.
    gives_up = operation.kind == OperationKind.PROVISION and operation.attempts >= ATTEMPTS_MAX
    why = _for_the_trail(error, operation.allocation.platform)
    facts = {"attempts": operation.attempts, "permanent": error.permanent, **why}
    if not error.permanent and not gives_up:
        _say_why(operation, error)
        operation.status = OperationStatus.QUEUED
        operation.due_at = at + pause_after(operation.attempts, asked_s=error.retry_after_s)
        operation.save()
        audit.record(OperationEvent.POSTPONE, by=WORKER, about=operation, at=at, data=facts)
        _count_failure(operation.allocation.platform, error, at=at)
        if operation.attempts == ATTEMPTS_MAX:
            messages.delayed(operation, at=at)
        return operation
    _finish(operation, OperationStatus.FAILED, error, at=at)
    audit.record(OperationEvent.FAIL, by=WORKER, about=operation, at=at, data=facts)
    if operation.kind == OperationKind.PROVISION:
        ALLOCATION.advance(operation.allocation, "fail", by=WORKER, at=at, data=why)
    messages.failed(operation, at=at)
    return operation


@transaction.atomic(durable=True)
def _record_progress(claimed: Operation, progress: NotYet, *, at: datetime) -> Operation:
    """The platform is at it: that is no attempt that failed, however often it is asked."""
    operation = _lock(claimed)
    if operation is None:
        return _with_everything(claimed)
    operation.status, operation.error = OperationStatus.WAITING, ""
    operation.error_code, operation.error_parameters = progress.code, progress.parameters
    operation.attempts = 0
    operation.due_at = at + timedelta(seconds=min(max(progress.poll_after_s, 1.0), LONGEST_PAUSE.total_seconds()))
    operation.save()
    return operation


@transaction.atomic(durable=True)
def _record_question(claimed: Operation, question: NeedsPerson, *, at: datetime) -> Operation:
    operation = _lock(claimed)
    if operation is None:
        return _with_everything(claimed)
    operation.status, operation.error, operation.error_code = OperationStatus.NEEDS_PERSON, "", ""
    operation.attempts = 0
    operation.save()
    tasks_for_people.ask(operation, question.asks, at=at)
    return operation


def _finish(operation: Operation, status: OperationStatus, error: ConnectorError | None, *, at: datetime) -> None:
    operation.status, operation.finished_at = status, at
    _say_why(operation, error)
    operation.save()


def _say_why(operation: Operation, error: ConnectorError | None) -> None:
    """The code and its parameters, and beside them the English sentence of today for the record."""
    with translation.override("en"):
        operation.error = str(error) if error else ""
    operation.error_permanent = error.permanent if error else False
    operation.error_code = error.code[:80] if error else ""
    operation.error_parameters = error.parameters if error else {}
    operation.error_for = error.for_whom.value if error else ""


def _for_the_trail(error: ConnectorError, platform: Platform) -> dict[str, Any]:
    """What can stay there for ever: no name of a person."""
    parameters = {name: value for name, value in error.parameters.items() if name not in reasons.OF_PEOPLE}
    return {"code": error.code, "parameters": parameters, "kind": connecting.kind_of(platform)}


def pause_after(attempts: int, *, asked_s: float | None = None) -> timedelta:
    """Twice as long after each attempt, up to a quarter of an hour, and never the same for many at once; at least what the
    platform asked for."""
    longest: timedelta = min(FIRST_PAUSE * 2 ** min(max(attempts, 1) - 1, 16), LONGEST_PAUSE)
    return max(longest * random.uniform(0.8, 1.0), timedelta(seconds=asked_s or 0))  # noqa: S311  # spreads, hides nothing


def _count_failure(platform: Platform, error: ConnectorError, *, at: datetime) -> None:
    """After several failures of the platform itself it is left alone for a while, then tried with what is due first."""
    if error.code not in RESTING_CODES:
        return
    rest, _ = PlatformRest.objects.select_for_update(no_key=True).get_or_create(platform=platform)
    rest.failures += 1
    rest.code = error.code
    if rest.failures >= FAILURES_UNTIL_REST:
        rest.until = at + min(FIRST_REST * 2 ** min(rest.failures - FAILURES_UNTIL_REST, 8), LONGEST_REST)
    rest.save()


def _close(allocation: Allocation, *, at: datetime) -> None:
    """Nobody has access any more. What was never set up has no usage to wait for: its credits go back at once."""
    if allocation.active_from is None:
        ALLOCATION.advance(allocation, "close", by=WORKER, at=at)
        actions.close_usage(allocation, by=WORKER, at=at)
    else:
        ALLOCATION.advance(allocation, "close", by=WORKER, at=at, usage_until=at + actions.LATE_USAGE_WITHIN)
    messages.ended(allocation, at=at)
