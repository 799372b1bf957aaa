-- An estimate is a promise that can be shared: it is added whole, and nothing ever happens to it.

CREATE OR REPLACE FUNCTION catalogue_estimate_is_kept() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an estimate is never changed or removed (% on %)', TG_OP, TG_TABLE_NAME USING ERRCODE = 'CT002';
END
$$;

CREATE OR REPLACE TRIGGER catalogue_estimate_is_kept
    BEFORE UPDATE OR DELETE ON catalogue_estimate
    FOR EACH ROW EXECUTE FUNCTION catalogue_estimate_is_kept();
CREATE OR REPLACE TRIGGER catalogue_estimate_not_truncated
    BEFORE TRUNCATE ON catalogue_estimate
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_estimate_is_kept();
CREATE OR REPLACE TRIGGER catalogue_estimateline_is_kept
    BEFORE UPDATE OR DELETE ON catalogue_estimateline
    FOR EACH ROW EXECUTE FUNCTION catalogue_estimate_is_kept();
CREATE OR REPLACE TRIGGER catalogue_estimateline_not_truncated
    BEFORE TRUNCATE ON catalogue_estimateline
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_estimate_is_kept();

-- Lines have the places 0 to plan_count - 1, each once, and all of them are there when the estimate is committed. So
-- none can be added later.
CREATE OR REPLACE FUNCTION catalogue_estimateline_has_its_place() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM catalogue_estimate WHERE id = NEW.estimate_id AND NEW.place >= 0 AND NEW.place < plan_count;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'estimate % has no place %', NEW.estimate_id, NEW.place USING ERRCODE = 'CT003';
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER catalogue_estimateline_has_its_place
    BEFORE INSERT ON catalogue_estimateline
    FOR EACH ROW EXECUTE FUNCTION catalogue_estimateline_has_its_place();

CREATE OR REPLACE FUNCTION catalogue_estimate_is_whole() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    found record;
BEGIN
    SELECT count(*) AS lines, coalesce(sum(amount), 0) AS amount INTO found
    FROM catalogue_estimateline WHERE estimate_id = NEW.id;
    IF found.lines <> NEW.plan_count OR found.amount <> NEW.amount THEN
        RAISE EXCEPTION 'estimate %: % of % lines, which make % and not %',
            NEW.id, found.lines, NEW.plan_count, found.amount, NEW.amount USING ERRCODE = 'CT004';
    END IF;
    RETURN NULL;
END
$$;

DROP TRIGGER IF EXISTS catalogue_estimate_is_whole ON catalogue_estimate;
CREATE CONSTRAINT TRIGGER catalogue_estimate_is_whole
    AFTER INSERT ON catalogue_estimate DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION catalogue_estimate_is_whole();
