-- Holds: credits set aside, taken by usage, given back.
--
-- Each function looks for its key after it has the hold's lock, and before it refuses because of the hold's state: of two workers
-- with one key, the second waits, finds the entry of the first, and returns it.

-- Sets credits aside; returns the hold as it is now, which after a replay may have been used.
CREATE OR REPLACE FUNCTION ledger_hold(
    p_key uuid, p_wallet text, p_held text, p_payee text, p_amount bigint, p_expires_at timestamptz,
    p_actor text, p_at timestamptz
) RETURNS ledger_hold
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    hold ledger_hold;
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
    RETURNING hold_id INTO hold.id;
    SELECT * INTO hold FROM ledger_hold WHERE id = hold.id;
    RETURN hold;
END
$$;

-- The parts of a hold, in the order in which they are taken: an ordinary hold is its own only part.
CREATE OR REPLACE FUNCTION ledger_parts(
    p_hold ledger_hold, OUT place smallint, OUT wallet_id bigint, OUT held_id bigint, OUT remaining bigint
) RETURNS SETOF record
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
BEGIN
    IF p_hold.tranches > 1 THEN
        RETURN QUERY
        SELECT part.place, part.wallet_id, part.held_id, part.authorised - part.captured - part.released
        FROM ledger_hold_part part WHERE part.hold_id = p_hold.id ORDER BY part.place;
    ELSE
        place := 1;
        wallet_id := p_hold.wallet_id;
        held_id := p_hold.held_id;
        remaining := p_hold.authorised - p_hold.captured - p_hold.released;
        RETURN NEXT;
    END IF;
END
$$;

-- The account of what the award owes that a wallet is of; refuses a wallet that is of none.
CREATE OR REPLACE FUNCTION ledger_debt_of(p_wallet bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    found_id bigint;
BEGIN
    SELECT debt.id INTO found_id
    FROM ledger_account wallet JOIN ledger_account debt ON debt.award_id = wallet.award_id AND debt.kind = 'debt'
    WHERE wallet.id = p_wallet;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'account number % is of no award that could owe', p_wallet USING ERRCODE = 'LG003';
    END IF;
    RETURN found_id;
END
$$;

-- Takes an amount for the payee; with p_final, whatever is left goes back in the same entry. With p_beyond, the amount is recorded
-- whatever the hold has: what it has not becomes a debt of the award.
CREATE OR REPLACE FUNCTION ledger_capture(
    p_key uuid, p_hold bigint, p_amount bigint, p_final boolean, p_actor text, p_at timestamptz, p_beyond boolean DEFAULT false,
    OUT entry_id bigint, OUT replayed boolean
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    request_hash CONSTANT bytea := CASE
        WHEN p_beyond THEN ledger_fingerprint('capture', p_hold::text, p_amount::text, p_final::text, 'beyond')
        ELSE ledger_fingerprint('capture', p_hold::text, p_amount::text, p_final::text) END;
    hold ledger_hold;
    part record;
    has_left bigint;
    covered bigint;
    taken bigint;
    debit_ids bigint[];
    credit_ids bigint[];
    amounts bigint[];
BEGIN
    SELECT * INTO hold FROM ledger_hold WHERE id = p_hold FOR NO KEY UPDATE;
    has_left := CASE WHEN p_at < hold.expires_at THEN hold.authorised - hold.captured - hold.released ELSE 0 END;
    IF (has_left = 0 OR p_amount > has_left) AND NOT p_beyond OR hold.id IS NULL THEN
        -- The hold cannot give this, unless it has given it before. (If it can, ledger_write looks for the key.)
        entry_id := (ledger_replay(p_key, request_hash)).id;
        replayed := entry_id IS NOT NULL;
        IF replayed THEN
            RETURN;
        ELSIF has_left > 0 THEN
            RAISE EXCEPTION 'hold % has % left', p_hold, has_left USING ERRCODE = 'LG010';
        END IF;
        RAISE EXCEPTION 'hold % does not exist, is used up or has run out', p_hold USING ERRCODE = 'LG006';
    END IF;
    covered := least(p_amount, has_left);
    IF hold.tranches = 1 AND covered = p_amount THEN
        -- As most are; what goes back is a line of its own.
        IF p_final AND has_left > covered THEN
            debit_ids := ARRAY[hold.held_id, hold.held_id];
            credit_ids := ARRAY[hold.payee_id, ledger_goes_back_to(hold.wallet_id, p_at)];
            amounts := ARRAY[p_amount, has_left - p_amount];
        ELSE
            debit_ids := ARRAY[hold.held_id];
            credit_ids := ARRAY[hold.payee_id];
            amounts := ARRAY[p_amount];
        END IF;
    ELSE
        FOR part IN SELECT * FROM ledger_parts(hold) WHERE remaining > 0 LOOP
            taken := least(covered, part.remaining);
            covered := covered - taken;
            IF taken > 0 THEN
                debit_ids := debit_ids || part.held_id;
                credit_ids := credit_ids || hold.payee_id;
                amounts := amounts || taken;
            END IF;
            IF p_final AND part.remaining > taken THEN
                debit_ids := debit_ids || part.held_id;
                credit_ids := credit_ids || ledger_goes_back_to(part.wallet_id, p_at);
                amounts := amounts || part.remaining - taken;
            END IF;
        END LOOP;
        IF p_amount > has_left THEN
            debit_ids := debit_ids || ledger_debt_of(hold.wallet_id);
            credit_ids := credit_ids || hold.payee_id;
            amounts := amounts || p_amount - has_left;
        END IF;
    END IF;
    INSERT INTO ledger_draft (
        idempotency_key, request_hash, kind, actor, reason, effective_at, debit_ids, credit_ids, amounts, hold_id
    )
    VALUES (p_key, request_hash, 'capture', p_actor, '', p_at, debit_ids, credit_ids, amounts, p_hold)
    RETURNING ledger_draft.entry_id, ledger_draft.replayed INTO entry_id, replayed;
END
$$;

-- Gives whatever is left back: because somebody says so ('release') or because the hold ran out ('expire'). It goes back to the
-- wallet, or to its call when the wallet's window is over.
CREATE OR REPLACE FUNCTION ledger_release(
    p_key uuid, p_hold bigint, p_kind text, p_actor text, p_at timestamptz,
    OUT entry_id bigint, OUT replayed boolean
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    request_hash CONSTANT bytea := ledger_fingerprint(p_kind, p_hold::text);
    hold ledger_hold;
    draft record;
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
    IF NOT hold.is_open THEN
        RAISE EXCEPTION 'hold % has nothing left', p_hold USING ERRCODE = 'LG007';
    ELSIF p_kind = 'expire' AND p_at < hold.expires_at THEN
        RAISE EXCEPTION 'hold % has not run out', p_hold USING ERRCODE = 'LG001';
    END IF;
    SELECT array_agg(held_id ORDER BY place) AS debit_ids,
           array_agg(ledger_goes_back_to(wallet_id, p_at) ORDER BY place) AS credit_ids,
           array_agg(remaining ORDER BY place) AS amounts
    INTO draft
    FROM ledger_parts(hold) WHERE remaining > 0;
    INSERT INTO ledger_draft (
        idempotency_key, request_hash, kind, actor, reason, effective_at, debit_ids, credit_ids, amounts, hold_id
    )
    VALUES (
        p_key, request_hash, p_kind, p_actor, '', p_at, draft.debit_ids, draft.credit_ids, draft.amounts, p_hold
    )
    RETURNING ledger_draft.entry_id INTO entry_id;
END
$$;
