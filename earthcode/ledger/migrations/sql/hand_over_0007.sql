-- The books belong to ledger_owner, whatever the login that made them could do then: manage.py migrate has seen to it that the
-- role is there and that whoever migrates may become it. What may not be done here is an error.
DO $$
DECLARE
    thing text;
BEGIN
    GRANT USAGE, CREATE ON SCHEMA public TO ledger_owner;
    FOR thing IN
        SELECT format('%I', relname) FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relname LIKE 'ledger\_%' AND relkind IN ('r', 'v')
          AND pg_get_userbyid(relowner) <> 'ledger_owner'
    LOOP
        EXECUTE format('ALTER TABLE public.%s OWNER TO ledger_owner', thing);
    END LOOP;
    FOR thing IN
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'ledger\_%' AND pg_get_userbyid(proowner) <> 'ledger_owner'
    LOOP
        EXECUTE format('ALTER ROUTINE %s OWNER TO ledger_owner', thing);
    END LOOP;
END
$$;
