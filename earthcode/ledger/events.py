"""What happens in ``ledger``, by name."""

from earthcode.audit.events import EventName


class LedgerEvent(EventName):
    SEAL = "ledger.seal", "Ledger sealed"
    BREAK = "ledger.break", "Verification of the ledger failed"
