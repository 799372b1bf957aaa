"""Every write of this app: filling in a request, sending it, deciding on it.

Each action is one transaction, checks who asks, and does everything or raises a ``Refused`` and changes nothing.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta

from django.db import transaction

from earthcode.audit import actions as audit
from earthcode.audit.actors import CLOCK, Actor, System
from earthcode.catalogue import queries as catalogue
from earthcode.catalogue.models import Plan
from earthcode.catalogue.pricing import MARGIN_PERCENT_MAX, CannotPrice, Quote, Workload, margin_on
from earthcode.catalogue.retirement import OfferingRetired, refuse_if_retired
from earthcode.catalogue.versions import publish_version
from earthcode.identity.models import Project, User
from earthcode.identity.roles import Permission
from earthcode.ledger import actions as ledger
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused
from earthcode.lib.lock import lock
from earthcode.lib.money import as_text
from earthcode.lifecycle import WrongState
from earthcode.sponsorship import checks, messages, quotations
from earthcode.sponsorship.editing import NotEditable as NotEditable
from earthcode.sponsorship.editing import lock_for_editing, next_reference, saved, titled
from earthcode.sponsorship.events import AwardEvent, RequestEvent
from earthcode.sponsorship.lifecycle import RESOURCE_REQUEST, CheckFailed, SecondManagerNeeded, needs_two
from earthcode.sponsorship.models import (
    Award,
    Call,
    Check,
    Decision,
    DecisionKind,
    Endorsement,
    Outcome,
    RequestLine,
    RequestStatus,
    ResourceRequest,
)
from earthcode.sponsorship.periods import end_of as end_of
from earthcode.sponsorship.periods import months_after as months_after
from earthcode.sponsorship.queries import holidays_from
from earthcode.sponsorship.workdays import working_days_after

#: Names our own idempotency keys: the same decision always has the same key.
_KEYS = uuid.UUID("5a1d0f4e-8f0e-4f53-9a5b-6f5d0c6b2b11")


class PriceUnknown(Refused):
    """A plan whose price for this workload is not known cannot be asked for: there is no amount to decide on."""

    code = "price_unknown"


class Incomplete(Refused):
    """Tasks of the hub are open; ``missing`` names them."""

    code = "incomplete_request"

    def __init__(self, missing: list[checks.Missing]) -> None:
        super().__init__(" ".join(each.sentence for each in missing), field=missing[0].task)
        self.missing = missing


class CaseTooLong(Refused):
    """The science case has more words than the call reads."""

    code = "case_too_long"


class OfferOver(Refused):
    """The days in which the offer could be accepted have passed."""

    code = "offer_over"


class NoOpenCall(Refused):
    """No call takes requests on this day."""

    code = "no_open_call"


# --- filling in ------------------------------------------------------------------------------------------------------


@transaction.atomic
def start(*, title: str, project: Project | None = None, by: User, at: datetime) -> ResourceRequest:
    """A new draft. It has its reference from the start, so that people can talk about it."""
    if project is not None and not by.may(Permission.REQUEST_EDIT, project):
        raise NotPermitted("You are not in this project.", field="project")
    resource_request = ResourceRequest.objects.create(
        reference=next_reference(at.date()),
        title=titled(title),
        project=project,
        created_by=by,
        created_at=at,
        saved_at=at,
        status_since=at,
    )
    audit.record(RequestEvent.START, by=by, about=resource_request, at=at)
    return resource_request


@transaction.atomic
def save_project(resource_request: ResourceRequest, *, title: str, project: Project, by: User, at: datetime) -> None:
    """Task "Project and team"."""
    lock_for_editing(resource_request, by)
    if not by.may(Permission.REQUEST_EDIT, project):
        raise NotPermitted("You are not in this project.", field="project")
    resource_request.title, resource_request.project = titled(title), project
    saved(resource_request, RequestEvent.SAVE_PROJECT, by=by, at=at, fields=["title", "project"])


@transaction.atomic
def save_line(
    resource_request: ResourceRequest,
    *,
    plan: Plan,
    workload: Workload,
    margin_percent: int = 0,
    by: User,
    at: datetime,
) -> RequestLine:
    """Task "Platforms and cost": ask for this plan, priced for this workload at today's rates, and a margin on top.

    An earlier line of the same plan is replaced.
    """
    lock_for_editing(resource_request, by)
    refuse_if_retired(plan.offering, on=at.date(), field="plan")
    if not (plan.is_listed and plan.offering.is_listed):
        raise InvalidInput(f"{plan} is no longer offered.", field="plan")
    if not 0 <= margin_percent <= MARGIN_PERCENT_MAX:
        raise InvalidInput(f"Enter a margin from 0 to {MARGIN_PERCENT_MAX} percent.", field="margin")
    quote = priced(plan, workload, at=at)
    amount = quote.total + margin_on(quote.total, margin_percent)
    quotations.take_back(resource_request, plan=plan, by=by, at=at)
    line, _ = RequestLine.objects.update_or_create(
        resource_request=resource_request,
        plan=plan,
        defaults={
            # Usually the last one; a new one where somebody changed the offering without saying so.
            "version": publish_version(plan.offering, by=System("catalogue"), at=at),
            "months": workload.months,
            "workload": workload.as_json(),
            "quote": quote.as_json(),
            "margin_percent": margin_percent,
            "amount": amount,
            "quoted_at": at,
            "terms": [],
            "valid_until": None,
        },
    )
    saved(resource_request, RequestEvent.SAVE_LINE, by=by, at=at, data={"plan": str(plan), "amount": amount})
    return line


def priced(plan: Plan, workload: Workload, *, at: datetime) -> Quote:
    """The quote that credits can be asked for or set aside by. Raises :class:`PriceUnknown` where there is none."""
    quote = catalogue.quote_plan(plan, workload, on=at.date())
    if isinstance(quote, CannotPrice):
        raise PriceUnknown(f"{plan} cannot be priced for this workload: {' '.join(quote.reasons)}", field="plan")
    if quote.total <= 0:
        raise PriceUnknown(f"{plan} costs nothing for this workload, so there is nothing to pay for.", field="plan")
    return quote


@transaction.atomic
def remove_line(resource_request: ResourceRequest, *, line: RequestLine, by: User, at: datetime) -> None:
    """Take a plan out of the request; taking it out twice changes nothing."""
    lock_for_editing(resource_request, by)
    quotations.take_back(resource_request, plan=line.plan, by=by, at=at)
    removed, _ = RequestLine.objects.filter(pk=line.pk, resource_request=resource_request).delete()
    if removed:
        saved(resource_request, RequestEvent.SAVE_LINE_REMOVED, by=by, at=at, data={"plan": str(line.plan)})


@transaction.atomic
def save_period(resource_request: ResourceRequest, *, starts_on: date, by: User, at: datetime) -> None:
    """When the work starts; each line says for how many months."""
    lock_for_editing(resource_request, by)
    if starts_on < at.date():
        raise InvalidInput("The work cannot start in the past.", field="starts_on")
    if starts_on > at.date() + timedelta(days=366):
        raise InvalidInput("The work has to start within a year.", field="starts_on")
    resource_request.starts_on = starts_on
    saved(resource_request, RequestEvent.SAVE_PERIOD, by=by, at=at, fields=["starts_on"])


@transaction.atomic
def save_case(resource_request: ResourceRequest, *, science_case: str, by: User, at: datetime) -> None:
    """Task "Science case", in Markdown."""
    lock_for_editing(resource_request, by)
    resource_request.science_case = science_case.strip()
    saved(resource_request, RequestEvent.SAVE_CASE, by=by, at=at, fields=["science_case"])


@transaction.atomic
def save_call(resource_request: ResourceRequest, *, call: Call | None, by: User, at: datetime) -> None:
    """Which call the request goes to; None: the one that fits best on the day it is sent."""
    lock_for_editing(resource_request, by)
    if resource_request.frozen_rules:
        raise InvalidInput(f"The request was sent to {resource_request.call}.", field="call")
    if call is not None and not call.takes_requests_on(at.date()):
        raise InvalidInput(f"{call} takes no requests at the moment.", field="call")
    resource_request.call = call
    saved(
        resource_request,
        RequestEvent.SAVE_CALL,
        by=by,
        at=at,
        fields=["call"],
        data={"call": call.slug if call else None},
    )


@transaction.atomic
def save_declarations(
    resource_request: ResourceRequest,
    *,
    non_commercial: bool,
    no_provider_tie: bool,
    will_publish: bool,
    by: User,
    at: datetime,
) -> None:
    """Task "Check and submit": what the applicant declares."""
    lock_for_editing(resource_request, by)
    resource_request.non_commercial = non_commercial
    resource_request.no_provider_tie = no_provider_tie
    resource_request.will_publish = will_publish
    fields = ["non_commercial", "no_provider_tie", "will_publish"]
    saved(resource_request, RequestEvent.SAVE_DECLARATIONS, by=by, at=at, fields=fields)


@transaction.atomic
def copy(resource_request: ResourceRequest, *, by: User, at: datetime) -> ResourceRequest:
    """A new draft that asks the same at today's prices. Plans without a price today, or no longer offered, are left out."""
    draft = start(title=resource_request.title, project=resource_request.project, by=by, at=at)
    if resource_request.project is None and resource_request.created_by_id != by.pk:
        raise NotPermitted("Only the request's author can use it as a new draft.")
    for line in resource_request.lines.select_related("plan__offering"):
        try:
            save_line(
                draft,
                plan=line.plan,
                workload=Workload.from_json(line.workload),
                margin_percent=line.margin_percent,
                by=by,
                at=at,
            )
        except (InvalidInput, OfferingRetired, PriceUnknown):
            continue
    if resource_request.starts_on is not None and resource_request.starts_on >= at.date():
        save_period(draft, starts_on=resource_request.starts_on, by=by, at=at)
    save_case(draft, science_case=resource_request.science_case, by=by, at=at)
    return draft


# --- sending ---------------------------------------------------------------------------------------------------------


@transaction.atomic
def submit(resource_request: ResourceRequest, *, by: User, at: datetime, answer: str = "") -> None:
    """Send the request to the call that fits, with the checks' findings and the credits computed from the frozen quotes.

    ``answer`` is the applicant's reply where the manager asked a question.
    """
    lock(resource_request)
    if missing := checks.missing_from(resource_request):
        raise Incomplete(missing)
    call = checks.call_for(resource_request, on=at.date())
    if call is None:
        raise NoOpenCall("No call takes requests at the moment.")
    # A request that answers a question stays with the call that asked it, and with the rules it was sent under.
    if not resource_request.frozen_rules and not call.takes_requests_on(at.date()):
        raise NoOpenCall(f"{call} takes no requests at the moment; choose another call.", field="call")
    rules = checks.rules_for(resource_request, call)
    if not rules.sent_with_open_quotations and (unpriced := checks.unpriced_in(resource_request)):
        raise Incomplete(
            [checks.Missing("platforms", f"{call} takes requests with all prices: accept that of {unpriced[0]}.")]
        )
    if too_long := checks.too_long_for(resource_request, call):
        raise CaseTooLong(too_long.sentence, field=too_long.task)
    if resource_request.starts_on is not None and resource_request.starts_on < at.date():
        raise InvalidInput("The start has passed since you filled it in; choose a new one.", field="period")
    for line in resource_request.lines.select_related("plan__offering__replaced_by"):
        refuse_if_retired(line.plan.offering, on=at.date(), field="platforms")
    amount = sum(line.amount for line in resource_request.lines.all())
    RESOURCE_REQUEST.advance(
        resource_request,
        "submit",
        by=by,
        at=at,
        data={"call": call.slug, "amount": amount, "answer": answer},
        call=call,
        amount=amount,
        submitted_by=by,
        submitted_at=at,
        decide_by=working_days_after(at.date(), rules.decision_working_days, holidays_from(at.date())),
        frozen_rules=rules.as_json(),
    )
    # An endorsement is of what was read: what was changed since has to be endorsed again.
    Endorsement.objects.filter(resource_request=resource_request, at__lt=resource_request.saved_at).delete()
    resource_request.checks.all().delete()
    Check.objects.bulk_create(
        Check(
            resource_request=resource_request,
            code=finding.code,
            outcome=finding.outcome,
            sentence=finding.sentence,
            at=at,
        )
        for finding in checks.findings_for(resource_request, call, on=at.date())
    )
    messages.sent(resource_request, at=at)


@transaction.atomic
def withdraw(resource_request: ResourceRequest, *, by: User, at: datetime) -> None:
    """The applicant takes the request back. It stays readable."""
    RESOURCE_REQUEST.advance(resource_request, "withdraw", by=by, at=at)
    quotations.take_back(resource_request, by=by, at=at)


# --- deciding --------------------------------------------------------------------------------------------------------


@transaction.atomic
def endorse(resource_request: ResourceRequest, *, note: str = "", by: User, at: datetime) -> Endorsement:
    """The Technical Officer's word that the request has their support."""
    RESOURCE_REQUEST.advance(resource_request, "endorse", by=by, at=at, data={"note": note})
    return Endorsement.objects.create(resource_request=resource_request, by=by, note=note.strip(), at=at)


@transaction.atomic
def approve(resource_request: ResourceRequest, *, reason: str, by: User, at: datetime) -> Award:
    """Grant the request in full: its credits move from the call to a new award.

    The checks are made again by today's facts, under the lock, and kept with the decision. The pages call
    ``provisioning.actions.grant``, which approves and places an allocation for each line in one transaction.
    """
    RESOURCE_REQUEST.advance(resource_request, "approve", by=by, at=at, data={"reason": reason})
    findings = _check_again(resource_request, at=at)
    amount = resource_request.amount
    decision = _decide(resource_request, DecisionKind.APPROVE, reason, amount=amount, findings=findings, by=by, at=at)
    award = _award(resource_request, amount, {line.months for line in resource_request.lines.all()}, at=at)
    # The credits can be placed at once: the start only says from when the period counts. What is left at the end goes back.
    ledger.award(
        award.call.slug,
        award.reference,
        award.amount,
        closes_at=end_of(award.ends_on),
        key=_award_key(resource_request),
        by=by,
        at=at,
    )
    messages.decided(decision, subject=f"{as_text(award.amount)} credits granted")
    return award


@transaction.atomic
def approve_first(resource_request: ResourceRequest, *, reason: str, by: User, at: datetime) -> Decision:
    """The first of two managers approves; nothing is granted until a second one does."""
    RESOURCE_REQUEST.advance(resource_request, "approve_first", by=by, at=at, data={"reason": reason})
    findings = _check_again(resource_request, at=at)
    amount = resource_request.amount
    decision = _decide(resource_request, DecisionKind.FIRST, reason, amount=amount, findings=findings, by=by, at=at)
    messages.second_wanted(decision)
    return decision


@transaction.atomic
def offer(
    resource_request: ResourceRequest, *, amounts: Mapping[int, int], reason: str, by: User, at: datetime
) -> Decision:
    """Offer a part: line (primary key) → micro-credits, for each line, none of them more than was asked.

    The credits leave the call at once, so that the offer can be kept, and come back when it is declined or lapses. Raises
    ``InvalidInput`` that names the line (``line-<pk>``), and ``SecondManagerNeeded`` for a sum that two have to agree to.
    """
    RESOURCE_REQUEST.advance(resource_request, "offer", by=by, at=at, data={"reason": reason})
    lines = list(resource_request.lines.all())
    total = _offered(lines, amounts)
    if total >= resource_request.amount:
        raise InvalidInput("This is all that was asked: approve it in full.", field="amounts")
    if needs_two(resource_request, total):
        raise SecondManagerNeeded("Two officers decide on an amount like this: it can be granted in full, or rejected.")
    findings = _check_again(resource_request, but_for=("ceiling", "project_ceiling", "period"), at=at)
    rules, call = resource_request.rules, resource_request.call
    assert rules is not None and call is not None  # noqa: PT018  # a sent request is complete
    if total > rules.ceiling:
        raise InvalidInput(f"{call} allows {as_text(rules.ceiling)} credits for one request.", field="amounts")
    until = at.date() + timedelta(days=rules.offer_days)
    until = min([until, *(line.valid_until for line in lines if line.valid_until is not None)])
    resource_request.offer_until = until
    resource_request.save(update_fields=["offer_until"])
    for line in lines:
        line.offered = amounts[line.pk]
    RequestLine.objects.bulk_update(lines, ["offered"])
    decision = _decide(resource_request, DecisionKind.OFFER, reason, amount=total, findings=findings, by=by, at=at)
    ledger.award(call.slug, resource_request.reference, total, key=_award_key(resource_request), by=by, at=at)
    messages.decided(decision, subject=f"{as_text(total)} credits offered: accept by {until:%-d %B %Y}")
    return decision


@transaction.atomic
def accept(resource_request: ResourceRequest, *, by: User, at: datetime) -> Award:
    """Take the offer: an award of what was offered, judged once more by today's facts.

    The pages call ``provisioning.actions.accept_offer``, which places an allocation for each line as well.
    """
    RESOURCE_REQUEST.advance(resource_request, "accept", by=by, at=at)
    until = resource_request.offer_until
    if until is None or until < at.date():
        raise OfferOver(f"The offer was open until {until:%-d %B %Y}.")
    _check_again(resource_request, but_for=("ceiling", "project_ceiling", "period"), at=at)
    lines = [line for line in resource_request.lines.all() if line.offered]
    award = _award(resource_request, sum(line.offered or 0 for line in lines), {line.months for line in lines}, at=at)
    ledger.set_window(
        award.reference,
        opens_at=None,
        closes_at=end_of(award.ends_on),
        key=uuid.uuid5(_KEYS, f"window:{award.reference}"),
        by=by,
        at=at,
        reason="The offer was accepted.",
    )
    messages.offer_answered(resource_request, subject="offer accepted", at=at)
    return award


@transaction.atomic
def decline(resource_request: ResourceRequest, *, reason: str = "", by: User, at: datetime) -> None:
    """Turn the offer down; its credits go back to the call."""
    RESOURCE_REQUEST.advance(resource_request, "decline", by=by, at=at, data={"reason": reason.strip()})
    _give_back(resource_request, by=by, at=at)
    messages.offer_answered(resource_request, subject="offer declined", at=at)


def lapse_offers(*, at: datetime) -> int:
    """End the offers that nobody took in time, each in a transaction of its own; returns how many."""
    lapsed = 0
    for resource_request in ResourceRequest.objects.filter(status=RequestStatus.OFFERED, offer_until__lt=at.date()):
        try:
            with transaction.atomic():
                RESOURCE_REQUEST.advance(resource_request, "lapse", by=CLOCK, at=at)
                _give_back(resource_request, by=CLOCK, at=at)
                messages.offer_answered(resource_request, subject="offer lapsed", at=at)
        except WrongState:
            continue
        lapsed += 1
    return lapsed


def remind_of_offers(*, at: datetime) -> None:
    """Remind the project of an offer that ends within three days, once."""
    soon = at.date() + timedelta(days=3)
    for resource_request in ResourceRequest.objects.filter(status=RequestStatus.OFFERED, offer_until__lte=soon):
        messages.offer_ends(resource_request, at=at)


def _offered(lines: Sequence[RequestLine], amounts: Mapping[int, int]) -> int:
    if set(amounts) != {line.pk for line in lines}:
        raise InvalidInput("Say for each line how much is offered; the request has changed since.", field="amounts")
    for line in lines:
        if not 0 <= amounts[line.pk] <= line.amount:
            words = f"Enter credits from 0 to {as_text(line.amount)}, which is what was asked."
            raise InvalidInput(words, field=f"line-{line.pk}")
    total = sum(amounts.values())
    if total <= 0:
        raise InvalidInput("Offer something, or reject the request.", field="amounts")
    return total


def _award(resource_request: ResourceRequest, amount: int, months: set[int], *, at: datetime) -> Award:
    call, project, starts_on = resource_request.call, resource_request.project, resource_request.starts_on
    assert call is not None and project is not None and starts_on is not None  # noqa: PT018  # a sent request is complete
    starts_on = max(starts_on, at.date())
    return Award.objects.create(
        reference=resource_request.reference,
        resource_request=resource_request,
        project=project,
        call=call,
        amount=amount,
        starts_on=starts_on,
        ends_on=months_after(starts_on, max(months)),
        created_at=at,
    )


def _award_key(resource_request: ResourceRequest) -> uuid.UUID:
    """The same request never takes credits from its call twice."""
    return uuid.uuid5(_KEYS, f"award:{resource_request.reference}")


def _give_back(resource_request: ResourceRequest, *, by: Actor, at: datetime) -> None:
    """The credits of an offer that was not taken."""
    assert resource_request.call is not None
    ledger.return_to_call(
        resource_request.call.slug,
        resource_request.reference,
        sum(line.offered or 0 for line in resource_request.lines.all()),
        key=uuid.uuid5(_KEYS, f"offer returned:{resource_request.reference}"),
        by=by,
        at=at,
    )


def _check_again(
    resource_request: ResourceRequest, *, but_for: Collection[str] = (), at: datetime
) -> list[checks.Finding]:
    """The checks by today's facts, under the lock; raises ``CheckFailed`` for what does not hold now."""
    # What the page had in memory is not today's.
    current = ResourceRequest.objects.select_related("project__organisation", "call").get(pk=resource_request.pk)
    assert current.call is not None
    findings = checks.findings_for(current, current.call, on=at.date())
    for finding in findings:
        if finding.outcome == Outcome.FAIL and finding.code not in but_for:
            raise CheckFailed(
                f"{finding.sentence} This is so today. Ask the applicant to change it, or reject the request."
            )
    return findings


@transaction.atomic
def ask(resource_request: ResourceRequest, *, reason: str, by: User, at: datetime) -> Decision:
    """Ask the applicant a question; the clock of the decision starts anew when they answer by sending again."""
    RESOURCE_REQUEST.advance(resource_request, "ask", by=by, at=at, data={"reason": reason})
    decision = _decide(resource_request, DecisionKind.ASK, reason, by=by, at=at)
    messages.decided(decision, subject="a question for you")
    return decision


@transaction.atomic
def reject(resource_request: ResourceRequest, *, reason: str, by: User, at: datetime) -> Decision:
    """Turn the request down. The reason stays readable, and the applicant may use the request as a new draft."""
    RESOURCE_REQUEST.advance(resource_request, "reject", by=by, at=at, data={"reason": reason})
    decision = _decide(resource_request, DecisionKind.REJECT, reason, by=by, at=at)
    quotations.take_back(resource_request, by=System("sponsorship"), at=at)
    messages.decided(decision, subject="not granted")
    return decision


@transaction.atomic
def move_credits(source: Award, target: Award, amount: int, *, key: uuid.UUID, by: User, at: datetime) -> None:
    """Move free credits between two awards of one project, so that one plan can be paid from both.

    ``key`` is made by the caller for this one move; the same key again changes nothing. Raises ``NotPermitted``,
    ``InvalidInput`` for awards that do not belong together, ``AwardOwes``, and what the ledger's ``transfer`` raises: the
    credits must be of one call, and never last longer by being moved.
    """
    for award in (source, target):
        if not by.may(Permission.ALLOCATION_PLACE, award):
            raise NotPermitted("Only the principal investigator of the project can move its credits.")
    if source.pk == target.pk:
        raise InvalidInput("Choose another award.", field="target")
    if source.project_id != target.project_id:
        raise InvalidInput(f"{target} is not an award of {source.project}.", field="target")
    posted = ledger.transfer(source.reference, target.reference, amount, key=key, by=by, at=at)
    if not posted.replayed:
        checks.refuse_if_it_owes(source)
        data = {"to": target.reference, "amount": amount, "entry": posted.entry_id}
        audit.record(AwardEvent.MOVE_CREDITS, by=by, about=source, at=at, data=data)


def _decide(
    resource_request: ResourceRequest,
    kind: DecisionKind,
    reason: str,
    *,
    amount: int = 0,
    findings: Sequence[checks.Finding] = (),
    by: User,
    at: datetime,
) -> Decision:
    reason = reason.strip()
    if not reason and kind == DecisionKind.ASK:
        raise InvalidInput("Enter your question. The applicant will see it.", field="reason")
    if not reason:
        raise InvalidInput("Enter a reason. The applicant will see it.", field="reason")
    return Decision.objects.create(
        resource_request=resource_request,
        kind=kind,
        reason=reason,
        amount=amount,
        findings=[{"code": each.code, "outcome": str(each.outcome), "sentence": each.sentence} for each in findings],
        by=by,
        at=at,
    )
