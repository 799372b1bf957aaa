"""Kill PostgreSQL and its clients with -9 while credits move: ``python -m tests.ledger.crashes rounds 100``.

PostgreSQL runs with durability on, on a folder of its own. Clients move credits through the actions and write down, each in
a journal of its own, what they ask and what was answered. In each round the whole server or a client is killed at a random
moment and started again; a client repeats what was not answered, with the same key. Beside them one process does what the clock
does: seals, checkpoints and spans; it is killed like a client. After each round every rule of the ledger is verified while the
clients go on, and what was acknowledged must be there.

The control does the same with asynchronous commits, whose answers come before they are on disk: it must lose some.
"""

import json
import os
import random
import socket
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

import psutil

from earthcode.demo.postgres import Server

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = 4
WALLETS = 6
AT = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
#: Asynchronous commits are written by the clock only: what the control may lose is not a matter of luck.
OPTIONS = ("shared_buffers=64MB", "max_wal_size=128MB", "wal_writer_delay=10s", "max_connections=30")


# --- a client --------------------------------------------------------------------------------------------------------


def client(journal: Path, options: str, finish: bool) -> None:
    """Repeats what the journal says was not answered; then, unless it shall finish, goes on asking until it is killed."""
    os.environ["PGOPTIONS"] = options
    holds, unanswered = _read(journal)
    dice = random.Random()  # noqa: S311  # chance, not a secret
    with journal.open("a", buffering=1, encoding="utf-8") as writing:
        while True:
            request = unanswered.pop() if unanswered else None
            if request is None:
                if finish:
                    return
                request = _think_of(dice, holds)
                writing.write(f"ask {json.dumps(request)}\n")
            moved, hold = _ask_until_answered(request)
            writing.write(f"answer {json.dumps({'key': request['key'], 'moved': moved, 'hold': hold})}\n")
            if hold is not None:
                holds.append(hold)


def _read(journal: Path) -> tuple[list[int], list[dict[str, Any]]]:
    """The holds that were not captured yet, and what was asked and not answered."""
    asked: dict[str, dict[str, Any]] = {}
    holds: list[int] = []
    for word, content in journal_lines(journal):
        if word == "ask":
            asked[content["key"]] = content
            if content["what"] == "capture" and content["hold"] in holds:
                holds.remove(content["hold"])
        else:
            del asked[content["key"]]
            if content["hold"] is not None:
                holds.append(content["hold"])
    return holds, list(asked.values())


def journal_lines(journal: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Whole lines: the last one of a client that was killed may be cut off."""
    for line in journal.read_text(encoding="utf-8").splitlines(keepends=True) if journal.exists() else ():
        word, _, content = line.partition(" ")
        if line.endswith("\n") and word in ("ask", "answer"):
            yield word, json.loads(content)


def _think_of(dice: random.Random, holds: list[int]) -> dict[str, Any]:
    what = dice.choice(["transfer", "hold", "capture", "batch"] if holds else ["transfer", "hold", "batch"])
    request: dict[str, Any] = {"key": str(uuid.uuid4()), "what": what}
    match what:
        case "capture":
            return {**request, "hold": holds.pop(dice.randrange(len(holds))), "amount": 3}
        case "hold":
            return {**request, "wallet": dice.randrange(WALLETS), "amount": 5}
        case "batch":
            moves = [[*dice.sample(range(WALLETS), 2), dice.randint(1, 9)] for _ in range(4)]
            keys = [str(uuid.uuid4()) for _ in moves]
            return {**request, "moves": moves, "keys": keys, "amount": sum(move[2] for move in moves)}
        case _:
            from_, to = dice.sample(range(WALLETS), 2)
            return {**request, "from": from_, "to": to, "amount": dice.randint(1, 9)}


def _ask_until_answered(request: dict[str, Any]) -> tuple[bool, int | None]:
    from django.db import InterfaceError, OperationalError, connection

    from earthcode.lib.errors import Refused

    while True:
        try:
            return True, _ask(request)
        except Refused:
            return False, None
        except (OperationalError, InterfaceError):  # the server is down, or coming up
            connection.close()
            time.sleep(0.02)


def _ask(request: dict[str, Any]) -> int | None:
    """Moves the credits; gives the hold if it made one."""
    from earthcode.audit.actors import System
    from earthcode.ledger import actions as ledger
    from earthcode.ledger import chart
    from earthcode.ledger.actions import EntryDraft, EntryKind, Line

    terms: dict[str, Any] = {"key": uuid.UUID(request["key"]), "by": System("crash"), "at": AT}
    wallets = [chart.award_accounts(f"wallet-{number}") for number in range(WALLETS)]
    match request["what"]:
        case "transfer":
            line = Line(wallets[request["from"]].available, wallets[request["to"]].available, request["amount"])
            ledger.post(EntryKind.TRANSFER, [line], **terms)
        case "batch":
            drafts = [
                EntryDraft(
                    EntryKind.TRANSFER,
                    [Line(wallets[from_].available, wallets[to].available, amount)],
                    key=uuid.UUID(key),
                    at=AT,
                )
                for key, (from_, to, amount) in zip(request["keys"], request["moves"], strict=True)
            ]
            ledger.post_batch(drafts, by=System("crash"))
        case "hold":
            wallet = wallets[request["wallet"]]
            return ledger.hold(
                wallet=wallet.available,
                held=wallet.held,
                payee=chart.provider_accounts("provider", "call").accrued,
                amount=request["amount"],
                expires_at=AT + timedelta(days=1),
                **terms,
            ).pk
        case "capture":
            ledger.capture(request["hold"], request["amount"], final=True, **terms)
    return None


def upkeep() -> None:
    """What the clock does with the books, over and over, until it is killed."""
    from django.db import InterfaceError, OperationalError, connection

    from earthcode.ledger import actions as ledger
    from earthcode.ledger import spans

    while True:
        try:
            ledger.seal(at=AT)
            ledger.roll_up()
            spans.write(limit=2)
        except (OperationalError, InterfaceError):  # the server is down, or coming up
            connection.close()
        time.sleep(0.1)


def _set_up_django() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "earthcode.settings")
    django.setup()


# --- the one who kills -----------------------------------------------------------------------------------------------


@dataclass
class Report:
    """What happened."""

    server_kills: int = 0
    client_kills: int = 0
    upkeep_kills: int = 0
    in_the_middle_of_a_call: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    rules_broken: list[str] = field(default_factory=list)
    seals: int = 0
    spans: int = 0
    seconds: float = 0


#: Stands for a journal that the process of the upkeep does not have.
UPKEEP = Path("upkeep")


class Clients:
    """Processes that move credits, each with its journal; and that of the upkeep, except in the control.

    There it would bring to the disk what the clients' commits do not.
    """

    def __init__(self, folder: Path, options: str) -> None:
        self.journals = [folder / f"journal-{uuid.uuid4().hex}" for _ in range(CLIENTS)]
        self._options = options
        self._running = {journal: self._start(journal) for journal in self.journals}
        if not options:
            self._running[UPKEEP] = self._start(UPKEEP)

    def _start(self, journal: Path, *, finish: bool = False) -> ForkProcess:
        from django.db import connection

        connection.close()  # a child must not talk on ours
        target, args = (upkeep, ()) if journal == UPKEEP else (client, (journal, self._options, finish))
        process = get_context("fork").Process(target=target, args=args, daemon=True)
        process.start()
        return process

    def kill(self, journal: Path) -> bool:
        """Kill one and start it again; whether it was waiting for an answer, as far as it kept a journal."""
        self._kill(journal)
        _, unanswered = _read(journal)
        self._running[journal] = self._start(journal)
        return bool(unanswered)

    def _kill(self, journal: Path) -> None:
        process = self._running[journal]
        assert process.is_alive(), "a client ended by itself"
        process.kill()
        process.join()

    def wait_until_all_move(self) -> None:
        before = {journal: self._answers(journal) for journal in self.journals}
        deadline = time.monotonic() + 60
        while any(self._answers(journal) <= count for journal, count in before.items()):
            assert all(process.is_alive() for process in self._running.values()), "a client ended by itself"
            assert time.monotonic() < deadline, "the clients do not get on"
            time.sleep(0.01)

    def _answers(self, journal: Path) -> int:
        return journal.stat().st_size if journal.exists() else 0

    def finish(self) -> None:
        """Kill all of them, and have each repeat what it had no answer to."""
        for journal in self.journals:
            self._kill(journal)
        for process in [self._start(journal, finish=True) for journal in self.journals]:
            process.join()
            assert process.exitcode == 0

    def end(self) -> None:
        for process in self._running.values():
            process.kill()
            process.join()


def kill_server(server: Server) -> None:
    """All of PostgreSQL at one stroke, and up again."""
    assert server.process is not None
    everything = [server.process, *psutil.Process(server.process.pid).children(recursive=True)]
    for process in everything:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    server.process.wait()
    server.recover()
    server.start()


def run(
    folder: Path,
    server: Server,
    *,
    server_kills: int,
    client_kills: int,
    upkeep_kills: int = 0,
    asynchronous: bool = False,
) -> Report:
    from earthcode.ledger.models import Seal, Span

    report, started = Report(), time.monotonic()
    dice = random.Random()  # noqa: S311  # chance, not a secret
    clients = Clients(folder, "-c synchronous_commit=off" if asynchronous else "")
    victims = ["server"] * server_kills + ["client"] * client_kills + ["upkeep"] * upkeep_kills
    dice.shuffle(victims)
    try:
        for victim in victims:
            clients.wait_until_all_move()
            time.sleep(dice.uniform(0, 0.2))
            if victim == "server":
                kill_server(server)
                report.server_kills += 1
            elif victim == "upkeep":
                clients.kill(UPKEEP)
                report.upkeep_kills += 1
            else:
                report.in_the_middle_of_a_call += clients.kill(dice.choice(clients.journals))
                report.client_kills += 1
            _verify(report)
        clients.finish()
        _verify(report)
        _compare(clients.journals, report)
        report.seals, report.spans = Seal.objects.count(), Span.objects.count()
    finally:
        clients.end()
    report.seconds = round(time.monotonic() - started, 1)
    return report


def _verify(report: Report) -> None:
    from django.db import connection

    from earthcode.ledger import verify

    connection.close()  # the server that it was connected to may be gone
    for finding in verify.findings():
        if not finding.holds:
            report.rules_broken.append(f"{finding.rule}: {finding.breaks[0]}")


def _compare(journals: list[Path], report: Report) -> None:
    """What was answered is in the books, and nothing is there twice or unasked."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT idempotency_key::text,
                   (SELECT sum(amount) FROM ledger_posting WHERE entry_id = entry.id AND (kind <> 'capture' OR line = 1))
            FROM ledger_entry entry WHERE actor = 'system:crash'
            """
        )
        rows = cursor.fetchall()
    written = dict(rows)
    report.doubled += len(rows) - len(written)
    asked: dict[str, int] = {}
    acknowledged: set[str] = set()
    for journal in journals:
        keys_of: dict[str, list[str]] = {}
        for word, content in journal_lines(journal):
            if word == "ask":
                amounts = {content["key"]: content["amount"]}
                if content["what"] == "batch":
                    amounts = dict(zip(content["keys"], (move[2] for move in content["moves"]), strict=True))
                asked |= amounts
                keys_of[content["key"]] = list(amounts)
            elif content["moved"]:
                acknowledged.update(keys_of[content["key"]])
    report.acknowledged += len(acknowledged)
    report.lost += len(acknowledged - written.keys())
    # Keys of an earlier run in the same books are not ours to judge.
    report.doubled += sum(written[key] != amount for key, amount in asked.items() if key in written)


@contextmanager
def books(folder: Path) -> Iterator[Server]:
    """A durable server with a call, some wallets and a provider, and this process connected to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        server = Server(folder / "postgres", probe.getsockname()[1], OPTIONS)
    server.start()
    try:
        server.create_database()
        os.environ["DATABASE_URL"] = server.url()
        _set_up_django()
        _open_books()
        yield server
    finally:
        server.stop()


def _open_books() -> None:
    from django.core.management import call_command

    from earthcode.audit.actors import System
    from earthcode.ledger import actions as ledger
    from earthcode.ledger import chart
    from earthcode.ledger.actions import EntryDraft, EntryKind, Line

    call_command("migrate", verbosity=0)
    by = System("test")
    ledger.provider_accounts("provider", "call")
    ledger.fund("call", WALLETS * 10**9, key=uuid.uuid4(), by=by, at=AT)
    for number in range(WALLETS):
        ledger.award("call", f"wallet-{number}", 10**9, key=uuid.uuid4(), by=by, at=AT)
    # Enough that spans are written from the start.
    wallets = [chart.award_accounts(f"wallet-{number}").available for number in range(WALLETS)]
    pairs = [Line(wallets[number % WALLETS], wallets[(number + 1) % WALLETS], 1) for number in range(WALLETS * 1_000)]
    ledger.post_batch([EntryDraft(EntryKind.TRANSFER, [line], uuid.uuid4(), AT) for line in pairs], by=by)


def rounds(count: int) -> dict[str, Any]:
    """Seven of ten kill the server, two a client, one the upkeep. The control gets five rounds."""
    client_kills, upkeep_kills = count * 2 // 10, count // 10
    # In memory where there is such a place: what a killed server gave to the system is not lost there either, and starting
    # again does not wait for a disk that others use.
    memory = Path("/dev/shm")  # noqa: S108
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        with books(folder) as server:
            server_kills = count - client_kills - upkeep_kills
            report = run(
                folder, server, server_kills=server_kills, client_kills=client_kills, upkeep_kills=upkeep_kills
            )
            control = run(folder, server, server_kills=5, client_kills=0, asynchronous=True)
    return {"rounds": asdict(report), "control": asdict(control)}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["rounds", count]:
            print(json.dumps(rounds(int(count)), indent=2))  # noqa: T201  # what it is for
