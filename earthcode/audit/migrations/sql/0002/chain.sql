-- The audit trail is append-only, and every committed event has a link in one chain of hashes.

CREATE FUNCTION audit_append_only() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'AU001';
END
$$;

CREATE TRIGGER audit_event_append_only
    BEFORE UPDATE OR DELETE ON audit_event
    FOR EACH ROW EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER audit_event_no_truncate
    BEFORE TRUNCATE ON audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER audit_link_append_only
    BEFORE UPDATE OR DELETE ON audit_link
    FOR EACH ROW EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER audit_link_no_truncate
    BEFORE TRUNCATE ON audit_link
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

-- What is hashed: each field with its length in front, so that no two different events read the same.
-- verify.py derives the same bytes on its own; change both or neither.
CREATE FUNCTION audit_canonical(e audit_event) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT string_agg(length(field) || ':' || field, '' ORDER BY place)
    FROM unnest(ARRAY[
        e.id::text,
        to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        e.name, e.actor_id, e.actor_name,
        e.subject_type, e.subject_id, e.subject_label,
        e.data::text
    ]) WITH ORDINALITY AS fields(field, place)
$$;

-- Runs at commit, not at insert: the lock on the head of the chain is then the last one a transaction takes, so it is
-- held only for the commit itself and cannot deadlock with the rows an action locks.
CREATE FUNCTION audit_add_link() RETURNS trigger
LANGUAGE plpgsql AS $$
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

CREATE CONSTRAINT TRIGGER audit_event_is_linked
    AFTER INSERT ON audit_event
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION audit_add_link();
