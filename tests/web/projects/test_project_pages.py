"""The pages of projects: the list, a new one, its people, what it asked for and has."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from earthcode.identity import projects
from earthcode.identity.models import Membership, Project, User
from earthcode.identity.roles import ProjectRole, Role
from earthcode.lib.money import as_text
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning.models import Allocation, AllocationStatus, Operation, OperationKind
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import Award, Call, ResourceRequest
from tests.support.allocations import activate, close
from tests.support.many import bring_projects_to, bring_requests_to
from tests.support.pages import errors, soup, words
from tests.support.queries import assert_queries_do_not_grow


def people(project: Project) -> set[str]:
    return set(project.memberships.values_list("user__preferred_username", flat=True))


# --- the list, and a new one -----------------------------------------------------------------------------------------


def test_the_list_shows_ones_own_projects_and_what_one_is_there(
    as_ben: Client, project: Project, stranger: User, now: datetime
) -> None:
    projects.create_project(title="Somebody else's", by=stranger, at=now)

    page = words(as_ben.get("/projects/"))

    assert "Alpine snow Alpine Institute Member" in page
    assert "Somebody else's" not in page


def test_managers_see_every_project(as_maria: Client, project: Project) -> None:
    assert project.title in words(as_maria.get("/projects/"))


def test_the_list_of_a_newcomer_says_what_will_be_here(as_stranger: Client, project: Project) -> None:
    assert "No projects yet" in words(as_stranger.get("/projects/"))


def test_the_list_does_not_count_requests_one_may_not_see(as_maria: Client, draft: ResourceRequest) -> None:
    row = [each.get_text().strip() for each in soup(as_maria.get("/projects/")).select("tbody td.right")]

    assert row == ["2", "0"]


def test_the_list_asks_the_database_the_same_however_long_it_is(as_alice: Client, alice: User, now: datetime) -> None:
    assert_queries_do_not_grow(
        as_alice, "/projects/", rows=lambda count: bring_projects_to(count, member=alice, at=now)
    )


def test_a_new_project_is_led_by_whoever_starts_it(as_stranger: Client, stranger: User) -> None:
    answer = as_stranger.post("/projects/new/", {"title": "Peat", "summary": "Bogs."})

    project = Project.objects.get()
    assert answer["Location"] == "/projects/peat/"
    assert project.memberships.get().user == stranger
    assert project.memberships.get().role == ProjectRole.PI
    assert project.technical_officer is None


@pytest.mark.parametrize("named", ["tomas", "tomas@science.example", "TOMAS@science.example"])
def test_a_new_project_names_its_technical_officer(as_alice: Client, tomas: User, named: str) -> None:
    as_alice.post("/projects/new/", {"title": "Peat", "technical_officer": named})

    project = Project.objects.get()
    assert project.technical_officer == tomas
    assert project.esa_funded


@pytest.mark.parametrize("named", ["ben", "nobody", "Tomas"])
def test_only_a_technical_officer_can_be_named_as_one(as_alice: Client, ben: User, tomas: User, named: str) -> None:
    answer = as_alice.post("/projects/new/", {"title": "Peat", "technical_officer": named})

    assert answer.status_code == 422
    assert len(errors(answer)) == 1
    assert "We know no Technical Officer by this name." in errors(answer)[0]
    assert not Project.objects.exists()


@pytest.mark.parametrize("title", ["", "  ", "x" * 201])
def test_a_project_needs_a_title(as_alice: Client, title: str) -> None:
    answer = as_alice.post("/projects/new/", {"title": title})

    assert answer.status_code == 422
    assert not Project.objects.exists()


# --- one of them -----------------------------------------------------------------------------------------------------


def test_a_project_does_not_exist_for_others(
    as_stranger: Client, as_petra: Client, project: Project, ben: User
) -> None:
    for client in (as_stranger, as_petra):
        assert client.get("/projects/alpine-snow/").status_code == 404
        assert client.post("/projects/alpine-snow/members/add/", {"person": "ben"}).status_code == 404
        answer = client.post("/projects/alpine-snow/members/remove/", {"person": str(ben.public_id)})
        assert answer.status_code == 404
    assert people(project) == {"alice", "ben"}


def test_the_page_shows_people_requests_credits_and_allocations(as_ben: Client, award: Award) -> None:
    page = words(as_ben.get("/projects/alpine-snow/"))

    for part in (
        "Alice Martin Principal investigator, Alpine Institute",
        "Ben Okafor Member, Alpine Institute",
        "Alpine snow mass balance",
        f"{award.reference} Open Science 2026",
        "Coastal Hub",
        "Setting up",
    ):
        assert part in page
    # Granted, used, set aside, free.
    figures = [each.get_text().strip() for each in soup(as_ben.get("/projects/alpine-snow/")).select("td.right")]
    assert figures == ["434.4", "0", "434.4", "0"]


def test_a_manager_sees_no_drafts_on_the_page(as_maria: Client, draft: ResourceRequest) -> None:
    assert draft.title not in words(as_maria.get("/projects/alpine-snow/"))


def test_a_project_may_have_any_title(as_stranger: Client) -> None:
    for title in ("New", "new", "…"):
        answer = as_stranger.post("/projects/new/", {"title": title}, follow=True)
        assert answer.status_code == 200
        assert soup(answer).h1.get_text() == title  # type: ignore[union-attr]


def test_the_page_asks_the_same_however_much_there_is(
    as_alice: Client,
    project: Project,
    award: Award,
    call: Call,
    hub_plan: Any,
    alice: User,
    now: datetime,
    person: Callable[..., User],
) -> None:
    def rows(count: int) -> None:
        bring_requests_to(count, project=project, call=call, plans=[hub_plan], by=alice, at=now)
        for number in range(project.memberships.count(), count):
            Membership.objects.create(project=project, user=person(f"p{number}"), role="member", since=now)
        have = Award.objects.count()
        for each in ResourceRequest.objects.filter(award=None)[: max(0, count - have)]:
            Award.objects.create(
                reference=each.reference,
                resource_request=each,
                project=project,
                call=call,
                amount=1,
                starts_on=now.date(),
                ends_on=now.date().replace(year=2027),
                created_at=now,
            )

    assert_queries_do_not_grow(as_alice, "/projects/alpine-snow/", rows=rows, many=50)


# --- people ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", ["sam", "sam@science.example", "SAM@science.example", "  sam "])
def test_the_leader_adds_somebody_by_username_or_address(
    as_alice: Client, project: Project, stranger: User, named: str
) -> None:
    page = words(as_alice.post("/projects/alpine-snow/members/add/", {"person": named}, follow=True))

    assert "Sam Stranger is in the project." in page
    assert people(project) == {"alice", "ben", "sam"}


@pytest.mark.parametrize("named", ["", "sa", "Sam", "Sam Stranger", "nobody", "nobody@science.example", "%", "gone"])
def test_whoever_is_not_named_exactly_is_not_added(
    as_alice: Client, project: Project, stranger: User, person: Callable[..., User], named: str
) -> None:
    gone = person("gone")
    gone.is_active = False
    gone.save()

    answer = as_alice.post("/projects/alpine-snow/members/add/", {"person": named})

    assert answer.status_code == 422
    assert len(errors(answer)) == 1
    assert people(project) == {"alice", "ben"}


def test_the_answer_is_the_same_for_nobody_and_for_several(
    as_alice: Client, project: Project, stranger: User, person: Callable[..., User]
) -> None:
    namesake = person("other")
    namesake.preferred_username = "sam"
    namesake.save()

    several = as_alice.post("/projects/alpine-snow/members/add/", {"person": "sam"})
    nobody = as_alice.post("/projects/alpine-snow/members/add/", {"person": "nobody"})

    assert errors(several) == errors(nobody)
    assert people(project) == {"alice", "ben"}


def test_adding_somebody_twice_changes_nothing(as_alice: Client, project: Project) -> None:
    answer = as_alice.post("/projects/alpine-snow/members/add/", {"person": "ben"})

    assert answer.status_code == 302
    assert people(project) == {"alice", "ben"}


def test_the_leader_removes_a_member_who_then_sees_nothing(
    as_alice: Client, as_ben: Client, project: Project, ben: User
) -> None:
    page = words(as_alice.post("/projects/alpine-snow/members/remove/", {"person": str(ben.public_id)}, follow=True))

    assert "Ben Okafor is no longer in the project." in page
    assert people(project) == {"alice"}
    assert as_ben.get("/projects/alpine-snow/").status_code == 404


def test_the_leader_stays(as_alice: Client, project: Project, alice: User) -> None:
    page = words(as_alice.post("/projects/alpine-snow/members/remove/", {"person": str(alice.public_id)}, follow=True))

    assert "A project keeps its principal investigator." in page
    assert people(project) == {"alice", "ben"}


def test_removing_somebody_who_left_already_changes_nothing(as_alice: Client, project: Project, stranger: User) -> None:
    answer = as_alice.post("/projects/alpine-snow/members/remove/", {"person": str(stranger.public_id)})

    assert answer.status_code == 302
    assert people(project) == {"alice", "ben"}


@pytest.mark.parametrize("value", ["", "ben", "1"])
def test_removing_what_is_no_person_is_not_found(as_alice: Client, project: Project, value: str) -> None:
    assert as_alice.post("/projects/alpine-snow/members/remove/", {"person": value}).status_code == 404


@pytest.mark.parametrize("name", ["ben", "maria"])
def test_others_who_see_the_project_do_not_change_its_people_and_read_why(
    request: pytest.FixtureRequest, project: Project, stranger: User, ben: User, name: str
) -> None:
    client: Client = request.getfixturevalue(f"as_{name}")
    assert soup(client.get("/projects/alpine-snow/")).select("main form") == []

    for path, data in (("add", {"person": "sam"}), ("remove", {"person": str(ben.public_id)})):
        page = words(client.post(f"/projects/alpine-snow/members/{path}/", data, follow=True))
        assert "Only the principal investigator changes who is in the project." in page

    assert people(project) == {"alice", "ben"}


def test_a_member_does_not_learn_whether_somebody_is_known(as_ben: Client, project: Project, stranger: User) -> None:
    known = words(as_ben.post("/projects/alpine-snow/members/add/", {"person": "sam"}, follow=True))
    unknown = words(as_ben.post("/projects/alpine-snow/members/add/", {"person": "nobody"}, follow=True))

    assert known == unknown


@pytest.mark.parametrize("path", ["add", "remove"])
def test_the_platforms_follow_when_the_people_change(
    as_alice: Client, award: Award, stranger: User, ben: User, path: str
) -> None:
    Operation.objects.update(status="succeeded")
    Allocation.objects.update(status=AllocationStatus.ACTIVE)

    value = "sam" if path == "add" else str(ben.public_id)
    as_alice.post(f"/projects/alpine-snow/members/{path}/", {"person": value})

    queued = Operation.objects.filter(kind=OperationKind.SYNC_PEOPLE, status="queued")
    assert queued.count() == 2


def test_ones_own_roles_elsewhere_do_not_open_a_project(
    signed_in: Callable[[User], Client], person: Callable[..., User], project: Project
) -> None:
    officer = person("olga", role=Role.TECHNICAL_OFFICER)

    assert signed_in(officer).get("/projects/alpine-snow/").status_code == 404


def test_a_new_request_from_the_page_has_the_project_chosen(
    as_alice: Client, project: Project, alice: User, now: datetime
) -> None:
    projects.create_project(title="Peat", by=alice, at=now)

    link = soup(as_alice.get("/projects/alpine-snow/")).select_one("main a.button.primary")
    assert link is not None
    chosen = soup(as_alice.get(str(link["href"]))).select_one("#id_project option[selected]")

    assert chosen is not None
    assert chosen["value"] == str(project.pk)


def test_withdrawn_requests_stay_on_the_page(
    as_ben: Client, sent_request: ResourceRequest, alice: User, now: datetime
) -> None:
    sponsorship.withdraw(sent_request, by=alice, at=now)

    assert "Withdrawn" in words(as_ben.get("/projects/alpine-snow/"))


# --- its title and summary -------------------------------------------------------------------------------------------


def test_the_leader_changes_title_and_summary(as_alice: Client, project: Project) -> None:
    way = soup(as_alice.get("/projects/alpine-snow/")).select_one('a[href="/projects/alpine-snow/edit/"]')
    assert way is not None
    filled = soup(as_alice.get(str(way["href"]))).select_one("#id_title")
    assert filled is not None
    assert filled["value"] == "Alpine snow"

    page = words(as_alice.post(str(way["href"]), {"title": "Alpine ice", "summary": "Ice."}, follow=True))

    assert "Alpine ice" in page
    project.refresh_from_db()
    assert (project.title, project.summary, project.slug) == ("Alpine ice", "Ice.", "alpine-snow")


@pytest.mark.parametrize("title", ["", "  ", "x" * 201])
def test_a_project_keeps_a_title(as_alice: Client, project: Project, title: str) -> None:
    answer = as_alice.post("/projects/alpine-snow/edit/", {"title": title, "summary": "Ice."})

    assert answer.status_code == 422
    before = (project.title, project.summary)
    project.refresh_from_db()
    assert (project.title, project.summary) == before


@pytest.mark.parametrize(("who", "status"), [("ben", 403), ("maria", 403), ("stranger", 404)])
def test_others_do_not_change_it(request: pytest.FixtureRequest, project: Project, who: str, status: int) -> None:
    client: Client = request.getfixturevalue(f"as_{who}")

    assert client.get("/projects/alpine-snow/edit/").status_code == status
    assert client.post("/projects/alpine-snow/edit/", {"title": "Mine"}).status_code == status
    project.refresh_from_db()
    assert project.title == "Alpine snow"


@pytest.mark.parametrize("path", ["add", "remove"])
def test_whoever_comes_to_the_address_of_a_form_comes_to_the_page(
    as_alice: Client, project: Project, path: str
) -> None:
    assert as_alice.get(f"/projects/alpine-snow/members/{path}/")["Location"] == "/projects/alpine-snow/"
    assert people(project) == {"alice", "ben"}


def test_credits_given_back_are_explained(as_alice: Client, award: Award, alice: User, now: datetime) -> None:
    assert "are free" not in words(as_alice.get("/projects/alpine-snow/"))
    allocation = award.allocations.get(platform__slug="hub")
    activate(allocation, at=now)
    provisioning.end(allocation, reason="Done.", by=alice, at=now)
    close(allocation, at=now)

    page = words(as_alice.get("/projects/alpine-snow/"))

    assert f"{as_text(allocation.amount)} credits of {award.reference} are free until" in page
