"""What people are told about requests and decisions: the event, the number, and what to do."""

from collections.abc import Iterable
from datetime import datetime

from django.urls import reverse

from earthcode.identity.models import User
from earthcode.identity.roles import Role
from earthcode.lib.money import as_text
from earthcode.notifications import actions as notifications
from earthcode.notifications.actions import Recipient
from earthcode.sponsorship.models import CallFunding, Decision, ResourceRequest


def sent(resource_request: ResourceRequest, *, at: datetime) -> None:
    """To the managers, and to the Technical Officer where their endorsement is wanted.

    A manager who sent it knows of it, and may not decide on it.
    """
    managers = User.objects.filter(role_grants__role=Role.ESA_MANAGER, is_active=True)
    _send(
        [manager for manager in managers if manager != resource_request.submitted_by],
        resource_request,
        key=f"sent:{at.isoformat()}",
        subject=f"New request for {as_text(resource_request.amount)} credits",
        body=f"{resource_request.title}, by {resource_request.submitted_by}. Decide by {resource_request.decide_by:%-d %B %Y}.",
        link=reverse("review_request", args=[resource_request.reference]),
        at=at,
    )
    project = resource_request.project
    if project and project.technical_officer and resource_request.checks.filter(code="endorsement").exists():
        _send(
            [project.technical_officer],
            resource_request,
            key=f"endorse:{at.isoformat()}",
            subject="Your endorsement is asked for",
            body=f"{resource_request.title} asks for a platform that needs your endorsement.",
            link=resource_request.get_absolute_url(),
            at=at,
        )


def funding_proposed(funding: CallFunding, *, at: datetime) -> None:
    """To the other managers, one of whom has to agree."""
    credits = f"{as_text(funding.amount)} credits"
    proposer = funding.proposed_by or "The operator of the site"
    source = f"from {funding.source}" if funding.source else "from a sponsor"
    for manager in User.objects.filter(role_grants__role=Role.ESA_MANAGER, is_active=True):
        if manager.pk == funding.proposed_by_id:
            continue
        notifications.send(
            key=f"funding:{funding.key}:{manager.public_id}",
            to=Recipient(manager.public_id, manager.email),
            subject=f"{funding.call}: {credits} wait for a second manager",
            body=f"{proposer} proposes {credits} {source}.\n\n{funding.reason}",
            at=at,
        )


def decided(decision: Decision, *, subject: str) -> None:
    """To the project's people."""
    resource_request = decision.resource_request
    assert resource_request.project is not None
    _send(
        User.objects.filter(memberships__project=resource_request.project),
        resource_request,
        key=f"decision:{decision.pk}",
        subject=subject,
        body=f"{resource_request.title}\n\n{decision.reason}",
        link=resource_request.get_absolute_url(),
        at=decision.at,
    )


def _send(
    people: Iterable[User],
    resource_request: ResourceRequest,
    *,
    key: str,
    subject: str,
    body: str,
    link: str,
    at: datetime,
) -> None:
    for person in people:
        notifications.send(
            key=f"{resource_request.reference}:{key}:{person.public_id}",
            to=Recipient(person.public_id, person.email),
            subject=f"{resource_request.reference}: {subject}",
            body=body,
            link=link,
            at=at,
        )
