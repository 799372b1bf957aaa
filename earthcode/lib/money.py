"""Credits, kept as whole micro-credits.

One credit is 1 000 000 micro-credits. Amounts are ``int`` everywhere; a fraction of a credit exists only as text or
``Decimal`` on its way in or out. Rounding happens in :func:`from_decimal` and nowhere else: half up, to one micro-credit.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import NewType

MicroCredits = NewType("MicroCredits", int)

MICRO = 1_000_000
#: U+202F, so that a number never breaks across lines.
GROUP_SEPARATOR = "\u202f"


def credits(amount: int | str | Decimal) -> MicroCredits:
    """An exact number of credits as micro-credits; raises ``ValueError`` if it has more than six decimals."""
    micro = Decimal(amount) * MICRO
    if micro != micro.to_integral_value():
        raise ValueError(f"{amount} credits is finer than one micro-credit")
    return MicroCredits(int(micro))


def from_decimal(amount_micro: Decimal) -> MicroCredits:
    """Round an exact number of micro-credits, half up (away from zero), as PostgreSQL's ``round(numeric)`` does."""
    return MicroCredits(int(amount_micro.quantize(Decimal(1), rounding=ROUND_HALF_UP)))


def as_credits(amount: int) -> Decimal:
    """Micro-credits as an exact ``Decimal`` number of credits."""
    return Decimal(amount) / MICRO


def as_text(amount: int, *, decimals: int | None = None) -> str:
    """Micro-credits for people: grouped, no trailing zeros unless ``decimals`` asks for a fixed number of them."""
    value = as_credits(amount)
    if decimals is None:
        text = f"{value:,.6f}".rstrip("0").rstrip(".")
    else:
        step = Decimal(1).scaleb(-decimals)
        text = f"{value.quantize(step, rounding=ROUND_HALF_UP):,.{decimals}f}"
    return text.replace(",", GROUP_SEPARATOR).replace("-", "\u2212")


def amount_text(amount: int) -> str:
    """An amount of credits as people read it: to a hundredth, without trailing zeros: ``352.8``, ``169.47``.

    What is less than a hundredth keeps its decimals, so that nothing that was charged looks like nothing. Prices of one
    unit and limits that somebody must keep to are written exactly, by :func:`as_text`.
    """
    hundredth = Decimal("0.01")
    value = as_credits(amount)
    if abs(value) >= hundredth:
        amount = int(value.quantize(hundredth, rounding=ROUND_HALF_UP) * MICRO)
    return as_text(amount)
