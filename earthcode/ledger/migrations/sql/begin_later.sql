-- The first step of a migration after the first ones: whoever migrates becomes the owner of the books, if they have one.
DO $$
BEGIN
    IF (SELECT tableowner FROM pg_tables WHERE schemaname = 'public' AND tablename = 'ledger_entry') = 'ledger_owner' THEN
        PERFORM set_config('role', 'ledger_owner', true);
    END IF;
END
$$;
