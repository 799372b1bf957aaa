"""The comparison that ``make prove-upgrade`` exits by notices every kind of difference; the whole of it runs in CI."""

from pathlib import Path

import pytest

from tests.upgrade import catalogue, prove


@pytest.mark.slow
def test_each_kind_of_difference_is_named(tmp_path: Path) -> None:
    made = [
        "CREATE TABLE thing (id int PRIMARY KEY, amount int CHECK (amount > 0), name text)",
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER thing_refuse BEFORE DELETE ON thing FOR EACH ROW EXECUTE FUNCTION refuse()",
        "CREATE INDEX thing_name ON thing (name)",
        "CREATE VIEW things AS SELECT id FROM thing",
        "CREATE SEQUENCE numbers",
        "CREATE TYPE pair AS (a int, b int)",
        "CREATE TABLE django_migrations (app text, name text)",
        "INSERT INTO django_migrations VALUES ('thing', '0001')",
    ]
    changed = {
        "function refuse()": "ALTER FUNCTION refuse SECURITY DEFINER",
        "right on a function refuse() PUBLIC": "REVOKE ALL ON FUNCTION refuse FROM PUBLIC",
        "trigger thing_refuse on thing": "ALTER TABLE thing DISABLE TRIGGER thing_refuse",
        "constraint thing_amount_check on thing": "ALTER TABLE thing DROP CONSTRAINT thing_amount_check",
        "index thing_name": "DROP INDEX thing_name",
        "view things": "CREATE OR REPLACE VIEW things AS SELECT id FROM thing WHERE id > 1",
        "table thing": "ALTER TABLE thing SET (fillfactor = 50)",
        "right on a table thing PUBLIC": "GRANT UPDATE ON thing TO PUBLIC",
        "column thing.name": "ALTER TABLE thing ALTER name SET NOT NULL",
        "sequence numbers": "ALTER SEQUENCE numbers INCREMENT 2",
        "type pair": "ALTER TYPE pair RENAME TO two",
        "migration thing.0001": "DELETE FROM django_migrations",
    }
    with prove.server(tmp_path) as running:
        for name, statements in (("one", made), ("two", [*made, *changed.values()])):
            running.create_database(name)
            catalogue.run_psql(running.url(name), ";\n".join(statements).encode())
        one, two = (prove.things(running, name) for name in ("one", "two"))

    found = list(catalogue.differences(two, one))

    assert list(catalogue.differences(one, one)) == []
    assert [thing for thing in changed if not any(line.startswith(f"{thing}: ") for line in found)] == []
