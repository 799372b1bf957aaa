"""Usage reports, charges, provider statements and close-out.

Empty for now: an allocation is ended in ``provisioning``, and nothing is charged yet.
"""
