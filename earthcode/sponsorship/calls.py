"""Every write about calls: planning, opening, changing, pausing, closing them, and the credits they are given.

A call's rules may change while requests are under way: each request keeps those it was sent under. Credits reach a call by
two managers, one who proposes and one who agrees; the operator of the site may propose, and only a person agrees.
"""

from __future__ import annotations

import uuid
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from django.core.validators import validate_slug
from django.db import IntegrityError, transaction

from earthcode.audit import actions as audit
from earthcode.audit.actors import Actor
from earthcode.catalogue.countries import COUNTRIES
from earthcode.catalogue.models import Tier
from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.ledger import actions as ledger
from earthcode.lib import text
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused
from earthcode.lib.lock import lock
from earthcode.lib.money import as_text
from earthcode.sponsorship import messages
from earthcode.sponsorship.events import CallEvent, FundingEvent, HolidayEvent
from earthcode.sponsorship.lifecycle import CALL, CALL_FUNDING
from earthcode.sponsorship.models import Call, CallFunding, CallStatus, FundingStatus, Holiday
from earthcode.sponsorship.rules import FIELDS as RULES
from earthcode.sponsorship.rules import ProjectType

#: The most credits that a rule or a funding may name: far below what the books can count.
AMOUNT_MAX: Final = 10**15
#: What of a call may be changed: texts, dates and rules.
TEXTS: Final = ("title", "summary", "audience", "conditions")
CHANGEABLE: Final = (*TEXTS, "opens_on", "closes_on", *RULES)


class CallExists(Refused):
    """There is a call of this name in addresses already."""

    code = "call_exists"


class CallClosed(Refused):
    """A call that was closed is changed, funded and opened no more."""

    code = "call_closed"


@dataclass(frozen=True)
class _Number:
    """A whole number that a rule is, its words and its bounds."""

    words: str
    minimum: int
    maximum: int


_NUMBERS: Final = {
    "ceiling": _Number("the most for one request", 1, AMOUNT_MAX),
    "project_ceiling": _Number("the most for one project", 1, AMOUNT_MAX),
    "two_managers_above": _Number("the amount that needs two managers", 0, AMOUNT_MAX),
    "months_max": _Number("the longest period in months", 1, 60),
    "case_words_max": _Number("the words of a science case", 1, 20_000),
    "decision_working_days": _Number("the working days to a decision", 1, 60),
    "offer_days": _Number("the days that an offer is open", 1, 90),
    "overdraft_percent": _Number("the overdraft in percent", 0, 100),
    "grace_days": _Number("the days of grace", 0, 365),
    "final_report_days": _Number("the days until the final report", 0, 730),
}
_OPTIONAL: Final = frozenset({"project_ceiling", "two_managers_above"})


# --- calls -----------------------------------------------------------------------------------------------------------


@transaction.atomic
def plan_call(*, slug: str, by: Actor, at: datetime, **terms: Any) -> Call:
    """A new call, planned: nobody but managers sees it until it is opened.

    ``slug`` names it in addresses and in the ledger, for good. ``terms`` are ``CHANGEABLE``, of which ``title``,
    ``opens_on`` and ``ceiling`` must be there. Raises ``NotPermitted``, ``CallExists``, and ``InvalidInput`` that names the
    term at fault.
    """
    _may_manage(by)
    try:
        validate_slug(slug)
    except Exception as error:
        raise InvalidInput("Use small letters, digits and hyphens for the address.", field="slug") from error
    if slug != slug.lower() or len(slug) > 60 or slug == "new":
        raise InvalidInput("Use small letters, digits and hyphens for the address, at most 60.", field="slug")
    for name, words in (("title", "a title"), ("opens_on", "its first day"), ("ceiling", "the most for one request")):
        if terms.get(name) in (None, ""):
            raise InvalidInput(f"Give the call {words}.", field=name)
    call = Call(slug=slug, status=CallStatus.PLANNED, status_since=at)
    for name, value in _cleaned(terms).items():
        setattr(call, name, value)
    _check_whole(call)
    try:
        with transaction.atomic():
            call.save(force_insert=True)
    except IntegrityError as error:
        raise CallExists(f"There is a call with the address {slug} already.", field="slug") from error
    ledger.call_accounts(call.slug)
    audit.record(CallEvent.PLAN, by=by, about=call, at=at, data={"slug": slug, "rules": call.rules.as_json()})
    return call


@transaction.atomic
def change_call(call: Call, *, by: Actor, at: datetime, **terms: Any) -> bool:
    """Change texts, dates and rules; what is left out stays. Returns whether anything was changed.

    Requests that were sent keep the rules they were sent under. The trail keeps what was there before.
    """
    _may_manage(by)
    lock(call)
    if call.status == CallStatus.CLOSED:
        raise CallClosed(f"{call} is closed.")
    changes: dict[str, dict[str, Any]] = {}
    for name, value in _cleaned(terms).items():
        before = getattr(call, name)
        if before != value:
            changes[name] = {"before": _json(before), "after": _json(value)}
            setattr(call, name, value)
    if not changes:
        return False
    _check_whole(call)
    call.version += 1
    call.save(update_fields=[*changes, "version"])
    audit.record(CallEvent.CHANGE, by=by, about=call, at=at, data={"version": call.version, "changes": changes})
    return True


@transaction.atomic
def open_call(call: Call, *, by: Actor, at: datetime) -> None:
    """From now on it is public, and takes requests from its first day to its last."""
    CALL.advance(call, "open", by=by, at=at)
    if call.closes_on is not None and call.closes_on < at.date():
        raise InvalidInput("Its last day has passed; choose a later one first.", field="closes_on")


@transaction.atomic
def pause_call(call: Call, *, reason: str, by: Actor, at: datetime) -> None:
    """It takes no requests until it is resumed; those that were sent are decided."""
    CALL.advance(call, "pause", by=by, at=at, data={"reason": _reason(reason)})


@transaction.atomic
def resume_call(call: Call, *, by: Actor, at: datetime) -> None:
    CALL.advance(call, "resume", by=by, at=at)


@transaction.atomic
def close_call(call: Call, *, reason: str, by: Actor, at: datetime) -> None:
    """It takes no more requests, ever. Those that were sent are decided, and awards run to their end."""
    CALL.advance(call, "close", by=by, at=at, data={"reason": _reason(reason)})
    for funding in CallFunding.objects.filter(call=call, status=FundingStatus.WAITING):
        CALL_FUNDING.advance(
            funding, "decline", by=by, at=at, data={"reason": "The call was closed."}, decided_by=_person(by)
        )


# --- credits ---------------------------------------------------------------------------------------------------------


@transaction.atomic
def propose_funding(
    call: Call, *, amount: int, reason: str, source: Call | None = None, key: uuid.UUID, by: Actor, at: datetime
) -> CallFunding:
    """Propose to put credits into the call, from a sponsor or from another call. Nothing moves until a second one agrees.

    ``amount`` is in micro-credits. ``key`` is made by the caller for this one proposal: the same key again returns it.
    """
    _may_manage(by)
    lock(call)
    if (found := CallFunding.objects.filter(key=key).first()) is not None:
        if (found.call_id, found.source_id, found.amount) != (call.pk, source.pk if source else None, amount):
            raise InvalidInput("This form was already submitted with different values. Reload the page.")
        return found
    if call.status == CallStatus.CLOSED:
        raise CallClosed(f"{call} is closed.")
    if source is not None and source.pk == call.pk:
        raise InvalidInput("Choose another call.", field="source")
    if not 0 < amount <= AMOUNT_MAX:
        raise InvalidInput("Enter an amount of credits above zero.", field="amount")
    funding = CallFunding.objects.create(
        call=call,
        source=source,
        amount=amount,
        reason=_reason(reason),
        key=key,
        proposed_by=_person(by),
        proposed_at=at,
        status_since=at,
    )
    data = {"amount": amount, "source": source.slug if source else None, "reason": funding.reason}
    audit.record(FundingEvent.PROPOSE, by=by, about=funding, at=at, data=data)
    messages.funding_proposed(funding, at=at)
    return funding


@transaction.atomic
def agree_funding(funding: CallFunding, *, by: User, at: datetime) -> None:
    """The second manager's word: the credits are in the call. Raises the ledger's ``InsufficientCredits`` for a move."""
    lock(funding.call)
    CALL_FUNDING.advance(funding, "agree", by=by, at=at, decided_by=by)
    if funding.call.status == CallStatus.CLOSED:
        raise CallClosed(f"{funding.call} is closed.")
    reason = funding.reason
    if funding.source is not None:
        ledger.withdraw_funds(
            funding.source.slug, funding.amount, key=uuid.uuid5(funding.key, "out"), by=by, at=at, reason=reason
        )
    ledger.fund(funding.call.slug, funding.amount, key=uuid.uuid5(funding.key, "in"), by=by, at=at, reason=reason)


@transaction.atomic
def decline_funding(funding: CallFunding, *, reason: str, by: User, at: datetime) -> None:
    """Nothing moves. Whoever proposed it may take it back like this, too."""
    CALL_FUNDING.advance(funding, "decline", by=by, at=at, data={"reason": _reason(reason)}, decided_by=by)


# --- holidays --------------------------------------------------------------------------------------------------------


@transaction.atomic
def add_holiday(*, day: date, name: str, by: Actor, at: datetime) -> Holiday:
    """A day on which the clock of decisions stands still. Deadlines that were promised already stay as promised."""
    _may_manage(by)
    name = text.line(name)
    if not name or len(name) > 100:
        raise InvalidInput("Give the holiday a name of at most 100 characters.", field="name")
    holiday, added = Holiday.objects.get_or_create(day=day, defaults={"name": name})
    if added:
        audit.record(HolidayEvent.ADD, by=by, about=holiday, at=at, data={"day": day.isoformat(), "name": name})
    return holiday


@transaction.atomic
def remove_holiday(holiday: Holiday, *, by: Actor, at: datetime) -> None:
    """Removing it twice changes nothing."""
    _may_manage(by)
    pk = holiday.pk
    removed, _ = Holiday.objects.filter(pk=pk).delete()
    if removed:
        audit.record(HolidayEvent.REMOVE, by=by, about=holiday, at=at, data={"day": holiday.day.isoformat()})


# --- parts -----------------------------------------------------------------------------------------------------------


def _may_manage(by: Actor) -> None:
    if isinstance(by, User) and not by.may(Permission.CALL_MANAGE):
        raise NotPermitted("Only ESA managers look after calls.")


def _person(by: Actor) -> User | None:
    return by if isinstance(by, User) else None


def _reason(reason: str) -> str:
    reason = text.lines(reason)
    if not reason:
        raise InvalidInput("Give a reason.", field="reason")
    return reason


def _cleaned(terms: Mapping[str, Any]) -> dict[str, Any]:
    """The terms as the columns have them, or ``InvalidInput`` that names the one at fault."""
    found: dict[str, Any] = {}
    for name, value in terms.items():
        if name not in CHANGEABLE:
            raise TypeError(f"a call has no {name}")
        if name in TEXTS:
            found[name] = _text(name, value)
        elif name in _NUMBERS:
            found[name] = _number(name, value)
        elif name in ("countries", "project_types", "endorsed_tiers"):
            found[name] = _choices(name, value)
        elif name == "sent_with_open_quotations":
            found[name] = bool(value)
        else:
            if value is None and name == "opens_on":
                raise InvalidInput("Give the call its first day.", field=name)
            if value is not None and not date(2020, 1, 1) <= value <= date(2100, 1, 1):
                raise InvalidInput("Enter a day between 2020 and 2100.", field=name)
            found[name] = value
    return found


def _text(name: str, value: str) -> str:
    value = text.line(value) if name == "title" else text.lines(value)
    if name == "title":
        if not value or len(value) > 200:
            raise InvalidInput("Give the call a title of at most 200 characters.", field=name)
    elif len(value) > 20_000:
        raise InvalidInput("Use at most 20 000 characters.", field=name)
    return value


def _number(name: str, value: int | None) -> int | None:
    allowed = _NUMBERS[name]
    if value is None and name in _OPTIONAL:
        return None
    if value is None or isinstance(value, bool) or not allowed.minimum <= value <= allowed.maximum:
        least, most = allowed.minimum, allowed.maximum
        if most == AMOUNT_MAX:
            words = f"Enter credits for {allowed.words}, at most {as_text(most)}."
        else:
            words = f"Enter a whole number for {allowed.words}, from {least} to {most}."
        raise InvalidInput(words, field=name)
    return value


def _choices(name: str, values: Any) -> list[str]:
    chosen = sorted({str(value) for value in values})
    known: Container[str] = {
        "countries": COUNTRIES,
        "project_types": ProjectType.values,
        "endorsed_tiers": Tier.values,
    }[name]
    for each in chosen:
        if each not in known:
            raise InvalidInput(f"“{each}” is not one of the choices.", field=name)
    return chosen


def _check_whole(call: Call) -> None:
    """What one term says about another."""
    if call.closes_on is not None and call.closes_on < call.opens_on:
        raise InvalidInput("The last day is before the first.", field="closes_on")
    if call.project_ceiling is not None and call.project_ceiling < call.ceiling:
        raise InvalidInput("One project may have at least as much as one request.", field="project_ceiling")


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
