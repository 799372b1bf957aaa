"""Each event is linked to the one before it, and whatever was changed behind the triggers' backs is found."""

import json
import threading
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from earthcode.audit import actions, verify
from earthcode.audit.actors import System
from earthcode.audit.models import Event, Link
from earthcode.identity.models import Organisation
from tests.audit.conftest import Record, Superuser
from tests.support.events import event as named

# Links are written at commit.
pytestmark = pytest.mark.django_db(transaction=True)


def breaks() -> list[str]:
    return [str(each) for each in verify.breaks()]


def verify_audit(*words: str) -> tuple[int, str]:
    """What ``manage.py verify_audit`` prints, and the code it exits with."""
    out = StringIO()
    try:
        call_command("verify_audit", *words, stdout=out)
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}"
    return 0, out.getvalue()


@pytest.fixture
def five(record: Record) -> list[Event]:
    return [record(f"organisation.step_{number}") for number in range(5)]


# --- a trail that holds ----------------------------------------------------------------------------------------------


def test_an_empty_trail_holds() -> None:
    assert breaks() == []
    assert verify_audit() == (0, "the audit trail holds: 0 events, head none\n")


def test_each_committed_event_has_the_next_place_in_the_chain(five: list[Event]) -> None:
    links = list(Link.objects.order_by("position"))

    assert [link.position for link in links] == [1, 2, 3, 4, 5]
    assert [link.event_id for link in links] == [event.pk for event in five]
    assert len({bytes(link.hash) for link in links}) == 5
    assert breaks() == []


def test_the_command_says_that_it_holds_and_names_the_head(five: list[Event]) -> None:
    head = bytes(Link.objects.get(position=5).hash).hex()

    assert verify_audit() == (0, f"the audit trail holds: 5 events, head 5:{head}\n")


def test_what_was_rolled_back_leaves_no_gap(record: Record, institute: Organisation, now: datetime) -> None:
    record()
    with transaction.atomic():
        actions.record(named("organisation.note"), by=System("import"), about=institute, at=now)
        transaction.set_rollback(True)
    record()

    assert list(Link.objects.values_list("position", flat=True)) == [1, 2]
    assert breaks() == []


def test_many_events_of_one_transaction_are_chained_in_their_order(institute: Organisation, now: datetime) -> None:
    with transaction.atomic():
        events = [
            actions.record(named(f"organisation.step_{number}"), by=System("import"), about=institute, at=now)
            for number in range(20)
        ]

    assert list(Link.objects.order_by("position").values_list("event_id", flat=True)) == [each.pk for each in events]
    assert breaks() == []


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"text": "Zürich – “quoted” \\ \n\t \u202f 🛰"},
        {"numbers": [0, -1, 1.5, 1e30, 12345678901234567890, 0.1]},
        {"deep": {"er": [None, True, {"b": 1, "a": 2}]}},
        {"": "", "é": "é", "e\u0301": "combining"},
    ],
)
def test_whatever_was_recorded_verifies(record: Record, data: dict[str, Any], now: datetime) -> None:
    record(data=data, at=now + timedelta(microseconds=1), by=System("Ünïcode 🛰"))
    record(data=data)

    assert breaks() == []


# --- a trail that was tampered with ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "name = 'organisation.forged'",
        "at = at + interval '1 microsecond'",
        "actor_id = 'user:somebody-else'",
        "subject_type = 'identity.project'",
        "subject_id = subject_id || '0'",
        "data = '{\"amount\": 1}'",
        # Moving a letter from one field to the next must not read the same.
        "actor_id = actor_id || left(actor_name, 1), actor_name = substr(actor_name, 2)",
    ],
)
def test_a_changed_event_is_found(five: list[Event], superuser: Superuser, change: str) -> None:
    with superuser() as cursor:
        cursor.execute(f"UPDATE audit_event SET {change} WHERE id = %s", [five[2].pk])

    assert breaks() == [f"event {five[2].pk}: changed, or the link before it was"]


@pytest.mark.parametrize(
    "change", ["actor_name = actor_name || ' '", "subject_label = lower(subject_label)", "salt = 'x'"]
)
def test_changed_words_are_found(five: list[Event], superuser: Superuser, change: str) -> None:
    with superuser() as cursor:
        cursor.execute(f"UPDATE audit_event SET {change} WHERE id = %s", [five[2].pk])

    assert breaks() == [f"event {five[2].pk}: its words were changed"]


def test_words_in_what_an_event_says_are_not_in_the_chain_and_facts_are(record: Record) -> None:
    data = {
        "reason": "Good science.",
        "name": "zoe",
        "user": "user:1",
        "amount": 5,
        "rows": [{"row": "x"}],
        "changed": ["summary"],
    }
    event = record(data=data)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT audit_facts(data)::text, audit_canonical(audit_event) FROM audit_event WHERE id = %s", [event.pk]
        )
        facts, canonical = cursor.fetchone()

    assert json.loads(facts) == {"user": "user:1", "amount": 5, "changed": ["summary"]}
    assert "Good science" not in canonical
    assert event.actor_name not in canonical
    assert breaks() == []


@pytest.mark.parametrize("place", [0, 2, 4], ids=["first", "middle", "last"])
def test_a_removed_event_is_found(five: list[Event], superuser: Superuser, place: int) -> None:
    with superuser() as cursor:
        cursor.execute("DELETE FROM audit_event WHERE id = %s", [five[place].pk])

    assert breaks() == [f"event {five[place].pk}: removed"]


def test_an_event_removed_with_its_link_is_found(five: list[Event], superuser: Superuser) -> None:
    with superuser() as cursor:
        cursor.execute("DELETE FROM audit_event WHERE id = %s", [five[2].pk])
        cursor.execute("DELETE FROM audit_link WHERE event_id = %s", [five[2].pk])

    assert breaks() == [
        f"event {five[3].pk}: links 3 to 3 before it are missing",
        f"event {five[3].pk}: changed, or the link before it was",
    ]


def test_closing_the_gap_over_a_removed_event_does_not_help(five: list[Event], superuser: Superuser) -> None:
    with superuser() as cursor:
        cursor.execute("DELETE FROM audit_event WHERE id = %s", [five[2].pk])
        cursor.execute("DELETE FROM audit_link WHERE event_id = %s", [five[2].pk])
        cursor.execute("UPDATE audit_link SET position = position - 1 WHERE position > 3")

    assert breaks() == [f"event {five[3].pk}: changed, or the link before it was"]


def test_an_inserted_event_is_found(five: list[Event], superuser: Superuser, record: Record) -> None:
    with superuser() as cursor:
        cursor.execute(
            "INSERT INTO audit_event (at, name, actor_id, actor_name, subject_type, subject_id, subject_label, data) "
            "SELECT at, 'organisation.forged', actor_id, actor_name, subject_type, subject_id, subject_label, data "
            "FROM audit_event WHERE id = %s RETURNING id",
            [five[2].pk],
        )
        (forged,) = cursor.fetchone()
    record()

    assert breaks() == [f"event {forged}: inserted without a link"]


def test_a_changed_link_is_found(five: list[Event], superuser: Superuser) -> None:
    with superuser() as cursor:
        cursor.execute("UPDATE audit_link SET hash = sha256('forged') WHERE position = 3")

    assert breaks() == [
        f"event {five[2].pk}: changed, or the link before it was",
        f"event {five[3].pk}: changed, or the link before it was",
    ]


def test_two_events_that_changed_places_are_found(five: list[Event], superuser: Superuser) -> None:
    with superuser() as cursor:
        cursor.execute("UPDATE audit_link SET event_id = -1 WHERE event_id = %s", [five[1].pk])
        cursor.execute("UPDATE audit_link SET event_id = %s WHERE event_id = %s", [five[1].pk, five[2].pk])
        cursor.execute("UPDATE audit_link SET event_id = %s WHERE event_id = -1", [five[2].pk])

    assert len(breaks()) == 2


def test_every_break_is_found_and_not_only_the_first(five: list[Event], superuser: Superuser) -> None:
    with superuser() as cursor:
        cursor.execute("UPDATE audit_event SET name = 'organisation.forged' WHERE id = %s", [five[0].pk])
        cursor.execute("DELETE FROM audit_event WHERE id = %s", [five[3].pk])

    assert breaks() == [f"event {five[0].pk}: changed, or the link before it was", f"event {five[3].pk}: removed"]


def test_the_command_names_each_break_and_exits_with_1(five: list[Event], superuser: Superuser) -> None:
    with superuser() as cursor:
        cursor.execute("DELETE FROM audit_event WHERE id = ANY(%s)", [[five[1].pk, five[3].pk]])

    assert verify_audit() == (
        1,
        f"event {five[1].pk}: removed\nevent {five[3].pk}: removed\nthe audit trail is broken in 2 places",
    )


# --- against what was kept outside -----------------------------------------------------------------------------------


def cut_off(cursor: Any) -> None:
    cursor.execute("DELETE FROM audit_event WHERE id IN (SELECT event_id FROM audit_link WHERE position > 3)")
    cursor.execute("DELETE FROM audit_link WHERE position > 3")


def write_anew(cursor: Any) -> None:
    """An event says something else, and it and all later ones get links that follow from it."""
    cursor.execute(
        "UPDATE audit_event SET actor_id = 'user:other' WHERE id = (SELECT event_id FROM audit_link WHERE position = 2)"
    )
    cursor.execute("SELECT event_id FROM audit_link ORDER BY position")
    events = [event_id for (event_id,) in cursor.fetchall()]
    cursor.execute("DELETE FROM audit_link")
    for position, event_id in enumerate(events, start=1):
        cursor.execute(
            """
            INSERT INTO audit_link (position, event_id, hash)
            SELECT %s, event.id, sha256(
                coalesce((SELECT hash FROM audit_link WHERE position = %s), '') || convert_to(audit_canonical(event), 'UTF8'))
            FROM audit_event event WHERE id = %s
            """,
            [position, position - 1, event_id],
        )


def test_events_from_before_words_were_apart_verify_and_can_be_forgotten(
    five: list[Event], record: Record, superuser: Superuser
) -> None:
    with superuser() as cursor:
        cursor.execute("UPDATE audit_event SET words_hash = NULL, salt = NULL")
        write_anew(cursor)
    record()
    assert breaks() == []

    with transaction.atomic():
        forgotten = actions.forget("user:other", names=["Alpine"], pseudonym="Somebody")
    assert forgotten[:5] == [event.pk for event in five]
    assert len(breaks()) == 6
    assert all("its words were removed" in line for line in breaks())
    record("user.erase", data={"events": forgotten})

    assert breaks() == []
    assert Event.objects.get(pk=five[1].pk).subject_label == "Somebody Institute"
    with superuser() as cursor:
        cursor.execute("UPDATE audit_link SET hash = sha256(hash) WHERE position = 5")  # the next one follows from it
    assert breaks() != []


def empty(cursor: Any) -> None:
    cursor.execute("TRUNCATE audit_event, audit_link")


@pytest.mark.parametrize(
    ("attack", "found"),
    [
        (cut_off, "the trail: it ends before event number 5, whose head "),
        (write_anew, "it or an earlier one was written anew: the head kept outside is "),
        (empty, "the trail: it ends before event number 5, whose head "),
    ],
)
def test_what_the_chain_cannot_show_is_found_against_a_head_that_was_kept(
    five: list[Event], superuser: Superuser, attack: Any, found: str
) -> None:
    head = verify.head()
    assert verify_audit("--head", str(head), "--at-least", "5")[0] == 0
    with superuser() as cursor:
        attack(cursor)

    assert verify_audit()[0] == 0
    code, said = verify_audit("--head", str(head))
    assert code == 1
    assert found in said
    assert (verify_audit("--at-least", "5")[0] == 1) == (attack is not write_anew)


@pytest.mark.parametrize("text", ["", "5", "5:", "5:abc", "x:" + "0" * 64, "٣:" + "0" * 64, "5:" + "0" * 62])
def test_what_is_no_head_is_refused(db: None, text: str) -> None:
    code, said = verify_audit("--head", text)

    assert code == 1
    assert "it is written as position:hash" in said


# --- many at once ----------------------------------------------------------------------------------------------------


def test_many_at_once_make_one_chain_without_deadlock(institute: Organisation, now: datetime) -> None:
    organisations = [
        Organisation.objects.create(slug=f"organisation-{number}", name=f"Organisation {number}") for number in range(4)
    ]
    start = threading.Barrier(8)
    failed: list[BaseException] = []

    def work(place: int) -> None:
        start.wait(timeout=30)
        try:
            for number in range(25):
                with transaction.atomic():
                    # As actions do: events in between, and row locks before and after them, in one order.
                    about = organisations[place % 2]
                    Organisation.objects.select_for_update().get(pk=about.pk)
                    actions.record(named(f"organisation.a_{place}_{number}"), by=System("import"), about=about, at=now)
                    Organisation.objects.select_for_update().get(pk=organisations[2 + place % 2].pk)
                    actions.record(named(f"organisation.b_{place}_{number}"), by=System("import"), about=about, at=now)
                    transaction.set_rollback(number % 5 == 4)
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive()

    assert failed == []
    assert Event.objects.count() == 8 * 20 * 2
    assert list(Link.objects.order_by("position").values_list("position", flat=True)) == list(range(1, 321))
    assert breaks() == []
