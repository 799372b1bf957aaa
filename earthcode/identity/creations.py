"""Making a thing once, however often the form that makes it is sent.

A form that makes something carries a key, made when it was opened. The action that makes the thing asks :func:`made` before
it checks or writes anything, and says so with :func:`note` once the thing is there::

    @transaction.atomic
    def start(*, title: str, key: UUID | None = None, by: User, at: datetime) -> Thing:
        if (made := creations.made(Thing, key=key, by=by)) is not None:
            return made
        ...
        creations.note(thing, key=key, by=by, at=at)

Of two equal requests at the same moment the second waits for the first and is given what it made. Without a key each call
makes a thing of its own. A key is its person's: the same key of somebody else is another one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.db import connection, models, transaction

from earthcode.identity.models import Creation, User
from earthcode.lib.errors import Refused

Thing = TypeVar("Thing", bound=models.Model)


class KeyUsed(Refused):
    """This form has made something else, or what it made is gone."""

    code = "key_used"


def made(model: type[Thing], *, key: UUID | None, by: User) -> Thing | None:
    """What this person made with this key; None where nothing was made yet, and then nobody else does before we do.

    Must run inside the transaction that makes the thing. Raises ``KeyUsed`` where the key made a thing of another kind, or
    one that was removed since.
    """
    if key is None:
        return None
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("a creation is looked up in the transaction that makes it")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"creation {by.pk} {key}"])
    creation = Creation.objects.filter(by=by, key=key).first()
    if creation is None:
        return None
    thing = model._default_manager.filter(pk=creation.made).first() if creation.kind == model._meta.label else None
    if thing is None:
        raise KeyUsed("This form was sent before, and what it made is gone. Open it again to make another.")
    return thing


@transaction.atomic
def once(model: type[Thing], make: Callable[[], Thing], *, key: UUID | None, by: User, at: datetime) -> Thing:
    """What ``make`` makes, or has made with this key before: for what takes several actions to make."""
    thing = made(model, key=key, by=by)
    if thing is None:
        thing = make()
        note(thing, key=key, by=by, at=at)
    return thing


def note(thing: models.Model, *, key: UUID | None, by: User, at: datetime) -> None:
    """Remember that this key made this thing."""
    if key is not None:
        Creation.objects.create(by=by, key=key, kind=thing._meta.label, made=str(thing.pk), at=at)
