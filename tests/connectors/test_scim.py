"""What only directories do."""

from dataclasses import replace
from typing import cast

import pytest

from earthcode.connectors.base import ConnectorError, Party, Person, SuspendStep
from tests.connectors.conftest import MakeOrder, Started
from tests.connectors.peers.scim import ADMITTING, ScimPeer, scim

pytestmark = pytest.mark.platform


@pytest.fixture(scope="session")
def directory(started: Started) -> ScimPeer:
    return cast("ScimPeer", started("scim"))


def test_everything_of_ours_is_found_where_there_is_more_than_a_page(directory: ScimPeer, order: MakeOrder) -> None:
    ours = [order() for _ in range(60)]
    with directory.connector() as connector:
        for each in ours:
            directory.make_group(f"nor-{each.allocation.lower()}", external_id=f"nor:{each.allocation}:k:t:active:g")
        found, cursor = set(), ""
        while True:
            page = connector.inventory(cursor)
            found |= {item.allocation for item in page.items}
            cursor = page.cursor
            if not cursor:
                break

    assert {each.allocation for each in ours} <= found


def test_who_is_known_by_the_single_sign_on_is_taken_whatever_the_user_name(
    directory: ScimPeer, order: MakeOrder, alice: Person
) -> None:
    directory.make_user(f"{alice.username}-of-the-lab", external_id=alice.subject)

    with directory.connector() as connector:
        grant = connector.ensure(order(alice))

    assert grant.names == {alice.subject: f"{alice.username}-of-the-lab"}
    assert directory.may_compute(alice)
    assert alice.username not in {user["userName"] for user in directory.users()}


def test_a_user_name_of_somebody_else_gives_nobody_access_and_does_not_keep_the_others_out(
    directory: ScimPeer, order: MakeOrder, alice: Person, ben: Person
) -> None:
    directory.make_user(alice.username, external_id="somebody-else")
    ours = order(alice, ben)

    with directory.connector() as connector, pytest.raises(ConnectorError) as caught:
        connector.ensure(ours)

    assert (caught.value.code, caught.value.for_whom, caught.value.permanent) == (
        "scim.other_person",
        Party.PROJECT,
        True,
    )
    assert alice.name in str(caught.value)
    assert not directory.may_compute(alice)
    assert directory.may_compute(ben)


def test_a_name_that_was_stated_for_the_platform_comes_first(
    directory: ScimPeer, order: MakeOrder, alice: Person
) -> None:
    with directory.connector() as connector:
        grant = connector.ensure(order(replace(alice, platform_name=f"{alice.username}.eo")))

    assert grant.names == {alice.subject: f"{alice.username}.eo"}


def test_a_person_whom_the_directory_deleted_is_made_again_and_the_dead_entry_hurts_nobody(
    directory: ScimPeer, order: MakeOrder, alice: Person, ben: Person
) -> None:
    ours = order(alice, ben)
    with directory.connector() as connector:
        connector.ensure(ours)
        gone = directory.user_of(alice)
        assert gone is not None
        directory.delete_user(gone["id"])
        assert connector.find(ours) is None

        connector.ensure(ours)

        assert connector.find(ours) is not None
        assert directory.may_compute(alice)
        connector.revoke(ours)
    assert not directory.may_compute(ben)


@pytest.mark.parametrize("named", ["no-such-group", "twice"])
def test_a_group_that_is_missing_or_not_the_only_one_of_its_name_is_said(
    directory: ScimPeer, order: MakeOrder, named: str
) -> None:
    if named == "twice":
        directory.make_group(named)
        directory.make_group(named)
    before = directory.look()

    with directory.connector(group=named) as connector:
        health = connector.check()
        with pytest.raises(ConnectorError) as caught:
            connector.ensure(order())

    assert not health.ok
    assert health.message == str(caught.value)
    assert named in health.message
    assert caught.value.permanent
    assert directory.look() == before


def test_an_allocation_that_moves_to_another_group_leaves_the_first(
    directory: ScimPeer, order: MakeOrder, alice: Person
) -> None:
    other = f"nor-gpu-{alice.username}"
    directory.make_group(other)
    ours = order(alice)
    with directory.connector() as connector:
        connector.ensure(ours)

        connector.ensure(replace(ours, settings={"group": other}))

    assert other in directory.groups_of(alice)
    assert ADMITTING not in directory.groups_of(alice)


def test_somebody_in_two_allocations_is_suspended_when_both_are(
    directory: ScimPeer, order: MakeOrder, alice: Person
) -> None:
    first, second = order(alice), order(alice)
    with directory.connector() as connector:
        connector.ensure(first)
        connector.ensure(second)

        outcome = connector.suspend(first, SuspendStep.NO_NEW_WORK)
        assert directory.may_compute(alice)
        connector.suspend(second, SuspendStep.NO_NEW_WORK)

    assert not directory.may_compute(alice)
    assert outcome.effective_after_s == 3600


def test_what_answers_like_a_page_is_no_directory(directory: ScimPeer) -> None:
    with scim(
        {**directory.config, "api_url": f"{directory.address}/v2/Schemas"}, token="of-the-directory"
    ) as connector:
        assert not connector.check().ok
