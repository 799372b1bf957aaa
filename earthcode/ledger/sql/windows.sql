-- Windows: from when and until when the credits of a wallet can be spent, and what happens to those that were not.
--
-- A wallet's row says what its window is now; ledger_window keeps every window it was ever given, by whom and why. after_seq is the
-- number of the wallet's last posting before the window was set, so each posting can be held against the window of its time.
-- docs/decisions/ledger-windows-and-debt.md says why the rules are these.

-- Adding a row sets the window. It can be moved until it is over, and only to an end that is still to come.
CREATE OR REPLACE FUNCTION ledger_write_window() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    wallet ledger_account;
BEGIN
    SELECT * INTO wallet FROM ledger_account WHERE id = NEW.account_id FOR NO KEY UPDATE;
    IF NOT FOUND OR wallet.kind <> 'available' OR wallet.home_id IS NULL OR wallet.home_id = wallet.id THEN
        RAISE EXCEPTION 'only what was awarded from a call has a window' USING ERRCODE = 'LG001';
    ELSIF NEW.opens_at IS NULL AND NEW.closes_at IS NULL OR NEW.opens_at >= NEW.closes_at OR NEW.actor = ''
          OR NOT isfinite(NEW.opens_at) OR NOT isfinite(NEW.closes_at) THEN
        RAISE EXCEPTION 'a window has a beginning or an end, in this order, and an actor' USING ERRCODE = 'LG001';
    ELSIF wallet.closes_at <= NEW.effective_at THEN
        RAISE EXCEPTION 'the window of % is over', wallet.code USING ERRCODE = 'LG012';
    ELSIF NEW.closes_at <= NEW.effective_at THEN
        RAISE EXCEPTION 'a window ends after it is set' USING ERRCODE = 'LG001';
    END IF;
    UPDATE ledger_account SET opens_at = NEW.opens_at, closes_at = NEW.closes_at WHERE id = wallet.id;
    -- Numbered together with the entries, so that seals cover both; ledger_write says why the transaction's number comes first.
    PERFORM pg_current_xact_id();
    NEW.id := nextval('ledger_entry_id_seq');
    NEW.after_seq := wallet.seq;
    NEW.recorded_at := clock_timestamp();
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER ledger_write_window
    BEFORE INSERT ON ledger_window
    FOR EACH ROW EXECUTE FUNCTION ledger_write_window();

CREATE OR REPLACE FUNCTION ledger_set_window(
    p_key uuid, p_wallet text, p_opens_at timestamptz, p_closes_at timestamptz, p_actor text, p_reason text, p_at timestamptz,
    OUT window_id bigint, OUT replayed boolean
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    wallet CONSTANT bigint := ledger_account_id(p_wallet);
    hash CONSTANT bytea := ledger_window_fingerprint('window', p_wallet, p_opens_at, p_closes_at);
    first ledger_window;
BEGIN
    PERFORM FROM ledger_account WHERE id = wallet FOR NO KEY UPDATE;
    SELECT * INTO first FROM ledger_window WHERE idempotency_key = p_key;
    replayed := FOUND;
    IF NOT replayed THEN
        INSERT INTO ledger_window (account_id, opens_at, closes_at, idempotency_key, request_hash, actor, reason, effective_at)
        VALUES (wallet, p_opens_at, p_closes_at, p_key, hash, p_actor, p_reason, p_at)
        RETURNING * INTO first;
    ELSIF first.request_hash <> hash THEN
        RAISE EXCEPTION 'key % was used for another window', p_key USING ERRCODE = 'LG002';
    END IF;
    window_id := first.id;
END
$$;

CREATE OR REPLACE FUNCTION ledger_window_fingerprint(
    p_kind text, p_what text, p_opens_at timestamptz, p_closes_at timestamptz
) RETURNS bytea
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT ledger_fingerprint(
        p_kind, p_what, coalesce(extract(epoch FROM p_opens_at)::text, ''), coalesce(extract(epoch FROM p_closes_at)::text, ''))
$$;

-- Moves credits from a call to a wallet that can be spent in a window. The first award to a wallet sets its window; a later one has
-- to name the window it has then.
CREATE OR REPLACE FUNCTION ledger_award(
    p_key uuid, p_call text, p_wallet text, p_amount bigint, p_opens_at timestamptz, p_closes_at timestamptz,
    p_actor text, p_reason text, p_at timestamptz,
    OUT entry_id bigint, OUT replayed boolean
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    wallet ledger_account;
    hash CONSTANT bytea := ledger_window_fingerprint(
        'award', ARRAY[p_call, p_wallet, p_amount::text]::text, p_opens_at, p_closes_at);
BEGIN
    INSERT INTO ledger_draft (
        idempotency_key, request_hash, kind, actor, reason, effective_at, debit_ids, credit_ids, amounts
    )
    VALUES (
        p_key, hash, 'award', p_actor, p_reason, p_at,
        ARRAY[ledger_account_id(p_call)], ARRAY[ledger_account_id(p_wallet)], ARRAY[p_amount]
    )
    RETURNING ledger_draft.entry_id, ledger_draft.replayed INTO entry_id, replayed;
    IF replayed THEN
        RETURN;
    END IF;
    SELECT * INTO wallet FROM ledger_account WHERE code = p_wallet;
    IF (wallet.opens_at, wallet.closes_at) IS NOT DISTINCT FROM (p_opens_at, p_closes_at) THEN
        RETURN;
    ELSIF wallet.seq > 1 THEN
        RAISE EXCEPTION 'wallet % has another window', p_wallet USING ERRCODE = 'LG001';
    END IF;
    INSERT INTO ledger_window (account_id, opens_at, closes_at, idempotency_key, request_hash, actor, reason, effective_at)
    VALUES (wallet.id, p_opens_at, p_closes_at, p_key, hash, p_actor, p_reason, p_at);
END
$$;

-- Called for each line that touches a wallet with a window. Credits leave for anywhere but their call only while the window is
-- open; nothing comes in after its end; and what moves to another wallet does not live longer there, unless a mistake is undone.
CREATE OR REPLACE FUNCTION ledger_refuse_outside_window(
    p_kind text, p_at timestamptz, p_debit ledger_side, p_credit_id bigint, p_credit ledger_side
) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF p_credit_id <> p_debit.home_id AND (p_at < p_debit.opens_at OR p_at >= p_debit.closes_at) THEN
        RAISE EXCEPTION 'these credits cannot be spent at %', p_at USING ERRCODE = 'LG012';
    ELSIF p_at >= p_credit.closes_at THEN
        RAISE EXCEPTION 'the window of these credits is over' USING ERRCODE = 'LG012';
    ELSIF p_credit_id <> p_debit.home_id AND p_kind <> 'reverse' AND p_credit.kind = 'available'
          AND p_debit.closes_at < coalesce(p_credit.closes_at, 'infinity') THEN
        RAISE EXCEPTION 'credits do not outlive their window' USING ERRCODE = 'LG016';
    ELSIF p_kind = 'lapse' AND (p_credit_id = p_debit.home_id AND p_at = p_debit.closes_at) IS NOT TRUE THEN
        RAISE EXCEPTION 'credits lapse to their call when their window ends' USING ERRCODE = 'LG001';
    END IF;
END
$$;

-- Where credits of a wallet go that come back at a moment: to the wallet, or to its call when the wallet's window is over. In
-- plpgsql, which plans its query once for each connection, not for each call.
CREATE OR REPLACE FUNCTION ledger_goes_back_to(p_wallet bigint, p_at timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    account_id bigint;
BEGIN
    SELECT CASE WHEN closes_at <= p_at THEN home_id ELSE id END INTO account_id FROM ledger_account WHERE id = p_wallet;
    RETURN account_id;
END
$$;

-- Gives what a wallet has left to its call, as an entry at the end of its window; null if there is nothing left, or if the window
-- does not end by p_before.
CREATE OR REPLACE FUNCTION ledger_lapse(p_wallet bigint, p_before timestamptz, p_actor text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    wallet ledger_account;
    posted bigint;
BEGIN
    PERFORM FROM ledger_account
    WHERE id = p_wallet OR id = (SELECT home_id FROM ledger_account WHERE id = p_wallet)
    ORDER BY id FOR NO KEY UPDATE;
    SELECT * INTO wallet FROM ledger_account WHERE id = p_wallet AND closes_at <= p_before AND credits > debits;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    -- What comes in later under an earlier date lapses again: the number of the last posting makes the key another one.
    INSERT INTO ledger_draft (
        idempotency_key, request_hash, kind, actor, reason, effective_at, debit_ids, credit_ids, amounts
    )
    VALUES (
        left(encode(ledger_fingerprint('key of lapse', p_wallet::text, wallet.seq::text), 'hex'), 32)::uuid,
        ledger_fingerprint('lapse', p_wallet::text, wallet.seq::text), 'lapse', p_actor, '', wallet.closes_at,
        ARRAY[p_wallet], ARRAY[wallet.home_id], ARRAY[wallet.credits - wallet.debits]
    )
    RETURNING entry_id INTO posted;
    RETURN posted;
END
$$;
