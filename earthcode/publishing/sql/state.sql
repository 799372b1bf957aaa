-- Pages of the catalogue show maintenance that is near and what was announced, so their caches must notice a change of it.

CREATE OR REPLACE TRIGGER publishing_maintenance_changed
    AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON publishing_maintenancewindow
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed();
CREATE OR REPLACE TRIGGER publishing_announcement_changed
    AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON publishing_announcement
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed();

ALTER TABLE publishing_maintenancewindow ENABLE ALWAYS TRIGGER publishing_maintenance_changed;
ALTER TABLE publishing_announcement ENABLE ALWAYS TRIGGER publishing_announcement_changed;
