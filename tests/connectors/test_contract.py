"""What every connector promises, tried on every platform we can speak to."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from earthcode.connectors import reasons
from earthcode.connectors.base import Connector, ConnectorError, InventoryItem, Order, Person, SuspendStep
from earthcode.connectors.configuration import Kind
from earthcode.connectors.registry import connector_type, kinds
from earthcode.connectors.usage import RecordKind, UsagePage, UsageRecord
from tests.connectors.conftest import PEERS, MakeOrder, MakePerson, every_kind
from tests.connectors.peers import Peer
from tests.connectors.verbs import VERBS, able, does_not_apply, offered, says_nothing_it_should_not


@pytest.fixture
def suspending(peer: Peer) -> tuple[SuspendStep, ...]:
    steps = able(peer).suspend
    if not steps:
        does_not_apply("this kind does not suspend, and says so")
    return steps


def test_every_connector_is_tried() -> None:
    # People have no peer; ``test_manual`` tries theirs.
    assert set(PEERS) | {"manual"} == set(kinds())


@pytest.mark.parametrize("kind", every_kind)
def test_a_connector_is_what_its_kind_says(kind: str) -> None:
    assert connector_type(kind).kind == kind
    assert str(connector_type(kind).title)
    assert all(code.startswith(f"{kind}.") for code in connector_type(kind).sentences)


@pytest.mark.parametrize("kind", every_kind)
def test_a_connector_is_done_before_a_worker_is_stopped(kind: str) -> None:
    assert connector_type(kind).timeout_s < settings.OPERATION_TIME_S


@pytest.mark.parametrize("kind", every_kind)
def test_settings_can_be_asked_for_in_a_form(kind: str) -> None:
    for each in connector_type(kind).config_type.settings():
        assert str(each.label), each.name
        assert each.kind != Kind.CHOICE or each.choices, each.name


@pytest.mark.parametrize("kind", every_kind)
def test_settings_that_make_no_sense_are_refused_by_name(kind: str) -> None:
    config_type = connector_type(kind).config_type
    with pytest.raises(ConnectorError, match="no_such_setting") as caught:
        config_type.read({"no_such_setting": "x"})
    assert caught.value.permanent
    for each in config_type.settings():
        secrets = dict.fromkeys(config_type.secrets(), "a-secret")
        wrong: Any = {"nested": ["secret-looking"]}
        given = {} if each.kind == Kind.SECRET else {each.name: wrong}
        if each.kind == Kind.SECRET:
            secrets[each.name] = "two\nlines"
        with pytest.raises(ConnectorError) as caught:
            config_type.read(given, secrets=secrets)
        assert caught.value.permanent
        assert "secret-looking" not in str(caught.value)
        assert "two" not in str(caught.value)


@pytest.mark.parametrize("kind", every_kind)
def test_a_secret_setting_is_not_taken_among_the_others(kind: str) -> None:
    config_type = connector_type(kind).config_type
    for name in config_type.secrets():
        with pytest.raises(ConnectorError, match=name):
            config_type.read({name: "a-secret"})


def test_what_is_not_declared_is_refused(peer: Peer, order: MakeOrder) -> None:
    ours = order()
    with peer.connector() as connector:
        connector.ensure(ours)
        before = peer.look()
        for verb, call in VERBS.items():
            if not offered(verb, connector.capabilities):
                with pytest.raises((ConnectorError, IndexError)):
                    call(connector, ours)
        for step in set(SuspendStep) - set(connector.capabilities.suspend):
            with pytest.raises(ConnectorError) as caught:
                connector.suspend(ours, step)
            assert caught.value.code == reasons.NOT_SUPPORTED
        assert peer.look() == before


# --- looking ---------------------------------------------------------------------------------------------------------


def test_check_finds_a_platform_in_order(peer: Peer) -> None:
    before = peer.look()

    with peer.connector() as connector:
        health = connector.check()

    assert health.ok, health.message
    assert peer.look() == before


def test_check_notices_a_wrong_secret(peer: Peer) -> None:
    stranger = peer.stranger()
    if stranger is None:
        does_not_apply("nothing is called")
    with stranger:
        assert not stranger.check().ok


def test_check_notices_a_platform_that_does_not_answer(peer: Peer) -> None:
    unreachable = peer.unreachable()
    if unreachable is None:
        does_not_apply("nothing is called")
    with unreachable:
        assert not unreachable.check().ok


def test_find_finds_nothing_before_anything_happened(peer: Peer, order: MakeOrder) -> None:
    before = peer.look()

    with peer.connector() as connector:
        assert connector.find(order()) is None

    assert peer.look() == before


def test_find_does_not_take_what_has_another_key(peer: Peer, order: MakeOrder) -> None:
    ours = order()
    with peer.connector() as connector:
        connector.ensure(ours)

        assert connector.find(replace(ours, key="another-key")) is None


# --- giving access ---------------------------------------------------------------------------------------------------


def test_ensure_gives_access_to_the_people_of_the_order(
    peer: Peer, order: MakeOrder, alice: Person, ben: Person, person: MakePerson
) -> None:
    stranger = person("sam")
    assert not peer.may_compute(alice)

    with peer.connector() as connector:
        connector.ensure(order(alice, ben))

    assert peer.may_compute(alice)
    assert peer.may_compute(ben)
    assert not peer.may_compute(stranger)


def test_find_finds_what_ensure_returned(peer: Peer, order: MakeOrder) -> None:
    ours = order()

    with peer.connector() as connector:
        grant = connector.ensure(ours)
    with peer.connector() as another:
        found = another.find(ours)

    assert found == grant
    assert grant.external_id
    assert urlsplit(grant.access_url).scheme in {"http", "https"}


def test_ensure_twice_is_ensure_once(peer: Peer, order: MakeOrder) -> None:
    ours = order()
    with peer.connector() as connector:
        first = connector.ensure(ours)
        before = peer.look()

        second = connector.ensure(ours)

    assert second == first
    assert peer.look() == before


def test_ensure_completes_what_a_broken_attempt_left(peer: Peer, order: MakeOrder, person: MakePerson) -> None:
    for point, leave in peer.half_done().items():
        carla = person("carla")
        ours = order(carla)
        leave(ours)
        with peer.connector() as connector:
            assert connector.find(ours) is None, point
            assert not peer.may_compute(carla), point

            grant = connector.ensure(ours)

            assert connector.find(ours) == grant, point
        assert peer.may_compute(carla), point


def test_ensure_leaves_alone_what_belongs_to_another_key(peer: Peer, order: MakeOrder, person: MakePerson) -> None:
    theirs = order()
    carla = person("carla")
    with peer.connector() as connector:
        connector.ensure(theirs)
        before = peer.look()

        with pytest.raises(ConnectorError) as caught:
            connector.ensure(replace(theirs, key="another-key", people=(carla,)))

    assert caught.value.permanent
    assert peer.look() == before
    assert not peer.may_compute(carla)


def test_an_order_for_nobody_gives_access_to_nobody(peer: Peer, order: MakeOrder) -> None:
    ours = replace(order(), people=())

    with peer.connector() as connector:
        grant = connector.ensure(ours)

        assert connector.find(ours) == grant


# --- who has access --------------------------------------------------------------------------------------------------


def test_people_makes_the_people_exactly_those_of_the_order(
    peer: Peer, order: MakeOrder, alice: Person, ben: Person, person: MakePerson
) -> None:
    carla = person("carla")
    before = order(alice, ben)
    after = replace(before, people=(alice, carla))
    with peer.connector() as connector:
        connector.ensure(before)

        connector.people(after)

        assert connector.find(before) is None
        assert connector.find(after) is not None
    assert peer.may_compute(alice)
    assert not peer.may_compute(ben)
    assert peer.may_compute(carla)


def test_people_twice_is_people_once(peer: Peer, order: MakeOrder, alice: Person) -> None:
    both = order()
    one = replace(both, people=(alice,))
    with peer.connector() as connector:
        connector.ensure(both)
        first = connector.people(one)
        before = peer.look()

        second = connector.people(one)

    assert second == first
    assert peer.look() == before


# --- taking access away ----------------------------------------------------------------------------------------------


def test_revoke_takes_everything_away(peer: Peer, order: MakeOrder, alice: Person, ben: Person) -> None:
    before = peer.look()
    ours = order(alice, ben)
    with peer.connector() as connector:
        connector.ensure(ours)

        connector.revoke(ours)

        assert connector.find(ours) is None
    assert not peer.may_compute(alice)
    assert not peer.may_compute(ben)
    assert peer.look() == before


def test_revoke_twice_is_revoke_once(peer: Peer, order: MakeOrder) -> None:
    ours = order()
    with peer.connector() as connector:
        connector.ensure(ours)
        connector.revoke(ours)
        before = peer.look()

        connector.revoke(ours)

    assert peer.look() == before


def test_revoke_is_content_with_what_never_was(peer: Peer, order: MakeOrder) -> None:
    before = peer.look()

    with peer.connector() as connector:
        connector.revoke(order())

    assert peer.look() == before


def test_revoke_clears_what_a_broken_attempt_left(peer: Peer, order: MakeOrder, person: MakePerson) -> None:
    before = peer.look()
    for leave in peer.half_done().values():
        ours = order(person("carla"))
        leave(ours)

        with peer.connector() as connector:
            connector.revoke(ours)

    assert peer.look() == before


def test_revoke_also_reaches_those_who_have_left_the_project(
    peer: Peer, order: MakeOrder, alice: Person, ben: Person
) -> None:
    ours = order(alice, ben)
    with peer.connector() as connector:
        connector.ensure(ours)

        connector.revoke(replace(ours, people=(alice,)))

    assert not peer.may_compute(ben)


def test_ending_one_of_two_allocations_leaves_the_access(
    peer: Peer, order: MakeOrder, alice: Person, ben: Person
) -> None:
    first, second = order(alice, ben), order(alice)
    with peer.connector() as connector:
        connector.ensure(first)
        connector.ensure(second)

        connector.revoke(first)

        assert peer.may_compute(alice)
        assert not peer.may_compute(ben)
        assert connector.find(second) is not None

        connector.revoke(second)

    assert not peer.may_compute(alice)


def test_an_allocation_can_be_set_up_again_after_it_was_taken_away(peer: Peer, order: MakeOrder, alice: Person) -> None:
    ours = order(alice)
    with peer.connector() as connector:
        connector.ensure(ours)
        connector.revoke(ours)

        connector.ensure(ours)

    assert peer.may_compute(alice)


# --- amounts and dates -----------------------------------------------------------------------------------------------


def test_change_brings_the_order_up_to_date_and_twice_is_once(peer: Peer, order: MakeOrder) -> None:
    if not able(peer).change:
        does_not_apply("this kind changes nothing, and says so")
    before = order(quantities={"vcpu_hour": "100"})
    after = replace(before, quantities={"vcpu_hour": "250.5"}, ends_at=before.ends_at + timedelta(days=31))
    with peer.connector() as connector:
        connector.ensure(before)

        first = connector.change(after)
        state = peer.look()
        second = connector.change(after)

        assert connector.find(after) == first == second
        assert connector.find(before) is None
    assert peer.look() == state
    assert peer.quantities(after) in (None, {"vcpu_hour": "250.5"})


# --- suspending ------------------------------------------------------------------------------------------------------


def test_suspend_takes_new_work_away_and_resume_gives_it_back(
    peer: Peer, order: MakeOrder, suspending: tuple[SuspendStep, ...], person: MakePerson
) -> None:
    for step in suspending:
        carla = person("carla")
        ours = order(carla)
        with peer.connector() as connector:
            connector.ensure(ours)
            active = peer.look()

            outcome = connector.suspend(ours, step)

            assert outcome.step == step
            assert not peer.may_compute(carla), step
            found = connector.find(ours)
            assert found is not None, step
            assert found.suspended == step

            grant = connector.resume(replace(ours, restore=outcome.restore))

            assert grant.suspended is None
            assert connector.find(ours) == grant
        assert peer.may_compute(carla), step
        assert peer.look() == active


def test_suspend_and_resume_twice_are_once(
    peer: Peer, order: MakeOrder, suspending: tuple[SuspendStep, ...], alice: Person
) -> None:
    ours = order(alice)
    with peer.connector() as connector:
        connector.ensure(ours)
        first = connector.suspend(ours, suspending[0])
        state = peer.look()
        second = connector.suspend(ours, suspending[0])
        assert (peer.look(), second) == (state, first)

        connector.resume(replace(ours, restore=first.restore))
        state = peer.look()
        connector.resume(replace(ours, restore=first.restore))

    assert peer.look() == state
    assert peer.may_compute(alice)


def test_steps_follow_each_other_and_one_resume_undoes_them_all(
    peer: Peer, order: MakeOrder, suspending: tuple[SuspendStep, ...], alice: Person
) -> None:
    ours = order(alice)
    with peer.connector() as connector:
        connector.ensure(ours)
        restore: Any = {}
        for step in suspending:
            restore = connector.suspend(replace(ours, restore=restore), step).restore

        connector.resume(replace(ours, restore=restore))

    assert peer.may_compute(alice)


def test_resume_works_without_what_suspend_gave_back(
    peer: Peer, order: MakeOrder, suspending: tuple[SuspendStep, ...], alice: Person
) -> None:
    ours = order(alice)
    with peer.connector() as connector:
        connector.ensure(ours)
        connector.suspend(ours, suspending[0])

        connector.resume(ours)

    assert peer.may_compute(alice)


def test_somebody_who_joins_a_suspended_allocation_is_suspended(
    peer: Peer, order: MakeOrder, suspending: tuple[SuspendStep, ...], alice: Person, ben: Person
) -> None:
    ours = order(alice)
    with peer.connector() as connector:
        connector.ensure(ours)
        outcome = connector.suspend(ours, suspending[0])
        both = replace(ours, people=(alice, ben), suspended=suspending[0], restore=outcome.restore)

        connector.people(both)
        assert not peer.may_compute(alice)
        assert not peer.may_compute(ben)

        connector.resume(replace(both, suspended=None))

    assert peer.may_compute(alice)
    assert peer.may_compute(ben)


def test_suspending_one_of_two_allocations_leaves_the_other(
    peer: Peer, order: MakeOrder, suspending: tuple[SuspendStep, ...], alice: Person
) -> None:
    first, second = order(alice), order(alice)
    with peer.connector() as connector:
        connector.ensure(first)
        connector.ensure(second)

        connector.suspend(first, suspending[0])

        found = connector.find(second)
        assert found is not None
        assert found.suspended is None


def test_a_suspended_allocation_can_be_revoked(
    peer: Peer, order: MakeOrder, suspending: tuple[SuspendStep, ...], alice: Person
) -> None:
    before = peer.look()
    ours = order(alice)
    with peer.connector() as connector:
        connector.ensure(ours)
        restore = connector.suspend(ours, suspending[-1]).restore

        connector.revoke(replace(ours, suspended=suspending[-1], restore=restore))

        assert connector.find(ours) is None
    assert peer.look() == before
    assert not peer.may_compute(alice)


def test_what_is_not_there_cannot_be_suspended(
    peer: Peer, order: MakeOrder, suspending: tuple[SuspendStep, ...]
) -> None:
    with peer.connector() as connector, pytest.raises(ConnectorError) as caught:
        connector.suspend(order(), suspending[0])

    assert caught.value.permanent


# --- what was used ---------------------------------------------------------------------------------------------------


def everything_used(connector: Connector, order: Order, cursor: str = "") -> tuple[list[UsageRecord], UsagePage]:
    """All pages from ``cursor`` on, and the last one."""
    records: list[UsageRecord] = []
    for _ in range(100):
        page = connector.usage(order, cursor)
        records.extend(page.records)
        cursor = page.cursor
        if not page.more:
            return records, page
    raise AssertionError("the pages never end")


def test_usage_of_what_was_never_used_is_nothing(peer: Peer, order: MakeOrder) -> None:
    if not able(peer).usage:
        does_not_apply("this kind measures nothing, and says so")
    ours = order()
    with peer.connector() as connector:
        connector.ensure(ours)
        before = peer.look()

        records, page = everything_used(connector, ours)
        again, _page = everything_used(connector, ours, page.cursor)

    assert records == again == []
    assert peer.look() == before


def test_usage_of_what_does_not_exist_is_said_to_be_unknown_or_nothing(peer: Peer, order: MakeOrder) -> None:
    if not able(peer).usage:
        does_not_apply("this kind measures nothing, and says so")
    with peer.connector() as connector:
        assert connector.usage(order(), "").records == ()


@pytest.mark.parametrize("cursor", ["garbage", "{", '{"at": 3}', "[" * 5000, "-1", "9" * 400, "\x00", "null"])
def test_a_cursor_that_makes_no_sense_costs_no_usage(peer: Peer, order: MakeOrder, cursor: str) -> None:
    if not able(peer).usage:
        does_not_apply("this kind measures nothing, and says so")
    ours = order()
    with peer.connector() as connector:
        connector.ensure(ours)

        page = connector.usage(ours, cursor)

    assert reasons.BAD_CURSOR in {note.code for note in page.notes}


def test_usage_read_in_any_cut_is_the_same(peer: Peer, order: MakeOrder, alice: Person) -> None:
    if not peer.usable:
        does_not_apply("what was used is made in a test of its own")
    ours = order(alice)
    metrics = {meter.metric: meter for meter in able(peer).usage}
    now = datetime.now(UTC).replace(microsecond=0)
    with peer.connector() as connector:
        connector.ensure(ours)
        peer.use(ours, alice, until=now - timedelta(hours=3))
        first, page = everything_used(connector, ours)
        peer.use(ours, alice, until=now - timedelta(hours=1))
        second, _page = everything_used(connector, ours, page.cursor)
        whole, _page = everything_used(connector, ours)
        another, _page = everything_used(connector, order(alice))

    def content(records: list[UsageRecord]) -> dict[str, tuple[Decimal, datetime, datetime]]:
        return {each.id: (each.quantity, each.used_from, each.used_until) for each in records}

    assert first
    assert content(first) | content(second) == content(whole)
    assert another == []
    for record in whole:
        assert record.order == ours.allocation
        assert record.unit == metrics[record.metric].unit
        assert record.kind in {RecordKind.CLOSED, metrics[record.metric].kind}
        assert record.used_until <= datetime.now(UTC) + timedelta(seconds=60)


# --- what is there ---------------------------------------------------------------------------------------------------


def inventory_of(connector: Connector) -> list[InventoryItem]:
    found: list[InventoryItem] = []
    cursor = ""
    for _ in range(1000):
        page = connector.inventory(cursor)
        found.extend(page.items)
        cursor = page.cursor
        if not cursor:
            return found
    raise AssertionError("the pages never end")


def test_inventory_shows_what_is_ours_and_nothing_after_the_end(peer: Peer, order: MakeOrder) -> None:
    if not able(peer).inventory:
        does_not_apply("this kind has no inventory, and says so")
    first, second = order(), order()
    with peer.connector() as connector:
        connector.ensure(first)
        grant = connector.ensure(second)
        before = peer.look()

        there = {each.allocation: each for each in inventory_of(connector)}

        assert {first.allocation, second.allocation} <= set(there)
        assert there[second.allocation].external_id == grant.external_id
        people = there[second.allocation].people
        assert people is None or len(people) == len(second.people)
        assert peer.look() == before

        connector.revoke(first)
        assert first.allocation not in {each.allocation for each in inventory_of(connector)}


def test_inventory_is_whole_where_there_is_more_than_a_page(peer: Peer, order: MakeOrder) -> None:
    if not able(peer).inventory or peer.address is not None:
        does_not_apply("made by hand in this kind's own tests")
    ours = [order() for _ in range(120)]
    with peer.connector() as connector:
        for each in ours:
            connector.ensure(each)

        assert {each.allocation for each in ours} <= {each.allocation for each in inventory_of(connector)}


# --- names -----------------------------------------------------------------------------------------------------------


def test_a_grant_says_what_everybody_is_called_there(peer: Peer, order: MakeOrder, alice: Person, ben: Person) -> None:
    with peer.connector() as connector:
        grant = connector.ensure(order(alice, ben))

    assert set(grant.names) == {alice.subject, ben.subject}
    assert len(set(grant.names.values())) == 2


@pytest.mark.parametrize(
    "name", ["Ünï Çødé 语言", "../../etc/passwd", "'; DROP TABLE users; --", "a" * 300, "x\u202ey", "{0.__class__}"]
)
def test_impossible_names_of_people_are_refused_or_kept_and_never_break(
    peer: Peer, order: MakeOrder, person: MakePerson, name: str
) -> None:
    odd = replace(person("odd"), name=name, username=f"{name}{order().allocation}".replace("NOR-", ""))
    ours = order(odd)
    with peer.connector() as connector:
        refusal = None
        try:
            connector.ensure(ours)
        except ConnectorError as error:
            refusal = error
        if refusal is None:
            assert connector.find(ours) is not None
        else:
            assert refusal.permanent
            says_nothing_it_should_not(refusal, peer)
        connector.revoke(ours)

        assert connector.find(ours) is None
