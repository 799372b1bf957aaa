"""Every write that people and the clock make here: placing, ending, trying again, changing who has access.

None of them calls a platform. They write an operation, which ``operations`` carries out, and wake a worker after
commit. Locks are taken in one order: the award, the allocation, its operations, the ledger.
"""

import logging
import uuid
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from earthcode.audit import actions as audit
from earthcode.audit.actors import CLOCK, Actor
from earthcode.catalogue import connecting
from earthcode.catalogue.models import Plan
from earthcode.catalogue.pricing import Workload
from earthcode.catalogue.retirement import refuse_if_retired
from earthcode.catalogue.terms import terms_as_json, terms_of
from earthcode.connectors.base import ConnectorError, SuspendStep
from earthcode.identity.models import Project, User
from earthcode.identity.roles import Permission
from earthcode.ledger import actions as ledger
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused
from earthcode.lib.money import as_text
from earthcode.lib.wake import wake_after_commit
from earthcode.lifecycle import WrongState
from earthcode.provisioning import messages
from earthcode.provisioning.events import AllocationEvent, OperationEvent
from earthcode.provisioning.lifecycle import ALLOCATION
from earthcode.provisioning.models import (
    Allocation,
    AllocationStatus,
    Operation,
    OperationKind,
    OperationStatus,
    PlatformRest,
    Task,
    TaskStatus,
)
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship import checks
from earthcode.sponsorship.models import Award, RequestLine, ResourceRequest

logger = logging.getLogger(__name__)

#: The task that carries out what is queued; also in ``settings.CELERY_BEAT_SCHEDULE``.
RUN_OPERATIONS = "provisioning.run_operations"

#: Usage is reported after it happened; credits stay set aside this long after the last day.
LAST_USAGE_WITHIN = timedelta(days=90)

#: Reports come late: an ended allocation takes usage for so long, unless the provider says earlier that all of it is in.
LATE_USAGE_WITHIN = timedelta(days=14)

#: These make the people those of the project as they are when the work begins.
_READ_PEOPLE = (OperationKind.PROVISION, OperationKind.SYNC_PEOPLE)

#: Names our own keys: the same thing always has the same key.
_KEYS = uuid.UUID("c6c3b0de-3c0b-4a3e-9f53-0f5a5b1a7a52")


class CannotSuspend(Refused):
    """The platform has no way to suspend, or not this step."""

    code = "cannot_suspend"


class AwardOver(Refused):
    """The award's period is over."""

    code = "award_over"


# --- from a decision to allocations ----------------------------------------------------------------------------------


@transaction.atomic
def grant(resource_request: ResourceRequest, *, reason: str, by: User, at: datetime) -> Award:
    """Approve the request in full and place an allocation for each of its lines: all of it or nothing."""
    award = sponsorship.approve(resource_request, reason=reason, by=by, at=at)
    for line in _lines_of(resource_request):
        _place_line(award, line, by=by, at=at)
    return award


@transaction.atomic
def accept_offer(resource_request: ResourceRequest, *, by: User, at: datetime) -> Award:
    """Take a part award and place an allocation for each line that it has credits for: all of it or nothing."""
    award = sponsorship.accept(resource_request, by=by, at=at)
    for line in _lines_of(resource_request):
        if line.offered:
            _place_line(award, line, by=by, at=at)
    return award


def _lines_of(resource_request: ResourceRequest) -> QuerySet[RequestLine]:
    return resource_request.lines.select_related("plan__offering__platform__provider").order_by("pk")


@transaction.atomic
def place(award: Award, line: RequestLine, *, by: User, at: datetime) -> Allocation:
    """Set the line's credits aside and have its access set up. Placing a line again returns what there is.

    Access is set up at once: the award's start only says from when the period counts, and what is used before it is
    paid from the same credits.
    """
    if not by.may(Permission.REQUEST_DECIDE):
        raise NotPermitted("Only people who decide on requests can place an allocation.")
    if line.resource_request_id != award.resource_request_id:
        raise InvalidInput(f"{line} was not asked for in {award}.", field="line")
    return _place_line(award, line, by=by, at=at)


def _place_line(award: Award, line: RequestLine, *, by: User, at: datetime) -> Allocation:
    _lock(award)
    key = uuid.uuid5(_KEYS, f"line:{line.pk}")
    return Allocation.objects.filter(key=key).first() or _set_aside(
        award,
        Allocation(
            key=key,
            line=line,
            plan=line.plan,
            workload=line.workload,
            quote=line.quote,
            quoted_at=line.quoted_at,
            terms=line.terms,
            # Of a part award, what was offered for it.
            amount=line.amount if line.offered is None else line.offered,
            starts_on=award.starts_on,
            ends_on=sponsorship.months_after(award.starts_on, line.months),
        ),
        by=by,
        at=at,
    )


@transaction.atomic
def exchange(
    award: Award, plan: Plan, workload: Workload, *, expected: int, key: uuid.UUID, by: User, at: datetime
) -> Allocation:
    """Use credits that the award has free on a platform of the project's choice, from today on or from its start.

    ``expected`` are the micro-credits that the person was shown: another price today is refused, not charged. ``key``
    is made by the caller for this one placing: the same key again returns what there is. Raises ``NotPermitted``,
    ``AwardOver``, ``AwardOwes``, what ``sponsorship.checks.refusal_to_pay`` returns, ``PriceUnknown``, ``InvalidInput``
    for the months and for another price, and the ledger's ``InsufficientCredits``.
    """
    _lock(award)
    by.forget_grants()
    if not by.may(Permission.ALLOCATION_PLACE, award):
        raise NotPermitted("Only the principal investigator of the project can place its credits.")
    placed = Allocation.objects.filter(key=key).first()
    if placed is not None:
        if (placed.award_id, placed.plan_id, placed.workload) != (award.pk, plan.pk, workload.as_json()):
            raise InvalidInput("This form was already submitted with different values. Reload the page.")
        return placed
    today = at.astimezone(UTC).date()
    if today > award.ends_on:
        raise AwardOver(f"{award} ended on {award.ends_on:%-d %B %Y}: its credits cannot be placed any more.")
    if refusal := checks.refusal_to_pay(award, plan):
        raise refusal
    starts_on = max(today, award.starts_on)
    ends_on = sponsorship.months_after(starts_on, workload.months)
    if ends_on > award.ends_on:
        raise InvalidInput(
            f"{award} runs until {award.ends_on:%-d %B %Y}: choose a period that ends by then.", field="months"
        )
    quote = sponsorship.priced(plan, workload, at=at)
    if quote.total != expected:
        raise InvalidInput(
            f"The price is {as_text(quote.total)} credits now, not {as_text(expected)}. Look at it again.",
            field="amount",
        )
    return _set_aside(
        award,
        Allocation(
            key=key,
            plan=plan,
            workload=workload.as_json(),
            quote=quote.as_json(),
            quoted_at=at,
            amount=quote.total,
            starts_on=starts_on,
            ends_on=ends_on,
        ),
        by=by,
        at=at,
    )


def _lock(award: Award) -> None:
    """One placing at a time for each award, whose references are numbered, and nobody joins the project meanwhile.

    In this order; who changes the people of a project locks nothing of its awards.
    """
    Award.objects.select_for_update(no_key=True, of=("self",)).get(pk=award.pk)
    Project.objects.select_for_update(no_key=True, of=("self",)).get(pk=award.project_id)


def _set_aside(award: Award, allocation: Allocation, *, by: User, at: datetime) -> Allocation:
    """Hold the credits of a new allocation and have its access set up; under the award's lock."""
    refuse_if_retired(allocation.plan.offering, on=at.date(), field="plan")
    checks.refuse_if_it_owes(award)
    reference = f"{award.reference}-{award.allocations.count() + 1}"
    platform = allocation.plan.offering.platform
    hold = ledger.draw(
        award.reference,
        payee=ledger.provider_accounts(platform.provider.slug, award.call.slug).accrued,
        amount=allocation.amount,
        expires_at=sponsorship.end_of(allocation.ends_on) + LAST_USAGE_WITHIN,
        key=uuid.uuid5(_KEYS, f"hold:{reference}"),
        by=by,
        at=at,
    )
    allocation.award, allocation.platform, allocation.reference = award, platform, reference
    allocation.hold_id = hold.pk
    # A price that the provider gave for this project comes with terms of its own.
    allocation.terms = allocation.terms or terms_as_json(
        terms_of(allocation.plan, Workload.from_json(allocation.workload), on=allocation.quoted_at.date())
    )
    allocation.status_since = allocation.created_at = at
    allocation.save(force_insert=True)
    data = {
        "platform": platform.slug,
        "plan": str(allocation.plan),
        "amount": allocation.amount,
        "award": award.reference,
        "asked_for": allocation.line_id is not None,
    }
    audit.record(AllocationEvent.PLACE, by=by, about=allocation, at=at, data=data)
    _queue(allocation, OperationKind.PROVISION, at=at)
    messages.placed(allocation, at=at)
    return allocation


# --- what can be done with an allocation -----------------------------------------------------------------------------


@transaction.atomic
def end(allocation: Allocation, *, reason: str, by: Actor, at: datetime) -> None:
    """Remove access, now. The credits that are left go back to the award when the last usage is in."""
    reason = reason.strip()
    if not reason:
        raise InvalidInput("Enter a reason. The project will see it.", field="reason")
    ALLOCATION.advance(allocation, "end", by=by, at=at, data={"reason": reason}, end_reason=reason)
    # A worker may be at one of these now. It may finish its call, whose outcome counts for nothing any more; the
    # operation stays held until then, so that nothing else is done on the platform meanwhile.
    Task.objects.open().filter(operation__allocation=allocation).update(status=TaskStatus.WITHDRAWN)
    allocation.operations.open().update(status=OperationStatus.SUPERSEDED, finished_at=at)
    _queue(allocation, OperationKind.DEPROVISION, at=at)


def end_overdue(*, at: datetime) -> int:
    """End what is past its last day, each in a transaction of its own; returns how many."""
    overdue = Allocation.objects.live().filter(ends_on__lt=at.astimezone(UTC).date()).order_by("pk")
    ended = 0
    for allocation in overdue:
        try:
            end(allocation, reason="The period is over.", by=CLOCK, at=at)
        except WrongState:
            continue  # somebody was faster
        ended += 1
    return ended


def suspend_steps(allocation: Allocation) -> tuple[SuspendStep, ...]:
    """How far the allocation's platform can suspend; none where it cannot, or cannot be reached for want of settings."""
    try:
        with connecting.connector_of(allocation.platform) as connector:
            return connector.capabilities.suspend
    except ConnectorError:
        return ()


@transaction.atomic
def suspend(allocation: Allocation, step: SuspendStep, *, reason: str, by: Actor, at: datetime) -> Operation | None:
    """Have the platform suspend the allocation as far as ``step``; ``reason`` is a code (``exhausted``, ``expired``, …).

    Asked again for the step it is in or on its way to, nothing happens and None is returned. The status becomes "suspended"
    when the platform has confirmed it. Raises ``CannotSuspend``, ``WrongState`` and ``NotPermitted``.
    """
    if isinstance(by, User) and not by.may(Permission.ALLOCATION_END, allocation):
        raise NotPermitted(f"You do not have the role that allows this on {allocation}.")
    locked = Allocation.objects.select_for_update(no_key=True, of=("self",)).get(pk=allocation.pk)
    if locked.status not in {AllocationStatus.ACTIVE, AllocationStatus.SUSPENDED}:
        raise WrongState(f"{locked} is “{locked.get_status_display()}”, so it cannot be suspended now.")
    if locked.suspend_step == step:
        return None
    if step not in suspend_steps(locked):
        raise CannotSuspend("This platform has no way to suspend access like this.")
    locked.suspend_step, locked.suspend_reason = step.value, reason
    locked.save(update_fields=["suspend_step", "suspend_reason"])
    allocation.suspend_step, allocation.suspend_reason = locked.suspend_step, locked.suspend_reason
    _not_wanted_any_more(locked, OperationKind.SUSPEND, OperationKind.RESUME, at=at)
    operation = _queue(locked, OperationKind.SUSPEND, at=at)
    data = {"step": step.value, "reason": reason, "operation": str(operation.key)}
    audit.record(AllocationEvent.ASK_SUSPEND, by=by, about=locked, at=at, data=data)
    return operation


@transaction.atomic
def resume(allocation: Allocation, *, reason: str, by: Actor, at: datetime) -> Operation | None:
    """Have the platform undo the suspension, whatever its step; None where there is none. ``reason`` is a code."""
    if isinstance(by, User) and not by.may(Permission.ALLOCATION_END, allocation):
        raise NotPermitted(f"You do not have the role that allows this on {allocation}.")
    locked = Allocation.objects.select_for_update(no_key=True, of=("self",)).get(pk=allocation.pk)
    if not locked.suspend_step or locked.status not in {AllocationStatus.ACTIVE, AllocationStatus.SUSPENDED}:
        return None
    locked.suspend_step = locked.suspend_reason = ""
    locked.save(update_fields=["suspend_step", "suspend_reason"])
    allocation.suspend_step = allocation.suspend_reason = ""
    _not_wanted_any_more(locked, OperationKind.SUSPEND, OperationKind.RESUME, at=at)
    operation = _queue(locked, OperationKind.RESUME, at=at)
    data = {"reason": reason, "operation": str(operation.key)}
    audit.record(AllocationEvent.ASK_RESUME, by=by, about=locked, at=at, data=data)
    return operation


def _not_wanted_any_more(allocation: Allocation, *kinds: OperationKind, at: datetime) -> None:
    """What was asked for before and is not done yet: the later word counts."""
    Task.objects.open().filter(operation__allocation=allocation, operation__kind__in=kinds).update(
        status=TaskStatus.WITHDRAWN
    )
    allocation.operations.open().filter(kind__in=kinds).update(status=OperationStatus.SUPERSEDED, finished_at=at)


@transaction.atomic
def close_usage(allocation: Allocation, *, by: Actor, at: datetime) -> None:
    """The last usage is in: what is left of the credits goes back to the award. A second time changes nothing.

    The clock does this when the days for late usage are over; the provider may say so earlier. Raises ``WrongState`` while
    somebody still has access.
    """
    if isinstance(by, User) and not by.may(Permission.USAGE_REPORT, allocation):
        raise NotPermitted("Only the provider can say that the last usage is in.")
    locked = Allocation.objects.select_for_update(no_key=True, of=("self",)).get(pk=allocation.pk)
    if locked.status != AllocationStatus.CLOSED:
        raise WrongState("People can still use this allocation: end it first.")
    if locked.usage_closed_at is None:
        locked.usage_closed_at = at
        locked.save(update_fields=["usage_closed_at"])
        audit.record(AllocationEvent.CLOSE_USAGE, by=by, about=locked, at=at)
        if locked.active_from is not None:
            messages.usage_closed(locked, at=at)
        try:
            ledger.release(locked.hold_id, key=release_key(locked), by=by, at=at)
        except ledger.NothingToRelease:
            logger.info("all credits of %s were used", locked)
    allocation.usage_closed_at = locked.usage_closed_at


def close_overdue_usage(*, at: datetime) -> int:
    """Close for usage what has waited for its days, each in a transaction of its own; returns how many."""
    overdue = Allocation.objects.awaiting_usage().filter(usage_until__lte=at).order_by("pk")
    for allocation in overdue:
        close_usage(allocation, by=CLOCK, at=at)
    return len(overdue)


@transaction.atomic
def retry(operation: Operation, *, by: User, at: datetime) -> None:
    """Try a failed operation again, under the same key. Only the latest one of an allocation still matters."""
    allocation = operation.allocation
    if not by.may(Permission.OPERATION_RETRY, operation):
        raise NotPermitted(f"You do not have permission to do this on {allocation}.")
    Allocation.objects.select_for_update(no_key=True, of=("self",)).get(pk=allocation.pk)
    latest = allocation.operations.order_by("-created_at", "-pk").first()
    if latest is None or latest.pk != operation.pk or latest.status != OperationStatus.FAILED:
        raise WrongState("There is no failed operation to retry.")
    if latest.kind == OperationKind.PROVISION:
        ALLOCATION.advance(allocation, "retry", by=by, at=at)
    latest.tasks.update(counts=False)
    latest.status = OperationStatus.QUEUED
    latest.attempts = 0
    latest.retries += 1
    latest.due_at = at
    latest.finished_at = None
    latest.save(update_fields=["status", "attempts", "retries", "due_at", "finished_at"])
    # Whoever asks knows that something was mended: the platform is tried at once.
    PlatformRest.objects.filter(platform=allocation.platform_id).update(failures=0, until=None)
    audit.record(OperationEvent.RETRY, by=by, about=latest, at=at, data={"retries": latest.retries})
    wake_after_commit(RUN_OPERATIONS)


@transaction.atomic
def open_platform(allocation: Allocation, *, by: User, at: datetime) -> str:
    """Where the person goes to use the allocation; going there is on record."""
    if not by.may(Permission.ALLOCATION_USE, allocation):
        raise NotPermitted("Only the project's people can use its allocations.")
    if allocation.status != AllocationStatus.ACTIVE or not allocation.access_url:
        raise WrongState(f"This allocation is “{allocation.get_status_display()}”, so there is nothing to open now.")
    audit.record(AllocationEvent.OPEN, by=by, about=allocation, at=at)
    return allocation.access_url


# --- who has access --------------------------------------------------------------------------------------------------


def people_changed(project: Project, *, by: Actor, at: datetime) -> None:
    """Bring the platforms up to date with who is in the project.

    Call it in the transaction that changes the project's people: an operation that is being recorded at this moment
    then either sees the change or leaves it to us. Raises ``RuntimeError`` outside a transaction.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("people_changed must run inside the transaction that changes the people")
    for allocation in Allocation.objects.live().for_project(project).order_by("pk"):
        sync_people(allocation, by=by, at=at)


@transaction.atomic
def sync_people(allocation: Allocation, *, by: Actor, at: datetime) -> None:
    """Have the platform give access to those in the project. Does nothing where work under way will see to it."""
    locked = Allocation.objects.select_for_update(no_key=True, of=("self",)).get(pk=allocation.pk)
    # Setting up reads the people when it starts and compares them when it is done; a failed or ended one has no access.
    # The same goes for an update that is queued or under way.
    if locked.status not in {AllocationStatus.ACTIVE, AllocationStatus.SUSPENDED}:
        return
    if locked.operations.waiting().filter(kind__in=_READ_PEOPLE).exists():
        return
    # Somebody at the provider who was asked for an earlier list is asked for today's instead.
    for former in locked.operations.filter(status=OperationStatus.NEEDS_PERSON, kind=OperationKind.SYNC_PEOPLE):
        former.tasks.open().update(status=TaskStatus.WITHDRAWN)
        former.status, former.finished_at = OperationStatus.SUPERSEDED, at
        former.save(update_fields=["status", "finished_at"])
    operation = _queue(locked, OperationKind.SYNC_PEOPLE, at=at)
    audit.record(AllocationEvent.SYNC_PEOPLE, by=by, about=locked, at=at, data={"operation": str(operation.key)})


# --- for this package ------------------------------------------------------------------------------------------------


def provisioning_key(allocation: Allocation) -> uuid.UUID:
    """The key under which a platform knows the allocation, whatever is done to it."""
    return uuid.uuid5(_KEYS, f"{OperationKind.PROVISION.value}:{allocation.reference}:1")


def release_key(allocation: Allocation) -> uuid.UUID:
    """The ledger's key for giving back what the allocation did not need."""
    return uuid.uuid5(_KEYS, f"release:{allocation.reference}")


def _queue(allocation: Allocation, kind: OperationKind, *, at: datetime) -> Operation:
    """Under the allocation's lock, which makes the number in the key right."""
    number = allocation.operations.filter(kind=kind).count() + 1
    operation = Operation.objects.create(
        allocation=allocation,
        kind=kind,
        key=uuid.uuid5(_KEYS, f"{kind.value}:{allocation.reference}:{number}"),
        created_at=at,
        due_at=at,
    )
    wake_after_commit(RUN_OPERATIONS)
    return operation
