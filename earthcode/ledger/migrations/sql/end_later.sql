-- The last step of a migration after the first ones: what it added gets the rights of the rest (rights.sql), and whoever migrates
-- is nobody but themselves again.
DO $$
DECLARE
    thing text;
BEGIN
    IF current_user <> 'ledger_owner' THEN
        RETURN;
    END IF;
    FOR thing IN
        SELECT format('%I', relname) FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relname LIKE 'ledger\_%' AND relkind IN ('r', 'v')
          AND pg_has_role(relowner, 'USAGE')
    LOOP
        EXECUTE format('GRANT SELECT, REFERENCES ON TABLE public.%s TO ledger_user', thing);
    END LOOP;
    FOR thing IN
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'ledger\_%' AND pg_has_role(proowner, 'USAGE')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', thing);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO ledger_user', thing);
    END LOOP;
END
$$;
RESET ROLE;
