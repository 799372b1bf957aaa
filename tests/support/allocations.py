"""Allocations in the state a test needs, without a worker and without a platform."""

import uuid
from datetime import date, datetime, timedelta

from django.db import transaction

from earthcode.audit.actors import WORKER, System
from earthcode.ledger import actions as ledger
from earthcode.lib.money import credits
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning.lifecycle import ALLOCATION
from earthcode.provisioning.models import Allocation, AllocationStatus, Operation, OperationKind, OperationStatus
from earthcode.sponsorship.models import Award, RequestLine

IMPORT = System("import")


@transaction.atomic
def activate(allocation: Allocation, *, at: datetime, access_url: str = "") -> None:
    """As when the platform has let the people in."""
    _finish(allocation, OperationStatus.SUCCEEDED, at=at)
    ALLOCATION.advance(
        allocation,
        "activate",
        by=WORKER,
        at=at,
        access_url=access_url or f"https://{allocation.platform.slug}.platform.example/hub/{allocation.reference}",
        external_id=f"group-{allocation.pk}",
        active_from=at,
    )


@transaction.atomic
def fail(allocation: Allocation, *, at: datetime, error: str = "The platform is full.", permanent: bool = True) -> None:
    """As when the platform has refused for good."""
    _finish(allocation, OperationStatus.FAILED, at=at, error=error, error_permanent=permanent)
    ALLOCATION.advance(allocation, "fail", by=WORKER, at=at, data={"error": error})


@transaction.atomic
def close(allocation: Allocation, *, at: datetime) -> None:
    """As when the platform has taken the access of an allocation that was ended away, and its last usage is in."""
    _finish(allocation, OperationStatus.SUCCEEDED, at=at)
    ALLOCATION.advance(allocation, "close", by=WORKER, at=at, usage_until=at)
    provisioning.close_usage(allocation, by=WORKER, at=at)


def _finish(allocation: Allocation, status: OperationStatus, *, at: datetime, **fields: object) -> None:
    allocation.operations.filter(status=OperationStatus.QUEUED).update(
        status=status, attempts=1, finished_at=at, **fields
    )


@transaction.atomic
def more_allocations(award: Award, count: int, *, at: datetime) -> list[Allocation]:
    """So many more on the first line's platform, each with a plan, a line, a hold and a done operation of its own."""
    first = award.allocations.select_related("platform__provider", "plan__offering", "line", "award__call").first()
    assert first is not None
    assert first.line is not None
    if count <= 0:
        return []
    amount = credits(1)
    ledger.fund(award.call.slug, count * amount, key=uuid.uuid4(), by=IMPORT, at=at)
    ledger.award(award.call.slug, award.reference, count * amount, key=uuid.uuid4(), by=IMPORT, at=at)
    wallet = ledger.award_accounts(award.reference)
    payee = ledger.provider_accounts(first.platform.provider.slug, award.call.slug).accrued
    numbers = range(Allocation.objects.count() + 1, Allocation.objects.count() + 1 + count)
    offering = first.plan.offering
    plans = type(first.plan).objects.bulk_create(
        type(first.plan)(offering=offering, slug=f"plan-{number}", name=f"Plan {number}") for number in numbers
    )
    lines = RequestLine.objects.bulk_create(
        RequestLine(
            resource_request=award.resource_request,
            plan=plan,
            months=first.line.months,
            workload=first.line.workload,
            quote=first.line.quote,
            amount=amount,
            quoted_at=at,
        )
        for plan in plans
    )
    holds = [
        ledger.hold(
            wallet=wallet.available,
            held=wallet.held,
            payee=payee,
            amount=amount,
            expires_at=at + timedelta(days=400),
            key=uuid.uuid4(),
            by=IMPORT,
            at=at,
        )
        for _ in lines
    ]
    allocations = Allocation.objects.bulk_create(
        Allocation(
            reference=f"{award.reference}-{number}",
            award=award,
            key=uuid.uuid4(),
            line=line,
            plan=line.plan,
            workload=line.workload,
            quote=line.quote,
            quoted_at=at,
            platform=first.platform,
            status=AllocationStatus.ACTIVE,
            amount=amount,
            hold_id=hold.pk,
            starts_on=award.starts_on,
            ends_on=date(2027, 6, 1),
            status_since=at,
            created_at=at,
            active_from=at,
        )
        for number, line, hold in zip(numbers, lines, holds, strict=True)
    )
    Operation.objects.bulk_create(
        Operation(
            allocation=allocation,
            kind=OperationKind.PROVISION,
            key=uuid.uuid4(),
            status=OperationStatus.SUCCEEDED,
            attempts=1,
            created_at=at,
            due_at=at,
            finished_at=at,
        )
        for allocation in allocations
    )
    return allocations
