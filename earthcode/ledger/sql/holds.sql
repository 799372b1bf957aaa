-- Holds: credits set aside, taken by usage, given back.
--
-- Each function looks for its key after it has the hold's lock, and before it looks at the hold's state: of two workers with one
-- key, the second waits, finds the entry of the first, and returns it.

CREATE FUNCTION ledger_hold(
    p_key uuid, p_wallet text, p_held text, p_payee text, p_amount bigint, p_expires_at timestamptz,
    p_actor text, p_at timestamptz,
    OUT hold_id bigint, OUT replayed boolean
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO ledger_draft (
        idempotency_key, request_hash, kind, actor, reason, effective_at, debit_ids, credit_ids, amounts,
        payee_id, expires_at
    )
    VALUES (
        p_key,
        ledger_fingerprint(
            'hold', p_wallet, p_held, p_payee, p_amount::text, extract(epoch FROM p_expires_at)::text
        ),
        'hold', p_actor, '', p_at,
        ARRAY[ledger_account_id(p_wallet)], ARRAY[ledger_account_id(p_held)], ARRAY[p_amount],
        ledger_account_id(p_payee), p_expires_at
    )
    RETURNING ledger_draft.hold_id, ledger_draft.replayed INTO hold_id, replayed;
END
$$;

-- Takes an amount for the payee; with p_final, whatever is left goes back to the wallet in the same entry.
CREATE FUNCTION ledger_capture(
    p_key uuid, p_hold bigint, p_amount bigint, p_final boolean, p_actor text, p_at timestamptz,
    OUT entry_id bigint, OUT replayed boolean
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    request_hash CONSTANT bytea := ledger_fingerprint('capture', p_hold::text, p_amount::text, p_final::text);
    hold ledger_hold;
    remaining bigint;
    debit_ids bigint[];
    credit_ids bigint[];
    amounts bigint[];
BEGIN
    SELECT * INTO hold FROM ledger_hold WHERE id = p_hold FOR NO KEY UPDATE;
    entry_id := (ledger_replay(p_key, request_hash)).id;
    replayed := entry_id IS NOT NULL;
    IF replayed THEN
        RETURN;
    END IF;
    remaining := hold.authorised - hold.captured - hold.released;
    IF remaining IS NULL OR remaining = 0 OR p_at >= hold.expires_at THEN
        RAISE EXCEPTION 'hold % does not exist, is used up or has run out', p_hold USING ERRCODE = 'LG006';
    ELSIF p_amount > remaining THEN
        RAISE EXCEPTION 'hold % has % left', p_hold, remaining USING ERRCODE = 'LG010';
    END IF;
    debit_ids := ARRAY[hold.held_id];
    credit_ids := ARRAY[hold.payee_id];
    amounts := ARRAY[p_amount];
    IF p_final AND remaining > p_amount THEN
        debit_ids := debit_ids || hold.held_id;
        credit_ids := credit_ids || hold.wallet_id;
        amounts := amounts || remaining - p_amount;
    END IF;
    INSERT INTO ledger_draft (
        idempotency_key, request_hash, kind, actor, reason, effective_at, debit_ids, credit_ids, amounts, hold_id
    )
    VALUES (p_key, request_hash, 'capture', p_actor, '', p_at, debit_ids, credit_ids, amounts, p_hold)
    RETURNING ledger_draft.entry_id INTO entry_id;
END
$$;

-- Gives whatever is left back to the wallet: because somebody says so ('release') or because the hold ran out ('expire').
CREATE FUNCTION ledger_release(
    p_key uuid, p_hold bigint, p_kind text, p_actor text, p_at timestamptz,
    OUT entry_id bigint, OUT replayed boolean
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    request_hash CONSTANT bytea := ledger_fingerprint(p_kind, p_hold::text);
    hold ledger_hold;
    remaining bigint;
BEGIN
    SELECT * INTO hold FROM ledger_hold WHERE id = p_hold FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no hold %', p_hold USING ERRCODE = 'LG006';
    END IF;
    entry_id := (ledger_replay(p_key, request_hash)).id;
    replayed := entry_id IS NOT NULL;
    IF replayed THEN
        RETURN;
    END IF;
    remaining := hold.authorised - hold.captured - hold.released;
    IF remaining = 0 THEN
        RAISE EXCEPTION 'hold % has nothing left', p_hold USING ERRCODE = 'LG007';
    ELSIF p_kind = 'expire' AND p_at < hold.expires_at THEN
        RAISE EXCEPTION 'hold % has not run out', p_hold USING ERRCODE = 'LG001';
    END IF;
    INSERT INTO ledger_draft (
        idempotency_key, request_hash, kind, actor, reason, effective_at, debit_ids, credit_ids, amounts, hold_id
    )
    VALUES (
        p_key, request_hash, p_kind, p_actor, '', p_at,
        ARRAY[hold.held_id], ARRAY[hold.wallet_id], ARRAY[remaining], p_hold
    )
    RETURNING ledger_draft.entry_id INTO entry_id;
END
$$;
