"""What calls and awards have, in micro-credits."""

from earthcode.ledger import chart
from earthcode.ledger import queries as books


def call_balance(slug: str) -> int:
    """What the call can still award."""
    return books.balance(chart.call_accounts(slug).available)


def award_balance(reference: str) -> int:
    """What the award can still place."""
    return books.balance(chart.award_accounts(reference).available)


def award_held(reference: str) -> int:
    """What the award has set aside for its allocations."""
    return books.balance(chart.award_accounts(reference).held)
