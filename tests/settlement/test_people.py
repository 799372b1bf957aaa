"""A person who was erased is found nowhere in a dump of the database, and the trail and the books hold before and after."""

import subprocess
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from earthcode.audit import verify as trail
from earthcode.audit.models import Event
from earthcode.demo.postgres import programs
from earthcode.identity.models import Membership, Project, User
from earthcode.identity.roles import ProjectRole
from earthcode.ledger import actions as ledger
from earthcode.ledger import verify as books
from earthcode.lib.errors import NotPermitted
from earthcode.notifications.models import Message
from earthcode.provisioning.models import Allocation, Operation, Task
from earthcode.settlement import people
from earthcode.settlement.people import StillNeeded
from earthcode.sponsorship.models import Award
from tests.conftest import MakePerson

pytestmark = pytest.mark.django_db(transaction=True)

PLANTED = 'Zoë "Quo\\te" Unmistakable'
ADDRESS = "zoe.unmistakable@planted.example"


@pytest.fixture
def zoe(person: MakePerson, project: Project, alice: User, now: datetime) -> User:
    """A member of Alice's project whose names are found nowhere else."""
    from earthcode.identity import projects

    zoe = person("zoe_unmistakable", PLANTED)
    zoe.email = ADDRESS
    zoe.save()
    projects.add_member(project, user=zoe, by=alice, at=now)
    alice.forget_grants()
    return zoe


def dump() -> str:
    settings = connection.settings_dict
    url = (
        f"postgres://{settings['USER']}:{settings['PASSWORD']}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"
    )
    done = subprocess.run([str(programs() / "pg_dump"), "--inserts", "--dbname", url], capture_output=True, check=True)
    return done.stdout.decode()


def what_is_broken() -> list[str]:
    return [str(one) for one in trail.breaks()] + [one.rule for one in books.findings() if not one.holds]


def test_a_planted_name_and_address_are_gone_from_a_dump_and_everything_verifies(
    award: Award, zoe: User, maria: User, project: Project, now: datetime
) -> None:
    """It is in memberships, in the trail's labels and texts, in messages to her and to others, and in texts about her."""
    from earthcode.sponsorship import actions as sponsorship

    draft = sponsorship.start(title=f"By {PLANTED}", project=project, by=zoe, at=now)
    sponsorship.save_case(draft, science_case=f"Ask {PLANTED} <{ADDRESS}>.", by=zoe, at=now)
    for allocation in Allocation.objects.filter(award=award):
        names = {zoe.subject: "zu-on-the-platform", "somebody-else": "se"}
        Allocation.objects.filter(pk=allocation.pk).update(names=names)
        operation = Operation.objects.filter(allocation=allocation).earliest("pk")
        Task.objects.create(operation=operation, asks="ensure", due_on=now.date(), created_at=now, names=names)
        zoe.platform_usernames.update_or_create(
            platform=allocation.platform, defaults={"name": "zu-on-the-platform", "stated_at": now}
        )
    assert Task.objects.exists()
    ledger.seal(at=now)
    before = dump()
    assert PLANTED.split()[-1] in before
    assert ADDRESS in before
    assert what_is_broken() == []
    head = trail.head()
    assert head is not None

    erased = people.erase(zoe, by=maria, at=now)

    after = dump()
    assert erased.left_in == ()
    assert [line for line in after.splitlines() if "Unmistakable" in line or "planted.example" in line] == []
    assert "zoe_unmistakable" not in after
    assert "zu-on-the-platform" not in after
    assert set(Task.objects.values_list("names__somebody-else", flat=True)) == {"se"}
    assert erased.pseudonym in after
    assert what_is_broken() == []
    assert list(trail.breaks(heads=[head])) == []
    event = Event.objects.get(name="user.erase")
    assert len(event.data["events"]) >= 3
    assert str(event.actor_id) == maria.audit_id
    assert f"user:{zoe.public_id}" in after  # what she did stays, under her number


def test_words_that_are_blanked_without_an_erasure_are_found(award: Award, zoe: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_forget(%s, ARRAY['Unmistakable'], 'x')", [zoe.audit_id])
        (events,) = cursor.fetchone()

    assert [one.event_id for one in trail.breaks()] == events
    assert {one.what for one in trail.breaks()} == {
        "its words were removed, and no event says that they were forgotten"
    }


def test_forgetting_changes_words_only(zoe: User) -> None:
    event = Event.objects.get(name="project.add_member", data__user=zoe.audit_id)
    for change in ("actor_id = 'x'", 'salt = NULL, data = \'{"user": "x"}\'', "actor_name = 'x'", "words_hash = ''"):
        with pytest.raises(Exception, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE audit_event SET {change} WHERE id = {event.pk}")


def test_erasing_ends_access_and_signing_in_again_is_another_person(
    award: Award, zoe: User, maria: User, now: datetime
) -> None:
    Allocation.objects.filter(award=award).update(status="active")
    Operation.objects.filter(kind="provision").update(status="succeeded")
    subject = zoe.subject

    people.erase(zoe, by=maria, at=now)

    assert not zoe.is_active
    assert not Membership.objects.filter(user=zoe).exists()
    assert not Message.objects.filter(recipient=zoe.public_id).exists()
    assert Operation.objects.filter(kind="sync_people", status="queued").exists()
    assert User.objects.by_subject(zoe.issuer, subject) is None


def test_a_person_who_leads_or_has_a_role_is_still_needed(
    award: Award, alice: User, maria: User, marc: User, zoe: User, now: datetime
) -> None:
    with pytest.raises(StillNeeded, match=f"leads the project of {award}"):
        people.erase(alice, by=maria, at=now)
    with pytest.raises(StillNeeded, match="has the role “ESA manager”"):
        people.erase(marc, by=maria, at=now)

    assert User.objects.get(pk=alice.pk).full_name == "Alice Martin"
    assert not Event.objects.filter(name="user.erase").exists()


def test_one_who_led_what_is_over_keeps_the_project_under_a_pseudonym(
    project: Project, alice: User, maria: User, now: datetime
) -> None:
    erased = people.erase(alice, by=maria, at=now)

    lead = Membership.objects.get(project=project, role=ProjectRole.PI)
    assert str(lead.user) == erased.pseudonym


def test_only_managers_and_never_themselves(zoe: User, alice: User, maria: User, now: datetime) -> None:
    for action in (people.erase, people.deactivate):
        with pytest.raises(NotPermitted):
            action(zoe, by=alice, at=now)
        with pytest.raises(NotPermitted):
            action(maria, by=maria, at=now)

    assert User.objects.get(pk=zoe.pk).is_active


def test_a_deactivated_person_loses_access_once(zoe: User, maria: User, now: datetime) -> None:
    people.deactivate(zoe, by=maria, at=now)
    people.deactivate(zoe, by=maria, at=now + timedelta(days=1))

    found = User.objects.get(pk=zoe.pk)
    assert not found.is_active
    assert found.full_name == PLANTED
    assert not found.sign_ins.exists()
    assert Event.objects.filter(name="user.deactivate").count() == 1


def test_the_commands_say_what_they_did_and_refuse_with_the_reason(zoe: User, maria: User, alice: User) -> None:
    out = StringIO()
    call_command("deactivate_person", str(zoe.public_id), by=str(maria.public_id), stdout=out)
    call_command("erase_person", str(zoe.public_id), by=str(maria.public_id), stdout=out)
    with pytest.raises(CommandError, match="Only ESA managers"):
        call_command("erase_person", str(maria.public_id), by=str(alice.public_id))
    with pytest.raises(CommandError, match="nobody has that public id"):
        call_command("erase_person", "zoe", by=str(maria.public_id))

    assert f"Erased person {zoe.public_id.hex[:8]} stands for the person now." in out.getvalue()
