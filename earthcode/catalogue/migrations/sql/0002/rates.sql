-- A rate is a promise: it is added, and it is closed when another takes its place. Nothing else happens to it.

CREATE FUNCTION catalogue_rate_is_kept() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND upper_inf(OLD.valid) AND lower(NEW.valid) = lower(OLD.valid)
        AND (to_jsonb(NEW) - 'valid') = (to_jsonb(OLD) - 'valid') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a rate is closed, never changed or removed (rate %)', OLD.id USING ERRCODE = 'CT001';
END
$$;

CREATE TRIGGER catalogue_rate_is_kept
    BEFORE UPDATE OR DELETE ON catalogue_rate
    FOR EACH ROW EXECUTE FUNCTION catalogue_rate_is_kept();
