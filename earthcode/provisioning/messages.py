"""What people are told about allocations: the event, the number, and what to do."""

from collections.abc import Iterable
from datetime import UTC, datetime

from django.db.models import QuerySet
from django.urls import reverse

from earthcode.catalogue import connecting
from earthcode.connectors.base import Ask, Running, SuspendStep, Suspension
from earthcode.connectors.manual import Manual
from earthcode.identity.models import User
from earthcode.identity.roles import ProjectRole, Role
from earthcode.lib.money import as_text
from earthcode.notifications import actions as notifications
from earthcode.notifications.actions import Recipient
from earthcode.provisioning.models import Allocation, Operation, OperationKind, Task


def placed(allocation: Allocation, *, at: datetime) -> None:
    """To the provider's administrators: somebody comes to their platform.

    They see the order and its people, not what was asked and decided before it.
    """
    if connecting.kind_of(allocation.platform) == Manual.kind:
        return  # they are asked to set it up, and told when that is due
    project = allocation.award.project
    leader = _principal_investigator(allocation).select_related("organisation").first()
    home = leader.organisation if leader else None
    who = f"{project} ({home})" if home else str(project)
    _send(
        _administrators(allocation),
        allocation,
        key="placed",
        subject=f"New order for {allocation.plan.offering}",
        body=f"{allocation.plan}, for {who}: {as_text(allocation.amount)} credits "
        f"until {allocation.ends_on:%-d %B %Y}. Access is being set up; you need not do anything.",
        at=at,
    )


def ready(allocation: Allocation, *, at: datetime) -> None:
    """To the project's people: access is there."""
    _send(
        _project_people(allocation),
        allocation,
        key="ready",
        subject=f"{allocation.plan.offering} is ready for you",
        body=f"Access to {allocation.plan}, on {allocation.platform}, is set up until {allocation.ends_on:%-d %B %Y}. "
        "Open the platform from the page of your allocation and sign in as you do here.",
        at=at,
    )


def became_tied(allocation: Allocation, *, user: User, at: datetime) -> None:
    """To the ESA managers: somebody of the provider is in the project that pays it."""
    provider = allocation.platform.provider
    _send(
        User.objects.filter(role_grants__role=Role.ESA_MANAGER, is_active=True).distinct(),
        allocation,
        key=f"tied:{user.public_id}",
        subject="conflict of interest",
        body=f"{user} joined {allocation.award.project} and belongs to {provider}, which is paid for {allocation.plan}. "
        "Access goes on until you end it: look at the allocation and decide.",
        at=at,
    )


def failed(operation: Operation, *, at: datetime) -> None:
    """To all of the project, and to those who can try again."""
    allocation = operation.allocation
    what = {
        OperationKind.PROVISION: "Access could not be set up",
        OperationKind.SYNC_PEOPLE: "Who has access could not be updated",
        OperationKind.CHANGE: "The change could not be made",
        OperationKind.SUSPEND: "Access could not be suspended",
        OperationKind.RESUME: "Access could not be resumed",
        OperationKind.DEPROVISION: "Access could not be removed",
    }[OperationKind(operation.kind)]
    _send(
        _project_people(allocation),
        allocation,
        key=f"failed:{operation.key}:{operation.retries}",
        subject=f"{what} for {allocation.plan.offering}",
        body=f"{operation.error} {who_was_told(allocation)}",
        at=at,
    )
    _send(
        _those_who_can_retry(allocation),
        allocation,
        key=f"failed:{operation.key}:{operation.retries}",
        subject=f"{what} for {allocation.plan.offering}",
        body=f"{operation.error} Please look into it, and try again from the page of the allocation.",
        at=at,
    )


def asked(task: Task, *, at: datetime) -> None:
    """To those on whose desk it lies, and where that is ESA's in place of the provider's, the message says so."""
    allocation = task.operation.allocation
    _send(
        _those_who_can_retry(allocation),
        allocation,
        key=f"asked:{task.pk}",
        subject=f"{_what_is_asked(task)}: {allocation.plan.offering}",
        body=f"{_what_is_asked(task)} for {allocation.award.project}: {allocation.plan}, until "
        f"{allocation.ends_on:%-d %B %Y}. It is due by {task.due_on:%-d %B %Y}.{_in_place_of(allocation)} "
        "Confirm or decline it on its page.",
        link=reverse("desk_task", args=[task.pk]),
        at=at,
    )


def reminded(task: Task, *, at: datetime) -> None:
    """To those on whose desk it still lies."""
    allocation = task.operation.allocation
    late = at.astimezone(UTC).date() > task.due_on
    _send(
        _those_who_can_retry(allocation),
        allocation,
        key=f"reminded:{task.pk}:{task.reminded_on}",
        subject=f"{'Overdue' if late else 'Due soon'}: {_what_is_asked(task).lower()} for {allocation.plan.offering}",
        body=f"It was promised by {task.due_on:%-d %B %Y}, and {allocation.award.project} is waiting. "
        "Confirm or decline it on its page.",
        link=reverse("desk_task", args=[task.pk]),
        at=at,
    )


def suspended(allocation: Allocation, outcome: Suspension, *, at: datetime) -> None:
    """To the project's people: what they cannot do any more, and what goes on."""
    cannot = {
        SuspendStep.NO_NEW_WORK: "Nothing new can be started.",
        SuspendStep.READ_ONLY: "What is stored can be read and removed, and nothing can be added.",
        SuspendStep.STOP_RUNNING: "Nothing can be started.",
    }[outcome.step]
    running = {
        Running.CONTINUES: "What is running goes on.",
        Running.STOPPED: "What was running was stopped.",
        Running.UNKNOWN: "The platform did not say what becomes of running work.",
    }[outcome.running]
    _send(
        _project_people(allocation),
        allocation,
        key=f"suspended:{outcome.step}:{at:%Y%m%d%H%M%S%f}",
        subject=f"Access to {allocation.plan.offering} is suspended",
        body=f"{cannot} {running} Nothing was deleted.",
        at=at,
    )


def resumed(allocation: Allocation, *, at: datetime) -> None:
    """To the project's people: it works again."""
    _send(
        _project_people(allocation),
        allocation,
        key=f"resumed:{at:%Y%m%d%H%M%S%f}",
        subject=f"Access to {allocation.plan.offering} is resumed",
        body=f"{allocation.plan} can be used again until {allocation.ends_on:%-d %B %Y}.",
        at=at,
    )


def delayed(operation: Operation, *, at: datetime) -> None:
    """To those who can look into it: something we go on trying has failed often."""
    allocation = operation.allocation
    _send(
        _those_who_can_retry(allocation),
        allocation,
        key=f"delayed:{operation.key}:{operation.retries}",
        subject=f"{operation.get_kind_display()}: still not done for {allocation.plan.offering}",
        body=f"{operation.error} It was tried {operation.attempts} times, and we go on trying.",
        at=at,
    )


def ended(allocation: Allocation, *, at: datetime) -> None:
    """To the project's people: access is gone."""
    if allocation.is_awaiting_usage:
        rest = (
            "What was not used goes back to your award when the last usage is in, "
            f"on {allocation.usage_until:%-d %B %Y} at the latest."
        )
    else:
        rest = "Its credits are back with your award."
    _send(
        _project_people(allocation),
        allocation,
        key="ended",
        subject=f"Access to {allocation.plan.offering} has ended",
        body=f"{allocation.plan}: {allocation.end_reason} {rest}",
        at=at,
    )


def usage_closed(allocation: Allocation, *, at: datetime) -> None:
    """To the principal investigator: the credits that are left can be used elsewhere."""
    _send(
        _principal_investigator(allocation),
        allocation,
        key="usage-closed",
        subject=f"The last usage of {allocation.plan.offering} is in",
        body="What was not used is back with your award, or with the call if the award is over.",
        at=at,
    )


def _what_is_asked(task: Task) -> str:
    return {
        Ask.ENSURE: "Set up access",
        Ask.CHANGE: "Change an allocation",
        Ask.SUSPEND: "Suspend access",
        Ask.RESUME: "Resume access",
        Ask.PEOPLE: "Update who has access",
        Ask.REVOKE: "Remove access",
        Ask.USAGE: "Report usage",
    }[Ask(task.asks)]


def _in_place_of(allocation: Allocation) -> str:
    if _administrators(allocation).exists():
        return ""
    return f" {allocation.platform.provider} has nobody here, so you are asked in its place."


def who_was_told(allocation: Allocation) -> str:
    """Only who really was."""
    if _administrators(allocation).exists():
        return f"{allocation.platform.provider} has been notified and can try again."
    if connecting.operators_of_esa().exists():
        return f"{allocation.platform.provider} has nobody here; ESA has been notified and can try again."
    return "Nobody here can try again yet. Write to the NoR helpdesk."


def _project_people(allocation: Allocation) -> Iterable[User]:
    return User.objects.filter(memberships__project=allocation.award.project, is_active=True)


def _principal_investigator(allocation: Allocation) -> QuerySet[User]:
    return User.objects.filter(
        memberships__project=allocation.award.project, memberships__role=ProjectRole.PI, is_active=True
    )


def _those_who_can_retry(allocation: Allocation) -> Iterable[User]:
    """The provider's administrators or, where it has none here, the ESA managers."""
    return _administrators(allocation) or User.objects.filter(is_active=True, role_grants__role=Role.ESA_MANAGER)


def _administrators(allocation: Allocation) -> QuerySet[User]:
    return User.objects.filter(
        is_active=True,
        role_grants__role=Role.PROVIDER_ADMINISTRATOR,
        role_grants__organisation=allocation.platform.provider,
    )


def _send(
    people: Iterable[User], allocation: Allocation, *, key: str, subject: str, body: str, at: datetime, link: str = ""
) -> None:
    for person in people:
        notifications.send(
            key=f"{allocation.reference}:{key}:{person.public_id}",
            to=Recipient(person.public_id, person.email),
            subject=f"{allocation.reference}: {subject}",
            body=body,
            link=link or allocation.get_absolute_url(),
            at=at,
        )
