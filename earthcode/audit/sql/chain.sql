-- The audit trail is append-only, and every committed event has a link in one chain of hashes.

-- The one change there is: the words of an event can be blanked (audit_forget). Its salt goes with them, so that nobody can find out by
-- trying what they were; an event from before there were salts gets an empty words_hash. verify_audit then asks for the event that
-- says so.
CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'audit_event' AND TG_OP = 'UPDATE' THEN
        IF (NEW.id, NEW.at, NEW.name, NEW.actor_id, NEW.subject_type, NEW.subject_id, audit_facts(NEW.data))
           IS NOT DISTINCT FROM (OLD.id, OLD.at, OLD.name, OLD.actor_id, OLD.subject_type, OLD.subject_id, audit_facts(OLD.data))
           AND NEW.salt IS NULL AND NEW.words_hash = coalesce(OLD.words_hash, '') THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'AU001';
END
$$;

CREATE OR REPLACE TRIGGER audit_event_append_only
    BEFORE UPDATE OR DELETE ON audit_event
    FOR EACH ROW EXECUTE FUNCTION audit_append_only();
CREATE OR REPLACE TRIGGER audit_event_no_truncate
    BEFORE TRUNCATE ON audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
CREATE OR REPLACE TRIGGER audit_link_append_only
    BEFORE UPDATE OR DELETE ON audit_link
    FOR EACH ROW EXECUTE FUNCTION audit_append_only();
CREATE OR REPLACE TRIGGER audit_link_no_truncate
    BEFORE TRUNCATE ON audit_link
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

-- What an event says in ids, codes, numbers and times, and what it says in words: names, labels and texts. The chain has the facts, and
-- of the words a salted hash, so that words can be forgotten and the chain still holds.
CREATE OR REPLACE FUNCTION audit_is_code(value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE jsonb_typeof(value)
        WHEN 'string' THEN value #>> '{}' ~ '^([a-z0-9_.:+/-]*|[A-Z]{2,}(-[0-9]+)+|[0-9TZ:.+-]+)$'
        WHEN 'array' THEN NOT EXISTS (SELECT FROM jsonb_array_elements(value) element WHERE NOT audit_is_code(element))
        WHEN 'object' THEN false
        ELSE true END
$$;

CREATE OR REPLACE FUNCTION audit_facts(data jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(data)
    WHERE key NOT IN ('name', 'title', 'label', 'email') AND audit_is_code(value)
$$;

-- Each field with its length in front, so that no two different events read the same. verify.py derives the same bytes on its own;
-- change both or neither.
CREATE OR REPLACE FUNCTION audit_fields(VARIADIC fields text[]) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT string_agg(length(field) || ':' || field, '' ORDER BY place) FROM unnest(fields) WITH ORDINALITY AS each (field, place)
$$;

CREATE OR REPLACE FUNCTION audit_canonical(e audit_event) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN e.words_hash IS NULL THEN audit_fields(  -- as all were before words could be forgotten
        e.id::text, to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), e.name, e.actor_id, e.actor_name,
        e.subject_type, e.subject_id, e.subject_label, e.data::text
    ) ELSE audit_fields(
        e.id::text, to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), e.name, e.actor_id,
        e.subject_type, e.subject_id, audit_facts(e.data)::text, encode(e.words_hash, 'hex')
    ) END
$$;

CREATE OR REPLACE FUNCTION audit_hash_words() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.salt := uuid_send(gen_random_uuid());
    NEW.words_hash := sha256(
        NEW.salt || convert_to(audit_fields(NEW.actor_name, NEW.subject_label, (NEW.data - ARRAY(
            SELECT jsonb_object_keys(audit_facts(NEW.data))))::text), 'UTF8'));
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER audit_event_hash_words
    BEFORE INSERT ON audit_event
    FOR EACH ROW EXECUTE FUNCTION audit_hash_words();

-- Puts a pseudonym in place of somebody (an actor's id) and of their names, wherever an event has them, and returns the numbers of
-- those events. Whoever calls it records them, or verify_audit finds words missing that nobody said were forgotten.
CREATE OR REPLACE FUNCTION audit_forget(p_actor text, p_names text[], p_pseudonym text) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    -- As they stand in JSON as well.
    names CONSTANT text[] := ARRAY(
        SELECT DISTINCT written FROM unnest(p_names) given CROSS JOIN LATERAL (
            VALUES (given), (substr(to_jsonb(given)::text, 2, length(to_jsonb(given)::text) - 2))) AS both_ways (written)
        WHERE length(given) >= 3);
    event audit_event;
    named text;
    forgotten bigint[] := '{}';
BEGIN
    FOR event IN
        SELECT * FROM audit_event
        WHERE actor_id = p_actor OR EXISTS (
            SELECT FROM unnest(names) AS each (name)
            WHERE strpos(actor_name, each.name) + strpos(subject_label, each.name) + strpos(data::text, each.name) > 0)
        ORDER BY id
    LOOP
        IF event.actor_id = p_actor THEN
            event.actor_name := p_pseudonym;
        END IF;
        FOREACH named IN ARRAY names LOOP
            event.actor_name := replace(event.actor_name, named, p_pseudonym);
            event.subject_label := replace(event.subject_label, named, p_pseudonym);
            event.data := audit_facts(event.data)
                || replace((event.data - ARRAY(SELECT jsonb_object_keys(audit_facts(event.data))))::text, named, p_pseudonym)::jsonb;
        END LOOP;
        UPDATE audit_event
        SET actor_name = event.actor_name, subject_label = event.subject_label, data = event.data,
            salt = NULL, words_hash = coalesce(event.words_hash, '')
        WHERE id = event.id;
        forgotten := forgotten || event.id;
    END LOOP;
    RETURN forgotten;
END
$$;

REVOKE ALL ON FUNCTION audit_forget FROM PUBLIC;

-- Runs at commit, not at insert: the lock on the head of the chain is then the last one a transaction takes, so it is
-- held only for the commit itself and cannot deadlock with the rows an action locks. With the rights of its owner: the site may add
-- events, and nothing but this function adds links.
CREATE OR REPLACE FUNCTION audit_add_link() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    head audit_link;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('audit_link'));
    SELECT * INTO head FROM audit_link ORDER BY position DESC LIMIT 1;
    INSERT INTO audit_link (position, event_id, hash)
    VALUES (
        coalesce(head.position, 0) + 1,
        NEW.id,
        sha256(coalesce(head.hash, '\x'::bytea) || convert_to(audit_canonical(NEW), 'UTF8'))
    );
    RETURN NULL;
END
$$;

DROP TRIGGER IF EXISTS audit_event_is_linked ON audit_event;
CREATE CONSTRAINT TRIGGER audit_event_is_linked
    AFTER INSERT ON audit_event
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION audit_add_link();
