"""Who may move an application and its items. The answer to "who may accept?" is the line "accept" of each table."""

from earthcode.audit.actors import Actor
from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.lib.errors import NotPermitted, Refused
from earthcode.lifecycle import Lifecycle, WrongState, step
from earthcode.onboarding.events import ApplicationEvent, ItemEvent
from earthcode.onboarding.models import (
    OPEN_TO_THE_APPLICANT,
    Application,
    ApplicationItem,
    ApplicationStatus,
    ItemStatus,
)

DRAFT, SUBMITTED, RETURNED, ACCEPTED, REJECTED, WITHDRAWN = (
    ApplicationStatus.DRAFT,
    ApplicationStatus.SUBMITTED,
    ApplicationStatus.RETURNED,
    ApplicationStatus.ACCEPTED,
    ApplicationStatus.REJECTED,
    ApplicationStatus.WITHDRAWN,
)


class ConflictOfInterest(Refused):
    """Nobody decides about their own organisation, or on what they wrote themself."""

    code = "conflict_of_interest"


class ItemsOpen(Refused):
    """Some items stand in the way; the sentence names them."""

    code = "items_open"


def interest_of(user: User, application: Application) -> str | None:
    """What ties this person to the application, as a sentence, or None."""
    if user.pk in (application.created_by_id, application.submitted_by_id):
        return "You wrote this application yourself."
    if any(user.pk == item.given_by_id for item in application.items.all()):
        return "You gave some of its evidence yourself."
    if application.organisation_id is not None and (
        application.organisation_id == user.organisation_id or application.organisation_id in user.grants.provider_roles
    ):
        return f"You belong to {application.organisation_name}, which applies."
    own = user.organisation.name if user.organisation else ""
    if own.casefold() == application.organisation_name.casefold():
        return f"You belong to {application.organisation_name}, which applies."
    return None


def by_an_applicant(application: Application, by: Actor) -> Refused | None:
    if isinstance(by, User) and application.is_applied_by(by):
        return None
    return NotPermitted("Only the people who apply can change this application.")


def by_someone_without_interest(application: Application, by: Actor) -> Refused | None:
    if isinstance(by, User) and (tie := interest_of(by, application)):
        return ConflictOfInterest(f"{tie} Someone else has to decide.")
    return None


def every_item_is_answered(application: Application, by: Actor) -> Refused | None:
    del by
    return _refuse_unless(application, {ItemStatus.GIVEN, ItemStatus.ACCEPTED}, "Still to do: {items}.")


def every_item_is_accepted(application: Application, by: Actor) -> Refused | None:
    del by
    return _refuse_unless(application, {ItemStatus.ACCEPTED}, "Not accepted yet: {items}.")


def some_item_is_returned(application: Application, by: Actor) -> Refused | None:
    del by
    if any(item.status == ItemStatus.RETURNED for item in application.items_in_order()):
        return None
    return ItemsOpen("Return at least one item, with what is missing, before you return the application.")


def _refuse_unless(application: Application, statuses: set[ItemStatus], sentence: str) -> Refused | None:
    stored = {item.code: item.status for item in application.items.all()}
    open_items = [each for each in application.requirements if stored.get(each.code) not in statuses]
    if not open_items:
        return None
    return ItemsOpen(sentence.format(items=", ".join(str(each.title) for each in open_items)), field=open_items[0].code)


APPLICATION = Lifecycle[Application](
    "application",
    ApplicationEvent,
    step(
        "submit",
        {DRAFT, RETURNED},
        SUBMITTED,
        needs=Permission.APPLICATION_EDIT,
        provided=(by_an_applicant, every_item_is_answered),
        label="Send",
    ),
    step(
        "withdraw",
        {DRAFT, SUBMITTED, RETURNED},
        WITHDRAWN,
        needs=Permission.APPLICATION_EDIT,
        provided=by_an_applicant,
    ),
    step(
        "return",
        {SUBMITTED},
        RETURNED,
        needs=Permission.APPLICATION_DECIDE,
        provided=(by_someone_without_interest, some_item_is_returned),
        label="Return to the applicant",
    ),
    step(
        "accept",
        {SUBMITTED},
        ACCEPTED,
        needs=Permission.APPLICATION_DECIDE,
        provided=(by_someone_without_interest, every_item_is_accepted),
    ),
    step(
        "reject",
        {SUBMITTED},
        REJECTED,
        needs=Permission.APPLICATION_DECIDE,
        provided=by_someone_without_interest,
    ),
)


# --- one item --------------------------------------------------------------------------------------------------------


def of_an_open_application(item: ApplicationItem, by: Actor) -> Refused | None:
    if (refusal := by_an_applicant(item.application, by)) is not None:
        return refusal
    if item.application.status not in OPEN_TO_THE_APPLICANT:
        return WrongState(f"The application is “{item.application.get_status_display()}”, so it cannot be changed now.")
    return None


def of_an_application_with_esa(item: ApplicationItem, by: Actor) -> Refused | None:
    if item.application.status != SUBMITTED:
        return WrongState(
            f"The application is “{item.application.get_status_display()}”, so its items cannot be decided on now."
        )
    return by_someone_without_interest(item.application, by)


APPLICATION_ITEM = Lifecycle[ApplicationItem](
    "application_item",
    ItemEvent,
    step(
        "give",
        {ItemStatus.TO_DO, ItemStatus.GIVEN, ItemStatus.RETURNED},
        ItemStatus.GIVEN,
        needs=Permission.APPLICATION_EDIT,
        provided=of_an_open_application,
    ),
    step(
        "accept",
        {ItemStatus.GIVEN, ItemStatus.RETURNED},
        ItemStatus.ACCEPTED,
        needs=Permission.APPLICATION_DECIDE,
        provided=of_an_application_with_esa,
    ),
    step(
        "return",
        # Once more, too: to say it better before the application goes back.
        {ItemStatus.GIVEN, ItemStatus.ACCEPTED, ItemStatus.RETURNED},
        ItemStatus.RETURNED,
        needs=Permission.APPLICATION_DECIDE,
        provided=of_an_application_with_esa,
    ),
)
