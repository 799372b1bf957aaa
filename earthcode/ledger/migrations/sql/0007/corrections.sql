-- Corrections: nothing is changed or removed; a later entry gives back what an earlier one moved.

-- The mirror image of an entry, at most once. What a capture took goes back like a refund, because its hold may have ended.
CREATE OR REPLACE FUNCTION ledger_reverse(
    p_key uuid, p_entry bigint, p_actor text, p_reason text, p_at timestamptz,
    OUT entry_id bigint, OUT replayed boolean
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    request_hash CONSTANT bytea := ledger_fingerprint('reverse', p_entry::text);
    original ledger_entry;
    hold ledger_hold;
    draft record;
BEGIN
    -- Those who undo one entry queue for its hold, or for the entry itself, before they look at anything.
    SELECT * INTO original FROM ledger_entry WHERE id = p_entry;
    IF original.hold_id IS NULL THEN
        PERFORM FROM ledger_entry WHERE id = p_entry FOR NO KEY UPDATE;
    ELSE
        SELECT * INTO hold FROM ledger_hold WHERE id = original.hold_id FOR NO KEY UPDATE;
    END IF;
    entry_id := (ledger_replay(p_key, request_hash)).id;
    replayed := entry_id IS NOT NULL;
    IF replayed THEN
        RETURN;
    END IF;
    SELECT array_agg(from_id ORDER BY line DESC) AS debit_ids,
           array_agg(to_id ORDER BY line DESC) AS credit_ids,
           array_agg(amount ORDER BY line DESC) AS amounts,
           sum(amount)::bigint AS total
    INTO draft
    FROM ledger_reversible_lines(p_entry);
    IF draft.amounts IS NULL THEN
        RAISE EXCEPTION 'entry % does not exist or is of a kind that is not reversed', p_entry USING ERRCODE = 'LG008';
    ELSIF EXISTS (SELECT FROM ledger_entries_giving_back(p_entry, original.hold_id)) THEN
        RAISE EXCEPTION 'entry % was already reversed or refunded', p_entry USING ERRCODE = 'LG008';
    ELSIF original.hold_id IS NOT NULL THEN
        SELECT back.debit_ids, back.credit_ids, back.amounts INTO draft
        FROM ledger_lines_back(p_entry, hold, draft.total, p_at) back;
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

-- Gives back part of a capture, from the payee to where it came from; all refunds of one capture together never exceed it.
CREATE OR REPLACE FUNCTION ledger_refund(
    p_key uuid, p_capture bigint, p_amount bigint, p_actor text, p_reason text, p_at timestamptz,
    OUT entry_id bigint, OUT replayed boolean
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    request_hash CONSTANT bytea := ledger_fingerprint('refund', p_capture::text, p_amount::text);
    capture ledger_entry;
    hold ledger_hold;
    draft record;
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
    SELECT * INTO draft FROM ledger_lines_back(p_capture, hold, p_amount, p_at);
    INSERT INTO ledger_draft (
        idempotency_key, request_hash, kind, actor, reason, effective_at, debit_ids, credit_ids, amounts,
        hold_id, reverses_id
    )
    VALUES (
        p_key, request_hash, 'refund', p_actor, p_reason, p_at, draft.debit_ids, draft.credit_ids, draft.amounts,
        hold.id, p_capture
    )
    RETURNING ledger_draft.entry_id INTO entry_id;
END
$$;

-- The lines that give an amount of a capture back: first what is still owed for it, then to its tranches, the one taken last, first.
-- What was owed and has been repaid goes to the hold's first tranche. A tranche whose window is over passes it on to its call.
CREATE OR REPLACE FUNCTION ledger_lines_back(
    p_capture bigint, p_hold ledger_hold, p_amount bigint, p_at timestamptz,
    OUT debit_ids bigint[], OUT credit_ids bigint[], OUT amounts bigint[]
)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    source record;
    wanted bigint := p_amount;
    part bigint;
BEGIN
    IF p_hold.tranches > 1 OR p_hold.owed > 0 THEN
        PERFORM ledger_lock_award(award_id, home_id) FROM ledger_account WHERE id = p_hold.wallet_id;
        FOR source IN
            SELECT moved.to_id, moved.amount - coalesce(given_back.amount, 0) AS amount, account.kind = 'debt' AS is_debt,
                   account.debits - account.credits AS owed
            FROM (SELECT to_id, sum(amount)::bigint AS amount FROM ledger_reversible_lines(p_capture) GROUP BY to_id) moved
            JOIN ledger_account account ON account.id = moved.to_id
            LEFT JOIN (
                SELECT posting.credit_id AS to_id, sum(posting.amount)::bigint AS amount
                FROM ledger_entries_giving_back(p_capture, p_hold.id) entry_id JOIN ledger_posting posting USING (entry_id)
                GROUP BY 1
            ) given_back USING (to_id)
            LEFT JOIN ledger_hold_part part ON part.hold_id = p_hold.id AND part.wallet_id = moved.to_id
            ORDER BY is_debt DESC, part.place DESC
        LOOP
            part := least(wanted, CASE WHEN source.is_debt THEN least(source.amount, source.owed) ELSE source.amount END);
            IF part > 0 THEN
                credit_ids := credit_ids || CASE WHEN source.is_debt THEN source.to_id
                                                 ELSE ledger_goes_back_to(source.to_id, p_at) END;
                amounts := amounts || part;
                wanted := wanted - part;
            END IF;
        END LOOP;
    END IF;
    IF wanted > 0 THEN
        credit_ids := credit_ids || ledger_goes_back_to(p_hold.wallet_id, p_at);
        amounts := amounts || wanted;
    END IF;
    debit_ids := array_fill(p_hold.payee_id, ARRAY[cardinality(amounts)]);
END
$$;

-- Whether a capture's credits may be given back to an account that is no wallet of the hold: to the debt of its award, or to its
-- call when the window of a wallet is over.
CREATE OR REPLACE FUNCTION ledger_takes_refunds(p_hold ledger_hold, p_account bigint, p_at timestamptz) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT
        FROM ledger_parts(p_hold) part
        JOIN ledger_account wallet ON wallet.id = part.wallet_id
        JOIN ledger_account account ON account.id = p_account
        WHERE account.kind = 'debt' AND account.award_id = wallet.award_id
           OR wallet.home_id = p_account AND wallet.closes_at <= p_at
    )
$$;

-- The lines that would undo an entry; none if it is of a kind that is not undone. The released part of a final capture went
-- back already.
CREATE OR REPLACE FUNCTION ledger_reversible_lines(
    p_entry bigint, OUT line smallint, OUT from_id bigint, OUT to_id bigint, OUT amount bigint
) RETURNS SETOF record
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT
        posting.line,
        posting.credit_id,
        coalesce(part.wallet_id, CASE WHEN posting.debit_id = hold.held_id THEN hold.wallet_id ELSE posting.debit_id END),
        posting.amount
    FROM ledger_entry entry
    JOIN ledger_posting posting ON posting.entry_id = entry.id
    LEFT JOIN ledger_hold hold ON hold.id = entry.hold_id
    LEFT JOIN ledger_hold_part part ON part.hold_id = hold.id AND part.held_id = posting.debit_id
    WHERE entry.id = p_entry
      AND entry.kind NOT IN ('hold', 'release', 'expire', 'lapse', 'refund', 'reverse')
      AND (hold.id IS NULL OR posting.credit_id = hold.payee_id)
$$;

-- The entries that gave back of an entry so far: its reversal, and if it is a capture, refunds among the entries of its hold.
CREATE OR REPLACE FUNCTION ledger_entries_giving_back(p_entry bigint, p_hold bigint) RETURNS SETOF bigint
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT id FROM ledger_entry WHERE reverses_id = p_entry AND kind = 'reverse'
    UNION ALL
    SELECT id FROM ledger_entry WHERE reverses_id = p_entry AND kind = 'refund' AND hold_id = p_hold
$$;

-- Called when an entry that gives back has been written: all that was given back of an entry, between any two accounts, stays
-- within what it moved. What was owed for a capture may go to its wallets instead, and all of it to the call. Those who give back of
-- one capture queue for its hold; other entries are given back at most once.
CREATE OR REPLACE FUNCTION ledger_refuse_giving_back_too_much(p_entry bigint, p_hold bigint) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF p_hold IS DISTINCT FROM (SELECT hold_id FROM ledger_entry WHERE id = p_entry) THEN
        RAISE EXCEPTION 'entry % is not of hold %', p_entry, p_hold USING ERRCODE = 'LG008';
    END IF;
    IF EXISTS (
        WITH given_back AS (
            SELECT posting.debit_id AS from_id, posting.credit_id AS to_id, sum(posting.amount) AS amount
            FROM ledger_entries_giving_back(p_entry, p_hold) entry_id JOIN ledger_posting posting USING (entry_id)
            GROUP BY 1, 2
        ),
        moved AS (
            SELECT from_id, to_id, sum(amount) AS amount FROM ledger_reversible_lines(p_entry) GROUP BY 1, 2
        )
        SELECT
        FROM given_back
        JOIN ledger_account account ON account.id = given_back.to_id
        LEFT JOIN moved USING (from_id, to_id)
        WHERE given_back.amount > coalesce(moved.amount, 0) + CASE
            WHEN p_hold IS NULL OR account.kind = 'debt' THEN 0
            ELSE coalesce((
                SELECT sum(other.amount) FROM moved other JOIN ledger_account source ON source.id = other.to_id
                WHERE source.kind = 'debt' OR account.home_id = account.id), 0)
            END
        UNION ALL
        SELECT FROM given_back
        HAVING sum(amount) > (SELECT coalesce(sum(amount), 0) FROM moved)
    ) THEN
        RAISE EXCEPTION 'more would be given back than entry % moved', p_entry USING ERRCODE = 'LG013';
    END IF;
END
$$;
