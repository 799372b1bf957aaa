"""The trail is written in the transaction it tells of, and is never changed: not through the ORM, not through SQL."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from earthcode.audit import actions
from earthcode.audit.actors import CLOCK, Actor, System
from earthcode.audit.models import Event, Link
from earthcode.audit.queries import history_of
from earthcode.identity.models import Organisation, User
from tests.audit.conftest import Record
from tests.support.events import event as named

pytestmark = pytest.mark.django_db(transaction=True)

#: What the trigger raises.
APPEND_ONLY = "AU001"


def test_an_event_says_who_did_what_to_what_and_when(
    record: Record, institute: Organisation, alice: User, now: datetime
) -> None:
    event = record("organisation.rename", by=alice, data={"from": "Alpine", "to": "Alpine Institute"})

    event.refresh_from_db()
    assert (event.name, event.at) == ("organisation.rename", now)
    assert (event.actor_id, event.actor_name) == (f"user:{alice.public_id}", "Alice Martin")
    assert (event.subject_type, event.subject_id) == ("identity.organisation", str(institute.pk))
    assert event.subject_label == "Alpine Institute"
    assert event.data == {"from": "Alpine", "to": "Alpine Institute"}


def test_people_and_the_system_are_the_two_kinds_of_actors(alice: User) -> None:
    assert isinstance(alice, Actor)
    assert isinstance(CLOCK, Actor)
    assert (System("worker").audit_id, System("worker").audit_name) == ("system:worker", "System (worker)")
    assert not isinstance(object(), Actor)


def test_an_event_is_recorded_with_what_it_tells_of_or_not_at_all(institute: Organisation, now: datetime) -> None:
    @transaction.atomic
    def rename_and_fail() -> None:
        Organisation.objects.update(name="Another name")
        actions.record(named("organisation.rename"), by=CLOCK, about=institute, at=now)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        rename_and_fail()

    assert not Event.objects.exists()
    assert not Link.objects.exists()


def test_recording_outside_a_transaction_is_a_mistake(institute: Organisation, now: datetime) -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        actions.record(named("organisation.rename"), by=CLOCK, about=institute, at=now)

    assert not Event.objects.exists()


def test_the_history_of_things_is_what_was_recorded_about_them_in_order(
    record: Record, institute: Organisation, esa: Organisation
) -> None:
    first, other, last = record("a.first"), record("b.other", about=esa), record("c.last")

    assert list(history_of(institute)) == [first, last]
    assert list(history_of(institute, esa)) == [first, other, last]
    assert list(history_of()) == []


# --- append-only -----------------------------------------------------------------------------------------------------


def _save(event: Event) -> None:
    event.name = "something.else"
    event.save()


def _save_a_link(event: Event) -> None:
    link = Link.objects.get(event_id=event.pk)
    link.hash = b"other"
    link.save()


@pytest.mark.parametrize(
    "change",
    [
        _save,
        lambda event: event.delete(),
        lambda _: Event.objects.update(name="something.else"),
        lambda event: Event.objects.filter(pk=event.pk).update(data={}),
        lambda _: Event.objects.all().delete(),
        lambda event: Event.objects.bulk_update([event], ["name"]),
        lambda _: Link.objects.update(hash=b"other"),
        lambda _: Link.objects.all().delete(),
        _save_a_link,
    ],
    ids=[
        "save",
        "delete",
        "update all",
        "update one",
        "delete all",
        "bulk update",
        "update links",
        "delete links",
        "save a link",
    ],
)
def test_the_trail_cannot_be_changed_through_the_orm(record: Record, change: Callable[[Event], Any]) -> None:
    _refused(lambda: change(event), event := record())


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit_event SET name = 'something.else'",
        "UPDATE audit_event SET at = at - interval '1 day' WHERE id = (SELECT max(id) FROM audit_event)",
        "DELETE FROM audit_event",
        "TRUNCATE audit_event CASCADE",
        "UPDATE audit_link SET hash = 'x'",
        "DELETE FROM audit_link",
        "TRUNCATE audit_link",
        "WITH gone AS (DELETE FROM audit_event RETURNING *) SELECT count(*) FROM gone",
        "MERGE INTO audit_event e USING (VALUES (1)) v ON true WHEN MATCHED THEN UPDATE SET name = 'something.else'",
        "INSERT INTO audit_link SELECT * FROM audit_link ON CONFLICT (event_id) DO UPDATE SET hash = 'x'",
    ],
)
def test_the_trail_cannot_be_changed_through_sql(record: Record, sql: str) -> None:
    def change() -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql)

    _refused(change, record())


def _refused(change: Callable[[], Any], event: Event) -> None:
    before = (list(Event.objects.values()), list(Link.objects.values_list("event_id", "hash")))
    with pytest.raises(DatabaseError) as caught, transaction.atomic():
        change()
    cause = caught.value.__cause__
    assert isinstance(cause, psycopg.Error)
    assert cause.sqlstate == APPEND_ONLY
    assert (list(Event.objects.values()), list(Link.objects.values_list("event_id", "hash"))) == before
    assert Event.objects.get(pk=event.pk).name == "organisation.note"


def test_only_a_member_of_an_apps_events_can_be_recorded(institute: Organisation, now: datetime) -> None:
    with transaction.atomic(), pytest.raises(TypeError, match=r"organisation\.rename"):
        actions.record("organisation.rename", by=CLOCK, about=institute, at=now)  # type: ignore[arg-type]

    assert not Event.objects.exists()
