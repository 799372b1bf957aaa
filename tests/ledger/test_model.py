"""The real database against a plain model: every outcome is foretold, and after every step the books agree."""

import uuid
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
from earthcode.ledger.actions import EntryKind, Line, Posted
from earthcode.lib.errors import Refused

from .conftest import NOW, committing

pytestmark = committing

BY = System("model")
AMOUNTS = st.integers(1, 60)
WALLETS = st.integers(0, 1)

Move = tuple[str, str, int]


@dataclass
class ModelHold:
    wallet: chart.AwardAccounts
    payee: str
    expires_at: datetime
    remaining: int


@dataclass
class ModelEntry:
    """What undoing it would move, and how much of it was given back."""

    kind: EntryKind
    moves: list[Move]
    hold_id: int | None = None
    refunded: int = 0
    reversed: bool = False


@dataclass
class Model:
    balances: dict[str, int]
    holds: dict[int, ModelHold] = field(default_factory=dict)
    entries: dict[int, ModelEntry] = field(default_factory=dict)

    def has_floor(self, code: str) -> bool:
        return not code.endswith(("commitment", "accrued"))

    def would_refuse(self, moves: list[Move]) -> bool:
        """Lines apply in their order, and none may leave an account below its floor."""
        after = dict(self.balances)
        for debit, credit, amount in moves:
            self._apply(after, debit, credit, amount)
            if any(self.has_floor(code) and after[code] < 0 for code in (debit, credit)):
                return True
        return False

    def apply(self, moves: list[Move]) -> None:
        for move in moves:
            self._apply(self.balances, *move)

    @staticmethod
    def _apply(balances: dict[str, int], debit: str, credit: str, amount: int) -> None:
        balances[debit] += amount if debit.endswith("commitment") else -amount
        balances[credit] += -amount if credit.endswith("commitment") else amount


class LedgerAgainstModel(RuleBasedStateMachine):
    holds: ClassVar[Bundle[int]] = Bundle("holds")
    entries: ClassVar[Bundle[int]] = Bundle("entries")

    @initialize()
    def open(self) -> None:
        name = uuid.uuid4().hex
        self.now = NOW
        self.call = ledger.call_accounts(name)
        self.wallets = [ledger.award_accounts(f"{name}-{place}") for place in range(2)]
        self.providers = [ledger.provider_accounts(f"provider-{place}", name) for place in range(2)]
        groups: list[chart.Accounts] = [self.call, *self.wallets, *self.providers]
        self.model = Model({code: 0 for group in groups for code, _ in group.kinds})

    def attempt(self, action: Any, *arguments: Any, refused: type[Refused] | None, **named: Any) -> Any:
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
        self.last = (key, action, arguments, named)
        return first

    def post(self, kind: EntryKind, moves: list[Move]) -> Any:
        refused = ledger.InsufficientCredits if self.model.would_refuse(moves) else None
        posted = self.attempt(ledger.post, kind, [Line(*move) for move in moves], refused=refused)
        if posted is None:
            return multiple()
        self.model.apply(moves)
        self.model.entries[posted.entry_id] = ModelEntry(kind, moves)
        return posted.entry_id

    # --- rules -------------------------------------------------------------------------------------------------------

    @rule(target=entries, amount=AMOUNTS)
    def fund(self, amount: int) -> Any:
        return self.post(EntryKind.FUND, [(self.call.commitment, self.call.available, 3 * amount)])

    @rule(target=entries, parts=st.lists(st.tuples(WALLETS, AMOUNTS), min_size=1, max_size=4))
    def award(self, parts: list[tuple[int, int]]) -> Any:
        moves = [(self.call.available, self.wallets[place].available, amount) for place, amount in parts]
        return self.post(EntryKind.AWARD, moves)

    @rule(target=entries, source=WALLETS, amount=AMOUNTS)
    def transfer(self, source: int, amount: int) -> Any:
        move = (self.wallets[source].available, self.wallets[1 - source].available, amount)
        return self.post(EntryKind.TRANSFER, [move])

    @rule(target=entries, place=WALLETS, amount=AMOUNTS)
    def give_back(self, place: int, amount: int) -> Any:
        return self.post(EntryKind.RETURN, [(self.wallets[place].available, self.call.available, amount)])

    @rule(target=entries, place=WALLETS, amount=AMOUNTS)
    def invoice(self, place: int, amount: int) -> Any:
        provider = self.providers[place]
        return self.post(EntryKind.INVOICE, [(provider.accrued, provider.invoiced, amount)])

    @rule(target=entries, place=WALLETS, amount=AMOUNTS)
    def settle(self, place: int, amount: int) -> Any:
        return self.post(EntryKind.SETTLE, [(self.providers[place].invoiced, self.call.commitment, amount)])

    @rule(target=holds, place=WALLETS, payee=WALLETS, amount=AMOUNTS, days=st.integers(1, 40))
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
            refused=ledger.InsufficientCredits if self.model.would_refuse(moves) else None,
        )
        if hold is None:
            return multiple()
        self.model.apply(moves)
        self.model.holds[hold.pk] = ModelHold(wallet, provider.accrued, expires_at, amount)
        return hold.pk

    @rule(target=entries, hold_id=holds, amount=AMOUNTS, final=st.booleans())
    def capture(self, hold_id: int, amount: int, final: bool) -> Any:
        hold = self.model.holds[hold_id]
        refused: type[Refused] | None = None
        if hold.remaining == 0 or self.now >= hold.expires_at:
            refused = ledger.HoldNotLive
        elif amount > hold.remaining:
            refused = ledger.OverCapture
        posted = self.attempt(ledger.capture, hold_id, amount, final=final, refused=refused)
        if posted is None:
            return multiple()
        self.model.apply([(hold.wallet.held, hold.payee, amount)])
        hold.remaining -= amount
        if final:
            self._end(hold)
        undone = [(hold.wallet.available, hold.payee, amount)]
        self.model.entries[posted.entry_id] = ModelEntry(EntryKind.CAPTURE, undone, hold_id)
        return posted.entry_id

    def _end(self, hold: ModelHold) -> None:
        self.model.apply([(hold.wallet.held, hold.wallet.available, hold.remaining)])
        hold.remaining = 0

    @rule(target=entries, hold_id=holds)
    def release(self, hold_id: int) -> Any:
        hold = self.model.holds[hold_id]
        posted = self.attempt(ledger.release, hold_id, refused=ledger.NothingToRelease if hold.remaining == 0 else None)
        if posted is None:
            return multiple()
        self._end(hold)
        self.model.entries[posted.entry_id] = ModelEntry(EntryKind.RELEASE, [])
        return posted.entry_id

    @rule()
    def expire(self) -> None:
        due = {key for key, hold in self.model.holds.items() if hold.remaining and hold.expires_at <= self.now}
        expired = set(ledger.expire(before=self.now, by=BY))
        assert due == expired & self.model.holds.keys()
        for hold_id in due:
            self._end(self.model.holds[hold_id])

    @rule(entry_id=entries)
    def reverse(self, entry_id: int) -> None:
        entry = self.model.entries[entry_id]
        mirrored = [(credit, debit, amount) for debit, credit, amount in reversed(entry.moves)]
        refused: type[Refused] | None = None
        if entry.kind == EntryKind.RELEASE or entry.reversed or entry.refunded:
            refused = ledger.NotReversible
        elif self.model.would_refuse(mirrored):
            refused = ledger.InsufficientCredits
        if self.attempt(ledger.reverse, entry_id, reason="A mistake.", refused=refused):
            self.model.apply(mirrored)
            entry.reversed = True

    @rule(entry_id=entries, amount=AMOUNTS)
    def refund(self, entry_id: int, amount: int) -> None:
        entry = self.model.entries[entry_id]
        refused: type[Refused] | None = None
        if entry.kind != EntryKind.CAPTURE:
            refused = ledger.NotReversible
        elif entry.reversed or entry.refunded + amount > entry.moves[0][2]:
            refused = ledger.OverRefund
        if self.attempt(ledger.refund, entry_id, amount, refused=refused):
            ((wallet, payee, _),) = entry.moves
            self.model.apply([(payee, wallet, amount)])
            entry.refunded += amount

    @precondition(lambda self: hasattr(self, "last"))
    @rule(amount=AMOUNTS)
    def a_key_is_refused_for_something_else(self, amount: int) -> None:
        key = self.last[0]
        with pytest.raises(ledger.KeyReused):
            # Each amount is used with a kind of entry that no rule above posts between these accounts.
            ledger.post(
                EntryKind.SETTLE,
                [Line(self.call.available, self.call.commitment, amount)],
                key=key,
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
            commitment = self.model.balances[self.call.commitment]
            assert 2 * commitment == sum(self.model.balances.values())


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
    _run(examples=30, steps=30)


@pytest.mark.slow
def test_the_ledger_agrees_with_a_plain_model_for_thousands_of_steps(transactional_db: None) -> None:
    _run(examples=200, steps=60)
