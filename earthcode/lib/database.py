"""Whether the database is the one this release was written for: for ``/health/ready``, the system checks and the commands."""

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from earthcode.lib import objects, rights

#: How many differences are named; the rest is counted.
NAMED_MAX = 20


def unapplied() -> list[str]:
    """The migrations of the release that the database has not had."""
    executor = MigrationExecutor(connection)
    return [f"{step.app_label}.{step.name}" for step, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]


def problems() -> list[str]:
    """What is not as this release needs it, a sentence each: migrations, functions, triggers, and the rights of the site.

    Some milliseconds. Raises what Django raises when the database does not answer.
    """
    if waiting := unapplied():
        return [f"The database has not been migrated: {_some(waiting)}. Run manage.py migrate."]
    found = [f"{thing} {matter}" for thing, matter in objects.differences()]
    found += [f"{thing}: {matter}" for thing, matter in rights.differences()]
    return [*found[:NAMED_MAX], *([f"and {len(found) - NAMED_MAX} more"] if len(found) > NAMED_MAX else [])]


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
