"""The chart of accounts: which accounts a call, an award and a provider have, and what they are called.

Nobody else spells a code. These functions only name accounts; the functions of the same names in ``actions`` open them.
"""

from dataclasses import astuple, dataclass, fields

from earthcode.ledger.kinds import AccountKind


@dataclass(frozen=True)
class Accounts:
    """The codes of the accounts that belong to one thing. Each field is named after its kind."""

    @property
    def kinds(self) -> list[tuple[str, AccountKind]]:
        """Each code with its kind, always in the same order."""
        return [(code, AccountKind(field.name)) for field, code in zip(fields(self), astuple(self), strict=True)]


@dataclass(frozen=True)
class CallAccounts(Accounts):
    """What a sponsor put into a call, and what of it is not awarded."""

    commitment: str
    available: str


@dataclass(frozen=True)
class AwardAccounts(Accounts):
    """What the first tranche of an award can spend, what its open holds have set aside, and what the award owes."""

    available: str
    held: str
    debt: str


@dataclass(frozen=True)
class TrancheAccounts(Accounts):
    """What a tranche of an award can spend, and what open holds have set aside of it."""

    available: str
    held: str


@dataclass(frozen=True)
class ProviderAccounts(Accounts):
    """What a provider earned under one call: not invoiced yet, and invoiced but not settled."""

    accrued: str
    invoiced: str


#: Separates the parts of a code, so no key may contain it.
SEPARATOR = ":"


def _code(*parts: str) -> str:
    if any(not part or SEPARATOR in part or part != part.strip() for part in parts):
        raise ValueError(f"a key must be a word without “{SEPARATOR}”: {parts}")
    return SEPARATOR.join(parts)


def call_accounts(call_key: str) -> CallAccounts:
    return CallAccounts(
        commitment=_code("call", call_key, AccountKind.COMMITMENT),
        available=_code("call", call_key, AccountKind.AVAILABLE),
    )


def award_accounts(award_key: str) -> AwardAccounts:
    return AwardAccounts(
        available=_code("award", award_key, AccountKind.AVAILABLE),
        held=_code("award", award_key, AccountKind.HELD),
        debt=_code("award", award_key, AccountKind.DEBT),
    )


def tranche_accounts(award_key: str, tranche: int) -> TrancheAccounts:
    """Tranches count from 1. The first has the award's own accounts, so an award of one tranche needs no more."""
    if tranche < 1:
        raise ValueError(f"tranches count from 1, not {tranche}")
    parts = ("award", award_key) if tranche == 1 else ("award", award_key, str(tranche))
    return TrancheAccounts(available=_code(*parts, AccountKind.AVAILABLE), held=_code(*parts, AccountKind.HELD))


def provider_accounts(provider_key: str, call_key: str) -> ProviderAccounts:
    return ProviderAccounts(
        accrued=_code("provider", provider_key, call_key, AccountKind.ACCRUED),
        invoiced=_code("provider", provider_key, call_key, AccountKind.INVOICED),
    )
