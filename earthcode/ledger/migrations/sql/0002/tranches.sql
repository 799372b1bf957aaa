-- Tranches: an award may consist of several wallets, each with its own window and its own account for what is held. Whoever draws
-- an amount from an award takes the open tranche that ends first, first; all of the amount or nothing.
--
-- A draw over several tranches locks all their accounts by id before it looks at what they have, and only then looks for its key:
-- of two workers with one key, the second finds the entry of the first.

-- Locks the tranches of an award, in the order in which accounts are locked everywhere, and another account with them.
CREATE FUNCTION ledger_lock_award(p_award bigint, p_other bigint) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM ledger_account WHERE award_id = p_award OR id = p_other ORDER BY id FOR NO KEY UPDATE;
END
$$;

-- What to take from which tranche. Only tranches that end at p_lasting_until or later (null: never) give. Call it under their locks.
CREATE FUNCTION ledger_split(
    p_award bigint, p_amount bigint, p_at timestamptz, p_lasting_until timestamptz,
    OUT wallet_ids bigint[], OUT held_ids bigint[], OUT amounts bigint[]
)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    tranche record;
    wanted bigint := p_amount;
    ending_earlier bigint := 0;
BEGIN
    FOR tranche IN
        SELECT wallet.id, held.id AS held_id, wallet.credits - wallet.debits AS available,
               wallet.closes_at < p_lasting_until AS ends_earlier
        FROM ledger_account wallet
        JOIN ledger_account held ON held.award_id = p_award AND held.tranche = wallet.tranche AND held.kind = 'held'
        WHERE wallet.award_id = p_award AND wallet.kind = 'available' AND wallet.credits > wallet.debits
          AND p_at >= coalesce(wallet.opens_at, '-infinity') AND p_at < coalesce(wallet.closes_at, 'infinity')
        ORDER BY wallet.closes_at NULLS LAST, wallet.id
    LOOP
        EXIT WHEN wanted = 0;
        IF tranche.ends_earlier THEN
            ending_earlier := ending_earlier + tranche.available;
            CONTINUE;
        END IF;
        wallet_ids := wallet_ids || tranche.id;
        held_ids := held_ids || tranche.held_id;
        amounts := amounts || least(wanted, tranche.available);
        wanted := wanted - least(wanted, tranche.available);
    END LOOP;
    IF wanted > ending_earlier THEN
        RAISE EXCEPTION 'the open tranches of the award have too little' USING ERRCODE = 'LG017';
    ELSIF wanted > 0 THEN
        RAISE EXCEPTION 'credits do not outlive their window' USING ERRCODE = 'LG016';
    END IF;
END
$$;

-- Sets credits of an award aside, like ledger_hold. p_award is the code of the available account of its first tranche.
CREATE FUNCTION ledger_draw(
    p_key uuid, p_award text, p_payee text, p_amount bigint, p_expires_at timestamptz, p_actor text, p_at timestamptz
) RETURNS ledger_hold
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    hash CONSTANT bytea := ledger_fingerprint(
        'draw', p_award, p_payee, p_amount::text, extract(epoch FROM p_expires_at)::text);
    award CONSTANT bigint := ledger_account_id(p_award);
    wallet_ids bigint[];
    held_ids bigint[];
    amounts bigint[];
    hold ledger_hold;
BEGIN
    SELECT array_agg(id ORDER BY tranche) FILTER (WHERE kind = 'available'),
           array_agg(id ORDER BY tranche) FILTER (WHERE kind = 'held')
    INTO wallet_ids, held_ids
    FROM ledger_account WHERE award_id = award;
    IF cardinality(wallet_ids) = 1 THEN
        amounts := ARRAY[p_amount];
    ELSE
        PERFORM ledger_lock_award(award, NULL);
        hold.id := (ledger_replay(p_key, hash)).hold_id;
        IF hold.id IS NULL THEN
            SELECT split.wallet_ids, split.held_ids, split.amounts INTO wallet_ids, held_ids, amounts
            FROM ledger_split(award, p_amount, p_at, '-infinity') split;
        END IF;
    END IF;
    IF hold.id IS NULL THEN
        INSERT INTO ledger_draft (
            idempotency_key, request_hash, kind, actor, reason, effective_at, debit_ids, credit_ids, amounts,
            payee_id, expires_at
        )
        VALUES (
            p_key, hash, 'hold', p_actor, '', p_at, wallet_ids, held_ids, amounts, ledger_account_id(p_payee), p_expires_at
        )
        RETURNING hold_id INTO hold.id;
    END IF;
    SELECT * INTO hold FROM ledger_hold WHERE id = hold.id;
    RETURN hold;
END
$$;

-- Moves credits of an award to a wallet of another award of the same call, from tranches that end no earlier than that one.
CREATE FUNCTION ledger_transfer(
    p_key uuid, p_award text, p_wallet text, p_amount bigint, p_actor text, p_reason text, p_at timestamptz,
    OUT entry_id bigint, OUT replayed boolean
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    hash CONSTANT bytea := ledger_fingerprint('transfer', p_award, p_wallet, p_amount::text);
    award CONSTANT bigint := ledger_account_id(p_award);
    wallet ledger_account;
    wallet_ids bigint[];
    amounts bigint[];
BEGIN
    SELECT * INTO wallet FROM ledger_account WHERE id = ledger_account_id(p_wallet);
    PERFORM ledger_lock_award(award, wallet.id);
    SELECT * INTO wallet FROM ledger_account WHERE id = wallet.id;
    entry_id := (ledger_replay(p_key, hash)).id;
    replayed := entry_id IS NOT NULL;
    IF replayed THEN
        RETURN;
    ELSIF wallet.kind <> 'available' OR wallet.award_id IS NULL OR wallet.award_id = award THEN
        RAISE EXCEPTION 'a transfer goes to the wallet of another award' USING ERRCODE = 'LG001';
    ELSIF wallet.home_id <> (SELECT home_id FROM ledger_account WHERE id = award) THEN
        RAISE EXCEPTION 'the awards are not of one call' USING ERRCODE = 'LG014';
    ELSIF p_at >= wallet.closes_at THEN
        RAISE EXCEPTION 'the window of % is over', p_wallet USING ERRCODE = 'LG012';
    END IF;
    SELECT split.wallet_ids, split.amounts INTO wallet_ids, amounts
    FROM ledger_split(award, p_amount, p_at, coalesce(wallet.closes_at, 'infinity')) split;
    INSERT INTO ledger_draft (
        idempotency_key, request_hash, kind, actor, reason, effective_at, debit_ids, credit_ids, amounts
    )
    VALUES (
        p_key, hash, 'transfer', p_actor, p_reason, p_at,
        wallet_ids, array_fill(wallet.id, ARRAY[cardinality(wallet_ids)]), amounts
    )
    RETURNING ledger_draft.entry_id INTO entry_id;
END
$$;

-- Pays an award's debt, or part of it, from what the award can spend.
CREATE FUNCTION ledger_repay(
    p_key uuid, p_award text, p_amount bigint, p_actor text, p_reason text, p_at timestamptz,
    OUT entry_id bigint, OUT replayed boolean
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    hash CONSTANT bytea := ledger_fingerprint('repay', p_award, p_amount::text);
    award CONSTANT bigint := ledger_account_id(p_award);
    debt ledger_account;
    wallet_ids bigint[];
    amounts bigint[];
BEGIN
    PERFORM ledger_lock_award(award, NULL);
    SELECT * INTO debt FROM ledger_account WHERE id = ledger_debt_of(award);
    entry_id := (ledger_replay(p_key, hash)).id;
    replayed := entry_id IS NOT NULL;
    IF replayed THEN
        RETURN;
    ELSIF p_amount > debt.debits - debt.credits THEN
        RAISE EXCEPTION 'the award owes less' USING ERRCODE = 'LG015';
    END IF;
    SELECT split.wallet_ids, split.amounts INTO wallet_ids, amounts FROM ledger_split(award, p_amount, p_at, '-infinity') split;
    INSERT INTO ledger_draft (
        idempotency_key, request_hash, kind, actor, reason, effective_at, debit_ids, credit_ids, amounts
    )
    VALUES (
        p_key, hash, 'repay', p_actor, p_reason, p_at,
        wallet_ids, array_fill(debt.id, ARRAY[cardinality(wallet_ids)]), amounts
    )
    RETURNING ledger_draft.entry_id INTO entry_id;
END
$$;
