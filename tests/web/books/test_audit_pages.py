"""The audit trail as a page."""

from datetime import datetime

import pytest
from django.db import transaction
from django.test import Client

from earthcode.audit import actions as audit
from earthcode.audit.models import Event
from earthcode.identity.models import Project, User
from earthcode.identity.roles import Role
from earthcode.sponsorship.models import Award, ResourceRequest
from earthcode.web.parts.trail import PER_PAGE
from tests.conftest import MakePerson
from tests.support.events import event
from tests.support.pages import in_one_line
from tests.support.queries import assert_queries_do_not_grow
from tests.support.visits import link, page_of


def add_events(about: Project, by: User, count: int, at: datetime) -> None:
    with transaction.atomic():
        for number in range(count):
            audit.record(
                event("project.rename"), by=by, about=about, at=at, data={"number": number, "title": f"Title {number}"}
            )


def shown(client: Client, url: str) -> list[str]:
    """The names of the events on the page, from the top."""
    return [in_one_line(code) for code in page_of(client, url).select("tbody td:nth-of-type(2) > div > code")]


def test_managers_and_auditors_read_the_trail(award: Award, as_maria: Client, person: MakePerson) -> None:
    auditor = Client()
    auditor.force_login(person("ada", "Ada Auditor", role=Role.AUDITOR))

    for client in (as_maria, auditor):
        page = in_one_line(page_of(client, "/audit/"))
        assert "resource_request.approve" in page
        assert award.reference in page
        assert "Maria Rossi" in page


@pytest.mark.parametrize("who", ["as_alice", "as_petra", "as_tomas", "as_stranger"])
def test_for_others_there_is_no_trail(award: Award, who: str, request: pytest.FixtureRequest) -> None:
    assert request.getfixturevalue(who).get("/audit/").status_code == 404


def test_a_visitor_is_asked_to_sign_in(client: Client, db: None) -> None:
    assert client.get("/audit/").status_code == 302


def test_a_reference_finds_all_that_belongs_to_it(
    award: Award, draft: ResourceRequest, project: Project, as_maria: Client
) -> None:
    of_request = shown(as_maria, f"/audit/?reference={award.reference}")
    of_allocation = shown(as_maria, f"/audit/?reference={award.reference}-1")

    assert "resource_request.approve" in of_request
    assert of_request.count("allocation.place") == 2
    assert "project.create" not in of_request
    assert of_allocation == ["allocation.place"]
    assert shown(as_maria, f"/audit/?reference={award.reference.lower()}") == of_request


def test_other_words_are_looked_for_in_what_the_event_is_about(project: Project, as_maria: Client) -> None:
    assert "project.create" in shown(as_maria, "/audit/?reference=alpine")
    assert shown(as_maria, "/audit/?reference=nowhere") == []


def test_the_trail_is_filtered_by_who_and_what(award: Award, as_maria: Client) -> None:
    assert set(shown(as_maria, "/audit/?actor=maria")) == {"resource_request.approve", "allocation.place"}
    assert set(shown(as_maria, "/audit/?event=allocation")) == {"allocation.place"}
    assert shown(as_maria, "/audit/?event=resource_request.approve") == ["resource_request.approve"]
    assert shown(as_maria, "/audit/?event=allocation&actor=alice") == []
    assert "No events match" in in_one_line(page_of(as_maria, "/audit/?event=allocation&actor=alice"))


@pytest.mark.parametrize("before", ["x", "-1", "0", "9" * 40])
def test_nonsense_in_the_address_is_harmless(project: Project, as_maria: Client, before: str) -> None:
    assert as_maria.get("/audit/", {"before": before, "reference": "%\x00'", "event": "."}).status_code == 200


def test_pages_go_on_where_the_last_one_ended(project: Project, alice: User, as_maria: Client, now: datetime) -> None:
    add_events(project, alice, 2 * PER_PAGE, now)
    keys = list(Event.objects.order_by("-pk").values_list("name", "data"))
    first = page_of(as_maria, "/audit/?event=project")
    older = link(first, "Older events")
    assert older is not None
    # What happens meanwhile does not shift the pages.
    add_events(project, alice, 3, now)

    second = page_of(as_maria, str(older["href"]))

    numbers = [
        int(in_one_line(dd))
        for page in (first, second)
        for dd in page.select("dl.pairs dt:-soup-contains('number') + dd")
    ]
    assert numbers == list(range(2 * PER_PAGE - 1, -1, -1))
    assert len(keys) > PER_PAGE
    assert link(second, "Back to the newest") is not None


def test_the_list_makes_as_many_queries_for_many_events(
    project: Project, alice: User, as_maria: Client, now: datetime
) -> None:
    def rows(count: int) -> None:
        add_events(project, alice, count - Event.objects.count(), now)

    assert_queries_do_not_grow(as_maria, "/audit/", rows=rows)


def test_events_are_told_in_words(award: Award, as_maria: Client) -> None:
    page = in_one_line(page_of(as_maria, f"/audit/?reference={award.reference}"))

    assert "Approved in full resource_request.approve" in page
    assert "Credits set aside allocation.place" in page


def test_an_event_without_words_goes_by_its_name(
    project: Project, alice: User, as_maria: Client, now: datetime
) -> None:
    add_events(project, alice, 1, now)

    assert shown(as_maria, "/audit/?event=project.rename") == ["project.rename"]


def test_how_the_chain_is_checked_is_for_auditors(project: Project, as_maria: Client, person: MakePerson) -> None:
    auditor = Client()
    auditor.force_login(person("ada", "Ada Auditor", role=Role.AUDITOR))

    assert "verify_audit" in in_one_line(page_of(auditor, "/audit/"))
    assert "verify_audit" not in in_one_line(page_of(as_maria, "/audit/"))
