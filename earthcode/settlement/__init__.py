"""Usage reports, charges, provider statements and close-out.

Little for now: an allocation is ended in ``provisioning``, and nothing is charged yet.

- ``books``: the nightly verification of the ledger, which tells the ESA managers of what it finds.
"""
