"""Drafts: who writes them, what two people do to each other, and how they come into the catalogue."""

import threading
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from earthcode.audit.models import Event
from earthcode.catalogue import queries as catalogue
from earthcode.catalogue import search
from earthcode.catalogue.models import Component, Offering, Plan, Platform, Rate
from earthcode.catalogue.pricing import Quote, Workload
from earthcode.identity.models import Organisation, User
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused
from earthcode.lifecycle import WrongState
from earthcode.notifications.models import Message
from earthcode.publishing import actions as publishing
from earthcode.publishing.actions import IncompleteDraft, NotEditable, PublicChanged, SavedMeanwhile
from earthcode.publishing.content import changes, content_of, digest, plan_of, section_of
from earthcode.publishing.lifecycle import OFFERING_DRAFT, ConflictOfInterest, NeedsApproval, NothingToPublish
from earthcode.publishing.models import Announcement, Draft, DraftStatus
from tests.publishing.conftest import ABOUT, component

Everything = Callable[[], list[list[Any]]]


def change_facts(draft: Draft, *, by: User, at: datetime, **facts: Any) -> None:
    values = {**section_of(draft.content, "about"), **facts}
    publishing.save_section(draft, section="about", values=values, by=by, at=at)


def change_price(draft: Draft, price: str, *, by: User, at: datetime, first: str = "2026-11-02") -> None:
    plan = plan_of(draft.content, "standard")
    assert plan is not None
    components = [
        {**each, "rate": {**each["rate"], "credits": price, "from": first}} if each["metric"] == "vcpu_hour" else each
        for each in plan["components"]
    ]
    publishing.save_plan(draft, slug="standard", values={**plan, "components": components}, by=by, at=at)


@pytest.fixture
def draft(hub_plan: Plan, petra: User, now: datetime) -> Draft:
    """Of the hub's notebooks, as they are."""
    return publishing.edit(hub_plan.offering, by=petra, at=now)


# --- writing ----------------------------------------------------------------------------------------------------------


def test_a_draft_begins_as_what_is_public_and_changes_nothing_there(
    draft: Draft, hub_plan: Plan, petra: User, now: datetime
) -> None:
    change_facts(draft, summary="Something else.", by=petra, at=now)

    assert draft.base == content_of(hub_plan.offering)
    assert Offering.objects.get(pk=hub_plan.offering_id).summary == "Notebooks next to the data."


def test_there_is_one_open_draft_of_an_offering(draft: Draft, hub_plan: Plan, paul: User, now: datetime) -> None:
    assert publishing.edit(hub_plan.offering, by=paul, at=now) == draft


@pytest.mark.parametrize("who", ["alice", "maria"])
def test_only_the_providers_administrators_write_drafts(
    who: str, request: pytest.FixtureRequest, draft: Draft, hub_plan: Plan, everything: Everything, now: datetime
) -> None:
    person = request.getfixturevalue(who)
    before = everything()

    for attempt in (
        lambda: publishing.edit(hub_plan.offering, by=person, at=now),
        lambda: publishing.start(platform=draft.platform, name="Mine", by=person, at=now),
        lambda: publishing.save_section(draft, section="about", values=ABOUT, by=person, at=now),
        lambda: publishing.save_plan(draft, slug="", values={"name": "Cheap"}, by=person, at=now),
        lambda: publishing.remove_plan(draft, slug="standard", by=person, at=now),
        lambda: publishing.catch_up(draft, by=person, at=now),
        lambda: publishing.submit(draft, by=person, at=now),
        lambda: publishing.publish(draft, by=person, at=now),
        lambda: publishing.discard(draft, by=person, at=now),
    ):
        with pytest.raises(NotPermitted):
            attempt()

    assert everything() == before


def test_an_administrator_of_another_provider_sees_no_draft_of_ours(
    draft: Draft, person: Any, other_provider: Organisation, now: datetime, everything: Everything
) -> None:
    from earthcode.identity.roles import Role

    pavel = person("pavel", role=Role.PROVIDER_ADMINISTRATOR, role_for=other_provider)
    before = everything()

    assert not Draft.objects.visible_to(pavel).exists()
    with pytest.raises(NotPermitted):
        publishing.save_section(draft, section="about", values=ABOUT, by=pavel, at=now)
    assert everything() == before


def test_those_who_approve_see_a_draft_once_it_was_sent(
    new_draft: Draft, petra: User, maria: User, now: datetime
) -> None:
    assert not Draft.objects.visible_to(maria).exists()

    publishing.submit(new_draft, by=petra, at=now)

    assert Draft.objects.visible_to(maria).get() == new_draft


def test_who_opened_a_section_before_somebody_else_saved_it_is_told(
    draft: Draft, petra: User, paul: User, everything: Everything, now: datetime
) -> None:
    seen = digest(section_of(draft.content, "about"))
    change_facts(draft, summary="Paul's words.", by=paul, at=now)
    before = everything()

    with pytest.raises(SavedMeanwhile, match=r"Paul Novak saved this section at 10:00"):
        publishing.save_section(
            draft, section="about", values={**ABOUT, "summary": "Petra's words."}, seen=seen, by=petra, at=now
        )

    assert everything() == before


def test_two_people_in_two_sections_do_not_meet(draft: Draft, petra: User, paul: User, now: datetime) -> None:
    seen = digest(section_of(draft.content, "access"))
    change_facts(draft, summary="Paul's words.", by=paul, at=now)

    publishing.save_section(draft, section="access", values={"support": "On weekdays."}, seen=seen, by=petra, at=now)

    assert (draft.content["summary"], draft.content["support"]) == ("Paul's words.", "On weekdays.")


def test_a_plan_that_was_taken_out_meanwhile_is_not_saved_again(
    draft: Draft, petra: User, paul: User, everything: Everything, now: datetime
) -> None:
    publishing.remove_plan(draft, slug="standard", by=paul, at=now)
    before = everything()

    with pytest.raises(SavedMeanwhile):
        publishing.save_plan(draft, slug="standard", values={"name": "Standard"}, by=petra, at=now)

    assert everything() == before


@pytest.mark.parametrize("name", ["", "   ", "!!!", "hub notebooks"])
def test_a_new_offering_needs_a_name_of_its_own(
    name: str, hub_plan: Plan, petra: User, everything: Everything, now: datetime
) -> None:
    before = everything()

    with pytest.raises(InvalidInput) as refusal:
        publishing.start(platform=hub_plan.offering.platform, name=name, by=petra, at=now)

    assert refusal.value.field == "name"
    assert everything() == before


def test_what_the_provider_states_has_the_provider_as_its_source(draft: Draft, petra: User, now: datetime) -> None:
    publishing.save_section(draft, section="work", values={"datasets": ["S5P"], "place": "Kiel"}, by=petra, at=now)

    assert draft.content["datasets"] == ["Sentinel-5P"]
    assert draft.content["sources"] == {
        name: {"source": "Stated by Hub House", "date": "2026-11-02"} for name in ("datasets", "place")
    }


FURTHER: dict[str, dict[str, Any]] = {
    "work": {"hardware": "16 × NVIDIA A100"},
    "access": {"support_hours": "Weekdays, 9 to 17 CET"},
    "promises": {
        "availability": "99.5 % of each month",
        "maturity": "Operational",
        "certifications": ["ISO 27001", "CoreTrustSeal"],
    },
}


def test_the_provider_alone_publishes_further_facts_each_with_its_source(
    draft: Draft, petra: User, now: datetime
) -> None:
    for section, values in FURTHER.items():
        publishing.save_section(draft, section=section, values=values, by=petra, at=now)
    facts = {name: value for values in FURTHER.values() for name, value in values.items()}
    found = changes(draft.base, draft.content)

    offering = publishing.publish(draft, by=petra, at=now)

    assert len(found) == len(facts)
    offering.refresh_from_db()
    assert {name: getattr(offering, name) for name in facts} == facts
    assert set(offering.sources) == set(facts)
    assert offering.versions.first().content["hardware"] == "16 × NVIDIA A100"


@pytest.mark.parametrize("before", ["", "At most 8 vCPU each"])
def test_other_words_about_limits_are_for_esa_to_approve(
    hub_plan: Plan, petra: User, now: datetime, before: str
) -> None:
    Offering.objects.update(limits=before)
    hub_plan.offering.refresh_from_db()
    draft = publishing.edit(hub_plan.offering, by=petra, at=now)
    publishing.save_section(draft, section="promises", values={"limits": "At most 4 vCPU each"}, by=petra, at=now)

    with pytest.raises(NeedsApproval, match="what it gives at most changes"):
        publishing.publish(draft, by=petra, at=now)

    assert set(Offering.objects.values_list("limits", flat=True)) == {before}


# --- who may publish what ---------------------------------------------------------------------------------------------


def test_facts_are_published_by_the_provider_alone(draft: Draft, petra: User, now: datetime) -> None:
    change_facts(draft, summary="Notebooks by the sea.", by=petra, at=now)

    offering = publishing.publish(draft, by=petra, at=now)

    assert offering.summary == "Notebooks by the sea."
    assert draft.status == DraftStatus.PUBLISHED
    assert Event.objects.filter(name="offering_draft.publish", subject_id=str(draft.pk)).count() == 1


def _tier(draft: Draft, by: User, at: datetime) -> None:
    change_facts(draft, tier="resource", by=by, at=at)


def _sponsorable(draft: Draft, by: User, at: datetime) -> None:
    change_facts(draft, sponsorable=None, by=by, at=at)


def _price(draft: Draft, by: User, at: datetime) -> None:
    change_price(draft, "0.07", by=by, at=at)


def _new_plan(draft: Draft, by: User, at: datetime) -> None:
    publishing.save_plan(draft, slug="", values={"name": "Large", "components": [component()]}, by=by, at=at)


def _no_plan(draft: Draft, by: User, at: datetime) -> None:
    _new_plan(draft, by, at)
    publishing.remove_plan(draft, slug="standard", by=by, at=at)


def _limit(draft: Draft, by: User, at: datetime) -> None:
    plan = plan_of(draft.content, "standard")
    assert plan is not None
    components = [{**each, "limit": "100"} for each in plan["components"]]
    publishing.save_plan(draft, slug="standard", values={**plan, "components": components}, by=by, at=at)


def _months(draft: Draft, by: User, at: datetime) -> None:
    publishing.save_plan(draft, slug="standard", values={"name": "Standard", "months_max": 6}, by=by, at=at)


@pytest.mark.parametrize("change", [_tier, _sponsorable, _price, _new_plan, _no_plan, _limit, _months])
def test_more_than_facts_needs_the_approval_of_esa(
    change: Callable[..., None],
    draft: Draft,
    petra: User,
    maria: User,
    now: datetime,
    everything: Everything,
) -> None:
    change(draft, petra, now)
    before = everything()

    with pytest.raises(NeedsApproval):
        publishing.publish(draft, by=petra, at=now)
    assert everything() == before

    publishing.submit(draft, by=petra, at=now)
    asked = draft.content
    publishing.approve(draft, by=maria, at=now)
    assert draft.status == DraftStatus.PUBLISHED
    # The catalogue says what was asked for, in its own spelling of names.
    differs = [each.label for each in changes(asked, content_of(Offering.objects.get(slug=draft.slug)))]
    assert set(differs) <= {"Kind of service"}


def test_a_limit_is_raised_without_esa(draft: Draft, hub_plan: Plan, petra: User, maria: User, now: datetime) -> None:
    _months(draft, petra, now)
    publishing.submit(draft, by=petra, at=now)
    publishing.approve(draft, by=maria, at=now)
    second = publishing.edit(hub_plan.offering, by=petra, at=now)

    publishing.save_plan(second, slug="standard", values={"name": "Standard", "months_max": 12}, by=petra, at=now)
    publishing.publish(second, by=petra, at=now)

    hub_plan.refresh_from_db()
    assert hub_plan.months_max == 12


def test_a_draft_that_says_nothing_new_is_not_published(
    draft: Draft, petra: User, everything: Everything, now: datetime
) -> None:
    before = everything()

    with pytest.raises(NothingToPublish):
        publishing.publish(draft, by=petra, at=now)
    with pytest.raises(NothingToPublish):
        publishing.submit(draft, by=petra, at=now)

    assert everything() == before


def test_an_unfinished_draft_is_not_sent(
    hub_platform: Platform, petra: User, everything: Everything, now: datetime
) -> None:
    draft = publishing.start(platform=hub_platform, name="Tide notebooks", by=petra, at=now)
    before = everything()

    with pytest.raises(IncompleteDraft) as refusal:
        publishing.submit(draft, by=petra, at=now)

    assert refusal.value.missing == ["about", "plans"]
    assert everything() == before


def test_esa_returns_a_draft_with_a_comment_and_approves_the_corrected_one(
    new_draft: Draft, petra: User, maria: User, marc: User, now: datetime, workload: Workload
) -> None:
    publishing.submit(new_draft, note="Our first.", by=petra, at=now)
    publishing.send_back(new_draft, comment="Say where the data centre is.", by=maria, at=now)
    assert new_draft.status == DraftStatus.RETURNED
    publishing.save_section(new_draft, section="work", values={"place": "Kiel", "country": "DE"}, by=petra, at=now)
    publishing.submit(new_draft, by=petra, at=now + timedelta(hours=1))

    offering = publishing.approve(new_draft, by=marc, at=now + timedelta(hours=2))

    assert Offering.objects.listed().get(slug="tide-notebooks") == offering
    assert offering.place == "Kiel"
    quote = catalogue.quote_plan(offering.plans.get(), workload, on=now.date())
    assert isinstance(quote, Quote)
    assert set(search.find("tide gauges").ranks or ()) == {offering.pk}
    names = list(Event.objects.filter(subject_type="publishing.draft").order_by("pk").values_list("name", flat=True))
    assert [name.partition(".")[2] for name in names if not name.endswith("save")] == [
        "start",
        "submit",
        "send_back",
        "submit",
        "approve",
    ]
    told = Message.objects.filter(recipient=petra.public_id).order_by("pk").values_list("subject", flat=True)
    assert list(told) == ["ESA returned “Tide notebooks”", "“Tide notebooks” is public"]


def test_a_manager_of_the_same_organisation_does_not_decide(
    new_draft: Draft, petra: User, maria: User, provider: Organisation, everything: Everything, now: datetime
) -> None:
    publishing.submit(new_draft, by=petra, at=now)
    maria.organisation = provider
    maria.save(update_fields=["organisation"])
    before = everything()

    with pytest.raises(ConflictOfInterest):
        publishing.approve(new_draft, by=maria, at=now)
    with pytest.raises(ConflictOfInterest):
        publishing.send_back(new_draft, comment="No.", by=maria, at=now)

    assert everything() == before


def test_a_manager_who_administers_the_provider_does_not_decide(
    new_draft: Draft, petra: User, now: datetime, everything: Everything
) -> None:
    from earthcode.identity.models import RoleGrant
    from earthcode.identity.roles import Role

    publishing.submit(new_draft, by=petra, at=now)
    RoleGrant.objects.create(user=petra, role=Role.ESA_MANAGER, claim="groups=esa", granted_at=now)
    petra.forget_grants()
    before = everything()

    with pytest.raises(ConflictOfInterest):
        publishing.approve(new_draft, by=petra, at=now)

    assert everything() == before


def test_returning_needs_a_comment(
    new_draft: Draft, petra: User, maria: User, everything: Everything, now: datetime
) -> None:
    publishing.submit(new_draft, by=petra, at=now)
    before = everything()

    with pytest.raises(InvalidInput) as refusal:
        publishing.send_back(new_draft, comment=" ", by=maria, at=now)

    assert refusal.value.field == "comment"
    assert everything() == before


def test_what_is_with_esa_stays_as_it_is_until_it_is_taken_back(
    new_draft: Draft, petra: User, everything: Everything, now: datetime
) -> None:
    publishing.submit(new_draft, by=petra, at=now)
    before = everything()

    with pytest.raises(NotEditable):
        publishing.save_section(new_draft, section="about", values=ABOUT, by=petra, at=now)
    with pytest.raises(WrongState):
        publishing.discard(new_draft, by=petra, at=now)
    assert everything() == before

    publishing.take_back(new_draft, by=petra, at=now)
    publishing.save_section(new_draft, section="about", values={**ABOUT, "summary": "Better."}, by=petra, at=now)
    assert new_draft.content["summary"] == "Better."


def test_the_providers_own_people_approve_nothing(
    new_draft: Draft, petra: User, paul: User, everything: Everything, now: datetime
) -> None:
    publishing.submit(new_draft, by=petra, at=now)
    before = everything()

    with pytest.raises(NotPermitted):
        publishing.approve(new_draft, by=paul, at=now)

    assert everything() == before


# --- into the catalogue -----------------------------------------------------------------------------------------------


def test_a_new_rate_closes_the_old_one_the_day_before_and_edits_nothing(
    draft: Draft, hub_plan: Plan, petra: User, maria: User, now: datetime
) -> None:
    cited = Rate.objects.get(component__plan=hub_plan, component__metric="vcpu_hour")
    change_price(draft, "0.07", first="2026-11-20", by=petra, at=now)
    publishing.submit(draft, by=petra, at=now)

    publishing.approve(draft, by=maria, at=now + timedelta(days=1))

    old, new = Rate.objects.filter(component=cited.component).order_by("valid")
    assert (old.pk, old.micro_per_unit, old.valid.upper) == (cited.pk, cited.micro_per_unit, date(2026, 11, 20))
    assert (new.micro_per_unit, new.valid.lower) == (Decimal(70_000), date(2026, 11, 20))


def test_a_first_day_that_has_passed_becomes_the_day_of_publication(
    draft: Draft, hub_plan: Plan, petra: User, maria: User, now: datetime
) -> None:
    change_price(draft, "0.07", first="2026-02-01", by=petra, at=now)
    publishing.submit(draft, by=petra, at=now)

    publishing.approve(draft, by=maria, at=now + timedelta(days=3))

    latest = Rate.objects.filter(component__plan=hub_plan, component__metric="vcpu_hour").order_by("valid").last()
    assert latest is not None
    assert latest.valid.lower == date(2026, 11, 5)


def test_a_higher_price_has_its_notice_and_is_announced(
    draft: Draft, hub_plan: Plan, petra: User, maria: User, now: datetime
) -> None:
    change_price(draft, "0.09", first="2026-11-03", by=petra, at=now)
    publishing.submit(draft, by=petra, at=now)

    publishing.approve(draft, by=maria, at=now)

    latest = Rate.objects.filter(component__plan=hub_plan, component__metric="vcpu_hour").order_by("valid").last()
    assert latest is not None
    assert latest.valid.lower == date(2026, 12, 2)
    announcement = Announcement.objects.get()
    assert (announcement.kind, announcement.effective_on) == ("price", date(2026, 12, 2))
    assert "0.09 instead of 0.08 credits" in announcement.words


def test_an_unchanged_rate_is_left_alone(draft: Draft, hub_plan: Plan, petra: User, now: datetime) -> None:
    before = list(Rate.objects.order_by("pk").values())
    change_facts(draft, summary="Notebooks by the sea.", by=petra, at=now)

    publishing.publish(draft, by=petra, at=now + timedelta(days=1))

    assert list(Rate.objects.order_by("pk").values()) == before


def test_what_is_taken_away_stays_in_the_database(
    draft: Draft, hub_plan: Plan, petra: User, maria: User, now: datetime
) -> None:
    plan = plan_of(draft.content, "standard")
    assert plan is not None
    kept = [each for each in plan["components"] if each["metric"] == "gb_month"]
    publishing.save_plan(draft, slug="standard", values={**plan, "components": kept}, by=petra, at=now)
    publishing.submit(draft, by=petra, at=now)
    publishing.approve(draft, by=maria, at=now)
    assert Component.objects.get(plan=hub_plan, metric="vcpu_hour").in_use is False

    second = publishing.edit(hub_plan.offering, by=petra, at=now)
    publishing.save_plan(second, slug="", values={"name": "Other"}, by=petra, at=now)
    publishing.remove_plan(second, slug="standard", by=petra, at=now)
    publishing.submit(second, by=petra, at=now)
    publishing.approve(second, by=maria, at=now)

    hub_plan.refresh_from_db()
    assert hub_plan.is_listed is False


def test_connection_settings_survive_publishing(draft: Draft, hub_plan: Plan, petra: User, now: datetime) -> None:
    publishing.discard(draft, by=petra, at=now)
    Plan.objects.filter(pk=hub_plan.pk).update(connector_settings={"group": "large"})
    draft = publishing.edit(hub_plan.offering, by=petra, at=now)
    change_facts(draft, summary="Notebooks by the sea.", by=petra, at=now)

    publishing.publish(draft, by=petra, at=now)

    hub_plan.refresh_from_db()
    assert hub_plan.connector_settings == {"group": "large"}


def test_publishing_twice_is_publishing_once(draft: Draft, petra: User, everything: Everything, now: datetime) -> None:
    change_facts(draft, summary="Notebooks by the sea.", by=petra, at=now)
    offering = publishing.publish(draft, by=petra, at=now)
    before = everything()

    again = publishing.publish(draft, by=petra, at=now + timedelta(minutes=1))

    assert again == offering
    assert everything() == before


def test_a_fault_on_the_way_leaves_the_catalogue_whole(
    new_draft: Draft, petra: User, maria: User, everything: Everything, now: datetime
) -> None:
    publishing.submit(new_draft, by=petra, at=now)
    # As if an older release had let it through.
    content = new_draft.content
    content["plans"][0]["components"][0]["rate"]["credits"] = "a lot"
    Draft.objects.filter(pk=new_draft.pk).update(content=content)
    before = everything()

    with pytest.raises(Refused, match="credits"):
        publishing.approve(new_draft, by=maria, at=now)

    assert everything() == before


@pytest.mark.django_db(transaction=True)
def test_two_who_approve_at_once_publish_once(
    new_draft: Draft, petra: User, maria: User, marc: User, now: datetime
) -> None:
    publishing.submit(new_draft, by=petra, at=now)
    start = threading.Barrier(2)
    made: list[Offering] = []

    def approve(person: User) -> None:
        try:
            start.wait()
            made.append(publishing.approve(Draft.objects.get(pk=new_draft.pk), by=person, at=now))
        finally:
            connection.close()

    threads = [threading.Thread(target=approve, args=[person]) for person in (maria, marc)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 2
    assert made[0] == made[1]
    assert Offering.objects.filter(slug=new_draft.slug).count() == 1
    assert Rate.objects.filter(component__plan__offering__slug=new_draft.slug).count() == 1
    assert Event.objects.filter(name="offering_draft.approve").count() == 1


# --- the catalogue changed meanwhile ----------------------------------------------------------------------------------


def test_a_draft_does_not_undo_what_changed_in_the_catalogue_meanwhile(
    draft: Draft, hub_plan: Plan, petra: User, everything: Everything, now: datetime
) -> None:
    change_facts(draft, summary="Notebooks by the sea.", by=petra, at=now)
    Offering.objects.filter(pk=hub_plan.offering_id).update(support="On weekdays.")
    before = everything()

    with pytest.raises(PublicChanged):
        publishing.publish(draft, by=petra, at=now)
    assert everything() == before

    publishing.catch_up(draft, by=petra, at=now)
    offering = publishing.publish(draft, by=petra, at=now)
    assert (offering.summary, offering.support) == ("Notebooks by the sea.", "On weekdays.")


# --- the table --------------------------------------------------------------------------------------------------------


def test_the_open_steps_are_those_of_the_table(
    new_draft: Draft, petra: User, maria: User, alice: User, now: datetime
) -> None:
    assert [step.name for step in OFFERING_DRAFT.open_to(new_draft, by=petra)] == ["submit", "discard"]
    assert OFFERING_DRAFT.open_to(new_draft, by=maria) == []

    publishing.submit(new_draft, by=petra, at=now)

    assert [step.name for step in OFFERING_DRAFT.open_to(new_draft, by=petra)] == ["take_back"]
    assert [step.name for step in OFFERING_DRAFT.open_to(new_draft, by=maria)] == ["approve", "send_back"]
    assert OFFERING_DRAFT.open_to(new_draft, by=alice) == []


def test_the_database_keeps_one_open_draft(draft: Draft, petra: User, now: datetime) -> None:
    from django.db import IntegrityError

    with pytest.raises(IntegrityError, match="publishing_one_open_draft"):
        Draft.objects.create(
            platform=draft.platform,
            slug=draft.slug,
            content={},
            created_by=petra,
            created_at=now,
            saved_by=petra,
            saved_at=now,
            status_since=now,
        )
