"""The demo's past: projects that have used what they were granted, and a provider on the way to being paid for it.

Made by the actions themselves with a moved clock, in the order in which it would have happened. Only the platforms' own
work is not done: access is recorded as the worker records it, and the simulated platform is told after commit.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from django.db import transaction

from earthcode.audit.actors import CLOCK, WORKER
from earthcode.catalogue.models import Plan
from earthcode.catalogue.pricing import Workload
from earthcode.connectors.registry import connector_for
from earthcode.identity import projects
from earthcode.identity.models import User
from earthcode.notifications import actions as notifications
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning.lifecycle import ALLOCATION
from earthcode.provisioning.models import Allocation, OperationStatus
from earthcode.provisioning.operations import order_for
from earthcode.settlement import alerts, statements
from earthcode.settlement.actions import record_usage
from earthcode.settlement.models import Channel, Statement, StatementStatus
from earthcode.sponsorship import actions as sponsorship

#: So long ago the first of it was granted.
DAYS = 100


@dataclass(frozen=True)
class Story:
    """A project with one allocation: how fast it uses what it was quoted, and when, in days after the grant, it ends."""

    title: str
    request: str
    summary: str
    plan: tuple[str, str]
    workload: Mapping[str, str]
    pace: float
    ends_after: int | None = None


STORIES = (
    Story(
        "Lake ice phenology",
        "Freeze and break-up of 400 lakes",
        "When lakes freeze and break up, from ten years of Sentinel-1.",
        ("demo-batch", "pay-per-use"),
        {"cpu": "16", "ram": "64", "hours": "60", "gb": "400", "months": "6"},
        pace=0.9,
    ),
    Story(
        "Coastal turbidity",
        "Sediment plumes of five estuaries",
        "How far rivers carry sediment into the sea after floods.",
        ("demo-batch", "pay-per-use"),
        {"cpu": "32", "ram": "128", "hours": "50", "gb": "200", "months": "6"},
        pace=1.75,
    ),
    Story(
        "Glacier velocity atlas",
        "Monthly velocities of alpine glaciers",
        "Surface velocities by offset tracking, month by month.",
        ("demo-hub", "pay-per-use"),
        {"cpu": "8", "ram": "32", "hours": "70", "gb": "300", "months": "6"},
        pace=1.1,
        ends_after=85,
    ),
)


def make(users: Mapping[str, User], *, at: datetime) -> None:
    """All of it, in the caller's transaction."""
    begin = at - timedelta(days=DAYS)
    allocations = [_granted(story, users, at=begin) for story in STORIES]
    day = begin
    while day < at:
        day = min(day + timedelta(days=7), at)
        for story, allocation in zip(STORIES, allocations, strict=True):
            _a_week(story, allocation, begin=begin, until=day)
        if day.day <= 7:
            _month_end(users, at=day)
        alerts.tell_due(at=day)
    for user in users.values():
        notifications.mark_read(recipient=user.public_id, at=at)
    _month_end(users, at=at)


def _granted(story: Story, users: Mapping[str, User], *, at: datetime) -> Allocation:
    ben, maria = users["ben"], users["maria"]
    project = projects.create_project(title=story.title, summary=story.summary, by=ben, at=at)
    projects.add_member(project, user=users["alice"], by=ben, at=at)
    ben.forget_grants()
    request = sponsorship.start(title=story.request, project=project, by=ben, at=at)
    platform, slug = story.plan
    plan = Plan.objects.get(offering__platform__slug=platform, slug=slug)
    workload = Workload.from_params(story.workload)
    sponsorship.save_line(request, plan=plan, workload=workload, by=ben, at=at)
    sponsorship.save_period(request, starts_on=at.date(), by=ben, at=at)
    sponsorship.save_case(request, science_case=story.summary, by=ben, at=at)
    sponsorship.save_declarations(request, non_commercial=True, no_provider_tie=True, will_publish=True, by=ben, at=at)
    sponsorship.submit(request, by=ben, at=at)
    award = provisioning.grant(request, reason="Good science, and published openly.", by=maria, at=at)
    allocation = award.allocations.get()
    _as_the_worker_does(allocation, "activate", at=at, active_from=at, external_id=f"demo:{allocation.reference}")
    if platform == "demo-batch":
        transaction.on_commit(partial(_tell_platform, allocation))
    return allocation


def _as_the_worker_does(allocation: Allocation, step: str, *, at: datetime, **there: Any) -> None:
    allocation.operations.filter(status=OperationStatus.QUEUED).update(
        status=OperationStatus.SUCCEEDED, attempts=1, finished_at=at
    )
    ALLOCATION.advance(allocation, step, by=WORKER, at=at, **there)


def _tell_platform(allocation: Allocation) -> None:
    """The simulated platform has what the allocation asks for, so that its page shows it."""
    platform = allocation.platform
    with connector_for(
        platform.connector,
        platform.connector_config,
        secret_name=platform.connector_secret,
        sealed=platform.connector_sealed,
    ) as connector:
        grant = connector.ensure(order_for(allocation))
    Allocation.objects.filter(pk=allocation.pk).update(external_id=grant.external_id, access_url=grant.access_url)


def _a_week(story: Story, allocation: Allocation, *, begin: datetime, until: datetime) -> None:
    """Report the week's usage, and end the allocation when its time has come."""
    end = None if story.ends_after is None else begin + timedelta(days=story.ends_after)
    if end is not None and until - timedelta(days=7) >= end:
        return
    last = until if end is None else min(until, end)
    lines = list(_lines(story, allocation, since=max(begin, until - timedelta(days=7)), until=last))
    record_usage(allocation.platform, lines, channel=Channel.POLL, by=WORKER, at=until)
    if end is not None and until >= end:
        leader = allocation.award.project.memberships.get(role="pi").user
        provisioning.end(allocation, reason="The atlas is published.", by=leader, at=until)
        _as_the_worker_does(allocation, "close", at=until, usage_until=until + provisioning.LATE_USAGE_WITHIN)
        provisioning.close_usage(allocation, by=WORKER, at=until)


def _lines(story: Story, allocation: Allocation, *, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    """A line a day and component: less at weekends, uneven as people are, the same whenever it is made."""
    chance = random.Random(f"{story.title} {since:%Y%m%d}")  # noqa: S311  # invented figures, no secret
    days = max(1, (until - since).days)
    quoted = {line["metric"]: (line["label"], Decimal(line["quantity"])) for line in allocation.quote["lines"]}
    whole_days = allocation.quote["months"] * 30
    for number in range(days):
        day = datetime.combine((since + timedelta(days=number)).date(), time(9), tzinfo=UTC)
        if day < since or day + timedelta(hours=8) > until:
            day = since + timedelta(days=number)
        weekend = 0.15 if day.weekday() >= 5 else 1.3
        for metric, (label, quantity) in quoted.items():
            worked = 1.0 if metric == "gb_month" else weekend * (0.4 + math.sqrt(chance.random()))
            used = quantity / whole_days * Decimal(f"{story.pace * worked:.3f}")
            yield {
                "id": f"{allocation.reference}:{metric}:{day:%Y-%m-%dT%H}",
                "allocation": allocation.reference,
                "component": label,
                "quantity": used.quantize(Decimal("0.001")),
                "unit": str(metric),
                "used_from": day,
                "used_until": day + timedelta(hours=6),
                "person": "" if metric == "gb_month" else chance.choice(["ben", "ben", "alice"]),
            }


def _month_end(users: Mapping[str, User], *, at: datetime) -> None:
    """Statements of the month that is over; the provider's older ones go on to payment, one step for each month."""
    petra, maria = users["petra"], users["maria"]
    statements.issue_due(by=CLOCK, at=at)
    hers = (
        Statement.objects.filter(provider__slug="demo-hub-provider")
        .select_related("provider", "call")
        .order_by("month")
    )
    steps: dict[str, Callable[[Statement], None]] = {
        StatementStatus.ISSUED: lambda each: statements.answer(each, {}, by=petra, at=at),
        StatementStatus.AGREED: lambda each: statements.approve(each, by=maria, at=at),
        StatementStatus.APPROVED: lambda each: statements.add_invoice(
            each, number=f"DHP-{each.pk:04d}", by=petra, at=at
        ),
        StatementStatus.INVOICED: lambda each: statements.record_payment(
            each, paid_on=at.date(), reference="SEPA credit transfer", by=maria, at=at
        ),
    }
    for place, statement in enumerate(hers):
        # The oldest is paid, the next one waits for its invoice, the newest for her answer.
        for _ in range(max(0, 4 - 2 * place) if at.day <= 7 else 0):
            status = Statement.objects.get(pk=statement.pk).status
            if status in steps and not (place == len(hers) - 1 and status == StatementStatus.ISSUED):
                statement.refresh_from_db()
                steps[status](statement)
