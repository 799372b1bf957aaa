-- Seals: after commit, rows are hashed block by block into a chain, so that a change behind the guards is found and named.
-- docs/decisions/ledger-seals.md says what they show and what they cannot show.

-- Opening and closing an account are no entries, but they are numbered and sealed with them.
CREATE FUNCTION ledger_note_account() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.closed <> OLD.closed THEN
        -- The transaction takes its number before it draws one for the event, as ledger_write does.
        PERFORM pg_current_xact_id();
        INSERT INTO ledger_account_event (id, account_id, kind, recorded_at)
        VALUES (
            nextval('ledger_entry_id_seq'), NEW.id,
            CASE WHEN TG_OP = 'INSERT' THEN 'open' WHEN NEW.closed THEN 'close' ELSE 'reopen' END,
            clock_timestamp()
        );
    END IF;
    RETURN NEW;
END
$$;

-- Accounts that were opened before there were events.
INSERT INTO ledger_account_event (id, account_id, kind, recorded_at)
SELECT nextval('ledger_entry_id_seq'), account.id, event.kind, clock_timestamp()
FROM ledger_account account JOIN (VALUES ('open', false), ('close', true)) AS event (kind, of_closed) ON account.closed OR NOT of_closed
ORDER BY account.id, event.of_closed;

CREATE TRIGGER ledger_account_opening_is_noted AFTER INSERT ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION ledger_note_account();
CREATE TRIGGER ledger_account_closing_is_noted BEFORE UPDATE OF closed ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION ledger_note_account();

CREATE TRIGGER ledger_account_event_append_only BEFORE UPDATE OR DELETE ON ledger_account_event
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse('what happened to an account stays');
CREATE TRIGGER ledger_account_event_not_truncated BEFORE TRUNCATE ON ledger_account_event
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('the books are kept');
CREATE TRIGGER ledger_account_event_written_by_account BEFORE INSERT ON ledger_account_event
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION ledger_refuse('it is written when an account is opened or closed');

-- Inserting a seal is asking for the next one: the trigger works it out, whatever the INSERT says.
--
-- Numbers are drawn before a transaction commits, so a row may still appear below the highest number in sight, and a block that
-- was sealed too early would read as forged for ever. All rows up to a horizon are there once every transaction has ended that
-- could have drawn a number up to it: read the sequence, then, in a second statement, take a transaction number of our own. Who
-- drew an earlier number has an older one (ledger_write sees to that), and we wait until all older ones have ended. Three
-- shortcuts that look right are not: max(id), both readings in one statement, and the xmax of a snapshot.
CREATE FUNCTION ledger_write_seal() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    numbers_max CONSTANT int := 10000;   -- of one block
    give_up_at CONSTANT timestamptz := clock_timestamp() + interval '10 seconds';
    previous ledger_seal;
    since bigint;
    horizon bigint;
    own_number xid8;
    numbers record;
BEGIN
    IF pg_current_xact_id_if_assigned() IS NOT NULL OR current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'a seal needs a transaction of its own, at READ COMMITTED' USING ERRCODE = 'LG009';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('ledger_seal'));
    SELECT * INTO previous FROM ledger_seal ORDER BY id DESC LIMIT 1;
    since := coalesce(previous.upto_id, -9223372036854775808);

    SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO horizon FROM ledger_entry_id_seq;
    own_number := pg_current_xact_id();
    WHILE pg_snapshot_xmin(pg_current_snapshot()) < own_number LOOP
        IF clock_timestamp() > give_up_at THEN
            RETURN NULL;   -- something runs for long; the clock comes again
        END IF;
        PERFORM pg_sleep(0.002);
    END LOOP;

    SELECT max(id) AS last, count(*) AS count INTO numbers
    FROM (
        SELECT id
        FROM (
            SELECT id FROM ledger_entry WHERE id > since AND id <= horizon
            UNION ALL
            SELECT id FROM ledger_account_event WHERE id > since AND id <= horizon
            UNION ALL
            SELECT id FROM ledger_window WHERE id > since AND id <= horizon
        ) number
        ORDER BY id LIMIT numbers_max
    ) block;
    IF numbers.count = 0 THEN
        RETURN NULL;
    END IF;

    NEW.id := coalesce(previous.id, 0) + 1;
    NEW.upto_id := CASE WHEN numbers.count = numbers_max THEN numbers.last ELSE horizon END;
    NEW.sealed_at := clock_timestamp();
    SELECT array_agg(id), array_agg(place), string_agg(sha256(convert_to(content, 'UTF8')), ''::bytea)
    INTO NEW.ids, NEW.places, NEW.leaves
    FROM (SELECT * FROM ledger_leaf WHERE id > since AND id <= NEW.upto_id ORDER BY id, place) leaf;
    NEW.hash := sha256(
        coalesce(previous.hash, ''::bytea)
        || convert_to(
            format('%s %s %s %s %s', NEW.id, NEW.upto_id, extract(epoch FROM NEW.sealed_at), NEW.ids, NEW.places), 'UTF8')
        || NEW.leaves
    );
    RETURN NEW;
END
$$;

CREATE TRIGGER ledger_write_seal BEFORE INSERT ON ledger_seal
    FOR EACH ROW EXECUTE FUNCTION ledger_write_seal();
CREATE TRIGGER ledger_seal_append_only BEFORE UPDATE OR DELETE ON ledger_seal
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse('what was sealed stays sealed');
CREATE TRIGGER ledger_seal_not_truncated BEFORE TRUNCATE ON ledger_seal
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('the books are kept');

-- Hashes are random to a compressor: it need not try.
ALTER TABLE ledger_seal ALTER COLUMN leaves SET STORAGE EXTERNAL;

-- Seals the next block and returns its number; null if nothing was written since the last one, or if an older transaction that
-- may still write has been running for long.
CREATE FUNCTION ledger_seal_block() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    sealed bigint;
BEGIN
    INSERT INTO ledger_seal DEFAULT VALUES RETURNING id INTO sealed;
    RETURN sealed;
END
$$;
