-- Rights, where the login that migrates may create roles. Where it may not, the books stay its own, and the guards alone keep the
-- rules.
--
-- ledger_owner owns the books and nobody signs in as it; the functions run with its rights. ledger_user may read the books and
-- call the functions. A site that connects with another login than the one that migrates: GRANT ledger_user TO that login.

DO $$
DECLARE
    thing text;
BEGIN
    FOREACH thing IN ARRAY ARRAY['ledger_owner', 'ledger_user'] LOOP
        BEGIN
            -- Roles belong to the whole server: another of its databases may have made them, or be doing so right now.
            EXECUTE format('CREATE ROLE %I NOLOGIN', thing);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;

    -- May become the owner, to hand things over now and in later migrations, without having its rights all the time.
    IF NOT pg_has_role(current_user, 'ledger_owner', 'SET') THEN
        EXECUTE format('GRANT ledger_owner TO %I WITH INHERIT FALSE, SET TRUE', current_user);
    END IF;
    IF NOT pg_has_role(current_user, 'ledger_user', 'USAGE') THEN
        EXECUTE format('GRANT ledger_user TO %I WITH INHERIT TRUE', current_user);
    END IF;
    GRANT USAGE, CREATE ON SCHEMA public TO ledger_owner;

    FOR thing IN
        SELECT format('%I', tablename) FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'ledger\_%'
        UNION ALL
        SELECT format('%I', viewname) FROM pg_views WHERE schemaname = 'public' AND viewname LIKE 'ledger\_%'
    LOOP
        -- REFERENCES: tables of other apps point to holds and entries.
        EXECUTE format('GRANT SELECT, REFERENCES ON TABLE public.%s TO ledger_user', thing);
        EXECUTE format('ALTER TABLE public.%s OWNER TO ledger_owner', thing);
    END LOOP;

    FOR thing IN
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'ledger\_%'
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', thing);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO ledger_user', thing);
        EXECUTE format('ALTER FUNCTION %s OWNER TO ledger_owner', thing);
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'ledger: % may not hand the books to ledger_owner and keeps them', current_user;
END
$$;
