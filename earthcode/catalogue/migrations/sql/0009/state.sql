-- The row of catalogue_state (migration 0002) says which state the catalogue is in, so that pages and caches can ask in one cheap
-- query whether it changed. It is no model: clearing the tables of the models must not forget it. The numbers come from a sequence,
-- which no rollback turns back, so a number never names two states.

CREATE OR REPLACE FUNCTION catalogue_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE catalogue_state SET number = nextval('catalogue_state_numbers'), changed_at = clock_timestamp();
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER catalogue_platform_changed
    AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON catalogue_platform
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed();
CREATE OR REPLACE TRIGGER catalogue_offering_changed
    AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON catalogue_offering
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed();
CREATE OR REPLACE TRIGGER catalogue_plan_changed
    AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON catalogue_plan
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed();
CREATE OR REPLACE TRIGGER catalogue_component_changed
    AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON catalogue_component
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed();
CREATE OR REPLACE TRIGGER catalogue_rate_changed
    AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON catalogue_rate
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed();
CREATE OR REPLACE TRIGGER catalogue_provider_changed
    AFTER UPDATE OF name, slug, country, website ON identity_organisation
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed();

-- Also where other triggers are off (replication, loading a dump): a cache must never outlive what it was made from.
ALTER TABLE catalogue_platform ENABLE ALWAYS TRIGGER catalogue_platform_changed;
ALTER TABLE catalogue_offering ENABLE ALWAYS TRIGGER catalogue_offering_changed;
ALTER TABLE catalogue_plan ENABLE ALWAYS TRIGGER catalogue_plan_changed;
ALTER TABLE catalogue_component ENABLE ALWAYS TRIGGER catalogue_component_changed;
ALTER TABLE catalogue_rate ENABLE ALWAYS TRIGGER catalogue_rate_changed;
ALTER TABLE identity_organisation ENABLE ALWAYS TRIGGER catalogue_provider_changed;
