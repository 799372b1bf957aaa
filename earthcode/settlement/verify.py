"""Whether the charges and the ledger say the same: the sub-ledger, re-derived from its rows. Here because the ledger knows
no allocations.

To add a rule, write a statement that returns (row, what is wrong) for each row that breaks it, and a line in ``RULES``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from django.db import connection, transaction

from earthcode.ledger.seals import Break
from earthcode.ledger.verify import Finding

#: How many broken rows of a rule are named.
NAMED_MAX: Final = 100

_ALLOCATIONS: Final = """
    SELECT format('allocation %s', allocation.reference),
           format('%s charged, %s taken, %s by the ledger', coalesce(charged.amount, 0), coalesce(taken.amount, 0),
                  hold.captured + hold.owed - hold.refunded)
    FROM provisioning_allocation allocation
    JOIN ledger_hold hold ON hold.id = allocation.hold_id
    LEFT JOIN (SELECT allocation_id, sum(amount) AS amount FROM settlement_charge GROUP BY 1) charged
        ON charged.allocation_id = allocation.id
    LEFT JOIN (SELECT allocation_id, sum(amount) AS amount FROM settlement_taken GROUP BY 1) taken
        ON taken.allocation_id = allocation.id
    WHERE coalesce(charged.amount, 0) <> coalesce(taken.amount, 0)
       OR coalesce(charged.amount, 0) <> hold.captured + hold.owed - hold.refunded
    ORDER BY allocation.reference
"""

_METERS: Final = """
    SELECT format('meter %s', meter.id),
           format('has %s at %s, its charges %s at %s', meter.quantity, meter.amount, coalesce(charged.quantity, 0),
                  coalesce(charged.amount, 0))
    FROM settlement_meter meter
    LEFT JOIN (
        SELECT allocation_id, metric, label, sum(quantity) AS quantity, sum(amount) AS amount
        FROM settlement_charge WHERE kind <> 'refund' GROUP BY 1, 2, 3
    ) charged USING (allocation_id, metric, label)
    WHERE meter.quantity <> coalesce(charged.quantity, 0) OR meter.amount <> coalesce(charged.amount, 0)
    ORDER BY meter.id
"""

_ENTRIES: Final = """
    SELECT format('taken %s', taken.id), CASE
               WHEN entry.id IS NULL THEN 'its entry is missing'
               WHEN entry.kind <> CASE WHEN taken.amount > 0 THEN 'capture' ELSE 'refund' END THEN 'its entry is of another kind'
               WHEN entry.hold_id <> allocation.hold_id THEN 'its entry is of another hold'
               ELSE 'its entry is of another amount' END
    FROM settlement_taken taken
    JOIN provisioning_allocation allocation ON allocation.id = taken.allocation_id
    LEFT JOIN ledger_entry entry ON entry.id = taken.entry_id
    LEFT JOIN (SELECT entry_id, sum(amount) AS amount FROM ledger_posting GROUP BY 1) posted ON posted.entry_id = entry.id
    WHERE entry.id IS NULL OR entry.hold_id IS DISTINCT FROM allocation.hold_id
       OR entry.kind <> CASE WHEN taken.amount > 0 THEN 'capture' ELSE 'refund' END
       OR posted.amount <> abs(taken.amount)
    ORDER BY taken.id
"""

_STATEMENTS: Final = """
    SELECT format('statement %s', statement.number),
           format('says %s, agreed %s; its lines %s, agreed %s', statement.total, statement.agreed, lines.total, lines.agreed)
    FROM settlement_statement statement
    JOIN (
        SELECT statement_id, sum(amount) AS total, sum(amount) FILTER (WHERE dispute = '') AS agreed
        FROM settlement_statementline GROUP BY 1
    ) lines ON lines.statement_id = statement.id
    WHERE statement.total <> lines.total OR statement.agreed IS NOT NULL AND statement.agreed <> lines.agreed
    ORDER BY statement.number
"""

_LINES: Final = """
    SELECT format('line %s of statement %s', line.place, statement.number),
           format('%s, its charges %s', line.amount, coalesce(charged.amount, 0))
    FROM settlement_statementline line
    JOIN settlement_statement statement ON statement.id = line.statement_id
    LEFT JOIN (SELECT statement_line_id, sum(amount) AS amount FROM settlement_charge GROUP BY 1) charged
        ON charged.statement_line_id = line.id
    WHERE statement.status <> 'carried' AND line.dispute = '' AND line.amount <> coalesce(charged.amount, 0)
       OR (statement.status = 'carried' OR line.dispute <> '') AND charged.amount IS NOT NULL
    ORDER BY statement.number, line.place
"""


class Rule(NamedTuple):
    words: str
    over: str
    breaks: str


RULES: Final = (
    Rule(
        "what an allocation was charged is what the ledger took from its hold", "provisioning_allocation", _ALLOCATIONS
    ),
    Rule("a meter is the sum of its charges", "settlement_meter", _METERS),
    Rule("what was taken for a report is one entry of the ledger", "settlement_taken", _ENTRIES),
    Rule(
        "a statement is the sum of its lines, and what was agreed of those that are not in dispute",
        "settlement_statement",
        _STATEMENTS,
    ),
    Rule(
        "a line of a statement is the sum of its charges, and a line that was carried over has none",
        "settlement_statementline",
        _LINES,
    ),
)


def findings() -> Iterator[Finding]:
    """Check every rule, as the books were at one moment unless the caller has a transaction open."""
    with transaction.atomic(), connection.cursor() as cursor:
        for rule in RULES:
            cursor.execute(f"SELECT count(*) FROM {rule.over}")  # noqa: S608  # our own words
            (rows,) = cursor.fetchone()
            cursor.execute(rule.breaks)
            broken = cursor.fetchall()
            named = tuple(Break(row, what) for row, what in islice(broken, NAMED_MAX))
            yield Finding(rule.words, rule.over, rows, named, len(broken))
