"""Reads usage from the platforms that tell it, by the clock.

A feed is claimed with a lease and committed, the platform is called with no transaction open, and what it said is recorded
together with the cursor to go on from. A worker that dies in between reads the same again, and each record counts once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.conf import settings
from django.db import DatabaseError, transaction

from earthcode.audit.actors import WORKER
from earthcode.catalogue.metrics import Metric
from earthcode.catalogue.models import Platform
from earthcode.catalogue.pricing import Workload
from earthcode.connectors import reasons
from earthcode.connectors.base import Connector, ConnectorError, NeedsPerson, NotYet
from earthcode.connectors.registry import connector_for
from earthcode.connectors.usage import RecordKind, Unit, UsagePage, UsageRecord
from earthcode.lib.claim import claim_next, still_mine
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning.models import Allocation, AllocationStatus
from earthcode.provisioning.operations import order_for
from earthcode.settlement.actions import record_usage
from earthcode.settlement.meters import terms_for
from earthcode.settlement.models import Channel, Feed

logger = logging.getLogger(__name__)

#: A run takes on nothing new after this long.
RUN_FOR: Final = timedelta(seconds=45)
FIRST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(hours=1)
#: No usage is read from a platform whose clock differs from ours by more.
SKEW_MAX: Final = timedelta(minutes=10)

#: What a meter of machine time is, in metrics of plans: so many of one for each hour, on the machine that was quoted.
SERVER_TIME: Final = "server_time"


def open_feeds(*, at: datetime) -> None:
    """A feed for each allocation of which usage is taken, on platforms that have a connector."""
    taken = Allocation.objects.filter(active_from__isnull=False, usage_closed_at=None, feed=None)
    missing = taken.exclude(platform__connector="").order_by("pk")
    Feed.objects.bulk_create((Feed(allocation=each, due_at=at) for each in missing), ignore_conflicts=True)


def read_all_due(*, clock: Callable[[], datetime]) -> int:
    """Read what is due, for less than a minute; returns how many feeds."""
    open_feeds(at=clock())
    read, until = 0, clock() + RUN_FOR
    while clock() < until and read_next(clock=clock):
        read += 1
    return read


def read_next(*, clock: Callable[[], datetime]) -> bool:
    """Read one page of the feed that is due for longest; False if none is due."""
    waiting = Feed.objects.filter(allocation__usage_closed_at=None)
    feed = claim_next(waiting, at=clock(), lease=timedelta(seconds=settings.OPERATION_TIME_S))
    if feed is None:
        return False
    allocation = Allocation.objects.select_related("platform__provider", "plan__offering", "award__project").get(
        pk=feed.allocation_id
    )
    try:
        with _connector(allocation.platform) as connector:
            meters = connector.capabilities.usage
            page = connector.usage(order_for(allocation), feed.cursor) if meters else None
    except (ConnectorError, NotYet, NeedsPerson) as error:
        _record_failure(feed, error, at=clock())
        return True
    except DatabaseError:
        raise
    except Exception:  # a stranger's answer or a stranger's package: no other feed waits for it
        logger.exception("usage of %s could not be read", allocation)
        _record_failure(feed, ConnectorError(reasons.CONNECTOR_BROKEN), at=clock())
        return True
    pause = timedelta(seconds=min((meter.poll_every_s for meter in meters), default=24 * 3600))
    _record(feed, allocation, page, pause=pause, at=clock())
    return True


def _connector(platform: Platform) -> Connector:
    return connector_for(
        platform.connector,
        platform.connector_config,
        secret_name=platform.connector_secret,
        sealed=platform.connector_sealed,
    )


@transaction.atomic(durable=True)
def _record_failure(claimed: Feed, error: Exception, *, at: datetime) -> None:
    """Try again later, ever less often. Missing data never takes anything away from anybody."""
    feed = still_mine(claimed)
    if feed is None:
        return
    feed.error = str(error)[:2000]
    pause = min(FIRST_PAUSE * 2 ** min(feed.attempts - 1, 10), LONGEST_PAUSE)
    _release(feed, at + pause)


@transaction.atomic(durable=True)
def _record(claimed: Feed, allocation: Allocation, page: UsagePage | None, *, pause: timedelta, at: datetime) -> None:
    feed = still_mine(claimed)
    if feed is None:
        logger.warning("reading the usage of %s took longer than its lease", allocation)
        return
    feed.attempts = 0
    feed.error = ""
    if page is None:
        _release(feed, at + pause)
        return
    if page.platform_at is not None and abs(page.platform_at - at) > SKEW_MAX:
        feed.error = "The platform’s clock differs from ours by more than 10 minutes, so its usage is not read."
        _release(feed, at + pause)
        return
    for (source, meter_feed), records in _by_meter(page.records).items():
        outcome = record_usage(
            allocation.platform,
            _lines(records, allocation),
            channel=Channel.POLL,
            by=WORKER,
            at=at,
            source=source,
            feed=meter_feed,
            complete_until=page.complete_until,
        )
        for refusal in outcome.refusals:
            logger.warning("%s: record %s was refused: %s", allocation, refusal.record_id, refusal.message)
        if outcome.report.lines == outcome.report.repeated:
            outcome.report.delete()
    feed.cursor = page.cursor
    feed.read_at = at
    feed.complete_until = page.complete_until
    _release(feed, at if page.more else at + pause)
    if _is_last(allocation, page):
        provisioning.close_usage(allocation, by=WORKER, at=at)


def _release(feed: Feed, due_at: datetime) -> None:
    feed.due_at = due_at
    feed.claimed_until = None
    feed.claim_token = None
    feed.save()


def _is_last(allocation: Allocation, page: UsagePage) -> bool:
    """Whether the platform has told everything of an allocation that nobody can use any more."""
    locked = Allocation.objects.get(pk=allocation.pk)
    return (
        locked.status == AllocationStatus.CLOSED
        and locked.is_awaiting_usage
        and not page.more
        and not page.gaps
        and page.complete_until is not None
        and page.complete_until >= locked.status_since
        and not any(record.kind == RecordKind.GROWING for record in page.records)
    )


def _by_meter(records: Iterable[UsageRecord]) -> dict[tuple[str, str], list[UsageRecord]]:
    found: dict[tuple[str, str], list[UsageRecord]] = {}
    for record in records:
        found.setdefault((record.source, record.feed), []).append(record)
    return found


def _lines(records: Iterable[UsageRecord], allocation: Allocation) -> Iterator[Mapping[str, Any]]:
    """Records as lines. One that has lasted no time yet comes again; a level says what is there, not what was used."""
    for record in records:
        if record.used_until <= record.used_from or record.kind == RecordKind.LEVEL:
            continue
        for suffix, component, quantity, unit in _counted(record, allocation):
            yield {
                "id": f"{record.id}{suffix}"[:200],
                "allocation": allocation.reference,
                "component": component,
                "quantity": quantity,
                "unit": unit,
                "used_from": record.used_from,
                "used_until": record.used_until,
                "person": record.subject or "",
                "kind": record.kind.value,
                "replaces": f"{record.replaces}{suffix}" if record.replaces else "",
            }


def _counted(record: UsageRecord, allocation: Allocation) -> Iterator[tuple[str, str, Decimal, str]]:
    """What the plan counts of a record: itself or, of the time that a server ran, the hours of the machine that was quoted."""
    if record.metric != SERVER_TIME:
        unit = record.metric if record.unit == Unit.ONE else record.unit.value
        yield "", record.metric, record.quantity, unit
        return
    workload = Workload.from_json(allocation.workload)
    machine = {
        Metric.PROCESSING_HOUR: Decimal(1),
        Metric.VCPU_HOUR: Decimal(workload.vcpu),
        Metric.MEMORY_GB_HOUR: Decimal(workload.memory_gb),
        Metric.GPU_HOUR: Decimal(1 if workload.gpu else 0),
    }
    for term in terms_for(allocation):
        many = machine.get(Metric(term.metric))
        if many and term.micro_per_unit is not None:
            yield f":{term.metric}", term.label, _hours(record.quantity) * many, str(term.metric)


def _hours(seconds: Decimal) -> Decimal:
    return (seconds / 3600).quantize(Decimal("1e-9"))
