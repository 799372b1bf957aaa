"""The real database against a plain model: every outcome is foretold, and after every step the books agree."""

import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from earthcode.audit.actors import System
from earthcode.ledger import actions as ledger
from earthcode.ledger import chart, queries, verify
from earthcode.ledger.actions import EntryKind, Hold, Line, Posted
from earthcode.lib.errors import InvalidInput, Refused

from .conftest import NOW, committing

pytestmark = committing

BY = System("model")
AMOUNTS = st.integers(1, 60)
AWARDS = st.integers(0, 1)
#: The first award has two tranches, the second one.
WALLETS = st.integers(0, 2)
#: Days from now of a window's beginning and end.
BEGINNINGS = st.none() | st.integers(-10, 20)
ENDS = st.none() | st.integers(-3, 40)

Move = tuple[str, str, int]
Refusal = type[Refused] | None
MIN, MAX = datetime.min.replace(tzinfo=NOW.tzinfo), datetime.max.replace(tzinfo=NOW.tzinfo)


@dataclass
class Part:
    wallet: chart.TrancheAccounts
    remaining: int


@dataclass
class ModelHold:
    award: int
    payee: str
    expires_at: datetime
    parts: list[Part]
    owed: int = 0

    @property
    def remaining(self) -> int:
        return sum(part.remaining for part in self.parts)


@dataclass
class ModelEntry:
    """What undoing it would move; of a capture, what it took of which wallet and of the debt, and what went back there."""

    kind: EntryKind
    moves: list[Move]
    hold: ModelHold | None = None
    taken: dict[str, int] = field(default_factory=dict)
    given_back: Counter[str] = field(default_factory=Counter)
    reversed: bool = False

    @property
    def left(self) -> int:
        return sum(self.taken.values()) - self.given_back.total()


@dataclass
class Model:
    home: str
    balances: dict[str, int]
    opens: dict[str, datetime] = field(default_factory=dict)
    closes: dict[str, datetime] = field(default_factory=dict)
    sides: Counter[str] = field(default_factory=Counter)
    holds: dict[int, ModelHold] = field(default_factory=dict)
    entries: dict[int, ModelEntry] = field(default_factory=dict)

    def has_floor(self, code: str) -> bool:
        return not code.endswith(("commitment", "accrued"))

    def is_over(self, wallet: str, at: datetime) -> bool:
        return self.closes.get(wallet, MAX) <= at

    def is_open(self, wallet: str, at: datetime) -> bool:
        return self.opens.get(wallet, MIN) <= at < self.closes.get(wallet, MAX)

    def goes_back_to(self, wallet: str, at: datetime) -> str:
        return self.home if self.is_over(wallet, at) else wallet

    def refusal(self, kind: EntryKind, moves: list[Move], at: datetime) -> Refusal:
        """Lines apply in their order; none may leave an account below its floor, or move credits outside their window."""
        after = dict(self.balances)
        for debit, credit, amount in moves:
            self._apply(after, debit, credit, amount)
            if any(self.has_floor(code) and after[code] < 0 for code in (debit, credit)):
                return ledger.InsufficientCredits
            if (credit != self.home and not self.is_open(debit, at)) or self.is_over(credit, at):
                return ledger.OutsideWindow
            outlives = self.closes.get(debit, MAX) < self.closes.get(credit, MAX)
            if kind != EntryKind.REVERSE and credit.endswith("available") and credit != self.home and outlives:
                return ledger.OutlivesWindow
        return None

    def split(self, wallets: list[str], amount: int, at: datetime, lasting: datetime = MIN) -> list[tuple[str, int]]:
        """What to take from which of the open wallets, the first to end first; raises the refusal if they have too little."""
        taken, ending_earlier = [], 0
        for wallet in sorted(wallets, key=lambda wallet: self.closes.get(wallet, MAX)):
            available = self.balances[wallet]
            if not available or not self.is_open(wallet, at):
                continue
            if self.closes.get(wallet, MAX) < lasting:
                ending_earlier += available if amount else 0
                continue
            if amount:
                taken.append((wallet, min(amount, available)))
                amount -= taken[-1][1]
        if amount:
            refusal = ledger.InsufficientCredits if amount > ending_earlier else ledger.OutlivesWindow
            raise refusal("foretold")
        return taken

    def apply(self, moves: list[Move]) -> None:
        for debit, credit, amount in moves:
            self._apply(self.balances, debit, credit, amount)
            self.sides.update([debit, credit])

    @staticmethod
    def _apply(balances: dict[str, int], debit: str, credit: str, amount: int) -> None:
        balances[debit] += amount if debit.endswith(("commitment", "debt")) else -amount
        balances[credit] += -amount if credit.endswith(("commitment", "debt")) else amount


class LedgerAgainstModel(RuleBasedStateMachine):
    holds: ClassVar[Bundle[int]] = Bundle("holds")
    entries: ClassVar[Bundle[int]] = Bundle("entries")

    @initialize()
    def open(self) -> None:
        self.name = uuid.uuid4().hex
        self.now = NOW
        self.call = ledger.call_accounts(self.name)
        self.awards = [ledger.award_accounts(self.award_name(place), self.name) for place in range(2)]
        self.wallets = [
            chart.tranche_accounts(self.award_name(0), 1),
            ledger.tranche_accounts(self.award_name(0), 2),
            chart.tranche_accounts(self.award_name(1), 1),
        ]
        self.providers = [ledger.provider_accounts(f"provider-{place}", self.name) for place in range(2)]
        groups: list[chart.Accounts] = [self.call, *self.awards, *self.wallets, *self.providers]
        self.model = Model(self.call.available, {code: 0 for group in groups for code, _ in group.kinds})

    def award_name(self, place: int) -> str:
        return f"{self.name}-{place}"

    def of_award(self, place: int) -> list[str]:
        return [wallet.available for wallet in (self.wallets[:2] if place == 0 else self.wallets[2:])]

    def of_wallet(self, place: int) -> tuple[str, int]:
        """The name of its award, and which of its tranches it is."""
        return (self.award_name(0), place + 1) if place < 2 else (self.award_name(1), 1)

    def attempt(self, action: Any, *arguments: Any, refused: Refusal, **named: Any) -> Any:
        """Do it, see that the model foretold the outcome, and do it again under the same key."""
        key = uuid.uuid4()
        try:
            first = action(*arguments, **named, key=key, by=BY, at=self.now)
        except Refused as refusal:
            if type(refusal) is not refused:
                raise
            return None
        assert refused is None, f"the model refuses what was allowed: {action.__name__} {arguments} {named}"
        again = action(*arguments, **named, key=key, by=BY, at=self.now + timedelta(days=400))
        if isinstance(first, Posted):
            assert again == Posted(first.entry_id, replayed=True)
        else:
            assert again == first
        if first is None:  # a window's key is no entry's
            return True
        self.last = key
        return first

    def post(self, kind: EntryKind, moves: list[Move]) -> Any:
        lines = [Line(*move) for move in moves]
        posted = self.attempt(ledger.post, kind, lines, refused=self.model.refusal(kind, moves, self.now))
        return self.book(kind, moves, posted)

    def book(self, kind: EntryKind, moves: list[Move], posted: Posted | None) -> Any:
        if posted is None:
            return multiple()
        self.model.apply(moves)
        self.model.entries[posted.entry_id] = ModelEntry(kind, moves)
        return posted.entry_id

    def window(self, beginning: int | None, end: int | None) -> dict[str, datetime | None]:
        days = {"opens_at": beginning, "closes_at": end}
        return {name: None if number is None else self.now + timedelta(days=number) for name, number in days.items()}

    def is_no_window(self, opens_at: datetime | None, closes_at: datetime | None) -> bool:
        return (opens_at or MIN) >= (closes_at or MAX)

    # --- rules -------------------------------------------------------------------------------------------------------

    @rule(target=entries, amount=AMOUNTS)
    def fund(self, amount: int) -> Any:
        return self.post(EntryKind.FUND, [(self.call.commitment, self.call.available, 3 * amount)])

    @rule(target=entries, parts=st.lists(st.tuples(WALLETS, AMOUNTS), min_size=1, max_size=4))
    def award(self, parts: list[tuple[int, int]]) -> Any:
        moves = [(self.call.available, self.wallets[place].available, amount) for place, amount in parts]
        return self.post(EntryKind.AWARD, moves)

    @rule(target=entries, place=WALLETS, amount=AMOUNTS, beginning=BEGINNINGS, end=ENDS)
    def award_in_a_window(self, place: int, amount: int, beginning: int | None, end: int | None) -> Any:
        wallet, window = self.wallets[place].available, self.window(beginning, end)
        moves = [(self.call.available, wallet, amount)]
        refused = self.model.refusal(EntryKind.AWARD, moves, self.now)
        has = {"opens_at": self.model.opens.get(wallet), "closes_at": self.model.closes.get(wallet)}
        sets = window not in (has, {"opens_at": None, "closes_at": None})
        if refused is None and sets:
            over = window["closes_at"] is not None and window["closes_at"] <= self.now
            if self.model.sides[wallet] or self.is_no_window(**window) or over:
                refused = InvalidInput
        name, tranche = self.of_wallet(place)
        posted = self.attempt(ledger.award, self.name, name, amount, tranche=tranche, **window, refused=refused)
        if posted and sets:
            self.set_in_model(wallet, **window)
        return self.book(EntryKind.AWARD, moves, posted)

    @rule(place=WALLETS, beginning=BEGINNINGS, end=ENDS)
    def move_a_window(self, place: int, beginning: int | None, end: int | None) -> None:
        wallet, window = self.wallets[place].available, self.window(beginning, end)
        refused: Refusal = None
        if self.is_no_window(**window) or window == {"opens_at": None, "closes_at": None}:
            refused = InvalidInput
        elif self.model.is_over(wallet, self.now):
            refused = ledger.OutsideWindow
        elif window["closes_at"] is not None and window["closes_at"] <= self.now:
            refused = InvalidInput
        name, tranche = self.of_wallet(place)
        if self.attempt(ledger.set_window, name, tranche=tranche, **window, reason="A storm.", refused=refused):
            self.set_in_model(wallet, **window)

    def set_in_model(self, wallet: str, opens_at: datetime | None, closes_at: datetime | None) -> None:
        self.model.opens[wallet] = opens_at or MIN
        self.model.closes[wallet] = closes_at or MAX
        if opens_at is None:
            del self.model.opens[wallet]
        if closes_at is None:
            del self.model.closes[wallet]

    @rule(target=entries, source=WALLETS, target_=WALLETS, amount=AMOUNTS)
    def move(self, source: int, target_: int, amount: int) -> Any:
        if source == target_:
            return multiple()
        move = (self.wallets[source].available, self.wallets[target_].available, amount)
        return self.post(EntryKind.TRANSFER, [move])

    @rule(target=entries, source=AWARDS, tranche=st.integers(1, 2), amount=AMOUNTS)
    def transfer(self, source: int, tranche: int, amount: int) -> Any:
        place = 2 if source == 0 else tranche - 1
        receiving, (name, number) = self.wallets[place].available, self.of_wallet(place)
        moves: list[Move] = []
        refused: Refusal = ledger.OutsideWindow
        if not self.model.is_over(receiving, self.now):
            lasting = self.model.closes.get(receiving, MAX)
            moves, refused = self.split(source, amount, receiving, lasting)
        posted = self.attempt(ledger.transfer, self.award_name(source), name, amount, tranche=number, refused=refused)
        return self.book(EntryKind.TRANSFER, moves, posted)

    def split(self, award: int, amount: int, target: str, lasting: datetime = MIN) -> tuple[list[Move], Refusal]:
        try:
            taken = self.model.split(self.of_award(award), amount, self.now, lasting)
        except Refused as refusal:
            return [], type(refusal)
        return [(wallet, target, part) for wallet, part in taken], None

    @rule(target=entries, place=WALLETS, amount=AMOUNTS)
    def give_back(self, place: int, amount: int) -> Any:
        return self.post(EntryKind.RETURN, [(self.wallets[place].available, self.call.available, amount)])

    @rule()
    def lapse(self) -> None:
        due = {code for code, end in self.model.closes.items() if end <= self.now and self.model.balances[code]}
        lapsed = set(ledger.lapse(before=self.now, by=BY))
        assert due == lapsed & self.model.closes.keys()
        for wallet in due:
            self.model.apply([(wallet, self.call.available, self.model.balances[wallet])])

    @rule(target=entries, place=AWARDS, amount=AMOUNTS)
    def invoice(self, place: int, amount: int) -> Any:
        provider = self.providers[place]
        return self.post(EntryKind.INVOICE, [(provider.accrued, provider.invoiced, amount)])

    @rule(target=entries, place=AWARDS, amount=AMOUNTS)
    def settle(self, place: int, amount: int) -> Any:
        return self.post(EntryKind.SETTLE, [(self.providers[place].invoiced, self.call.commitment, amount)])

    @rule(target=holds, place=WALLETS, payee=AWARDS, amount=AMOUNTS, days=st.integers(1, 40))
    def hold(self, place: int, payee: int, amount: int, days: int) -> Any:
        wallet, provider = self.wallets[place], self.providers[payee]
        moves = [(wallet.available, wallet.held, amount)]
        expires_at = self.now + timedelta(days=days)
        hold = self.attempt(
            ledger.hold,
            wallet=wallet.available,
            held=wallet.held,
            payee=provider.accrued,
            amount=amount,
            expires_at=expires_at,
            refused=self.model.refusal(EntryKind.HOLD, moves, self.now),
        )
        return self.book_hold(hold, ModelHold(min(place // 2, 1), provider.accrued, expires_at, [Part(wallet, amount)]))

    @rule(target=holds, award=AWARDS, payee=AWARDS, amount=AMOUNTS, days=st.integers(1, 40))
    def draw(self, award: int, payee: int, amount: int, days: int) -> Any:
        accounts = {wallet.available: wallet for wallet in self.wallets}
        provider, expires_at = self.providers[payee], self.now + timedelta(days=days)
        if award == 0:
            moves, refused = self.split(award, amount, "")
            parts = [Part(accounts[wallet], part) for wallet, _, part in moves]
        else:
            only = self.wallets[2]
            parts = [Part(only, amount)]
            refused = self.model.refusal(EntryKind.HOLD, [(only.available, only.held, amount)], self.now)
        hold = self.attempt(
            ledger.draw,
            self.award_name(award),
            payee=provider.accrued,
            amount=amount,
            expires_at=expires_at,
            refused=refused,
        )
        return self.book_hold(hold, ModelHold(award, provider.accrued, expires_at, parts))

    def book_hold(self, hold: Hold | None, expected: ModelHold) -> Any:
        if hold is None:
            return multiple()
        self.model.apply([(part.wallet.available, part.wallet.held, part.remaining) for part in expected.parts])
        self.model.holds[hold.pk] = expected
        return hold.pk

    @rule(target=entries, hold_id=holds, amount=AMOUNTS, final=st.booleans(), beyond=st.booleans())
    def capture(self, hold_id: int, amount: int, final: bool, beyond: bool) -> Any:
        hold = self.model.holds[hold_id]
        left = 0 if self.now >= hold.expires_at else hold.remaining
        refused: Refusal = None
        if not beyond and left == 0:
            refused = ledger.HoldNotLive
        elif not beyond and amount > left:
            refused = ledger.OverCapture
        posted = self.attempt(ledger.capture, hold_id, amount, final=final, beyond=beyond, refused=refused)
        if posted is None:
            return multiple()
        entry = ModelEntry(EntryKind.CAPTURE, [], hold)
        debt = self.awards[hold.award].debt
        covered = min(amount, left)
        if amount > covered:
            entry.taken[debt] = amount - covered
            hold.owed += amount - covered
            self.model.apply([(debt, hold.payee, amount - covered)])
        for part in hold.parts:
            taken = min(covered, part.remaining)
            covered -= taken
            part.remaining -= taken
            if taken:
                entry.taken[part.wallet.available] = taken
                self.model.apply([(part.wallet.held, hold.payee, taken)])
        if final:
            self._end(hold, self.now)
        self.model.entries[posted.entry_id] = entry
        return posted.entry_id

    def _end(self, hold: ModelHold, at: datetime) -> None:
        for part in hold.parts:
            if part.remaining:
                target = self.model.goes_back_to(part.wallet.available, at)
                self.model.apply([(part.wallet.held, target, part.remaining)])
                part.remaining = 0

    @rule(target=entries, hold_id=holds)
    def release(self, hold_id: int) -> Any:
        hold = self.model.holds[hold_id]
        posted = self.attempt(ledger.release, hold_id, refused=ledger.NothingToRelease if hold.remaining == 0 else None)
        if posted is None:
            return multiple()
        self._end(hold, self.now)
        self.model.entries[posted.entry_id] = ModelEntry(EntryKind.RELEASE, [])
        return posted.entry_id

    @rule()
    def expire(self) -> None:
        due = {key for key, hold in self.model.holds.items() if hold.remaining and hold.expires_at <= self.now}
        expired = set(ledger.expire(before=self.now, by=BY))
        assert due == expired & self.model.holds.keys()
        for hold_id in due:
            self._end(self.model.holds[hold_id], self.model.holds[hold_id].expires_at)

    @rule(target=entries, award=AWARDS, amount=AMOUNTS)
    def repay(self, award: int, amount: int) -> Any:
        debt = self.awards[award].debt
        moves: list[Move] = []
        refused: Refusal = ledger.OverRepayment
        if amount <= self.model.balances[debt]:
            moves, refused = self.split(award, amount, debt)
        posted = self.attempt(ledger.repay, self.award_name(award), amount, refused=refused)
        return self.book(EntryKind.REPAY, moves, posted)

    @rule(entry_id=entries)
    def reverse(self, entry_id: int) -> None:
        entry = self.model.entries[entry_id]
        if entry.kind == EntryKind.CAPTURE:
            mirrored = self.lines_back(entry, entry.left)
            refused: Refusal = ledger.NotReversible if entry.given_back or entry.reversed else None
        else:
            mirrored = [(credit, debit, amount) for debit, credit, amount in reversed(entry.moves)]
            refused = self.model.refusal(EntryKind.REVERSE, mirrored, self.now)
            if entry.kind == EntryKind.RELEASE or entry.reversed:
                refused = ledger.NotReversible
        if self.attempt(ledger.reverse, entry_id, reason="A mistake.", refused=refused):
            self.model.apply(mirrored)
            entry.reversed = True

    def lines_back(self, entry: ModelEntry, amount: int) -> list[Move]:
        """The debt first, then the wallets, the one that was taken last, first; the rest to the first of the hold."""
        hold = entry.hold
        assert hold is not None
        debt = self.awards[hold.award].debt
        moves: list[Move] = []
        owed = min(entry.taken.get(debt, 0) - entry.given_back[debt], self.model.balances[debt])
        sources = [(owed, debt)]
        for part in reversed(hold.parts):
            wallet = part.wallet.available
            left = entry.taken.get(wallet, 0) - entry.given_back[wallet]
            sources.append((left, self.model.goes_back_to(wallet, self.now)))
        first = hold.parts[0].wallet.available
        sources.append((amount, self.model.goes_back_to(first, self.now)))
        for left, target in sources:
            part_of_it = min(amount, left)
            if part_of_it > 0:
                moves.append((hold.payee, target, part_of_it))
                amount -= part_of_it
        return moves

    @rule(entry_id=entries, amount=AMOUNTS)
    def refund(self, entry_id: int, amount: int) -> None:
        entry = self.model.entries[entry_id]
        refused: Refusal = None
        if entry.kind != EntryKind.CAPTURE:
            refused = ledger.NotReversible
        elif entry.reversed or amount > entry.left:
            refused = ledger.OverRefund
        moves = [] if refused else self.lines_back(entry, amount)
        if self.attempt(ledger.refund, entry_id, amount, refused=refused):
            self.model.apply(moves)
            for _, target, part in moves:
                entry.given_back[target] += part

    @precondition(lambda self: hasattr(self, "last"))
    @rule(amount=AMOUNTS)
    def a_key_is_refused_for_something_else(self, amount: int) -> None:
        with pytest.raises(ledger.KeyReused):
            # Each amount is used with a kind of entry that no rule above posts between these accounts.
            ledger.post(
                EntryKind.SETTLE,
                [Line(self.call.available, self.call.commitment, amount)],
                key=self.last,
                by=BY,
                at=self.now,
            )

    @rule(days=st.integers(-20, 40))
    def the_clock_jumps(self, days: int) -> None:
        self.now += timedelta(days=days)

    @rule()
    def roll_up(self) -> None:
        ledger.roll_up()

    # --- what holds after every step ---------------------------------------------------------------------------------

    @invariant()
    def books_agree(self) -> None:
        if hasattr(self, "model"):
            assert queries.balances(self.model.balances) == self.model.balances
            assert all(amount >= 0 for code, amount in self.model.balances.items() if self.model.has_floor(code))

    @invariant()
    def nothing_was_made_or_lost(self) -> None:
        if hasattr(self, "model"):
            behind = [amount for code, amount in self.model.balances.items() if code.endswith(("commitment", "debt"))]
            assert 2 * sum(behind) == sum(self.model.balances.values())


def _run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        LedgerAgainstModel,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert [finding for finding in verify.findings() if not finding.holds] == []


def test_the_ledger_agrees_with_a_plain_model(transactional_db: None) -> None:
    _run(examples=30, steps=40)


@pytest.mark.slow
def test_the_ledger_agrees_with_a_plain_model_for_thousands_of_steps(transactional_db: None) -> None:
    _run(examples=80, steps=50)
