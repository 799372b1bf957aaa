"""What the site may do in the database it serves from.

Two logins: the *owner* migrates, and owns what migrations make; the *site* serves as a member of the role
``settings.DATABASE_SITE_ROLE``. The role may read and write tables, and less where an app says so (``AppConfig.site_rights``):
it adds to the audit trail and moves credits by the ledger's functions, and can neither change nor remove there, nor switch a
trigger off. ``manage.py migrate`` gives the rights after each run, so that a new table has them without anybody remembering.
docs/upgrading.md says how to set up the logins.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from psycopg import errors

#: What the site may do with a table of which nobody says otherwise.
EVERYTHING = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
READING = frozenset({"SELECT"})
PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN")


class RightsMissing(Exception):
    """Who migrates may not give the rights that the site needs; the message says which statements an administrator has to run."""


@dataclass(frozen=True)
class Relation:
    """A table, view or sequence, who owns it, and what the site may do with it."""

    name: str
    is_sequence: bool
    owner: str
    has: frozenset[str]

    @property
    def expected(self) -> frozenset[str]:
        if self.is_sequence:
            return frozenset({"USAGE"}) if expected_on(_table_of(self.name)) & {"INSERT"} else frozenset()
        return expected_on(self.name)


def _declared() -> dict[str, frozenset[str]]:
    """Patterns of names of tables → what the site may do with them, the longest first."""
    said: dict[str, frozenset[str]] = {"django_migrations": READING}
    for app in apps.get_app_configs():
        said |= getattr(app, "site_rights", {})
    return dict(sorted(said.items(), key=lambda item: -len(item[0])))


def expected_on(table: str) -> frozenset[str]:
    """What the site may do with a table."""
    return next((rights for pattern, rights in _declared().items() if fnmatchcase(table, pattern)), EVERYTHING)


def _table_of(sequence: str) -> str:
    return sequence.removesuffix("_seq").removesuffix("_id")


_RELATIONS = f"""
    SELECT relname, relkind = 'S', pg_get_userbyid(relowner), CASE relkind
        WHEN 'S' THEN ARRAY(
            SELECT privilege FROM unnest(ARRAY['USAGE', 'UPDATE']) privilege
            WHERE has_sequence_privilege(%(role)s, pg_class.oid, privilege))
        ELSE ARRAY(
            SELECT privilege FROM unnest(ARRAY{list(PRIVILEGES)}) privilege
            WHERE has_table_privilege(%(role)s, pg_class.oid, privilege)
               OR privilege IN ('INSERT', 'UPDATE', 'REFERENCES')
                  AND has_any_column_privilege(%(role)s, pg_class.oid, privilege))
        END
    FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
      AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
    ORDER BY relname
"""  # noqa: S608  # a list of ours

#: Functions that not everybody may call, unless the site may.
_FUNCTIONS = """
    SELECT pg_proc.oid::regprocedure::text, pg_get_userbyid(proowner) FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND NOT has_function_privilege(%s, pg_proc.oid, 'EXECUTE')
      AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e')
    ORDER BY 1
"""


def role() -> str:
    return str(settings.DATABASE_SITE_ROLE)


def relations(of: str) -> list[Relation]:
    """Every table, view and sequence, with what the login or role ``of`` may do with it."""
    with connection.cursor() as cursor:
        cursor.execute(_RELATIONS, {"role": of})
        return [Relation(name, is_seq, owner, frozenset(has)) for name, is_seq, owner, has in cursor.fetchall()]


# --- giving ----------------------------------------------------------------------------------------------------------

#: The owner of the books, their readers, and the site.
BOOKS_OWNER, BOOKS_READER = "ledger_owner", "ledger_user"


def require_roles() -> None:
    """Make the roles, or raise ``RightsMissing`` with what an administrator has to run. Before the first migration."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        (login,) = cursor.fetchone()
        lacking: list[str] = []
        for name in (BOOKS_OWNER, BOOKS_READER, role()):
            cursor.execute("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", [name])
            if not cursor.fetchone()[0] and not _done(f"CREATE ROLE {_quoted(name)} NOLOGIN"):
                lacking.append(f"CREATE ROLE {_quoted(name)} NOLOGIN;")
        for name, how, options in (
            (BOOKS_OWNER, "SET", "INHERIT FALSE, SET TRUE"),
            (BOOKS_READER, "USAGE", "INHERIT TRUE"),
        ):
            grant = f"GRANT {_quoted(name)} TO {_quoted(login)} WITH {options}"
            if not _has_role(name, how) and not _done(grant):
                lacking.append(f"{grant};")
    if lacking:
        raise RightsMissing(
            f"The login “{login}” may not make the roles that keep the site's hands off the books. "
            "Let an administrator of the database run this, and migrate again:\n  " + "\n  ".join(lacking)
        )


def _has_role(name: str, how: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s AND pg_has_role(current_user, oid, %s))",
            [name, how],
        )
        return bool(cursor.fetchone()[0])


def _done(statement: str) -> bool:
    """Run a statement about roles; False if we may not. Another database of the server may be making the role right now."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    except Exception as error:
        if isinstance(error.__cause__, errors.DuplicateObject | errors.UniqueViolation):
            return True
        if isinstance(error.__cause__, errors.InsufficientPrivilege | errors.UndefinedObject):
            return False
        raise
    return True


@transaction.atomic
def give() -> list[str]:
    """Give the site exactly the rights it should have; returns the statements that took. Raises ``RightsMissing``."""
    done: list[str] = []

    def run(owner: str, statement: str) -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT set_config('role', %s, true)", [owner])
                cursor.execute(statement)
                cursor.execute("RESET ROLE")
        except Exception as error:
            if isinstance(error.__cause__, errors.InsufficientPrivilege):
                raise RightsMissing(f"“{statement}” has to be run by {owner}: {error}") from error
            raise
        done.append(statement)

    site = _quoted(role())
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'public'")
        login, schema_owner = cursor.fetchone()
        cursor.execute(
            "SELECT has_schema_privilege(%(role)s, 'public', 'CREATE'), has_schema_privilege(%(role)s, 'public', 'USAGE')",
            {"role": role()},
        )
        may_create, may_use = cursor.fetchone()
    if schema_owner == "pg_database_owner":
        schema_owner = login
    if may_create:
        run(schema_owner, f"REVOKE CREATE ON SCHEMA public FROM PUBLIC, {site}")
    if not may_use:
        run(schema_owner, f"GRANT USAGE ON SCHEMA public TO {site}")
    for relation in relations(role()):
        kind = "SEQUENCE" if relation.is_sequence else "TABLE"
        name = f"public.{_quoted(relation.name)}"
        if relation.has - relation.expected:
            run(relation.owner, f"REVOKE ALL ON {kind} {name} FROM PUBLIC, {site}")
        if relation.has != relation.expected and relation.expected:
            run(relation.owner, f"GRANT {', '.join(sorted(relation.expected))} ON {kind} {name} TO {site}")
    with connection.cursor() as cursor:
        cursor.execute(_FUNCTIONS, [role()])
        functions = cursor.fetchall()
    for function, owner in functions:
        run(owner, f"GRANT EXECUTE ON FUNCTION {function} TO {site}")
    return done


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


# --- looking ---------------------------------------------------------------------------------------------------------


def differences() -> list[tuple[str, str]]:
    """Where the role's rights are not what they should be: (table or function, what is the matter)."""
    if not _exists(role()):
        return [(f"role {role()}", "is missing")]
    return list(_differences(role()))


def _differences(of: str) -> Iterator[tuple[str, str]]:
    for relation in relations(of):
        kind = "sequence" if relation.is_sequence else "table"
        if more := relation.has - relation.expected:
            yield f"{kind} {relation.name}", f"{of} may {_and(more)}, and should not"
        if less := relation.expected - relation.has:
            yield f"{kind} {relation.name}", f"{of} may not {_and(less)}"
    with connection.cursor() as cursor:
        cursor.execute(_FUNCTIONS, [of])
        for function, _ in cursor.fetchall():
            yield f"function {function}", f"{of} may not call it"
        cursor.execute("SELECT has_schema_privilege(%s, 'public', 'CREATE')", [of])
        if cursor.fetchone()[0]:
            yield "schema public", f"{of} may make things in it, and should not"


def excess_of_this_login() -> list[str]:
    """What whoever is connected could do to the books and the trail, and the site must not be able to."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT session_user, rolsuper, rolcreaterole, rolreplication, rolbypassrls"
            " FROM pg_roles WHERE rolname = session_user"
        )
        login, *attributes = cursor.fetchone()
        words = ("is a superuser", "may make roles", "may replicate", "passes by row security")
        found = [word for word, has in zip(words, attributes, strict=True) if has]
        if attributes[0]:
            return found
        cursor.execute(
            "SELECT rolname FROM pg_roles WHERE rolname IN (SELECT pg_get_userbyid(relowner) FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace) AND pg_has_role(session_user, oid, 'MEMBER') ORDER BY 1"
        )
        found += [f"can become {owner}, who owns tables" for (owner,) in cursor.fetchall()]
        # Programs on the server's machine: settings, files, other sessions.
        cursor.execute(
            "SELECT rolname FROM pg_roles WHERE rolname IN ('pg_write_all_data', 'pg_maintain', 'pg_database_owner',"
            " 'pg_execute_server_program', 'pg_write_server_files') AND pg_has_role(session_user, oid, 'MEMBER') ORDER BY 1"
        )
        found += [f"is a member of {group}" for (group,) in cursor.fetchall()]
    found += [f"{what}: {matter}" for what, matter in _differences(login) if matter.endswith("should not")]
    return found


def _exists(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", [name])
        return bool(cursor.fetchone()[0])


def _and(privileges: frozenset[str]) -> str:
    return ", ".join(sorted(privileges))
