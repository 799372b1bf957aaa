-- A page that shows both offerings and science is made anew when either changes (catalogue/sql/state.sql).
CREATE TRIGGER science_record_changed
    AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON science_record
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed();
ALTER TABLE science_record ENABLE ALWAYS TRIGGER science_record_changed;
