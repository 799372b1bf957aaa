"""What those who publish and those who approve tell each other."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q, QuerySet
from django.urls import reverse

from earthcode.identity.models import User
from earthcode.identity.roles import Role
from earthcode.notifications import actions as notifications
from earthcode.notifications.actions import Recipient
from earthcode.publishing.models import Draft


def submitted(draft: Draft, *, at: datetime) -> None:
    """To the ESA managers who may decide on it."""
    provider = draft.platform.provider
    managers = User.objects.filter(role_grants__role=Role.ESA_MANAGER, is_active=True)
    _send(
        managers.exclude(Q(organisation=provider) | Q(role_grants__organisation=provider)).distinct(),
        draft,
        key=f"submitted:{at.isoformat()}",
        subject=f"{provider} asks you to approve “{draft}”",
        body=draft.note or "The page shows what would be different.",
        link=reverse("offering_approval", args=[draft.pk]),
        at=at,
    )


def approved(draft: Draft, *, at: datetime) -> None:
    """To the provider's administrators."""
    assert draft.offering is not None
    _send(
        administrators(draft),
        draft,
        key="approved",
        subject=f"“{draft}” is public",
        body=draft.comment or "ESA approved it.",
        link=draft.offering.get_absolute_url(),
        at=at,
    )


def sent_back(draft: Draft, *, at: datetime) -> None:
    """To the provider's administrators."""
    _send(
        administrators(draft),
        draft,
        key=f"sent_back:{at.isoformat()}",
        subject=f"ESA returned “{draft}”",
        body=draft.comment,
        link=draft.get_absolute_url(),
        at=at,
    )


def administrators(draft: Draft) -> QuerySet[User]:
    return User.objects.filter(
        is_active=True,
        role_grants__role=Role.PROVIDER_ADMINISTRATOR,
        role_grants__organisation=draft.platform.provider_id,
    ).distinct()


def _send(people: Iterable[User], draft: Draft, *, key: str, subject: str, body: str, link: str, at: datetime) -> None:
    for person in people:
        notifications.send(
            key=f"offering_draft:{draft.pk}:{key}:{person.public_id}",
            to=Recipient(person.public_id, person.email),
            subject=subject,
            body=body,
            link=link,
            at=at,
        )
