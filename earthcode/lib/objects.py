"""Whether the functions and triggers of the database are those of the release.

``<app>/sql/objects.txt`` lists them with a digest of each, as PostgreSQL knows them in a new database; ``make sql`` writes it.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from django.apps import AppConfig, apps
from django.db import connection

LIST = "objects.txt"

#: Name, kind with name, what there is to it, and whether it is switched off. Not what extensions brought.
_OBJECTS = """
    SELECT proname, format('function %s(%s)', proname, pg_get_function_identity_arguments(pg_proc.oid)),
           concat_ws(
               E'\\n', prokind, pg_get_function_arguments(pg_proc.oid), pg_get_function_result(pg_proc.oid), lanname,
               provolatile, proisstrict, prosecdef, proleakproof, proparallel, proconfig, prosrc, aggtransfn, agginitval
           ), false
    FROM pg_proc JOIN pg_language ON pg_language.oid = prolang LEFT JOIN pg_aggregate ON aggfnoid = pg_proc.oid
    WHERE pronamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e')
    UNION ALL
    SELECT tgname, format('trigger %s on %s', tgname, relname), tgenabled::text || E'\\n' || pg_get_triggerdef(pg_trigger.oid),
           tgenabled IN ('D', 'R')
    FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
    WHERE relnamespace = 'public'::regnamespace AND NOT tgisinternal
"""


def found() -> dict[str, dict[str, str]]:
    """The objects that are there: app → object → digest. What belongs to no app is under the name ``""``."""
    there: dict[str, dict[str, str]] = {}
    for app, thing, digest, _ in _there():
        there.setdefault(app, {})[thing] = digest
    return there


def _there() -> Iterator[tuple[str, str, str, bool]]:
    labels = sorted((app.label for app in apps.get_app_configs()), key=len, reverse=True)
    with connection.cursor() as cursor:
        cursor.execute(_OBJECTS)
        rows = cursor.fetchall()
    for name, thing, definition, is_off in rows:
        app = next((label for label in labels if name.startswith(f"{label}_")), "")
        yield app, thing, hashlib.sha256(definition.encode()).hexdigest()[:32], is_off


def listed(app: AppConfig) -> dict[str, str]:
    """The objects of the release: object → digest."""
    path = Path(app.path) / "sql" / LIST
    if not path.exists():
        return {}
    lines = (line.split(" ", 1) for line in path.read_text(encoding="utf-8").splitlines())
    return {thing: digest for digest, thing in lines}


def write_list(app: AppConfig, objects: Mapping[str, str]) -> bool:
    """Write down what is there as the objects of the release; whether that changed the list."""
    path = Path(app.path) / "sql" / LIST
    text = "".join(f"{digest} {thing}\n" for thing, digest in sorted(objects.items()))
    if text == (path.read_text(encoding="utf-8") if path.exists() else ""):
        return False
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True


def differences(app_label: str | None = None) -> list[tuple[str, str]]:
    """What is not as the release has it, of one app or of all: (object, what is the matter)."""
    there: dict[str, dict[str, tuple[str, bool]]] = {}
    for app, thing, digest, is_off in _there():
        there.setdefault(app, {})[thing] = (digest, is_off)
    labels = [app.label for app in apps.get_app_configs()] + [""] if app_label is None else [app_label]
    wrong: list[tuple[str, str]] = []
    for label in labels:
        release = listed(apps.get_app_config(label)) if label else {}
        has = there.get(label, {})
        wrong += [(thing, "is missing") for thing in release.keys() - has.keys()]
        wrong += [(thing, "is not of this release") for thing in has.keys() - release.keys()]
        wrong += [
            (thing, "is switched off" if has[thing][1] else "is not the one of this release")
            for thing in release.keys() & has.keys()
            if release[thing] != has[thing][0]
        ]
    return sorted(wrong)
