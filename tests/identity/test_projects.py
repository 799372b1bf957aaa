"""Projects and their people."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils.functional import SimpleLazyObject

from earthcode.audit.models import Event
from earthcode.identity import projects
from earthcode.identity.models import Membership, Organisation, Project, User
from earthcode.identity.queries import person_named
from earthcode.identity.roles import Permission, ProjectRole
from earthcode.lib.errors import InvalidInput, NotPermitted
from tests.support.people import fresh

Everything = Callable[[], list[list[Any]]]


@pytest.fixture
def everything() -> Everything:
    """All that is stored about projects: equal before and after whatever was refused."""

    def read() -> list[list[Any]]:
        return [list(model._default_manager.order_by("pk").values()) for model in (Project, Membership, Event)]

    return read


# --- creating --------------------------------------------------------------------------------------------------------


def test_whoever_creates_a_project_leads_it(alice: User, institute: Organisation, now: datetime) -> None:
    project = projects.create_project(title="  Alpine snow ", summary=" Snow. ", by=alice, at=now)

    assert (project.title, project.summary, project.organisation) == ("Alpine snow", "Snow.", institute)
    membership = project.memberships.get()
    assert (membership.user, membership.role, membership.since) == (alice, ProjectRole.PI, now)
    assert not project.esa_funded
    assert Event.objects.get().name == "project.create"


def test_its_leader_may_manage_it_at_once(alice: User, now: datetime) -> None:
    # As in a request: the user is a wrapper, and has been asked for a permission already.
    by: Any = SimpleLazyObject(lambda: alice)
    assert not by.may(Permission.PROJECT_VIEW)

    project = projects.create_project(title="Peat", by=by, at=now)

    assert by.may(Permission.PROJECT_MANAGE, project)


def test_a_project_with_a_technical_officer_is_funded_by_esa(alice: User, tomas: User, now: datetime) -> None:
    project = projects.create_project(title="Peat", technical_officer=tomas, by=alice, at=now)

    assert project.esa_funded


@pytest.mark.parametrize("title", ["", "   "])
def test_a_project_needs_a_title(alice: User, now: datetime, everything: Everything, title: str) -> None:
    before = everything()

    with pytest.raises(InvalidInput) as refusal:
        projects.create_project(title=title, by=alice, at=now)

    assert refusal.value.field == "title"
    assert everything() == before


def test_projects_of_one_title_have_addresses_of_their_own(alice: User, now: datetime) -> None:
    slugs = [projects.create_project(title=title, by=alice, at=now).slug for title in ("Snow", "snow", "Snow!")]

    assert slugs == ["snow", "snow-2", "snow-3"]


@pytest.mark.parametrize(
    ("title", "slug"),
    [("New", "new-2"), ("…", "project"), ("x" * 200, "x" * 70), ("Schnee über Österreich", "schnee-uber-osterreich")],
)
def test_every_title_has_an_address(alice: User, now: datetime, title: str, slug: str) -> None:
    assert projects.create_project(title=title, by=alice, at=now).slug == slug


def test_a_project_has_one_leader_in_the_database_too(project: Project, ben: User, now: datetime) -> None:
    with pytest.raises(IntegrityError, match="identity_project_has_one_pi"), transaction.atomic():
        Membership.objects.filter(user=ben).update(role=ProjectRole.PI)


# --- people ----------------------------------------------------------------------------------------------------------


def test_a_member_sees_the_project_and_does_not_manage_it(project: Project, ben: User) -> None:
    assert list(Project.objects.visible_to(ben)) == [project]
    assert not ben.may(Permission.PROJECT_MANAGE, project)


def test_adding_a_member_twice_changes_nothing(
    project: Project, alice: User, ben: User, now: datetime, everything: Everything
) -> None:
    before = everything()

    projects.add_member(project, user=ben, by=alice, at=now)

    assert everything() == before


def test_adding_the_leader_leaves_them_leader(project: Project, alice: User, now: datetime) -> None:
    projects.add_member(project, user=alice, by=alice, at=now)

    assert project.memberships.get(user=alice).role == ProjectRole.PI


def test_a_removed_member_sees_nothing_any_more(project: Project, alice: User, ben: User, now: datetime) -> None:
    projects.remove_member(project, user=ben, by=alice, at=now)

    assert not Project.objects.visible_to(fresh(ben)).exists()
    event = Event.objects.get(name="project.remove_member")
    assert event.data == {"user": ben.audit_id, "name": "Ben Okafor"}


def test_removing_a_stranger_changes_nothing(
    project: Project, alice: User, stranger: User, now: datetime, everything: Everything
) -> None:
    before = everything()

    projects.remove_member(project, user=stranger, by=alice, at=now)

    assert everything() == before


def test_the_leader_is_not_removed(project: Project, alice: User, now: datetime, everything: Everything) -> None:
    before = everything()

    with pytest.raises(InvalidInput) as refusal:
        projects.remove_member(project, user=alice, by=alice, at=now)

    assert refusal.value.field == "user"
    assert everything() == before


def test_nobody_else_changes_who_is_in_it(
    project: Project,
    ben: User,
    maria: User,
    petra: User,
    stranger: User,
    now: datetime,
    everything: Everything,
) -> None:
    before = everything()

    for other in (ben, maria, petra, stranger):
        with pytest.raises(NotPermitted):
            projects.add_member(project, user=stranger, by=other, at=now)
        with pytest.raises(NotPermitted):
            projects.remove_member(project, user=ben, by=other, at=now)

    assert everything() == before


def test_managers_see_every_project_and_others_none(
    project: Project, maria: User, petra: User, tomas: User, stranger: User
) -> None:
    assert list(Project.objects.visible_to(maria)) == [project]
    for other in (petra, tomas, stranger):
        assert not Project.objects.visible_to(other).exists()


# --- finding somebody ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["ben", " ben ", "ben@science.example", "BEN@Science.example"])
def test_a_person_is_found_by_their_exact_name_or_address(ben: User, alice: User, text: str) -> None:
    assert person_named(text) == ben


@pytest.mark.parametrize("text", ["", " ", "be", "Ben", "Ben Okafor", "ben%", "@science.example", "ben@science"])
def test_nobody_is_found_by_a_part_or_by_nothing(ben: User, alice: User, text: str) -> None:
    without_address = alice
    without_address.email = without_address.preferred_username = ""
    without_address.save()

    assert person_named(text) is None


def test_a_name_that_two_people_have_finds_neither(ben: User, alice: User) -> None:
    # Somebody may call themselves by another person's address at their own single sign-on.
    alice.preferred_username = ben.email
    alice.save()

    assert person_named(ben.email) is None
    assert person_named("ben") == ben


def test_somebody_who_left_is_not_found(ben: User) -> None:
    ben.is_active = False
    ben.save()

    assert person_named("ben") is None


# --- title and summary -----------------------------------------------------------------------------------------------


def test_a_change_is_on_record_with_what_was_there_before(project: Project, alice: User, now: datetime) -> None:
    before = project.summary

    projects.change_project(project, title=" Alpine ice ", summary=" Ice. ", by=alice, at=now)

    project.refresh_from_db()
    assert (project.title, project.summary, project.slug) == ("Alpine ice", "Ice.", "alpine-snow")
    assert Event.objects.get(name="project.change").data == {
        "title": "Alpine ice",
        "title_before": "Alpine snow",
        "summary": "Ice.",
        "summary_before": before,
    }


def test_changing_nothing_is_not_on_record(
    project: Project, alice: User, everything: Everything, now: datetime
) -> None:
    before = everything()

    projects.change_project(project, title=project.title, summary=project.summary, by=alice, at=now)

    assert everything() == before


def test_a_project_keeps_some_title(project: Project, alice: User, everything: Everything, now: datetime) -> None:
    before = everything()

    with pytest.raises(InvalidInput) as refusal:
        projects.change_project(project, title="  ", summary="Ice.", by=alice, at=now)

    assert refusal.value.field == "title"
    assert everything() == before


@pytest.mark.parametrize("who", ["ben", "maria", "stranger"])
def test_only_its_leader_changes_what_it_is_called(
    project: Project, who: str, everything: Everything, now: datetime, request: pytest.FixtureRequest
) -> None:
    by: User = request.getfixturevalue(who)
    before = everything()

    with pytest.raises(NotPermitted):
        projects.change_project(project, title="Mine", summary="", by=by, at=now)

    assert everything() == before
