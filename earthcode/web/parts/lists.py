"""Long lists in pages, with links that keep the rest of the query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest

Row = TypeVar("Row")
ModelRow = TypeVar("ModelRow", bound=Model)


@dataclass(frozen=True)
class ListPage(Generic[Row]):
    """One page of a list: iterate over it, and hand it to ``components/pager.html``."""

    rows: Sequence[Row]
    count: int
    number: int
    pages: int
    #: Of the first and last row shown, counted from one; both zero when there are no rows.
    first: int
    last: int
    previous_url: str
    next_url: str

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def paginate(
    request: HttpRequest,
    rows: QuerySet[ModelRow] | Sequence[ModelRow],
    per_page: int = 25,
    *,
    count: int | None = None,
) -> ListPage[ModelRow]:
    """The page that ``?page=`` asks for; the first one for nonsense, the last one for too high a number.

    Two queries, or one where the page has counted the rows already (``count``).
    """
    paginator = Paginator(rows, per_page)
    if count is not None:
        paginator.count = count
    page = paginator.get_page(request.GET.get("page"))
    return ListPage(
        rows=list(page.object_list),
        count=page.paginator.count,
        number=page.number,
        pages=page.paginator.num_pages,
        first=page.start_index(),
        last=page.end_index(),
        previous_url=page_url(request, page.number - 1) if page.has_previous() else "",
        next_url=page_url(request, page.number + 1) if page.has_next() else "",
    )


def page_url(request: HttpRequest, number: int) -> str:
    """This page's address with another page number; the first page has none, so that it has one address."""
    query = request.GET.copy()
    query.pop("page", None)
    if number > 1:
        query["page"] = str(number)
    return f"{request.path}?{query.urlencode()}" if query else request.path


def before_url(request: HttpRequest, before: str) -> str:
    """This page's address, going on from another place; empty is the newest page, which has one address."""
    query = request.GET.copy()
    query.pop("before", None)
    if before:
        query["before"] = before
    return f"{request.path}?{query.urlencode()}" if query else request.path
