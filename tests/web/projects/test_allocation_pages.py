"""The pages of allocations: what each person sees, and what they can do there."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.utils.formats import date_format

from earthcode.audit.models import Event
from earthcode.identity.models import User
from earthcode.lib.money import as_text
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning.models import Allocation, AllocationStatus, OperationStatus
from earthcode.sponsorship.models import Award
from tests.support.allocations import activate, close, fail, more_allocations
from tests.support.pages import in_one_line, soup
from tests.support.queries import assert_queries_do_not_grow
from tests.support.visits import link, page_of


@pytest.fixture
def allocation(award: Award) -> Allocation:
    """On the hub, being set up."""
    return award.allocations.select_related("platform", "award", "plan__offering").get(platform__slug="hub")


@pytest.fixture
def active(allocation: Allocation, now: datetime) -> Allocation:
    """On the hub, with access."""
    activate(allocation, at=now)
    return allocation


@pytest.fixture
def failed(allocation: Allocation, now: datetime) -> Allocation:
    """Refused by the hub."""
    fail(allocation, at=now)
    return allocation


# --- who sees it -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["as_alice", "as_ben", "as_maria", "as_petra"])
def test_the_project_the_provider_and_esa_see_the_allocation(
    active: Allocation, who: str, request: pytest.FixtureRequest
) -> None:
    page = page_of(request.getfixturevalue(who), f"/allocations/{active.reference}/")

    assert active.reference in in_one_line(page)
    assert as_text(active.amount) in in_one_line(page)


@pytest.mark.parametrize("path", ["/allocations/{}/", "/allocations/{}/end/", "/go/{}/", "/simulated-platform/{}/"])
def test_to_others_the_allocation_does_not_exist(active: Allocation, as_stranger: Client, path: str) -> None:
    assert as_stranger.get(path.format(active.reference)).status_code == 404
    assert as_stranger.get(path.format("NOR-1999-0001-1")).status_code == 404


def test_the_provider_does_not_see_allocations_on_other_platforms(award: Award, as_petra: Client) -> None:
    other = award.allocations.get(platform__slug="batch")

    assert as_petra.get(f"/allocations/{other.reference}/").status_code == 404


def test_a_visitor_is_asked_to_sign_in(active: Allocation, client: Client) -> None:
    for path in (f"/allocations/{active.reference}/", "/allocations/", f"/go/{active.reference}/"):
        response = client.get(path)
        assert response.status_code == 302
        assert "/accounts/" in response["Location"]


def test_the_provider_is_not_told_why_the_request_was_granted(
    active: Allocation, as_alice: Client, as_petra: Client
) -> None:
    url = f"/allocations/{active.reference}/"

    assert "Good science." in in_one_line(page_of(as_alice, url))
    assert "Good science." not in in_one_line(page_of(as_petra, url))


# --- the list --------------------------------------------------------------------------------------------------------


def test_the_list_shows_what_one_may_see_and_nothing_else(
    award: Award, as_alice: Client, as_petra: Client, as_stranger: Client
) -> None:
    hub, batch = award.allocations.get(platform__slug="hub"), award.allocations.get(platform__slug="batch")

    assert {hub.reference, batch.reference} <= set(in_one_line(page_of(as_alice, "/allocations/")).split())
    of_petra = in_one_line(page_of(as_petra, "/allocations/"))
    assert hub.reference in of_petra
    assert batch.reference not in of_petra
    assert award.reference not in in_one_line(page_of(as_stranger, "/allocations/"))
    assert "No allocations yet" in in_one_line(page_of(as_stranger, "/allocations/"))


def test_the_tabs_divide_the_list(
    active: Allocation, award: Award, alice: User, as_alice: Client, now: datetime
) -> None:
    other = award.allocations.get(platform__slug="batch")
    provisioning.end(other, reason="Done.", by=alice, at=now)
    close(other, at=now)

    current = in_one_line(page_of(as_alice, "/allocations/"))
    ended = in_one_line(page_of(as_alice, "/allocations/?show=ended"))
    everything = in_one_line(page_of(as_alice, "/allocations/?show=all"))

    assert active.reference in current
    assert other.reference not in current
    assert other.reference in ended
    assert active.reference not in ended
    assert active.reference in everything
    assert other.reference in everything


def test_the_list_can_be_searched(award: Award, as_alice: Client) -> None:
    found = in_one_line(page_of(as_alice, "/allocations/?q=batch"))

    assert f"{award.reference}-2" in found
    assert f"{award.reference}-1" not in found
    assert "Nothing matches" in in_one_line(page_of(as_alice, "/allocations/?q=nowhere"))


def test_orders_are_for_those_who_run_platforms(
    award: Award, as_petra: Client, as_alice: Client, as_maria: Client
) -> None:
    orders = in_one_line(page_of(as_petra, "/provider/orders/"))

    assert f"{award.reference}-1" in orders
    assert f"{award.reference}-2" not in orders
    assert as_alice.get("/provider/orders/").status_code == 404
    assert as_maria.get("/provider/orders/").status_code == 404


def test_an_order_says_whose_it_is_and_until_when(active: Allocation, as_petra: Client, as_alice: Client) -> None:
    order = in_one_line(page_of(as_petra, "/provider/orders/"))

    assert "For Alpine snow, Alice Martin, Alpine Institute" in order
    assert f"until {date_format(active.ends_on)}, in " in order
    assert "For Alpine snow" not in in_one_line(page_of(as_alice, "/allocations/"))


def test_the_way_back_leads_to_the_list_one_came_from(active: Allocation, as_petra: Client, as_alice: Client) -> None:
    for client, list_url in ((as_petra, "/provider/orders/"), (as_alice, "/allocations/")):
        crumb = page_of(client, f"/allocations/{active.reference}/").select_one(".crumbs a")
        assert crumb is not None
        assert crumb["href"] == list_url


def test_the_list_of_orders_makes_as_many_queries_for_many_rows(award: Award, as_petra: Client, now: datetime) -> None:
    def rows(count: int) -> None:
        more_allocations(award, count - award.allocations.count(), at=now)

    assert_queries_do_not_grow(as_petra, "/provider/orders/", rows=rows)


def test_the_list_tells_why_something_failed(failed: Allocation, as_petra: Client) -> None:
    assert "The platform is full." in in_one_line(page_of(as_petra, "/provider/orders/"))


@pytest.mark.parametrize("url", ["/allocations/", "/allocations/?show=all&q=hub"])
def test_the_list_makes_as_many_queries_for_many_rows(award: Award, as_alice: Client, now: datetime, url: str) -> None:
    def rows(count: int) -> None:
        more_allocations(award, count - award.allocations.count(), at=now)

    assert_queries_do_not_grow(as_alice, url, rows=rows)


# --- one allocation --------------------------------------------------------------------------------------------------


def test_the_page_says_what_was_bought_and_what_is_left(active: Allocation, as_alice: Client) -> None:
    page = page_of(as_alice, f"/allocations/{active.reference}/")

    figures = {dt.get_text(strip=True): dt.find_next("dd").get_text(strip=True) for dt in page.select(".figures dt")}
    assert figures["Credits left"] == as_text(active.amount)
    assert figures["Used"] == "0"
    bought = page.select_one(".breakdown .total")
    assert bought is not None
    assert as_text(active.amount) in bought.get_text()
    statement = page.select(".ledger tbody tr")
    assert len(statement) == 1
    assert "Set aside from the award" in statement[0].get_text()


def test_the_page_makes_few_queries_however_much_happened(
    active: Allocation, as_alice: Client, alice: User, now: datetime
) -> None:
    def rows(count: int) -> None:
        while Event.objects.filter(name="allocation.open").count() < count:
            provisioning.open_platform(active, by=alice, at=now)

    assert_queries_do_not_grow(as_alice, f"/allocations/{active.reference}/", rows=rows)


def test_the_reason_of_a_failure_is_visible_to_the_scientist(failed: Allocation, as_ben: Client, petra: User) -> None:
    page = page_of(as_ben, f"/allocations/{failed.reference}/")

    assert "The platform is full." in in_one_line(page)
    assert "Hub House has been notified and can try again." in in_one_line(page)
    assert link(page, "Try again") is None


def test_the_end_of_an_allocation_is_told_with_its_reason(
    active: Allocation, maria: User, as_ben: Client, now: datetime
) -> None:
    provisioning.end(active, reason="The project is over.", by=maria, at=now)
    close(active, at=now)

    page = page_of(as_ben, f"/allocations/{active.reference}/")

    assert "This allocation has ended" in in_one_line(page)
    assert "The project is over." in in_one_line(page)
    assert "Returned to the award" in in_one_line(page)
    assert link(page, "Open platform in a new tab") is None
    assert link(page, "End allocation") is None


def test_what_ended_before_it_began_says_when_it_came_and_went(
    active: Allocation, alice: User, as_alice: Client, now: datetime
) -> None:
    Allocation.objects.filter(pk=active.pk).update(starts_on=now.date() + timedelta(days=30))
    active.refresh_from_db()
    provisioning.end(active, reason="Done.", by=alice, at=now)
    ending = in_one_line(page_of(as_alice, f"/allocations/{active.reference}/"))
    close(active, at=now)

    page = in_one_line(page_of(as_alice, f"/allocations/{active.reference}/"))

    today, start, end = (date_format(each) for each in (now.date(), active.starts_on, active.ends_on))
    assert f"Ending since {today}" in ending
    assert f"Placed {today} was to start on {start}" in page
    assert f"Ended {today} would have run until {end}" in page
    assert f"planned for {start} to {end}" in page


# --- following it ----------------------------------------------------------------------------------------------------


def refresh_link(page: BeautifulSoup) -> str:
    way = link(page, "Refresh")
    assert way is not None
    return str(way["hx-get"])


def test_the_page_follows_what_is_under_way(allocation: Allocation, as_alice: Client, now: datetime) -> None:
    url = f"/allocations/{allocation.reference}/"
    asks = refresh_link(page_of(as_alice, url))
    htmx = {"HX-Request": "true"}

    assert as_alice.get(asks, headers=htmx).status_code == 204

    allocation.operations.update(attempts=1, error="The platform is busy.")
    part = as_alice.get(asks, headers=htmx)
    assert part.status_code == 200
    assert "The platform is busy." in part.content.decode()
    assert "<html" not in part.content.decode()

    activate(allocation, at=now)
    assert as_alice.get(asks, headers=htmx)["HX-Refresh"] == "true"


def test_the_page_does_not_ask_again_when_nothing_is_under_way(active: Allocation, as_alice: Client) -> None:
    assert page_of(as_alice, f"/allocations/{active.reference}/").find(attrs={"hx-trigger": True}) is None


def test_without_script_the_same_address_is_the_whole_page(allocation: Allocation, as_alice: Client) -> None:
    asks = refresh_link(page_of(as_alice, f"/allocations/{allocation.reference}/"))

    assert "<html" in as_alice.get(asks).content.decode()


# --- trying again ----------------------------------------------------------------------------------------------------


def test_the_provider_can_have_it_tried_again(failed: Allocation, as_petra: Client) -> None:
    form = page_of(as_petra, f"/allocations/{failed.reference}/").select_one("#set-up form")
    assert form is not None

    response = as_petra.post(str(form["action"]), follow=True)

    assert response.status_code == 200
    failed.refresh_from_db()
    assert failed.status == AllocationStatus.PROVISIONING
    assert failed.operations.get().status == OperationStatus.QUEUED


def test_the_scientist_cannot_have_it_tried_again(failed: Allocation, as_alice: Client) -> None:
    operation = failed.operations.get()

    as_alice.post(f"/allocations/{failed.reference}/operations/{operation.pk}/retry/")

    failed.refresh_from_db()
    operation.refresh_from_db()
    assert failed.status == AllocationStatus.FAILED
    assert operation.status == OperationStatus.FAILED


def test_trying_again_twice_is_refused_in_words(failed: Allocation, as_maria: Client) -> None:
    url = f"/allocations/{failed.reference}/operations/{failed.operations.get().pk}/retry/"
    as_maria.post(url)

    page = in_one_line(soup(as_maria.post(url, follow=True)))

    assert "There is no failed operation to retry." in page
    assert failed.operations.get().retries == 1


def test_an_operation_of_another_allocation_does_not_exist_here(
    failed: Allocation, award: Award, as_maria: Client
) -> None:
    other = award.allocations.get(platform__slug="batch")

    response = as_maria.post(f"/allocations/{other.reference}/operations/{failed.operations.get().pk}/retry/")

    assert response.status_code == 404
    assert failed.operations.get().retries == 0


# --- ending it -------------------------------------------------------------------------------------------------------


def test_the_principal_investigator_ends_it_with_a_reason(active: Allocation, as_alice: Client) -> None:
    asked = in_one_line(page_of(as_alice, f"/allocations/{active.reference}/end/"))
    assert "goes back to the award" in asked
    assert "unless another allocation of the person on the same platform keeps it" in asked

    response = as_alice.post(f"/allocations/{active.reference}/end/", {"reason": "We are done."}, follow=True)

    assert "Access is being removed" in response.content.decode()
    active.refresh_from_db()
    assert active.status == AllocationStatus.ENDING
    assert active.end_reason == "We are done."


def test_ending_needs_a_reason(active: Allocation, as_alice: Client) -> None:
    response = as_alice.post(f"/allocations/{active.reference}/end/", {"reason": "  "})

    assert response.status_code == 422
    assert "Enter a reason" in response.content.decode()
    active.refresh_from_db()
    assert active.status == AllocationStatus.ACTIVE


@pytest.mark.parametrize("who", ["as_ben", "as_petra"])
def test_those_who_may_not_end_it_are_refused(active: Allocation, who: str, request: pytest.FixtureRequest) -> None:
    client: Client = request.getfixturevalue(who)

    assert link(page_of(client, f"/allocations/{active.reference}/"), "End allocation") is None
    assert client.get(f"/allocations/{active.reference}/end/").status_code == 403
    assert client.post(f"/allocations/{active.reference}/end/", {"reason": "No."}).status_code == 403
    active.refresh_from_db()
    assert active.status == AllocationStatus.ACTIVE


def test_ending_what_has_ended_says_so(active: Allocation, alice: User, as_alice: Client, now: datetime) -> None:
    provisioning.end(active, reason="Done.", by=alice, at=now)

    shown = as_alice.get(f"/allocations/{active.reference}/end/", follow=True)
    posted = as_alice.post(f"/allocations/{active.reference}/end/", {"reason": "Again."}, follow=True)

    assert "so this is not possible now" in shown.content.decode()
    assert "so this is not possible now" in posted.content.decode()
    assert Event.objects.filter(name="allocation.end").count() == 1


# --- leaving for the platform ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["as_alice", "as_ben"])
def test_the_projects_people_leave_for_the_platform(
    active: Allocation, who: str, request: pytest.FixtureRequest
) -> None:
    client: Client = request.getfixturevalue(who)
    way = link(page_of(client, f"/allocations/{active.reference}/"), "Open platform in a new tab")
    assert way is not None
    # The platform has no way back, so the site stays where it is; and the platform cannot reach into it.
    assert (way["target"], way["rel"]) == ("_blank", ["noopener"])

    response = client.get(str(way["href"]))

    assert response.status_code == 302
    assert response["Location"] == active.access_url
    assert Event.objects.filter(name="allocation.open", subject_label=active.reference).count() == 1


@pytest.mark.parametrize("who", ["as_petra", "as_maria"])
def test_those_who_only_look_on_do_not(active: Allocation, who: str, request: pytest.FixtureRequest) -> None:
    page = page_of(request.getfixturevalue(who), f"/go/{active.reference}/", status=403)

    assert "Only the project's people can use its allocations." in in_one_line(page)
    assert not Event.objects.filter(name="allocation.open").exists()


@pytest.mark.parametrize("state", ["allocation", "failed"])
def test_what_is_not_active_is_not_opened(state: str, as_alice: Client, request: pytest.FixtureRequest) -> None:
    allocation: Allocation = request.getfixturevalue(state)

    page = page_of(as_alice, f"/go/{allocation.reference}/", status=404)

    assert "so there is nothing to open now" in in_one_line(page)
    assert not Event.objects.filter(name="allocation.open").exists()


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "ftp://files.example/", "//evil.example/", "data:text/html,x"]
)
def test_only_addresses_of_web_pages_are_followed(
    allocation: Allocation, address: str, as_alice: Client, now: datetime
) -> None:
    activate(allocation, at=now, access_url=address)

    page = page_of(as_alice, f"/go/{allocation.reference}/", status=404)

    assert "cannot be opened in a browser" in in_one_line(page)
    assert not Event.objects.filter(name="allocation.open").exists()


# --- the simulated platform ------------------------------------------------------------------------------------------


def test_the_simulated_platform_shows_whom_it_lets_in(
    active: Allocation, alice: User, as_alice: Client, as_petra: Client, tmp_path: object, now: datetime
) -> None:
    from earthcode.connectors.registry import connector_for
    from earthcode.provisioning.operations import order_for

    config = {"state_folder": str(tmp_path)}
    type(active.platform).objects.filter(pk=active.platform_id).update(connector_config=config)
    url = f"/simulated-platform/{active.reference}/"
    assert "You are not let in" in in_one_line(page_of(as_alice, url))

    connector_for("simulated", config).ensure(order_for(active))

    page = in_one_line(page_of(as_alice, url))
    assert "You are let in" in page
    assert "Set up access done once" in page
    assert f"Until {date_format(active.ends_on)}, the last day" in page
    assert "vCPU-hours" in page
    assert "vcpu_hour" not in page
    assert "You are not let in" in in_one_line(page_of(as_petra, url))


def test_a_real_platform_has_no_simulated_page(active: Allocation, as_alice: Client) -> None:
    type(active.platform).objects.filter(pk=active.platform_id).update(connector="jupyterhub")

    assert as_alice.get(f"/simulated-platform/{active.reference}/").status_code == 404


def test_pages_are_told_not_to_be_kept(active: Allocation, signed_in: Callable[[User], Client], alice: User) -> None:
    response = signed_in(alice).get(f"/go/{active.reference}/")

    assert "no-store" in response["Cache-Control"]
