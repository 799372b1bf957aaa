"""The double-entry credit ledger. It knows accounts, not projects or requests.

Always holds, in the code and in the database: every posting debits one account and credits another by the same amount of
one unit; entries and postings never change; no account with a floor goes below it; an account's totals are the sum of its
postings; what open holds have left is what the held accounts hold; the same key moves credits once; credits stay in their
call and are spent in their window; what is owed was used, and is repaid at most once.

An award's credits are in one tranche or several, each with a window. When a window ends, what is left goes back to the call
as an entry at that moment. Usage that no hold covers is recorded all the same: it becomes a debt of the award.

- ``actions``: every way credits move; ``post`` is the one the others rest on. The only door for writing.
- ``tasks``: what the clock does: give back what ran out, roll up deferred accounts, seal, write spans.
- ``queries``: balances, statements, the trial balance (``manage.py ledger_statement``, ``manage.py trial_balance``).
- ``spans``: sums over an account's postings, from which balances at past moments are read.
- ``chart``: which accounts a call, an award and a provider have. ``kinds``: the kinds of accounts and entries.
- ``sql``: the functions that write the books, and the guards that refuse everybody else; ``posting.sql`` first.
- ``verify`` (``manage.py verify_ledger``): re-derives every balance and every rule.
"""
