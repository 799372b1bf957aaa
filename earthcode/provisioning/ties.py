"""Allocations whose project is tied to the provider that is paid, by today's facts.

A request with a tie is found out when it is sent and when it is decided on. People and roles change afterwards: who joins a
project, who is named an administrator, whom somebody works for. So what runs is looked at anew each time somebody asks, and
ESA decides what becomes of it.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from earthcode.identity.models import Membership, Project, User
from earthcode.provisioning import messages
from earthcode.provisioning.models import Allocation

_OF_THE_PROVIDER = Q(user__organisation=OuterRef("platform__provider")) | Q(
    user__role_grants__organisation=OuterRef("platform__provider")
)


def tied(allocations: QuerySet[Allocation]) -> QuerySet[Allocation]:
    """Those of them whose project, or one of its people, belongs to or looks after the provider."""
    people = Membership.objects.filter(_OF_THE_PROVIDER, project=OuterRef("award__project"))
    return allocations.filter(Exists(people) | Q(award__project__organisation=F("platform__provider")))


def tied_people(allocation: Allocation) -> QuerySet[User]:
    """The people of the project who belong to the provider, or look after it."""
    provider = allocation.platform.provider_id
    return (
        User.objects.filter(memberships__project=allocation.award.project)
        .filter(Q(organisation=provider) | Q(role_grants__organisation=provider))
        .distinct()
        .order_by("full_name", "pk")
    )


def tell_of_new(project: Project, *, user: User, at: datetime) -> None:
    """Tell ESA of what runs and became a conflict of interest because this person joined the project."""
    running: Iterable[Allocation] = (
        Allocation.objects.live()
        .for_project(project)
        .filter(
            Q(platform__provider=user.organisation) | Q(platform__provider__in=user.role_grants.values("organisation"))
        )
        .select_related("platform__provider", "plan__offering", "award__project")
        .order_by("pk")
    )
    for allocation in running:
        messages.became_tied(allocation, user=user, at=at)
