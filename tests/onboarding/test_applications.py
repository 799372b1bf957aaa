"""From a draft to a provider: who may do what, what is refused, and that a refusal changes nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from earthcode.audit.models import Event
from earthcode.catalogue.models import Platform
from earthcode.identity import administrators
from earthcode.identity.models import Organisation, RoleGrant, User
from earthcode.identity.roles import Permission, Role
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused
from earthcode.lifecycle import WrongState
from earthcode.notifications.models import Message
from earthcode.onboarding import actions as onboarding
from earthcode.onboarding.lifecycle import APPLICATION, APPLICATION_ITEM, ConflictOfInterest, ItemsOpen
from earthcode.onboarding.models import Application, ApplicationItem, ApplicationStatus, CheckRun, ItemStatus, Outcome
from earthcode.onboarding.queries import exchange, latest_runs
from tests.onboarding.conftest import give_all
from tests.support.onboarding import EVIDENCE, START
from tests.support.people import fresh

WHY = "It is all there."
DOCUMENTATION = {"documentation_url": "https://docs.glacier.example/", "covers": "Everything."}


def state() -> dict[str, list[dict[str, Any]]]:
    """All that an application may change."""
    models = (Application, ApplicationItem, CheckRun, Organisation, Platform, RoleGrant, Message, Event)
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}  # type: ignore[attr-defined]


def refused(kind: type[Refused], do: Callable[[], object], *, field: str | None = None) -> Refused:
    before = state()
    with pytest.raises(kind) as caught:
        do()
    assert state() == before
    if field is not None:
        assert caught.value.field == field
    return caught.value


def item_of(application: Application, code: str) -> ApplicationItem:
    return ApplicationItem.objects.get(application=application, code=code)


# --- filling in ------------------------------------------------------------------------------------------------------


def test_a_draft_has_a_number_and_an_item_for_each_requirement(application: Application, stranger: User) -> None:
    assert application.reference.startswith("APP-2026-")
    assert application.status == ApplicationStatus.DRAFT
    assert {item.code for item in application.items.all()} == {each.code for each in application.requirements}
    assert {item.status for item in application.items.all()} == {ItemStatus.TO_DO}
    assert Event.objects.get(name="application.start").actor_id == stranger.audit_id


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"organisation_name": "  "}, "organisation_name"),
        ({"organisation_name": "x" * 201}, "organisation_name"),
        ({"platform_name": ""}, "platform_name"),
        ({"is_infrastructure": False}, "kinds"),
        ({"country": "XX"}, "country"),
    ],
)
def test_what_cannot_be_applied_for_is_refused_by_its_field(
    change: dict[str, Any], field: str, stranger: User, now: datetime
) -> None:
    refused(InvalidInput, lambda: onboarding.start(**{**START, **change}, by=stranger, at=now), field=field)


def test_nobody_has_more_than_a_few_undecided_applications(stranger: User, now: datetime) -> None:
    drafts = [onboarding.start(**START, by=stranger, at=now) for _ in range(onboarding.OPEN_MAX)]
    refused(onboarding.TooManyOpen, lambda: onboarding.start(**START, by=stranger, at=now))

    onboarding.withdraw(drafts[0], by=stranger, at=now)

    assert onboarding.start(**START, by=stranger, at=now)


def test_an_organisation_that_is_known_is_found_by_its_name(
    stranger: User, provider: Organisation, hub_platform: Platform, now: datetime
) -> None:
    about = {**START, "organisation_name": " hub   HOUSE", "platform_name": "coastal hub"}

    application = onboarding.start(**about, by=stranger, at=now)

    assert (application.organisation, application.platform) == (provider, hub_platform)


def test_only_its_administrators_apply_for_an_organisation_that_has_some(
    stranger: User, petra: User, now: datetime
) -> None:
    about = {**START, "organisation_name": "Hub House"}
    refused(
        onboarding.HasAdministrators,
        lambda: onboarding.start(**about, by=stranger, at=now),
        field="organisation_name",
    )

    assert onboarding.start(**about, by=petra, at=now).organisation_id == petra.organisation_id


def test_another_kind_asks_for_other_items_and_forgets_none(
    complete_application: Application, stranger: User, now: datetime
) -> None:
    science = {**START, "is_open_science": True, "is_infrastructure": False}

    onboarding.save_about(complete_application, **science, by=stranger, at=now)
    assert [item.code for item in complete_application.items_in_order()] == [
        each.code for each in complete_application.requirements
    ]
    assert item_of(complete_application, "development").status == ItemStatus.TO_DO

    onboarding.save_about(complete_application, **START, by=stranger, at=now)
    assert item_of(complete_application, "reporting").status == ItemStatus.GIVEN


def test_evidence_is_kept_and_its_addresses_are_looked_at(
    application: Application, stranger: User, now: datetime
) -> None:
    onboarding.give(application, "documentation", evidence={**DOCUMENTATION, "unknown": "x"}, by=stranger, at=now)

    item = item_of(application, "documentation")
    assert (item.status, item.evidence, item.given_by) == (ItemStatus.GIVEN, DOCUMENTATION, stranger)
    run = CheckRun.objects.get()
    assert (run.item, run.field, run.address, run.done_at) == (
        item,
        "documentation_url",
        DOCUMENTATION["documentation_url"],
        None,
    )


def test_giving_the_same_again_changes_nothing(application: Application, stranger: User, now: datetime) -> None:
    onboarding.give(application, "documentation", evidence=DOCUMENTATION, by=stranger, at=now)
    before = state()

    onboarding.give(application, "documentation", evidence=DOCUMENTATION, by=stranger, at=now + timedelta(hours=1))

    assert state() == before


def test_another_address_is_looked_at_instead_of_the_one_that_waits(
    application: Application, stranger: User, now: datetime
) -> None:
    onboarding.give(application, "documentation", evidence=DOCUMENTATION, by=stranger, at=now)
    other = {**DOCUMENTATION, "documentation_url": "https://elsewhere.example/"}

    onboarding.give(application, "documentation", evidence=other, by=stranger, at=now)

    assert CheckRun.objects.get().address == "https://elsewhere.example/"


@pytest.mark.parametrize(
    ("code", "evidence", "field"),
    [
        ("documentation", {"covers": "All"}, "documentation_url"),
        ("documentation", {**DOCUMENTATION, "covers": " \n "}, "covers"),
        ("documentation", {**DOCUMENTATION, "covers": "x" * 5001}, "covers"),
        ("documentation", {**DOCUMENTATION, "documentation_url": "docs.glacier.example"}, "documentation_url"),
        ("documentation", {**DOCUMENTATION, "documentation_url": "http://a:b@glacier.example/"}, "documentation_url"),
        ("documentation", {**DOCUMENTATION, "documentation_url": "file:///etc/passwd"}, "documentation_url"),
        ("execution", {"how": "By hand"}, "openeo_url"),
        ("access", {"interface": "telepathy", "rights": "By thought"}, "interface"),
        ("development", {"tools": "x"}, None),
    ],
)
def test_evidence_that_cannot_be_used_is_refused_by_its_field(
    application: Application, stranger: User, now: datetime, code: str, evidence: dict[str, str], field: str | None
) -> None:
    refused(
        InvalidInput, lambda: onboarding.give(application, code, evidence=evidence, by=stranger, at=now), field=field
    )


@pytest.mark.parametrize("who", ["alice", "petra", "maria"])
def test_nobody_else_fills_in_sends_or_withdraws(
    who: str, request: pytest.FixtureRequest, complete_application: Application, now: datetime
) -> None:
    by = request.getfixturevalue(who)
    application = complete_application
    for do in (
        lambda: onboarding.give(application, "documentation", evidence=DOCUMENTATION, by=by, at=now),
        lambda: onboarding.save_about(application, **START, by=by, at=now),
        lambda: onboarding.submit(application, by=by, at=now),
        lambda: onboarding.withdraw(application, by=by, at=now),
    ):
        refused(NotPermitted, do)


def test_the_administrators_of_the_organisation_share_an_application(
    petra: User, ben: User, maria: User, provider: Organisation, now: datetime
) -> None:
    application = onboarding.start(**{**START, "organisation_name": "Hub House"}, by=petra, at=now)
    administrators.add(provider, user=ben, by=petra, at=now)

    onboarding.give(application, "documentation", evidence=DOCUMENTATION, by=fresh(ben), at=now)

    assert item_of(application, "documentation").given_by == ben


def test_it_is_seen_by_who_applies_and_once_it_is_sent_by_esa(
    complete_application: Application, stranger: User, alice: User, maria: User, now: datetime
) -> None:
    def sees(user: User) -> bool:
        return Application.objects.visible_to(fresh(user)).filter(pk=complete_application.pk).exists()

    assert [sees(user) for user in (stranger, alice, maria)] == [True, False, False]

    onboarding.submit(complete_application, by=stranger, at=now)

    assert [sees(user) for user in (stranger, alice, maria)] == [True, False, True]


# --- sending ---------------------------------------------------------------------------------------------------------


def test_an_application_with_an_item_to_do_is_not_sent(application: Application, stranger: User, now: datetime) -> None:
    refusal = refused(ItemsOpen, lambda: onboarding.submit(application, by=stranger, at=now), field="standing")

    assert "Documentation for users" in str(refusal)


def test_sending_tells_the_managers(sent_application: Application, stranger: User, maria: User, now: datetime) -> None:
    assert (sent_application.status, sent_application.submitted_by) == (ApplicationStatus.SUBMITTED, stranger)
    message = Message.objects.get(recipient=maria.public_id)
    assert message.subject == f"{sent_application.reference}: A provider applies"
    assert message.link == f"/review/applications/{sent_application.reference}/"


@pytest.fixture(autouse=True)
def _a_manager_who_hears_of_it(maria: User) -> None:
    """There before anything is sent."""


def test_what_was_sent_is_not_changed(sent_application: Application, stranger: User, now: datetime) -> None:
    application = sent_application
    for do in (
        lambda: onboarding.give(application, "documentation", evidence=DOCUMENTATION, by=stranger, at=now),
        lambda: onboarding.submit(application, by=stranger, at=now),
    ):
        refused(WrongState, do)
    refused(onboarding.NotEditable, lambda: onboarding.save_about(application, **START, by=stranger, at=now))


# --- deciding --------------------------------------------------------------------------------------------------------


def test_esa_returns_one_item_and_later_accepts(
    sent_application: Application, stranger: User, maria: User, now: datetime
) -> None:
    application = sent_application
    for requirement in application.requirements:
        if requirement.code != "sla":
            onboarding.accept_item(application, requirement.code, comment="Good.", by=maria, at=now)
    onboarding.return_item(application, "sla", comment="How is it measured?", by=maria, at=now)
    onboarding.return_to_applicant(application, reason="One item to mend.", by=maria, at=now)
    told = Message.objects.get(recipient=stranger.public_id)
    assert "ESA needs more" in told.subject
    assert "Returned: Service level." in told.body

    evidence = {**EVIDENCE["sla"], "availability": "99.5 %, from outside, every five minutes"}
    onboarding.give(application, "sla", evidence=evidence, by=stranger, at=now + timedelta(days=1))
    onboarding.submit(application, answer="Now it says how.", by=stranger, at=now + timedelta(days=1))
    onboarding.accept_item(application, "sla", by=maria, at=now + timedelta(days=2))
    organisation = onboarding.accept(application, reason=WHY, by=maria, at=now + timedelta(days=2))

    platform = Platform.objects.get(provider=organisation)
    assert (organisation.name, organisation.slug, organisation.country) == ("Glacier Cloud", "glacier-cloud", "CH")
    assert (platform.name, platform.is_infrastructure, platform.is_open_science) == ("Glacier Cubes", True, False)
    assert platform.access_url == "https://glacier.example/"
    assert fresh(stranger).may(Permission.OFFERING_EDIT, platform)
    assert (application.organisation, application.platform, application.decided_by) == (organisation, platform, maria)
    said = [
        (event.name, event.data.get("comment") or event.data.get("reason") or event.data.get("answer"))
        for event in exchange(application)
    ]
    for each in (
        ("application_item.return", "How is it measured?"),
        ("application.return", "One item to mend."),
        ("application.submit", "Now it says how."),
        ("application.accept", WHY),
    ):
        assert each in said


def test_only_what_was_returned_has_to_be_mended(
    sent_application: Application, stranger: User, maria: User, now: datetime
) -> None:
    onboarding.accept_item(sent_application, "documentation", by=maria, at=now)
    onboarding.return_item(sent_application, "sla", comment="How?", by=maria, at=now)
    onboarding.return_to_applicant(sent_application, reason="Mend it.", by=maria, at=now)

    # What ESA accepted stays accepted, so nobody can slip something else in afterwards.
    refused(
        WrongState,
        lambda: onboarding.give(sent_application, "documentation", evidence=DOCUMENTATION, by=stranger, at=now),
    )
    refused(ItemsOpen, lambda: onboarding.submit(sent_application, by=stranger, at=now), field="sla")


def test_an_application_is_accepted_only_when_every_item_is(
    sent_application: Application, maria: User, now: datetime
) -> None:
    for requirement in sent_application.requirements[1:]:
        onboarding.accept_item(sent_application, requirement.code, by=maria, at=now)

    refusal = refused(ItemsOpen, lambda: onboarding.accept(sent_application, reason=WHY, by=maria, at=now))

    assert str(refusal) == "Not accepted yet: The organisation and its users."


def test_items_of_a_kind_that_is_not_applied_for_stand_in_nobodys_way(
    complete_application: Application, stranger: User, maria: User, now: datetime
) -> None:
    application = complete_application
    onboarding.save_about(application, **{**START, "is_open_science": True}, by=stranger, at=now)
    onboarding.save_about(application, **START, by=stranger, at=now)
    onboarding.submit(application, by=stranger, at=now)
    for requirement in application.requirements:
        onboarding.accept_item(application, requirement.code, by=maria, at=now)

    assert onboarding.accept(application, reason=WHY, by=maria, at=now)
    assert item_of(application, "prr").status == ItemStatus.TO_DO


def test_nothing_is_returned_without_an_item(sent_application: Application, maria: User, now: datetime) -> None:
    refused(ItemsOpen, lambda: onboarding.return_to_applicant(sent_application, reason="Mend it.", by=maria, at=now))


def test_every_decision_has_a_reason(approved_application: Application, maria: User, now: datetime) -> None:
    application = approved_application
    for do in (
        lambda: onboarding.accept(application, reason=" ", by=maria, at=now),
        lambda: onboarding.reject(application, reason="", by=maria, at=now),
        lambda: onboarding.return_to_applicant(application, reason="", by=maria, at=now),
    ):
        refused(InvalidInput, do, field="reason")
    refused(
        InvalidInput, lambda: onboarding.return_item(application, "sla", comment=" ", by=maria, at=now), field="comment"
    )


@pytest.mark.parametrize("who", ["alice", "tomas", "petra", "stranger"])
def test_only_managers_decide(
    who: str, request: pytest.FixtureRequest, approved_application: Application, now: datetime
) -> None:
    by, application = request.getfixturevalue(who), approved_application
    for do in (
        lambda: onboarding.accept_item(application, "sla", by=by, at=now),
        lambda: onboarding.return_item(application, "sla", comment="No.", by=by, at=now),
        lambda: onboarding.accept(application, reason=WHY, by=by, at=now),
        lambda: onboarding.reject(application, reason=WHY, by=by, at=now),
        lambda: onboarding.return_to_applicant(application, reason=WHY, by=by, at=now),
    ):
        refused(NotPermitted, do)


def make_manager(user: User, now: datetime) -> User:
    RoleGrant.objects.create(user=user, role=Role.ESA_MANAGER, claim="groups=x", granted_at=now)
    return fresh(user)


def _who_wrote_it(request: pytest.FixtureRequest, now: datetime) -> User:
    return make_manager(request.getfixturevalue("stranger"), now)


def _a_colleague(request: pytest.FixtureRequest, now: datetime) -> User:
    colleague = request.getfixturevalue("person")(
        "cleo", organisation=Organisation.objects.create(slug="glacier", name="GLACIER cloud")
    )
    return make_manager(colleague, now)


@pytest.mark.parametrize("who", [_who_wrote_it, _a_colleague])
def test_nobody_decides_about_their_own_organisation(
    who: Callable[[pytest.FixtureRequest, datetime], User],
    request: pytest.FixtureRequest,
    approved_application: Application,
    now: datetime,
) -> None:
    by, application = who(request, now), approved_application
    for do in (
        lambda: onboarding.return_item(application, "sla", comment="No.", by=by, at=now),
        lambda: onboarding.accept(application, reason=WHY, by=by, at=now),
        lambda: onboarding.reject(application, reason=WHY, by=by, at=now),
    ):
        refused(ConflictOfInterest, do)


def test_a_manager_who_looks_after_the_provider_does_not_decide(
    petra: User, stranger: User, provider: Organisation, now: datetime
) -> None:
    application = onboarding.start(**{**START, "organisation_name": "Hub House"}, by=petra, at=now)
    give_all(application, EVIDENCE, by=petra, at=now)
    onboarding.submit(application, by=petra, at=now)
    administrators.add(provider, user=stranger, by=petra, at=now)
    manager = make_manager(stranger, now)

    refused(ConflictOfInterest, lambda: onboarding.accept_item(application, "sla", by=manager, at=now))


def test_the_database_lets_nobody_decide_on_their_own(
    approved_application: Application, stranger: User, now: datetime
) -> None:
    with pytest.raises(IntegrityError, match="onboarding_nobody_decides_on_their_own"), transaction.atomic():
        Application.objects.filter(pk=approved_application.pk).update(decided_by=stranger)
    with pytest.raises(IntegrityError, match="onboarding_nobody_decides_on_their_own_evidence"), transaction.atomic():
        approved_application.items.update(decided_by=stranger)
    with pytest.raises(IntegrityError, match="onboarding_accepted_application_has_a_provider"), transaction.atomic():
        Application.objects.filter(pk=approved_application.pk).update(status=ApplicationStatus.ACCEPTED)


def test_accepting_twice_makes_one_provider(approved_application: Application, maria: User, now: datetime) -> None:
    onboarding.accept(approved_application, reason=WHY, by=maria, at=now)

    refused(WrongState, lambda: onboarding.accept(approved_application, reason=WHY, by=maria, at=now))


def test_what_was_decided_stays_decided(
    approved_application: Application, stranger: User, maria: User, now: datetime
) -> None:
    onboarding.reject(approved_application, reason="Not an operational service.", by=maria, at=now)

    assert "not accepted" in Message.objects.filter(recipient=stranger.public_id).latest("pk").subject
    assert not Organisation.objects.filter(name="Glacier Cloud").exists()
    for do in (
        lambda: onboarding.accept(approved_application, reason=WHY, by=maria, at=now),
        lambda: onboarding.accept_item(approved_application, "sla", by=maria, at=now),
        lambda: onboarding.withdraw(approved_application, by=stranger, at=now),
    ):
        refused(WrongState, do)


def test_an_existing_platform_is_taken_over_and_keeps_what_it_is(
    stranger: User, maria: User, provider: Organisation, hub_platform: Platform, now: datetime
) -> None:
    about = {**START, "organisation_name": "Hub House", "platform_name": "Coastal Hub", "is_open_science": True}
    application = onboarding.start(**about, by=stranger, at=now)
    give_all(application, EVIDENCE, by=stranger, at=now)
    onboarding.submit(application, by=stranger, at=now)
    for requirement in application.requirements:
        onboarding.accept_item(application, requirement.code, by=maria, at=now)

    assert onboarding.accept(application, reason=WHY, by=maria, at=now) == provider

    hub_platform.refresh_from_db()
    assert (hub_platform.is_infrastructure, hub_platform.is_open_science) == (True, True)
    assert hub_platform.access_url == "https://hub.platform.example/"
    assert fresh(stranger).may(Permission.OFFERING_EDIT, hub_platform)


def test_nobody_takes_over_a_provider_that_has_found_its_administrators_meanwhile(
    stranger: User, maria: User, ben: User, other_provider: Organisation, now: datetime
) -> None:
    application = onboarding.start(**{**START, "organisation_name": "Cluster Works"}, by=stranger, at=now)
    give_all(application, EVIDENCE, by=stranger, at=now)
    onboarding.submit(application, by=stranger, at=now)
    for requirement in application.requirements:
        onboarding.accept_item(application, requirement.code, by=maria, at=now)
    administrators.add(other_provider, user=ben, by=maria, at=now)

    refused(onboarding.HasAdministrators, lambda: onboarding.accept(application, reason=WHY, by=maria, at=now))


def test_a_name_that_has_come_about_meanwhile_is_not_taken_over_in_silence(
    approved_application: Application, maria: User, now: datetime
) -> None:
    Organisation.objects.create(slug="gc", name="glacier cloud")

    refused(Refused, lambda: onboarding.accept(approved_application, reason=WHY, by=maria, at=now))


def test_two_organisations_of_similar_names_have_addresses_of_their_own(
    approved_application: Application, maria: User, now: datetime
) -> None:
    Organisation.objects.create(slug="glacier-cloud", name="Glacier Cloud (another one)")

    assert onboarding.accept(approved_application, reason=WHY, by=maria, at=now).slug == "glacier-cloud-2"


# --- checks beside the evidence --------------------------------------------------------------------------------------


def test_a_check_that_fails_is_accepted_only_with_a_comment(
    sent_application: Application, maria: User, now: datetime
) -> None:
    CheckRun.objects.filter(item__code="documentation").update(
        outcome=Outcome.FAIL, sentence="There is nothing.", done_at=now
    )
    refused(
        InvalidInput,
        lambda: onboarding.accept_item(sent_application, "documentation", by=maria, at=now),
        field="comment",
    )

    onboarding.accept_item(sent_application, "documentation", comment="It moves on Friday.", by=maria, at=now)

    assert item_of(sent_application, "documentation").status == ItemStatus.ACCEPTED


@pytest.mark.parametrize("who", ["stranger", "maria"])
def test_both_sides_have_the_addresses_looked_at_again(
    who: str, request: pytest.FixtureRequest, sent_application: Application, now: datetime
) -> None:
    CheckRun.objects.update(outcome=Outcome.PASS, done_at=now)
    by, later = request.getfixturevalue(who), now + timedelta(minutes=2)

    count = onboarding.check_again(sent_application, by=by, at=later)

    assert count == CheckRun.objects.filter(done_at=None).count() == 4
    assert CheckRun.objects.filter(outcome=Outcome.PASS).count() == 4
    items = sent_application.items_in_order()
    assert {run.asked_at for runs in latest_runs(items).values() for run in runs.values()} == {later}


def test_addresses_are_not_looked_at_all_the_time_nor_for_anybody(
    sent_application: Application, stranger: User, alice: User, now: datetime
) -> None:
    soon, later = now + timedelta(seconds=30), now + timedelta(hours=1)
    refused(onboarding.CheckedJustNow, lambda: onboarding.check_again(sent_application, by=stranger, at=soon))
    refused(NotPermitted, lambda: onboarding.check_again(sent_application, by=alice, at=later))


def test_the_tables_have_an_action_for_each_step() -> None:
    names = {"return": "return_to_applicant"}
    for step in APPLICATION.steps:
        assert callable(getattr(onboarding, names.get(step, step)))
    for step in APPLICATION_ITEM.steps:
        assert callable(getattr(onboarding, "give" if step == "give" else f"{step}_item"))
