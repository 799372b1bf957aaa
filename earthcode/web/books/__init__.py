"""The books, for those who may read all of them: accounts and statements of the ledger, settlements, and the audit trail.

A project's own statement is in ``projects``, a provider's in ``provider``; what they share is in
``parts.statement`` and ``parts.trail``.
"""
