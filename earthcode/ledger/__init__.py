"""The double-entry credit ledger. It knows accounts, not projects or requests.

Always holds, in the code and in the database: every posting debits one account and credits another by the same amount;
entries and postings never change; no account with a floor goes below it; the same key moves credits once.

``actions.post`` is where credits move; nothing else writes entries. ``actions`` is the only door to this package.
"""
