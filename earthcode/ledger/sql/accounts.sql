-- Accounts: opening, closing, and what they have come to.
--
-- The functions of the ledger run with the rights of their owner (SECURITY DEFINER), so that whoever may call them need not be
-- able to write the tables, and in a search path of their own. What every posting calls on the way has the path of its caller:
-- setting it anew would cost a posting a twentieth of its CPU time. SQLSTATEs of class LG are refusals; actions.py turns each into
-- the Refused of that name.

-- An account opens empty, and its kind decides the rest, whatever the INSERT says. Nothing of this can change later (guards.sql).
-- It may say which call it belongs to (home_id: the call's available account, which is its own home), and which tranche of which
-- award it is of (award_id: the available account of the award's first tranche).
CREATE OR REPLACE FUNCTION ledger_account_opens() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    award ledger_account;
BEGIN
    --                                      kind          class        has_floor  deferred
    SELECT rule.class, rule.has_floor, rule.deferred INTO NEW.class, NEW.has_floor, NEW.deferred
    FROM (VALUES ('commitment'::text, 'asset'::text,     false,     true),
                 ('available',        'liability',       true,      false),
                 ('held',             'liability',       true,      false),
                 ('accrued',          'liability',       false,     true),
                 ('invoiced',         'liability',       true,      false),
                 ('debt',             'asset',           false,     false)
         ) AS rule (kind,             class,             has_floor, deferred)
    WHERE rule.kind = NEW.kind;
    IF NOT FOUND OR btrim(NEW.code) <> NEW.code OR NEW.code = '' OR NEW.unit < 1 THEN
        RAISE EXCEPTION 'an account needs a code, a unit and one of the kinds, not %', NEW.kind USING ERRCODE = 'LG001';
    END IF;
    IF NEW.award_id <> NEW.id THEN
        SELECT * INTO award FROM ledger_account WHERE id = NEW.award_id AND award_id = id;
        NEW.home_id := award.home_id;
    END IF;
    IF (NEW.award_id IS NULL) <> (NEW.tranche IS NULL) OR NEW.award_id <> NEW.id AND award.unit IS DISTINCT FROM NEW.unit
       OR NEW.award_id IS NOT NULL AND NEW.kind NOT IN ('available', 'held', 'debt') OR NEW.home_id = NEW.award_id
       OR NEW.id IN (NEW.home_id, NEW.award_id) AND NEW.kind <> 'available'
       OR NEW.home_id <> NEW.id AND NOT EXISTS (
            SELECT FROM ledger_account home WHERE home.id = NEW.home_id AND home.home_id = home.id AND home.unit = NEW.unit)
    THEN
        RAISE EXCEPTION 'account % belongs to no such call or award', NEW.code USING ERRCODE = 'LG001';
    END IF;
    NEW.opens_at := NULL;
    NEW.closes_at := NULL;
    NEW.closed := false;
    NEW.debits := 0;
    NEW.credits := 0;
    NEW.seq := 0;
    NEW.rolled_to := 0;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER ledger_account_opens
    BEFORE INSERT ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION ledger_account_opens();

-- Gets the account of this code, or opens it. Two callers at once get the same account. p_home is the code of its call's available
-- account, p_award that of the available account of its award's first tranche; either may be its own. An account that was opened
-- without a call joins that of its first posting (ledger_join_call).
CREATE OR REPLACE FUNCTION ledger_open_account(
    p_code text, p_kind text, p_unit smallint, p_home text DEFAULT NULL, p_award text DEFAULT NULL, p_tranche smallint DEFAULT NULL
) RETURNS ledger_account
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    account ledger_account;
    own_id bigint;
BEGIN
    SELECT * INTO account FROM ledger_account WHERE code = p_code;
    IF NOT FOUND THEN
        own_id := nextval(pg_get_serial_sequence('ledger_account', 'id'));
        INSERT INTO ledger_account (id, code, kind, unit, home_id, award_id, tranche)
        VALUES (
            own_id, p_code, p_kind, p_unit,
            CASE WHEN p_home = p_code THEN own_id WHEN p_home IS NOT NULL THEN ledger_account_id(p_home) END,
            CASE WHEN p_award = p_code THEN own_id WHEN p_award IS NOT NULL THEN ledger_account_id(p_award) END,
            p_tranche
        )
        ON CONFLICT (code) DO NOTHING
        RETURNING * INTO account;
        IF NOT FOUND THEN
            SELECT * INTO account FROM ledger_account WHERE code = p_code;
        END IF;
    END IF;
    IF account.kind <> p_kind OR account.unit <> p_unit THEN
        RAISE EXCEPTION 'account % is already open as %', p_code, account.kind USING ERRCODE = 'LG001';
    END IF;
    RETURN account;
END
$$;

-- Credits stay in their call: the two accounts of a posting belong to the same one. Called where they differ: an account without
-- a call joins the other's if this is its first posting; anything else is refused.
CREATE OR REPLACE FUNCTION ledger_join_call(p_debit bigint, p_debit_home bigint, p_credit bigint, p_credit_home bigint) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    newcomer CONSTANT bigint := CASE WHEN p_debit_home IS NULL THEN p_debit ELSE p_credit END;
    call CONSTANT bigint := coalesce(p_debit_home, p_credit_home);
BEGIN
    IF p_debit_home IS NULL OR p_credit_home IS NULL THEN
        UPDATE ledger_account SET home_id = call
        WHERE id = newcomer AND home_id IS NULL AND seq <= 1 AND (NOT deferred OR NOT EXISTS (
            SELECT FROM ledger_posting WHERE debit_id = newcomer UNION ALL SELECT FROM ledger_posting WHERE credit_id = newcomer));
        IF FOUND OR EXISTS (SELECT FROM ledger_account WHERE id = newcomer AND home_id = call) THEN
            RETURN;
        END IF;
    END IF;
    RAISE EXCEPTION 'accounts % and % are not of one call', p_debit, p_credit USING ERRCODE = 'LG014';
END
$$;

-- A closed account takes no more postings. For a deferred account this holds for postings that start after it commits.
CREATE OR REPLACE FUNCTION ledger_set_closed(p_code text, p_closed boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE ledger_account SET closed = p_closed WHERE code = p_code;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no account %', p_code USING ERRCODE = 'LG003';
    END IF;
END
$$;

-- The id of an account by its code; refuses one that does not exist.
CREATE OR REPLACE FUNCTION ledger_account_id(p_code text) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    found_id bigint;
BEGIN
    SELECT id INTO found_id FROM ledger_account WHERE code = p_code;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no account %', p_code USING ERRCODE = 'LG003';
    END IF;
    RETURN found_id;
END
$$;

-- What each account has come to. A deferred account's row lags behind: what was posted since its last checkpoint is added.
CREATE OR REPLACE VIEW ledger_balance AS
SELECT
    account.id AS account_id,
    account.code,
    account.kind,
    account.class,
    account.unit,
    totals.debits,
    totals.credits,
    CASE WHEN account.class IN ('asset', 'expense') THEN totals.debits - totals.credits
         ELSE totals.credits - totals.debits END AS balance
FROM ledger_account account
CROSS JOIN LATERAL (
    SELECT account.debits, account.credits
    WHERE NOT account.deferred
    UNION ALL
    SELECT
        account.debits + coalesce((
            SELECT sum(amount)::bigint FROM ledger_posting
            WHERE debit_id = account.id AND debit_seq IS NULL AND entry_id > account.rolled_to), 0),
        account.credits + coalesce((
            SELECT sum(amount)::bigint FROM ledger_posting
            WHERE credit_id = account.id AND credit_seq IS NULL AND entry_id > account.rolled_to), 0)
    WHERE account.deferred
) totals;
