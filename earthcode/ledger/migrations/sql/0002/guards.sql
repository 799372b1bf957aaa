-- Guards: what the tables refuse, whoever asks, the owner and a superuser included. docs/decisions/ledger-guards.md says why
-- these and no others.
--
-- pg_trigger_depth() is 0 for a statement that a client or a function sends, and above 0 for what ledger_write and
-- ledger_write_checkpoint do, because those are triggers. Asking costs a posting about a twentieth of its CPU time.

CREATE FUNCTION ledger_refuse() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: %', TG_OP, TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'LG009';
END
$$;

-- Nothing that was written is changed or removed.
CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE ON ledger_entry
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse('a mistake is reversed, not changed');
CREATE TRIGGER ledger_posting_append_only BEFORE UPDATE OR DELETE ON ledger_posting
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse('a mistake is reversed, not changed');
CREATE TRIGGER ledger_checkpoint_append_only BEFORE UPDATE OR DELETE ON ledger_checkpoint
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse('checkpoints do not change');
CREATE TRIGGER ledger_window_append_only BEFORE UPDATE OR DELETE ON ledger_window
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse('a window is set anew, not changed');
CREATE TRIGGER ledger_hold_part_not_deleted BEFORE DELETE ON ledger_hold_part
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse('a hold is released, not removed');
CREATE TRIGGER ledger_hold_not_deleted BEFORE DELETE ON ledger_hold
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse('a hold is released, not removed');
CREATE TRIGGER ledger_account_not_deleted BEFORE DELETE ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse('an account is closed, not removed');

CREATE TRIGGER ledger_account_not_truncated BEFORE TRUNCATE ON ledger_account
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('the books are kept');
CREATE TRIGGER ledger_hold_not_truncated BEFORE TRUNCATE ON ledger_hold
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('the books are kept');
CREATE TRIGGER ledger_hold_part_not_truncated BEFORE TRUNCATE ON ledger_hold_part
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('the books are kept');
CREATE TRIGGER ledger_window_not_truncated BEFORE TRUNCATE ON ledger_window
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('the books are kept');
CREATE TRIGGER ledger_entry_not_truncated BEFORE TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('the books are kept');
CREATE TRIGGER ledger_posting_not_truncated BEFORE TRUNCATE ON ledger_posting
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('the books are kept');
CREATE TRIGGER ledger_checkpoint_not_truncated BEFORE TRUNCATE ON ledger_checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('the books are kept');

-- Entries, postings, holds and totals are written by ledger_write only.
CREATE TRIGGER ledger_entry_written_by_draft BEFORE INSERT ON ledger_entry
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION ledger_refuse('entries are written by ledger_post and its kin');
CREATE TRIGGER ledger_posting_written_by_draft BEFORE INSERT ON ledger_posting
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION ledger_refuse('postings are written by ledger_post and its kin');
CREATE TRIGGER ledger_hold_written_by_draft BEFORE INSERT OR UPDATE ON ledger_hold
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION ledger_refuse('holds are written by ledger_hold and its kin');
CREATE TRIGGER ledger_hold_part_written_by_draft BEFORE INSERT OR UPDATE ON ledger_hold_part
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION ledger_refuse('holds are written by ledger_hold and its kin');

-- Anybody who may update an account may close it or open it again; nobody may change anything else.
CREATE TRIGGER ledger_account_written_by_draft
    BEFORE UPDATE OF id, code, kind, class, unit, has_floor, deferred, home_id, award_id, tranche, opens_at, closes_at,
        debits, credits, seq, rolled_to ON ledger_account
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION ledger_refuse('totals follow postings');
