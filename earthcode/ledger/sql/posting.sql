-- Posting: the one place where credits move.
--
-- Every movement is a draft: an entry with its lines, on its way into the books. Inserting a row into the view ledger_draft
-- runs ledger_write, which is the only code that writes entries, postings, totals of accounts and holds. A view, because
-- PostgreSQL then knows that the writing happens inside a trigger, and the guards (guards.sql) refuse every write to the tables
-- that does not. A client can pretend to have a setting or a role; it cannot pretend to be a trigger.

CREATE OR REPLACE VIEW ledger_draft AS
SELECT
    -- what the caller says
    NULL::uuid AS idempotency_key,
    NULL::bytea AS request_hash,
    NULL::text AS kind,
    NULL::text AS actor,
    NULL::text AS reason,
    NULL::timestamptz AS effective_at,
    NULL::bigint[] AS debit_ids,
    NULL::bigint[] AS credit_ids,
    NULL::bigint[] AS amounts,
    NULL::bigint AS hold_id,           -- the hold this entry changes; kind 'hold' makes one and says which
    NULL::bigint AS payee_id,          -- only for kind 'hold'
    NULL::timestamptz AS expires_at,   -- only for kind 'hold'
    NULL::bigint AS reverses_id,       -- the entry this one gives back
    -- what it gets back
    NULL::bigint AS entry_id,
    NULL::boolean AS replayed
WHERE false;

-- The type ledger_side (migration 0002): what one side of a posting finds out about its account. seq and total stay null for a
-- deferred account.

-- Adds to the debits of an account. The UPDATE is the lock, and the CHECK on the row is the floor.
CREATE OR REPLACE FUNCTION ledger_debit(p_account bigint, p_amount bigint) RETURNS ledger_side
LANGUAGE plpgsql AS $$
DECLARE
    side ledger_side;
BEGIN
    UPDATE ledger_account SET debits = debits + p_amount, seq = seq + 1
    WHERE id = p_account AND NOT deferred AND NOT closed
    RETURNING seq, debits, unit, kind, home_id, opens_at, closes_at INTO side;
    IF NOT FOUND THEN
        side := ledger_deferred_side(p_account);
    END IF;
    RETURN side;
END
$$;

-- Adds to the credits of an account.
CREATE OR REPLACE FUNCTION ledger_credit(p_account bigint, p_amount bigint) RETURNS ledger_side
LANGUAGE plpgsql AS $$
DECLARE
    side ledger_side;
BEGIN
    UPDATE ledger_account SET credits = credits + p_amount, seq = seq + 1
    WHERE id = p_account AND NOT deferred AND NOT closed
    RETURNING seq, credits, unit, kind, home_id, opens_at, closes_at INTO side;
    IF NOT FOUND THEN
        side := ledger_deferred_side(p_account);
    END IF;
    RETURN side;
END
$$;

-- A deferred account is only read, never locked. An account that is not deferred is here because it is closed or missing.
CREATE OR REPLACE FUNCTION ledger_deferred_side(p_account bigint) RETURNS ledger_side
LANGUAGE plpgsql AS $$
DECLARE
    account ledger_account;
BEGIN
    SELECT * INTO account FROM ledger_account WHERE id = p_account;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no account number %', p_account USING ERRCODE = 'LG003';
    ELSIF account.closed THEN
        RAISE EXCEPTION 'account % is closed', account.code USING ERRCODE = 'LG004';
    END IF;
    RETURN ROW(NULL, NULL, account.unit, account.kind, account.home_id, NULL, NULL)::ledger_side;
END
$$;

-- The entry that was written under a key, or null. Refuses a key that stood for another request.
CREATE OR REPLACE FUNCTION ledger_replay(p_key uuid, p_hash bytea) RETURNS ledger_entry
LANGUAGE plpgsql AS $$
DECLARE
    first ledger_entry;
BEGIN
    SELECT * INTO first FROM ledger_entry WHERE idempotency_key = p_key;
    IF FOUND AND first.request_hash <> p_hash THEN
        RAISE EXCEPTION 'key % was used for another request (entry %)', p_key, first.id USING ERRCODE = 'LG002';
    END IF;
    RETURN first;
END
$$;

CREATE OR REPLACE FUNCTION ledger_write() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    lines CONSTANT int := coalesce(cardinality(NEW.amounts), 0);
    well_formed boolean;
    hold ledger_hold;
    part_place smallint;  -- the part of the hold that a line is about; of an ordinary hold, the whole
    part_wallet bigint;
    part_held bigint;
    authorised bigint;
    payee ledger_account;
    first ledger_entry;
    debit ledger_side;
    credit ledger_side;
    taken bigint := 0;
    given_back bigint := 0;
    beyond bigint := 0;
    refund bigint := 0;
    own_transaction xid8;
BEGIN
    IF lines = 0 OR cardinality(NEW.debit_ids) IS DISTINCT FROM lines OR cardinality(NEW.credit_ids) IS DISTINCT FROM lines THEN
        RAISE EXCEPTION 'an entry needs lines, each with a debit, a credit and an amount' USING ERRCODE = 'LG001';
    END IF;

    -- Each kind by itself: PostgreSQL sets up a condition as a whole, once in each transaction, however little of it is reached.
    CASE NEW.kind
        WHEN 'hold' THEN
            well_formed := NEW.hold_id IS NULL AND NEW.payee_id <> ALL (NEW.debit_ids || NEW.credit_ids);
        WHEN 'capture', 'release', 'expire', 'refund' THEN
            well_formed := NEW.hold_id IS NOT NULL;
        WHEN 'fund', 'award', 'return', 'transfer', 'repay', 'invoice', 'settle' THEN
            well_formed := NEW.hold_id IS NULL;
        WHEN 'lapse' THEN
            well_formed := NEW.hold_id IS NULL AND lines = 1;
        WHEN 'reverse' THEN
            well_formed := true;
        ELSE
            well_formed := false;
    END CASE;
    IF NOT coalesce(well_formed, false) OR NEW.actor = ''
       OR (NEW.reverses_id IS NULL) = (NEW.kind IN ('refund', 'reverse')) THEN
        RAISE EXCEPTION 'an entry needs a kind, what that kind asks for, and an actor' USING ERRCODE = 'LG001';
    END IF;

    -- Locks are taken in one order everywhere: holds by id, then accounts by id.
    IF NEW.kind = 'hold' THEN
        NEW.hold_id := nextval('ledger_hold_id_seq');
    ELSIF NEW.hold_id IS NOT NULL THEN
        SELECT * INTO hold FROM ledger_hold WHERE id = NEW.hold_id FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'hold % does not exist', NEW.hold_id USING ERRCODE = 'LG006';
        END IF;
    END IF;

    -- The transaction takes its number before it draws an entry's, so that "all transactions older than x have ended" tells
    -- which entries can still appear: checkpoints rest on that. (Assigned, because PERFORM would run a query.)
    own_transaction := pg_current_xact_id();
    INSERT INTO ledger_entry (
        idempotency_key, request_hash, kind, hold_id, reverses_id, actor, reason, effective_at, recorded_at
    )
    VALUES (
        NEW.idempotency_key, NEW.request_hash, NEW.kind, NEW.hold_id, NEW.reverses_id,
        NEW.actor, NEW.reason, NEW.effective_at, clock_timestamp()
    )
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING id INTO NEW.entry_id;
    NEW.replayed := NEW.entry_id IS NULL;
    IF NEW.replayed THEN
        first := ledger_replay(NEW.idempotency_key, NEW.request_hash);
        NEW.entry_id := first.id;
        NEW.hold_id := first.hold_id;
        RETURN NEW;
    END IF;

    IF NEW.kind = 'hold' THEN
        IF NEW.effective_at >= NEW.expires_at THEN
            RAISE EXCEPTION 'a hold must run out after it starts' USING ERRCODE = 'LG001';
        END IF;
        SELECT * INTO payee FROM ledger_account WHERE id = NEW.payee_id;
        IF NOT FOUND OR payee.kind = 'held' THEN
            RAISE EXCEPTION 'a hold needs a payee' USING ERRCODE = 'LG003';
        END IF;
        authorised := NEW.amounts[1];
        IF lines > 1 THEN
            authorised := (SELECT sum(amount) FROM unnest(NEW.amounts) amount);
        END IF;
        INSERT INTO ledger_hold (
            id, wallet_id, held_id, payee_id, tranches, authorised, captured, released, owed, refunded, expires_at
        )
        VALUES (
            NEW.hold_id, NEW.debit_ids[1], NEW.credit_ids[1], NEW.payee_id, lines, authorised, 0, 0, 0, 0, NEW.expires_at
        )
        RETURNING * INTO hold;
        IF lines > 1 THEN
            INSERT INTO ledger_hold_part (hold_id, place, wallet_id, held_id, authorised, captured, released)
            SELECT NEW.hold_id, line.place, line.wallet_id, line.held_id, line.amount, 0, 0
            FROM unnest(NEW.debit_ids, NEW.credit_ids, NEW.amounts) WITH ORDINALITY AS line (wallet_id, held_id, amount, place);
        END IF;
    END IF;

    IF lines > 1 THEN
        IF lines = 2 THEN
            -- Of an array PostgreSQL would not know the length, and plan the statement anew each time.
            PERFORM FROM ledger_account
            WHERE id IN (NEW.debit_ids[1], NEW.debit_ids[2], NEW.credit_ids[1], NEW.credit_ids[2]) AND NOT deferred
            ORDER BY id FOR NO KEY UPDATE;
        ELSE
            PERFORM FROM ledger_account
            WHERE id = ANY (NEW.debit_ids || NEW.credit_ids) AND NOT deferred
            ORDER BY id FOR NO KEY UPDATE;
        END IF;
    END IF;

    FOR line IN 1..lines LOOP
        IF NEW.debit_ids[line] < NEW.credit_ids[line] THEN
            debit := ledger_debit(NEW.debit_ids[line], NEW.amounts[line]);
            credit := ledger_credit(NEW.credit_ids[line], NEW.amounts[line]);
        ELSE
            credit := ledger_credit(NEW.credit_ids[line], NEW.amounts[line]);
            debit := ledger_debit(NEW.debit_ids[line], NEW.amounts[line]);
        END IF;
        IF debit.unit <> credit.unit THEN
            RAISE EXCEPTION 'the two accounts count different units' USING ERRCODE = 'LG005';
        END IF;

        INSERT INTO ledger_posting (
            entry_id, line, unit, debit_id, credit_id, amount, debit_seq, debit_total, credit_seq, credit_total
        )
        VALUES (
            NEW.entry_id, line, debit.unit, NEW.debit_ids[line], NEW.credit_ids[line], NEW.amounts[line],
            debit.seq, debit.total, credit.seq, credit.total
        );

        -- Credits stay in their call, and are spent in their window.
        IF debit.home_id IS DISTINCT FROM credit.home_id THEN
            PERFORM ledger_join_call(NEW.debit_ids[line], debit.home_id, NEW.credit_ids[line], credit.home_id);
        END IF;
        IF debit.closes_at IS NOT NULL OR credit.closes_at IS NOT NULL OR debit.opens_at IS NOT NULL OR NEW.kind = 'lapse' THEN
            PERFORM ledger_refuse_outside_window(NEW.kind, NEW.effective_at, debit, NEW.credit_ids[line], credit);
        END IF;

        -- In two steps, because a condition with a query in it runs that query whatever comes first.
        IF credit.kind = 'debt' THEN
            IF EXISTS (SELECT FROM ledger_account WHERE id = NEW.credit_ids[line] AND credits > debits) THEN
                RAISE EXCEPTION 'the award owes less' USING ERRCODE = 'LG015';
            END IF;
        END IF;

        -- What a held account holds is what its open holds have left: it is moved by the hold's own entries only, and each
        -- such line is booked on the hold. A debt grows by usage beyond a hold, and shrinks when it is repaid or given back.
        IF NEW.hold_id IS NULL THEN
            IF 'held' IN (debit.kind, credit.kind) THEN
                RAISE EXCEPTION 'held credits move by holds only' USING ERRCODE = 'LG001';
            ELSIF (NEW.kind = 'repay') <> (credit.kind = 'debt') AND NEW.kind <> 'reverse'
                  OR NEW.kind = 'repay' AND debit.kind <> 'available' OR debit.kind = 'debt' AND NEW.kind <> 'reverse' THEN
                RAISE EXCEPTION 'a debt is repaid from what can be spent' USING ERRCODE = 'LG001';
            END IF;
        ELSE
            IF hold.tranches = 1 THEN
                part_wallet := hold.wallet_id;
                part_held := hold.held_id;
            ELSE
                SELECT place, wallet_id, held_id INTO part_place, part_wallet, part_held FROM ledger_hold_part
                WHERE hold_id = hold.id AND (
                    held_id IN (NEW.debit_ids[line], NEW.credit_ids[line]) OR wallet_id = NEW.credit_ids[line]);
            END IF;
            IF NEW.debit_ids[line] = part_wallet AND NEW.credit_ids[line] = part_held AND NEW.kind = 'hold' THEN
                IF debit.kind = 'held' OR credit.kind <> 'held' THEN
                    RAISE EXCEPTION 'a hold moves credits from a wallet to a held account' USING ERRCODE = 'LG001';
                ELSIF payee.unit <> debit.unit THEN
                    RAISE EXCEPTION 'the payee counts another unit' USING ERRCODE = 'LG005';
                ELSIF payee.home_id <> debit.home_id THEN
                    RAISE EXCEPTION 'the payee is paid by another call' USING ERRCODE = 'LG014';
                ELSIF lines > 1 AND ledger_debt_of(part_wallet) <> ledger_debt_of(hold.wallet_id) THEN
                    RAISE EXCEPTION 'a hold is on the tranches of one award' USING ERRCODE = 'LG001';
                END IF;
            ELSIF NEW.debit_ids[line] = part_held AND NEW.credit_ids[line] = hold.payee_id AND NEW.kind = 'capture' THEN
                IF NEW.effective_at >= hold.expires_at THEN
                    RAISE EXCEPTION 'hold % has run out', NEW.hold_id USING ERRCODE = 'LG006';
                END IF;
                taken := taken + NEW.amounts[line];
                IF hold.tranches > 1 THEN
                    UPDATE ledger_hold_part SET captured = captured + NEW.amounts[line]
                    WHERE hold_id = hold.id AND place = part_place;
                END IF;
            ELSIF NEW.debit_ids[line] = part_held AND NEW.kind IN ('capture', 'release', 'expire')
                  AND (NEW.credit_ids[line] = part_wallet
                       OR NEW.credit_ids[line] = ledger_goes_back_to(part_wallet, NEW.effective_at)) THEN
                given_back := given_back + NEW.amounts[line];
                IF hold.tranches > 1 THEN
                    UPDATE ledger_hold_part SET released = released + NEW.amounts[line]
                    WHERE hold_id = hold.id AND place = part_place;
                END IF;
            ELSIF debit.kind = 'debt' AND NEW.credit_ids[line] = hold.payee_id AND NEW.kind = 'capture'
                  AND NEW.debit_ids[line] = ledger_debt_of(hold.wallet_id) THEN
                beyond := beyond + NEW.amounts[line];
            ELSIF NEW.debit_ids[line] = hold.payee_id AND NEW.kind IN ('refund', 'reverse')
                  AND (NEW.credit_ids[line] = part_wallet
                       OR ledger_takes_refunds(hold, NEW.credit_ids[line], NEW.effective_at)) THEN
                refund := refund + NEW.amounts[line];
            ELSE
                RAISE EXCEPTION 'a % moves credits between other accounts of its hold', NEW.kind USING ERRCODE = 'LG001';
            END IF;
        END IF;
    END LOOP;

    IF taken + given_back + beyond + refund > 0 THEN
        UPDATE ledger_hold SET
            captured = captured + taken,
            released = released + given_back,
            owed = owed + beyond,
            refunded = refunded + refund
        WHERE id = NEW.hold_id;
    END IF;
    IF NEW.reverses_id IS NOT NULL THEN
        PERFORM ledger_refuse_giving_back_too_much(NEW.reverses_id, NEW.hold_id);
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER ledger_write
    INSTEAD OF INSERT ON ledger_draft
    FOR EACH ROW EXECUTE FUNCTION ledger_write();

-- Writes an entry of one line, as most are. A key that was used for the same request returns the entry it wrote then.
CREATE OR REPLACE FUNCTION ledger_post_line(
    p_key uuid, p_kind text, p_debit text, p_credit text, p_amount bigint, p_actor text, p_reason text, p_at timestamptz,
    OUT entry_id bigint, OUT replayed boolean
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO ledger_draft (
        idempotency_key, request_hash, kind, actor, reason, effective_at, debit_ids, credit_ids, amounts
    )
    VALUES (
        p_key, ledger_fingerprint(p_kind, ARRAY[p_debit]::text, ARRAY[p_credit]::text, ARRAY[p_amount]::text), p_kind,
        p_actor, p_reason, p_at,
        ARRAY[ledger_account_id(p_debit)], ARRAY[ledger_account_id(p_credit)], ARRAY[p_amount]
    )
    RETURNING ledger_draft.entry_id, ledger_draft.replayed INTO entry_id, replayed;
END
$$;

-- Writes an entry of any number of lines, all or nothing. The lines apply in their order.
CREATE OR REPLACE FUNCTION ledger_post(
    p_key uuid, p_kind text, p_debits text[], p_credits text[], p_amounts bigint[],
    p_actor text, p_reason text, p_at timestamptz,
    OUT entry_id bigint, OUT replayed boolean
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    debit_ids bigint[];
    credit_ids bigint[];
BEGIN
    FOR line IN 1..coalesce(cardinality(p_amounts), 0) LOOP
        debit_ids[line] := ledger_account_id(p_debits[line]);
        credit_ids[line] := ledger_account_id(p_credits[line]);
    END LOOP;
    INSERT INTO ledger_draft (
        idempotency_key, request_hash, kind, actor, reason, effective_at, debit_ids, credit_ids, amounts
    )
    VALUES (
        p_key, ledger_fingerprint(p_kind, p_debits::text, p_credits::text, p_amounts::text), p_kind,
        p_actor, p_reason, p_at, debit_ids, credit_ids, p_amounts
    )
    RETURNING ledger_draft.entry_id, ledger_draft.replayed INTO entry_id, replayed;
END
$$;

-- What was asked, in 32 bytes: the kind of entry and everything that decides what moves. Who asked, why and when are left
-- out: a request that is repeated after a crash may differ in them.
CREATE OR REPLACE FUNCTION ledger_fingerprint(VARIADIC p_request text[]) RETURNS bytea
LANGUAGE sql STABLE AS $$
    SELECT sha256(convert_to(p_request::text, 'UTF8'))
$$;
