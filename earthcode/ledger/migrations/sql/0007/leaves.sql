-- What is sealed: a text for each row of the books that never changes. A row's place is (id, place): the number of the entry or of
-- the opening or closing of an account, or of a window, and within it 0 for the entry itself, 1, 2, … for its lines, -1 for the hold it made,
-- -2 for an account that was opened or closed, -3 for a window.
--
-- Sealing reads this view. verify_ledger runs the query in this file instead, so that nobody mends the books by changing the view. What follows from postings (totals, what a hold has left) is not sealed: rules
-- re-derive it. Numbers of seconds stand for times, because a time is written in the time zone of whoever reads it.
CREATE OR REPLACE VIEW ledger_leaf AS
SELECT entry.id, 0::smallint AS place, ROW(
    'entry', entry.id, entry.idempotency_key, encode(entry.request_hash, 'hex'), entry.kind, entry.hold_id, entry.reverses_id,
    entry.actor, entry.reason, extract(epoch FROM entry.effective_at), extract(epoch FROM entry.recorded_at)
)::text AS content
FROM ledger_entry entry
UNION ALL
SELECT posting.entry_id, posting.line, ROW(
    'posting', posting.entry_id, posting.line, posting.unit, posting.debit_id, posting.credit_id, posting.amount,
    posting.debit_seq, posting.debit_total, posting.credit_seq, posting.credit_total
)::text
FROM ledger_posting posting
UNION ALL
SELECT entry.id, -1, ROW(
    'hold', entry.id, hold.id, hold.wallet_id, hold.held_id, hold.payee_id, hold.tranches, hold.authorised,
    extract(epoch FROM hold.expires_at)
)::text
FROM ledger_entry entry JOIN ledger_hold hold ON hold.id = entry.hold_id
WHERE entry.kind = 'hold'
UNION ALL
SELECT event.id, -2, ROW(
    'account', event.id, event.kind, extract(epoch FROM event.recorded_at), account.id, account.code, account.kind,
    account.class, account.unit, account.has_floor, account.deferred, account.award_id, account.tranche
)::text
FROM ledger_account_event event JOIN ledger_account account ON account.id = event.account_id
UNION ALL
SELECT id, -3, ROW(
    'window', id, account_id, extract(epoch FROM opens_at), extract(epoch FROM closes_at), after_seq, idempotency_key,
    encode(request_hash, 'hex'), actor, reason, extract(epoch FROM effective_at), extract(epoch FROM recorded_at)
)::text
FROM ledger_window;
