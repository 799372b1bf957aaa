"""Projects and their people."""

from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.utils.text import slugify

from earthcode.audit import actions as audit
from earthcode.identity import creations
from earthcode.identity.events import ProjectEvent
from earthcode.identity.models import Membership, Organisation, Project, User
from earthcode.identity.roles import Permission, ProjectRole
from earthcode.lib.errors import InvalidInput, NotPermitted
from earthcode.lib.text import line, lines


@transaction.atomic
def create_project(
    *,
    title: str,
    summary: str = "",
    organisation: Organisation | None = None,
    technical_officer: User | None = None,
    key: UUID | None = None,
    by: User,
    at: datetime,
) -> Project:
    """A new project, led by whoever creates it. A project with a Technical Officer is an ESA-funded one.

    ``key`` as in ``creations``: the same one again returns the project that it made.
    """
    if (made := creations.made(Project, key=key, by=by)) is not None:
        return made
    title = line(title)
    if not title:
        raise InvalidInput("Enter a title for the project.", field="title")
    if not by.may(Permission.PROJECT_CREATE):
        raise NotPermitted("Your account cannot create projects.")
    project = Project.objects.create(
        slug=_free_slug(title),
        title=title,
        summary=lines(summary),
        organisation=organisation or by.organisation,
        esa_funded=technical_officer is not None,
        technical_officer=technical_officer,
        created_at=at,
    )
    Membership.objects.create(project=project, user=by, role=ProjectRole.PI, since=at)
    creations.note(project, key=key, by=by, at=at)
    by.forget_grants()
    audit.record(ProjectEvent.CREATE, by=by, about=project, at=at, data={"title": title})
    return project


@transaction.atomic
def change_project(project: Project, *, title: str, summary: str, by: User, at: datetime) -> None:
    """Give the project another title and summary; its address stays. What is the same already changes nothing."""
    title, summary = line(title), lines(summary)
    if not by.may(Permission.PROJECT_MANAGE, project):
        raise NotPermitted("Only the principal investigator changes what the project is called.")
    if not title:
        raise InvalidInput("Enter a title for the project.", field="title")
    # The trail keeps what was there before, so nobody may change it in between.
    before = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    changes: dict[str, str] = {}
    for name, value in (("title", title), ("summary", summary)):
        if (old := getattr(before, name)) != value:
            changes |= {name: value, f"{name}_before": old}
    project.title, project.summary = title, summary
    if changes:
        project.save(update_fields=["title", "summary"])
        audit.record(ProjectEvent.CHANGE, by=by, about=project, at=at, data=changes)


@transaction.atomic
def add_member(project: Project, *, user: User, by: User, at: datetime) -> Membership:
    """Add a person to the project; adding a member again changes nothing."""
    _require_management(project, by)
    membership, added = Membership.objects.get_or_create(
        project=project, user=user, defaults={"role": ProjectRole.MEMBER, "since": at}
    )
    if added:
        audit.record(
            ProjectEvent.ADD_MEMBER, by=by, about=project, at=at, data={"user": user.audit_id, "name": str(user)}
        )
    return membership


@transaction.atomic
def remove_member(project: Project, *, user: User, by: User, at: datetime) -> None:
    """Take a person out of the project; the principal investigator stays. Removing a stranger changes nothing."""
    _require_management(project, by)
    membership = Membership.objects.filter(project=project, user=user).first()
    if membership is None:
        return
    if membership.role == ProjectRole.PI:
        raise InvalidInput("A project keeps its principal investigator.", field="user")
    membership.delete()
    audit.record(
        ProjectEvent.REMOVE_MEMBER, by=by, about=project, at=at, data={"user": user.audit_id, "name": str(user)}
    )


def _require_management(project: Project, by: User) -> None:
    """One change of a project's people at a time, and none while its credits are placed; judged by today's roles."""
    Project.objects.select_for_update(no_key=True, of=("self",)).get(pk=project.pk)
    by.forget_grants()
    if not by.may(Permission.PROJECT_MANAGE, project):
        raise NotPermitted("Only the principal investigator changes who is in the project.")


def _free_slug(title: str) -> str:
    base = slugify(title)[:70].strip("-") or "project"
    # Two projects of one title at the same moment would find the same slug free.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('identity_project_slug'))")
    taken = set(Project.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    # The page for a new project has this address.
    taken.add("new")
    if base not in taken:
        return base
    return next(slug for number in range(2, len(taken) + 3) if (slug := f"{base}-{number}") not in taken)
