"""Every write of this app: filling in an application, sending it, deciding on its items and on the whole.

Each action is one transaction, checks who asks, and does everything or raises a ``Refused`` and changes nothing. All of
them lock the application first, so what two people do to it and to its items follows one another.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import connection, transaction

from earthcode.audit import actions as audit
from earthcode.catalogue import platforms
from earthcode.catalogue.countries import COUNTRIES
from earthcode.identity import administrators, organisations
from earthcode.identity.models import Organisation, User
from earthcode.identity.roles import Permission
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused
from earthcode.lib.fetch import address_problem
from earthcode.lib.lock import lock
from earthcode.lib.wake import wake_after_commit
from earthcode.onboarding import messages
from earthcode.onboarding.events import ApplicationEvent
from earthcode.onboarding.lifecycle import APPLICATION, APPLICATION_ITEM, by_an_applicant
from earthcode.onboarding.models import (
    OPEN_TO_THE_APPLICANT,
    UNDECIDED,
    Application,
    ApplicationItem,
    CheckRun,
    ItemStatus,
    Outcome,
)
from earthcode.onboarding.queries import latest_runs
from earthcode.onboarding.requirements import Field, Form, Requirement

#: The task that carries out checks; also in ``settings.CELERY_BEAT_SCHEDULE``.
RUN_CHECKS = "onboarding.run_checks"
#: Undecided applications of one person: more than anybody has platforms, fewer than a robot would make.
OPEN_MAX = 5
TEXT_MAX = 5000
LINE_MAX = 300
ADDRESS_MAX = 2000
#: What ``catalogue.Platform.access_url`` holds.
ACCESS_URL_MAX = 200
#: Whoever asks for the checks again waits so long: the addresses are other people's servers.
CHECKS_PAUSE = timedelta(minutes=1)


class NotEditable(Refused):
    """The application is not open to the applicant now."""

    code = "not_editable"


class TooManyOpen(Refused):
    """The person has enough undecided applications."""

    code = "too_many_applications"


class HasAdministrators(Refused):
    """The organisation is looked after by people, and only they apply for it."""

    code = "organisation_has_administrators"


class CheckedJustNow(Refused):
    """The addresses were looked at a moment ago, or wait to be."""

    code = "checked_just_now"


# --- filling in ------------------------------------------------------------------------------------------------------


@transaction.atomic
def start(
    *,
    organisation_name: str,
    platform_name: str,
    is_open_science: bool,
    is_infrastructure: bool,
    country: str = "",
    by: User,
    at: datetime,
) -> Application:
    """A new draft. It has its reference from the start, so that people can talk about it."""
    if not by.may(Permission.APPLICATION_EDIT):
        raise NotPermitted("Your account cannot apply.")
    # The person's own row, so that two of their drafts at once are counted one after the other.
    User.objects.select_for_update(no_key=True).get(pk=by.pk)
    if Application.objects.filter(created_by=by, status__in=UNDECIDED).count() >= OPEN_MAX:
        raise TooManyOpen(f"You have {OPEN_MAX} applications under way. Finish or withdraw one of them first.")
    application = Application(reference=_next_reference(at), created_by=by, created_at=at, saved_at=at, status_since=at)
    _write_about(
        application,
        organisation_name=organisation_name,
        platform_name=platform_name,
        is_open_science=is_open_science,
        is_infrastructure=is_infrastructure,
        country=country,
        by=by,
    )
    application.save()
    _add_items(application, at=at)
    audit.record(ApplicationEvent.START, by=by, about=application, at=at, data={"title": application.title})
    return application


@transaction.atomic
def save_about(
    application: Application,
    *,
    organisation_name: str,
    platform_name: str,
    is_open_science: bool,
    is_infrastructure: bool,
    country: str = "",
    by: User,
    at: datetime,
) -> None:
    """Who applies for which platform of which kind. Another kind asks for other items; what was given is kept."""
    _lock_for_editing(application, by)
    _write_about(
        application,
        organisation_name=organisation_name,
        platform_name=platform_name,
        is_open_science=is_open_science,
        is_infrastructure=is_infrastructure,
        country=country,
        by=by,
    )
    application.saved_at = at
    application.save()
    _add_items(application, at=at)
    audit.record(ApplicationEvent.SAVE_ABOUT, by=by, about=application, at=at, data={"title": application.title})


@transaction.atomic
def give(
    application: Application, code: str, *, evidence: Mapping[str, str], by: User, at: datetime
) -> ApplicationItem:
    """The evidence for one item. What was accepted stays as it is until ESA returns it.

    Its addresses are looked at soon after. Giving the same again changes nothing.
    """
    lock(application)
    item = _item(application, code)
    cleaned = _cleaned(item.requirement, evidence)
    if item.status == ItemStatus.GIVEN and item.evidence == cleaned and application.may_be_edited_by(by):
        return item
    APPLICATION_ITEM.advance(
        item, "give", by=by, at=at, data={"evidence": cleaned}, evidence=cleaned, given_by=by, decided_by=None
    )
    application.saved_at = at
    application.save(update_fields=["saved_at"])
    _queue_checks(item, at=at)
    return item


@transaction.atomic
def check_again(application: Application, *, by: User, at: datetime) -> int:
    """Have every address of the evidence looked at once more; returns how many there are.

    For those who apply and those who decide, and not more often than ``CHECKS_PAUSE``.
    """
    lock(application)
    if not (application.is_applied_by(by) or by.may(Permission.APPLICATION_DECIDE)):
        raise NotPermitted("Only the applicants and ESA can have the addresses checked.")
    if CheckRun.objects.filter(item__application=application, asked_at__gt=at - CHECKS_PAUSE).exists():
        raise CheckedJustNow("The addresses were checked a moment ago. Wait a minute.")
    queued = sum(_queue_checks(item, at=at) for item in application.items_in_order())
    audit.record(ApplicationEvent.CHECK, by=by, about=application, at=at, data={"addresses": queued})
    return queued


@transaction.atomic
def submit(application: Application, *, by: User, at: datetime, answer: str = "") -> None:
    """Send it to ESA. ``answer`` is what the applicant says to what was returned."""
    lock(application)
    _add_items(application, at=at)
    answer = _text(answer, "answer", TEXT_MAX)
    if (refusal := APPLICATION.refusal(application, "submit", by=by)) is not None:
        raise refusal
    _refuse_somebody_elses(application)
    APPLICATION.advance(application, "submit", by=by, at=at, data={"answer": answer}, submitted_by=by, submitted_at=at)
    messages.sent(application, at=at)


@transaction.atomic
def withdraw(application: Application, *, by: User, at: datetime) -> None:
    """The applicant takes it back. It stays readable."""
    APPLICATION.advance(application, "withdraw", by=by, at=at)


# --- deciding on an item ---------------------------------------------------------------------------------------------


@transaction.atomic
def accept_item(application: Application, code: str, *, comment: str = "", by: User, at: datetime) -> None:
    """The evidence is good. Where a check of its addresses fails, the comment says why it is all the same."""
    lock(application)
    item = _item(application, code)
    comment = _text(comment, "comment", TEXT_MAX)
    if not comment and any(run.outcome == Outcome.FAIL for run in latest_runs([item]).get(item.pk, {}).values()):
        raise InvalidInput("A check of this item fails. Say why you accept it all the same.", field="comment")
    APPLICATION_ITEM.advance(item, "accept", by=by, at=at, data={"comment": comment}, comment=comment, decided_by=by)


@transaction.atomic
def return_item(application: Application, code: str, *, comment: str, by: User, at: datetime) -> None:
    """The evidence is not enough; the comment says what is missing. The applicant hears of it with the whole application."""
    lock(application)
    item = _item(application, code)
    comment = _text(comment, "comment", TEXT_MAX)
    if not comment:
        raise InvalidInput("Enter what is missing. The applicant will see it.", field="comment")
    APPLICATION_ITEM.advance(item, "return", by=by, at=at, data={"comment": comment}, comment=comment, decided_by=by)


# --- deciding on the whole -------------------------------------------------------------------------------------------


@transaction.atomic
def return_to_applicant(application: Application, *, reason: str, by: User, at: datetime) -> None:
    """Back to the applicant, who mends the items that were returned and sends it again."""
    lock(application)
    reason = _reason(reason)
    APPLICATION.advance(application, "return", by=by, at=at, data={"reason": reason})
    messages.returned(application, reason=reason, at=at)


@transaction.atomic
def accept(application: Application, *, reason: str, by: User, at: datetime) -> Organisation:
    """The organisation is a provider now: it and its platform are rows, and the applicant looks after it.

    Needs every item accepted. Nothing is offered by this; offerings are published one by one.
    """
    lock(application)
    reason = _reason(reason)
    if (refusal := APPLICATION.refusal(application, "accept", by=by)) is not None:
        raise refusal
    _refuse_somebody_elses(application)
    organisation = application.organisation or organisations.register(
        name=application.organisation_name, country=application.organisation_country, by=by, at=at
    )
    platform = platforms.register(
        provider=organisation,
        name=application.platform_name,
        is_open_science=application.is_open_science,
        is_infrastructure=application.is_infrastructure,
        access_url=_access_url(application),
        by=by,
        at=at,
    )
    APPLICATION.advance(
        application,
        "accept",
        by=by,
        at=at,
        data={"reason": reason, "provider": organisation.slug, "platform": platform.slug},
        organisation=organisation,
        platform=platform,
        decided_by=by,
    )
    administrators.add(organisation, user=application.created_by, by=by, at=at)
    messages.accepted(application, reason=reason, at=at)
    return organisation


@transaction.atomic
def reject(application: Application, *, reason: str, by: User, at: datetime) -> None:
    """Turn it down. The reason stays readable."""
    lock(application)
    reason = _reason(reason)
    APPLICATION.advance(application, "reject", by=by, at=at, data={"reason": reason}, decided_by=by)
    messages.rejected(application, reason=reason, at=at)


# --- inside ----------------------------------------------------------------------------------------------------------


def _write_about(
    application: Application,
    *,
    organisation_name: str,
    platform_name: str,
    is_open_science: bool,
    is_infrastructure: bool,
    country: str,
    by: User,
) -> None:
    application.organisation_name = _name(organisation_name, "organisation_name", "Name the organisation.")
    application.platform_name = _name(platform_name, "platform_name", "Name the platform.")
    if not (is_open_science or is_infrastructure):
        raise InvalidInput("Choose at least one kind of platform.", field="kinds")
    if country and country not in COUNTRIES:
        raise InvalidInput("This is not a country that we know.", field="country")
    application.is_open_science, application.is_infrastructure = is_open_science, is_infrastructure
    known = organisations.named(application.organisation_name)
    application.organisation = known
    application.organisation_country = known.country if known and known.country else country
    application.platform = platforms.named(application.platform_name, provider=known) if known else None
    _refuse_somebody_elses(application, by=by)


def _refuse_somebody_elses(application: Application, by: User | None = None) -> None:
    """An organisation that has administrators is applied for by them only: whoever applies becomes one of them."""
    applicant = by if by is not None and not application.pk else application.created_by
    known = application.organisation or organisations.named(application.organisation_name)
    if known is None:
        return
    grants = administrators.of(known)
    if grants.exists() and not grants.filter(user=applicant).exists():
        raise HasAdministrators(
            f"{known} has administrators here already. They apply for further platforms, and can name you as one of them.",
            field="organisation_name",
        )
    if application.organisation is None:
        # It has come about since this was written: the applicant saves it once more, and it is found.
        raise organisations.OrganisationExists(
            f"{known} is known here by now. Save “About the application” once more.", field="organisation_name"
        )


def _add_items(application: Application, *, at: datetime) -> None:
    """One row for each item that applies and has none, also for those that came into the table later."""
    ApplicationItem.objects.bulk_create(
        [
            ApplicationItem(application=application, code=each.code, status_since=at)
            for each in application.requirements
        ],
        ignore_conflicts=True,
    )


def _item(application: Application, code: str) -> ApplicationItem:
    item = next((each for each in application.items_in_order() if each.code == code), None)
    if item is None:
        raise InvalidInput("There is no such item in this application.")
    return item


def _cleaned(requirement: Requirement, evidence: Mapping[str, str]) -> dict[str, str]:
    """The answers to the requirement's questions, checked; what was left empty is left out."""
    given = {field.name: _answer(field, evidence.get(field.name, "")) for field in requirement.fields}
    for field in requirement.fields:
        if field.required and not given[field.name]:
            raise InvalidInput("Fill this in.", field=field.name)
    if requirement.one_of and not any(given[name] for name in requirement.one_of):
        labels = ", ".join(f"“{requirement.field(name).label}”" for name in requirement.one_of)
        raise InvalidInput(f"Fill in at least one of {labels}.", field=requirement.one_of[0])
    return {name: answer for name, answer in given.items() if answer}


def _answer(field: Field, given: str) -> str:
    match field.form:
        case Form.TEXT:
            return _text(given, field.name, TEXT_MAX)
        case Form.LINE:
            return _text(" ".join(given.split()), field.name, LINE_MAX)
        case Form.ADDRESS:
            address = _text(given, field.name, ADDRESS_MAX)
            if address and (problem := address_problem(address)):
                raise InvalidInput(problem, field=field.name)
            return address
        case Form.CHOICE:
            if given and given not in dict(field.choices):
                raise InvalidInput("Choose one of these.", field=field.name)
            return given


def _queue_checks(item: ApplicationItem, *, at: datetime) -> int:
    """Work for a worker: one look at each address that a check knows. What still waits to look at another one is dropped."""
    wanted = {
        field.name: item.evidence[field.name]
        for field in item.requirement.fields
        if field.check and item.evidence.get(field.name)
    }
    # A run that is being carried out loses its row and records nothing: it looked at what was there before.
    CheckRun.objects.filter(item=item, done_at=None).delete()
    CheckRun.objects.bulk_create(
        CheckRun(item=item, field=name, address=address, asked_at=at, due_at=at) for name, address in wanted.items()
    )
    if wanted:
        wake_after_commit(RUN_CHECKS)
    return len(wanted)


def _access_url(application: Application) -> str:
    """The platform's address as the applicant gave it; none where it is longer than the catalogue keeps."""
    given = application.items.get(code="standing").evidence.get("platform_url", "")
    return given if len(given) <= ACCESS_URL_MAX else ""


def _reason(reason: str) -> str:
    reason = _text(reason, "reason", TEXT_MAX)
    if not reason:
        raise InvalidInput("Enter a reason. The applicant will see it.", field="reason")
    return reason


def _name(name: str, field: str, empty: str) -> str:
    name = " ".join(name.split())
    if not name:
        raise InvalidInput(empty, field=field)
    return _text(name, field, 200)


def _text(given: str, field: str, most: int) -> str:
    given = given.replace("\r\n", "\n").strip()
    if len(given) > most:
        raise InvalidInput(f"Use at most {most} characters.", field=field)
    if "\x00" in given:
        raise InvalidInput("Remove characters that cannot be stored.", field=field)
    return given


def _lock_for_editing(application: Application, by: User) -> None:
    lock(application)
    if (refusal := by_an_applicant(application, by)) is not None:
        raise refusal
    if application.status not in OPEN_TO_THE_APPLICANT:
        raise NotEditable(f"This application is “{application.get_status_display()}” and cannot be changed now.")


def _next_reference(at: datetime) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('onboarding_reference')")
        (number,) = cursor.fetchone()
    return f"APP-{at.year}-{number:04d}"
