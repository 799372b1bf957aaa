"""What people at a provider are asked to do, and what they answer: the platform's desk.

A task belongs to an operation that waits for it. Answering it is one transaction with putting the operation back in the
queue; the worker then carries it out with the answer, as it would with what an API says.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlsplit

from django.db import transaction

from earthcode.audit import actions as audit
from earthcode.audit.actors import WORKER
from earthcode.catalogue import connecting
from earthcode.connectors.base import Answer, Ask
from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.lib.errors import InvalidInput, NotPermitted
from earthcode.lib.wake import wake_after_commit
from earthcode.lifecycle import WrongState
from earthcode.provisioning import actions, messages
from earthcode.provisioning.events import TaskEvent
from earthcode.provisioning.models import Allocation, Operation, OperationStatus, Task, TaskStatus

#: Without a promise of the platform's own.
PROMISE_DAYS = 10
FACTS_MAX = 10
TEXT_MAX = 500


def ask(operation: Operation, asks: Ask, *, at: datetime) -> Task:
    """Put the operation on the desk; asking again while it lies there changes nothing. In the runner's transaction."""
    found = operation.tasks.open().first()
    if found is not None:
        return found
    set_up = connecting.set_up_possible(operation.allocation.platform)
    task = Task.objects.create(
        operation=operation,
        asks=asks.value,
        created_at=at,
        due_on=_working_days_after(at.astimezone(UTC).date(), set_up.promise_days or PROMISE_DAYS),
    )
    audit.record(TaskEvent.ASK, by=WORKER, about=operation.allocation, at=at, data={"asks": asks.value})
    messages.asked(task, at=at)
    return task


@transaction.atomic
def confirm(
    task: Task,
    *,
    access_url: str = "",
    external_id: str = "",
    facts: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
    by: User,
    at: datetime,
) -> None:
    """It is done: where people go, what it is called there, facts worth showing (label → text), what each person is called
    (subject of the single sign-on → name). Setting up needs a place to go. A second time the first answer stays."""
    operation = _lock(task, by=by)
    if task.status == TaskStatus.DONE:
        return
    if task.status != TaskStatus.OPEN:
        raise WrongState("This is not waiting for an answer any more. Load the page again.")
    access_url = access_url.strip()
    if not access_url and task.asks == Ask.ENSURE:
        raise InvalidInput("Give the address where the project's people go.", field="access_url")
    if access_url and (urlsplit(access_url).scheme not in {"https", "http"} or not urlsplit(access_url).hostname):
        raise InvalidInput("Give a full web address, beginning with https://.", field="access_url")
    if len(facts or {}) > FACTS_MAX or any(len(f"{k}{v}") > TEXT_MAX for k, v in (facts or {}).items()):
        raise InvalidInput(f"At most {FACTS_MAX} facts of {TEXT_MAX} letters each.", field="facts")
    task.access_url, task.external_id = access_url, external_id.strip()[:200]
    task.facts, task.names = dict(facts or {}), dict(names or {})
    _answered(task, operation, TaskStatus.DONE, by=by, at=at)
    audit.record(TaskEvent.CONFIRM, by=by, about=operation.allocation, at=at, data={"asks": task.asks})


@transaction.atomic
def decline(task: Task, *, reason: str, by: User, at: datetime) -> None:
    """It will not be done, and why: the project reads it."""
    operation = _lock(task, by=by)
    reason = reason.strip()
    if task.status == TaskStatus.DECLINED:
        return
    if task.status != TaskStatus.OPEN:
        raise WrongState("This is not waiting for an answer any more. Load the page again.")
    if not reason:
        raise InvalidInput("Give a reason: the project reads it.", field="reason")
    task.reason = reason[:TEXT_MAX]
    _answered(task, operation, TaskStatus.DECLINED, by=by, at=at)
    audit.record(TaskEvent.DECLINE, by=by, about=operation.allocation, at=at, data={"asks": task.asks})


def answers_of(operation: Operation) -> tuple[Answer, ...]:
    """What was said since the operation was asked for or tried again, oldest first."""
    found = operation.tasks.filter(counts=True, status__in=(TaskStatus.DONE, TaskStatus.DECLINED)).order_by("pk")
    return tuple(
        Answer(
            asks=Ask(each.asks),
            done=each.status == TaskStatus.DONE,
            reason=each.reason,
            access_url=each.access_url,
            external_id=each.external_id,
            facts=each.facts,
            names=each.names,
        )
        for each in found
    )


def remind(*, at: datetime) -> int:
    """Remind of what is due tomorrow or overdue, once a day; returns of how many."""
    today = at.astimezone(UTC).date()
    due = Task.objects.open().filter(due_on__lte=today + timedelta(days=1)).exclude(reminded_on=today).order_by("pk")
    reminded = 0
    for task in due:
        with transaction.atomic():
            locked = Task.objects.select_for_update(no_key=True, of=("self",)).get(pk=task.pk)
            if locked.status != TaskStatus.OPEN or locked.reminded_on == today:
                continue
            locked.reminded_on = today
            locked.save(update_fields=["reminded_on"])
            messages.reminded(locked, at=at)
            reminded += 1
    return reminded


def _lock(task: Task, *, by: User) -> Operation:
    if not by.may(Permission.OPERATION_RETRY, task):
        raise NotPermitted("Only the provider's administrators and ESA answer this.")
    # The allocation first, as all actions do.
    Allocation.objects.select_for_update(no_key=True, of=("self",)).get(pk=task.operation.allocation_id)
    locked = Task.objects.select_for_update(no_key=True, of=("self",)).get(pk=task.pk)
    task.refresh_from_db(from_queryset=Task.objects.filter(pk=locked.pk))
    return Operation.objects.select_related("allocation__platform").get(pk=task.operation_id)


def _answered(task: Task, operation: Operation, status: TaskStatus, *, by: User, at: datetime) -> None:
    task.status, task.answered_at, task.answered_by = status, at, by
    task.save()
    if operation.status == OperationStatus.NEEDS_PERSON:
        operation.status, operation.due_at = OperationStatus.QUEUED, at
        operation.save(update_fields=["status", "due_at"])
        wake_after_commit(actions.RUN_OPERATIONS)


def _working_days_after(day: date, days: int) -> date:
    while days > 0:
        day += timedelta(days=1)
        if day.weekday() < 5:
            days -= 1
    return day
