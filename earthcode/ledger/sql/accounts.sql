-- Accounts: opening, closing, and what they have come to.
--
-- The functions of the ledger run with the rights of their owner (SECURITY DEFINER), so that whoever may call them need not be
-- able to write the tables. SQLSTATEs of class LG are refusals; actions.py turns each into the Refused of that name.

-- Room on each page for the next version of a row: a posting then updates the row without touching an index.
ALTER TABLE ledger_account SET (fillfactor = 60);
ALTER TABLE ledger_hold SET (fillfactor = 70);

-- An account opens empty, and its kind decides the rest, whatever the INSERT says. Nothing of this can change later (guards.sql).
CREATE FUNCTION ledger_account_opens() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    --                                      kind          class        has_floor  deferred
    SELECT rule.class, rule.has_floor, rule.deferred INTO NEW.class, NEW.has_floor, NEW.deferred
    FROM (VALUES ('commitment'::text, 'asset'::text,     false,     true),
                 ('available',        'liability',       true,      false),
                 ('held',             'liability',       true,      false),
                 ('accrued',          'liability',       false,     true),
                 ('invoiced',         'liability',       true,      false)
         ) AS rule (kind,             class,             has_floor, deferred)
    WHERE rule.kind = NEW.kind;
    IF NOT FOUND OR btrim(NEW.code) <> NEW.code OR NEW.code = '' OR NEW.unit < 1 THEN
        RAISE EXCEPTION 'an account needs a code, a unit and one of the kinds, not %', NEW.kind USING ERRCODE = 'LG001';
    END IF;
    NEW.closed := false;
    NEW.debits := 0;
    NEW.credits := 0;
    NEW.seq := 0;
    NEW.rolled_to := 0;
    RETURN NEW;
END
$$;

CREATE TRIGGER ledger_account_opens
    BEFORE INSERT ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION ledger_account_opens();

-- Gets the account of this code, or opens it. Two callers at once get the same account.
CREATE FUNCTION ledger_open_account(p_code text, p_kind text, p_unit smallint) RETURNS ledger_account
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    account ledger_account;
BEGIN
    SELECT * INTO account FROM ledger_account WHERE code = p_code;
    IF NOT FOUND THEN
        INSERT INTO ledger_account (code, kind, unit) VALUES (p_code, p_kind, p_unit)
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

-- A closed account takes no more postings. For a deferred account this holds for postings that start after it commits.
CREATE FUNCTION ledger_set_closed(p_code text, p_closed boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE ledger_account SET closed = p_closed WHERE code = p_code;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no account %', p_code USING ERRCODE = 'LG003';
    END IF;
END
$$;

-- The id of an account by its code; refuses one that does not exist.
CREATE FUNCTION ledger_account_id(p_code text) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
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
CREATE VIEW ledger_balance AS
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
