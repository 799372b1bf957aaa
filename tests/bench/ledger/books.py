"""A PostgreSQL server of its own, durable, with books to work on."""

import contextlib
import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[3] / ".local" / "bench-ledger"
NOW = datetime(2026, 11, 2, tzinfo=UTC)
PLENTY = 10**15
WALLETS = 1_000
HOT = "hot"
HOT_WALLET = f"award:{HOT}:available"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def durable_server(port: int | None = None, folder: Path = FOLDER) -> Iterator[str]:
    """A new server as PostgreSQL comes, so that a commit is on disk; Django is set up to use it. Gone afterwards."""
    from earthcode.demo.postgres import running

    shutil.rmtree(folder, ignore_errors=True)
    options = ("shared_buffers=1GB", "max_wal_size=8GB", "log_min_messages=fatal")
    with running(folder, port or _free_port(), *options) as server:
        server.create_database()
        os.environ["DATABASE_URL"] = server.url()
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "earthcode.settings")
        import django
        from django.core.management import call_command

        django.setup()
        for app in ("ledger", "audit"):
            call_command("migrate", app, verbosity=0)
        try:
            yield server.url()
        finally:
            from django.db import connection

            connection.close()
    shutil.rmtree(folder, ignore_errors=True)


def wallet(number: int) -> str:
    return f"award:wallet-{number}:available"


def open_books(wallets: int = WALLETS) -> None:
    """A call with plenty, wallets with plenty, one account that everybody wants, a provider."""
    from earthcode.audit.actors import System
    from earthcode.ledger import actions as ledger
    from earthcode.ledger.actions import EntryDraft, EntryKind, Line

    by = System("bench")
    ledger.fund("bench", PLENTY * 1_000, key=uuid.uuid4(), by=by, at=NOW)
    ledger.provider_accounts("provider", "bench")
    names = [f"wallet-{number}" for number in range(wallets)] + [HOT]
    for name in names:
        ledger.award_accounts(name)
    ledger.post_batch(
        [
            EntryDraft(
                EntryKind.AWARD,
                [Line("call:bench:available", f"award:{name}:available", PLENTY // 10)],
                uuid.uuid4(),
                NOW,
            )
            for name in names
        ],
        by=by,
    )


def open_hold(wallet_name: str, amount: int) -> int:
    from earthcode.audit.actors import System
    from earthcode.ledger import actions as ledger

    return ledger.hold(
        wallet=f"award:{wallet_name}:available",
        held=f"award:{wallet_name}:held",
        payee="provider:provider:bench:accrued",
        amount=amount,
        expires_at=NOW + timedelta(days=900),
        key=uuid.uuid4(),
        by=System("bench"),
        at=NOW,
    ).pk
