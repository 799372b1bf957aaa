"""What people are told about applications: the event, the number, and what to do."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q
from django.urls import reverse

from earthcode.identity.models import User
from earthcode.identity.roles import Role
from earthcode.notifications import actions as notifications
from earthcode.notifications.actions import Recipient
from earthcode.onboarding.models import Application, ItemStatus


def sent(application: Application, *, at: datetime) -> None:
    """To the ESA managers; one who sent it knows of it, and may not decide on it."""
    managers = User.objects.filter(role_grants__role=Role.ESA_MANAGER, is_active=True).distinct()
    _send(
        [manager for manager in managers if manager.pk != application.submitted_by_id],
        application,
        key="sent",
        subject="A provider applies",
        body=f"{application.title}, by {application.submitted_by}. Check the evidence item by item.",
        link=reverse("review_application", args=[application.reference]),
        at=at,
    )


def returned(application: Application, *, reason: str, at: datetime) -> None:
    items = [str(item) for item in application.items_in_order() if item.status == ItemStatus.RETURNED]
    _to_the_applicants(
        application,
        key="returned",
        subject="ESA needs more",
        body=f"{application.title}\n\n{reason}\n\nReturned: {', '.join(items)}.",
        at=at,
    )


def accepted(application: Application, *, reason: str, at: datetime) -> None:
    _to_the_applicants(
        application,
        key="accepted",
        subject=f"{application.organisation_name} is a provider now",
        body=f"{application.title}\n\n{reason}\n\n{application.created_by} looks after it and can name others.",
        at=at,
    )


def rejected(application: Application, *, reason: str, at: datetime) -> None:
    _to_the_applicants(
        application, key="rejected", subject="not accepted", body=f"{application.title}\n\n{reason}", at=at
    )


def _to_the_applicants(application: Application, *, key: str, subject: str, body: str, at: datetime) -> None:
    applicants = Q(pk=application.created_by_id)
    if application.organisation_id is not None:
        applicants |= Q(
            role_grants__role=Role.PROVIDER_ADMINISTRATOR, role_grants__organisation=application.organisation_id
        )
    people = User.objects.filter(applicants, is_active=True).distinct()
    _send(people, application, key=key, subject=subject, body=body, link=application.get_absolute_url(), at=at)


def _send(
    people: Iterable[User], application: Application, *, key: str, subject: str, body: str, link: str, at: datetime
) -> None:
    for person in people:
        notifications.send(
            key=f"{application.reference}:{key}:{at.isoformat()}:{person.public_id}",
            to=Recipient(person.public_id, person.email),
            subject=f"{application.reference}: {subject}",
            body=body,
            link=link,
            at=at,
        )
