"""Bring a row up to date under a lock, so that two people's changes follow one another."""

from typing import TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


def lock(row: Row, *, rows: QuerySet[Row] | None = None) -> None:
    """Lock the row until the transaction ends, and read it anew: what was decided before rests on nothing older.

    One query. What was prefetched for a page is forgotten. ``rows``: where to read it from, for columns that are not needed
    (``defer``). Raises ``DoesNotExist`` where the row is gone, ``TransactionManagementError`` outside a transaction.
    """
    found: QuerySet[Row] = rows if rows is not None else type(row)._default_manager.all()
    row.refresh_from_db(from_queryset=found.select_for_update(no_key=True, of=("self",)))
