-- A version says what readers were shown: it is added, and nothing else ever happens to it.
CREATE FUNCTION catalogue_version_is_kept() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a version of an offering is never changed or removed' USING ERRCODE = 'CT005';
END
$$;

CREATE TRIGGER catalogue_version_is_kept
    BEFORE UPDATE OR DELETE ON catalogue_offeringversion
    FOR EACH ROW EXECUTE FUNCTION catalogue_version_is_kept();
CREATE TRIGGER catalogue_version_not_truncated
    BEFORE TRUNCATE ON catalogue_offeringversion
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_version_is_kept();

-- The numbers of an offering's versions are 1, 2, 3 and so on.
CREATE FUNCTION catalogue_version_is_next() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.number <> (
        SELECT coalesce(max(number), 0) + 1 FROM catalogue_offeringversion WHERE offering_id = NEW.offering_id
    ) THEN
        RAISE EXCEPTION 'version % is not the next one', NEW.number USING ERRCODE = 'CT005';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER catalogue_version_is_next
    BEFORE INSERT ON catalogue_offeringversion
    FOR EACH ROW EXECUTE FUNCTION catalogue_version_is_next();

-- Pages name an offering's latest version, so a new one makes them new.
CREATE TRIGGER catalogue_version_changed
    AFTER INSERT ON catalogue_offeringversion
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed();
ALTER TABLE catalogue_offeringversion ENABLE ALWAYS TRIGGER catalogue_version_changed;
