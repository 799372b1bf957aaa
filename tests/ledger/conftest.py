"""A small set of books: one call, one award, one provider."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection

from earthcode.audit.actors import System
from earthcode.ledger import actions as ledger
from earthcode.ledger import chart, queries
from earthcode.ledger.actions import Hold, Posted
from earthcode.lib import objects
from earthcode.lib.money import credits

TABLES = (
    "ledger_account",
    "ledger_window",
    "ledger_hold",
    "ledger_hold_part",
    "ledger_entry",
    "ledger_posting",
    "ledger_checkpoint",
    "ledger_span",
    "ledger_account_event",
    "ledger_seal",
)
NOW = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
BY = System("test")


def new_key() -> uuid.UUID:
    return uuid.uuid4()


@dataclass
class Books:
    """A call that was funded with 1 000 credits and gave 100 of them to an award."""

    name: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.call = chart.call_accounts(f"call-{self.name}")
        self.award = chart.award_accounts(f"award-{self.name}")
        self.provider = chart.provider_accounts("hub-house", f"call-{self.name}")
        self.codes = [code for accounts in (self.call, self.award, self.provider) for code, _ in accounts.kinds]

    def open(self) -> "Books":
        ledger.provider_accounts("hub-house", f"call-{self.name}")
        self.fund(1_000)
        self.grant(100)
        return self

    @property
    def terms(self) -> dict[str, Any]:
        """What every action takes, with a key of its own."""
        return {"key": new_key(), "by": BY, "at": self.now}

    def fund(self, amount: int) -> Posted:
        return ledger.fund(f"call-{self.name}", credits(amount), **self.terms)

    def grant(self, amount: int, **terms: Any) -> Posted:
        return ledger.award(f"call-{self.name}", f"award-{self.name}", credits(amount), **{**self.terms, **terms})

    def hold(self, amount: int, **terms: Any) -> Hold:
        return ledger.hold(
            **{
                "wallet": self.award.available,
                "held": self.award.held,
                "payee": self.provider.accrued,
                "amount": credits(amount),
                "expires_at": self.now + timedelta(days=30),
                **self.terms,
                **terms,
            }
        )

    def balances(self) -> dict[str, int]:
        """What each account has, in credits, by the last part of its code (``call`` in front for the call's own)."""
        found = queries.balances(self.codes)
        return {
            "commitment": found[self.call.commitment] // credits(1),
            "call": found[self.call.available] // credits(1),
            "available": found[self.award.available] // credits(1),
            "held": found[self.award.held] // credits(1),
            "accrued": found[self.provider.accrued] // credits(1),
            "invoiced": found[self.provider.invoiced] // credits(1),
        }


@pytest.fixture
def books(db: None) -> Books:
    return Books().open()


#: For tests with ``committed_books``: only our own tables are emptied afterwards, which is quick.
committing = pytest.mark.django_db(transaction=True, available_apps=["earthcode.ledger", "earthcode.audit"])


@pytest.fixture
def committed_books(transactional_db: None) -> Books:
    """Books that other connections see."""
    return Books().open()


@contextmanager
def plain_connection(**options: Any) -> Iterator[psycopg.Connection[Any]]:
    """A connection that knows nothing of Django, as a superuser."""
    parameters = connection.settings_dict
    with psycopg.connect(
        host=parameters["HOST"],
        port=parameters["PORT"],
        user=parameters["USER"],
        password=parameters["PASSWORD"],
        dbname=parameters["NAME"],
        autocommit=True,
        **options,
    ) as plain:
        yield plain


@pytest.fixture
def plain(committed_books: Books) -> Iterator[psycopg.Connection[Any]]:
    with plain_connection() as connected:
        yield connected


@contextmanager
def short_spans(size: int = 3) -> Iterator[None]:
    """Spans of so many postings instead of a thousand, so that few postings make many.

    The function that says so is then not the release's, which is taken for it.
    """
    change = "CREATE OR REPLACE FUNCTION ledger_span_size() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT {}::bigint'"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_functiondef('ledger_span_size()'::regprocedure)")
        (usual,) = cursor.fetchone()
        cursor.execute(change.format(size))
    changed = {"function ledger_span_size()": objects.found()["ledger"]["function ledger_span_size()"]}
    release = objects.listed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objects, "listed", lambda app: release(app) | changed if app.label == "ledger" else release(app))
        yield
    with connection.cursor() as cursor:
        cursor.execute(usual)


def everything() -> dict[str, str]:
    """A fingerprint of each table of the books."""
    found = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT md5(coalesce(string_agg(row::text, '|' ORDER BY row::text), '')) FROM {table} row")
            found[table] = cursor.fetchone()[0]
    return found
