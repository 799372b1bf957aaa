"""What an offering said before, as readers see it, and the way there from a request."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from earthcode.audit.actors import System
from earthcode.catalogue.models import Offering, Plan
from earthcode.catalogue.versions import publish_version
from earthcode.identity.models import User
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import ResourceRequest
from tests.support.pages import soup, words
from tests.support.queries import assert_queries_do_not_grow

pytestmark = pytest.mark.django_db
AT = datetime(2026, 10, 1, 9, 0, tzinfo=UTC)


@pytest.fixture
def hub(hub_plan: Plan) -> Offering:
    return hub_plan.offering


def say(offering: Offering, at: datetime = AT, **of_offering: Any) -> None:
    Offering.objects.filter(pk=offering.pk).update(**of_offering)
    publish_version(offering, by=System("editor"), at=at)


def test_the_list_says_what_each_version_changed_newest_first(client: Client, clock: Any, hub: Offering) -> None:
    say(hub, summary="A hub.")
    say(hub, summary="A bigger hub.", at=AT + timedelta(days=3))

    page = client.get(f"/catalogue/{hub.slug}/versions/")

    titles = [each.get_text(" ", strip=True) for each in soup(page).select("section.panel h2")]
    assert titles == ["Version 2 Now", "Version 1"]
    assert "A hub." in soup(page).select_one(".changes del").get_text()
    assert "A bigger hub." in soup(page).select_one(".changes ins").get_text()
    assert "The first version stored here." in words(page)


def test_an_earlier_version_shows_the_offering_as_it_was_and_what_changed_since(
    client: Client, clock: Any, hub: Offering
) -> None:
    say(hub, summary="A hub.")
    say(hub, summary="A bigger hub.", at=AT + timedelta(days=3))

    page = client.get(f"/catalogue/{hub.slug}/versions/1/")

    assert soup(page).select_one(".lede").get_text() == "A hub."
    assert "As it was from 1 Oct 2026, 09:00 until 4 Oct 2026, 09:00" in words(page)
    assert "A bigger hub." in soup(page).select_one("#since ins").get_text()


def test_a_version_that_does_not_exist_or_was_not_listed_is_not_found(
    client: Client, clock: Any, hub: Offering
) -> None:
    say(hub, is_listed=False)
    assert client.get(f"/catalogue/{hub.slug}/versions/").status_code == 404
    assert client.get(f"/catalogue/{hub.slug}/versions/1/").status_code == 404

    say(hub, is_listed=True)

    assert client.get(f"/catalogue/{hub.slug}/versions/").status_code == 200
    assert client.get(f"/catalogue/{hub.slug}/versions/1/").status_code == 404
    assert client.get(f"/catalogue/{hub.slug}/versions/2/").status_code == 200
    assert client.get(f"/catalogue/{hub.slug}/versions/3/").status_code == 404


def test_the_list_makes_the_same_few_queries_for_many_versions(client: Client, clock: Any, hub: Offering) -> None:
    def bring_to(count: int) -> None:
        for number in range(hub.versions.count(), count):
            say(hub, summary=f"Words {number}")

    assert_queries_do_not_grow(client, f"/catalogue/{hub.slug}/versions/", rows=bring_to, few=12, many=30)


# --- from a request ---------------------------------------------------------------------------------------------------


def test_a_line_cites_what_the_offering_said_when_it_was_asked_for(
    draft: ResourceRequest, alice: User, hub_plan: Plan, hub: Offering, workload: Any, now: datetime
) -> None:
    line = sponsorship.save_line(draft, plan=hub_plan, workload=workload, by=alice, at=now)
    say(hub, summary="Quite another thing.", at=now)

    line.refresh_from_db()

    assert line.version is not None
    assert line.version.content["summary"] == hub.summary
    again = sponsorship.save_line(draft, plan=hub_plan, workload=workload, by=alice, at=now)
    assert again.version is not None
    assert again.version.content["summary"] == "Quite another thing."


@pytest.mark.parametrize("address", ["/requests/{}/", "/review/{}/"])
def test_a_request_leads_to_the_version_once_the_offering_has_changed(
    address: str, as_alice: Client, as_maria: Client, sent_request: ResourceRequest, hub: Offering, now: datetime
) -> None:
    client = as_maria if "review" in address else as_alice
    url = address.format(sent_request.reference)
    assert not soup(client.get(url)).select("a[href*='/versions/']")

    say(hub, summary="Quite another thing.", at=now)

    [link] = soup(client.get(url)).select("a[href*='/versions/']")
    assert link["href"] == f"/catalogue/{hub.slug}/versions/1/"
    assert soup(client.get(str(link["href"]))).select_one(".lede").get_text() == hub.summary
