"""Spans: sums over an account's postings, from which balances at past moments are read (``sql/spans.sql``)."""

from django.db import connection

#: Accounts whose rows contain enough postings for another span.
_DUE = """
    SELECT id FROM ledger_account account
    WHERE seq >= ledger_span_size() + coalesce(
        (SELECT seq FROM ledger_span span WHERE span.account_id = account.id ORDER BY upto DESC LIMIT 1), 0)
    ORDER BY id LIMIT %s
"""


def write(*, limit: int) -> int:
    """Write spans over postings that have none yet, at most so many; returns how many it wrote.

    Changes no balance. Each span is a transaction of its own, outside one of the caller's, so that nothing waits for long.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [limit])
        due: list[tuple[int]] = cursor.fetchall()
        written = 0
        for (account_id,) in due:
            while written < limit:
                cursor.execute("SELECT ledger_span(%s)", [account_id])
                (wrote,) = cursor.fetchone()
                if not wrote:
                    break
                written += 1
    return written
