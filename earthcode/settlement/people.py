"""A person is deactivated, or their data erased. Here and not with the people: much of what a person is part of lies above.

Erasing leaves what happened: ids, decisions, entries and events stay, and with them a pseudonym. The person's names and address
are replaced in every row that can be changed, and in the words of the audit trail, whose chain goes on to hold.
docs/decisions/people-and-the-trail.md says what stays and why.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.db.models import Q

from earthcode.audit import actions as audit
from earthcode.identity.events import UserEvent
from earthcode.identity.models import Membership, Project, RoleGrant, User
from earthcode.identity.roles import Permission, ProjectRole
from earthcode.lib.errors import NotPermitted, Refused
from earthcode.notifications.models import Message
from earthcode.provisioning.actions import people_changed
from earthcode.provisioning.models import Allocation, Task
from earthcode.sponsorship.models import Award, RequestStatus, ResourceRequest

#: A shorter name is replaced in the person's own row only: it is a part of too many words.
NAME_MIN = 5


class StillNeeded(Refused):
    """The person is what something open depends on."""

    code = "person_still_needed"


@dataclass(frozen=True)
class Erased:
    """The pseudonym that stands for the person, and the tables whose rows nobody may change and which name them still."""

    pseudonym: str
    left_in: tuple[str, ...]


@transaction.atomic
def deactivate(person: User, *, by: User, at: datetime) -> None:
    """End all of a person's access: sessions, tokens, and what they have on platforms. Doing it again changes nothing.

    Raises ``NotPermitted``, also for one's own account.
    """
    _require(by, person)
    locked = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    if not locked.is_active:
        return
    _end_access(locked, by=by, at=at)
    audit.record(UserEvent.DEACTIVATE, by=by, about=locked, at=at)
    person.is_active = False


def _end_access(person: User, *, by: User, at: datetime) -> None:
    person.is_active = False
    person.save(update_fields=["is_active"])
    person.sign_ins.all().delete()
    for project in Project.objects.filter(memberships__user=person).order_by("pk"):
        people_changed(project, by=by, at=at)


@transaction.atomic
def erase(person: User, *, by: User, at: datetime) -> Erased:
    """Deactivate a person and put a pseudonym in place of their names and address.

    Raises ``NotPermitted``, and ``StillNeeded`` while they lead a project with an open request or award or have a role given to
    them. What they decided stays, under the pseudonym.
    """
    _require(by, person)
    locked = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    _refuse_while_needed(locked, at=at)
    if locked.is_active:
        _end_access(locked, by=by, at=at)

    pseudonym = f"Erased person {locked.public_id.hex[:8]}"
    names = [name for name in (locked.full_name, locked.email, locked.preferred_username) if name]
    in_texts = [name for name in names if len(name) >= NAME_MIN and name != locked.preferred_username]
    Membership.objects.filter(user=locked).exclude(role=ProjectRole.PI).delete()
    Message.objects.filter(recipient=locked.public_id).delete()
    for model in ("account.EmailAddress", "socialaccount.SocialAccount"):
        apps.get_model(model)._default_manager.filter(user=locked).delete()
    _forget_platform_names(locked)
    locked.full_name, locked.email, locked.preferred_username = pseudonym, "", ""
    locked.subject = f"erased:{locked.public_id}"
    locked.organisation = None
    locked.save(update_fields=["full_name", "email", "preferred_username", "subject", "organisation"])
    left_in = _replace(in_texts, pseudonym)
    events = audit.forget(locked.audit_id, names=in_texts, pseudonym=pseudonym)
    audit.record(UserEvent.ERASE, by=by, about=locked, at=at, data={"events": events, "left_in": left_in})
    person.refresh_from_db()
    return Erased(pseudonym, tuple(left_in))


def _forget_platform_names(person: User) -> None:
    """What the person was called on platforms: stated by them, or said by the platform or its people."""
    person.platform_usernames.all().delete()
    for model in (Allocation, Task):
        for named in model._default_manager.filter(names__has_key=person.subject).order_by("pk"):
            del named.names[person.subject]
            named.save(update_fields=["names"])


def _require(by: User, person: User) -> None:
    if not by.may(Permission.PEOPLE_MANAGE):
        raise NotPermitted("Only ESA managers can deactivate or erase people.")
    if by.pk == person.pk:
        raise NotPermitted("Nobody deactivates or erases themselves. Ask another manager.")


def _refuse_while_needed(person: User, *, at: datetime) -> None:
    leads = Q(project__memberships__user=person, project__memberships__role=ProjectRole.PI)
    award = Award.objects.filter(leads, ends_on__gte=at.date()).order_by("pk").first()
    if award is not None:
        raise StillNeeded(f"{person} leads the project of {award}, which runs until {award.ends_on.isoformat()}.")
    live = Allocation.objects.live().filter(
        award__project__memberships__user=person, award__project__memberships__role=ProjectRole.PI
    )
    if (allocation := live.order_by("pk").first()) is not None:
        raise StillNeeded(f"{person} leads the project of {allocation.reference}, which has not ended.")
    undecided = ResourceRequest.objects.filter(leads, status__in=[RequestStatus.IN_REVIEW, RequestStatus.INFO_NEEDED])
    if (sent := undecided.order_by("pk").first()) is not None:
        raise StillNeeded(f"{person} leads the project of {sent.reference}, which has not been decided.")
    if (grant := RoleGrant.objects.filter(user=person).order_by("pk").first()) is not None:
        raise StillNeeded(f"{person} has the role “{grant.get_role_display()}”. Remove it first, where it was given.")


#: Columns that may contain words, of the tables that are not the audit trail's or the books'.
_COLUMNS = r"""
    SELECT relname, attname, format_type(atttypid, NULL), CASE WHEN atttypid = 'varchar'::regtype THEN atttypmod - 4 END
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
      AND atttypid IN ('text'::regtype, 'varchar'::regtype, 'jsonb'::regtype, 'text[]'::regtype, 'varchar[]'::regtype)
      AND relname NOT LIKE 'audit\_%' AND has_table_privilege(pg_class.oid, 'SELECT')
    ORDER BY relname, attnum
"""


def _replace(names: list[str], pseudonym: str) -> list[str]:
    """Replace names wherever the database lets us; returns the tables that have one and keep it."""
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS)
        columns = cursor.fetchall()
    left_in = {
        table
        for table, column, kind, length in columns
        for name in names
        if not _replaced(table, column, kind, length, name=name, pseudonym=pseudonym)
    }
    return sorted(left_in)


def _replaced(table: str, column: str, kind: str, length: int | None, *, name: str, pseudonym: str) -> bool:
    """Replace one name in one column; False where the rows cannot be changed."""
    quoted_table, quoted = connection.ops.quote_name(table), connection.ops.quote_name(column)
    if kind == "jsonb":  # as it stands between the quotes of JSON
        name = json.dumps(name, ensure_ascii=False)[1:-1]
    changed = f"replace({quoted}::text, %s, %s)"
    changed = f"left({changed}, {length})" if length and kind == "character varying" else f"{changed}::{kind}"
    where = f"strpos({quoted}::text, %s) > 0"
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SELECT EXISTS (SELECT FROM {quoted_table} WHERE {where})", [name])  # noqa: S608
            if cursor.fetchone()[0]:
                statement = f"UPDATE {quoted_table} SET {quoted} = {changed} WHERE {where}"  # noqa: S608
                cursor.execute(statement, [name, pseudonym, name])
    except DatabaseError:  # what was promised or decided is kept as it was written
        return False
    return True
