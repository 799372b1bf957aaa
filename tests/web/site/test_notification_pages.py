"""A person's messages."""

from datetime import datetime

import pytest
from django.test import Client

from earthcode.identity.models import User
from earthcode.notifications import actions
from earthcode.notifications.actions import Recipient
from earthcode.notifications.models import Message
from earthcode.sponsorship.models import Award, ResourceRequest
from tests.support.pages import in_one_line, soup
from tests.support.queries import assert_queries_do_not_grow
from tests.support.visits import link, page_of


@pytest.fixture
def message(alice: User, now: datetime) -> Message:
    return write(alice, "first", now)


def write(person: User, key: str, at: datetime, to: str = "/allocations/") -> Message:
    return actions.send(
        key=f"{key}:{person.public_id}",
        to=Recipient(person.public_id, person.email),
        subject=f"The {key} message",
        body="Something happened.\nSomebody did it.",
        link=to,
        at=at,
    )


def test_people_see_their_own_messages_only(message: Message, as_alice: Client, as_ben: Client) -> None:
    assert message.subject in in_one_line(page_of(as_alice, "/notifications/"))
    page = in_one_line(page_of(as_ben, "/notifications/"))
    assert message.subject not in page
    assert "No messages yet" in page


def test_visitors_are_asked_to_sign_in(message: Message, client: Client) -> None:
    assert client.get("/notifications/").status_code == 302
    assert client.get(f"/notifications/{message.pk}/").status_code == 302
    assert client.post("/notifications/read/").status_code == 302
    message.refresh_from_db()
    assert message.read_at is None


def test_looking_at_the_list_marks_nothing(message: Message, as_alice: Client) -> None:
    page_of(as_alice, "/notifications/")

    message.refresh_from_db()
    assert message.read_at is None


def test_opening_a_message_goes_where_it_points_and_marks_it(message: Message, as_alice: Client, now: datetime) -> None:
    way = link(page_of(as_alice, "/notifications/"), message.subject)
    assert way is not None

    response = as_alice.get(str(way["href"]))

    assert response.status_code == 302
    assert response["Location"] == "/allocations/"
    message.refresh_from_db()
    assert message.read_at == now


def test_opening_somebody_elses_message_is_not_possible(message: Message, as_ben: Client) -> None:
    assert as_ben.get(f"/notifications/{message.pk}/").status_code == 404
    message.refresh_from_db()
    assert message.read_at is None


@pytest.mark.parametrize(
    "to", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", ""]
)
def test_only_pages_of_this_site_are_followed(alice: User, as_alice: Client, now: datetime, to: str) -> None:
    message = write(alice, "strange", now, to=to)

    assert as_alice.get(f"/notifications/{message.pk}/")["Location"] == "/notifications/"


def test_one_message_is_marked_as_read(message: Message, alice: User, as_alice: Client, now: datetime) -> None:
    other = write(alice, "second", now)

    response = as_alice.post("/notifications/read/", {"message": str(message.pk)})

    assert response["Location"] == "/notifications/"
    message.refresh_from_db()
    other.refresh_from_db()
    assert message.read_at == now
    assert other.read_at is None


def test_all_are_marked_as_read(message: Message, alice: User, ben: User, as_alice: Client, now: datetime) -> None:
    write(alice, "second", now)
    of_ben = write(ben, "third", now)

    page = soup(as_alice.post("/notifications/read/", follow=True))

    assert "2 messages marked as read." in in_one_line(page)
    assert not Message.objects.filter(recipient=alice.public_id, read_at=None).exists()
    of_ben.refresh_from_db()
    assert of_ben.read_at is None


@pytest.mark.parametrize("chosen", ["x", "-1", "99999999"])
def test_marking_nonsense_marks_nothing(message: Message, as_alice: Client, chosen: str) -> None:
    response = as_alice.post("/notifications/read/", {"message": chosen, "show": "unread"})

    assert response.status_code == 302
    message.refresh_from_db()
    assert message.read_at is None


def test_somebody_elses_message_is_not_marked(message: Message, as_ben: Client) -> None:
    as_ben.post("/notifications/read/", {"message": str(message.pk)})

    message.refresh_from_db()
    assert message.read_at is None


def test_marking_needs_a_post(message: Message, as_alice: Client) -> None:
    assert as_alice.get("/notifications/read/").status_code == 405


def test_the_unread_ones_can_be_shown_alone(message: Message, alice: User, as_alice: Client, now: datetime) -> None:
    other = write(alice, "second", now)
    actions.mark_read(recipient=alice.public_id, message=other.pk, at=now)

    page = in_one_line(page_of(as_alice, "/notifications/?show=unread"))

    assert message.subject in page
    assert other.subject not in page


def test_a_long_list_has_pages(alice: User, as_alice: Client, now: datetime) -> None:
    for number in range(30):
        write(alice, f"{number}.", now)

    first = page_of(as_alice, "/notifications/")

    assert len(first.select(".rows > li")) == 25
    assert len(page_of(as_alice, "/notifications/?page=2").select(".rows > li")) == 5


def test_the_list_makes_as_many_queries_for_many_messages(alice: User, as_alice: Client, now: datetime) -> None:
    def rows(count: int) -> None:
        for number in range(Message.objects.count(), count):
            write(alice, f"{number}.", now)

    assert_queries_do_not_grow(as_alice, "/notifications/", rows=rows)


def test_opening_the_page_a_message_is_about_marks_it(
    award: Award, alice: User, ben: User, as_alice: Client, now: datetime
) -> None:
    Message.objects.all().delete()
    page = f"/allocations/{award.reference}-1/"
    about = write(alice, "about", now, to=page)
    of_ben = write(ben, "about", now, to=page)
    other = write(alice, "other", now, to=f"/allocations/{award.reference}-2/")

    bell = page_of(as_alice, page).select_one('[aria-label^="Notifications"]')

    assert bell is not None
    assert bell["aria-label"] == "Notifications, 1 unread"
    for message in (about, of_ben, other):
        message.refresh_from_db()
    assert (about.read_at, of_ben.read_at, other.read_at) == (now, None, None)


def test_opening_a_request_marks_what_was_written_about_it(
    sent_request: ResourceRequest, alice: User, maria: User, as_alice: Client, as_maria: Client, now: datetime
) -> None:
    Message.objects.all().delete()
    for client, person, page in (
        (as_alice, alice, sent_request.get_absolute_url()),
        (as_maria, maria, f"/review/{sent_request.reference}/"),
    ):
        message = write(person, "about", now, to=page)
        page_of(client, page)
        message.refresh_from_db()
        assert message.read_at == now


def test_a_page_one_may_not_see_marks_nothing(award: Award, stranger: User, as_stranger: Client, now: datetime) -> None:
    message = write(stranger, "about", now, to=f"/allocations/{award.reference}-1/")

    assert as_stranger.get(message.link).status_code == 404
    message.refresh_from_db()
    assert message.read_at is None
