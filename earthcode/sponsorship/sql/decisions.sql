-- A decision is a promise to the applicant: it is added and never changes.
CREATE OR REPLACE FUNCTION sponsorship_decision_is_final() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'decisions are append-only' USING ERRCODE = 'SP001';
END
$$;

CREATE OR REPLACE TRIGGER sponsorship_decision_append_only
    BEFORE UPDATE OR DELETE ON sponsorship_decision
    FOR EACH ROW EXECUTE FUNCTION sponsorship_decision_is_final();
