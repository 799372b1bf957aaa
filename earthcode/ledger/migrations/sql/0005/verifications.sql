-- What a verification found is written by the site itself, not by a function of the ledger: it is about the books and none of them.
DO $$
BEGIN
    IF current_user = 'ledger_owner' THEN
        GRANT SELECT, INSERT, UPDATE ON ledger_verification, ledger_broken_row TO ledger_user;
        GRANT USAGE ON SEQUENCE ledger_verification_id_seq, ledger_broken_row_id_seq TO ledger_user;
    END IF;
END
$$;
