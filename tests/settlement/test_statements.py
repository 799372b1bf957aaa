"""From charges to payment: issued once, agreed line by line, approved, invoiced, paid."""

import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from earthcode.audit.actors import CLOCK
from earthcode.identity.models import Organisation, User
from earthcode.identity.roles import Role
from earthcode.ledger import chart
from earthcode.ledger import queries as books
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused
from earthcode.lifecycle import WrongState
from earthcode.notifications.models import Message
from earthcode.provisioning.models import Allocation
from earthcode.settlement import refunds, statements
from earthcode.settlement.models import Charge, Statement
from earthcode.sponsorship.models import Award, Call
from tests.settlement.conftest import Line, Report, credits_of, verify_charges
from tests.support.credits import award_balance
from tests.support.people import fresh

pytestmark = pytest.mark.django_db

DECEMBER = datetime(2026, 12, 20, 9, 0, tzinfo=UTC)
JANUARY = datetime(2027, 1, 2, 9, 0, tzinfo=UTC)
FEBRUARY = datetime(2027, 2, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def issued(on_hub: Allocation, line: Line, report: Report) -> Statement:
    """For December: 100 vCPU-hours and 50 GB-months."""
    report(line("100"), line("50", component="gb_month", unit="gb_month"), at=DECEMBER)
    (statement,) = statements.issue_due(by=CLOCK, at=JANUARY)
    return statement


@pytest.fixture
def earned(provider: Organisation, call: Call) -> Callable[[], tuple[int, int]]:
    """What the provider has accrued and invoiced in the ledger."""
    accounts = chart.provider_accounts(provider.slug, call.slug)
    return lambda: (books.balance(accounts.accrued), books.balance(accounts.invoiced))


def to_paid(statement: Statement, petra: User, maria: User, at: datetime) -> None:
    statements.answer(statement, {}, by=petra, at=at)
    statements.approve(statement, by=maria, at=at)
    statements.add_invoice(statement, number=f"INV-{statement.pk}", by=petra, at=at)
    statements.record_payment(statement, paid_on=at.date(), reference="SEPA 1", by=maria, at=at)


def test_a_statement_is_issued_once_and_frozen(
    issued: Statement, on_hub: Allocation, line: Line, report: Report, petra: User
) -> None:
    assert (issued.number, issued.month, issued.total) == ("ST-2026-00001", date(2026, 12, 1), 9_000_000)
    assert [each.amount for each in issued.lines.all()] == [1_000_000, 8_000_000]
    assert issued.cut_off == books.last_entry()
    assert len(issued.content_hash) == 64

    report(line("1"), at=JANUARY)
    assert statements.issue_due(by=CLOCK, at=JANUARY) == []
    assert statements.content_hash(Statement.objects.get()) == issued.content_hash
    assert Message.objects.filter(recipient=petra.public_id, subject__contains="ready to agree").count() == 1


def test_the_way_to_payment(
    issued: Statement, call: Call, petra: User, maria: User, earned: Callable[[], tuple[int, int]]
) -> None:
    committed = books.balance(chart.call_accounts(call.slug).commitment)
    assert earned() == (9_000_000, 0)

    statements.answer(issued, {}, by=petra, at=JANUARY)
    statements.approve(issued, by=maria, at=JANUARY)
    assert earned() == (9_000_000, 0)
    statements.add_invoice(issued, number=" INV-9 ", by=petra, at=JANUARY)
    assert earned() == (0, 9_000_000)
    statements.record_payment(issued, paid_on=JANUARY.date(), reference="SEPA 1", by=maria, at=JANUARY)

    assert earned() == (0, 0)
    assert books.balance(chart.call_accounts(call.slug).commitment) == committed - 9_000_000
    assert Statement.objects.get().status == "paid"
    verify_charges()
    for again in (
        lambda: statements.answer(issued, {}, by=petra, at=JANUARY),
        lambda: statements.approve(issued, by=maria, at=JANUARY),
        lambda: statements.add_invoice(issued, number="INV-10", by=petra, at=JANUARY),
        lambda: statements.record_payment(issued, paid_on=JANUARY.date(), reference="", by=maria, at=JANUARY),
    ):
        with pytest.raises(WrongState):
            again()
    assert earned() == (0, 0)


def test_a_line_in_dispute_is_left_out_and_comes_again(
    issued: Statement, petra: User, maria: User, earned: Callable[[], tuple[int, int]]
) -> None:
    with pytest.raises(InvalidInput) as unexplained:
        statements.answer(issued, {2: " "}, by=petra, at=JANUARY)
    assert unexplained.value.field == "dispute_2"
    with pytest.raises(InvalidInput):
        statements.answer(issued, {3: "What?"}, by=petra, at=JANUARY)

    statements.answer(issued, {2: "It was 120 hours."}, by=petra, at=JANUARY)
    assert (issued.status, issued.agreed) == ("agreed", 1_000_000)
    verify_charges()
    statements.approve(issued, by=maria, at=JANUARY)
    statements.add_invoice(issued, number="INV-1", by=petra, at=JANUARY)
    assert earned() == (8_000_000, 1_000_000)

    (following,) = statements.issue_due(by=CLOCK, at=FEBRUARY)
    (line,) = following.lines.all()
    assert (line.amount, line.month) == (8_000_000, date(2026, 12, 1))
    verify_charges()


def test_a_statement_with_nothing_left_is_carried_over(issued: Statement, petra: User) -> None:
    statements.answer(issued, {1: "No.", 2: "No."}, by=petra, at=JANUARY)

    assert issued.status == "carried"
    verify_charges()
    (following,) = statements.issue_due(by=CLOCK, at=FEBRUARY)
    assert following.total == issued.total


def test_a_correction_to_an_earlier_month_is_a_line_of_its_own(issued: Statement, line: Line, report: Report) -> None:
    report(line("20", day=date(2027, 1, 4)), line("5"), at=JANUARY + timedelta(days=10))

    (following,) = statements.issue_due(by=CLOCK, at=FEBRUARY)
    assert [(each.month, each.amount) for each in following.lines.all()] == [
        (date(2026, 12, 1), credits_of("5")),
        (date(2027, 1, 1), credits_of("20")),
    ]


def test_a_refund_after_payment_is_set_off_against_the_next_statement(
    issued: Statement,
    on_hub: Allocation,
    award: Award,
    line: Line,
    report: Report,
    petra: User,
    maria: User,
    alice: User,
    earned: Callable[[], tuple[int, int]],
) -> None:
    to_paid(issued, petra, maria, JANUARY)
    charge = Charge.objects.get(amount=8_000_000)
    key = uuid.uuid4()
    with pytest.raises(NotPermitted):
        refunds.refund(charge, 1, reason="Please.", key=key, by=alice, at=JANUARY)
    for amount in (0, 8_000_001):
        with pytest.raises(InvalidInput):
            refunds.refund(charge, amount, reason="Outage", key=key, by=fresh(petra), at=JANUARY)

    for _ in range(2):
        refunds.refund(charge, 3_000_000, reason="Outage", key=key, by=fresh(petra), at=JANUARY)

    verify_charges()
    assert award_balance(award.reference) == 3_000_000
    assert earned() == (-3_000_000, 0)
    assert statements.issue_due(by=CLOCK, at=FEBRUARY) == [], "what the provider owes waits"
    report(line("100", day=date(2027, 2, 3)), at=FEBRUARY + timedelta(days=3))
    (following,) = statements.issue_due(by=CLOCK, at=FEBRUARY + timedelta(days=30))
    assert following.total == credits_of("100") - 3_000_000
    to_paid(following, petra, maria, FEBRUARY + timedelta(days=40))
    assert earned() == (0, 0)
    verify_charges()


def test_above_the_threshold_two_managers_approve(
    issued: Statement, call: Call, petra: User, maria: User, marc: User
) -> None:
    Call.objects.filter(pk=call.pk).update(two_managers_above=1_000_000)
    statements.answer(issued, {}, by=petra, at=JANUARY)
    issued = Statement.objects.get(pk=issued.pk)

    statements.approve(issued, by=maria, at=JANUARY)
    assert Statement.objects.get().status == "agreed"
    with pytest.raises(statements.SameManager):
        statements.approve(issued, by=maria, at=JANUARY)
    statements.approve(issued, by=marc, at=JANUARY)
    assert Statement.objects.get().status == "approved"


def test_nobody_acts_for_another(issued: Statement, alice: User, petra: User, maria: User) -> None:
    for attempt in (
        lambda: statements.answer(issued, {}, by=maria, at=JANUARY),
        lambda: statements.answer(issued, {}, by=alice, at=JANUARY),
    ):
        with pytest.raises(NotPermitted):
            attempt()
    statements.answer(issued, {}, by=petra, at=JANUARY)
    with pytest.raises(NotPermitted):
        statements.approve(issued, by=petra, at=JANUARY)
    assert not Statement.objects.visible_to(alice).exists()


def test_nobody_approves_what_their_own_organisation_is_paid(
    issued: Statement, provider: Organisation, person: Any, petra: User
) -> None:
    insider = person("ines", organisation=provider, role=Role.ESA_MANAGER)
    statements.answer(issued, {}, by=petra, at=JANUARY)
    with pytest.raises(Refused) as refused:
        statements.approve(issued, by=insider, at=JANUARY)
    assert refused.value.code == "conflict_of_interest"


def test_payments_and_invoices_are_looked_at(issued: Statement, petra: User, maria: User) -> None:
    statements.answer(issued, {}, by=petra, at=JANUARY)
    statements.approve(issued, by=maria, at=JANUARY)
    with pytest.raises(InvalidInput):
        statements.add_invoice(issued, number="  ", by=petra, at=JANUARY)
    statements.add_invoice(issued, number="INV-1", by=petra, at=JANUARY)
    for day in (JANUARY.date() + timedelta(days=1), date(2026, 12, 1)):
        with pytest.raises(InvalidInput):
            statements.record_payment(issued, paid_on=day, reference="", by=maria, at=JANUARY)
