"""What only a JupyterHub does: servers that start and stop, the sign-in on the way there, and names."""

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import psutil
import pytest

from earthcode.connectors.base import ConnectorError, Order, Person
from tests.connectors.conftest import MakeOrder, MakePerson
from tests.connectors.peers.jupyterhub import HubPeer, jupyterhub

pytestmark = pytest.mark.platform


@pytest.fixture
def running(hub: HubPeer, alice: Person, order: MakeOrder) -> Iterator[Order]:
    """Alice's allocation, and her server, which runs."""
    ours = order(alice)
    with hub.connector() as connector:
        connector.ensure(ours)
    _start_server(hub, alice)
    yield ours
    hub.api.request("DELETE", f"/users/{alice.username}/server")


def _start_server(hub: HubPeer, person: Person) -> None:
    with hub.client_of(person) as client:
        assert client.post(f"/users/{person.username}/server").status_code in {201, 202}
        progress = client.get(f"/users/{person.username}/server/progress")
    assert '"ready": true' in progress.text


# --- servers ---------------------------------------------------------------------------------------------------------


def test_the_hub_refuses_a_server_before_and_after_the_allocation_and_starts_one_in_between(
    hub: HubPeer, alice: Person, order: MakeOrder
) -> None:
    hub.api.post(f"/users/{alice.username}").raise_for_status()
    start = f"/users/{alice.username}/server"
    ours = order(alice)
    with hub.client_of(alice) as client, hub.connector() as connector:
        assert client.post(start).status_code == 403

        connector.ensure(ours)
        assert client.post(start).status_code in {201, 202}
        assert hub.running(alice) == [""]

        connector.revoke(ours)
        assert hub.running(alice) == []
        assert client.post(start).status_code == 403


def test_taking_a_person_out_stops_their_server_and_nobody_elses(
    hub: HubPeer, running: Order, alice: Person, ben: Person
) -> None:
    with hub.connector() as connector:
        connector.people(replace(running, people=(alice, ben)))
        assert hub.running(alice) == [""]

        connector.people(replace(running, people=(ben,)))

    assert hub.running(alice) == []
    assert hub.may_compute(ben)


def test_ending_one_of_two_allocations_leaves_the_server_running(
    hub: HubPeer, running: Order, alice: Person, order: MakeOrder
) -> None:
    another = order(alice)
    with hub.connector() as connector:
        connector.ensure(another)

        connector.revoke(running)
        assert hub.running(alice) == [""]

        connector.revoke(another)
        assert hub.running(alice) == []


@pytest.mark.slow
def test_a_server_that_is_slow_to_stop_is_waited_for(hub: HubPeer, running: Order, alice: Person) -> None:
    server = next(
        process
        for process in map(psutil.Process, hub.hub.pids())
        if process.environ().get("JUPYTERHUB_USER") == alice.username
    )
    os.kill(server.pid, signal.SIGSTOP)

    def wake_up_when_the_hub_has_stopped_waiting() -> None:
        # It answers 202 ("accepted") then, and goes on stopping by itself.
        while f"User {alice.username}: server is slow to stop" not in hub.hub.log.read_text():
            time.sleep(0.1)
        os.kill(server.pid, signal.SIGCONT)

    waker = threading.Thread(target=wake_up_when_the_hub_has_stopped_waiting, daemon=True)
    waker.start()
    with hub.connector() as connector:
        connector.revoke(running)

    waker.join(timeout=10)
    assert not waker.is_alive()
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
    assert hub.running(alice) == []


# --- the way there ---------------------------------------------------------------------------------------------------


def test_the_access_address_signs_in_starts_the_server_and_opens_jupyterlab(hub: HubPeer, order: MakeOrder) -> None:
    """As a person of the demo single sign-on would go, by the browser's first steps."""
    carries = Person("issuer", "subject", "alice", "Alice Martin", "alice@science.example")
    ours = order(carries)
    with hub.connector() as connector, httpx.Client(timeout=60) as browser:
        assert _follow(browser, connector.ensure(ours).access_url, persona="alice").status_code == 200
        with hub.client_of(carries) as client:
            progress = client.get("/users/alice/server/progress")
        assert '"ready": true' in progress.text

        page = _follow(browser, connector.ensure(ours).access_url, persona="alice")

        assert page.status_code == 200
        assert urlsplit(str(page.url)).path == "/user/alice/lab"
        assert "<title>JupyterLab</title>" in page.text

        connector.revoke(ours)
        refused = _follow(browser, connector._grant(ours).access_url, persona="alice")
        assert refused.status_code == 403


def _follow(browser: httpx.Client, url: str, *, persona: str) -> httpx.Response:
    page = browser.get(url, headers={"Sec-Fetch-Mode": "navigate", "Accept": "text/html"})
    for _ in range(30):
        if page.is_redirect:
            target = urljoin(str(page.url), page.headers["location"])
            page = browser.get(target, headers={"Sec-Fetch-Mode": "navigate", "Accept": "text/html"})
        elif 'name="persona"' in page.text:
            hidden = dict(re.findall(r'name="(csrfmiddlewaretoken|next)" value="([^"]*)"', page.text))
            hidden = {name: value.replace("&amp;", "&") for name, value in hidden.items()}
            address = str(page.url)
            page = browser.post(address, data={**hidden, "persona": persona}, headers={"Referer": address})
        else:
            return page
    raise AssertionError("the redirects never end")


# --- groups ----------------------------------------------------------------------------------------------------------


def test_the_allocations_group_tells_what_it_is_for(hub: HubPeer, order: MakeOrder, alice: Person, ben: Person) -> None:
    ours = order(alice, ben)

    with hub.connector() as connector:
        grant = connector.ensure(ours)

    group = hub.api.get(f"/groups/{grant.external_id}").json()
    assert grant.external_id == f"nor-{ours.allocation.lower()}"
    assert sorted(group["users"]) == sorted([alice.username, ben.username])
    assert group["roles"] == []
    assert group["properties"] == {
        "nor_allocation": ours.allocation,
        "nor_key": ours.key,
        "nor_group": "nor-compute",
        "nor_state": "active",
        "nor_ends_at": "2027-05-02T00:00:00+00:00",
        "nor_quota": {"vcpu_hour": "2880"},
    }


def test_a_plan_can_name_another_role_bound_group(hub: HubPeer, order: MakeOrder, alice: Person) -> None:
    small, large = order(alice), order(alice, settings={"group": "nor-compute-large"})
    with hub.connector() as connector:
        connector.ensure(small)
        connector.ensure(large)
        assert _groups(hub, alice) >= {"nor-compute", "nor-compute-large"}

        connector.revoke(large)
        assert _groups(hub, alice) & {"nor-compute", "nor-compute-large"} == {"nor-compute"}

        connector.revoke(small)
        assert _groups(hub, alice) == set()


def test_moving_to_another_role_bound_group_leaves_the_first(hub: HubPeer, order: MakeOrder, alice: Person) -> None:
    ours = order(alice)
    with hub.connector() as connector:
        connector.ensure(ours)

        connector.ensure(replace(ours, settings={"group": "nor-compute-large"}))
        assert _groups(hub, alice) & {"nor-compute", "nor-compute-large"} == {"nor-compute-large"}

        # The plan's settings may have changed back before the end; the hub's own record counts.
        connector.revoke(ours)
    assert _groups(hub, alice) == set()


def test_an_ending_that_broke_off_keeps_nobody_in_the_role_bound_group(
    hub: HubPeer, order: MakeOrder, alice: Person
) -> None:
    first, second = order(alice), order(alice)
    with hub.connector() as connector:
        connector.ensure(first)
        connector.ensure(second)
        name = f"nor-{first.allocation.lower()}"
        properties = hub.api.get(f"/groups/{name}").json()["properties"]
        hub.api.put(f"/groups/{name}/properties", json={**properties, "nor_state": "ending"}).raise_for_status()

        connector.revoke(second)

    assert not hub.may_compute(alice)


def test_revoke_takes_people_out_although_somebody_removed_the_allocations_group(
    hub: HubPeer, order: MakeOrder, alice: Person
) -> None:
    ours = order(alice)
    with hub.connector() as connector:
        grant = connector.ensure(ours)
        hub.api.delete(f"/groups/{grant.external_id}").raise_for_status()

        connector.revoke(ours)

    assert not hub.may_compute(alice)


def test_revoke_is_content_with_people_whom_the_hub_has_forgotten(
    hub: HubPeer, order: MakeOrder, alice: Person
) -> None:
    ours = order(alice)
    with hub.connector() as connector:
        connector.ensure(ours)
        hub.api.delete(f"/users/{alice.username}").raise_for_status()

        connector.revoke(ours)

        assert connector.find(ours) is None


def test_a_role_bound_group_that_is_not_there_is_permanent_and_found_by_check(hub: HubPeer, order: MakeOrder) -> None:
    with hub.connector(group="no-such-group") as connector:
        with pytest.raises(ConnectorError, match="no-such-group") as caught:
            connector.ensure(order())
        health = connector.check()

    assert caught.value.permanent
    assert not health.ok
    assert "no-such-group" in health.message


def test_a_group_without_a_role_is_found_by_check(hub: HubPeer, order: MakeOrder) -> None:
    with hub.connector() as connector:
        grant = connector.ensure(order())

    with hub.connector(group=grant.external_id) as connector:
        assert not connector.check().ok


def test_check_names_the_rights_that_the_token_lacks(hub: HubPeer, alice: Person) -> None:
    hub.api.post(f"/users/{alice.username}").raise_for_status()
    made = hub.api.post(f"/users/{alice.username}/tokens", json={"note": "test", "expires_in": 600}).json()

    with jupyterhub(hub.config, token=made["token"]) as connector:
        health = connector.check()

    assert not health.ok
    assert "admin:groups" in health.message


def test_an_address_that_is_no_hub_is_found_by_check(hub: HubPeer, order: MakeOrder) -> None:
    with hub.connector(api_url=f"{hub.hub.url}/hub/static") as connector:
        assert not connector.check().ok
        with pytest.raises(ConnectorError):
            connector.find(order())


# --- names -----------------------------------------------------------------------------------------------------------


def test_user_names_are_in_lower_case_on_the_hub(hub: HubPeer, order: MakeOrder, alice: Person) -> None:
    shouting = replace(alice, username=alice.username.upper())
    ours = order(shouting)

    with hub.connector() as connector:
        grant = connector.ensure(ours)
        assert connector.find(ours) == grant

    assert hub.may_compute(alice)


@pytest.mark.parametrize("attribute", ["subject", "email"])
def test_user_names_can_be_made_of_another_attribute(
    hub: HubPeer, order: MakeOrder, alice: Person, attribute: str
) -> None:
    ours = order(alice)

    with hub.connector(username=attribute) as connector:
        grant = connector.ensure(ours)

    assert hub.api.get(f"/groups/{grant.external_id}").json()["users"] == [getattr(alice, attribute)]


def test_a_person_without_a_user_name_is_named(hub: HubPeer, order: MakeOrder, alice: Person) -> None:
    with hub.connector() as connector, pytest.raises(ConnectorError, match="Alice Example") as caught:
        connector.ensure(order(replace(alice, username="")))

    assert caught.value.permanent


def test_two_people_of_one_user_name_are_not_taken_for_one(
    hub: HubPeer, order: MakeOrder, alice: Person, ben: Person
) -> None:
    with hub.connector() as connector, pytest.raises(ConnectorError, match="Ben Example") as caught:
        connector.ensure(order(alice, replace(ben, username=alice.username)))

    assert caught.value.permanent
    assert not hub.may_compute(alice)


def test_a_newcomer_whom_the_hub_refuses_does_not_keep_in_who_has_left(
    hub: HubPeer, order: MakeOrder, alice: Person, ben: Person, person: MakePerson
) -> None:
    ours = order(alice, ben)
    refused = replace(person("carla"), username="not/a/name")
    with hub.connector() as connector:
        connector.ensure(ours)

        with pytest.raises(ConnectorError, match="not/a/name") as caught:
            connector.people(replace(ours, people=(alice, refused)))

    assert caught.value.permanent
    assert hub.may_compute(alice)
    assert not hub.may_compute(ben)


@pytest.mark.parametrize("secret", ["", "two\nlines", "ünïcode"])
def test_a_token_that_cannot_be_sent_is_refused_before_anything_is(hub: HubPeer, secret: str) -> None:
    with pytest.raises(ConnectorError) as caught:
        jupyterhub(hub.config, token=secret)

    assert caught.value.permanent


def test_an_unknown_attribute_for_user_names_is_refused_by_name(hub: HubPeer) -> None:
    with pytest.raises(ConnectorError, match="username") as caught:
        hub.connector(username="shoe_size")

    assert caught.value.permanent


def _groups(hub: HubPeer, person: Person) -> set[str]:
    mine: dict[str, Any] = hub.api.get(f"/users/{person.username}").json()
    return {name for name in mine["groups"] if name.startswith("nor-compute")}
