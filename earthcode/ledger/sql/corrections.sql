-- Corrections: nothing is changed or removed; a later entry gives back what an earlier one moved.

-- The mirror image of an entry, at most once. What a capture took goes back to the wallet, because its hold may have ended.
CREATE FUNCTION ledger_reverse(
    p_key uuid, p_entry bigint, p_actor text, p_reason text, p_at timestamptz,
    OUT entry_id bigint, OUT replayed boolean
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    request_hash CONSTANT bytea := ledger_fingerprint('reverse', p_entry::text);
    original ledger_entry;
    draft record;
BEGIN
    -- Those who undo one entry queue for its hold, or for the entry itself, before they look at anything.
    SELECT * INTO original FROM ledger_entry WHERE id = p_entry;
    IF original.hold_id IS NULL THEN
        PERFORM FROM ledger_entry WHERE id = p_entry FOR NO KEY UPDATE;
    ELSE
        PERFORM FROM ledger_hold WHERE id = original.hold_id FOR NO KEY UPDATE;
    END IF;
    entry_id := (ledger_replay(p_key, request_hash)).id;
    replayed := entry_id IS NOT NULL;
    IF replayed THEN
        RETURN;
    END IF;
    SELECT array_agg(from_id ORDER BY line DESC) AS debit_ids,
           array_agg(to_id ORDER BY line DESC) AS credit_ids,
           array_agg(amount ORDER BY line DESC) AS amounts
    INTO draft
    FROM ledger_reversible_lines(p_entry);
    IF draft.amounts IS NULL THEN
        RAISE EXCEPTION 'entry % does not exist or is of a kind that is not reversed', p_entry USING ERRCODE = 'LG008';
    ELSIF EXISTS (SELECT FROM ledger_entries_giving_back(p_entry, original.hold_id)) THEN
        RAISE EXCEPTION 'entry % was already reversed or refunded', p_entry USING ERRCODE = 'LG008';
    END IF;
    INSERT INTO ledger_draft (
        idempotency_key, request_hash, kind, actor, reason, effective_at, debit_ids, credit_ids, amounts,
        hold_id, reverses_id
    )
    VALUES (
        p_key, request_hash, 'reverse', p_actor, p_reason, p_at, draft.debit_ids, draft.credit_ids, draft.amounts,
        original.hold_id, p_entry
    )
    RETURNING ledger_draft.entry_id, ledger_draft.replayed INTO entry_id, replayed;
END
$$;

-- Gives back part of a capture, from the payee to the wallet; all refunds of one capture together never exceed it.
CREATE FUNCTION ledger_refund(
    p_key uuid, p_capture bigint, p_amount bigint, p_actor text, p_reason text, p_at timestamptz,
    OUT entry_id bigint, OUT replayed boolean
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    request_hash CONSTANT bytea := ledger_fingerprint('refund', p_capture::text, p_amount::text);
    capture ledger_entry;
    hold ledger_hold;
BEGIN
    SELECT * INTO capture FROM ledger_entry WHERE id = p_capture AND kind = 'capture';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'entry % is not a capture', p_capture USING ERRCODE = 'LG008';
    END IF;
    SELECT * INTO hold FROM ledger_hold WHERE id = capture.hold_id FOR NO KEY UPDATE;
    entry_id := (ledger_replay(p_key, request_hash)).id;
    replayed := entry_id IS NOT NULL;
    IF replayed THEN
        RETURN;
    END IF;
    INSERT INTO ledger_draft (
        idempotency_key, request_hash, kind, actor, reason, effective_at, debit_ids, credit_ids, amounts,
        hold_id, reverses_id
    )
    VALUES (
        p_key, request_hash, 'refund', p_actor, p_reason, p_at,
        ARRAY[hold.payee_id], ARRAY[hold.wallet_id], ARRAY[p_amount], hold.id, p_capture
    )
    RETURNING ledger_draft.entry_id INTO entry_id;
END
$$;

-- The lines that would undo an entry; none if it is of a kind that is not undone. The released part of a final capture went
-- back already.
CREATE FUNCTION ledger_reversible_lines(
    p_entry bigint, OUT line smallint, OUT from_id bigint, OUT to_id bigint, OUT amount bigint
) RETURNS SETOF record
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT
        posting.line,
        posting.credit_id,
        CASE WHEN posting.debit_id = hold.held_id THEN hold.wallet_id ELSE posting.debit_id END,
        posting.amount
    FROM ledger_entry entry
    JOIN ledger_posting posting ON posting.entry_id = entry.id
    LEFT JOIN ledger_hold hold ON hold.id = entry.hold_id
    WHERE entry.id = p_entry
      AND entry.kind NOT IN ('hold', 'release', 'expire', 'refund', 'reverse')
      AND posting.credit_id IS DISTINCT FROM hold.wallet_id
$$;

-- The entries that gave back of an entry so far: its reversal, and if it is a capture, refunds among the entries of its hold.
CREATE FUNCTION ledger_entries_giving_back(p_entry bigint, p_hold bigint) RETURNS SETOF bigint
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT id FROM ledger_entry WHERE reverses_id = p_entry AND kind = 'reverse'
    UNION ALL
    SELECT id FROM ledger_entry WHERE reverses_id = p_entry AND kind = 'refund' AND hold_id = p_hold
$$;

-- Called when an entry that gives back has been written: all that was given back of an entry, between any two accounts, stays
-- within what it moved. Those who give back of one capture queue for its hold; other entries are given back at most once.
CREATE FUNCTION ledger_refuse_giving_back_too_much(p_entry bigint, p_hold bigint) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF p_hold IS DISTINCT FROM (SELECT hold_id FROM ledger_entry WHERE id = p_entry) THEN
        RAISE EXCEPTION 'entry % is not of hold %', p_entry, p_hold USING ERRCODE = 'LG008';
    END IF;
    IF EXISTS (
        SELECT
        FROM (
            SELECT posting.debit_id AS from_id, posting.credit_id AS to_id, sum(posting.amount) AS amount
            FROM ledger_entries_giving_back(p_entry, p_hold) entry_id JOIN ledger_posting posting USING (entry_id)
            GROUP BY 1, 2
        ) given_back
        LEFT JOIN (
            SELECT from_id, to_id, sum(amount) AS amount FROM ledger_reversible_lines(p_entry) GROUP BY 1, 2
        ) moved USING (from_id, to_id)
        WHERE given_back.amount > coalesce(moved.amount, 0)
    ) THEN
        RAISE EXCEPTION 'more would be given back than entry % moved', p_entry USING ERRCODE = 'LG013';
    END IF;
END
$$;
