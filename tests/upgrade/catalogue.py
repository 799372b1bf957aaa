"""What a database is made of, so that two can be compared: a line for each thing, with all there is to it."""

import os
import subprocess
from collections.abc import Iterator

import psycopg

from earthcode.demo.postgres import programs

#: Kind → a query for (name, what there is to it). Not what extensions brought.
_QUERIES = {
    "function": """
        SELECT format('%s(%s)', proname, pg_get_function_identity_arguments(oid)), concat_ws(E'\\n',
               CASE WHEN prokind <> 'a' THEN pg_get_functiondef(oid)
                    ELSE (SELECT format('%s %s', aggtransfn, agginitval) FROM pg_aggregate WHERE aggfnoid = pg_proc.oid) END,
               pg_get_userbyid(proowner))
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND {no_extension}""",
    "right on a function": """
        SELECT format('%s(%s) %s', proname, pg_get_function_identity_arguments(pg_proc.oid),
                      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END), string_agg(privilege_type, ' ')
        FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))
        WHERE pronamespace = 'public'::regnamespace AND {no_extension} GROUP BY 1""",
    "trigger": """
        SELECT format('%s on %s', tgname, tgrelid::regclass), format('%s %s', tgenabled, pg_get_triggerdef(oid))
        FROM pg_trigger WHERE NOT tgisinternal""",
    "constraint": """
        SELECT format('%s on %s', conname, conrelid::regclass), format('%s %s', convalidated, pg_get_constraintdef(oid))
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
    "index": """
        SELECT indexrelid::regclass::text, format('%s %s', indisvalid, pg_get_indexdef(indexrelid))
        FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relnamespace = 'public'::regnamespace""",
    "view": """
        SELECT oid::regclass::text, pg_get_viewdef(oid)
        FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm') AND {no_extension}""",
    "table": """
        SELECT oid::regclass::text, concat_ws(' ', relkind, pg_get_userbyid(relowner), reloptions, relpersistence, relrowsecurity)
        FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm') AND {no_extension}""",
    "right on a table": """
        SELECT format('%s %s', pg_class.oid::regclass, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END),
               string_agg(privilege_type, ' ' ORDER BY privilege_type)
        FROM pg_class, aclexplode(coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)))
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S') AND {no_extension} GROUP BY 1""",
    "column": """
        SELECT format('%s.%s', attrelid::regclass, attname), concat_ws(' ', format_type(atttypid, atttypmod), attnotnull,
               attidentity, attgenerated, attstorage, attcollation::regcollation, attacl, pg_get_expr(adbin, adrelid))
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
          AND relkind IN ('r', 'p', 'v', 'm', 'c')""",
    "sequence": """
        SELECT seqrelid::regclass::text, concat_ws(' ', format_type(seqtypid, NULL), seqstart, seqincrement, seqmax, seqmin,
               seqcache, seqcycle,
               (SELECT refobjid::regclass FROM pg_depend WHERE objid = seqrelid AND deptype IN ('a', 'i') LIMIT 1))
        FROM pg_sequence JOIN pg_class ON pg_class.oid = seqrelid WHERE relnamespace = 'public'::regnamespace""",
    "type": """
        SELECT typname, format('%s %s', typtype, (SELECT string_agg(enumlabel, ' ' ORDER BY enumsortorder) FROM pg_enum
               WHERE enumtypid = pg_type.oid)) FROM pg_type WHERE typnamespace = 'public'::regnamespace AND {no_extension}""",
    "extension": "SELECT extname, extversion FROM pg_extension",
}
#: What a copy of the structure does not have.
_OF_THE_ORIGINAL = {
    "migration": "SELECT format('%s.%s', app, name), '' FROM django_migrations",
    "invalid index": "SELECT indexrelid::regclass::text, '' FROM pg_index WHERE NOT indisvalid",
}
_NO_EXTENSION = "NOT EXISTS (SELECT FROM pg_depend WHERE objid = {table}.oid AND deptype = 'e')"
_TABLES = {"view": "pg_class", "table": "pg_class", "right on a table": "pg_class", "type": "pg_type"}


def things(url: str, copy_url: str) -> dict[str, dict[str, str]]:
    """Kind → name → all there is to it. ``copy_url`` is an empty database, into which the structure is copied first.

    PostgreSQL writes some conditions otherwise once they were read from a dump, as the earlier version's were. A copy of either
    database was read from one.
    """
    dump = subprocess.run(
        [str(programs() / "pg_dump"), "--schema-only", "--dbname", url], capture_output=True, check=True
    ).stdout
    run_psql(copy_url, dump)
    return {**_read(copy_url, _QUERIES), **_read(url, _OF_THE_ORIGINAL)}


def run_psql(url: str, statements: bytes) -> None:
    subprocess.run(
        [
            *(str(programs() / "psql"), "--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1"),
            *("--output", os.devnull, "--dbname", url),
        ],
        input=statements,
        check=True,
    )


def _read(url: str, queries: dict[str, str]) -> dict[str, dict[str, str]]:
    with psycopg.connect(url) as connection:
        connection.execute("SET search_path = public")
        return {
            kind: {
                str(name): str(what)
                for name, what in connection.execute(
                    query.replace("{no_extension}", _NO_EXTENSION.format(table=_TABLES.get(kind, "pg_proc"))).encode()
                )
            }
            for kind, query in queries.items()
        }


def differences(upgraded: dict[str, dict[str, str]], new: dict[str, dict[str, str]]) -> Iterator[str]:
    """What is not the same, a line each."""
    for kind, wanted in new.items():
        there = upgraded[kind]
        for name in sorted(wanted.keys() | there.keys()):
            if name not in there:
                yield f"{kind} {name}: is missing in the upgraded database"
            elif name not in wanted:
                yield f"{kind} {name}: is there in the upgraded database only"
            elif there[name] != wanted[name]:
                yield f"{kind} {name}: upgraded: {_short(there[name])} | new: {_short(wanted[name])}"


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= 200 else f"{one_line[:100]} … {one_line[-90:]}"
