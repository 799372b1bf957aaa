"""Statements: each month what a provider earned under a call, agreed line by line, approved, invoiced and paid.

Issued by the clock: every charge that no statement has yet, up to the month's end, in lines that never change. A line in dispute
is left out of what is agreed, and its charges come again with the next statement. Credits follow the state: they are invoiced in
the ledger when the provider gives the invoice's number, and retire when ESA has paid; each once, by its key.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Max, Sum

from earthcode.audit import actions as audit
from earthcode.audit.actors import Actor
from earthcode.identity.models import Organisation, User
from earthcode.identity.roles import Permission, Role
from earthcode.ledger import actions as ledger
from earthcode.ledger import queries as books
from earthcode.ledger.kinds import EntryKind
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused
from earthcode.lib.money import amount_text
from earthcode.lib.text import line as one_line
from earthcode.lib.text import lines as clean
from earthcode.lifecycle import Lifecycle, step
from earthcode.notifications import actions as notifications
from earthcode.notifications.actions import Recipient
from earthcode.settlement.events import StatementEvent
from earthcode.settlement.models import Charge, Statement, StatementLine, StatementStatus
from earthcode.sponsorship.models import Call

_KEYS = uuid.UUID("f2b7a6b8-0a4e-4f0b-8e58-0b8a2d4f4b9d")


class SameManager(Refused):
    """This amount needs two managers, and the same one agreed already."""

    code = "same_manager"


class ConflictOfInterest(Refused):
    """Nobody approves what their own organisation is paid."""

    code = "conflict_of_interest"


def _no_interest(statement: Statement, by: Actor) -> Refused | None:
    if isinstance(by, User) and by.organisation_id == statement.provider_id:
        return ConflictOfInterest("You work for this provider, so somebody else approves its statements.")
    return None


ISSUED, AGREED, APPROVED, INVOICED, PAID, CARRIED = (
    StatementStatus.ISSUED,
    StatementStatus.AGREED,
    StatementStatus.APPROVED,
    StatementStatus.INVOICED,
    StatementStatus.PAID,
    StatementStatus.CARRIED,
)

STATEMENT = Lifecycle[Statement](
    "statement",
    StatementEvent,
    step("agree", {ISSUED}, AGREED, needs=Permission.STATEMENT_ANSWER),
    step("carry", {ISSUED}, CARRIED, needs=Permission.STATEMENT_ANSWER, label="Carry over"),
    step("approve", {AGREED}, APPROVED, needs=Permission.STATEMENT_APPROVE, provided=_no_interest),
    step("invoice", {APPROVED}, INVOICED, needs=Permission.STATEMENT_ANSWER, label="Add invoice number"),
    step("pay", {INVOICED}, PAID, needs=Permission.STATEMENT_APPROVE, provided=_no_interest, label="Record payment"),
)


# --- issued by the clock ---------------------------------------------------------------------------------------------


def issue_due(*, by: Actor, at: datetime) -> list[Statement]:
    """Issue what is due for the month before this one, each in a transaction of its own. A second time issues nothing.

    A provider that has earned nothing, or owes because of refunds, gets none: what there is comes with the next one.
    """
    today = at.astimezone(UTC).date()
    this_month = today.replace(day=1)
    month = _month_before(this_month)
    until = datetime(this_month.year, this_month.month, 1, tzinfo=UTC)
    owed = (
        _open_charges(until)
        .order_by("allocation__platform__provider", "allocation__award__call")
        .values_list("allocation__platform__provider", "allocation__award__call")
        .annotate(total=Sum("amount"))
        .filter(total__gt=0)
    )
    issued = []
    for provider, call, _total in list(owed):
        statement = issue(
            Organisation.objects.get(pk=provider), Call.objects.get(pk=call), month=month, until=until, by=by, at=at
        )
        if statement is not None:
            issued.append(statement)
    return issued


def _open_charges(until: datetime) -> Any:
    return Charge.objects.filter(statement_line=None, at__lt=until)


def _month_before(day: date) -> date:
    return date(day.year - (day.month == 1), (day.month - 2) % 12 + 1, 1)


@transaction.atomic
def issue(
    provider: Organisation, call: Call, *, month: date, until: datetime, by: Actor, at: datetime
) -> Statement | None:
    """A statement over all charges before ``until`` that are on none yet; None where there is one, or nothing to pay."""
    with connection.cursor() as cursor:  # numbers have no gaps, and a month is closed once
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('settlement_statement'))")
    if Statement.objects.filter(provider=provider, call=call, month=month).exists():
        return None
    charges = _open_charges(until).filter(allocation__platform__provider=provider, allocation__award__call=call)
    sums = list(
        charges.order_by()
        .values("allocation", "kind", "metric", "label", "month", "micro_per_unit")
        .annotate(
            total=Sum("amount"),
            quantity_sum=Sum("quantity"),
            charged_sum=Sum("charged"),
            many=Count("pk"),
            last=Max("pk"),
        )
        .order_by("allocation", "month", "label", "metric", "kind", "micro_per_unit")
    )
    total = sum(each["total"] for each in sums)
    if total <= 0:
        return None
    last = Statement.objects.filter(number__startswith=f"ST-{month.year}-").aggregate(last=Max("number"))["last"]
    statement = Statement.objects.create(
        number=f"ST-{month.year}-{int(last.rpartition('-')[2]) + 1 if last else 1:05d}",
        provider=provider,
        call=call,
        month=month,
        status_since=at,
        issued_at=at,
        total=total,
        content_hash="",
        cut_off=books.last_entry(),
    )
    lines = StatementLine.objects.bulk_create(
        StatementLine(
            statement=statement,
            place=place,
            allocation_id=each["allocation"],
            kind=each["kind"],
            metric=each["metric"],
            label=each["label"],
            month=each["month"],
            quantity=each["quantity_sum"],
            charged=each["charged_sum"],
            micro_per_unit=each["micro_per_unit"],
            amount=each["total"],
            charges_count=each["many"],
        )
        for place, each in enumerate(sums, start=1)
    )
    for line in lines:
        charges.filter(
            allocation=line.allocation_id,
            kind=line.kind,
            metric=line.metric,
            label=line.label,
            month=line.month,
            micro_per_unit=line.micro_per_unit,
        ).update(statement_line=line)
    statement.content_hash = content_hash(statement)
    statement.save(update_fields=["content_hash"])
    data = {"lines": len(lines), "total": total, "hash": statement.content_hash, "cut_off": statement.cut_off}
    audit.record(StatementEvent.ISSUE, by=by, about=statement, at=at, data=data)
    _tell(
        _administrators(statement),
        statement,
        key="issued",
        subject=f"Statement {statement} is ready to agree",
        body=f"{amount_text(total)} credits for {month:%B %Y} under {call}. Look at the lines, then agree or say what is wrong.",
        at=at,
    )
    return statement


def content_hash(statement: Statement) -> str:
    """SHA-256 over what the statement says: whoever has the lines can compute it again."""
    lines = statement.lines.select_related("allocation").order_by("place")
    content = {
        "number": statement.number,
        "provider": statement.provider.slug,
        "call": statement.call.slug,
        "month": statement.month.isoformat(),
        "cut_off": statement.cut_off,
        "total": statement.total,
        "lines": [
            [
                line.place,
                line.allocation.reference,
                line.kind,
                line.metric,
                line.label,
                line.month.isoformat(),
                f"{line.quantity.normalize():f}",
                f"{line.charged.normalize():f}",
                f"{line.micro_per_unit.normalize():f}",
                line.amount,
            ]
            for line in lines
        ],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


# --- what people do with it ------------------------------------------------------------------------------------------


@transaction.atomic
def answer(statement: Statement, disputes: Mapping[int, str], *, by: User, at: datetime) -> None:
    """The provider agrees, except for the lines in ``disputes``: place → why. Those come again with the next statement.

    Where nothing is left to pay, the whole statement is carried over.
    """
    refused = STATEMENT.refusal(statement, "agree", by=by)
    if isinstance(refused, NotPermitted):
        raise refused
    lines = {line.place: line for line in statement.lines.all()}
    reasons = {place: clean(reason) for place, reason in disputes.items()}
    for place, reason in reasons.items():
        if place not in lines:
            raise InvalidInput(f"The statement has no line {place}.", field=f"dispute_{place}")
        if not reason:
            raise InvalidInput(f"Say what is wrong with line {place}.", field=f"dispute_{place}")
    agreed = sum(line.amount for place, line in lines.items() if place not in reasons)
    data = {"agreed": agreed, "disputed": sorted(reasons)}
    if agreed > 0:
        STATEMENT.advance(statement, "agree", by=by, at=at, data=data, agreed=agreed)
        carried = [lines[place] for place in reasons]
    else:
        STATEMENT.advance(statement, "carry", by=by, at=at, data=data)
        carried = list(lines.values())
    for place, reason in reasons.items():
        lines[place].dispute = reason[:2000]
        lines[place].save(update_fields=["dispute"])
    Charge.objects.filter(statement_line__in=carried).update(statement_line=None)
    _tell(
        _managers(statement),
        statement,
        key="answered",
        subject=f"{statement.provider} agreed {statement}" if agreed > 0 else f"{statement} is carried over",
        body=f"{amount_text(max(agreed, 0))} of {amount_text(statement.total)} credits are agreed; "
        f"{len(reasons)} lines are in dispute.",
        at=at,
    )


@transaction.atomic
def approve(statement: Statement, *, by: User, at: datetime) -> None:
    """ESA approves what was agreed; above the call's threshold two managers do, one after the other."""
    refused = STATEMENT.refusal(statement, "approve", by=by)
    if refused is not None:
        raise refused
    locked = Statement.objects.select_for_update(no_key=True, of=("self",)).get(pk=statement.pk)
    threshold = statement.call.two_managers_above
    if locked.status == AGREED and threshold is not None and (locked.agreed or 0) > threshold:
        if locked.first_approval_id is None:
            locked.first_approval = by
            locked.save(update_fields=["first_approval"])
            statement.first_approval = by
            audit.record(StatementEvent.APPROVE_FIRST, by=by, about=statement, at=at, data={"agreed": locked.agreed})
            return
        if locked.first_approval_id == by.pk:
            raise SameManager("You agreed to this already: a second manager has to.")
    STATEMENT.advance(statement, "approve", by=by, at=at, data={"agreed": locked.agreed})
    _tell(
        _administrators(statement),
        statement,
        key="approved",
        subject=f"Statement {statement} is approved",
        body=f"Send an invoice over {amount_text(statement.agreed or 0)} credits and add its number to the statement.",
        at=at,
    )


@transaction.atomic
def add_invoice(statement: Statement, *, number: str, by: User, at: datetime) -> None:
    """The provider's invoice: what was earned is invoiced in the ledger."""
    number = one_line(number)[:60]
    if not number:
        raise InvalidInput("Give the number of your invoice.", field="invoice_number")
    taken = Statement.objects.filter(provider=statement.provider_id, invoice_number=number).exclude(pk=statement.pk)
    if taken.exists():
        raise InvalidInput("Another statement has this invoice number.", field="invoice_number")
    STATEMENT.advance(statement, "invoice", by=by, at=at, data={"invoice": number}, invoice_number=number)
    accounts = ledger.provider_accounts(statement.provider.slug, statement.call.slug)
    assert statement.agreed is not None
    ledger.post(
        EntryKind.INVOICE,
        [ledger.Line(accounts.accrued, accounts.invoiced, statement.agreed)],
        key=uuid.uuid5(_KEYS, f"invoice:{statement.number}"),
        by=by,
        at=at,
        reason=statement.number,
    )


@transaction.atomic
def record_payment(statement: Statement, *, paid_on: date, reference: str, by: User, at: datetime) -> None:
    """ESA has paid: the credits retire. A statement is paid once."""
    if paid_on > at.date():
        raise InvalidInput("Record a payment when it was made.", field="paid_on")
    if paid_on < statement.issued_at.date():
        raise InvalidInput("This is before the statement was issued.", field="paid_on")
    changes = {"paid_on": paid_on, "payment_reference": one_line(reference)[:100]}
    STATEMENT.advance(statement, "pay", by=by, at=at, data={"paid_on": paid_on.isoformat()}, **changes)
    invoiced = ledger.provider_accounts(statement.provider.slug, statement.call.slug).invoiced
    assert statement.agreed is not None
    ledger.post(
        EntryKind.SETTLE,
        [ledger.Line(invoiced, ledger.call_accounts(statement.call.slug).commitment, statement.agreed)],
        key=uuid.uuid5(_KEYS, f"settle:{statement.number}"),
        by=by,
        at=at,
        reason=statement.number,
    )
    _tell(
        _administrators(statement),
        statement,
        key="paid",
        subject=f"Statement {statement} is paid",
        body=f"{amount_text(statement.agreed)} credits, invoice {statement.invoice_number}, paid on {paid_on:%-d %B %Y}.",
        at=at,
    )


# --- who is told -----------------------------------------------------------------------------------------------------


def _administrators(statement: Statement) -> Iterable[User]:
    return User.objects.filter(
        is_active=True, role_grants__role=Role.PROVIDER_ADMINISTRATOR, role_grants__organisation=statement.provider
    )


def _managers(statement: Statement) -> Iterable[User]:
    managers = User.objects.filter(is_active=True, role_grants__role=Role.ESA_MANAGER)
    return managers.exclude(organisation=statement.provider_id).distinct()


def _tell(people: Iterable[User], statement: Statement, *, key: str, subject: str, body: str, at: datetime) -> None:
    for person in people:
        notifications.send(
            key=f"{statement.number}:{key}:{person.public_id}",
            to=Recipient(person.public_id, person.email),
            subject=subject,
            body=body,
            link=statement.get_absolute_url(),
            at=at,
        )


def accrued_by_call(provider: Organisation) -> list[tuple[Call, int]]:
    """What the provider has earned that is on no statement yet, by call."""
    sums = (
        Charge.objects.filter(statement_line=None, allocation__platform__provider=provider)
        .order_by("allocation__award__call")
        .values_list("allocation__award__call")
        .annotate(total=Sum("amount"))
    )
    found = dict(sums)
    return [(call, found[call.pk]) for call in Call.objects.filter(pk__in=found).order_by("slug")]
