"""What platforms offer, for everybody: the list, an offering, comparing, estimates, versions, and finding by science.

Public pages, priced for the reader's workload (``workload``). They read the catalogue from memory and can be cached
(``parts.conditional_get``). What a provider changes about an offering is in ``provider``.
"""
