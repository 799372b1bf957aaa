-- Checkpoints bring the row of a deferred account up to date, so that reading its balance stays cheap however much was posted.

-- An entry's number is drawn before its transaction commits, so an entry may still appear below the highest number in sight. All
-- entries up to a horizon are there once every transaction has ended that could have drawn a number up to it: read the sequence,
-- then take a transaction number of our own; every transaction that drew an earlier entry has an older one (ledger_write sees to
-- that). While one of those is still running, no checkpoint is written; the clock tries again.
CREATE OR REPLACE FUNCTION ledger_write_checkpoint() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    horizon bigint;
    own_number xid8;
    account ledger_account;
    since record;
BEGIN
    IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        RAISE EXCEPTION 'a checkpoint needs a transaction of its own' USING ERRCODE = 'LG009';
    END IF;
    SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO horizon FROM ledger_entry_id_seq;
    own_number := pg_current_xact_id();
    IF pg_snapshot_xmin(pg_current_snapshot()) < own_number THEN
        RETURN NULL;
    END IF;
    SELECT * INTO account FROM ledger_account WHERE id = NEW.account_id AND deferred FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'account number % is not deferred', NEW.account_id USING ERRCODE = 'LG009';
    END IF;
    SELECT coalesce(sum(amount) FILTER (WHERE debit_id = account.id), 0)::bigint AS debits,
           coalesce(sum(amount) FILTER (WHERE credit_id = account.id), 0)::bigint AS credits,
           count(*) AS postings
    INTO since
    FROM (
        SELECT debit_id, credit_id, amount FROM ledger_posting
        WHERE debit_id = account.id AND debit_seq IS NULL AND entry_id > account.rolled_to AND entry_id <= horizon
        UNION ALL
        SELECT debit_id, credit_id, amount FROM ledger_posting
        WHERE credit_id = account.id AND credit_seq IS NULL AND entry_id > account.rolled_to AND entry_id <= horizon
    ) posting;
    IF since.postings = 0 THEN
        RETURN NULL;
    END IF;
    UPDATE ledger_account SET
        debits = account.debits + since.debits,
        credits = account.credits + since.credits,
        seq = account.seq + since.postings,
        rolled_to = horizon
    WHERE id = account.id
    RETURNING rolled_to, debits, credits, seq INTO NEW.upto_entry, NEW.debits, NEW.credits, NEW.seq;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER ledger_write_checkpoint
    BEFORE INSERT ON ledger_checkpoint
    FOR EACH ROW EXECUTE FUNCTION ledger_write_checkpoint();

-- Writes a checkpoint of a deferred account; false if nothing was posted since the last one, or if an older transaction that may
-- still post is running.
CREATE OR REPLACE FUNCTION ledger_checkpoint(p_account bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO ledger_checkpoint (account_id) VALUES (p_account);
    RETURN FOUND;
END
$$;
