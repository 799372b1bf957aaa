"""Every rule of windows, tranches, calls and debts, broken by raw SQL on a plain connection of a superuser."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from earthcode.audit.actors import CLOCK
from earthcode.ledger import actions as ledger
from earthcode.ledger import chart, queries
from earthcode.lib.money import credits

from .conftest import Books, committing, everything
from .test_guards import CALL, PAYEE, draft

pytestmark = committing


@pytest.fixture
def used(committed_books: Books) -> Books:
    """Beside the award of the books: one whose first tranche ends on day 3 and whose second one runs until day 90, with a hold
    over both that was captured from, and usage owed; and an award of another call."""
    books = committed_books
    call, award = f"call-{books.name}", f"windows-{books.name}"
    for tranche, days in ((1, 3), (2, 90)):
        ledger.award(
            call, award, credits(20), tranche=tranche, closes_at=books.now + timedelta(days=days), **books.terms
        )
    payee, expires_at = books.provider.accrued, books.now + timedelta(days=200)
    hold = ledger.draw(award, payee=payee, amount=credits(30), expires_at=expires_at, **books.terms)
    ledger.capture(hold, credits(25), **books.terms)
    ended = ledger.draw(award, payee=payee, amount=credits(1), expires_at=expires_at, **books.terms)
    ledger.capture(ended, credits(3), beyond=True, **books.terms)
    ledger.award(call, award, credits(3), **books.terms)
    ordinary = ledger.hold(
        wallet=books.award.available,
        held=books.award.held,
        payee=payee,
        amount=credits(5),
        expires_at=expires_at,
        **books.terms,
    )
    ledger.capture(ordinary, credits(6), beyond=True, **books.terms)
    Books(name="elsewhere", now=books.now).open()
    return books


def account(code: str) -> str:
    return f"(SELECT id FROM ledger_account WHERE code LIKE '{code}')"


ORDINARY = account("award:award-%:available").replace("')", "' AND code NOT LIKE '%elsewhere%')")
ORDINARY_HELD = ORDINARY.replace(":available", ":held")
ORDINARY_DEBT = ORDINARY.replace(":available", ":debt")
FIRST, FIRST_HELD = (
    account("award:windows-%:available").replace("')", "' AND tranche = 1)"),
    account("award:windows-%:held").replace("')", "' AND tranche = 1)"),
)
SECOND, SECOND_HELD = account("award:windows-%:2:available"), account("award:windows-%:2:held")
DEBT = account("award:windows-%:debt")
ELSEWHERE = account("award:award-elsewhere:available")
ELSEWHERE_CALL = account("call:call-elsewhere:available")
OWN_CALL = CALL.replace("')", "' AND code NOT LIKE '%elsewhere%')")
OWN_PAYEE = PAYEE.replace("'accrued')", "'accrued' AND code NOT LIKE '%elsewhere%')")
HOLD = "(SELECT hold_id FROM ledger_hold_part LIMIT 1)"
ENDED = "(SELECT min(id) FROM ledger_hold WHERE owed > 0)"
CAPTURE = f"(SELECT id FROM ledger_entry WHERE kind = 'capture' AND hold_id = {HOLD})"


def on(day: str, kind: str, debits: str, credits_: str, amount: str = "'{5}'", **more: str) -> str:
    """An entry that counts on a day of November 2026, when the books begin on the second."""
    sql = draft(kind, f"ARRAY[{debits}]", f"ARRAY[{credits_}]", amount, **more)
    return sql.replace("now(),", f"'2026-11-{day} 12:00Z',", 1)


def hold_on(wallets: list[str], held: list[str]) -> str:
    """Five micro-credits set aside of each of two wallets, on the third day."""
    sql = draft(
        "hold",
        f"ARRAY[{', '.join(wallets)}]",
        f"ARRAY[{', '.join(held)}]",
        "'{5, 5}'",
        payee=OWN_PAYEE,
        expires=EXPIRES,
    )
    return sql.replace("now(),", "'2026-11-03',")


def window(wallet: str, opens: str, closes: str, at: str) -> str:
    return f"""
        INSERT INTO ledger_window (account_id, opens_at, closes_at, idempotency_key, request_hash, actor, reason, effective_at)
        VALUES ({wallet}, {opens}, {closes}, gen_random_uuid(), '\\x00', 'system:raw', '', {at})"""


EXPIRES = "'2027-06-01'"
ATTEMPTS = {
    # windows
    "a window moved without a word": f"UPDATE ledger_account SET closes_at = '2099-01-01' WHERE id = {FIRST}",
    "a window taken away": "UPDATE ledger_account SET opens_at = NULL, closes_at = NULL",
    "a window rewritten": "UPDATE ledger_window SET closes_at = '2099-01-01'",
    "a window forgotten": "DELETE FROM ledger_window",
    "all windows forgotten": "TRUNCATE ledger_window",
    "a window that is over set anew": window(FIRST, "NULL", "'2099-01-01'", "'2026-11-06'"),
    "a window that ended before it was set": window(SECOND, "NULL", "'2026-11-06'", "'2026-11-07'"),
    "a window without beginning and end": window(SECOND, "NULL", "NULL", "'2026-11-06'"),
    "a window that ends before it begins": window(SECOND, "'2026-12-02'", "'2026-12-01'", "'2026-11-06'"),
    "a window of a call": window(OWN_CALL, "NULL", "'2099-01-01'", "'2026-11-06'"),
    "a window of what is held": window(FIRST_HELD, "NULL", "'2099-01-01'", "'2026-11-06'"),
    "a window until eternity": window(SECOND, "NULL", "'infinity'", "'2026-11-06'"),
    "credits moved after their window": on("06", "transfer", FIRST, ORDINARY, "'{1}'"),
    "credits set aside after their window": on(
        "06", "hold", FIRST, FIRST_HELD, "'{1}'", payee=OWN_PAYEE, expires=EXPIRES
    ),
    "a debt paid after the window": on("06", "repay", FIRST, DEBT, "'{1}'"),
    "credits given to what is over": on("06", "award", OWN_CALL, FIRST),
    "credits released into what is over": on("06", "release", SECOND_HELD, FIRST, hold=HOLD),
    "credits moved to where they last longer": on("03", "transfer", SECOND, ORDINARY),
    "credits moved to a later tranche": on("03", "transfer", FIRST, SECOND, "'{1}'"),
    "credits lapsed before the end": on("03", "lapse", SECOND, OWN_CALL),
    "credits lapsed after the end": on("06", "lapse", SECOND, OWN_CALL),
    "credits lapsed to somebody": on("05", "lapse", SECOND, ORDINARY).replace("12:00Z", "10:00Z"),
    "credits lapsed without a window": on("05", "lapse", ORDINARY, OWN_CALL),
    # calls
    "an account moved to another call": f"UPDATE ledger_account SET home_id = {ELSEWHERE_CALL} WHERE id = {ORDINARY}",
    "an account without its call": "UPDATE ledger_account SET home_id = NULL",
    "credits of one call given to another": on("03", "transfer", OWN_CALL, ELSEWHERE_CALL),
    "credits of one call awarded from another": on("03", "award", OWN_CALL, ELSEWHERE),
    "a provider paid by another call": on(
        "03",
        "hold",
        ELSEWHERE,
        account("award:award-elsewhere:held"),
        payee=OWN_PAYEE,
        expires=EXPIRES,
    ),
    "an account of no such call": f"""
        INSERT INTO ledger_account (code, kind, unit, home_id) VALUES ('x', 'available', 1, {ORDINARY})""",
    "an account of no such award": f"""
        INSERT INTO ledger_account (code, kind, unit, award_id, tranche) VALUES ('x', 'available', 1, {SECOND}, 3)""",
    "a tranche a second time": f"""
        INSERT INTO ledger_account (code, kind, unit, award_id, tranche) VALUES ('x', 'available', 1, {FIRST}, 2)""",
    # tranches
    "a tranche given to another award": f"UPDATE ledger_account SET award_id = {ORDINARY} WHERE id = {SECOND}",
    "tranches renumbered": "UPDATE ledger_account SET tranche = tranche + 1",
    "a part of a hold changed": "UPDATE ledger_hold_part SET captured = 0",
    "a part of a hold removed": "DELETE FROM ledger_hold_part",
    "all parts removed": "TRUNCATE ledger_hold_part",
    "a part of a hold added": f"""
        INSERT INTO ledger_hold_part (hold_id, place, wallet_id, held_id, authorised, captured, released)
        VALUES ({HOLD}, 3, {ORDINARY}, {ORDINARY_HELD}, 5, 0, 0)""",
    "a hold of fewer parts": "UPDATE ledger_hold SET tranches = 1",
    "a hold on two awards": hold_on([ORDINARY, SECOND], [ORDINARY_HELD, SECOND_HELD]),
    "a hold on an award and its call": hold_on([OWN_CALL, SECOND], [ORDINARY_HELD, SECOND_HELD]),
    "a hold twice on one tranche": hold_on([SECOND, SECOND], [SECOND_HELD, SECOND_HELD]),
    "a hold twice on one wallet": hold_on([SECOND, SECOND], [SECOND_HELD, FIRST_HELD]),
    "a hold twice in one account": hold_on([FIRST, SECOND], [SECOND_HELD, SECOND_HELD]),
    "a part captured beyond what it has": on("03", "capture", FIRST_HELD, OWN_PAYEE, "'{1}'", hold=HOLD),
    "a part released to another tranche": on("03", "release", SECOND_HELD, FIRST, hold=HOLD),
    "credits released to the call before the end": on("03", "release", SECOND_HELD, OWN_CALL, hold=HOLD),
    "credits refunded to the call before the end": on("03", "refund", OWN_PAYEE, OWN_CALL, hold=HOLD, reverses=CAPTURE),
    "more refunded to a tranche than it gave": on(
        "03", "refund", OWN_PAYEE, SECOND, f"'{{{credits(5) + 1}}}'", hold=HOLD, reverses=CAPTURE
    ),
    "more refunded to the call than was taken": on(
        "06", "refund", OWN_PAYEE, OWN_CALL, f"'{{{credits(25) + 1}}}'", hold=HOLD, reverses=CAPTURE
    ),
    # debts
    "a debt made out of nothing": on("03", "transfer", DEBT, OWN_CALL),
    "a debt of a hold made by a release": on("03", "release", DEBT, OWN_PAYEE, hold=ENDED),
    "a debt forgiven": on("03", "transfer", OWN_CALL, DEBT, "'{1}'"),
    "a debt repaid twice": on("03", "repay", OWN_CALL, DEBT, f"'{{{credits(2) + 1}}}'"),
    "a debt repaid by a provider": on("03", "repay", OWN_PAYEE, DEBT, "'{1}'"),
    "a repayment to somebody": on("03", "repay", OWN_CALL, ORDINARY, "'{1}'"),
    "usage owed by another award": on("03", "capture", ORDINARY_DEBT, OWN_PAYEE, hold=HOLD),
    "usage owed to somebody": on("03", "capture", DEBT, OWN_CALL, hold=HOLD),
    "usage owed and taken back": on("03", "refund", OWN_PAYEE, ORDINARY_DEBT, "'{1}'", hold=HOLD, reverses=CAPTURE),
    "an amount owed rewritten": "UPDATE ledger_hold SET owed = 0",
    "a debt called something else": f"UPDATE ledger_account SET kind = 'commitment' WHERE id = {DEBT}",
}


def refusal_of(plain: psycopg.Connection[Any], attempt: str) -> psycopg.Error | None:
    try:
        plain.execute(attempt)
    except psycopg.Error as refusal:
        return refusal
    return None


def test_raw_sql_breaks_no_rule(used: Books, plain: psycopg.Connection[Any]) -> None:
    before = everything()

    for name, attempt in ATTEMPTS.items():
        refusal = refusal_of(plain, attempt)
        state = (refusal and refusal.sqlstate) or ""
        is_a_rule = state.startswith(("LG", "23")) and "null value" not in str(refusal)
        assert is_a_rule, f"{name}: {refusal or 'was not refused'}"
        assert everything() == before, f"{name} was refused and changed something"


def test_drafts_that_keep_the_rules_are_entries_like_any_other(used: Books, plain: psycopg.Connection[Any]) -> None:
    """The proof that the attempts above fail for the rule they break, not for their form."""
    for sql in (
        window(SECOND, "NULL", "'2027-03-01'", "'2026-11-06'"),
        on("03", "transfer", ORDINARY, SECOND),
        on("03", "repay", SECOND, DEBT, "'{1}'"),
        on("03", "hold", SECOND, SECOND_HELD, payee=OWN_PAYEE, expires=EXPIRES),
        on("03", "capture", SECOND_HELD, OWN_PAYEE, "'{1}'", hold=HOLD),
        on("03", "capture", DEBT, OWN_PAYEE, "'{1}'", hold=HOLD),
        on("06", "release", SECOND_HELD, SECOND, "'{1}'", hold=HOLD),
        on("03", "refund", OWN_PAYEE, SECOND, "'{1}'", hold=HOLD, reverses=CAPTURE),
        on("06", "refund", OWN_PAYEE, OWN_CALL, "'{1}'", hold=HOLD, reverses=CAPTURE),
        on("05", "return", SECOND, OWN_CALL),
    ):
        plain.execute(sql.replace(CAPTURE, CAPTURE.replace("SELECT id", "SELECT min(id)")))

    assert queries.debt(f"windows-{used.name}") == credits(2)
    wallets = [chart.tranche_accounts(f"windows-{used.name}", tranche).available for tranche in (1, 2)]
    assert ledger.lapse(before=used.now + timedelta(days=365), by=CLOCK) == wallets
