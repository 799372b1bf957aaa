"""Maintenance, announcements and retirement: what may be said, who is told, and what a retired offering still does."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from earthcode.audit.models import Event
from earthcode.catalogue import search
from earthcode.catalogue.actions import import_records
from earthcode.catalogue.models import Offering, Plan, Platform
from earthcode.catalogue.pricing import Workload
from earthcode.catalogue.records import Records, read_offering
from earthcode.catalogue.retirement import OfferingRetired
from earthcode.identity.models import User
from earthcode.lib.errors import InvalidInput, NotPermitted
from earthcode.notifications.models import Message
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning.announcements import tell_due
from earthcode.provisioning.models import Allocation
from earthcode.publishing import actions as publishing
from earthcode.publishing import notices
from earthcode.publishing.content import content_of
from earthcode.publishing.models import Announcement, MaintenanceWindow
from earthcode.publishing.notices import MaintenanceOver, NotRetiring
from earthcode.publishing.queries import announced_for, trail_of
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import Award, ResourceRequest

Everything = Callable[[], list[list[Any]]]


def told(person: User, words: str) -> list[str]:
    messages = Message.objects.filter(recipient=person.public_id, subject__contains=words)
    return list(messages.order_by("pk").values_list("subject", flat=True))


@pytest.fixture
def window(hub_plan: Plan, petra: User, now: datetime) -> MaintenanceWindow:
    """Of the hub's notebooks, in ten days, for four hours."""
    return notices.announce_maintenance(
        hub_plan.offering.platform,
        offering=hub_plan.offering,
        starts_at=now + timedelta(days=10),
        ends_at=now + timedelta(days=10, hours=4),
        affects="Sign-in and new servers",
        by=petra,
        at=now,
    )


# --- maintenance ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("starts_in", "lasts", "field"),
    [(-1, 4, "starts_at"), (5, 0, "ends_at"), (5, -2, "ends_at"), (5, 24 * 40, "ends_at")],
)
def test_maintenance_is_neither_in_the_past_nor_endless(
    starts_in: int, lasts: int, field: str, hub_platform: Platform, petra: User, everything: Everything, now: datetime
) -> None:
    before = everything()
    starts_at = now + timedelta(hours=starts_in)

    with pytest.raises(InvalidInput) as refusal:
        notices.announce_maintenance(
            hub_platform,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(hours=lasts),
            affects="Sign-in",
            by=petra,
            at=now,
        )

    assert refusal.value.field == field
    assert everything() == before


def test_the_database_refuses_maintenance_announced_for_the_past(window: MaintenanceWindow, now: datetime) -> None:
    with pytest.raises(IntegrityError, match="publishing_maintenance_is_announced_before"), transaction.atomic():
        MaintenanceWindow.objects.filter(pk=window.pk).update(starts_at=now - timedelta(hours=1))


@pytest.mark.parametrize("who", ["alice", "maria"])
def test_only_the_provider_announces_and_retires(
    who: str,
    request: pytest.FixtureRequest,
    window: MaintenanceWindow,
    hub_plan: Plan,
    everything: Everything,
    now: datetime,
) -> None:
    person, offering = request.getfixturevalue(who), hub_plan.offering
    before = everything()

    for attempt in (
        lambda: notices.announce_maintenance(
            offering.platform, starts_at=now, ends_at=now + timedelta(hours=1), affects="All", by=person, at=now
        ),
        lambda: notices.shorten_maintenance(
            window, starts_at=window.starts_at, ends_at=window.ends_at - timedelta(hours=1), by=person, at=now
        ),
        lambda: notices.cancel_maintenance(window, by=person, at=now),
        lambda: notices.announce(offering, title="News", words="Much.", by=person, at=now),
        lambda: notices.retire(offering, retires_on=date(2027, 3, 1), by=person, at=now),
        lambda: notices.keep(offering, by=person, at=now),
    ):
        with pytest.raises(NotPermitted):
            attempt()

    assert everything() == before


def test_those_who_use_it_are_told_at_the_lead_time_once(
    award: Award, window: MaintenanceWindow, alice: User, ben: User, stranger: User, now: datetime
) -> None:
    tell_due(at=now)
    assert told(alice, "Maintenance") == []

    tell_due(at=now + timedelta(days=3))
    tell_due(at=now + timedelta(days=3, minutes=1))

    for person in (alice, ben):
        assert told(person, "Maintenance") == ["Maintenance of Notebooks on Coastal Hub"]
    assert told(stranger, "Maintenance") == []
    message = Message.objects.get(recipient=alice.public_id, subject__startswith="Maintenance")
    assert message.body == "12 November 2026, 10:00 to 12 November 2026, 14:00 UTC: Sign-in and new servers"
    assert window.announcements.get().told_count == 2


def test_a_window_is_shown_from_its_lead_time_to_its_last_day(window: MaintenanceWindow, hub_plan: Plan) -> None:
    shown = [day for day in range(1, 16) if announced_for(hub_plan.offering, date(2026, 11, day)).exists()]

    assert shown == list(range(5, 13))


def test_a_platforms_window_concerns_all_its_offerings(
    hub_plan: Plan, batch_plan: Plan, award: Award, alice: User, petra: User, now: datetime
) -> None:
    notices.announce_maintenance(
        hub_plan.offering.platform,
        starts_at=now + timedelta(days=1),
        ends_at=now + timedelta(days=2),
        affects="Everything",
        by=petra,
        at=now,
    )
    tell_due(at=now)

    assert announced_for(hub_plan.offering, now.date()).exists()
    assert not announced_for(batch_plan.offering, now.date()).exists()
    assert told(alice, "Maintenance") == ["Maintenance of Coastal Hub"]


def test_a_window_only_becomes_shorter(
    window: MaintenanceWindow, petra: User, everything: Everything, now: datetime
) -> None:
    before = everything()

    for starts_at, ends_at in (
        (window.starts_at - timedelta(hours=1), window.ends_at),
        (window.starts_at, window.ends_at + timedelta(hours=1)),
        (window.ends_at, window.starts_at),
    ):
        with pytest.raises(InvalidInput):
            notices.shorten_maintenance(window, starts_at=starts_at, ends_at=ends_at, by=petra, at=now)
        window.refresh_from_db()
    assert everything() == before

    later = window.starts_at + timedelta(hours=1)
    notices.shorten_maintenance(window, starts_at=later, ends_at=window.ends_at, by=petra, at=now)
    window.refresh_from_db()
    assert window.starts_at == later


def test_what_nobody_was_told_is_cancelled_in_silence(
    award: Award, window: MaintenanceWindow, alice: User, petra: User, now: datetime
) -> None:
    notices.cancel_maintenance(window, by=petra, at=now)

    tell_due(at=now + timedelta(days=9))

    assert told(alice, "aintenance") == []


def test_who_was_told_of_maintenance_is_told_that_it_is_cancelled(
    award: Award, window: MaintenanceWindow, alice: User, petra: User, hub_plan: Plan, now: datetime
) -> None:
    tell_due(at=now + timedelta(days=4))

    notices.cancel_maintenance(window, by=petra, at=now + timedelta(days=5))
    tell_due(at=now + timedelta(days=5))

    assert told(alice, "aintenance")[-1] == "No maintenance of Notebooks on Coastal Hub"
    assert not announced_for(hub_plan.offering, date(2026, 11, 12)).exists()


def test_what_is_over_or_cancelled_stays_as_it_was(
    window: MaintenanceWindow, petra: User, everything: Everything, now: datetime
) -> None:
    before = everything()
    with pytest.raises(MaintenanceOver):
        notices.cancel_maintenance(window, by=petra, at=window.ends_at)
    assert everything() == before

    notices.cancel_maintenance(window, by=petra, at=now)
    before = everything()
    with pytest.raises(MaintenanceOver):
        notices.shorten_maintenance(
            window, starts_at=window.starts_at, ends_at=window.ends_at - timedelta(hours=1), by=petra, at=now
        )
    assert everything() == before


def test_pages_notice_maintenance_at_once(hub_plan: Plan, petra: User, now: datetime) -> None:
    before = search.catalogue_state().number

    notices.announce_maintenance(
        hub_plan.offering.platform, starts_at=now, ends_at=now + timedelta(hours=1), affects="All", by=petra, at=now
    )

    assert search.catalogue_state().number != before


# --- announcements ----------------------------------------------------------------------------------------------------


def test_those_who_asked_and_those_who_use_it_are_told(
    complete_draft: ResourceRequest,
    hub_plan: Plan,
    alice: User,
    stranger: User,
    maria: User,
    petra: User,
    now: datetime,
) -> None:
    notices.announce(hub_plan.offering, title="A new data centre", words="In Kiel.", by=petra, at=now)

    tell_due(at=now)

    assert told(alice, "A new data centre") == ["A new data centre"]
    assert told(stranger, "A new data centre") == told(maria, "A new data centre") == []


def test_an_announcement_has_a_title_and_no_day_in_the_past(
    hub_plan: Plan, petra: User, everything: Everything, now: datetime
) -> None:
    before = everything()

    with pytest.raises(InvalidInput):
        notices.announce(hub_plan.offering, title=" ", words="In Kiel.", by=petra, at=now)
    with pytest.raises(InvalidInput):
        notices.announce(
            hub_plan.offering, title="Old", words="In Kiel.", effective_on=date(2026, 11, 1), by=petra, at=now
        )

    assert everything() == before


# --- retirement -------------------------------------------------------------------------------------------------------

RETIRES_ON = date(2027, 1, 4)
AFTER = datetime(2027, 1, 4, 9, 0, tzinfo=UTC)


@pytest.fixture
def retiring(hub_plan: Plan, batch_plan: Plan, petra: User, now: datetime) -> Offering:
    """The hub's notebooks, from 4 January 2027 on, replaced by the batch cluster."""
    notices.retire(
        hub_plan.offering,
        retires_on=RETIRES_ON,
        replaced_by=batch_plan.offering,
        words="The servers are old.",
        by=petra,
        at=now,
    )
    return hub_plan.offering


def test_a_retirement_has_its_notice(hub_plan: Plan, petra: User, everything: Everything, now: datetime) -> None:
    before = everything()

    with pytest.raises(InvalidInput, match="60 days") as refusal:
        notices.retire(hub_plan.offering, retires_on=date(2026, 12, 31), by=petra, at=now)

    assert refusal.value.field == "retires_on"
    assert everything() == before


def test_nothing_takes_its_own_place(hub_plan: Plan, petra: User, everything: Everything, now: datetime) -> None:
    before = everything()
    offering = hub_plan.offering

    with pytest.raises(InvalidInput):
        notices.retire(offering, retires_on=RETIRES_ON, replaced_by=offering, by=petra, at=now)
    assert everything() == before
    with pytest.raises(IntegrityError, match="catalogue_only_what_retires_is_replaced"), transaction.atomic():
        Offering.objects.filter(pk=offering.pk).update(replaced_by=offering, retires_on=RETIRES_ON)


def test_until_its_day_a_retiring_offering_is_asked_for_as_ever(
    retiring: Offering, draft_of_alice: ResourceRequest, hub_plan: Plan, workload: Workload, alice: User, now: datetime
) -> None:
    line = sponsorship.save_line(
        draft_of_alice, plan=hub_plan, workload=workload, by=alice, at=AFTER - timedelta(days=1)
    )

    assert line.plan == hub_plan


@pytest.fixture
def draft_of_alice(project: Any, alice: User, now: datetime) -> ResourceRequest:
    return sponsorship.start(title="Alpine snow", project=project, by=alice, at=now)


def test_from_its_day_nothing_new_is_asked_for(
    retiring: Offering, draft_of_alice: ResourceRequest, hub_plan: Plan, workload: Workload, alice: User
) -> None:
    hub_plan.refresh_from_db()

    with pytest.raises(OfferingRetired, match="Batch on Batch Cluster takes its place"):
        sponsorship.save_line(draft_of_alice, plan=hub_plan, workload=workload, by=alice, at=AFTER)

    assert not draft_of_alice.lines.exists()


def test_a_line_from_before_is_not_sent_afterwards(
    complete_draft: ResourceRequest, call: Any, retiring: Offering, alice: User
) -> None:
    sponsorship.save_period(complete_draft, starts_on=date(2027, 2, 1), by=alice, at=AFTER)

    with pytest.raises(OfferingRetired):
        sponsorship.submit(complete_draft, by=alice, at=AFTER)

    complete_draft.refresh_from_db()
    assert complete_draft.status == "draft"


def test_a_request_from_before_is_not_placed_afterwards(
    sent_request: ResourceRequest, retiring: Offering, maria: User
) -> None:
    with pytest.raises(OfferingRetired):
        provisioning.grant(sent_request, reason="Good science.", by=maria, at=AFTER)

    sent_request.refresh_from_db()
    assert sent_request.status == "in_review"
    assert not Allocation.objects.exists()


def test_what_is_allocated_goes_on_and_can_be_ended(
    award: Award, retiring: Offering, alice: User, hub_plan: Plan
) -> None:
    allocation = Allocation.objects.get(plan=hub_plan)
    notices.unlist_retired(at=AFTER)
    assert provisioning.place(award, allocation.line, by=_manager(), at=AFTER) == allocation

    provisioning.end(allocation, reason="Enough.", by=alice, at=AFTER)

    allocation.refresh_from_db()
    assert allocation.status == "ending"


def _manager() -> User:
    return User.objects.get(preferred_username="maria")


def test_a_retired_offering_leaves_the_list_by_itself_and_keeps_its_page(retiring: Offering, now: datetime) -> None:
    assert notices.unlist_retired(at=AFTER - timedelta(days=1)) == 0
    assert notices.unlist_retired(at=AFTER) == 1
    assert notices.unlist_retired(at=AFTER) == 0

    assert not Offering.objects.listed().filter(pk=retiring.pk).exists()
    assert Offering.objects.readable().filter(pk=retiring.pk).exists()
    assert Event.objects.filter(name="offering.unlist", actor_id="system:clock").count() == 1


def test_an_import_does_not_bring_a_retired_offering_back(retiring: Offering, hub_plan: Plan) -> None:
    from earthcode.audit.actors import System

    record = {**content_of(retiring), "slug": retiring.slug, "platform": retiring.platform.slug}
    notices.unlist_retired(at=AFTER)

    import_records(Records(offerings=[read_offering(record)]), by=System("import"), at=AFTER)

    retiring.refresh_from_db()
    assert retiring.is_listed is False


def test_a_retirement_is_taken_back_before_its_day_and_not_afterwards(
    retiring: Offering, petra: User, everything: Everything
) -> None:
    before = everything()
    with pytest.raises(NotRetiring):
        notices.keep(retiring, by=petra, at=AFTER)
    with pytest.raises(OfferingRetired):
        publishing.edit(retiring, by=petra, at=AFTER)
    assert everything() == before

    notices.keep(retiring, by=petra, at=AFTER - timedelta(days=1))
    assert (retiring.retires_on, retiring.replaced_by) == (None, None)
    assert list(Announcement.objects.order_by("pk").values_list("kind", flat=True)) == ["retirement", "not_retiring"]


def test_those_concerned_are_told_of_a_retirement(award: Award, retiring: Offering, ben: User, now: datetime) -> None:
    tell_due(at=now)

    assert told(ben, "retires on") == ["Notebooks on Coastal Hub retires on 4 Jan 2027"]
    body = Message.objects.get(recipient=ben.public_id, subject__contains="retires on").body
    assert "Batch on Batch Cluster takes its place." in body


# --- the trail --------------------------------------------------------------------------------------------------------


def test_a_provider_reads_its_own_part_of_the_trail_and_no_others(
    retiring: Offering, window: MaintenanceWindow, provider: Any, other_provider: Any, award: Award
) -> None:
    names = set(trail_of([provider.pk]).values_list("name", flat=True))

    assert {"offering.retire", "maintenance.announce"} <= names
    assert not any(name.startswith(("resource_request.", "allocation.", "project.")) for name in names)
    assert not trail_of([other_provider.pk]).filter(name__startswith="maintenance").exists()
    assert not trail_of([]).exists()
