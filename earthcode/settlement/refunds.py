"""A provider gives back a charge or part of it: a failed job, an outage."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import transaction
from django.db.models import Sum

from earthcode.audit import actions as audit
from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.lib.errors import InvalidInput, NotPermitted
from earthcode.lib.money import as_text
from earthcode.lib.text import lines as clean
from earthcode.lib.wake import wake_after_commit
from earthcode.settlement import taking
from earthcode.settlement.actions import TELL_ALERTS, one_report_at_a_time
from earthcode.settlement.events import ChargeEvent
from earthcode.settlement.models import Charge, ChargeKind


@transaction.atomic
def refund(charge: Charge, amount: int, *, reason: str, key: uuid.UUID, by: User, at: datetime) -> Charge:
    """Give micro-credits of a charge back: to the award, or to the call where that is over. The same key gives back once.

    All refunds of one record together never exceed what it was charged.
    """
    allocation = charge.allocation
    if not by.may(Permission.CHARGE_REFUND, allocation):
        raise NotPermitted("Only the provider can give back what it charged.")
    reason = clean(reason)[:2000]
    if not reason:
        raise InvalidInput("Say why: the project reads it.", field="reason")
    one_report_at_a_time(allocation.platform)
    known = Charge.objects.filter(key=key).first()
    if known is not None:
        if (known.record_id, known.amount) != (charge.record_id, -amount):
            raise InvalidInput("This form was already submitted with different values. Reload the page.")
        return known
    left = Charge.objects.filter(record=charge.record_id).aggregate(left=Sum("amount"))["left"] or 0
    if not 0 < amount <= left:
        raise InvalidInput(f"Between nothing and {as_text(max(left, 0))} credits can be given back.", field="amount")
    given = Charge.objects.create(
        allocation=allocation,
        record=charge.record,
        kind=ChargeKind.REFUND,
        key=key,
        metric=charge.metric,
        label=charge.label,
        month=charge.month,
        quantity=0,
        charged=0,
        micro_per_unit=charge.micro_per_unit,
        amount=-amount,
        reason=reason,
        at=at,
    )
    taking.give_back(allocation, amount, by=by, at=at, reason=reason, name=f"refund:{given.pk}")
    audit.record(
        ChargeEvent.REFUND, by=by, about=given, at=at, data={"amount": amount, "record": charge.record.record_id}
    )
    wake_after_commit(TELL_ALERTS)
    return given
