"""Re-derives every balance and every rule from the postings, without the functions that wrote them.

All rules see the books as they were at one moment, even while they are written, and PostgreSQL keeps the memory bounded.
To add a rule, write a statement that returns (row, what is wrong) for each row that breaks it, and a line in ``RULES``.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from heapq import nsmallest

from django.db import connection, transaction

from earthcode.ledger import seals
from earthcode.ledger.seals import Break
from earthcode.lib import objects, rights

_POSTINGS = """
    SELECT format('entry %s line %s', posting.entry_id, posting.line), CASE
               WHEN debit.id IS NULL OR credit.id IS NULL THEN 'an account is missing'
               WHEN debit.id = credit.id THEN 'debits and credits one account'
               WHEN posting.amount <= 0 THEN 'the amount is not positive'
               WHEN debit.unit <> posting.unit OR credit.unit <> posting.unit THEN 'units mix'
               ELSE 'a side is numbered that should not be, or is not' END
    FROM ledger_posting posting
    LEFT JOIN ledger_account debit ON debit.id = posting.debit_id
    LEFT JOIN ledger_account credit ON credit.id = posting.credit_id
    WHERE debit.id IS NULL OR credit.id IS NULL OR debit.id = credit.id OR posting.amount <= 0
       OR debit.unit <> posting.unit OR credit.unit <> posting.unit
       OR debit.deferred <> (posting.debit_seq IS NULL) OR debit.deferred <> (posting.debit_total IS NULL)
       OR credit.deferred <> (posting.credit_seq IS NULL) OR credit.deferred <> (posting.credit_total IS NULL)
"""

_ENTRIES = """
    SELECT format('entry %s', coalesce(entry.id, lines.entry_id)), CASE
               WHEN entry.id IS NULL THEN 'its postings are there and it is not'
               WHEN lines.entry_id IS NULL THEN 'it has no postings'
               WHEN lines.count <> lines.last OR lines.first <> 1 THEN 'its lines are not numbered 1, 2, …'
               ELSE 'its kind needs what it does not have, or has what it does not need' END
    FROM ledger_entry entry
    FULL JOIN (
        SELECT entry_id, count(*) AS count, min(line) AS first, max(line) AS last FROM ledger_posting GROUP BY entry_id
    ) lines ON lines.entry_id = entry.id
    WHERE entry.id IS NULL OR lines.entry_id IS NULL OR lines.count <> lines.last OR lines.first <> 1
       OR (entry.hold_id IS NULL) = (entry.kind IN ('hold', 'capture', 'release', 'expire', 'refund'))
          AND entry.kind <> 'reverse'
       OR (entry.reverses_id IS NULL) = (entry.kind IN ('refund', 'reverse'))
"""

_FLOORS = """
    SELECT format('account %s', code), format('has %s', CASE kind WHEN 'debt' THEN debits - credits ELSE credits - debits END)
    FROM ledger_account WHERE CASE kind WHEN 'debt' THEN debits < credits ELSE has_floor AND credits < debits END
"""

_KINDS = """
    SELECT format('account %s', account.code), format('not what an account of kind %s is', account.kind)
    FROM ledger_account account
    LEFT JOIN (VALUES
        ('commitment', 'asset', false, true),
        ('available', 'liability', true, false),
        ('held', 'liability', true, false),
        ('accrued', 'liability', false, true),
        ('invoiced', 'liability', true, false),
        ('debt', 'asset', false, false)
    ) AS rule (kind, class, has_floor, deferred) USING (kind, class, has_floor, deferred)
    WHERE rule.kind IS NULL
"""

_TOTALS = """
    SELECT format('account %s', account.code), format(
        'says debits %s, credits %s after %s postings; its postings say %s, %s after %s',
        account.debits, account.credits, account.seq,
        coalesce(sums.debits, 0), coalesce(sums.credits, 0), coalesce(sums.count, 0))
    FROM ledger_account account
    LEFT JOIN (
        SELECT account_id, sum(debit) AS debits, sum(credit) AS credits, count(*) AS count
        FROM (
            SELECT debit_id AS account_id, entry_id, amount AS debit, 0 AS credit FROM ledger_posting
            UNION ALL
            SELECT credit_id, entry_id, 0, amount FROM ledger_posting
        ) side
        JOIN ledger_account account ON account.id = side.account_id
        WHERE NOT account.deferred OR side.entry_id <= account.rolled_to
        GROUP BY account_id
    ) sums ON sums.account_id = account.id
    WHERE (account.debits, account.credits, account.seq)
          IS DISTINCT FROM (coalesce(sums.debits, 0), coalesce(sums.credits, 0), coalesce(sums.count, 0))
"""

_RUNNING_TOTALS = """
    SELECT format('entry %s line %s', entry_id, line),
           format('says number %s and total %s on its %s side; it is number %s and leaves %s',
                  seq, total, side, place, running)
    FROM (
        SELECT entry_id, line, side, seq, total, row_number() OVER earlier AS place,
               CASE side WHEN 'debit' THEN sum(debit) OVER earlier ELSE sum(credit) OVER earlier END AS running
        FROM (
            SELECT debit_id AS account_id, entry_id, line, 'debit' AS side, debit_seq AS seq, debit_total AS total,
                   amount AS debit, 0 AS credit
            FROM ledger_posting WHERE debit_seq IS NOT NULL
            UNION ALL
            SELECT credit_id, entry_id, line, 'credit', credit_seq, credit_total, 0, amount
            FROM ledger_posting WHERE credit_seq IS NOT NULL
        ) posting
        WINDOW earlier AS (PARTITION BY account_id ORDER BY seq ROWS UNBOUNDED PRECEDING)
    ) numbered
    WHERE seq <> place OR total <> running
"""

_CHECKPOINTS = """
    SELECT format('checkpoint of account %s at entry %s', account.code, step.upto_entry), 'not the sum of the postings up to it'
    FROM (
        SELECT account_id, upto_entry, lag(upto_entry, 1, 0::bigint) OVER earlier AS since,
               debits - lag(debits, 1, 0::bigint) OVER earlier AS debits,
               credits - lag(credits, 1, 0::bigint) OVER earlier AS credits,
               seq - lag(seq, 1, 0::bigint) OVER earlier AS count
        FROM ledger_checkpoint
        WINDOW earlier AS (PARTITION BY account_id ORDER BY upto_entry)
    ) step
    JOIN ledger_account account ON account.id = step.account_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(debit), 0) AS debits, coalesce(sum(credit), 0) AS credits, count(*) AS count
        FROM (
            SELECT amount AS debit, 0 AS credit FROM ledger_posting
            WHERE debit_id = account.id AND debit_seq IS NULL AND entry_id > step.since AND entry_id <= step.upto_entry
            UNION ALL
            SELECT 0, amount FROM ledger_posting
            WHERE credit_id = account.id AND credit_seq IS NULL AND entry_id > step.since AND entry_id <= step.upto_entry
        ) side
    ) sums
    WHERE (step.debits, step.credits, step.count) IS DISTINCT FROM (sums.debits, sums.credits, sums.count)
       OR NOT account.deferred
    UNION ALL
    SELECT format('account %s', code),
           format('brought up to entry %s, its last checkpoint is at %s', rolled_to, coalesce(last, 0))
    FROM ledger_account account
    LEFT JOIN (SELECT account_id, max(upto_entry) AS last FROM ledger_checkpoint GROUP BY 1) checkpoint
        ON checkpoint.account_id = account.id
    WHERE rolled_to <> coalesce(last, 0)
"""

_SPANS = """
    WITH span AS (
        SELECT span.*, account.code, account.deferred, account.rolled_to,
               lag(upto, 1, 0::bigint) OVER earlier AS previous, lag(span.seq, 1, 0::bigint) OVER earlier AS previous_seq,
               greatest(first_value(upto) OVER earlier, 1) AS first_length
        FROM ledger_span span LEFT JOIN ledger_account account ON account.id = span.account_id
        WINDOW earlier AS (PARTITION BY span.account_id ORDER BY upto)
    ),
    sums AS (
        -- All spans of an account that numbers its postings are as long as the first one, so the number tells which.
        SELECT account_id, ((side.seq - 1) / numbered.length + 1) * numbered.length AS upto, sum(side.debit) AS debits,
               sum(side.credit) AS credits, count(*) AS postings, min(effective_at) AS first_at, max(effective_at) AS last_at
        FROM (
            SELECT account_id, min(first_length) AS length, max(upto) AS last FROM span WHERE NOT deferred GROUP BY 1
        ) numbered
        JOIN (
            SELECT debit_id AS account_id, debit_seq AS seq, entry_id, amount AS debit, 0 AS credit
            FROM ledger_posting WHERE debit_seq IS NOT NULL
            UNION ALL
            SELECT credit_id, credit_seq, entry_id, 0, amount FROM ledger_posting WHERE credit_seq IS NOT NULL
        ) side USING (account_id)
        JOIN ledger_entry entry ON entry.id = side.entry_id
        WHERE side.seq <= numbered.last
        GROUP BY 1, 2
        UNION ALL
        SELECT span.account_id, span.upto, deferred.*
        FROM span
        CROSS JOIN LATERAL (
            SELECT sum(debit), sum(credit), count(*), min(effective_at), max(effective_at)
            FROM (
                SELECT entry_id, amount AS debit, 0 AS credit FROM ledger_posting
                WHERE debit_id = span.account_id AND debit_seq IS NULL AND entry_id > span.after AND entry_id <= span.upto
                UNION ALL
                SELECT entry_id, 0, amount FROM ledger_posting
                WHERE credit_id = span.account_id AND credit_seq IS NULL AND entry_id > span.after AND entry_id <= span.upto
            ) side
            JOIN ledger_entry entry ON entry.id = side.entry_id
        ) deferred
        WHERE span.deferred
    )
    SELECT format('span of account %s up to %s', coalesce(span.code, 'number ' || span.account_id), span.upto), CASE
               WHEN span.code IS NULL THEN 'its account is missing'
               WHEN span.after <> span.previous THEN format('begins after %s, and the one before it ends at %s', after, previous)
               WHEN NOT span.deferred AND span.upto - span.after <> span.first_length THEN 'is not as long as the first one'
               WHEN span.upto > span.rolled_to AND span.deferred THEN 'entries may be missing that were not there yet'
               ELSE format(
                   'says debits %s, credits %s of %s postings from %s to %s; its postings say %s, %s of %s from %s to %s',
                   span.debits, span.credits, span.seq - span.previous_seq, span.first_at, span.last_at,
                   sums.debits, sums.credits, sums.postings, sums.first_at, sums.last_at) END
    FROM span LEFT JOIN sums USING (account_id, upto)
    WHERE span.code IS NULL OR span.after <> span.previous
       OR NOT span.deferred AND span.upto - span.after <> span.first_length
       OR span.deferred AND span.upto > span.rolled_to
       OR (span.debits, span.credits, span.seq - span.previous_seq, span.first_at, span.last_at)
          IS DISTINCT FROM (sums.debits, sums.credits, sums.postings, sums.first_at, sums.last_at)
"""

_HOLDS = """
    WITH line AS (
        SELECT entry.hold_id, posting.debit_id, posting.credit_id, posting.amount,
               coalesce(part.wallet_id, hold.wallet_id) AS wallet_id, coalesce(part.held_id, hold.held_id) AS held_id,
               hold.payee_id, hold.tranches, debit.kind = 'debt' AS is_debt, entry.kind = 'hold' AS sets_aside
        FROM ledger_entry entry
        JOIN ledger_hold hold ON hold.id = entry.hold_id
        JOIN ledger_posting posting ON posting.entry_id = entry.id
        LEFT JOIN ledger_account debit ON debit.id = posting.debit_id
        LEFT JOIN ledger_hold_part part
            ON hold.tranches > 1 AND part.hold_id = hold.id AND part.held_id IN (posting.debit_id, posting.credit_id)
    )
    SELECT format('hold %s', hold.id),
           format('says %s set aside, %s captured, %s released, %s owed, %s refunded; its entries say %s, %s, %s, %s, %s',
                  hold.authorised, hold.captured, hold.released, hold.owed, hold.refunded,
                  coalesce(sums.authorised, 0), coalesce(sums.captured, 0), coalesce(sums.released, 0),
                  coalesce(sums.owed, 0), coalesce(sums.refunded, 0))
    FROM ledger_hold hold
    LEFT JOIN (
        SELECT hold_id,
               sum(amount) FILTER (WHERE debit_id = wallet_id AND credit_id = held_id) AS authorised,
               sum(amount) FILTER (WHERE debit_id = held_id AND credit_id = payee_id) AS captured,
               sum(amount) FILTER (WHERE debit_id = held_id AND credit_id <> payee_id) AS released,
               sum(amount) FILTER (WHERE is_debt AND credit_id = payee_id) AS owed,
               sum(amount) FILTER (WHERE debit_id = payee_id) AS refunded,
               sum(amount) AS everything
        FROM line GROUP BY hold_id
    ) sums ON sums.hold_id = hold.id
    WHERE (hold.authorised, hold.captured, hold.released, hold.owed, hold.refunded) IS DISTINCT FROM
          (coalesce(sums.authorised, 0), coalesce(sums.captured, 0), coalesce(sums.released, 0), coalesce(sums.owed, 0),
           coalesce(sums.refunded, 0))
       OR hold.authorised + hold.captured + hold.released + hold.owed + hold.refunded IS DISTINCT FROM sums.everything
       OR hold.captured + hold.released > hold.authorised OR hold.refunded > hold.captured + hold.owed
    UNION ALL
    SELECT format('hold %s', hold_id),
           format('its part over account number %s says %s set aside, %s captured, %s released; its entries say %s, %s, %s',
                  held_id, part.authorised, part.captured, part.released, moved.authorised, moved.captured, moved.released)
    FROM ledger_hold_part part
    FULL JOIN (
        SELECT hold_id, held_id, coalesce(sum(amount) FILTER (WHERE sets_aside), 0) AS authorised,
               coalesce(sum(amount) FILTER (WHERE debit_id = held_id AND credit_id = payee_id), 0) AS captured,
               coalesce(sum(amount) FILTER (WHERE debit_id = held_id AND credit_id <> payee_id), 0) AS released
        FROM line WHERE tranches > 1 AND held_id IN (debit_id, credit_id)
        GROUP BY 1, 2
    ) moved USING (hold_id, held_id)
    WHERE (part.authorised, part.captured, part.released) IS DISTINCT FROM (moved.authorised, moved.captured, moved.released)
    UNION ALL
    SELECT format('hold %s', id), format('says it has %s parts', tranches)
    FROM ledger_hold hold
    WHERE tranches <> 1 AND tranches <> (SELECT count(*) FROM ledger_hold_part WHERE hold_id = hold.id)
    UNION ALL
    SELECT format('entry %s', entry.id), format('names hold %s, which is missing', entry.hold_id)
    FROM ledger_entry entry
    WHERE entry.hold_id IS NOT NULL AND NOT EXISTS (SELECT FROM ledger_hold hold WHERE hold.id = entry.hold_id)
"""

_HELD = """
    SELECT format('account %s', account.code),
           format('holds %s, and its open holds have %s left',
                  account.credits - account.debits, coalesce(holds.remaining, 0))
    FROM ledger_account account
    LEFT JOIN (
        SELECT held_id, sum(authorised - captured - released) AS remaining
        FROM (
            SELECT held_id, authorised, captured, released FROM ledger_hold WHERE tranches = 1
            UNION ALL
            SELECT held_id, authorised, captured, released FROM ledger_hold_part
        ) part
        GROUP BY held_id
    ) holds ON holds.held_id = account.id
    WHERE (account.kind = 'held' OR holds.held_id IS NOT NULL)
      AND (account.kind <> 'held' OR account.credits - account.debits <> coalesce(holds.remaining, 0))
"""

_CALLS = """
    SELECT format('entry %s line %s', posting.entry_id, posting.line),
           format('moves credits of call %s to call %s', debit.home_id, credit.home_id)
    FROM ledger_posting posting
    JOIN ledger_account debit ON debit.id = posting.debit_id
    JOIN ledger_account credit ON credit.id = posting.credit_id
    WHERE debit.home_id IS DISTINCT FROM credit.home_id
    UNION ALL
    SELECT format('call %s', home.code), format('debits %s, credits %s', sum(balance.debits), sum(balance.credits))
    FROM ledger_balance balance
    JOIN ledger_account account ON account.id = balance.account_id
    JOIN ledger_account home ON home.id = account.home_id
    GROUP BY home.code HAVING sum(balance.debits) <> sum(balance.credits)
"""

_WINDOWS = """
    WITH setting AS (
        SELECT account_id, id, opens_at, closes_at, after_seq,
               lead(after_seq) OVER later AS until_seq, lead(id) OVER later IS NULL AS is_last
        FROM ledger_window
        WINDOW later AS (PARTITION BY account_id ORDER BY id)
    )
    SELECT format('entry %s line %s', posting.entry_id, posting.line),
           format('spends at %s what can be spent from %s until %s', entry.effective_at, setting.opens_at, setting.closes_at)
    FROM setting
    JOIN ledger_account wallet ON wallet.id = setting.account_id
    JOIN ledger_posting posting ON posting.debit_id = setting.account_id AND posting.debit_seq > setting.after_seq
        AND posting.debit_seq <= coalesce(setting.until_seq, 9223372036854775807)
    JOIN ledger_entry entry ON entry.id = posting.entry_id
    WHERE posting.credit_id <> wallet.home_id
      AND (entry.effective_at < setting.opens_at OR entry.effective_at >= setting.closes_at)
    UNION ALL
    SELECT format('entry %s line %s', posting.entry_id, posting.line),
           format('gives at %s what could be spent until %s', entry.effective_at, setting.closes_at)
    FROM setting
    JOIN ledger_posting posting ON posting.credit_id = setting.account_id AND posting.credit_seq > setting.after_seq
        AND posting.credit_seq <= coalesce(setting.until_seq, 9223372036854775807)
    JOIN ledger_entry entry ON entry.id = posting.entry_id
    WHERE entry.effective_at >= setting.closes_at
    UNION ALL
    SELECT format('account %s', account.code), 'its window is not the one that was set last'
    FROM ledger_account account
    LEFT JOIN setting ON setting.account_id = account.id AND setting.is_last
    WHERE (account.opens_at, account.closes_at) IS DISTINCT FROM (setting.opens_at, setting.closes_at)
    UNION ALL
    SELECT format('window %s', id), 'was set before the one before it' FROM setting WHERE until_seq < after_seq
"""

_LAPSES = """
    SELECT format('entry %s', entry.id), format('lapses at %s what ends at %s', entry.effective_at, wallet.closes_at)
    FROM ledger_entry entry
    JOIN ledger_posting posting ON posting.entry_id = entry.id
    JOIN ledger_account wallet ON wallet.id = posting.debit_id
    WHERE entry.kind = 'lapse'
      AND (wallet.closes_at IS DISTINCT FROM entry.effective_at OR wallet.home_id IS DISTINCT FROM posting.credit_id)
"""

_DEBTS = """
    SELECT format('entry %s line %s', posting.entry_id, posting.line), format('moves a debt, and is of kind %s', entry.kind)
    FROM ledger_account debt
    JOIN ledger_posting posting ON debt.id IN (posting.debit_id, posting.credit_id)
    JOIN ledger_entry entry ON entry.id = posting.entry_id
    WHERE debt.kind = 'debt'
      AND entry.kind <> ALL (
          CASE debt.id WHEN posting.debit_id THEN '{capture,reverse}' ELSE '{repay,refund,reverse}' END::text[])
"""

_KEYS = """
    SELECT format('key %s', idempotency_key), format('stands for %s entries, the first is %s', count(*), min(id))
    FROM ledger_entry GROUP BY idempotency_key HAVING count(*) > 1
"""

_GIVEN_BACK = """
    WITH given_back AS (
        SELECT entry.reverses_id AS original_id, posting.debit_id AS from_id, posting.credit_id AS to_id,
               sum(posting.amount) AS amount,
               count(DISTINCT entry.id) FILTER (WHERE entry.kind = 'reverse') AS reversals
        FROM ledger_entry entry
        JOIN ledger_posting posting ON posting.entry_id = entry.id
        WHERE entry.reverses_id IS NOT NULL
        GROUP BY 1, 2, 3
    ),
    moved AS (
        SELECT original.id AS original_id, posting.credit_id AS from_id,
               coalesce(part.wallet_id, CASE WHEN posting.debit_id = hold.held_id THEN hold.wallet_id ELSE posting.debit_id END)
               AS to_id,
               sum(posting.amount) AS amount
        FROM ledger_entry original
        JOIN ledger_posting posting ON posting.entry_id = original.id
        LEFT JOIN ledger_hold hold ON hold.id = original.hold_id
        LEFT JOIN ledger_hold_part part ON part.hold_id = hold.id AND part.held_id = posting.debit_id
        WHERE original.id IN (SELECT original_id FROM given_back)
          AND original.kind NOT IN ('hold', 'release', 'expire', 'lapse', 'refund', 'reverse')
          AND (hold.id IS NULL OR posting.credit_id = hold.payee_id)
        GROUP BY 1, 2, 3
    ),
    movable AS (  -- what was owed for a capture may go to its wallets instead, and all of it to the call
        SELECT original_id, sum(moved.amount) AS everything, sum(moved.amount) FILTER (WHERE account.kind = 'debt') AS owed
        FROM moved
        JOIN ledger_account account ON account.id = moved.to_id
        JOIN ledger_entry original ON original.id = original_id AND original.hold_id IS NOT NULL
        GROUP BY original_id
    )
    SELECT format('entry %s', given_back.original_id),
           format('moved %s between two accounts, and %s were given back in %s reversals',
                  coalesce(moved.amount, 0), given_back.amount, given_back.reversals)
    FROM given_back
    LEFT JOIN moved USING (original_id, from_id, to_id)
    LEFT JOIN movable USING (original_id)
    LEFT JOIN ledger_account account ON account.id = given_back.to_id
    WHERE given_back.reversals > 1
       OR given_back.amount > coalesce(moved.amount, 0) + coalesce(
           CASE WHEN account.home_id = account.id THEN movable.everything WHEN account.kind <> 'debt' THEN movable.owed END, 0)
    UNION ALL
    SELECT format('entry %s', original_id),
           format('moved %s, and %s were given back', coalesce(moved.amount, 0), given_back.amount)
    FROM (SELECT original_id, sum(amount) AS amount FROM given_back GROUP BY 1) given_back
    LEFT JOIN (SELECT original_id, sum(amount) AS amount FROM moved GROUP BY 1) moved USING (original_id)
    WHERE given_back.amount > coalesce(moved.amount, 0)
"""

_TRIAL_BALANCE = """
    SELECT format('unit %s', unit), format('debits %s, credits %s', sum(debits), sum(credits))
    FROM ledger_balance GROUP BY unit HAVING sum(debits) <> sum(credits)
"""

_ACCOUNT_EVENTS = """
    SELECT format('account %s', coalesce(account.code, 'number ' || event.account_id)), CASE
               WHEN account.id IS NULL THEN 'it is missing, and was opened'
               WHEN event.openings IS DISTINCT FROM 1 THEN format('was opened %s times', coalesce(event.openings, 0))
               WHEN account.closed THEN 'reads as closed, and nobody closed it'
               ELSE 'reads as open, and was closed' END
    FROM ledger_account account
    FULL JOIN (
        SELECT account_id, count(*) FILTER (WHERE kind = 'open') AS openings,
               (array_agg(kind ORDER BY id DESC))[1] = 'close' AS closed
        FROM ledger_account_event GROUP BY account_id
    ) event ON event.account_id = account.id
    WHERE account.id IS NULL OR event.openings IS DISTINCT FROM 1 OR event.closed <> account.closed
"""

_TOLD_HEADS = """
    SELECT format('seal %s', coalesce(seal.id::text, told.seal)), CASE
               WHEN told.seal IS NULL THEN 'the audit trail was not told of it'
               WHEN seal.id IS NULL THEN 'it is missing, and the audit trail was told of it'
               ELSE 'the audit trail was told another hash' END
    FROM ledger_seal seal
    FULL JOIN (
        SELECT subject_id AS seal, data ->> 'hash' AS hash FROM audit_event
        WHERE subject_type = 'ledger.seal' AND name = 'ledger.seal'
    ) told ON told.seal = seal.id::text
    WHERE encode(seal.hash, 'hex') IS DISTINCT FROM told.hash
"""

_CONSTRAINTS = """
    SELECT format('constraint %s on %s', expected.name, expected.relation), 'missing or not enforced'
    FROM (VALUES
        ('ledger_account', 'ledger_account_not_overdrawn'),
        ('ledger_account', 'ledger_account_code_is_unique'),
        ('ledger_hold', 'ledger_hold_within_authorisation'),
        ('ledger_hold', 'ledger_hold_refund_within_capture'),
        ('ledger_hold_part', 'ledger_hold_part_within_authorisation'),
        ('ledger_hold_part', 'ledger_hold_part_wallet_is_unique'),
        ('ledger_hold_part', 'ledger_hold_part_held_is_unique'),
        ('ledger_window', 'ledger_window_key_is_unique'),
        ('ledger_entry', 'ledger_entry_key_is_unique'),
        ('ledger_posting', 'ledger_posting_amount_is_positive'),
        ('ledger_posting', 'ledger_posting_has_two_accounts')
    ) AS expected (relation, name)
    LEFT JOIN pg_constraint ON conrelid = to_regclass(expected.relation) AND conname = expected.name AND convalidated
    WHERE pg_constraint.oid IS NULL
    UNION ALL
    SELECT 'index ledger_entry_reversed_once', 'missing or not valid'
    WHERE NOT EXISTS (
        SELECT FROM pg_index
        WHERE indexrelid = to_regclass('ledger_entry_reversed_once') AND indisunique AND indisvalid
    )
"""


def _not_of_this_release() -> Iterator[Break]:
    for thing, matter in objects.differences("ledger"):
        yield Break(thing, matter)
    for thing, matter in rights.differences():
        if "ledger_" in thing or thing.startswith("role"):
            yield Break(thing, matter)


@dataclass(frozen=True)
class Rule:
    """What always holds, in words; the table whose rows it is about; and a statement that returns (row, what is wrong) for
    each row of which it does not hold, or a function that yields them."""

    words: str
    over: str
    breaks: str | Callable[[], Iterator[Break]]


#: In place of a table: all that seals cover.
SEALS = "the seals"

RULES = (
    Rule("every posting moves a positive amount of one unit between two accounts", "ledger_posting", _POSTINGS),
    Rule("every entry is whole and of its kind", "ledger_entry", _ENTRIES),
    Rule("every account is what its kind says", "ledger_account", _KINDS),
    Rule("no account is below its floor", "ledger_account", _FLOORS),
    Rule("every account's totals are the sum of its postings", "ledger_account", _TOTALS),
    Rule("every posting repeats the number and total it left behind", "ledger_posting", _RUNNING_TOTALS),
    Rule("every checkpoint is the sum of the postings up to it", "ledger_checkpoint", _CHECKPOINTS),
    Rule("every span is the sum of its postings and says from when to when they count", "ledger_span", _SPANS),
    Rule("every hold is what its entries made of it", "ledger_hold", _HOLDS),
    Rule("held accounts hold what open holds have left", "ledger_hold", _HELD),
    Rule("credits stay in their call, and each call's books balance", "ledger_posting", _CALLS),
    Rule("credits are spent in their window, and every window is the one set last", "ledger_window", _WINDOWS),
    Rule("credits lapse to their call when their window ends", "ledger_entry", _LAPSES),
    Rule("debts grow by usage and shrink by repayment", "ledger_account", _DEBTS),
    Rule("every key stands for one entry", "ledger_entry", _KEYS),
    Rule("nothing is given back twice, or beyond what was moved", "ledger_entry", _GIVEN_BACK),
    Rule("debits equal credits over everything", "ledger_posting", _TRIAL_BALANCE),
    Rule("every account was opened once, and is open or closed as was noted", "ledger_account", _ACCOUNT_EVENTS),
    Rule("every seal follows from the one before it", "ledger_seal", seals.links_broken),
    Rule("every seal is the one the audit trail was told of", "ledger_seal", _TOLD_HEADS),
    Rule("every row that was sealed is what it was, and none was added", SEALS, seals.rows_broken),
    Rule("the constraints that guard the books are in place", "pg_constraint", _CONSTRAINTS),
    Rule("functions, triggers and rights are those of this release", "pg_proc", _not_of_this_release),
)
#: How many broken rows a finding names.
NAMED_MAX = 20


@dataclass(frozen=True)
class Finding:
    """Whether a rule holds, over how many rows of which table. ``breaks`` names the first rows of which it does not."""

    rule: str
    over: str
    rows: int
    breaks: tuple[Break, ...]
    broken_rows: int

    @property
    def holds(self) -> bool:
        return self.broken_rows == 0

    @property
    def unnamed(self) -> int:
        """How many more rows are broken than ``breaks`` names."""
        return self.broken_rows - len(self.breaks)


def findings() -> Iterator[Finding]:
    """Check every rule over the whole books, as they were at one moment.

    In a transaction, the caller's isolation decides whether all rules see the same moment.
    """
    with _one_moment():
        rows = Counter[str]()
        for rule in RULES:
            if rule.over not in rows:
                rows[rule.over] = _count(rule.over)
            breaks = _broken_rows(rule.breaks) if isinstance(rule.breaks, str) else rule.breaks()
            yield _finding(rule.words, rule.over, rows[rule.over], breaks)


def _finding(words: str, over: str, rows: int, breaks: Iterator[Break]) -> Finding:
    count = 0

    def counted() -> Iterator[Break]:
        nonlocal count
        for one in breaks:
            count += 1
            yield one

    named = nsmallest(NAMED_MAX, counted(), key=_in_order)
    return Finding(words, over, rows, tuple(named), count)


def _in_order(one: Break) -> list[str | int]:
    """Entry 9 before entry 10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"([0-9]+)", f"{one.row}: {one.what}")]


@contextmanager
def _one_moment() -> Iterator[None]:
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            # We read every row: the plan that is cheapest to its end, not the one whose first rows come soon.
            cursor.execute("SET LOCAL cursor_tuple_fraction = 1")
            # What one sort or hash may keep in memory; the rest goes to disk.
            cursor.execute("SET LOCAL work_mem = '64MB'")
        yield


def _count(table: str) -> int:
    with connection.cursor() as cursor:
        if table == SEALS:
            cursor.execute("SELECT coalesce(sum(cardinality(ids)), 0) FROM ledger_seal")
        else:
            cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608  # a name from RULES
        (rows,) = cursor.fetchone()
    return int(rows)


def _broken_rows(sql: str) -> Iterator[Break]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql)
        for row, what in cursor:
            yield Break(row, what)
