"""Every write about quotations: asking a provider for a price, giving it, accepting it, and what the clock does.

The provider reads the workload, the period and the applicant's words; the science case only where the applicant agreed.
An accepted price is the line's, frozen with the terms that usage will be rated by. Locks are taken in one order: the
request, the quotation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db import connection, transaction

from earthcode.audit import actions as audit
from earthcode.audit.actors import CLOCK, Actor, System
from earthcode.catalogue.metrics import Evidence, Metric
from earthcode.catalogue.models import Plan
from earthcode.catalogue.pricing import Quote, QuoteLine, number_text
from earthcode.catalogue.retirement import refuse_if_retired
from earthcode.catalogue.terms import Term, terms_as_json
from earthcode.catalogue.versions import publish_version
from earthcode.catalogue.workload import Workload
from earthcode.identity.models import User
from earthcode.lib import text
from earthcode.lib.errors import InvalidInput, Refused
from earthcode.lib.lock import lock
from earthcode.lib.money import from_decimal
from earthcode.lifecycle import WrongState
from earthcode.sponsorship import attachments, messages
from earthcode.sponsorship.editing import lock_for_editing, saved
from earthcode.sponsorship.events import QuotationEvent, RequestEvent
from earthcode.sponsorship.lifecycle import QUOTATION
from earthcode.sponsorship.models import (
    Quotation,
    QuotationStatus,
    RequestLine,
    RequestStatus,
    ResourceRequest,
)
from earthcode.sponsorship.queries import holidays_from
from earthcode.sponsorship.workdays import working_days_after

#: What a provider promises: so many working days to an answer.
ANSWER_WITHIN: Final = 5
#: A price is good for at least so many days, so that ESA can decide.
VALID_AT_LEAST: Final = timedelta(days=14)
#: And for no longer than that: nobody knows the prices of later.
VALID_AT_MOST: Final = timedelta(days=366)
LINES_MAX: Final = 30
WORDS_MAX: Final = 2_000
CONDITIONS_MAX: Final = 5_000
WORK_DAYS_MAX: Final = 366
#: The most that one line of a price may come to, in micro-credits.
AMOUNT_MAX: Final = 10**15


class QuotationLapsed(Refused):
    """The price is no longer valid."""

    code = "quotation_lapsed"


@dataclass(frozen=True)
class PriceLine:
    """One line of a price: so many units of a metric at so many micro-credits each. ``label`` says what it is."""

    metric: str
    label: str
    quantity: Decimal
    micro_per_unit: Decimal


# --- asking ----------------------------------------------------------------------------------------------------------


@transaction.atomic
def ask(
    resource_request: ResourceRequest,
    *,
    plan: Plan,
    workload: Workload,
    words: str,
    work_days: int = 0,
    shares_case: bool = False,
    by: User,
    at: datetime,
) -> Quotation:
    """Put the plan into the request, without a price as yet, and ask the provider for one.

    ``work_days`` are days of somebody's work that the applicant wants with it (support, training). Asking the same again
    returns the question that is open; asking for another workload takes the earlier one back. Raises ``InvalidInput`` that
    names the field, ``OfferingRetired``, ``NotEditable``, ``NotPermitted``.
    """
    lock_for_editing(resource_request, by)
    if resource_request.project_id is None:
        raise InvalidInput("Choose the project that asks first: the provider reads who it is.", field="project")
    refuse_if_retired(plan.offering, on=at.date(), field="plan")
    if not (plan.is_listed and plan.offering.is_listed):
        raise InvalidInput(f"{plan} is no longer offered.", field="plan")
    words = text.lines(words)
    if not words or len(words) > WORDS_MAX:
        raise InvalidInput(f"Tell the provider what you need, in at most {WORDS_MAX} characters.", field="words")
    if not 0 <= work_days <= WORK_DAYS_MAX:
        raise InvalidInput(f"Enter a whole number of days of work, from 0 to {WORK_DAYS_MAX}.", field="work_days")
    asked = workload.as_json(), words, work_days, shares_case
    for earlier in Quotation.objects.filter(resource_request=resource_request, plan=plan).open_to_an_answer():
        if earlier.status == QuotationStatus.ASKED and asked == (
            earlier.workload,
            earlier.words,
            earlier.work_days,
            earlier.shares_case,
        ):
            return earlier
    take_back(resource_request, plan=plan, by=by, at=at)
    line, _ = RequestLine.objects.update_or_create(
        resource_request=resource_request,
        plan=plan,
        defaults={
            "version": publish_version(plan.offering, by=System("catalogue"), at=at),
            "months": workload.months,
            "workload": workload.as_json(),
            "quote": Quote((), 0, workload.months, Evidence.SOURCED).as_json(),
            "margin_percent": 0,
            "amount": 0,
            "quoted_at": at,
            "terms": [],
            "valid_until": None,
        },
    )
    quotation = Quotation.objects.create(
        reference=_next_reference(at.date()),
        resource_request=resource_request,
        line=line,
        plan=plan,
        workload=workload.as_json(),
        words=words,
        work_days=work_days,
        shares_case=shares_case,
        asked_by=by,
        asked_at=at,
        answer_by=working_days_after(at.date(), ANSWER_WITHIN, holidays_from(at.date())),
        status_since=at,
    )
    data = {"plan": str(plan), "request": resource_request.reference, "work_days": work_days, "case": shares_case}
    audit.record(QuotationEvent.ASK, by=by, about=quotation, at=at, data=data)
    saved(resource_request, RequestEvent.SAVE_LINE, by=by, at=at, data={"plan": str(plan), "amount": None})
    messages.price_asked_for(quotation, at=at)
    return quotation


@transaction.atomic
def ask_back(quotation: Quotation, *, note: str, by: User, at: datetime) -> None:
    """The applicant wants something else of the price that was given: the provider answers anew."""
    note = _note(note, "Enter what should change. The provider will see it.")
    lock(quotation.resource_request)
    answer_by = working_days_after(at.date(), ANSWER_WITHIN, holidays_from(at.date()))
    QUOTATION.advance(quotation, "ask_back", by=by, at=at, data={"note": note}, note=note, answer_by=answer_by)
    messages.price_asked_for(quotation, at=at)


@transaction.atomic
def take_back(resource_request: ResourceRequest, *, plan: Plan | None = None, by: Actor, at: datetime) -> None:
    """Nobody needs to answer any more: all that is open for the request, or for one plan of it."""
    quotations = Quotation.objects.filter(resource_request=resource_request).exclude(
        status__in=[QuotationStatus.WITHDRAWN, QuotationStatus.DECLINED, QuotationStatus.LAPSED]
    )
    for quotation in quotations if plan is None else quotations.filter(plan=plan):
        was_open = quotation.status in (QuotationStatus.ASKED, QuotationStatus.ANSWERED)
        QUOTATION.advance(quotation, "withdraw", by=by, at=at)
        if was_open:
            messages.price_no_longer_wanted(quotation, at=at)


# --- answering -------------------------------------------------------------------------------------------------------


@transaction.atomic
def answer(
    quotation: Quotation,
    *,
    lines: Sequence[PriceLine],
    valid_until: date,
    conditions: str = "",
    document: attachments.Upload | None = None,
    by: User,
    at: datetime,
) -> None:
    """The provider's price; given again it replaces the one before, until it is accepted.

    Where the provider has nobody here an ESA manager records what came by mail, with the document. Raises ``InvalidInput``
    that names the field (``lines.2.quantity``), ``NotPermitted``, ``WrongState``.
    """
    quote = _quote(lines, Workload.from_json(quotation.workload).months)
    today = at.date()
    if not today + VALID_AT_LEAST <= valid_until <= today + VALID_AT_MOST:
        earliest, latest = today + VALID_AT_LEAST, today + VALID_AT_MOST
        raise InvalidInput(
            f"Choose a day from {earliest:%-d %B %Y} to {latest:%-d %B %Y}: ESA needs the time to decide.",
            field="valid_until",
        )
    conditions = text.lines(conditions)
    if len(conditions) > CONDITIONS_MAX:
        raise InvalidInput(f"Use at most {CONDITIONS_MAX} characters.", field="conditions")
    lock(quotation.resource_request)
    is_recorded = not quotation.provider_scope & by.grants.provider_roles.keys()
    QUOTATION.advance(
        quotation,
        "answer",
        by=by,
        at=at,
        data={"total": quote.total, "valid_until": valid_until.isoformat(), "recorded": is_recorded},
        quote=quote.as_json(),
        total=quote.total,
        valid_until=valid_until,
        conditions=conditions,
        answered_by=by,
        answered_at=at,
        is_recorded=is_recorded,
    )
    if is_recorded and document is None and not quotation.attachments.exists():
        raise InvalidInput("Add the document that the provider sent.", field="document")
    if document is not None:
        attachments.attach(document, resource_request=quotation.resource_request, quotation=quotation, by=by, at=at)
    messages.price_given(quotation, at=at)


@transaction.atomic
def decline(quotation: Quotation, *, reason: str, by: User, at: datetime) -> None:
    """The provider gives no price. The applicant takes the plan out of the request, or asks for something else."""
    reason = _note(reason, "Enter a reason. The applicant will see it.")
    lock(quotation.resource_request)
    QUOTATION.advance(quotation, "decline", by=by, at=at, data={"reason": reason}, note=reason)
    messages.price_declined(quotation, at=at)


@transaction.atomic
def accept(quotation: Quotation, *, by: User, at: datetime) -> RequestLine:
    """The price is the line's, frozen, and usage will be rated by its terms. Possible until ESA has decided."""
    resource_request = quotation.resource_request
    lock(resource_request)
    if resource_request.status not in (RequestStatus.DRAFT, RequestStatus.INFO_NEEDED, RequestStatus.IN_REVIEW):
        raise WrongState(f"The request is “{resource_request.get_status_display()}”, so its price is settled.")
    QUOTATION.advance(quotation, "accept", by=by, at=at, data={"total": quotation.total})
    line, valid_until = quotation.line, quotation.valid_until
    if line is None or valid_until is None or valid_until < at.date():
        raise QuotationLapsed(f"This price was valid until {valid_until:%-d %B %Y}. Ask for it again.")
    quote = Quote.from_json(quotation.quote)
    line.quote, line.amount, line.quoted_at = quote.as_json(), quote.total, at
    line.workload, line.months, line.margin_percent = quotation.workload, quote.months, 0
    line.valid_until = valid_until
    line.terms = terms_as_json(Term(each.metric, each.label, each.micro_per_unit) for each in quote.lines)
    line.save()
    saved(resource_request, RequestEvent.SAVE_LINE, by=by, at=at, data={"plan": str(line.plan), "amount": line.amount})
    messages.price_accepted(quotation, at=at)
    return line


# --- the clock -------------------------------------------------------------------------------------------------------


def lapse_overdue(*, at: datetime) -> int:
    """End the prices whose validity is over without having been accepted; returns how many."""
    lapsed = 0
    for quotation in Quotation.objects.filter(status=QuotationStatus.ANSWERED, valid_until__lt=at.date()):
        try:
            with transaction.atomic():
                QUOTATION.advance(quotation, "lapse", by=CLOCK, at=at)
                messages.price_lapsed(quotation, at=at)
        except WrongState:
            continue
        lapsed += 1
    return lapsed


def remind_overdue(*, at: datetime) -> None:
    """Remind those who promised an answer by now and gave none, once, and tell the applicant that we did."""
    for quotation in Quotation.objects.filter(status=QuotationStatus.ASKED, answer_by__lt=at.date()):
        messages.price_overdue(quotation, at=at)


# --- parts -----------------------------------------------------------------------------------------------------------


def _quote(lines: Sequence[PriceLine], months: int) -> Quote:
    if not lines:
        raise InvalidInput("Give the price at least one line.", field="lines")
    if len(lines) > LINES_MAX:
        raise InvalidInput(f"A price has at most {LINES_MAX} lines.", field="lines")
    made = []
    for number, line in enumerate(lines):
        where = f"lines.{number}"
        if line.metric not in Metric.values:
            raise InvalidInput("Choose one of the units in the list.", field=f"{where}.metric")
        label = text.line(line.label) or str(Metric(line.metric).plural).capitalize()
        if len(label) > 120:
            raise InvalidInput("Use at most 120 characters.", field=f"{where}.label")
        _check_decimal(line.quantity, "quantity", f"{where}.quantity", most=Decimal(10**9))
        _check_decimal(line.micro_per_unit, "price", f"{where}.price", most=Decimal(AMOUNT_MAX), zero_is_fine=True)
        amount = from_decimal(line.quantity * line.micro_per_unit)
        if amount > AMOUNT_MAX:
            raise InvalidInput("This line comes to more than anybody can pay.", field=f"{where}.quantity")
        made.append(
            QuoteLine(
                rate_id=None,
                label=label,
                metric=line.metric,
                quantity=line.quantity,
                micro_per_unit=line.micro_per_unit,
                amount=amount,
                detail=f"{number_text(line.quantity)} {Metric(line.metric).plural}",
            )
        )
    total = sum(line.amount for line in made)
    if total <= 0:
        raise InvalidInput("The price comes to nothing.", field="lines")
    return Quote(tuple(made), total, months, Evidence.SOURCED)


def _check_decimal(value: Decimal, words: str, field: str, *, most: Decimal, zero_is_fine: bool = False) -> None:
    exponent = value.as_tuple().exponent
    if not value.is_finite() or value < 0 or (value == 0 and not zero_is_fine) or value > most:
        raise InvalidInput(f"Enter a {words} above zero.", field=field)
    if isinstance(exponent, int) and exponent < -6:
        raise InvalidInput(f"Enter a {words} with at most six decimals.", field=field)


def _note(note: str, words: str) -> str:
    note = text.lines(note)
    if not note or len(note) > WORDS_MAX:
        raise InvalidInput(words, field="reason")
    return note


def _next_reference(day: date) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('sponsorship_quotation_reference')")
        (number,) = cursor.fetchone()
    return f"Q-{day.year}-{number:04d}"
