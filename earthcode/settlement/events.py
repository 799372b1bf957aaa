"""What happens in ``settlement``, by name."""

from earthcode.audit.events import EventName


class UsageReportEvent(EventName):
    TAKE = "usage_report.take", "Usage report accepted"


class StatementEvent(EventName):
    ISSUE = "statement.issue", "Statement issued"
    AGREE = "statement.agree", "Statement agreed"
    CARRY = "statement.carry", "Statement carried over"
    APPROVE_FIRST = "statement.approve_first", "Statement approved by the first of two managers"
    APPROVE = "statement.approve", "Statement approved"
    INVOICE = "statement.invoice", "Invoice number added"
    PAY = "statement.pay", "Payment recorded"


class ChargeEvent(EventName):
    REFUND = "charge.refund", "Charge refunded"


class ExhaustionEvent(EventName):
    BEGIN = "exhaustion.begin", "Credits used up"
    UNDO = "exhaustion.undo", "Credits available again"
    END = "exhaustion.end", "Grace over"
