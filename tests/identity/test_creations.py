"""A form that is sent twice makes one thing."""

import threading
import uuid
from datetime import datetime

import pytest
from django.db import connection

from earthcode.identity import creations, projects
from earthcode.identity.models import Creation, Organisation, Project, User
from earthcode.lib.errors import InvalidInput, NotPermitted

KEY = uuid.UUID("5f0e6c1e-0d6b-4c6e-8a55-0b6f5a3f2a10")


def create(by: User, at: datetime, key: uuid.UUID | None = KEY, title: str = "Alpine snow") -> Project:
    return projects.create_project(title=title, key=key, by=by, at=at)


def test_the_second_answer_is_the_first_thing(alice: User, now: datetime) -> None:
    first = create(alice, now)

    assert create(alice, now) == first
    # Before any check: what was sent the second time is not looked at.
    assert create(alice, now, title="") == first
    assert (Project.objects.count(), Creation.objects.count()) == (1, 1)


def test_another_form_and_another_person_make_another_thing(alice: User, ben: User, now: datetime) -> None:
    made = {create(alice, now), create(alice, now, uuid.uuid4()), create(ben, now), create(alice, now, None)}

    assert len(made) == 4


def test_a_form_that_was_turned_away_can_be_sent_again(alice: User, now: datetime) -> None:
    with pytest.raises(InvalidInput):
        create(alice, now, title=" \u200b ")

    assert create(alice, now).title == "Alpine snow"


def test_what_is_gone_is_not_made_again(alice: User, now: datetime) -> None:
    create(alice, now).delete()

    with pytest.raises(creations.KeyUsed):
        create(alice, now)


def test_a_key_makes_things_of_one_kind(alice: User, institute: Organisation, now: datetime) -> None:
    creations.note(institute, key=KEY, by=alice, at=now)

    with pytest.raises(creations.KeyUsed):
        create(alice, now)


def test_a_key_lets_nobody_do_more(alice: User, now: datetime) -> None:
    create(alice, now)
    alice.is_active = False

    with pytest.raises(NotPermitted):
        projects.change_project(Project.objects.get(), title="x", summary="", by=alice, at=now)


@pytest.mark.django_db(transaction=True)
def test_two_at_the_same_moment_make_one(alice: User, now: datetime) -> None:
    found: list[Project] = []
    together = threading.Barrier(4)

    def run() -> None:
        try:
            together.wait(timeout=20)
            found.append(create(User.objects.get(pk=alice.pk), now))
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 4
    assert len({each.pk for each in found}) == 1
    assert Project.objects.count() == 1
