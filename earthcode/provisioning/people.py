"""Who is in a project, and with it who has access on its platforms: one transaction for both."""

from datetime import datetime

from django.db import transaction

from earthcode.identity import projects
from earthcode.identity.models import Membership, Project, User
from earthcode.provisioning import ties
from earthcode.provisioning.actions import people_changed


@transaction.atomic
def add_member(project: Project, *, user: User, by: User, at: datetime) -> Membership:
    """Add a person to the project and to whatever it is using; ESA is told where the person belongs to who is paid for it."""
    membership = projects.add_member(project, user=user, by=by, at=at)
    if membership.since == at:
        ties.tell_of_new(project, user=user, at=at)
    people_changed(project, by=by, at=at)
    return membership


@transaction.atomic
def remove_member(project: Project, *, user: User, by: User, at: datetime) -> None:
    """Take a person out of the project and their access away on its platforms."""
    projects.remove_member(project, user=user, by=by, at=at)
    people_changed(project, by=by, at=at)
